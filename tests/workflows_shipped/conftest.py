"""A registry with the shipped workflows, and a clock that only a test moves."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from registry import clock
from registry.registry import Registry
from registry.settings import Settings
from registry.storage.files.store import FileStore

SHIPPED = Path(__file__).parents[2] / "workflows"


class Hands:
    """The hands of the clock: they stand until a test moves them."""

    def __init__(self) -> None:
        self.at = datetime(2030, 1, 30, 18, tzinfo=UTC)

    def move_to(self, moment: datetime) -> None:
        """Let it be later; a moment already past changes nothing."""
        self.at = max(self.at, moment)


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    """The registry's clock. It is read in one place only, so it can be turned in one place."""
    hands = Hands()
    monkeypatch.setattr(clock, "now", lambda: hands.at)
    return hands


@pytest.fixture
def registry(tmp_path: Path, hands: Hands) -> Iterator[Registry]:
    """A registry on disk whose `workflows/` holds what we ship."""
    shutil.copytree(SHIPPED, tmp_path / "workflows")
    store = FileStore(str(tmp_path), now=clock.now, durability="process")
    yield Registry(store, Settings(root=tmp_path))
    store.close()
