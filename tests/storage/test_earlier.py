"""Folders of the earlier implementation open and go on; its readers read ours."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.core.check import check_all
from registry.core.events import Decision
from registry.core.run import Effect, Run
from registry.core.workflow import WaitFor
from registry.storage.files.store import FileStore
from tests.storage.given import created, given_run, moved, noted, rebound

EARLIER = Path(__file__).parent / "earlier"
NAMES = ["bare-2", "openclaw-1", "research-7"]


@pytest.fixture
def bring(tmp_path: Path) -> Callable[[str], Path]:
    def copy(name: str) -> Path:
        return Path(shutil.copytree(EARLIER / name, tmp_path / "runs" / name))

    return copy


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", NAMES)
def test_an_earlier_folder_is_read_and_not_touched(store: FileStore, bring: Callable[[str], Path], name: str) -> None:
    """Looking at an old run must not make it a new one."""
    folder = bring(name)
    before = contents(folder)

    run = store.read(name).run

    assert (run.state.run_id, run.log.rev) == (name, 0)
    assert (store.state(name), contents(folder)) == (run.state, before)
    assert {problem.severity for problem in store.validate(name)} == {"warning"}


def test_what_earlier_files_say_is_taken_over(store: FileStore, bring: Callable[[str], Path]) -> None:
    """A week-old job must go on where it stood, with its bindings and prompts."""
    bring("research-7")

    run = store.read("research-7").run

    state = run.state
    assert {node.id: node.status for node in state.nodes.values()} == {
        "gather": "completed",
        "check": "running",
        "gate": "waiting",
        "sum": "pending",
    }
    assert (state.cron_job_id, state.source_agent_id, state.created_at, state.last_progress_message) == (
        "job-42",
        "main",
        "2026-03-01T08:00:00.000+00:00",
        "two of four done",
    )
    assert run.refs.child_sessions == {"gather": "agent:main:child:1"}
    assert run.refs.applied_control_ids == {"c-1": True, "c-2": True}
    assert run.plan.nodes["check"].prompt == "Check every source.\nNote what is missing.\n"
    assert [node.attempt for node in state.nodes.values()] == [1, 1, 0, 0]
    assert check_all(run) == []


def test_the_first_earlier_form_lacks_much_and_opens_all_the_same(
    store: FileStore, bring: Callable[[str], Path]
) -> None:
    """openclaw.json for refs.json, no outputsMode, times without offset, keys nobody knows."""
    bring("openclaw-1")

    run = store.read("openclaw-1").run

    assert (run.state.status, run.refs.cron_job_id, run.state.created_at) == (
        "paused",
        "j-9",
        "2025-11-01T10:00:00.123+00:00",
    )
    assert {node.outputs_mode for node in run.state.nodes.values()} == {"notify"}
    assert run.state.nodes["build"].error == "compiler missing"
    assert check_all(run) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_first_change_adopts_an_earlier_folder_and_keeps_its_files(
    store: FileStore, again: FileStore, bring: Callable[[str], Path], name: str
) -> None:
    """From here on the trail proves the run; nothing of what was there is lost."""
    folder = bring(name)
    before, earlier = contents(folder), store.read(name).run

    with store.locked(name, wait_s=5, op="test") as session:
        assert session.notices[-1].startswith("log_adopted: this run was made by the earlier implementation")
        assert session.run.state.nodes == earlier.state.nodes
        assert (session.plan_edit(), session.foreign_lines()) == (None, None)
        run = session.commit(noted(session.run, "on we go")).run

    after = contents(folder)
    assert after[".state.json.earlier"] == before["state.json"]
    for kept in ("refs.json",):
        assert kept not in before or after[f".{kept}.earlier"] == before[kept]
    for kept in ("openclaw.json", "workflow.lock.md", "control.jsonl"):
        assert after.get(kept) == before.get(kept) or kept not in before
    whole = before["events.jsonl"].rpartition(b"\n")[0] + b"\n"
    assert after["events.jsonl"].startswith(whole)
    assert b"".join(after[key] for key in after if key.startswith(".torn/")) == before["events.jsonl"][len(whole) :]
    for reader in (store, again):
        assert (reader.read(name).run, reader.read(name).notices) == (run, ())
        assert [problem for problem in reader.validate(name) if problem.severity == "error"] == []
    with again.locked(name, wait_s=5, op="test") as session:
        assert (session.notices, session.run) == ((), run)
    shutil.rmtree(folder.parent.parent / ".opentask")
    (folder / "state.json").unlink()
    assert FileStore(str(folder.parent.parent), now=store._now).read(name).run == run


def test_events_before_the_adoption_count_and_are_listed(store: FileStore, bring: Callable[[str], Path]) -> None:
    """The history of a run does not begin with our opening it."""
    bring("research-7")
    earlier = [(logged.seq, logged.event.name) for logged in store.events("research-7")]
    with store.locked("research-7", wait_s=5, op="test"):
        pass

    assert earlier == [
        (1, "run.created"),
        (2, "node.started"),
        (3, "node.completed"),
        (4, "node.started"),
        (5, "node.waiting"),
    ]
    after = [(logged.seq, logged.event.name) for logged in store.events("research-7")]
    assert after == [*earlier, (6, "log.adopted")]
    assert [logged.seq for logged in store.events("research-7", since_seq=4)] == [5, 6]


def test_requests_that_waited_for_the_earlier_implementation_are_given(
    store: FileStore, bring: Callable[[str], Path]
) -> None:
    """What was applied already is not applied again; what waited is not lost."""
    bring("research-7")

    with store.locked("research-7", wait_s=5, op="test") as session:
        assert [line.control_id for line in session.inbox()] == ["c-3"]


def test_a_kill_in_the_middle_of_an_adoption_is_finished_by_the_next(
    store: FileStore, again: FileStore, bring: Callable[[str], Path]
) -> None:
    """The trail has the snapshot, the projections are still the earlier ones."""
    folder = bring("research-7")
    with store.locked("research-7", wait_s=5, op="test") as session:
        run = session.run
    for name in ("state.json", "refs.json"):
        shutil.copy(EARLIER / "research-7" / name, folder / name)

    assert again.read("research-7").run == run
    with again.locked("research-7", wait_s=5, op="test") as session:
        assert session.run == run
    assert [problem for problem in again.validate("research-7") if problem.severity == "error"] == []


def a_run_with_everything() -> Run:
    run = given_run(wait=WaitFor(type="file_exists", path="nodes/n0/go"))
    nodes = {
        key: node.model_copy(update={"notes": "", "progress": "half", "label": "x"})
        for key, node in run.state.nodes.items()
    }
    return run.model_copy(update={"state": run.state.model_copy(update={"nodes": nodes})})


def test_readers_of_the_earlier_implementation_read_our_files(store: FileStore, tmp_path: Path) -> None:
    """Screens that were written for it go on working: its keys, its types, its words."""
    store.create(created(a_run_with_everything()))
    effect = Effect(id="e1", kind="cron.update", do="slow down", target="cron")
    with store.locked("demo-1", wait_s=5, op="test") as session:
        session.commit(moved(session.run, "n0", "running", "node.started"))
        session.commit(
            rebound(session.run, applied_control_ids={"c1": True, "c2": False}, pending_effects={"e1": effect})
        )
        session.append_control({"id": "c1", "action": "pause", "runId": "demo-1", "timestamp": "2026-01-31T09:00:00Z"})
        session.append_control({"id": "c2", "action": "cancel", "runId": "demo-1", "timestamp": "2026-01-31T09:00:00Z"})
        decision = noted(session.run)
        session.commit(Decision(run=decision.run, events=decision.events))
    folder = tmp_path / "runs" / "demo-1"

    state = json.loads((folder / "state.json").read_bytes())
    for key in ("sourceSessionKey", "rootSessionKey", "plannerSessionKey", "driverSessionKey"):
        assert state[key] == "agent:main:chat"
    assert isinstance(state["nodes"], list)
    for node in state["nodes"]:
        assert set(node["workingMemory"]) <= {"plan", "findings", "progress", "handoff"}
        assert node["waitFor"] == {"type": "file_exists", "path": "nodes/n0/go"}
        assert (node["sessionKey"], node.get("notes", "")) == ("agent:main:chat", "")
        assert {"id", "title", "kind", "status", "needs", "outputsMode"} <= set(node)
    assert None not in state.values()
    refs = json.loads((folder / "refs.json").read_bytes())
    assert (refs["appliedControlIds"], refs["cronJobId"], refs["nodeSessions"]) == (["c1", "c2"], "", {})
    assert [effect["id"] for effect in refs["pendingEffects"]] == ["e1"]
    for line in (folder / "events.jsonl").read_bytes().splitlines():
        event = json.loads(line)
        assert isinstance(event["payload"], dict)
        assert {"event", "timestamp", "runId"} <= set(event)
        assert None not in event.values()
    controls = [json.loads(line) for line in (folder / "control.jsonl").read_bytes().splitlines()]
    assert [line["action"] for line in controls] == ["pause"]
    assert set(controls[0]) <= {"id", "action", "runId", "timestamp", "nodeId", "message", "patch"}
    assert sorted(name for name in os.listdir(folder) if not name.startswith(".")) == [
        "control.jsonl",
        "events.jsonl",
        "nodes",
        "refs.json",
        "state.json",
        "workflow.lock.md",
    ]
