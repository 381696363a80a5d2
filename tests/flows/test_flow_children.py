"""Children of a flow: carried by others, in no queue, reported without a fence, lost only when that is known."""

from datetime import timedelta

import pytest

from registry.core.names import iso
from registry.core.record import Bag
from registry.core.tasks import public_status
from registry.errors import IllegalTransition, InvalidRequest
from registry.flows import Flows
from registry.operations.caller import Caller
from registry.registry import Registry
from registry.settings import Settings
from tests.flows.given import AGENT, CHILD, OWNER, begun, effects, linked, names, run_of, standing, steered, told
from tests.operations.changing.asking import ask, refusal
from tests.operations.conftest import Hands


def test_a_child_is_linked_with_all_that_is_known_of_it(flows: Flows) -> None:
    """The ledger shows it as it is, though the registry never started it."""
    flow_id = begun(flows)

    answer = flows.run_task(
        flow_id, runtime="acp", task="# Write the notes\nall of them", child_session_key=CHILD, agent_id="anna",
        run_id="acp-7", label="notes", parent_task_id="other:work", status="running",
        started_at="2026-01-01T08:00:00+00:00", last_event_at="2026-01-01T08:30:00Z", progress_summary="half",
    )  # fmt: skip

    node, run = answer.task, run_of(flows, flow_id)
    assert node is not None and answer.created and node == run.node(node.id)
    assert (node.managed, node.runtime, node.kind, node.status, node.attempt) == (
        True, "acp", "session_turn", "running", 1,
    )  # fmt: skip
    assert (node.title, node.label, node.agent_id, node.parent) == ("notes", "notes", "anna", "other:work")
    assert (node.child_session_key, node.run_id, node.lease, node.progress) == (CHILD, "acp-7", None, "half")
    assert (node.started_at, node.heard_at) == ("2026-01-01T08:00:00.000+00:00", "2026-01-01T08:30:00.000+00:00")
    assert run.plan.nodes[node.id].prompt == "# Write the notes\nall of them"
    assert (run.refs.child_sessions, run.refs.node_run_ids) == ({node.id: CHILD}, {node.id: "acp-7"})
    assert names(answer.outcome) == ("node.added", "flow.task_linked", "node.ready", "node.started")
    assert standing(flows, flow_id).flow.revision == 0, "linking is no change of the flow's own record"


def test_the_same_work_is_linked_once(flows: Flows) -> None:
    """Older systems had two tasks after a time-out, and one of them never ended."""
    flow_id = begun(flows)
    first = linked(flows, flow_id, run_id="r-1")
    second = linked(flows, flow_id, task="other work")

    by_run = flows.run_task(flow_id, runtime="subagent", task="any", child_session_key=CHILD, run_id="r-1")
    by_work = flows.run_task(flow_id, runtime="subagent", task="other work", child_session_key=CHILD)

    for answer, known in ((by_run, first), (by_work, second)):
        assert (answer.created, answer.found, answer.reason) == (False, True, "This work is linked already.")
        assert answer.task is not None and answer.task.id == known
    assert flows.run_task(flow_id, runtime="subagent", task="new work", child_session_key=CHILD).created
    assert flows.run_task(flow_id, runtime="cli", task="x").created
    assert flows.run_task(flow_id, runtime="cli", task="x").created, "without a key nobody can know that it is the same"


def test_a_workers_run_is_one_child_whatever_session_it_has(flows: Flows, caller: Caller) -> None:
    """Its session is often known only later; asking again with or without it must not make a second child."""
    flow_id = begun(flows)
    first = linked(flows, flow_id, child_session_key=None, run_id="r-1")
    ask(caller, "bind_session", run_id=flow_id, node_id=first, child_session_key=CHILD)

    for session in (None, CHILD, "agent:other:1"):
        again = flows.run_task(flow_id, runtime="cli", task="x", child_session_key=session, run_id="r-1")
        assert (again.created, again.task and again.task.id) == (False, first)
    assert run_of(flows, flow_id).node(first).child_session_key == CHILD, "a link changes no binding"


