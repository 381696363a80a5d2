"""What a crash or a hand leaves in a run's files is told apart, put right and kept."""

import json
import os
from pathlib import Path

import pytest
from pydantic_core import from_json

from registry.core.record import Bag
from registry.core.run import Run
from registry.errors import LogCorrupt
from registry.storage.files.store import FileStore
from tests.storage.given import created, given_run, moved, noted, rebound

FOREIGN = b'{"event":"note.hand","nodeId":"n0","message":"by hand","seq":2,"rev":2,"txn":[1,1]}'


@pytest.fixture
def folder(store: FileStore, tmp_path: Path) -> Path:
    """The folder of a run at revision 3: created, a node started, a note."""
    store.create(created(given_run()))
    with store.locked("demo-1", wait_s=5, op="test") as session:
        session.commit(moved(session.run, "n0", "running", "node.started"))
        session.commit(noted(session.run))
    return tmp_path / "runs" / "demo-1"


def trail(folder: Path) -> bytes:
    return (folder / "events.jsonl").read_bytes()


def append(folder: Path, text: bytes) -> None:
    with open(folder / "events.jsonl", "ab") as file:
        file.write(text)


def open_run(store: FileStore) -> tuple[Run, tuple[str, ...]]:
    with store.locked("demo-1", wait_s=5, op="test") as session:
        return session.run, session.notices


def codes(notices: tuple[str, ...]) -> list[str]:
    return [notice.partition(":")[0] for notice in notices]


def next_lines(store: FileStore, *, events: int) -> bytes:
    """What a mutation of so many events would append now."""
    run = store.read("demo-1").run
    from registry.core.patch import diff
    from registry.formats.event_line import seal

    decision = moved(run, "n0", "waiting", "node.waiting", events=events)
    patch = json.loads(json.dumps(diff(run, decision.run)))
    return seal(decision.events, run_id="demo-1", after_seq=run.log.seq, rev=run.log.rev + 1, body={"patch": patch})


@pytest.mark.parametrize("cold", [True, False], ids=["new process", "same process"])
def test_every_cut_of_a_torn_mutation_leaves_the_run_before_it(
    store: FileStore, tmp_path: Path, folder: Path, cold: bool
) -> None:
    """A kill tears a write at any byte; none may make a half mutation count or bring the run down."""
    whole, before = trail(folder), store.read("demo-1").run
    lines = next_lines(store, events=2)
    cuts = sorted({1, 2, 17, *range(5, len(lines), 23), lines.index(b"\n"), lines.index(b"\n") + 1, len(lines) - 1})
    for cut in cuts:
        append(folder, lines[:cut])
        reader = FileStore(str(tmp_path), now=store._now) if cold else store

        assert reader.read("demo-1").run == before, cut
        assert open_run(reader) == (before, reader_notices(cut))
        assert trail(folder) == whole
        if cold:
            reader.close()
    kept = [file.read_bytes() for file in (folder / ".torn").iterdir()]
    assert sorted(sum(1 for _ in text) for text in kept) == sorted(kept_sizes(cuts, lines))


def kept_sizes(cuts: list[int], lines: bytes) -> list[int]:
    first = lines.index(b"\n") + 1
    return [size for cut in cuts for size in ([cut] if cut <= first else [first, cut - first])]


def reader_notices(size: int) -> tuple[str, ...]:
    return (
        "torn_tail: a writer was killed in the middle of a change, which was never acknowledged; "
        f"its {size:,} bytes are kept in .torn/ and everything before them stands",
    )


def test_a_whole_mutation_without_its_projections_counts(store: FileStore, again: FileStore, folder: Path) -> None:
    """A kill right after the sync must not take back what was committed."""
    append(folder, next_lines(store, events=2))

    for reader in (store, again):
        run = reader.read("demo-1").run
        assert (run.log.rev, run.log.seq, run.state.nodes["n0"].status) == (4, 5, "waiting")
    assert open_run(again) == (run, ())


