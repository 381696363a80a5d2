"""A run whose projections are lost is read from the newest snapshot in its trail, and nothing is lost by that."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.core import patch
from registry.core.patch import Document
from registry.core.record import Bag
from registry.core.run import Run
from registry.formats.event_line import sealed
from registry.formats.trail import Line
from registry.storage.files import checkpoints, mutating, opening, walking
from registry.storage.files.handles import OpenRun
from registry.storage.files.store import FileStore
from tests.storage.given import Clock, created, given_run, moved, noted

EVERY = 8_000
PROJECTIONS = ("state.json", "refs.json", "workflow.lock.md")


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "EVERY_BYTES", EVERY)
    monkeypatch.setattr(checkpoints, "TIMES_SNAPSHOT", 2)
    monkeypatch.setattr(checkpoints, "_BLOCK_BYTES", 1_000)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FileStore]:
    """A store that need not wait for the disk."""
    made = FileStore(str(tmp_path), now=Clock(), durability="process", keeps_index=False)
    yield made
    made.close()


@pytest.fixture
def folder(store: FileStore, tmp_path: Path) -> Path:
    """A run of some hundred notes, with a node that was started in the middle of them."""
    store.create(created(given_run()))
    note(store, 60)
    with store.locked("demo-1", wait_s=5, op="test") as session:
        session.commit(moved(session.run, "n0", "running", "node.started"))
    note(store, 40)
    return tmp_path / "runs" / "demo-1"


def note(store: FileStore, times: int, *, payload: Bag | None = None) -> None:
    for number in range(times):
        with store.locked("demo-1", wait_s=5, op="test") as session:
            session.commit(noted(session.run, f"note {number}", payload=payload))


def lines_of(folder: Path) -> list[bytes]:
    return (folder / "events.jsonl").read_bytes().splitlines(keepends=True)


def put(folder: Path, lines: list[bytes]) -> None:
    (folder / "events.jsonl").write_bytes(b"".join(lines))


def lose_projections(folder: Path) -> None:
    for name in PROJECTIONS:
        (folder / name).unlink()


def with_snapshot(lines: list[bytes]) -> list[int]:
    return [number for number, line in enumerate(lines) if "snapshot" in json.loads(line)]


def counted_snapshots(monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    made: list[Run] = []
    real = patch.snapshot

    def counted(run: Run) -> Document:
        made.append(run)
        return real(run)

    monkeypatch.setattr(checkpoints, "snapshot", counted)
    return made


def test_the_newest_snapshot_is_where_reading_begins(
    store: FileStore, again: FileStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long a run has lived must not be what it costs to read it anew."""
    before, lines = store.read("demo-1").run, lines_of(folder)
    found = with_snapshot(lines)
    assert len(found) > 2
    assert all("patch" in json.loads(lines[number]) for number in found[1:])
    begun: list[int] = []
    real = walking.trail_lines

    def noted_lines(entry: OpenRun, start: int, end: int) -> Iterator[Line]:
        begun.append(start)
        return real(entry, start, end)

    monkeypatch.setattr(walking, "trail_lines", noted_lines)
    lose_projections(folder)

    assert again.read("demo-1").run == before
    assert begun == [sum(map(len, lines[: found[-1]]))]
    note(again, 1)
    assert again.validate("demo-1") == []


