"""What time has ended is over for every command, whether or not anybody ticked meanwhile."""

import pytest

from registry.core.commands import CancelTask
from registry.errors import IllegalTransition
from registry.flows import Flows
from tests.flows.given import AGENT, CHILD, begun, effects, linked, names, run_of, standing, steered, told
from tests.operations.conftest import Hands

REPORTS = ("node.heartbeat", "node.completed", "node.failed", "node.skipped")


@pytest.fixture
def past(flows: Flows, hands: Hands) -> str:
    """A flow whose only child is lost by now, and nobody has recorded it."""
    flow_id = begun(flows, status="running")
    linked(flows, flow_id)
    told(flows, flow_id, "session.gone", payload={"value": CHILD})
    hands.move(minutes=5)
    return flow_id


def test_a_cancel_does_not_wait_for_a_lost_child(flows: Flows, past: str) -> None:
    """The answer said that a child was still active while its own flow was cancelled, and sent the host to stop it."""
    answer = flows.cancel(past)

    assert (answer.cancelled, answer.reason, answer.tasks) == (True, None, ())
    assert names(answer.outcome) == ("node.failed", "flow.cancel_requested", "flow.cancelled", "run.cancelled")
    assert effects(flows, past, "session.abort") == []


@pytest.mark.parametrize("door", ["control", "event"])
def test_a_cancel_by_another_door_does_not_wait_either(flows: Flows, past: str, door: str) -> None:
    """The same cancel must not depend on the tool that asks for it."""
    if door == "control":
        steered(flows, past, "cancel")
    else:
        told(flows, past, "run.cancelled")

    assert standing(flows, past).flow.status == "cancelled"
    assert effects(flows, past, "session.abort") == []


def test_the_owner_is_not_told_of_a_lost_child_as_open(flows: Flows, past: str) -> None:
    """The message and the numbers of one answer contradicted each other."""
    flows.finish(past, expected_revision=0)

    [notice] = effects(flows, past, "message.send")
    assert notice.params["message"] == "ship 2.1: done; 1 task: 1 failed"


def test_a_flow_whose_cancel_ended_by_time_has_ended(flows: Flows, hands: Hands) -> None:
    """A resume was applied to it and answered with a cancelled flow."""
    flow_id = begun(flows)
    linked(flows, flow_id)
    flows.cancel(flow_id)
    told(flows, flow_id, "session.gone", payload={"value": CHILD})
    hands.move(minutes=5)

    answer = flows.resume(flow_id, expected_revision=1)

    assert (answer.applied, answer.code) == (False, "already_terminal")
    assert answer.current is not None and answer.current.flow.status == "cancelled"


@pytest.mark.parametrize("door", ["control", "event"])
def test_a_lost_child_can_be_retried(flows: Flows, past: str, door: str) -> None:
    """It was shown as failed and refused as running, until somebody happened to tick."""
    if door == "control":
        steered(flows, past, "retry", "task-1")
    else:
        told(flows, past, "node.ready", "task-1")

    assert run_of(flows, past).node("task-1").status == "ready"


def test_a_lost_task_is_not_cancelled(flows: Flows, past: str) -> None:
    """Its end was reached already; a cancel that is said to be done would be a second one."""
    outcome = flows.registry.transact(past, CancelTask(actor=AGENT, node_id="task-1"))

    assert outcome.answer["cancelled"] is False
    assert names(outcome) == ("node.failed",)


def test_work_of_a_lost_child_is_linked_anew(flows: Flows, past: str) -> None:
    """Its controller could not give the same work to the same session again."""
    linked(flows, past)

    assert [node.status for node in standing(flows, past).tasks] == ["failed", "running"]


@pytest.mark.parametrize("event", REPORTS)
def test_a_report_of_a_child_still_counts_until_its_loss_is_recorded(flows: Flows, past: str, event: str) -> None:
    """What it has to say is worth more than that it was late."""
    outcome = told(flows, past, event, "task-1", message="here I am")

    assert names(outcome) == (event,)


def test_a_refused_retry_records_nothing(flows: Flows, past: str) -> None:
    """A refusal must leave the run as it was."""
    flows.request_cancel(past, expected_revision=0)
    before = run_of(flows, past)

    with pytest.raises(IllegalTransition, match="cancelled"):
        steered(flows, past, "retry", "task-1")

    assert run_of(flows, past) == before
