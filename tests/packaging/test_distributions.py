"""What the wheel and the source archive hold."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from tests.architecture.source import PACKAGES, ROOT
from tests.packaging.conftest import built


def files_below(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in {".pyc", ".pyo"} and "__pycache__" not in path.parts
    }


def packed(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.split("/")[0].endswith(".dist-info")}


def test_the_wheel_holds_the_two_packages_with_what_they_hand_out_and_nothing_beside(wheel: Path) -> None:
    """A Markdown or SQL file left out is found missing only by the user."""
    ours = {f"{package}/{name}" for package in PACKAGES for name in files_below(ROOT / package)}
    share = "opentask_mcp/share"
    ours |= {f"{share}/workflows/{name}" for name in files_below(ROOT / "workflows")}
    ours |= {f"{share}/skills/opentask/{name}" for name in files_below(ROOT / "skills" / "opentask")}

    assert packed(wheel) == ours
    assert {f"{package}/py.typed" for package in PACKAGES} <= ours


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    """An index and an installer read this and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(metadata).decode().splitlines()
        (scripts,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        entry_points = archive.read(scripts).decode()

    assert {"Name: opentask-mcp", "License-Expression: MIT", "Requires-Python: >=3.11"} <= set(lines)
    assert any(line.startswith("Requires-Dist: mcp<3,>=2.3") for line in lines)
    assert entry_points.split() == [
        "[console_scripts]",
        "opentask", "=", "opentask_mcp.__main__:opentask",
        "opentask-mcp", "=", "opentask_mcp.__main__:opentask_mcp",
    ]  # fmt: skip


def test_the_source_archive_makes_the_same_wheel(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    """Distributions build from the archive, not from a checkout."""
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()

    again = built("wheel", tmp_path / "again", of=source)

    assert (again.name, packed(again)) == (wheel.name, packed(wheel))
    assert (source / "skills/opentask/SKILL.md").is_file()
    assert (source / "plugins/claude-code/skills/opentask/SKILL.md").is_file()


def test_every_version_that_is_written_down_is_the_same() -> None:
    """The plugin, the registry entry and the bundle are released with the package."""
    import json

    said = subprocess.run(
        [sys.executable, "-m", "opentask_mcp", "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    server = json.loads((ROOT / "server.json").read_text())
    plugin = json.loads((ROOT / "plugins/claude-code/.claude-plugin/plugin.json").read_text())
    bundle = json.loads((ROOT / "mcpb/manifest.json").read_text())

    versions = {server["version"], server["packages"][0]["version"], plugin["version"], bundle["version"]}
    assert {f"opentask-mcp {version}\n" for version in versions} == {said}
