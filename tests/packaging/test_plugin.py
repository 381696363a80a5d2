"""The plugin for Claude Code: its shape, the server it starts, and what its commands speak of."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from registry.operations.table import OPERATIONS
from tests.architecture.source import ROOT

PLUGIN = ROOT / "plugins" / "claude-code"
START = PLUGIN / "scripts" / "start-server.sh"


@pytest.fixture
def manifest() -> Any:
    """The plugin's manifest."""
    return json.loads((PLUGIN / ".claude-plugin" / "plugin.json").read_text())


def test_the_manifest_has_the_shape_that_claude_code_reads(manifest: Any) -> None:
    """A plugin with a fault in its manifest is skipped, and only a log says so."""
    known = {"name", "displayName", "version", "description", "author", "license", "keywords", "mcpServers"}

    assert set(manifest) <= known
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", manifest["name"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", manifest["version"])
    assert 50 <= len(manifest["description"]) <= 200
    assert set(manifest["author"]) <= {"name", "email", "url"}


def test_the_marketplace_leads_to_the_plugin(manifest: Any) -> None:
    """`claude plugin marketplace add` of this repository finds it there."""
    market = json.loads((ROOT / ".claude-plugin" / "marketplace.json").read_text())

    assert {"name", "owner", "plugins"} <= set(market)
    (entry,) = market["plugins"]
    assert (entry["name"], entry["description"]) == (manifest["name"], manifest["description"])
    assert (ROOT / entry["source"]).resolve() == PLUGIN


def test_the_skill_is_the_repositorys_own() -> None:
    """A copy would fall behind."""
    assert (PLUGIN / "skills").is_symlink()
    assert (PLUGIN / "skills" / "opentask").resolve() == ROOT / "skills" / "opentask"


@pytest.mark.parametrize("command", ["resume", "status"])
def test_a_command_says_what_it_is_and_names_tools_that_exist(command: str) -> None:
    """Its first lines are what a person sees in the list."""
    _, head, body = (PLUGIN / "commands" / f"{command}.md").read_text().split("---\n", 2)

    assert set(yaml.safe_load(head)) == {"description", "argument-hint"}
    assert "$ARGUMENTS" in body
    tools = set(re.findall(r"\b[a-z]+_[a-z]+\b", body))
    assert tools and tools <= set(OPERATIONS)


def start(*folders: Path) -> subprocess.CompletedProcess[str]:
    """The launcher, with these folders and nothing else to find programs in."""
    system = Path(shutil.which("sh") or "/bin/sh")
    return subprocess.run(
        [str(system), str(START), "--root", "/tmp"],
        env={"PATH": os.pathsep.join(map(str, folders))},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def program(folder: Path, name: str, says: str) -> Path:
    """A program that prints a line and its arguments."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}' \"$@\"\n")
    path.chmod(0o755)
    return folder


def test_the_server_that_the_manifest_names_is_the_launcher(manifest: Any) -> None:
    """The plugin is copied somewhere else before it runs."""
    server = manifest["mcpServers"]["opentask"]

    assert server == {"command": "${CLAUDE_PLUGIN_ROOT}/scripts/start-server.sh", "args": []}
    assert os.access(START, os.X_OK)


def test_an_installed_server_is_started_first(tmp_path: Path) -> None:
    """What the person installed is the version they chose."""
    ours = program(tmp_path / "ours", "opentask-mcp", "opentask-mcp 9.9.9")
    program(ours, "uvx", "uvx was started")

    assert start(ours).stdout == "opentask-mcp 9.9.9 --root /tmp\n"


def test_another_program_of_the_name_is_not_ours(tmp_path: Path) -> None:
    """An earlier package has scripts of the same names."""
    folder = program(tmp_path / "other", "opentask-mcp", "opentask-registry 1.0")
    program(folder, "uvx", "uvx")

    assert start(folder).stdout == "uvx opentask-mcp --root /tmp\n"


def test_without_any_way_to_start_it_the_person_reads_what_to_install(tmp_path: Path) -> None:
    """Claude Code shows stderr of a server that did not start."""
    ended = start(tmp_path)

    assert (ended.returncode, ended.stdout) == (127, "")
    assert "uv tool install opentask-mcp" in ended.stderr


def test_the_launcher_starts_the_real_server(tmp_path: Path) -> None:
    """The version that it looks for is the one that the server prints."""
    if not (Path(sys.executable).parent / "opentask-mcp").exists():
        pytest.skip("opentask-mcp is not installed beside this Python")
    ended = subprocess.run(
        [str(START)],
        cwd=tmp_path,
        env={"PATH": f"{Path(sys.executable).parent}{os.pathsep}/usr/bin:/bin"},
        input='{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n',
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert '"id":1' in ended.stdout.replace(" ", "")


def test_claude_code_takes_plugin_and_marketplace() -> None:
    """`make check-clients` fetches it; without it the tests above are what is known."""
    claude = shutil.which("claude", path=str(ROOT / "build/node/node_modules/.bin"))
    if claude is None:
        pytest.skip("needs claude: make check-clients")

    for path in (PLUGIN, ROOT):
        said = subprocess.run(
            [claude, "plugin", "validate", "--strict", str(path)], capture_output=True, text=True, check=False
        )
        assert said.returncode == 0, said