def test_snapshots_make_a_trail_little_longer(store: FileStore, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large run's snapshot is worth so many times its size of trail, and it is not made up each time to see that."""
    lines = lines_of(folder)
    size = max(len(lines[number]) for number in with_snapshot(lines))
    monkeypatch.setattr(checkpoints, "TIMES_SNAPSHOT", 40)
    made = counted_snapshots(monkeypatch)
    fresh = FileStore(str(folder.parent.parent), now=Clock(), durability="process", keeps_index=False)
    note(fresh, 250)

    now = lines_of(folder)
    later = [number for number in with_snapshot(now) if number >= len(lines)]
    assert len(later) == 1
    behind = sum(map(len, now[with_snapshot(now)[-2] : later[0]]))
    assert behind >= 40 * size * 0.8
    assert len(made) <= 4
    assert fresh.validate("demo-1") == []
    fresh.close()


def test_no_change_fails_for_the_snapshot_beside_it(
    store: FileStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody asked for may take only what the change leaves of its limit."""
    known = with_snapshot(lines_of(folder))
    monkeypatch.setattr(mutating, "MUTATION_BYTES_MAX", 4_000)
    made = counted_snapshots(monkeypatch)
    note(store, 60, payload={"fill": "x" * 3_000})
    assert with_snapshot(lines_of(folder)) == known
    assert 0 < len(made) <= 60 * 3_400 // EVERY + 1


def test_a_copied_snapshot_takes_nothing_back(store: FileStore, again: FileStore, folder: Path) -> None:
    """Whoever appends a copy of an old line by mistake must not bring the run back to where it was."""
    lines = lines_of(folder)
    old = with_snapshot(lines)[1]
    put(folder, [*lines, lines[old]])
    before = store.read("demo-1").run
    lose_projections(folder)

    assert again.read("demo-1").run.state == before.state
    with again.locked("demo-1", wait_s=5, op="test") as session:
        assert session.foreign_lines() is not None
        assert session.run.state == before.state


def test_what_others_wrote_is_not_forgotten(store: FileStore, again: FileStore, folder: Path) -> None:
    """Lines that wait to be adopted lie before a snapshot only where that one is not begun from."""
    with open(folder / "events.jsonl", "ab") as file:
        file.write(b'{"event":"note.hand","message":"by hand"}\n')
    known = with_snapshot(lines_of(folder))
    note(store, 60)  # the store alone adopts nothing
    assert with_snapshot(lines_of(folder)) == known
    lose_projections(folder)

    with again.locked("demo-1", wait_s=5, op="test") as session:
        adopted = session.foreign_lines()
    assert adopted is not None
    assert adopted.lines[0].event is not None
    assert adopted.lines[0].event.message == "by hand"


def test_words_that_look_like_a_snapshot_are_none(
    store: FileStore, again: FileStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading from the end must not trust what a payload says, nor take long over it."""
    monkeypatch.setattr(checkpoints, "EVERY_BYTES", 1 << 30)
    looks: Bag = {"a": 1, "snapshot": {"log": {"offset": 0}, "state": {}}, "patch": {}}
    note(store, 50, payload=looks)
    before = store.read("demo-1").run
    lose_projections(folder)
    read: list[int] = []
    real = opening.read_at

    def counted(trail: int, offset: int, size: int) -> bytes:
        read.append(size)
        return real(trail, offset, size)

    monkeypatch.setattr(checkpoints, "read_at", counted)

    assert again.read("demo-1").run == before
    assert sum(read) < 50 * 9_000 + (folder / "events.jsonl").stat().st_size * 2


def test_damage_before_a_snapshot_stops_nobody_and_is_told(store: FileStore, again: FileStore, folder: Path) -> None:
    """The run stands whole in the snapshot; that its history is damaged is for doctor to say and repair to settle."""
    before, lines = store.read("demo-1").run, lines_of(folder)
    last = with_snapshot(lines)[-1]
    lines[last - 3] = lines[last - 3].replace(b'"actor"', b'"bctor"')
    put(folder, lines)
    lose_projections(folder)

    assert again.read("demo-1").run == before
    note(again, 1)
    assert [problem.code for problem in again.validate("demo-1")] == ["log_corrupt"]
    again.care.restore("demo-1", wait_s=5)
    again.care.tidy("demo-1", wait_s=5)
    assert again.validate("demo-1") == []
    assert again.read("demo-1").run.state.nodes == before.state.nodes


def test_lines_missing_before_a_snapshot_lose_nothing(store: FileStore, again: FileStore, folder: Path) -> None:
    """A repair that steps over a gap finds the whole run behind it."""
    before, lines = store.read("demo-1").run, lines_of(folder)
    found = with_snapshot(lines)
    put(folder, [*lines[: found[-1] - 2], *lines[found[-1] :]])  # offsets moved: nobody may begin there unasked
    lose_projections(folder)

    told = again.care.restore("demo-1", wait_s=5)
    assert "Nothing that was acknowledged is lost" in told[-1]
    assert again.read("demo-1").run.state.nodes == before.state.nodes
    assert again.validate("demo-1") == []


def test_a_line_that_is_readable_and_wrong_rolls_nothing_back(store: FileStore, again: FileStore, folder: Path) -> None:
    """A repair may guess at a broken line; what is proved behind it is no guess."""
    lines = lines_of(folder)
    started = next(number for number, line in enumerate(lines) if b'"node.started"' in line)
    assert with_snapshot(lines)[-1] > started
    before = store.read("demo-1").run
    lines[started] = lines[started].replace(b'"status"],"running"', b'"status"],"skipped"')
    put(folder, lines)
    lose_projections(folder)

    again.care.restore("demo-1", wait_s=5)
    assert again.read("demo-1").run.state.nodes == before.state.nodes
    assert again.validate("demo-1") == []


def test_a_beginning_that_was_cut_off_is_missed(store: FileStore, again: FileStore, folder: Path) -> None:
    """A trail that happens to begin with a snapshot beside a patch proves nothing of what was before."""
    before, lines = store.read("demo-1").run, lines_of(folder)
    put(folder, lines[with_snapshot(lines)[1] :])

    assert again.read("demo-1").run.state == before.state
    assert again.validate("demo-1")[0].code == "log_corrupt"
    again.care.restore("demo-1", wait_s=5)
    again.care.tidy("demo-1", wait_s=5)
    assert again.validate("demo-1") == []
    assert again.read("demo-1").run.state.nodes == before.state.nodes


def test_lines_that_wait_are_heard_whatever_else_is_lost(store: FileStore, again: FileStore, folder: Path) -> None:
    """The plan's cache is disposable, and a fold from the newest snapshot does not meet what lies before it."""
    with open(folder / "events.jsonl", "ab") as file:
        file.write(b'{"event":"note.hand","message":"by hand"}\n')
    note(store, 1)
    lines = lines_of(folder)
    lines[3] = lines[3].replace(b'"actor"', b'"bctor"')
    put(folder, lines)
    store.care.restore("demo-1", wait_s=5)
    assert json.loads((folder / "state.json").read_bytes())["log"]["foreign"]
    shutil.rmtree(folder.parent.parent / ".opentask")

    with again.locked("demo-1", wait_s=5, op="test") as session:
        assert session.foreign_lines() is not None


def test_damage_behind_a_snapshot_is_damage(store: FileStore, again: FileStore, folder: Path) -> None:
    """Only what lies before it does not matter to whoever begins there."""
    lines = lines_of(folder)
    last = with_snapshot(lines)[-2]
    assert with_snapshot(lines)[-1] > last + 1
    lines = lines[: with_snapshot(lines)[-1]]
    lines[last + 1] = lines[last + 1].replace(b'"actor"', b'"bctor"')
    put(folder, lines)
    lose_projections(folder)

    assert any(notice.startswith("log_corrupt") for notice in again.read("demo-1").notices)


@pytest.mark.parametrize("spoilt", ["other state", "no state"])
def test_a_snapshot_that_says_something_else_is_found(
    store: FileStore, again: FileStore, folder: Path, spoilt: str
) -> None:
    """What nobody reads for months has to be right on the day it is needed."""
    before, lines = store.read("demo-1").run, lines_of(folder)
    last = with_snapshot(lines)[-1]
    line = json.loads(lines[last])
    del line["crc"]
    if spoilt == "other state":
        line["snapshot"]["state"]["title"] = "Another"
    else:
        del line["snapshot"]["state"]
    lines[last] = sealed(line)
    # Another length would move what follows, and other checksums end the trail.
    lines = lines[: last + 1]
    put(folder, lines)
    state = json.loads((folder / "state.json").read_bytes())
    assert state["title"] == before.state.title

    codes = [problem.code for problem in again.validate("demo-1")]
    assert "log_corrupt" in codes
    again.care.restore("demo-1", wait_s=5)
    again.care.tidy("demo-1", wait_s=5)
    assert again.validate("demo-1") == []
    assert again.read("demo-1").run.state.title == before.state.title


def test_a_line_cut_in_the_middle_of_its_snapshot_never_was(store: FileStore, again: FileStore, folder: Path) -> None:
    """The longest line is the likeliest to be torn."""
    lines = lines_of(folder)
    last = with_snapshot(lines)[-1]
    text = b"".join(lines[:last]) + lines[last][: len(lines[last]) // 2]
    (folder / "events.jsonl").write_bytes(text)
    lose_projections(folder)

    run = again.read("demo-1").run
    assert run.log.rev == json.loads(lines[last - 1])["rev"]
