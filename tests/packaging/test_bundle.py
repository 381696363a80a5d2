"""The bundle for Claude Desktop: what is in it, that it starts, and that its own validator takes it."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.source import ROOT
from tests.surfaces.mcp.process import process
from tests.tools import require_tool

MANIFEST_KEYS = {
    "$schema", "manifest_version", "name", "display_name", "version", "description", "long_description", "author",
    "repository", "homepage", "documentation", "support", "icon", "icons", "screenshots", "localization", "server",
    "tools", "tools_generated", "prompts", "prompts_generated", "keywords", "license", "privacy_policies",
    "compatibility", "user_config", "_meta",
}  # fmt: skip
"""What version 0.4 of the manifest knows; anything else is refused."""

_SETTING = re.compile(r"\$\{user_config\.(\w+)\}")


def build(folder: Path) -> Path:
    made = subprocess.run(
        [sys.executable, "mcpb/build.py", str(folder)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return Path(made.stdout.strip())


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle."""
    return build(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def unpacked(bundle: Path) -> Path:
    """The bundle as a host has it."""
    folder = bundle.parent / "unpacked"
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def manifest(unpacked: Path) -> Any:
    """Its manifest."""
    return json.loads((unpacked / "manifest.json").read_text())


def test_the_manifest_says_all_that_a_host_needs_and_nothing_it_does_not_know(manifest: Any) -> None:
    """One unknown key, and the file does not install."""
    assert set(manifest) <= MANIFEST_KEYS
    assert {"manifest_version", "name", "version", "description", "author", "server"} <= set(manifest)
    assert manifest["manifest_version"] == "0.4"
    assert re.fullmatch(r"\d+\.\d+\.\d+", manifest["version"])
    assert set(manifest["author"]) <= {"name", "email", "url"}
    assert manifest["server"]["type"] == "uv"
    assert set(manifest["server"]["mcp_config"]) <= {"command", "args", "env", "platform_overrides"}
    assert set(manifest["compatibility"]) <= {"claude_desktop", "platforms", "runtimes"}
    for tool in manifest["tools"]:
        assert set(tool) == {"name", "description"}


def test_every_setting_that_is_asked_for_is_used_and_every_one_used_is_asked_for(manifest: Any) -> None:
    """A placeholder without its setting reaches the server as it stands."""
    used = set(_SETTING.findall(json.dumps(manifest["server"])))

    assert used == set(manifest["user_config"])
    for setting in manifest["user_config"].values():
        assert {"type", "title", "description"} <= set(setting)
        assert "default" in setting  # an empty value would be refused by the server


def test_the_file_to_start_and_what_it_needs_are_there(unpacked: Path, manifest: Any) -> None:
    """Dependencies come from the index; everything else from the bundle."""
    project = tomllib.loads((unpacked / "pyproject.toml").read_text())
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert (unpacked / manifest["server"]["entry_point"]).is_file()
    assert project["project"]["dependencies"] == ours["dependencies"]
    assert project["project"]["requires-python"] == ours["requires-python"]
    assert project["tool"]["uv"] == {"package": False}
    assert (unpacked / "opentask_mcp/share/workflows/repository-audit.task.md").is_file()
    assert not list(unpacked.rglob("__pycache__"))


def test_the_bundle_starts_a_server_with_the_tools_it_names(unpacked: Path, manifest: Any, tmp_path: Path) -> None:
    """As the host starts it, with uv's environment played by the one of the tests."""
    server = manifest["server"]["mcp_config"]
    values = {name: str(setting["default"]) for name, setting in manifest["user_config"].items()}
    values["registry"] = str(tmp_path / "registry")
    env = {name: _SETTING.sub(lambda found: values[found[1]], text) for name, text in server["env"].items()}
    code = f"import os, runpy, sys; os.environ.update({env!r}); sys.path.insert(0, {str(unpacked)!r}); " + (
        f"runpy.run_path({str(unpacked / 'start_server.py')!r}, run_name='__main__')"
    )

    with process(sys.executable, "-P", "-c", code, cwd=unpacked) as spoken:
        said = spoken.hello()
        tools = spoken.result("tools/list")["tools"]
        made = spoken.call("scaffold_run", task_text="Water the plants", run_id="plants")

    assert (said["serverInfo"]["name"], said["serverInfo"]["version"]) == ("opentask", manifest["version"])
    assert [tool["name"] for tool in tools] == [tool["name"] for tool in manifest["tools"]]
    assert made["run_dir"] == str(tmp_path / "registry" / "runs" / "plants")


def test_the_same_sources_give_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    """Who wants to know what is in a released bundle builds it and compares."""
    assert build(tmp_path).read_bytes() == bundle.read_bytes()


def test_the_validator_of_the_format_takes_the_manifest(unpacked: Path) -> None:
    """`make check-clients` fetches it; without it the tests above are what is known."""
    mcpb = shutil.which("mcpb", path=f"{ROOT / 'build/node/node_modules/.bin'}{os.pathsep}{os.environ.get('PATH', '')}")
    if mcpb is None:
        pytest.skip("needs mcpb: make check-clients")
    require_tool("node")

    said = subprocess.run(
        [mcpb, "validate", str(unpacked / "manifest.json")], capture_output=True, text=True, check=False
    )

    assert (said.returncode, "passes" in said.stdout) == (0, True), said
