"""Two and three writers of one run, their steps taken in every order that there is.

A writer stops wherever storage is about to touch the disk and wherever it finds the lock taken; a
scheduler then says who goes on. Each order is run to its end from the same beginning, so nothing
depends on chance or speed. A reader looks after every step. Without the lock the same orders lose
changes, which is how we know that they would be found.
"""

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import filelock
import pytest

from registry.errors import RegistryError
from registry.storage import failpoints
from registry.storage.failpoints import Failpoint, Step
from registry.storage.files import locks
from tests.doctor.given import OTHER, Ask, given, opened

GATES = frozenset({"append.write", "replace.rename", "lock.note"})
Call = Callable[[Ask], object]


@dataclass
class Writer:
    """A thread that runs only while the scheduler lets it."""

    call: Call
    ask: Ask
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    stopped: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    at: str = "start"
    answer: object = None
    failure: BaseException | None = None

    def begin(self) -> None:
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        _current.writer = self
        self.go.acquire()
        try:
            self.answer = self.call(self.ask)
        except (RegistryError, AssertionError, OSError, ValueError, KeyError) as failure:
            self.failure = failure
        self.at = "done"
        self.stopped.release()

    def stop_at(self, place: str) -> None:
        self.at = place
        self.stopped.release()
        self.go.acquire()

    def step(self) -> None:
        self.go.release()
        assert self.stopped.acquire(timeout=30), f"a writer hangs behind {self.at}"


_current = threading.local()


def pause(place: str) -> None:
    writer = getattr(_current, "writer", None)
    if writer is not None:
        writer.stop_at(place)


class Gate(Failpoint):
    """A failpoint that fails nothing and lets the scheduler in."""

    def __init__(self) -> None:
        super().__init__("append.write", "kill", 0)

    def reach(self, step: Step) -> None:
        if step in GATES:
            pause(step)

    def write(self, step: Step, descriptor: int, text: bytes | memoryview) -> int:
        self.reach(step)
        return os.write(descriptor, text)


