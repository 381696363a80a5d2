"""Notices: one clear word to the owner, where the policy asks for one, replaced while nobody has sent it."""

from typing import Any

import pytest

from registry.core.commands import Tick
from registry.flows import Flows
from tests.flows.given import AGENT, OWNER, begun, effects, linked, told

CHAT = {"channel": "telegram", "to": "42"}


def notices(flows: Flows, flow_id: str) -> list[Any]:
    return [effect.params for effect in effects(flows, flow_id, "message.send")]


@pytest.mark.parametrize(
    ("policy", "after_waiting", "after_end"),
    [("done_only", [], ["succeeded"]), ("state_changes", ["waiting"], ["succeeded"]), ("silent", [], [])],
)
def test_the_policy_says_what_the_owner_is_told(
    flows: Flows, policy: Any, after_waiting: list[str], after_end: list[str]
) -> None:
    """Owners want one message at the end, or to follow, or to be left alone."""
    flow_id = begun(flows, notify_policy=policy)

    flows.set_waiting(flow_id, expected_revision=0, current_step="mail")
    assert [params["status"] for params in notices(flows, flow_id)] == after_waiting
    flows.set_waiting(flow_id, expected_revision=1, current_step="more mail")
    assert [params["status"] for params in notices(flows, flow_id)] == after_waiting, "the status is as it was"
    flows.finish(flow_id, expected_revision=2)

    assert [params["status"] for params in notices(flows, flow_id)] == after_end, "an unsent one is replaced"


def test_it_goes_to_where_the_flow_was_asked_for(flows: Flows) -> None:
    """The person waits there, not in the controller's session."""
    flow_id = begun(flows, requester_origin=CHAT)
    told(flows, flow_id, "node.completed", linked(flows, flow_id))
    told(flows, flow_id, "node.failed", linked(flows, flow_id, task="x"), message="no")

    flows.fail(flow_id, expected_revision=0, blocked_summary="no key\x1b[31m")

    assert notices(flows, flow_id) == [
        {
            "message": "ship 2.1: failed (no key [31m); 2 tasks: 1 completed, 1 failed",
            "flowId": flow_id, "status": "failed", "deliveryContext": CHAT,
        }
    ]  # fmt: skip


def test_without_a_chat_it_goes_to_the_owners_session(flows: Flows) -> None:
    """Somebody has to learn of the end."""
    flow_id = begun(flows)

    flows.cancel(flow_id)

    assert notices(flows, flow_id) == [
        {"message": "ship 2.1: cancelled", "flowId": flow_id, "status": "cancelled", "sessionKey": OWNER}
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"current_step": "the mail"}, "ship 2.1: waiting (the mail)"),
        ({}, "ship 2.1: waiting"),
        ({"blocked_summary": "no key"}, "ship 2.1: blocked (no key)"),
        ({"blocked_task_id": "r:work"}, "ship 2.1: blocked (by r:work)"),
    ],
)
def test_it_says_in_a_line_how_the_flow_stands_and_why(flows: Flows, fields: Any, message: str) -> None:
    """It is read on a phone."""
    flow_id = begun(flows, notify_policy="state_changes")

    flows.set_waiting(flow_id, expected_revision=0, **fields)

    assert [params["message"] for params in notices(flows, flow_id)] == [message]


@pytest.mark.parametrize(
    ("name", "message"), [("blocked_summary", "ship 2.1: blocked (B)"), ("current_step", "ship 2.1: waiting (B)")]
)
def test_an_unsent_one_tells_the_newest(flows: Flows, name: str, message: str) -> None:
    """The owner was told of the need that was met, and never of the one that holds the flow up."""
    flow_id = begun(flows, notify_policy="state_changes")
    flows.set_waiting(flow_id, expected_revision=0, **{name: "A"})
    flows.set_waiting(flow_id, expected_revision=1, **{name: "B"})
    assert [params["message"] for params in notices(flows, flow_id)] == [message]

    [unsent] = effects(flows, flow_id, "message.send")
    flows.registry.transact(flow_id, Tick(actor=AGENT, effects_done=(unsent.id,)))
    flows.set_waiting(flow_id, expected_revision=2, **{name: "C"})
    assert notices(flows, flow_id) == [], "what was sent is followed by the next status"


def test_a_change_that_says_nothing_new_leaves_the_unsent_one(flows: Flows) -> None:
    """Whoever is about to send it confirms it by its id."""
    flow_id = begun(flows, notify_policy="state_changes")
    flows.set_waiting(flow_id, expected_revision=0, current_step="A")
    before = effects(flows, flow_id, "message.send")

    flows.set_waiting(flow_id, expected_revision=1, state_json={"n": 1})
    flows.request_cancel(flow_id, expected_revision=2)

    assert effects(flows, flow_id, "message.send") == before


def test_a_reason_that_no_longer_holds_is_not_told(flows: Flows) -> None:
    """It waited for something else by then, and failed for another reason or for none that was given."""
    flow_id = begun(flows)
    flows.set_waiting(flow_id, expected_revision=0, blocked_summary="stuck", blocked_task_id="r:work")

    waiting = flows.set_waiting(flow_id, expected_revision=1, current_step="mail").flow
    flows.fail(flow_id, expected_revision=2)

    assert waiting is not None
    assert (waiting.flow.status, waiting.flow.blocked_summary, waiting.flow.blocked_task_id) == ("waiting", None, None)
    assert [params["message"] for params in notices(flows, flow_id)] == ["ship 2.1: failed"]


def test_a_notice_that_is_no_longer_so_is_taken_back(flows: Flows) -> None:
    """`done` must not be sent of a flow that was opened again."""
    flow_id = begun(flows)
    flows.finish(flow_id, expected_revision=0)
    assert len(notices(flows, flow_id)) == 1

    flows.resume(flow_id, expected_revision=1, reopen=True)

    assert notices(flows, flow_id) == []


def test_one_that_was_sent_is_followed_by_the_next(flows: Flows) -> None:
    """Each end is told once."""
    flow_id = begun(flows)
    flows.finish(flow_id, expected_revision=0)
    [sent] = effects(flows, flow_id, "message.send")
    flows.registry.transact(flow_id, Tick(actor=AGENT, effects_done=(sent.id,)))
    flows.resume(flow_id, expected_revision=1, reopen=True)

    flows.fail(flow_id, expected_revision=2)

    assert [params["status"] for params in notices(flows, flow_id)] == ["failed"]
