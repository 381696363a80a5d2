"""A registry and a command line on it."""

from pathlib import Path

import pytest

from tests.surfaces.cli.fixture import Cli


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Variables of whoever runs the tests must not choose a registry or a name."""
    for name in ("OPENTASK_REGISTRY_ROOT", "OPENTASK_AGENT_ID", "OPENTASK_JSON", "OPENTASK_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Commands on a registry of their own."""
    root = tmp_path / "registry"
    root.mkdir()
    return Cli(root, capsys)
