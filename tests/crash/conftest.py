"""How much is tried, where, and what came of it.

`make test` tries a part of everything; `make test-crash` sets CRASH_TESTS=long and tries all of it.
"""

import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry import clock

from .given import NOW

LONG = os.environ.get("CRASH_TESTS") == "long"


class Figures:
    """What was counted and measured, for the end of the report."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = defaultdict(int)
        self.sentences: list[str] = []

    def add(self, what: str, count: int = 1) -> None:
        self.counts[what] += count

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)


_FIGURES = Figures()


@pytest.fixture
def figures() -> Figures:
    return _FIGURES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = [f"{count:,} {what}" for what, count in _FIGURES.counts.items()] + _FIGURES.sentences
    if lines:
        terminalreporter.section("crash tests")
        terminalreporter.write_line("\n".join(lines))


@pytest.fixture
def seeds() -> int:
    """How many random disks at each step of a change."""
    return 12 if LONG else 0


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder for thousands of short-lived copies: in memory where that is possible."""
    shared = "/dev/shm"
    made = Path(tempfile.mkdtemp(prefix="opentask-", dir=shared if os.access(shared, os.W_OK) else None))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tries of one change give the same run."""
    monkeypatch.setattr(clock, "now", lambda: NOW)