def test_work_in_a_session_is_one_child_whether_its_run_is_named_or_not(flows: Flows) -> None:
    """A host gives its run an id after the link; two ids are two pieces of work."""
    flow_id = begun(flows)
    first = linked(flows, flow_id)
    named = flows.run_task(flow_id, runtime="subagent", task="write the notes", child_session_key=CHILD, run_id="r-1")
    second = linked(flows, flow_id, task="other", run_id="r-2")
    unnamed = flows.run_task(flow_id, runtime="subagent", task="other", child_session_key=CHILD)

    assert (named.created, named.task and named.task.id) == (False, first)
    assert (unnamed.created, unnamed.task and unnamed.task.id) == (False, second)
    assert names(named.outcome) == ("node.run_bound",)
    assert linked(flows, flow_id, run_id="r-3") not in (first, second)
    assert linked(flows, flow_id, task="other", run_id="r-4") not in (first, second)


def test_nothing_is_linked_to_a_flow_that_has_ended(flows: Flows) -> None:
    """Its owner has said what came of it."""
    flow_id = begun(flows)
    flows.finish(flow_id, expected_revision=0)

    answer = flows.run_task(flow_id, runtime="cli", task="x")

    assert (answer.created, answer.found, answer.reason) == (False, True, "Flow is already succeeded.")


def test_a_child_without_words_or_with_a_wrong_time_is_refused(flows: Flows) -> None:
    """These are mistakes of the call, not answers."""
    flow_id = begun(flows)
    with pytest.raises(InvalidRequest, match="task is empty"):
        flows.run_task(flow_id, runtime="cli", task=" ")
    with pytest.raises(InvalidRequest, match="started_at"):
        flows.run_task(flow_id, runtime="cli", task="x", started_at="yesterday")


def test_a_child_is_in_no_queue(flows: Flows, caller: Caller) -> None:
    """Its controller has it carried outside; an agent that took it would do it twice."""
    flow_id = begun(flows)
    linked(flows, flow_id, agent_id="anna", status="queued")

    assert ask(caller, "claim_node", run_id=flow_id)["claimed"] is False
    assert ask(caller, "claim_node", agent_id="anna")["claimed"] is False
    assert "'task-1' is a child of a flow" in refusal(caller, "claim_node", run_id=flow_id, node_id="task-1")
    [row] = ask(caller, "list_tasks", run_id=flow_id)["tasks"]
    assert (row["flow_id"], row["runtime"], row["status"]) == (flow_id, "subagent", "queued")


def test_a_child_is_reported_through_the_door_without_a_fence(flows: Flows) -> None:
    """Its controller is told by its host, and has no claim to show."""
    flow_id = begun(flows)
    node_id = linked(flows, flow_id, status="queued")

    told(flows, flow_id, "node.started", node_id)
    told(flows, flow_id, "node.heartbeat", node_id, message="half way")
    assert run_of(flows, flow_id).node(node_id).progress == "half way"
    ended = told(flows, flow_id, "node.completed", node_id, message="written", payload={"pages": 3})

    node = run_of(flows, flow_id).node(node_id)
    assert (node.status, node.summary, node.result) == ("completed", "written", {"pages": 3})
    assert names(ended) == ("node.completed",)
    assert standing(flows, flow_id).flow.revision == 0, "children must not make their controller stale"


def test_finish_node_reports_a_child_too(flows: Flows, caller: Caller) -> None:
    """With it the report is kept beside the result."""
    flow_id = begun(flows)
    node_id = linked(flows, flow_id)

    answer = ask(
        caller, "finish_node", run_id=flow_id, node_id=node_id, outcome="completed", summary="ok", report="# R\n"
    )

    assert (answer["status"], answer["run_status"]) == ("completed", "running")
    assert f"nodes/{node_id}/report.md" in answer["written"]


