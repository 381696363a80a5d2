"""What every store promises, whatever it is made of."""

import threading

import pytest

from registry.core.events import FileWrite
from registry.core.run import Effect, Run
from registry.errors import Conflict, LimitExceeded, LockTimeout, NotFound
from registry.storage.port import Store
from tests.storage.conftest import Bench
from tests.storage.given import created, given_run, moved, noted, rebound


def commit_start(store: Store, run_id: str = "demo-1", node_id: str = "n0") -> Run:
    with store.locked(run_id, wait_s=5, op="test") as session:
        return session.commit(moved(session.run, node_id, "running", "node.started")).run


def test_a_created_run_is_read_back_as_it_was_decided(bench: Bench) -> None:
    """What create acknowledged must be what everybody sees."""
    run = given_run()

    committed = bench.store.create(created(run))

    assert (committed.run, committed.rev, committed.warnings) == (run, 1, ())
    reading = bench.another().read("demo-1")
    assert (reading.run, reading.notices) == (run, ())
    assert bench.another().state("demo-1") == run.state


def test_a_second_run_of_the_same_id_is_refused_even_in_other_case(bench: Bench) -> None:
    """Two runs in one folder would be the end of both; some disks ignore case."""
    bench.store.create(created(given_run("demo-1")))

    for run_id in ("demo-1", "DEMO-1"):
        with pytest.raises(Conflict) as refused:
            bench.another().create(created(given_run(run_id, nodes=1)))
        assert refused.value.details["exists"] is True
    assert len(bench.store.read("demo-1").run.state.nodes) == 3


def test_a_run_that_is_not_there_is_not_found(bench: Bench) -> None:
    """A misspelt id must not make a folder."""
    with pytest.raises(NotFound), bench.store.locked("nobody", wait_s=1, op="test"):
        pass
    with pytest.raises(NotFound):
        bench.store.read("nobody")
    assert (bench.store.log_mark("nobody"), list(bench.store.run_ids())) == (None, [])


def test_a_commit_is_seen_by_the_session_and_by_everybody_else(bench: Bench) -> None:
    """The next decision is made on what was just made durable."""
    bench.store.create(created(given_run()))
    with bench.store.locked("demo-1", wait_s=5, op="test") as session:
        first = session.commit(moved(session.run, "n0", "running", "node.started"))
        second = session.commit(rebound(session.run, cron_job_id="job-1"))
        assert session.run == second.run

    assert (first.rev, second.rev) == (2, 3)
    assert bench.another().read("demo-1").run == second.run


def test_another_process_goes_on_from_the_last_commit(bench: Bench) -> None:
    """Ten servers work on one run; each must start from the truth, not from its memory."""
    bench.store.create(created(given_run()))
    other = bench.another()
    for index in range(3):
        commit_start(bench.store, node_id=f"n{index}")
        with other.locked("demo-1", wait_s=5, op="test") as session:
            session.commit(noted(session.run, f"seen {index}"))

    run = bench.store.read("demo-1").run
    assert (run.log.rev, [node.status for node in run.state.nodes.values()]) == (7, ["running"] * 3)


def test_a_decision_without_events_changes_nothing(bench: Bench) -> None:
    """A tick with nothing to do must not grow the trail."""
    bench.store.create(created(given_run()))
    before = bench.store.log_mark("demo-1")
    with bench.store.locked("demo-1", wait_s=5, op="test") as session:
        decision = noted(session.run)
        committed = session.commit(type(decision)(run=session.run))

    assert (committed.rev, committed.events, bench.store.log_mark("demo-1")) == (1, (), before)


def test_events_are_numbered_and_paged(bench: Bench) -> None:
    """A follower asks for what came after the last it saw, and must get each once."""
    bench.store.create(created(given_run()))
    with bench.store.locked("demo-1", wait_s=5, op="test") as session:
        session.commit(moved(session.run, "n0", "running", "node.started", events=3))
        session.commit(noted(session.run, "last"))

    found = bench.another().events("demo-1")
    assert [(logged.seq, logged.rev, logged.event.name) for logged in found] == [
        (1, 1, "run.created"),
        (2, 2, "note.extra"),
        (3, 2, "note.extra"),
        (4, 2, "node.started"),
        (5, 3, "note.test"),
    ]
    assert [logged.seq for logged in bench.store.events("demo-1", since_seq=2, limit=2)] == [3, 4]
    assert bench.store.events("demo-1", since_seq=5) == []
    assert found[-1].event.message == "last"


