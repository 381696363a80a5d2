"""A registry with a run at work, in a folder whose neighbours must not change."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doctor.given import Given, copied, given
from tests.fuzz.hostile import no_hang, outside


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Given:
    made = given(tmp_path_factory.mktemp("template"))
    (made.root / "workflows").mkdir(exist_ok=True)
    (made.root / "workflows" / "demo.task.md").write_text((made.folder / "workflow.lock.md").read_text())
    return made


@pytest.fixture
def work(template: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Given]:
    """The registry; at the end everything beside it must be as it was, and nothing may have hung."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x").write_text("nobody's business")
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    root = tmp_path / "root"
    work = copied(template, root)
    monkeypatch.chdir(root)
    before = outside(root)
    with no_hang(120):
        yield work
    assert outside(root) == before
    shutil.rmtree(tmp_path, ignore_errors=True)