@pytest.mark.parametrize("outcome", ["completed", "failed", "waiting"])
def test_the_end_of_a_queued_child_counts_its_attempt(flows: Flows, caller: Caller, outcome: str) -> None:
    """The answer said attempt 0 of a node that has had one."""
    flow_id = begun(flows)
    node_id = linked(flows, flow_id, status="queued")

    answer = ask(caller, "finish_node", run_id=flow_id, node_id=node_id, outcome=outcome, summary="so")

    assert (answer["status"], answer["attempt"]) == (outcome, 1)
    assert run_of(flows, flow_id).node(node_id).attempt == 1


def test_an_end_that_comes_without_a_beginning_is_taken(flows: Flows) -> None:
    """A host may tell of a short task only when it is over."""
    flow_id = begun(flows)
    node_id = linked(flows, flow_id, status="queued")

    outcome = told(flows, flow_id, "node.completed", node_id, message="done")

    assert names(outcome) == ("node.started", "node.completed")


@pytest.mark.parametrize(
    ("event", "payload", "status", "public"),
    [
        ("node.completed", {}, "completed", "completed"),
        ("node.failed", {}, "failed", "failed"),
        ("node.failed", {"outcome": "timed_out"}, "failed", "timed_out"),
        ("node.failed", {"outcome": "lost"}, "failed", "failed"),
        ("node.skipped", {}, "skipped", "completed"),
        ("node.skipped", {"outcome": "cancelled"}, "skipped", "cancelled"),
    ],
)
def test_every_end_can_be_told_and_no_later_message_changes_it(
    flows: Flows, event: str, payload: Bag, status: str, public: str
) -> None:
    """Late messages of a dead worker must not undo what became of its task."""
    flow_id = begun(flows)
    node_id = linked(flows, flow_id)
    told(flows, flow_id, event, node_id, message="so", payload=payload)
    before = run_of(flows, flow_id).node(node_id)
    assert (before.status, public_status(before)) == (status, public)

    for late in ("node.completed", "node.started", "node.heartbeat"):
        with pytest.raises(IllegalTransition):
            told(flows, flow_id, late, node_id)
    told(flows, flow_id, "session.gone", payload={"value": CHILD})
    after = run_of(flows, flow_id).node(node_id)
    assert (after.status, after.outcome, after.lost_at) == (before.status, before.outcome, None)


def test_other_work_has_no_say_in_how_it_is_called(flows: Flows, caller: Caller) -> None:
    """`lost` and `timed_out` of what the registry sees itself are its own findings."""
    ask(caller, "scaffold_run", task_text="x", run_id="plain")
    flows.registry.transact("plain", _event("node.started", "work"))
    flows.registry.transact("plain", _event("node.failed", "work", {"outcome": "timed_out", "error": "x"}))

    assert flows.registry.read("plain").run.node("work").outcome is None


def _event(name: str, node_id: str, payload: Bag | None = None):  # type: ignore[no-untyped-def]
    from registry.core.commands import AppendEvent

    return AppendEvent(actor=AGENT, event=name, node_id=node_id, payload=payload or {})


def test_silence_alone_never_makes_a_child_lost(flows: Flows, hands: Hands) -> None:
    """The registry cannot see it; many children work for hours without a word."""
    flow_id = begun(flows)
    node_id = linked(flows, flow_id)

    hands.move(days=3)

    assert flows.registry.tick(flow_id).events == ()
    assert run_of(flows, flow_id).node(node_id).status == "running"


def test_a_child_whose_session_is_known_to_be_gone_is_lost_after_the_grace_period(flows: Flows, hands: Hands) -> None:
    """Somebody has to say it; then five minutes are enough for a host that only restarts."""
    flow_id = begun(flows)
    node_id = linked(flows, flow_id)
    gone = told(flows, flow_id, "session.gone", payload={"value": CHILD}, message="its host says so")
    assert (names(gone), gone.answer["kind"]) == (("session.gone",), "record")
    assert run_of(flows, flow_id).state.wake_at == iso(hands.at + timedelta(minutes=5))

    hands.move(seconds=299)
    told(flows, flow_id, "session.gone", payload={"value": CHILD})
    assert flows.registry.tick(flow_id).events == ()
    hands.move(seconds=1)
    seen = flows.registry.read(flow_id)
    assert (seen.run.node(node_id).status, node_id in seen.reconciled) == ("failed", True), "readers see it at once"
    outcome = flows.registry.tick(flow_id)

    node = run_of(flows, flow_id).node(node_id)
    assert names(outcome) == ("node.failed",)
    assert (node.status, node.outcome, public_status(node)) == ("failed", "lost", "failed")
    assert node.error is not None and "lost" in node.error
    assert run_of(flows, flow_id).state.status == "running"