@pytest.mark.parametrize("newline", [b"\n", b""], ids=["echo", "echo -n"])
def test_a_line_glued_to_a_torn_one_is_kept_and_adopted(store: FileStore, folder: Path, newline: bytes) -> None:
    """`echo >>` after a crash lands on the torn line; the words of whoever wrote it must not be lost."""
    whole = trail(folder)
    torn = next_lines(store, events=1)[:150]
    append(folder, torn + FOREIGN + newline)

    with store.locked("demo-1", wait_s=5, op="test") as session:
        adoption = session.foreign_lines()
        assert codes(session.notices) == ["torn_tail"]

    assert trail(folder) == whole + b" " * 149 + b"\n" + FOREIGN + b"\n"
    assert [file.read_bytes() for file in (folder / ".torn").iterdir()] == [torn]
    assert adoption is not None
    assert (adoption.offset, adoption.size) == (len(whole) + 150, len(FOREIGN) + 1)


def test_lines_of_others_are_given_for_adoption_and_stay(store: FileStore, again: FileStore, folder: Path) -> None:
    """An agent that appends to the trail by hand is heard through the same door as everybody."""
    whole = trail(folder)
    append(folder, FOREIGN + b"\n" + b"garbage\n" + b'{"no": "event"}\n')
    assert store.read("demo-1").run.log.rev == 3

    with store.locked("demo-1", wait_s=5, op="test") as session:
        adoption = session.foreign_lines()
        assert adoption is not None
        event = adoption.lines[0].event
        assert event is not None
        assert (event.event, event.node_id, event.message, event.fence) == ("note.hand", "n0", "by hand", None)
        assert [line.refusal for line in adoption.lines] == [
            "",
            "it is not a JSON object: 'garbage'",
            "event is missing or no text",
        ]
        payload: Bag = {"offset": adoption.offset, "bytes": adoption.size, "lines": 3, "sha256": adoption.sha256}
        adopted = noted(session.run, payload=payload)
        renamed = [type(event)(**{**event.__dict__, "name": "log.adopted"}) for event in adopted.events]
        session.commit(type(adopted)(run=adopted.run, events=tuple(renamed)))
        assert session.foreign_lines() is None

    assert trail(folder).startswith(whole + FOREIGN + b"\ngarbage\n")
    with again.locked("demo-1", wait_s=5, op="test") as session:
        assert (session.foreign_lines(), session.notices, session.run.log.rev) == (None, (), 4)
    assert again.validate("demo-1") == []


def test_lines_of_others_before_a_mutation_wait_for_adoption(store: FileStore, again: FileStore, folder: Path) -> None:
    """A line that came between two writers' looks must not be forgotten by either or by a third."""
    with store.locked("demo-1", wait_s=5, op="test") as session:
        append(folder, FOREIGN + b"\n")
        session.commit(noted(session.run))
        adoption = session.foreign_lines()

    with again.locked("demo-1", wait_s=5, op="test") as session:
        assert session.run.log.rev == 4
        assert session.foreign_lines() == adoption is not None


def test_half_a_line_at_the_same_moment_takes_the_change_back(store: FileStore, folder: Path) -> None:
    """Glued to somebody's half line our mutation could not be read; better said than lost."""
    from registry.errors import StorageFault

    with store.locked("demo-1", wait_s=5, op="test") as session:
        append(folder, b'{"event": "half')
        with pytest.raises(StorageFault, match="half a line"):
            session.commit(noted(session.run))

    run, _ = open_run(store)
    assert run.log.rev == 3
    with store.locked("demo-1", wait_s=5, op="test") as session:
        assert session.commit(noted(session.run)).rev == 4


def test_a_copy_of_one_of_our_lines_is_somebodys(store: FileStore, again: FileStore, folder: Path) -> None:
    """`tail -1 events.jsonl >> events.jsonl` has a right checksum and is no mutation."""
    append(folder, trail(folder).splitlines(keepends=True)[-1])

    for writer in (store, again):
        with writer.locked("demo-1", wait_s=5, op="test") as session:
            adoption = session.foreign_lines()
            assert (session.run.log.rev, adoption is not None) == (3, True)


