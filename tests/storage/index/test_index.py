"""What the index promises beside being right: where it is, what a broken one costs, what a change pays for it."""

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.core.commands import AppendEvent, ClaimNode, Control
from registry.core.decide import decide
from registry.core.events import Facts
from registry.core.workflow import NodeDefinition, Workflow
from registry.errors import Conflict
from registry.storage import failpoints
from registry.storage.files.store import FileStore
from registry.storage.index.database import BROKEN, Database
from registry.storage.index.refreshing import SLICE_RUNS_MIN, Refresher
from registry.storage.index.writing import STALE
from registry.storage.listing import RunQuery
from tests.storage.index.world import AGENT, INDEX, PERSON, SINGLE, World, hold_against_scan

RUNNING = RunQuery(statuses=frozenset({"running"}))
CANCELLED = RunQuery(statuses=frozenset({"cancelled"}))
CANCEL = Control(actor=PERSON, action="cancel", control_id="c-1")
CLAIM = ClaimNode(actor=AGENT, agent_id="anna", lease_s=60, fence_secret="aaaaaaaa")


def progress(message: str) -> AppendEvent:
    return AppendEvent(actor=AGENT, event="run.progress", message=message)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def ids(world: World, query: RunQuery = RunQuery(), *, process: int = 0) -> list[str]:  # noqa: B008 - frozen
    return [run.run_id for run in world.lists(process).page(query, limit=100).runs]


def change_unseen(path: Path, old: bytes, new: bytes) -> None:
    """Change a file so that nobody who only looks at size and time could tell."""
    found = path.stat()
    path.write_bytes(path.read_bytes().replace(old, new))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def test_a_list_reads_no_run_that_did_not_change(world: World) -> None:
    """That is all an index is for."""
    world.create("alpha")
    change_unseen(world.root / "runs/alpha/state.json", b"A Pair of steps", b"A Peer of steps")

    assert [run.title for run in world.lists().page(RunQuery(), limit=5).runs] == ["A Pair of steps"]


def test_what_a_hand_did_inside_a_run_is_seen_where_the_run_is_shown(world: World) -> None:
    """A restored backup must not be shown as it was before."""
    world.create("alpha")
    shutil.copytree(world.root / "runs/alpha", world.root / "backup")
    world.change("alpha", CLAIM)
    assert [run.counts for run in world.lists().page(RunQuery(), limit=5).runs] == [{"pending": 3, "running": 1}]

    for name in ("events.jsonl", "state.json", "refs.json"):
        shutil.copyfile(world.root / "backup" / name, world.root / "runs/alpha" / name)

    assert [run.counts for run in hold_against_scan(world, RunQuery()).runs] == [{"pending": 3, "ready": 1}]


def test_a_broken_index_is_set_aside_and_nobody_is_told(world: World) -> None:
    """Nothing in it is worth even one failed call; whoever wants to know what broke it finds it."""
    world.create("alpha")
    world.close()
    garbage = b"no database at all, " * 600
    world.spoil_index(garbage)

    world.create("beta", SINGLE)

    assert ids(world) == ["beta", "alpha"]
    assert (world.root / BROKEN).read_bytes() == garbage


@pytest.mark.parametrize(("column", "value"), [("digest", b"{\x97"), ("updated_at", b"2\x97\xff"), ("digest", 7)])
def test_a_row_whose_bytes_rotted_is_made_anew(world: World, column: str, value: bytes | int) -> None:
    """SQLite has no checksums: the damage shows only when a row is read, and then too no call must fail."""
    world.create("alpha")
    ids(world)
    world.close()
    with sqlite3.connect(world.root / INDEX) as other:
        text = "CAST(? AS TEXT)" if column == "updated_at" else "?"
        other.execute(f"UPDATE runs SET {column} = {text}", (value,))
    other.close()

    assert ids(world) == ["alpha"]
    assert ids(world) == ["alpha"]
    with sqlite3.connect(world.root / INDEX) as other:
        assert other.execute("SELECT status FROM runs").fetchall() == [("running",)]
    other.close()


def test_what_stands_in_the_place_of_the_index_is_set_aside(world: World) -> None:
    """A folder there, as a container's mount leaves one, would cost a list every run it reads, for good."""
    world.create("alpha")
    world.close()
    (world.root / INDEX).unlink()
    (world.root / INDEX).mkdir()
    (world.root / INDEX / "notes.txt").write_text("somebody's")

    world.change("alpha", CANCEL)

    assert ids(world, CANCELLED) == ["alpha"]
    assert (world.root / INDEX).is_file()
    assert (world.root / f"{BROKEN}.odd" / "notes.txt").read_text() == "somebody's"