def test_lists_and_numbers_show_a_lost_child_as_lost_before_anybody_records_it(
    flows: Flows, caller: Caller, hands: Hands
) -> None:
    """A list that says "running" where the task itself says "failed" has its reader wait for nobody."""
    flow_id = begun(flows)
    task = f"{flow_id}:{linked(flows, flow_id)}"
    told(flows, flow_id, "session.gone", payload={"value": CHILD})
    hands.move(seconds=300)
    mark = caller.registry.log_mark(flow_id)

    lists = {status: ask(caller, "list_tasks", status=status)["tasks"] for status in ("all", "running", "failed")}
    [row] = ask(caller, "list_flows")["flows"]
    total = ask(caller, "task_stats")["total"]

    shown = {status: [(row["task_id"], row["status"]) for row in rows] for status, rows in lists.items()}
    assert shown == {"all": [(task, "failed")], "running": [], "failed": [(task, "failed")]}
    assert (row["tasks"]["by_status"], total["current"], total["failed"]) == ({"failed": 1}, 0, 1)
    assert ask(caller, "get_task", task_id=task)["task"]["status"] == "failed"
    assert caller.registry.log_mark(flow_id) == mark


def test_the_grace_period_is_a_setting(registry: Registry, hands: Hands) -> None:
    """Hosts differ in how long they take to come back."""
    patient = Registry(registry.store, Settings(root=registry.root, lost_grace_s=3600))
    flows = Flows(patient, actor=AGENT, owner_key=OWNER)
    flow_id = begun(flows)
    linked(flows, flow_id)
    told(flows, flow_id, "session.gone", payload={"value": CHILD})

    hands.move(minutes=59)
    assert patient.tick(flow_id).events == ()
    hands.move(minutes=1)
    assert names(patient.tick(flow_id)) == ("node.failed",)


@pytest.mark.parametrize("sign", ["node.heartbeat", "run.progress", "note.seen", "node.child_session_bound"])
def test_any_sign_of_life_takes_it_back(flows: Flows, hands: Hands, sign: str) -> None:
    """What was said of the session was wrong, or is no longer so."""
    flow_id = begun(flows)
    node_id = linked(flows, flow_id)
    told(flows, flow_id, "session.gone", node_id)
    hands.move(minutes=4)

    told(flows, flow_id, sign, node_id, message="here", payload={"value": CHILD})
    hands.move(days=1)

    assert flows.registry.tick(flow_id).events == ()
    node = run_of(flows, flow_id).node(node_id)
    assert (node.status, node.lost_at, node.heard_at) == ("running", None, iso(hands.at - timedelta(days=1)))


def test_a_session_that_carries_nothing_here_is_a_note(flows: Flows) -> None:
    """Whoever reports sessions need not know which flow they belonged to."""
    flow_id = begun(flows)
    linked(flows, flow_id)

    outcome = told(flows, flow_id, "session.gone", payload={"value": "agent:other:1"})

    assert (names(outcome), outcome.answer["kind"]) == (("session.gone",), "note")
    assert run_of(flows, flow_id).state.wake_at is None
    with pytest.raises(InvalidRequest, match=r"payload\.value"):
        told(flows, flow_id, "session.gone")


