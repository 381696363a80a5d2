"""What a flow's controller may call next, and why a flow stands still."""

from ..core.record import Bag
from ..core.run import Run, RunState
from ..errors import NextCall


def flow_calls(run: Run) -> list[NextCall]:
    """The calls that take a flow on, at the revision it has now; empty where it has ended."""
    state, flow = run.state, run.state.flow
    if flow is None or flow.is_ended:
        return []
    if flow.cancel_requested_at is not None:
        if any(effect.kind == "session.abort" for effect in run.refs.pending_effects.values()):
            return []  # what is active has been asked to stop; its end is all that is waited for
        why = "it is to be cancelled: asks what is active to stop, and ends it once the last child has ended"
        return [NextCall("cancel_flow", {"flow_id": state.run_id}, why)]
    update: Bag = {"flow_id": state.run_id, "expected_revision": flow.revision}
    if state.status == "paused":
        return []
    if flow.status != "running":
        return [NextCall("update_flow", {**update, "action": "resume", "status": "running"}, "when it goes on")]
    link: Bag = {"flow_id": state.run_id, "runtime": "subagent", "task": "<what the child is to do>"}
    return [
        NextCall("run_flow_task", link, "link a child that you start"),
        NextCall("update_flow", {**update, "action": "set_waiting"}, "while you wait"),
        NextCall("update_flow", {**update, "action": "finish"}, "when the goal is reached; fail when it is not"),
    ]


def standing(state: RunState) -> str | None:
    """Why a flow stands still, in our words."""
    flow = state.flow
    if flow is None or flow.is_ended:
        return None
    if flow.cancel_requested_at is not None:
        return "the flow is to be cancelled and ends with its last child"
    return f"the flow is {flow.status} at revision {flow.revision}; its controller takes it on with update_flow"
