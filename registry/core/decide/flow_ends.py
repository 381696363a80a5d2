"""What changes a flow's own record, and how a flow ends.

Every change goes through `move`, which raises the revision, by one in a mutation however many
changes it makes. The run's status follows the flow's and nothing else.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ..draft import Draft
from ..flow import RUN_END, Flow, FlowEnd
from . import steps
from .effects import restore_cron, stop_cron
from .notices import tell_owner

_EVENT: Final[dict[FlowEnd, str]] = {
    "succeeded": "flow.finished",
    "failed": "flow.failed",
    "cancelled": "flow.cancelled",
}


def move(draft: Draft, fields: Mapping[str, object]) -> Flow:
    """Give the flow new field values and its next revision."""
    before, flow = draft.before.state.flow, draft.state.flow
    assert before is not None and flow is not None, "only a flow has a flow's record"
    moved = flow.model_copy(update={**fields, "revision": before.revision + 1})
    draft.set_state(flow=moved)
    tell_owner(draft, moved, before=before.status)
    return moved


def tell(draft: Draft, name: str, *, message: str | None = None, reopened: bool = False) -> None:
    """Add the event of a change; the controller's own state stands in the patch alone."""
    flow = draft.state.flow
    assert flow is not None
    draft.tell(
        name,
        message=message,
        status=flow.status,
        revision=flow.revision,
        currentStep=flow.current_step,
        blockedTaskId=flow.blocked_task_id,
        blockedSummary=flow.blocked_summary,
        reopened=reopened or None,
    )


def end(
    draft: Draft, status: FlowEnd, fields: Mapping[str, object] = MappingProxyType({}), *, message: str | None = None
) -> None:
    """End the flow, and its run with it.

    Children that others carry may outlive it, and their ends are still taken down; what the
    registry would hand out itself is cancelled, since nobody could claim it any more.
    """
    for node in list(draft.nodes.values()):
        if node.is_open and not node.managed:
            steps.skip(draft, node.id, outcome="cancelled", message=f"the flow has {_ENDED[status]}")
    move(draft, {**fields, "status": status, "wait_json": None})
    draft.set_state(status=RUN_END[status], paused=None)
    stop_cron(draft)
    tell(draft, _EVENT[status], message=message)
    draft.tell(f"run.{RUN_END[status]}", message=message)


_ENDED: Final[dict[FlowEnd, str]] = {"succeeded": "finished", "failed": "failed", "cancelled": "been cancelled"}


def reopen(draft: Draft) -> None:
    """Open the run of an ended flow again."""
    draft.set_state(status="running", paused=None, cancelled_by=None)
    restore_cron(draft)


def want_cancelled(draft: Draft, *, message: str | None = None) -> None:
    """Note that somebody wants the flow cancelled, for good: no child is linked from now on."""
    flow = draft.state.flow
    assert flow is not None
    draft.set_state(cancelled_by=draft.state.cancelled_by or draft.actor)
    move(draft, {"cancel_requested_at": flow.cancel_requested_at or draft.at})
    tell(draft, "flow.cancel_requested", message=message)


def settle_cancel(draft: Draft) -> None:
    """End a flow that is to be cancelled with the mutation that ended its last child."""
    flow = draft.state.flow
    if flow is None or flow.cancel_requested_at is None or flow.is_ended:
        return
    had_open = any(node.is_open for node in draft.before.state.nodes.values())
    if had_open and not any(node.is_open for node in draft.nodes.values()):
        end(draft, "cancelled")