@pytest.fixture
def gated(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Steps stop, and a writer that would sleep because the lock is taken stops too."""
    time = SimpleNamespace(monotonic=lambda: 0.0, sleep=lambda _s: pause("locked"))
    monkeypatch.setattr(locks, "time", time)
    failpoints.arm(Gate())
    yield
    failpoints.arm(None)


@pytest.fixture
def template(tmp_path: Path) -> Path:
    given(tmp_path / "template")
    return tmp_path / "template"


@dataclass
class Ended:
    """How one order of steps ended."""

    order: list[int]
    choices: list[list[int]]
    writers: list[Writer]
    faults: list[str]


def run_order(template: Path, root: Path, calls: list[Call], prefix: list[int]) -> Ended:
    """Take the steps in the order of the prefix, and then always the first writer that can go on."""
    shutil.copytree(template, root)
    writers = [Writer(call, Ask(root, opened(root))) for call in calls]
    for writer in writers:
        writer.begin()
    order: list[int] = []
    choices: list[list[int]] = []
    faults: list[str] = []
    reader, rev, blocked = opened(root), 0, set[int]()
    while True:
        able = [index for index, writer in enumerate(writers) if writer.at != "done" and index not in blocked]
        if not able:
            break
        chosen = prefix[len(order)] if len(order) < len(prefix) else able[0]
        choices.append(able)
        order.append(chosen)
        writers[chosen].step()
        if writers[chosen].at == "locked":
            blocked.add(chosen)
        else:
            blocked.clear()
        rev = look(root, reader, rev, faults)
    assert all(writer.at == "done" for writer in writers), "everybody waits for a lock that nobody holds"
    faults += judge(root, writers)
    for registry in (reader, *(writer.ask.registry for writer in writers)):
        if registry is not None:
            registry.store.close()
    shutil.rmtree(root)
    return Ended(order, choices, writers, faults)


def look(root: Path, reader: object, rev: int, faults: list[str]) -> int:
    """What somebody sees who reads at this moment: whole JSON that never goes back, and a run."""
    try:
        state = json.loads((root / "runs" / OTHER / "state.json").read_bytes())
        now = int(state["log"]["rev"])
        opened(root).store.read(OTHER)
    except (ValueError, KeyError, RegistryError) as fault:
        faults.append(f"a reader saw {fault!r}")
        return rev
    if now < rev:
        faults.append(f"state.json went back from {rev} to {now}")
    return max(rev, now)


def judge(root: Path, writers: list[Writer]) -> list[str]:
    faults = [f"a writer ended in {writer.failure!r}" for writer in writers if writer.failure is not None]
    fresh = opened(root)
    faults += [problem.message for problem in fresh.store.validate(OTHER)]
    events = [logged.event for logged in fresh.store.events(OTHER, limit=1_000)]
    for number, writer in enumerate(writers):
        if writer.failure is None and isinstance(writer.answer, dict) and writer.answer.get("event"):
            told = sum(1 for event in events if event.message == f"by {number}")
            if told != 1:
                faults.append(f"the note of writer {number} was acknowledged and is there {told} times")
    fresh.store.close()
    return faults


def every_order(template: Path, tmp_path: Path, calls: list[Call], *, limit: int) -> Iterator[Ended]:
    """All orders, depth first; each run tells where another writer could have gone on."""
    todo: list[list[int]] = [[]]
    count = 0
    while todo:
        prefix = todo.pop()
        ended = run_order(template, tmp_path / f"order-{count}", calls, prefix)
        count += 1
        assert count <= limit, "more orders than were thought of"
        yield ended
        for place in range(len(prefix), len(ended.order)):
            todo += [[*ended.order[:place], other] for other in ended.choices[place] if other != ended.order[place]]


def note(number: int) -> Call:
    return lambda ask: ask("append_event", run_id=OTHER, event="note.by", message=f"by {number}")


def claim(ask: Ask) -> object:
    try:
        return ask("claim_node", run_id=OTHER, node_id="gather")["claimed"]
    except RegistryError as refused:
        return refused.code


def test_two_notes_in_every_order_are_both_there(gated: None, template: Path, tmp_path: Path) -> None:
    """Whatever two servers do at the same moment, each acknowledged change is there once."""
    orders = 0
    for ended in every_order(template, tmp_path, [note(0), note(1)], limit=2_000):
        orders += 1
        assert (ended.faults, ended.order) == ([], ended.order)
    assert orders > 10


def test_two_claims_in_every_order_have_one_winner(gated: None, template: Path, tmp_path: Path) -> None:
    """A node given to two workers is done twice, in the same files."""
    orders = 0
    for ended in every_order(template, tmp_path, [claim, claim], limit=2_000):
        orders += 1
        assert ended.faults == []
        assert sorted(str(writer.answer) for writer in ended.writers) == ["True", "conflict"], ended.order
    assert orders > 10


def test_three_writers_in_many_orders(
    gated: None, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With three there is one that waits while another overtakes it."""
    monkeypatch.setattr(f"{__name__}.GATES", frozenset({"append.write"}), raising=True)
    orders = 0
    for ended in every_order(template, tmp_path, [note(0), note(1), note(2)], limit=2_000):
        orders += 1
        assert ended.faults == []
    assert orders > 10


def test_without_the_lock_the_same_orders_lose_changes(
    gated: None, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test of a lock that passes without it is no test."""
    monkeypatch.setattr(filelock, "lock_descriptor", lambda _descriptor, blocking=True: True)
    monkeypatch.setattr(filelock, "unlock_descriptor", lambda _descriptor: None)
    found: list[str] = []
    for ended in every_order(template, tmp_path, [note(0), note(1)], limit=2_000):
        found += ended.faults
        if found:
            break
    assert found
