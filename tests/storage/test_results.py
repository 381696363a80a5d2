"""result.json of a completed node: written behind the trail, made again from it, nobody's words overwritten."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from registry.core.result import result_text
from registry.storage import failpoints
from registry.storage.failpoints import Failpoint
from registry.storage.files.store import FileStore
from registry.storage.port import Store
from tests.crash.children import Say, done
from tests.storage.conftest import Bench
from tests.storage.given import Clock, completed, created, given_run, noted

PATH = "nodes/n0/result.json"
EARLIER = Path(__file__).parent / "earlier" / "research-7"


@contextmanager
def opened(root: Path) -> Iterator[FileStore]:
    """The registry as a process finds it that starts anew."""
    store = FileStore(str(root), now=Clock())
    yield store
    store.close()


def complete(store: Store, *, attempt: int = 1) -> tuple[str, ...]:
    """Complete the first node; gives the warnings of it."""
    with store.locked("demo-1", wait_s=5, op="test") as session:
        return session.commit(completed(session.run, attempt=attempt)).warnings


def change(store: Store) -> tuple[str, ...]:
    """Begin another change; gives what was put right before it."""
    with store.locked("demo-1", wait_s=5, op="test") as session:
        return session.notices


def said(store: Store) -> list[tuple[str, str, str]]:
    """What `validate` says of results; a node that was completed by hand has other faults."""
    found = store.validate("demo-1")
    return [(one.code, one.severity, one.message) for one in found if one.where.endswith("result.json")]


@pytest.fixture
def folder(store: FileStore, tmp_path: Path) -> Path:
    """The folder of a run whose first node another process completed; `store` knows the run as it was made."""
    store.create(created(given_run()))
    with opened(tmp_path) as other:
        complete(other)
    return tmp_path / "runs" / "demo-1"


def as_killed(folder: Path) -> None:
    """As a kill right after the commit leaves it: neither the result nor a state.json that knows of it."""
    (folder / PATH).unlink()
    (folder / "state.json").unlink()


def test_readers_find_the_result_of_a_completed_node(bench: Bench) -> None:
    """Dashboards read the file, whoever completed the node and wherever the run is kept."""
    bench.store.create(created(given_run()))
    complete(bench.store)

    text, size = bench.another().read_file("demo-1", PATH, offset=0, limit=10_000)

    run = bench.another().read("demo-1").run
    assert text == result_text("demo-1", run.node("n0"))
    assert (size, bench.store.files("demo-1", "n0")) == (len(text), [(PATH, len(text))])
    told = json.loads(text)
    assert (told["status"], told["summary"], told["payload"]) == ("completed", "it is done", {"found": 3, "attempt": 1})


def test_a_finish_waits_for_the_disk_once(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync takes longer than all the rest; the trail's is the one that has to be."""
    store.create(created(given_run()))
    synced: list[str] = []
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda descriptor, name=name: synced.append(name))

    complete(store)

    assert synced == ["fdatasync"]


def test_a_kill_between_the_commit_and_the_result_is_made_good(store: FileStore, tmp_path: Path) -> None:
    """The node is completed as soon as the trail says so; its file must follow though its writer is dead."""
    store.create(created(given_run()))
    store.close()

    def work(_say: Say) -> None:
        with opened(tmp_path) as other, other.locked("demo-1", wait_s=5, op="test") as session:
            failpoints.arm(Failpoint("file.open", "kill"))
            session.commit(completed(session.run))

    assert done(work).was_killed
    place = tmp_path / "runs" / "demo-1" / PATH
    with opened(tmp_path) as again:
        assert again.read("demo-1").run.node("n0").status == "completed"
        assert not place.exists(), "a reader changes nothing"
        assert said(again) == [("projection_missing", "warning", f"{PATH} is not there; repair_run makes it again")]
        assert change(again) == ()
        assert place.read_bytes() == result_text("demo-1", again.read("demo-1").run.node("n0"))


def test_a_process_that_knew_the_run_before_makes_the_result_too(store: FileStore, folder: Path) -> None:
    """A server that has run for weeks rolls on from what it knows, whatever lies on the disk."""
    (folder / PATH).unlink()
    assert store.read("demo-1").run.node("n0").status == "completed"

    assert change(store) == ()

    assert json.loads((folder / PATH).read_bytes())["payload"] == {"found": 3, "attempt": 1}
    assert said(store) == []


def test_all_results_are_made_where_the_trail_is_all_there_is(folder: Path, tmp_path: Path) -> None:
    """Nothing vouches for any file then."""
    as_killed(folder)

    with opened(tmp_path) as again:
        change(again)
        assert (folder / PATH).exists()
        assert said(again) == []


@pytest.mark.parametrize("text", [b'{"mine": 1}', b'{"payload": {"found": 4, "attempt": 1}}', b'{"payload": 3}'])
def test_a_result_that_somebody_wrote_stays_when_the_run_is_rolled_forward(
    store: FileStore, folder: Path, text: bytes
) -> None:
    """Whether it was ours is not known, and a person's words cannot be made again."""
    (folder / PATH).write_bytes(text)

    assert change(store) == ()

    assert (folder / PATH).read_bytes() == text
    assert said(store) == []