def test_a_long_trail_is_paged_from_anywhere(bench: Bench) -> None:
    """A follower of a long job must not read it from the beginning each time."""
    bench.store.create(created(given_run()))
    with bench.store.locked("demo-1", wait_s=5, op="test") as session:
        for index in range(400):
            session.commit(noted(session.run, f"{index} " + "x" * 500))

    for since in (0, 1, 77, 200, 399, 400):
        found = bench.another().events("demo-1", since_seq=since, limit=3)
        assert [logged.seq for logged in found] == list(range(since + 1, min(since + 4, 402)))


def test_files_of_a_decision_are_there_with_its_events(bench: Bench) -> None:
    """An event that names a report must not come before the report."""
    bench.store.create(created(given_run(), FileWrite("nodes/n0/handoff.md", b"brief")))
    with bench.store.locked("demo-1", wait_s=5, op="test") as session:
        session.commit(noted(session.run, files=(FileWrite("nodes/n0/report.md", b"0123456789"),)))
        assert session.sizes(["nodes/n0/report.md", "nodes/n0/nothing.md"]) == {"nodes/n0/report.md": 10}
        assert (session.read_file("nodes/n0/handoff.md"), session.read_file("nodes/n1/handoff.md")) == (b"brief", b"")

    other = bench.another()
    assert other.files("demo-1", "n0") == [("nodes/n0/handoff.md", 5), ("nodes/n0/report.md", 10)]
    assert other.read_file("demo-1", "nodes/n0/report.md", offset=3, limit=4) == (b"3456", 10)
    assert other.read_file("demo-1", "nodes/n0/report.md", offset=9, limit=4) == (b"9", 10)
    assert other.read_file("demo-1", "nodes/n2/report.md", offset=0, limit=4) == (b"", 0)


def test_bindings_effects_and_kept_answers_survive(bench: Bench) -> None:
    """A repeat of a request after a restart is answered from what was kept."""
    bench.store.create(created(given_run()))
    effect = Effect(id="e1", kind="cron.update", do="slow the job down", params={"cron": "*/30 * * * *"}, target="cron")
    with bench.store.locked("demo-1", wait_s=5, op="test") as session:
        session.commit(
            rebound(
                session.run,
                pending_effects={"e1": effect},
                node_sessions={"n0": "agent:main:n0"},
                applied_control_ids={"c1": True, "c2": False},
            )
        )
        run = session.commit(rebound(session.run, pending_effects={})).run

    refs = bench.another().read("demo-1").run.refs
    assert refs == run.refs
    assert (refs.applied_control_ids, refs.pending_effects) == ({"c1": True, "c2": False}, {})


def test_the_inbox_gives_each_line_once_and_skips_known_ids(bench: Bench) -> None:
    """A request applied twice could approve twice."""
    bench.store.create(created(given_run()))
    bench.put_control("demo-1", b'{"id": "c1", "action": "pause", "runId": "demo-1"}')
    bench.put_control("demo-1", b'{"id": "c1", "action": "pause", "runId": "demo-1"}')
    bench.put_control("demo-1", b"not json")
    bench.put_control("demo-1", b'{"id": "c2", "action": "retri", "nodeId": "n0"}')
    with bench.store.locked("demo-1", wait_s=5, op="test") as session:
        lines = session.inbox()
        ids = {line.control_id: line.control is not None for line in lines}
        session.commit(rebound(session.run, applied_control_ids=ids), inbox_judged=True)
        assert session.inbox() == ()
    bench.put_control("demo-1", b'{"id": "c2", "action": "resume", "runId": "demo-1"}')
    bench.put_control("demo-1", b'{"id": "c3", "action": "skip", "nodeId": "n1"}')
    with bench.another().locked("demo-1", wait_s=5, op="test") as session:
        later = session.inbox()

    assert [(line.control_id, line.refusal) for line in lines] == [
        ("c1", ""),
        ("sha256:7ccfa1fbf394", "the line is not a JSON object"),
        ("c2", "action is 'retri'; did you mean 'retry'?"),
    ]
    assert [line.control_id for line in later] == ["c3"]
    control = later[0].control
    assert control is not None
    assert (control.action, control.node_id, control.from_inbox, control.actor.via) == ("skip", "n1", True, "file")


