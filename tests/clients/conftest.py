"""The command line on a registry, and a project's folder to stand in."""

from pathlib import Path

import pytest

from tests.surfaces.cli.conftest import alone, cli

__all__ = ["alone", "cli"]


@pytest.fixture(autouse=True)
def project(alone: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory; no variable of whoever runs the tests names another file of OpenClaw's."""
    monkeypatch.delenv("OPENCLAW_CONFIG_PATH", raising=False)
    monkeypatch.delenv("OPENCLAW_STATE_DIR", raising=False)
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
