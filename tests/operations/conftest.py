"""A registry to ask, in memory and on disk, with a clock that a test moves."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from registry import clock
from registry.core.run import Actor
from registry.operations.caller import Caller
from registry.registry import Registry
from registry.settings import Settings
from registry.storage.memory import MemoryStore

AGENT = Actor(kind="agent", id="cc", via="mcp")


class Hands:
    """The hands of the clock: they stand until a test moves them."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, 9, tzinfo=UTC)

    def move(self, **by: float) -> None:
        """Let time pass, in the words of `timedelta`."""
        self.at += timedelta(**by)


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    """The registry's clock, to be moved. It is read in one place only, so it can be turned in one place."""
    hands = Hands()
    monkeypatch.setattr(clock, "now", lambda: hands.at)
    return hands


@pytest.fixture(params=["memory", "files"])
def registry(request: pytest.FixtureRequest, tmp_path: Path, hands: Hands) -> Iterator[Registry]:
    """An empty registry; a test that takes it is run on both stores."""
    settings = Settings(root=tmp_path, durability="process")
    registry = Registry.open(settings) if request.param == "files" else Registry(MemoryStore(), settings)
    yield registry
    registry.store.close()


@pytest.fixture
def caller(registry: Registry) -> Caller:
    """An agent called cc, through MCP, in a client without forms."""
    return Caller(registry=registry, actor=AGENT, agent_id="cc")