def edited_state(folder: Path, **changes: object) -> bytes:
    document = json.loads((folder / "state.json").read_bytes())
    document.update(changes)
    document["nodes"][0]["status"] = "completed"
    text = json.dumps(document, indent=2).encode()
    (folder / "state.json").write_bytes(text)
    return text


@pytest.mark.parametrize("cold", [True, False], ids=["new process", "same process"])
def test_an_edited_state_is_told_kept_and_made_again(
    store: FileStore, again: FileStore, folder: Path, cold: bool
) -> None:
    """Whoever edits state.json must learn that it decides nothing, and keeps their words."""
    writer = again if cold else store
    before = store.read("demo-1").run
    text = edited_state(folder, status="completed")

    reading = writer.read("demo-1")
    assert reading.run == before
    (told,) = reading.notices
    assert told.startswith("state_edited: state.json was changed by hand at ")
    assert "the trail says the run is running, n0 is running; the next change keeps your copy" in told

    run, (said,) = open_run(writer)
    assert run == before
    (kept,) = [name for name in os.listdir(folder) if name.startswith(".state.json.edited-")]
    assert f"your copy is kept as {kept}. Use finish_node" in said
    assert said.startswith("state_edited: state.json was changed by hand at ")
    assert (folder / kept).read_bytes() == text
    assert FileStore(str(folder.parent.parent), now=store._now).read("demo-1") == type(reading)(run=before)


def test_a_reindented_state_is_no_edit(store: FileStore, again: FileStore, folder: Path) -> None:
    """`jq . state.json` changes nothing that counts."""
    before = store.read("demo-1").run
    document = from_json((folder / "state.json").read_bytes())
    (folder / "state.json").write_text(json.dumps(document, indent=4, ensure_ascii=False))
    refs = from_json((folder / "refs.json").read_bytes())
    (folder / "refs.json").write_text(json.dumps(refs))

    for writer in (store, again):
        assert (writer.read("demo-1").run, writer.read("demo-1").notices) == (before, ())
        assert open_run(writer) == (before, ())
        assert writer.validate("demo-1") == []


def test_edited_bindings_are_told_kept_and_made_again(store: FileStore, again: FileStore, folder: Path) -> None:
    """A binding written into refs.json by hand would bind nothing."""
    text = (folder / "refs.json").read_bytes().replace(b'"cronJobId":""', b'"cronJobId":"mine"')
    (folder / "refs.json").write_bytes(text)

    run, notices = open_run(again)
    assert (run.refs.cron_job_id, codes(notices)) == ("", ["refs_edited"])
    (kept,) = [name for name in os.listdir(folder) if name.startswith(".refs.json.edited-")]
    assert (folder / kept).read_bytes() == text
    assert open_run(again) == (run, ())


@pytest.mark.parametrize("name", ["state.json", "refs.json"])
@pytest.mark.parametrize("cold", [True, False], ids=["new process", "same process"])
def test_a_projection_that_was_taken_away_is_made_again(
    store: FileStore, again: FileStore, folder: Path, name: str, cold: bool
) -> None:
    """Projections are caches of the trail; a run lives without them."""
    writer = again if cold else store
    before, text = store.read("demo-1").run, (folder / name).read_bytes()
    (folder / name).unlink()

    assert writer.read("demo-1").run == before
    open_run(writer)
    assert from_json((folder / name).read_bytes()).keys() == from_json(text).keys()
    assert writer.validate("demo-1") == []


def test_projections_older_than_the_trail_are_rolled_forward(store: FileStore, again: FileStore, folder: Path) -> None:
    """A power loss may take back any of the unsynced files, alone or together."""
    old = {name: (folder / name).read_bytes() for name in ("state.json", "refs.json")}
    with store.locked("demo-1", wait_s=5, op="test") as session:
        run = session.commit(rebound(session.run, cron_job_id="job-1")).run
        run = session.commit(moved(run, "n0", "waiting", "node.waiting")).run
    new = {name: (folder / name).read_bytes() for name in old}

    for older in ({"state.json"}, {"refs.json"}, {"state.json", "refs.json"}):
        for name, text in old.items():
            (folder / name).write_bytes(text if name in older else new[name])
        fresh = FileStore(str(folder.parent.parent), now=store._now)
        assert (fresh.read("demo-1").run, fresh.read("demo-1").notices) == (run, ())
        with fresh.locked("demo-1", wait_s=5, op="test") as session:
            assert session.run == run
            run = session.commit(noted(session.run)).run
        new = {name: (folder / name).read_bytes() for name in old}
        assert fresh.validate("demo-1") == []
        fresh.close()


