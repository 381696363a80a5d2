"""What is installed: whose `registry` it is, what the wheel holds, and what starting up costs."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.architecture.source import PACKAGES, ROOT

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


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel; needs no network, because the builder is one of the development tools."""
    pytest.importorskip("hatchling", reason="the wheel is built by `make test`, which installs hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_every_file_of_the_two_packages_and_nothing_beside_them(wheel: Path) -> None:
    """A Markdown or SQL file left out is found missing only by the user."""
    ours = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in {".pyc", ".pyo"} and "__pycache__" not in path.parts
    }

    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.split("/")[0].endswith(".dist-info")}

    assert names == ours
    assert {f"{package}/py.typed" for package in PACKAGES} <= names


def test_the_installed_wheel_finds_its_own_registry_next_to_a_decoy(wheel: Path, project: Path) -> None:
    """A console script does not search the working directory, so it works in such a project."""
    site = wheel.parent / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    code = "import opentask_mcp as o; o.require_own_registry(); import registry; print(registry.__file__)"

    as_console_script = python("-P", "-c", code, cwd=project, search=site)
    as_module = python("-m", "opentask_mcp", cwd=project, search=site)

    assert (as_console_script.returncode, as_console_script.stdout) == (0, f"{site}/registry/__init__.py\n")
    assert as_module.returncode == 1
    assert as_module.stderr.startswith(
        f"opentask: the package `registry` would come from {project}/registry/__init__.py; "
        f"OpenTask MCP's own is {site}/registry/__init__.py\n"
    )


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
