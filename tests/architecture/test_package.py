"""Whose `registry` is imported, and what starting up costs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

DECOY = "raise SystemExit('the project\\'s own registry was imported')\n"


def python(*arguments: str, cwd: Path, search: Path) -> subprocess.CompletedProcess[str]:
    """Run this Python with `search` on PYTHONPATH and wait for its end."""
    environment = os.environ | {"PYTHONPATH": str(search)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's project that has a package of the name `registry`."""
    package = tmp_path / "project" / "registry"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(DECOY)
    return package.parent


def test_a_shadowed_registry_is_named_with_both_paths_and_never_imported(project: Path) -> None:
    """Otherwise the user reads about a name missing from a module that is their own."""
    ended = python("-m", "opentask_mcp", "--version", cwd=project, search=ROOT)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"opentask: the package `registry` would come from {project}/registry/__init__.py; "
        f"OpenTask MCP's own is {ROOT}/registry/__init__.py\n"
        f"Python searches {project} first: take it out of PYTHONPATH, and start `opentask` or `opentask-mcp` "
        "there instead of `python -m opentask_mcp`\n"
    )


def test_a_module_file_of_the_name_shadows_too(tmp_path: Path) -> None:
    """`registry.py` is as likely in a project as a folder, and the path to leave out is another."""
    (tmp_path / "registry.py").write_text(DECOY)

    ended = python("-c", "import opentask_mcp.__main__ as m; m.opentask_mcp()", cwd=tmp_path, search=ROOT)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"opentask-mcp: the package `registry` would come from {tmp_path}/registry.py; "
        f"OpenTask MCP's own is {ROOT}/registry/__init__.py\n"
        f"Python searches {tmp_path} first: take it out of PYTHONPATH, and start `opentask` or `opentask-mcp` "
        "there instead of `python -m opentask_mcp`\n"
    )


def test_a_folder_of_registry_files_does_not_shadow(tmp_path: Path) -> None:
    """Projects keep their runs in a folder of that name; it is no package, and ours is found."""
    (tmp_path / "registry" / "runs").mkdir(parents=True)

    ended = python("-c", "import opentask_mcp as o; o.require_own_registry()", cwd=tmp_path, search=ROOT)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_a_registry_that_is_already_loaded_is_looked_at_too(tmp_path: Path) -> None:
    """A host that embeds the server may have imported its own before ours is asked for."""
    code = (
        "import sys, types; sys.modules['registry'] = types.ModuleType('registry')\n"
        "import opentask_mcp\n"
        "try: opentask_mcp.require_own_registry()\n"
        "except opentask_mcp.ForeignRegistry as shadowed: print(shadowed.found)\n"
    )

    ended = python("-c", code, cwd=tmp_path, search=ROOT)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "<module 'registry'>\n", "")


@pytest.mark.skipif(not (ROOT / "opentask_mcp/cli/main.py").exists(), reason="there is no command line yet")
def test_the_command_line_starts_without_the_sdk_yaml_or_rich() -> None:
    """Scripts call `opentask` in loops, and the SDK alone takes half a second to import."""
    code = "import sys, opentask_mcp.cli.main; print(sorted({'mcp', 'mcp_types', 'yaml', 'rich'} & set(sys.modules)))"

    ended = python("-c", code, cwd=ROOT, search=ROOT)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "[]\n", "")


def test_importing_either_package_loads_nothing_heavy() -> None:
    """The first thing every entry point does must not already cost something."""
    code = (
        "import sys, opentask_mcp, registry; print(sorted({'mcp', 'pydantic', 'yaml', 'sqlite3'} & set(sys.modules)))"
    )

    ended = python("-c", code, cwd=ROOT, search=ROOT)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "[]\n", "")
