"""Cancels: an intent that lasts, children that are asked to stop, and an end with the last of them."""

from typing import Any

import pytest

from registry.core.commands import Tick
from registry.errors import IllegalTransition
from registry.flows import Flows
from registry.operations.caller import Caller
from tests.flows.given import AGENT, CHILD, begun, effects, linked, names, run_of, standing, steered, told
from tests.operations.changing.asking import ask, refusal
from tests.operations.conftest import Hands


def test_a_flow_without_active_children_is_cancelled_at_once(flows: Flows) -> None:
    """There is nobody to wait for."""
    flow_id = begun(flows)
    told(flows, flow_id, "node.completed", linked(flows, flow_id))

    answer = flows.cancel(flow_id)

    assert (answer.found, answer.cancelled, answer.reason, answer.tasks) == (True, True, None, ())
    assert names(answer.outcome) == ("flow.cancel_requested", "flow.cancelled", "run.cancelled")
    flow = standing(flows, flow_id).flow
    assert (flow.status, flow.revision) == ("cancelled", 1), "one mutation raises the revision once"


def test_active_children_are_asked_to_stop_and_queued_ones_are_cancelled(flows: Flows) -> None:
    """What has not begun need not be waited for; what runs is not in our hands. Whoever was to begin it has to hear
    that it is not wanted, or the child starts after all."""
    flow_id = begun(flows, status="running")
    linked(flows, flow_id)
    linked(flows, flow_id, status="queued", child_session_key="agent:worker:2", run_id="r-2")
    linked(flows, flow_id, runtime="cli", child_session_key=None)
    linked(flows, flow_id, status="queued", runtime="cron", child_session_key=None)

    answer = flows.cancel(flow_id)

    assert (answer.cancelled, answer.reason) == (False, "One or more child tasks are still active.")
    assert [(node.id, node.status, node.outcome) for node in answer.tasks] == [
        ("task-1", "running", None), ("task-2", "skipped", "cancelled"), ("task-3", "running", None),
        ("task-4", "skipped", "cancelled"),
    ]  # fmt: skip
    assert [effect.params for effect in effects(flows, flow_id, "session.abort")] == [
        {"nodeId": "task-1", "runtime": "subagent", "sessionKey": CHILD},
        {"nodeId": "task-2", "runtime": "subagent", "sessionKey": "agent:worker:2", "workerRunId": "r-2"},
        {"nodeId": "task-3", "runtime": "cli"},
    ]
    assert (standing(flows, flow_id).flow.status, run_of(flows, flow_id).state.status) == ("running", "running")


@pytest.mark.parametrize("event", ["node.completed", "node.failed", "node.skipped"])
def test_the_end_of_the_last_child_ends_the_flow_in_the_same_mutation(flows: Flows, event: str) -> None:
    """A kill in between would leave a flow that is to be cancelled for ever."""
    flow_id = begun(flows)
    first, second = linked(flows, flow_id), linked(flows, flow_id, child_session_key="agent:worker:2")
    flows.cancel(flow_id)

    early = told(flows, flow_id, event, first, message="so")
    last = told(flows, flow_id, event, second, message="so")

    assert names(early) == (event,)
    assert names(last) == (event, "flow.cancelled", "run.cancelled")
    run = run_of(flows, flow_id)
    assert (run.state.status, standing(flows, flow_id).flow.revision) == ("cancelled", 2)
    assert [node.outcome for node in run.state.nodes.values()] == ["cancelled" if event == "node.skipped" else None] * 2
    assert effects(flows, flow_id, "session.abort") == [], "who has ended need not be stopped"


def test_an_intent_alone_is_settled_by_the_last_end_too(flows: Flows) -> None:
    """request_cancel asks nobody to stop, but the cancel lasts."""
    flow_id = begun(flows)
    node_id = linked(flows, flow_id)
    flows.request_cancel(flow_id, expected_revision=0)
    assert effects(flows, flow_id, "session.abort") == []

    told(flows, flow_id, "node.completed", node_id)

    assert standing(flows, flow_id).flow.status == "cancelled"


def test_a_stopped_session_is_an_ended_child(flows: Flows) -> None:
    """Whoever carried out the abort is the only one who will ever tell; the flow must not wait for more."""
    flow_id = begun(flows)
    linked(flows, flow_id)
    flows.cancel(flow_id)
    [abort] = effects(flows, flow_id, "session.abort")

    outcome = flows.registry.transact(flow_id, Tick(actor=AGENT, effects_done=(abort.id,)))

    assert names(outcome) == ("effect.confirmed", "node.skipped", "flow.cancelled", "run.cancelled")
    assert run_of(flows, flow_id).node("task-1").outcome == "cancelled"
    assert effects(flows, flow_id, "session.abort") == []


def test_an_abort_that_failed_leaves_the_child_active(flows: Flows) -> None:
    """Nothing is over by being asked for."""
    flow_id = begun(flows)
    linked(flows, flow_id)
    flows.cancel(flow_id)
    [abort] = effects(flows, flow_id, "session.abort")

    flows.registry.transact(flow_id, Tick(actor=AGENT, effects_failed={abort.id: "no such session"}))

    assert run_of(flows, flow_id).node("task-1").status == "running"
    assert [effect.tries for effect in effects(flows, flow_id, "session.abort")] == [1]