def test_lines_not_judged_in_a_commit_are_given_again(bench: Bench) -> None:
    """A commit that had nothing to do with the inbox must not swallow it."""
    bench.store.create(created(given_run()))
    bench.put_control("demo-1", b'{"id": "c1", "action": "pause"}')
    with bench.store.locked("demo-1", wait_s=5, op="test") as session:
        assert len(session.inbox()) == 1
        session.commit(noted(session.run))

    with bench.another().locked("demo-1", wait_s=5, op="test") as session:
        assert [line.control_id for line in session.inbox()] == ["c1"]


def test_a_control_told_after_its_commit_is_not_judged_again(bench: Bench) -> None:
    """Our own line in the inbox is for its readers; it was applied before it was written."""
    bench.store.create(created(given_run()))
    with bench.store.locked("demo-1", wait_s=5, op="test") as session:
        session.commit(rebound(session.run, applied_control_ids={"mine": True}))
        line = {"id": "mine", "action": "pause", "runId": "demo-1", "timestamp": "2026-01-31T09:00:00.000+00:00"}
        assert session.append_control(dict(line)) == ()
        assert session.append_control({**line, "id": "ours", "action": "cancel"}) == ()
    with bench.another().locked("demo-1", wait_s=5, op="test") as session:
        assert session.inbox() == ()

    assert bench.store.control_lines("demo-1") == [line]


def test_a_lock_that_is_held_is_given_up_on_with_the_holder_named(bench: Bench) -> None:
    """Who waits in vain must be able to tell a person whom to ask."""
    bench.store.create(created(given_run()))
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with bench.store.locked("demo-1", wait_s=5, op="finish_node"):
            held.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    try:
        with pytest.raises(LockTimeout) as refused, bench.another().locked("demo-1", wait_s=0.05, op="test"):
            pass
    finally:
        done.set()
        thread.join()

    assert "finish_node" in refused.value.message
    with bench.store.locked("demo-1", wait_s=5, op="test") as session:
        assert session.run.log.rev == 1


def test_threads_of_one_process_lose_nothing(bench: Bench) -> None:
    """Fifty calls of one server run in threads over the same run."""
    bench.store.create(created(given_run()))

    def work() -> None:
        for _ in range(10):
            with bench.store.locked("demo-1", wait_s=30, op="test") as session:
                session.commit(noted(session.run))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [logged.seq for logged in bench.another().events("demo-1", limit=1000)] == list(range(1, 82))
    assert bench.another().validate("demo-1") == []


def test_a_mutation_larger_than_the_limit_is_refused_whole(bench: Bench) -> None:
    """A line nobody can read back must not be written."""
    bench.store.create(created(given_run()))
    with bench.store.locked("demo-1", wait_s=5, op="test") as session:
        with pytest.raises(LimitExceeded):
            session.commit(noted(session.run, payload={"blob": "x" * (4 << 20)}))
        assert session.run.log.rev == 1
        assert session.commit(noted(session.run)).rev == 2


def test_a_run_read_by_others_is_not_changed_by_later_commits(bench: Bench) -> None:
    """A view that changes under its reader is half of two states."""
    bench.store.create(created(given_run()))
    before = bench.store.read("demo-1").run
    commit_start(bench.store)

    assert before.state.nodes["n0"].status == "ready"
    assert bench.store.read("demo-1").run.state.nodes["n0"].status == "running"


def test_runs_are_listed_newest_change_first(bench: Bench) -> None:
    """Who comes back after a restart looks for what moved last."""
    for run_id in ("a-1", "b-1", "c-1"):
        bench.store.create(created(given_run(run_id)))
    # The clocks of file systems tick every few milliseconds.
    for _ in range(500):
        commit_start(bench.store, "a-1")
        if next(iter(bench.another().run_ids())) == "a-1":
            break

    assert next(iter(bench.another().run_ids())) == "a-1"
    assert sorted(bench.another().run_ids()) == ["a-1", "b-1", "c-1"]


def test_validate_finds_nothing_wrong_with_a_run_that_was_only_used(bench: Bench) -> None:
    """A proof that cries wolf is not read."""
    bench.store.create(created(given_run()))
    commit_start(bench.store)
    with bench.store.locked("demo-1", wait_s=5, op="test") as session:
        session.commit(rebound(session.run, cron_job_id="job-1"))

    assert bench.another().validate("demo-1") == []