def test_a_trail_shorter_than_the_state_is_recorded_again(store: FileStore, again: FileStore, folder: Path) -> None:
    """What was acknowledged is never rolled back, even when its lines are gone."""
    before = store.read("demo-1").run
    lines = trail(folder).splitlines(keepends=True)
    (folder / "events.jsonl").write_bytes(lines[0] + lines[1][:40])

    reading = again.read("demo-1")
    assert (reading.run, codes(reading.notices)) == (before, ["log_shorter"])
    run, notices = open_run(again)
    assert codes(notices) == ["torn_tail", "log_repaired"]
    assert (run.state.nodes, run.refs, run.plan) == (before.state.nodes, before.refs, before.plan)
    assert (run.log.rev, run.log.seq, run.log.state_rev) == (4, 4, 2)
    assert [logged.event.name for logged in again.events("demo-1")] == ["run.created", "log.repaired"]
    assert open_run(store) == (run, ())
    (folder / "state.json").unlink()
    assert FileStore(str(folder.parent.parent), now=store._now).read("demo-1").run == run


def test_a_trail_that_was_deleted_begins_anew_from_the_state(store: FileStore, again: FileStore, folder: Path) -> None:
    """The state alone is enough to go on."""
    before = store.read("demo-1").run
    (folder / "events.jsonl").unlink()

    assert again.read("demo-1").run.state == before.state
    run, notices = open_run(again)
    assert (run.state.nodes, codes(notices)) == (before.state.nodes, ["log_repaired"])
    with again.locked("demo-1", wait_s=5, op="test") as session:
        assert session.commit(noted(session.run)).rev == 5


@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_a_damaged_line_stops_changes_and_not_reading(
    store: FileStore, again: FileStore, folder: Path, where: str
) -> None:
    """A bit that flipped must be seen, and must not keep anybody from reading their run."""
    before = store.read("demo-1").run
    lines = trail(folder).splitlines(keepends=True)
    index = {"first": 0, "middle": 1, "last": 2}[where]
    lines[index] = lines[index].replace(b'"actor"', b'"bctor"')
    (folder / "events.jsonl").write_bytes(b"".join(lines))
    if where != "last":
        (folder / "state.json").unlink()

    reading = again.read("demo-1") if where != "first" else None
    if reading is not None:
        assert codes(reading.notices)[-1] == "log_corrupt"
        assert where != "last" or reading.run == before
    with pytest.raises(LogCorrupt, match=r"damaged at byte|can be read") as refused:
        open_run(again)
    assert "doctor" in refused.value.hint
    assert b"".join(lines) == trail(folder)
    assert again.validate("demo-1")[0].code == "log_corrupt"


def test_a_restored_backup_is_what_counts(store: FileStore, folder: Path, tmp_path: Path) -> None:
    """Who restores a folder means it; a process that has it open must notice."""
    import shutil

    backup = tmp_path / "backup"
    shutil.copytree(folder, backup)
    with store.locked("demo-1", wait_s=5, op="test") as session:
        session.commit(moved(session.run, "n1", "running", "node.started"))
    shutil.rmtree(folder)
    shutil.copytree(backup, folder)

    run, notices = open_run(store)
    assert (run.log.rev, run.state.nodes["n1"].status, notices) == (3, "pending", ())


def test_without_its_private_folder_a_run_is_what_it_was(store: FileStore, again: FileStore, folder: Path) -> None:
    """`.opentask` may be deleted at any time."""
    import shutil

    before = store.read("demo-1").run
    shutil.rmtree(folder.parent.parent / ".opentask")

    assert again.read("demo-1").run == before
    open_run(again)
    assert (folder.parent.parent / ".opentask" / "plans" / "demo-1.json").exists()