def test_a_child_that_is_lost_ends_a_cancel(flows: Flows, hands: Hands) -> None:
    """A dead host must not keep a flow from ending."""
    flow_id = begun(flows)
    linked(flows, flow_id)
    flows.cancel(flow_id)
    told(flows, flow_id, "session.gone", payload={"value": CHILD})
    hands.move(minutes=5)

    assert names(flows.registry.tick(flow_id)) == ("node.failed", "flow.cancelled", "run.cancelled")


def test_a_child_that_is_lost_need_not_be_stopped(flows: Flows, hands: Hands) -> None:
    """The host would be sent to a session that everybody knows to be gone."""
    flow_id = begun(flows)
    linked(flows, flow_id)
    linked(flows, flow_id, child_session_key="agent:worker:2")
    flows.cancel(flow_id)
    told(flows, flow_id, "session.gone", payload={"value": CHILD})
    hands.move(minutes=5)

    flows.registry.tick(flow_id)

    assert [effect.params["nodeId"] for effect in effects(flows, flow_id, "session.abort")] == ["task-2"]


def test_cancelling_again_asks_nobody_twice(flows: Flows) -> None:
    """A controller that polls must not fill the trail, and the intent is not moved."""
    flow_id = begun(flows)
    linked(flows, flow_id)
    flows.cancel(flow_id)
    before = run_of(flows, flow_id)

    answer = flows.cancel(flow_id)

    assert (answer.cancelled, answer.reason) == (False, "One or more child tasks are still active.")
    assert run_of(flows, flow_id) == before


@pytest.mark.parametrize(
    ("carried", "told"),
    [
        ({}, {"sessionKey": CHILD}),
        ({"run_id": "r-1"}, {"sessionKey": CHILD}),
        ({"child_session_key": None, "run_id": "r-1"}, {"workerRunId": "r-1"}),
    ],
)
def test_whoever_carries_a_queued_child_hears_that_it_was_cancelled(
    flows: Flows, caller: Caller, carried: dict[str, Any], told: dict[str, str]
) -> None:
    """Else it begins work that nobody wants."""
    flow_id = begun(flows)
    child = linked(flows, flow_id, status="queued", **carried)

    ask(caller, "cancel_task", task_id=f"{flow_id}:{child}")

    assert [effect.params for effect in effects(flows, flow_id, "session.abort")] == [{"nodeId": child, **told}]


def test_a_cancel_after_a_mere_request_asks_the_children(flows: Flows) -> None:
    """The intent was there, but nobody had been asked."""
    flow_id = begun(flows)
    linked(flows, flow_id)
    flows.request_cancel(flow_id, expected_revision=0)

    flows.cancel(flow_id)

    assert len(effects(flows, flow_id, "session.abort")) == 1
    assert standing(flows, flow_id).flow.revision == 1


@pytest.mark.parametrize(("end", "said"), [("finish", "succeeded"), ("fail", "failed"), ("cancel", "cancelled")])
def test_an_ended_flow_is_not_cancelled(flows: Flows, end: str, said: str) -> None:
    """What has ended stays as it ended."""
    flow_id = begun(flows)
    _ = flows.cancel(flow_id) if end == "cancel" else getattr(flows, end)(flow_id, expected_revision=0)

    answer = flows.cancel(flow_id)

    assert (answer.found, answer.cancelled, answer.reason) == (True, False, f"Flow is already {said}.")


def test_a_persons_cancel_of_the_run_is_the_flows_own(flows: Flows) -> None:
    """A run with a flow ends by its flow's methods alone: what runs is asked, and waited for."""
    flow_id = begun(flows)
    node_id = linked(flows, flow_id)

    asked = steered(flows, flow_id, "cancel", message="stop it")
    assert names(asked) == ("control.applied", "flow.cancel_requested")
    assert run_of(flows, flow_id).node(node_id).status == "running"
    told(flows, flow_id, "node.completed", node_id)

    run = run_of(flows, flow_id)
    assert run.state.status == "cancelled"
    assert run.state.cancelled_by is not None and run.state.cancelled_by.is_person, "who wanted it, not who ended last"


def test_no_work_is_opened_or_added_once_it_is_to_be_cancelled(flows: Flows, caller: Caller) -> None:
    """Sticky means that nobody has to remember it."""
    flow_id = begun(flows)
    failed = linked(flows, flow_id)
    linked(flows, flow_id, child_session_key="agent:worker:2")
    told(flows, flow_id, "node.failed", failed, message="no")
    flows.cancel(flow_id)

    with pytest.raises(IllegalTransition, match="to be cancelled"):
        steered(flows, flow_id, "retry", failed)
    node = {"id": "more", "title": "More", "kind": "session_turn", "prompt": "x"}
    said = refusal(caller, "change_plan", run_id=flow_id, action="add_node", node_id="more", node=node)
    assert "is to be cancelled" in said


def test_a_flow_to_be_cancelled_may_still_succeed(flows: Flows) -> None:
    """The work may be done before it could be stopped, and its owner knows best."""
    flow_id = begun(flows)
    linked(flows, flow_id)
    flows.cancel(flow_id)

    assert flows.finish(flow_id, expected_revision=1).applied
    assert (run_of(flows, flow_id).state.status, standing(flows, flow_id).flow.status) == ("completed", "succeeded")


def test_a_person_may_skip_the_child_that_holds_a_cancel_up(flows: Flows) -> None:
    """Somebody must be able to end what nobody reports."""
    flow_id = begun(flows)
    node_id = linked(flows, flow_id)
    flows.cancel(flow_id)

    outcome = steered(flows, flow_id, "skip", node_id)

    assert names(outcome) == ("control.applied", "node.skipped", "flow.cancelled", "run.cancelled")