def test_a_result_of_an_earlier_attempt_is_replaced(store: FileStore, tmp_path: Path) -> None:
    """What the failed attempt left would be read as the end of the one that succeeded."""
    store.create(created(given_run()))
    place = tmp_path / "runs" / "demo-1" / PATH
    with opened(tmp_path) as other:
        complete(other, attempt=2)
    place.write_bytes(b'{"status": "failed", "payload": {"attempt": 1}}')
    with opened(tmp_path) as other:
        assert said(other) == [
            ("projection_stale", "warning", f"{PATH} tells of attempt 1, not of 2; repair_run makes it again")
        ]

    assert change(store) == ()

    assert json.loads(place.read_bytes())["payload"] == {"found": 3, "attempt": 2}


def test_a_repair_keeps_a_result_of_an_earlier_attempt(store: FileStore, tmp_path: Path) -> None:
    """What a repair replaces lies beside it, whatever it is."""
    store.create(created(given_run()))
    complete(store, attempt=2)
    place = tmp_path / "runs" / "demo-1" / PATH
    earlier = b'{"status": "failed", "payload": {"attempt": 1}}'
    place.write_bytes(earlier)

    store.care.tidy("demo-1", wait_s=5)

    assert json.loads(place.read_bytes())["payload"] == {"found": 3, "attempt": 2}
    assert earlier in [path.read_bytes() for path in place.parent.iterdir()]


@pytest.mark.parametrize("text", [b"", bytes(200)])
def test_a_result_of_which_only_the_name_is_left_is_made_again(store: FileStore, folder: Path, text: bytes) -> None:
    """A loss of power keeps a name and loses the bytes."""
    (folder / PATH).write_bytes(text)
    assert said(store) == [("projection_missing", "warning", f"{PATH} is empty; repair_run makes it again")]

    assert change(store) == ()

    assert json.loads((folder / PATH).read_bytes())["status"] == "completed"
    assert [path.name for path in (folder / PATH).parent.iterdir()] == ["result.json"]


def test_the_bytes_of_a_broken_result_are_kept(store: FileStore, folder: Path) -> None:
    """They may be half of what a person was writing."""
    (folder / PATH).write_bytes(b'{"mine": ')
    broken = f"{PATH} is not a whole JSON object; repair_run makes it again"
    assert said(store) == [("projection_stale", "warning", broken)]

    (notice,) = change(store)

    code, _, words = notice.partition(": ")
    kept = words.rpartition(" ")[2]
    assert (code, (folder / kept).read_bytes()) == ("file_edited", b'{"mine": ')
    assert json.loads((folder / PATH).read_bytes())["status"] == "completed"


def test_what_a_loss_of_power_took_is_told_and_mended_by_a_repair(folder: Path, tmp_path: Path) -> None:
    """The state may outlive the file; then nobody rolls anything forward, and doctor says so."""
    (folder / PATH).unlink()
    with opened(tmp_path) as again:
        assert change(again) == ()
        assert said(again) == [("projection_missing", "warning", f"{PATH} is not there; repair_run makes it again")]

        assert f"projected: {PATH} made anew from the trail" in again.care.tidy("demo-1", wait_s=5)

        assert json.loads((folder / PATH).read_bytes())["status"] == "completed"
        assert said(again) == []


def test_a_result_that_finds_no_room_is_a_warning_and_comes_later(store: FileStore, tmp_path: Path) -> None:
    """The change is committed; saying it failed would make the caller do it twice."""
    store.create(created(given_run()))
    with store.locked("demo-1", wait_s=5, op="test") as session:
        failpoints.arm(Failpoint("file.open", "enospc"))
        committed = session.commit(completed(session.run))
        failpoints.arm(None)

    told = f"projection_stale: {PATH} could not be replaced (No space left on device); the trail has the change"
    assert committed.warnings == (told,)
    assert store.read("demo-1").run.node("n0").status == "completed"
    assert not (tmp_path / "runs" / "demo-1" / PATH).exists()
    with opened(tmp_path) as another:  # of which nobody told
        assert change(another) == ()
    assert (tmp_path / "runs" / "demo-1" / PATH).exists()
    with store.locked("demo-1", wait_s=5, op="test") as session:
        session.commit(noted(session.run))
    assert "unwritten" not in json.loads((tmp_path / "runs" / "demo-1" / "state.json").read_bytes())["log"]


def test_a_folder_in_its_place_is_told_and_set_aside_by_a_repair(store: FileStore, tmp_path: Path) -> None:
    """What cannot be written stays as it is, and no change is refused for it."""
    store.create(created(given_run()))
    place = tmp_path / "runs" / "demo-1" / PATH
    place.mkdir()

    assert [warning.partition(":")[0] for warning in complete(store)] == ["projection_stale"]
    assert [notice.partition(":")[0] for notice in change(store)] == ["projection_stale"]
    assert place.is_dir()

    store.care.tidy("demo-1", wait_s=5)
    assert place.is_file()
    assert said(store) == []


def test_a_node_that_an_earlier_implementation_completed_misses_nothing(store: FileStore, tmp_path: Path) -> None:
    """It left no result.json, and none was ever promised."""
    folder = Path(shutil.copytree(EARLIER, tmp_path / "runs" / "research-7"))
    for _ in range(2):
        with store.locked("research-7", wait_s=5, op="test") as session:
            assert session.run.node("gather").status == "completed"
            session.commit(noted(session.run))
        (folder / "state.json").unlink()

    assert [one for one in store.validate("research-7") if "result.json" in one.where] == []
    assert store.care.tidy("research-7", wait_s=5) != ()
    assert not (folder / "nodes/gather/result.json").exists()
