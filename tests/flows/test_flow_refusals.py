"""What is refused about a flow and its children leads to a call that is taken there."""

import pytest

from registry.flows import Flows
from registry.operations.caller import Caller
from tests.flows.given import begun, linked, told
from tests.operations.changing.asking import ask, refusal


@pytest.mark.parametrize("tool", ["retry_task", "request_control"])
def test_a_queued_child_is_not_to_be_claimed(flows: Flows, caller: Caller, tool: str) -> None:
    """claim_node was named, which refuses children."""
    flow_id = begun(flows)
    linked(flows, flow_id, status="queued")
    given = {"task_id": f"{flow_id}:task-1"} if tool == "retry_task" else {"run_id": flow_id, "node_id": "task-1"}

    said = refusal(caller, tool, **given, **({} if tool == "retry_task" else {"action": "retry"}))

    assert "claim_node" not in said
    assert "append_event node.started, node.completed or node.failed" in said and "next: get_flow" in said


@pytest.mark.parametrize(
    ("end", "hint"),
    [
        ("finish", "it stays as it ended"),
        ("request_cancel", "it stays as it ended"),
        (None, "request_control retry queues it again"),
    ],
)
def test_a_retry_is_named_only_where_it_is_taken(flows: Flows, caller: Caller, end: str | None, hint: str) -> None:
    """The call that a refusal names was refused itself."""
    flow_id = begun(flows)
    linked(flows, flow_id)
    linked(flows, flow_id, child_session_key="agent:worker:2")
    told(flows, flow_id, "node.failed", "task-1", message="no")
    if end is not None:
        getattr(flows, end)(flow_id, expected_revision=0)

    said = refusal(caller, "append_event", run_id=flow_id, node_id="task-1", event="node.completed")

    assert f"hint: {hint}" in said
    assert ("next: request_control" in said) == (end is None)


def test_a_flow_to_be_cancelled_is_not_to_be_opened_again(flows: Flows, caller: Caller) -> None:
    """It has not ended; the advice was for one that has."""
    flow_id = begun(flows)
    linked(flows, flow_id)
    linked(flows, flow_id, child_session_key="agent:worker:2")
    told(flows, flow_id, "node.failed", "task-1", message="no")
    flows.request_cancel(flow_id, expected_revision=0)
    retry = {"run_id": flow_id, "action": "retry", "node_id": "task-1"}

    said = refusal(caller, "request_control", **retry)
    assert "to be cancelled" in said and "hint: it ends with its last child" in said and "reopen" not in said
    flows.fail(flow_id, expected_revision=1)
    assert "resume with reopen: true" in refusal(caller, "request_control", **retry)


def test_a_tasks_id_in_the_place_of_a_flows_is_told(caller: Caller) -> None:
    """The advice named arguments that the call does not have."""
    said = refusal(caller, "get_flow", flow_id="flow-1:task-1")

    assert "send flow_id 'flow-1'" in said and "node_id" not in said
    assert 'next: get_flow {"flow_id": "flow-1"}' in said


def test_a_revision_that_has_not_come_is_told(flows: Flows, caller: Caller) -> None:
    """`The flow has moved on` sends a controller after a change that nobody made."""
    flow_id = begun(flows)

    answer = ask(caller, "update_flow", flow_id=flow_id, action="finish", expected_revision=5)

    assert (answer["applied"], answer["code"]) == (False, "revision_conflict")
    assert answer["reason"] == "the flow has not come to revision 5, it is at 0; decide on `current`"


def test_a_running_child_is_not_told_to_stop(flows: Flows, caller: Caller) -> None:
    """It holds no lease, and its attempt was called over while it ran."""
    flow_id = begun(flows)
    linked(flows, flow_id)

    said = refusal(caller, "heartbeat_node", run_id=flow_id, node_id="task-1", fence="1-aaaaaaaa")

    assert "is a child of a flow" in said and "heartbeat_node needs work that is in a queue" in said
    assert "no fence is needed" in said


def test_a_waiting_child_waits_for_its_controller(flows: Flows, caller: Caller) -> None:
    """A person was to approve what no person knows of."""
    flow_id = begun(flows)
    linked(flows, flow_id)
    told(flows, flow_id, "node.waiting", "task-1")

    [row] = ask(caller, "get_run", run_id=flow_id)["waiting_for"]

    assert (row["who"], row["how"]) == (
        "the flow's controller", "append_event node.started, node.completed or node.failed",
    )  # fmt: skip
    assert "prompt" not in row