def test_a_change_outlives_an_index_whose_tables_rotted(world: World) -> None:
    """What SQLite says of them cannot even be read, and that must not look like a failed change."""
    world.create("alpha")
    world.close()
    with sqlite3.connect(world.root / INDEX) as other:
        other.execute("PRAGMA writable_schema = ON")
        other.execute("UPDATE sqlite_master SET sql = CAST(? AS TEXT) WHERE name = 'nodes'", (b"CREATE \x97\xff",))
    other.close()

    world.change("alpha", CANCEL)

    assert ids(world, CANCELLED) == ["alpha"]


def test_an_index_with_tables_of_somebody_else_is_made_anew(world: World) -> None:
    """An older or newer version left it, or a hand was in it."""
    world.create("alpha")
    world.close()
    with sqlite3.connect(world.root / INDEX) as other:
        other.execute("PRAGMA user_version = 99")
        other.execute("DROP TABLE nodes")
        other.execute("CREATE TABLE nodes (mine TEXT)")
    other.close()

    world.change("alpha", CANCEL)

    assert ids(world, CANCELLED) == ["alpha"]
    with sqlite3.connect(world.root / INDEX) as again:
        assert again.execute("SELECT count(*) FROM nodes WHERE task_id LIKE 'alpha:%'").fetchone() == (4,)
    again.close()


def test_an_index_that_is_deleted_while_servers_run_is_made_anew_by_all(world: World) -> None:
    """A server that wrote on into the deleted file would be heard by nobody."""
    world.create("alpha")
    assert ids(world, process=1) == ["alpha"]

    world.delete_index()
    world.create("beta", SINGLE, process=1)
    world.change("alpha", CANCEL, process=0)

    assert (ids(world, CANCELLED, process=1), ids(world, RUNNING, process=0)) == (["alpha"], ["beta"])


def test_a_writer_that_is_killed_before_it_wrote_the_rows_is_found_out(world: World) -> None:
    """The change is durable and shown by every read of the run; a list must not deny it."""
    world.create("alpha")
    child = os.fork()
    if child == 0:
        failpoints.arm(failpoints.Failpoint("replace.rename", "kill"))
        world.change("alpha", CANCEL, process=1)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)

    assert (ids(world, RUNNING), ids(world, CANCELLED)) == ([], ["alpha"])
    with sqlite3.connect(world.root / INDEX) as index:
        assert index.execute("SELECT count(*) FROM dirty").fetchone() == (0,), "what was read again needs no mark"
    index.close()