def test_a_lost_child_that_comes_back_is_reported_after_a_retry(flows: Flows, hands: Hands) -> None:
    """Lost stays lost until somebody who knows better says so."""
    flow_id = begun(flows)
    node_id = linked(flows, flow_id)
    told(flows, flow_id, "session.gone", node_id)
    hands.move(minutes=5)
    flows.registry.tick(flow_id)
    with pytest.raises(IllegalTransition):
        told(flows, flow_id, "node.completed", node_id)

    steered(flows, flow_id, "retry", node_id)
    told(flows, flow_id, "node.completed", node_id, message="here I am")

    node = run_of(flows, flow_id).node(node_id)
    assert (node.status, node.outcome, node.summary) == ("completed", None, "here I am")


def test_a_loss_counts_when_it_is_recorded(flows: Flows, hands: Hands) -> None:
    """As with leases: who is there after all, before anybody noticed, has lost nothing."""
    flow_id = begun(flows)
    node_id = linked(flows, flow_id)
    told(flows, flow_id, "session.gone", node_id)
    hands.move(minutes=6)

    told(flows, flow_id, "node.completed", node_id, message="late")

    assert run_of(flows, flow_id).node(node_id).status == "completed"


def test_children_may_outlive_their_flow_and_are_still_reported(flows: Flows, hands: Hands) -> None:
    """The owner may have what it wanted before the last of them ends; their ends are facts all the same."""
    flow_id = begun(flows)
    first, second = linked(flows, flow_id), linked(flows, flow_id, child_session_key="agent:worker:2")
    flows.finish(flow_id, expected_revision=0)
    assert run_of(flows, flow_id).state.status == "completed"

    told(flows, flow_id, "node.completed", first, message="late")
    told(flows, flow_id, "session.gone", second)
    hands.move(minutes=5)
    flows.registry.tick(flow_id)

    run = run_of(flows, flow_id)
    assert [node.status for node in run.state.nodes.values()] == ["completed", "failed"]
    assert (run.state.status, standing(flows, flow_id).flow.status) == ("completed", "succeeded")
    assert run.state.wake_at is None


def test_an_ended_flow_is_not_opened_by_a_retry(flows: Flows) -> None:
    """Only its owner opens it again."""
    flow_id = begun(flows)
    node_id = linked(flows, flow_id)
    told(flows, flow_id, "node.failed", node_id, message="no")
    flows.fail(flow_id, expected_revision=0)

    with pytest.raises(IllegalTransition, match="retry needs one that goes on"):
        steered(flows, flow_id, "retry", node_id)
    assert run_of(flows, flow_id).state.status == "failed"


def test_work_of_the_registrys_own_may_stand_in_a_flow(flows: Flows, caller: Caller) -> None:
    """A controller may as well put a node into a queue; it goes as in any run, but for the run's end."""
    flow_id = begun(flows)
    node = {"id": "review", "title": "Review", "kind": "session_turn", "prompt": "review it"}
    ask(caller, "change_plan", run_id=flow_id, action="add_node", node_id="review", node=node)
    claim = ask(caller, "claim_node", run_id=flow_id)
    answer = ask(caller, "finish_node", run_id=flow_id, fence=claim["fence"], outcome="completed", summary="ok")

    assert (answer["status"], answer["run_status"]) == ("completed", "running")
    ask(caller, "change_plan", run_id=flow_id, action="add_node", node_id="again", node={**node, "id": "again"})
    flows.finish(flow_id, expected_revision=0)
    ended = run_of(flows, flow_id).node("again")
    assert (ended.status, ended.outcome) == ("skipped", "cancelled"), "nobody could claim it any more"


def test_the_only_node_of_a_flow_may_be_taken_out(flows: Flows, caller: Caller) -> None:
    """A flow without nodes is nothing unusual."""
    flow_id = begun(flows)
    linked(flows, flow_id, status="queued")

    ask(caller, "change_plan", run_id=flow_id, action="remove_node", node_id="task-1")

    run = run_of(flows, flow_id)
    assert (run.state.nodes, run.refs.child_sessions, effects(flows, flow_id, "session.abort")) == ({}, {}, [])
