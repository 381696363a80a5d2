"""Kills, full disks and many processes: nothing acknowledged is lost, nothing half done is seen."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from registry.core.events import Decision, FileWrite
from registry.errors import Conflict, LockTimeout, NotFound, OutcomeUnknown, StorageFull
from registry.storage.files.store import FileStore
from tests.storage.given import T0, created, given_run, noted, rebound

ROOT = Path(__file__).parents[2]

WRITER = """
import sys
from registry.storage.files.store import FileStore
from tests.storage.given import Clock, noted
store = FileStore(sys.argv[1], now=Clock(), durability=sys.argv[3])
print("ready", flush=True)
for index in range(int(sys.argv[2])):
    with store.locked("demo-1", wait_s=60, op="write") as session:
        decision = noted(session.run, sys.argv[4] + str(index), payload={"fill": "x" * (index * 977 % 40_000)})
        committed = session.commit(decision)
    print(committed.run.log.seq, flush=True)
"""

HOLDER = """
import sys
from registry.storage.files.store import FileStore
from tests.storage.given import Clock
store = FileStore(sys.argv[1], now=Clock())
with store.locked("demo-1", wait_s=5, op="claim_node"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def start(script: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def finish(process: "subprocess.Popen[str]") -> list[str]:
    said, _ = process.communicate(timeout=120)
    return said.splitlines()


def messages(store: FileStore) -> list[str]:
    return [logged.event.message or "" for logged in store.events("demo-1", limit=10_000)]


def test_two_processes_write_one_run_and_lose_nothing(store: FileStore, tmp_path: Path) -> None:
    """Ten servers write at once; every acknowledged change must be there, in one count."""
    store.create(created(given_run()))
    writers = [start(WRITER, str(tmp_path), "100", "process", name) for name in ("a", "b")]

    assert all(len(finish(writer)) == 101 for writer in writers)

    found = store.events("demo-1", limit=1000)
    assert [logged.seq for logged in found] == list(range(1, 202))
    assert sorted(messages(store)[1:]) == sorted(f"{name}{index}" for name in "ab" for index in range(100))
    assert store.validate("demo-1") == []


def test_a_killed_writer_leaves_whole_mutations_only(store: FileStore, tmp_path: Path) -> None:
    """kill -9 comes at any moment; what was acknowledged stays and the next writer goes on."""
    store.create(created(given_run()))
    acknowledged: list[int] = []
    for round_number in range(6):
        writer = start(WRITER, str(tmp_path), "100000", "full", f"r{round_number}-")
        assert writer.stdout is not None
        for _ in range(3 + 11 * round_number):
            said = writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in [said, *finish(writer)] if line.strip().isdigit()]

        fresh = FileStore(str(tmp_path), now=store._now)
        assert fresh.read("demo-1").run.log.seq >= max(acknowledged)
        with fresh.locked("demo-1", wait_s=5, op="test") as session:
            before = session.run.log.seq
            assert session.commit(noted(session.run, "after")).run.log.seq == before + 1
        assert [problem for problem in fresh.validate("demo-1") if problem.severity == "error"] == []
        fresh.close()
    found = [logged.seq for logged in store.events("demo-1", limit=100_000)]
    assert found == list(range(1, len(found) + 1))


def test_a_lock_held_by_another_process_is_named_and_freed_by_its_death(store: FileStore, tmp_path: Path) -> None:
    """A server that hangs must be found by a person; one that is killed must hold nothing."""
    store.create(created(given_run()))
    holder = start(HOLDER, str(tmp_path))
    assert holder.stdout is not None
    holder.stdout.readline()

    with pytest.raises(LockTimeout) as refused, store.locked("demo-1", wait_s=0.05, op="test"):
        pass
    assert f"process {holder.pid} (claim_node since 2026-01-31T" in refused.value.message
    assert refused.value.retryable

    holder.kill()
    finish(holder)
    with store.locked("demo-1", wait_s=5, op="test") as session:
        assert session.run.log.rev == 1


def test_readers_see_whole_mutations_while_others_write(store: FileStore, tmp_path: Path) -> None:
    """A reader takes no lock and must never see half of a change, nor an older one than before."""
    store.create(created(given_run()))
    writer = start(WRITER, str(tmp_path), "150", "process", "w")
    seen = [0]
    while writer.poll() is None:
        fresh = FileStore(str(tmp_path), now=store._now)
        for reader in (store, fresh):
            reading = reader.read("demo-1")
            assert reading.notices == ()
            seen.append(reading.run.log.seq)
        fresh.close()
        if len(seen) > 20_000:
            break
    finish(writer)

    assert seen == sorted(seen)
    assert store.read("demo-1").run.log.seq == 151


@pytest.fixture
def file_limit() -> Iterator[None]:
    """Gives back the limit on file sizes, which stands for a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("room", [0, 1, 100], ids=lambda room: f"{room} bytes left")
def test_a_full_disk_undoes_the_change_whole(store: FileStore, tmp_path: Path, file_limit: None, room: int) -> None:
    """An error that says nothing was changed must be true, also of the files that came first."""
    report = "nodes/n0/report.md"
    store.create(created(given_run(), FileWrite(report, b"the first report")))
    trail = tmp_path / "runs" / "demo-1" / "events.jsonl"
    before, soft = trail.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    with store.locked("demo-1", wait_s=5, op="test") as session:
        run = session.run
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + room, soft))
        with pytest.raises(StorageFull, match="nothing was changed"):
            session.commit(noted(session.run, files=(FileWrite(report, b"new"), FileWrite("nodes/n1/new.md", b"new"))))
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, soft))

        assert (session.run, trail.read_bytes()) == (run, before)
        assert session.read_file(report) == b"the first report"
        assert session.sizes(["nodes/n1/new.md"]) == {}
        assert session.commit(noted(session.run)).rev == 2
    assert os.listdir(tmp_path / "runs" / "demo-1" / "nodes" / "n0") == ["report.md"]
    assert store.validate("demo-1") == []


@pytest.mark.parametrize("name", ["state.json", "refs.json", "workflow.lock.md"])
def test_a_projection_that_cannot_be_written_is_a_warning(
    store: FileStore, again: FileStore, tmp_path: Path, name: str
) -> None:
    """The change is committed; saying it failed would make the caller do it twice."""
    store.create(created(given_run()))
    place = tmp_path / "runs" / "demo-1" / name
    with store.locked("demo-1", wait_s=5, op="test") as session:
        text = place.read_bytes()
        place.unlink()
        place.mkdir()
        change = rebound(session.run, cron_job_id="job-1")
        plan = change.run.plan.model_copy(update={"title": "Another title"})
        committed = session.commit(Decision(run=change.run.model_copy(update={"plan": plan}), events=change.events))
        place.rmdir()
        place.write_bytes(text)

    assert [warning.partition(" ")[0] for warning in committed.warnings] == ["projection_stale:"]
    assert name in committed.warnings[0]
    for reader in (again, store):
        assert reader.read("demo-1").run == committed.run
        assert [problem.severity for problem in reader.validate("demo-1")] == ["warning"]
    with again.locked("demo-1", wait_s=5, op="test") as session:
        assert (session.notices, session.plan_edit()) == ((), None)
        session.commit(noted(session.run))
    assert again.validate("demo-1") == []


def test_an_unconfirmed_sync_is_an_unknown_outcome_and_the_files_are_read_anew(
    store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failed sync nobody knows what is on the disk; what memory says must not be trusted."""
    store.create(created(given_run()))

    def refuse(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with store.locked("demo-1", wait_s=5, op="test") as session:
        monkeypatch.setattr(os, "fdatasync", refuse)
        with pytest.raises(OutcomeUnknown, match="may or may not be there"):
            session.commit(noted(session.run))
        monkeypatch.undo()

    with store.locked("demo-1", wait_s=5, op="test") as session:
        assert session.run.log.rev == 2
        assert session.commit(noted(session.run)).rev == 3
    assert json.loads((tmp_path / "runs" / "demo-1" / "state.json").read_bytes())["log"]["rev"] == 3


def test_a_forked_child_waits_for_its_parent(store: FileStore) -> None:
    """A child that shared its parent's lock would write beside it."""
    store.create(created(given_run()))
    with store.locked("demo-1", wait_s=5, op="parent"):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                with store.locked("demo-1", wait_s=0.05, op="child"):
                    status = 2
            except LockTimeout:
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
    with store.locked("demo-1", wait_s=5, op="parent") as session:
        assert session.commit(noted(session.run)).rev == 2


def test_many_runs_stay_within_a_bounded_number_of_open_files(store: FileStore) -> None:
    """A server that sees a thousand runs must not run out of descriptors."""
    before = len(os.listdir("/proc/self/fd"))
    for index in range(80):
        store.create(created(given_run(f"run-{index}", nodes=1)))
        with store.locked(f"run-{index}", wait_s=5, op="test") as session:
            session.commit(noted(session.run))

    assert len(os.listdir("/proc/self/fd")) - before <= 3 * 64 + 2 + 3, "three a run, two folders, three of the index"
    assert store.read("run-0").run.log.rev == 2
    store.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_nobody_holds_two_runs(store: FileStore) -> None:
    """Two callers that held one each and wanted the other's would wait for ever."""
    store.create(created(given_run("a-1")))
    store.create(created(given_run("b-1")))

    with store.locked("a-1", wait_s=5, op="test"):
        with pytest.raises(AssertionError, match="locked by this thread"), store.locked("b-1", wait_s=5, op="test"):
            pass
        assert store.read("b-1").run.log.rev == 1
    with store.locked("b-1", wait_s=5, op="test") as session:
        assert session.run.log.rev == 1


def test_a_registry_that_is_not_there_has_no_runs(tmp_path: Path) -> None:
    """A misspelt root is answered, not traced back."""
    nowhere = FileStore(str(tmp_path / "nowhere"), now=lambda: T0)

    assert list(nowhere.run_ids()) == []
    with pytest.raises(NotFound):
        nowhere.read("demo-1")
    with pytest.raises(NotFound), nowhere.locked("demo-1", wait_s=1, op="test"):
        pass
    nowhere.create(created(given_run()))
    assert nowhere.read("demo-1").run.log.rev == 1
    nowhere.close()


def test_a_killed_creator_leaves_no_run(store: FileStore, tmp_path: Path) -> None:
    """What it was building lies under a name that no run can have."""
    store.create(created(given_run()))
    (tmp_path / "runs" / ".new-0123").mkdir()
    (tmp_path / "runs" / ".new-0123" / "events.jsonl").write_text("{")

    assert list(store.run_ids()) == ["demo-1"]


def test_of_many_creators_of_one_id_one_wins(tmp_path: Path) -> None:
    """The same request sent to two servers makes one run."""
    stores = [FileStore(str(tmp_path), now=lambda: T0) for _ in range(8)]
    won: list[int] = []
    barrier = threading.Barrier(len(stores))

    def make(index: int) -> None:
        barrier.wait()
        with suppress(Conflict):
            stores[index].create(created(given_run(nodes=index + 1)))
            won.append(index)

    threads = [threading.Thread(target=make, args=(index,)) for index in range(len(stores))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(won) == 1
    assert len(stores[0].read("demo-1").run.state.nodes) == won[0] + 1
    assert os.listdir(tmp_path / "runs") == ["demo-1"]
    for store in stores:
        store.close()


def test_the_name_of_the_folder_of_runs_is_synced_once_and_again_where_another_is_there(
    store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever made `runs/` may have been killed before it was on the disk, and every run is lost with its name."""
    synced: list[int] = []

    def sync(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr("registry.storage.files.opening.sync", sync)
    root = os.stat(tmp_path).st_ino

    (tmp_path / "runs").mkdir()
    store.create(created(given_run("first")))
    store.create(created(given_run("second")))
    assert synced == [root]

    (tmp_path / "runs").rename(tmp_path / "before")
    (tmp_path / "runs").mkdir()
    store.create(created(given_run("third")))
    store.create(created(given_run("fourth")))
    assert synced == [root, root]

    store.close()
    store.create(created(given_run("fifth")))
    assert synced == [root, root, root]