def test_an_index_that_is_busy_costs_a_change_a_moment_and_a_warning(world: World) -> None:
    """The index serves the runs, and never the other way round."""
    world.create("alpha")
    other = sqlite3.connect(world.root / INDEX, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with world.process().locked("alpha", wait_s=5, op="test") as session:
        committed = session.commit(decide(session.run, CANCEL, Facts(now=world.at, run_dir="/r")))
    other.execute("ROLLBACK")
    other.close()

    assert [warning.partition(":")[0] for warning in committed.warnings] == ["index_stale"]
    assert os.listdir(world.root / STALE) == ["alpha"]
    assert (ids(world, RUNNING), ids(world, CANCELLED), os.listdir(world.root / STALE)) == ([], ["alpha"], [])


def test_where_no_index_can_be_written_lists_read_the_runs(world: World) -> None:
    """A file in the place of `.opentask/`, a full disk: lists take longer and say the same."""
    (world.root / "runs").mkdir()
    (world.root / ".opentask").write_bytes(b"in the way")

    world.create("alpha")
    world.change("alpha", CANCEL)

    assert (ids(world, RUNNING), ids(world, CANCELLED)) == ([], ["alpha"])


def test_after_a_loss_of_power_every_run_is_compared(world: World) -> None:
    """What the index heard last may not have reached the disk, though what the runs were told did."""
    world.create("alpha")
    world.create("beta", SINGLE)
    assert ids(world, CANCELLED) == []
    world.close()
    shutil.copyfile(world.root / INDEX, world.root / "yesterday")
    world.change("alpha", CANCEL)
    world.close()
    os.replace(world.root / "yesterday", world.root / INDEX)
    with sqlite3.connect(world.root / INDEX) as index:
        index.execute("UPDATE boot SET mark = 'the one before'")
    index.close()

    assert (ids(world, RUNNING), ids(world, CANCELLED)) == (["beta"], ["alpha"])


def test_the_first_list_of_many_runs_answers_with_the_newest(world: World) -> None:
    """A hundred thousand runs that nobody indexed must not be a minute of silence."""
    world.create("run-0000", SINGLE)
    for number in range(1, SLICE_RUNS_MIN + 50):
        world.copy("run-0000", f"run-{number:04}")
        os.utime(world.root / f"runs/run-{number:04}", ns=(number, number))
    world.delete_index()
    database = Database(str(world.root), patience_s=5)
    refresher = Refresher(str(world.root), database, world.process().folders, now=lambda: world.at)

    first = refresher.refresh(slice_s=0)
    rest = refresher.refresh(slice_s=0)
    database.close()

    assert first == (
        "200 of 250 runs are indexed so far, the newest first; each list goes on with it, "
        "`opentask reindex` does all of it",
    )
    assert rest == ()
    assert len(hold_against_scan(world, RunQuery(), limit=300).runs) == 250


def test_a_change_of_one_node_writes_one_row(world: World) -> None:
    """A heartbeat in a run of a thousand nodes must not cost a thousand rows."""
    nodes = tuple(NodeDefinition(id=f"n{n}", title="T", kind="session_turn", prompt="p") for n in range(300))
    world.create("wide", Workflow(workflow_id="wide", title="Wide", nodes=nodes))
    with sqlite3.connect(world.root / INDEX) as index:
        index.execute("UPDATE nodes SET tags = 'untouched'")
    index.close()

    world.change("wide", ClaimNode(actor=AGENT, agent_id="anna", node_id="n7", lease_s=60, fence_secret="aaaaaaaa"))
    world.change("wide", progress("one step further"))

    with sqlite3.connect(world.root / INDEX) as index:
        running = index.execute("SELECT task_id FROM nodes WHERE is_running").fetchall()
        assert index.execute("SELECT count(*) FROM nodes WHERE tags = 'untouched'").fetchone() == (301,)
    index.close()
    assert running == [("wide:n7",)]


def test_nothing_is_made_in_a_folder_that_is_no_registry(tmp_path: Path) -> None:
    """Somebody who asks for a list in the wrong folder must not leave a registry there."""
    world = World(tmp_path)

    assert ids(world) == []
    assert os.listdir(tmp_path) == []


def test_a_server_that_only_reads_writes_no_index(world: World) -> None:
    """`--read-only` is a promise about the disk."""
    world.create("alpha")
    world.close()
    world.delete_index()
    reader = FileStore(str(world.root), now=lambda: world.at, keeps_index=False)

    assert [run.run_id for run in reader.lists.page(RunQuery(), limit=5).runs] == ["alpha"]
    reader.close()
    assert not (world.root / INDEX).exists()


def test_a_forked_child_opens_the_index_for_itself(world: World) -> None:
    """Two processes on one connection would write into each other's transactions."""
    world.create("alpha")
    assert ids(world) == ["alpha"]
    child = os.fork()
    if child == 0:
        world.create("beta", SINGLE)
        os._exit(0 if ids(world) == ["beta", "alpha"] else 1)
    _, status = os.waitpid(child, 0)

    world.create("gamma", SINGLE)
    assert (status, sorted(ids(world))) == (0, ["alpha", "beta", "gamma"])


def test_threads_may_list_and_change_at_once(world: World) -> None:
    """A server answers several sessions from its worker threads."""
    for number in range(4):
        world.create(f"run-{number}")
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for step in range(15):
                world.change(f"run-{number}", progress(f"step {step}"))
                found = world.lists().page(RunQuery(text=f"step {step}"), limit=10).runs
                assert f"run-{number}" in [run.run_id for run in found]
        except BaseException as fault:
            failed.append(fault)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert failed == []
    hold_against_scan(world, RunQuery())


def test_reindex_reads_everything_again_and_says_how_far_it_is(world: World) -> None:
    """After a hand was in many runs, one command finds it all."""
    world.create("alpha")
    world.create("beta", SINGLE)
    assert ids(world, RUNNING) == ["beta", "alpha"]
    with sqlite3.connect(world.root / INDEX) as index:
        index.execute("UPDATE runs SET status = 'paused', words = 'nonsense'")
    index.close()
    told: list[tuple[int, int]] = []

    assert world.process().reindex(lambda done, of: told.append((done, of))) == 2

    assert told == [(0, 2), (2, 2)]
    assert ids(world, RUNNING) == ["beta", "alpha"]


def test_a_run_that_cannot_be_read_hides_no_other(world: World) -> None:
    """One damaged run must not make a registry unreadable, and must not be forgotten either."""
    world.create("alpha")
    world.create("beta", SINGLE)
    for name in ("events.jsonl", "state.json", "refs.json"):
        (world.root / "runs/alpha" / name).write_bytes(b"\x00" * 40)

    page = hold_against_scan(world, RunQuery())

    assert [run.run_id for run in page.runs] == ["beta"]
    assert page.notices == ("run 'alpha' cannot be read (log_corrupt); validate_run tells more",)
    assert world.views().unreadable() == ["alpha"]


def test_an_id_in_the_archive_stays_taken(world: World) -> None:
    """Else the archived run could never be brought back."""
    world.create("alpha")
    world.archive().put("alpha", lambda run: None, wait_s=5)

    with pytest.raises(Conflict, match="exists already as 'alpha', which differs only in case"):
        world.create("Alpha")
