"""Flows: children linked, the flow's own status moved at a known revision, cancels.

What a controller has to expect - a stale revision, a flow that has ended, another session's - is
an answer and no error; the order is the one in which a caller can do something about it.
"""

from collections.abc import Callable
from typing import Final

from ...errors import LimitExceeded
from ..commands import CancelFlow, FlowAction, LinkTask, UpdateFlow
from ..draft import Draft
from ..flow import Flow, FlowCode
from ..limits import NODES_MAX
from ..names import NodeId, shown
from ..refusals import run_paused
from ..run import NodeState
from ..workflow import NodeDefinition, NodeKind
from . import steps
from .children import ask_to_stop
from .flow_ends import end, move, reopen, tell, want_cancelled
from .plan import fresh_node

NOT_FOUND: Final = "Flow not found."
NOT_MANAGED: Final = "Flow does not accept managed child tasks."
CANCEL_REQUESTED: Final = "Flow cancellation has already been requested."
STILL_ACTIVE: Final = "One or more child tasks are still active."
LINKED_ALREADY: Final = "This work is linked already."


_UNBLOCKED: Final[dict[str, object]] = {"blocked_task_id": None, "blocked_summary": None}


def _refusal(draft: Draft, owner_key: str | None) -> FlowCode | None:
    """Why the caller cannot mean this run; of another session's flow nothing is told."""
    flow = draft.state.flow
    if flow is None:
        return "not_managed"
    return "not_found" if owner_key is not None and owner_key != flow.owner_key else None


def update_flow(draft: Draft, command: UpdateFlow) -> None:
    """Carry out one change of the flow's own record, at the revision the caller decided on."""
    code = _refusal(draft, command.owner_key)
    flow = draft.state.flow
    if code is None and flow is not None:
        code = _stale(flow, command)
    if code is not None or flow is None:
        draft.answer = {"applied": False, "code": code}
        return
    draft.answer = {"applied": True}
    _ACTIONS[command.action](draft, flow, command)


def _stale(flow: Flow, command: UpdateFlow) -> FlowCode | None:
    may_open = command.action == "resume" and command.reopen and flow.status != "cancelled"
    if flow.is_ended and not may_open:
        return "already_terminal"
    return None if command.expected_revision == flow.revision else "revision_conflict"


def _set_waiting(draft: Draft, _flow: Flow, command: UpdateFlow) -> None:
    if command.changes.get("blocked_task_id") or command.changes.get("blocked_summary"):
        move(draft, {**command.changes, "status": "blocked"})
    else:
        # What blocked it before does so no longer, and is no reason for whatever comes of it.
        move(draft, {**command.changes, "status": "waiting", **_UNBLOCKED})
    tell(draft, "flow.waiting")


def _resume(draft: Draft, flow: Flow, command: UpdateFlow) -> None:
    if draft.is_paused:
        raise run_paused(draft.state, asked="update_flow resume")
    fresh: dict[str, object] = {"status": command.status, "wait_json": None, **_UNBLOCKED}
    if flow.is_ended:
        # Who opens it again has thought better of whatever was to be cancelled.
        reopen(draft)
        fresh["cancel_requested_at"] = None
    move(draft, {**command.changes, **fresh})
    tell(draft, "flow.resumed", reopened=flow.is_ended)
    if flow.is_ended:
        draft.tell("run.reopened")


def _finish(draft: Draft, _flow: Flow, command: UpdateFlow) -> None:
    end(draft, "succeeded", {**command.changes, **_UNBLOCKED})


def _fail(draft: Draft, _flow: Flow, command: UpdateFlow) -> None:
    why = command.changes.get("blocked_summary")
    end(draft, "failed", {**command.changes}, message=why if isinstance(why, str) else None)


def _request_cancel(draft: Draft, _flow: Flow, _command: UpdateFlow) -> None:
    want_cancelled(draft)


_ACTIONS: Final[dict[FlowAction, Callable[[Draft, Flow, UpdateFlow], None]]] = {
    "set_waiting": _set_waiting,
    "resume": _resume,
    "finish": _finish,
    "fail": _fail,
    "request_cancel": _request_cancel,
}


def cancel_flow(draft: Draft, command: CancelFlow) -> None:
    """Cancel a flow as its owner asks; what became of it is the answer."""
    code = _refusal(draft, command.owner_key)
    flow = draft.state.flow
    if code is not None or flow is None:
        draft.answer = {"found": False, "cancelled": False, "reason": NOT_FOUND}
        return
    if flow.is_ended:
        draft.answer = {"found": True, "cancelled": False, "reason": f"Flow is already {flow.status}."}
        return
    cancel(draft, command.message)
    done = not any(node.is_open for node in draft.nodes.values())
    draft.answer = {"found": True, "cancelled": done, **({} if done else {"reason": STILL_ACTIVE})}


def cancel(draft: Draft, message: str | None) -> bool:
    """Want the flow cancelled, skip what has not begun and ask what runs to stop.

    Returns:
        Whether anything changed.
    """
    told = len(draft.events)
    flow = draft.state.flow
    assert flow is not None
    if flow.cancel_requested_at is None:
        want_cancelled(draft, message=message)
    asked = len(draft.refs.pending_effects)
    for node in list(draft.nodes.values()):
        if not node.is_open:
            continue
        is_at_work = node.managed and node.status in ("running", "waiting")
        # Whoever carries a queued child may be about to begin it.
        if is_at_work or (node.managed and (node.child_session_key or node.run_id)):
            ask_to_stop(draft, node)
        if not is_at_work:
            steps.skip(
                draft, node.id, outcome="cancelled", message=message, asked="cancel_flow", asks_to_stop=not node.managed
            )
    if not any(node.is_open for node in draft.nodes.values()):
        end(draft, "cancelled", message=message)
    elif len(draft.refs.pending_effects) != asked and len(draft.events) == told:
        # It was wanted before, and only now somebody asks its children to stop.
        tell(draft, "flow.cancel_requested", message=message)
    return len(draft.events) != told


def link_task(draft: Draft, command: LinkTask) -> None:
    """Link a child as a node that is in no queue; or say why not."""
    code = _refusal(draft, command.owner_key)
    flow = draft.state.flow
    if code is not None or flow is None:
        is_run = code == "not_managed"
        draft.answer = {"created": False, "found": is_run, "reason": NOT_MANAGED if is_run else NOT_FOUND}
        return
    known = _linked(draft, command)
    reason = _why_not(draft, flow)
    if known is not None:
        if command.worker_run_id and not known.run_id:
            # Now that its run has a name, another run in the same session is other work.
            draft.change(known.id, run_id=command.worker_run_id)
            draft.set_refs(node_run_ids={**draft.refs.node_run_ids, known.id: command.worker_run_id})
            draft.tell("node.run_bound", known.id, value=command.worker_run_id)
        draft.answer = {"created": False, "found": True, "reason": LINKED_ALREADY, "nodeId": known.id}
    elif reason is not None:
        draft.answer = {"created": False, "found": True, "reason": reason}
    else:
        draft.answer = {"created": True, "found": True, "nodeId": _link(draft, command)}


def _why_not(draft: Draft, flow: Flow) -> str | None:
    if flow.is_ended:
        return f"Flow is already {flow.status}."
    if flow.cancel_requested_at is not None:
        return CANCEL_REQUESTED
    return run_paused(draft.state, asked="run_flow_task").message if draft.is_paused else None


def _linked(draft: Draft, command: LinkTask) -> NodeState | None:
    """The child that this very work was linked as before; who asks again after a time-out must not get two.

    The worker's run names the work: its child is the known one whatever session was bound to it, or is named now.
    A session may carry several pieces of work; there it is the open one with the same words, unless that is known
    to be another worker's run.
    """
    children = [node for node in draft.nodes.values() if node.managed]
    if command.worker_run_id:
        known = next((node for node in children if node.run_id == command.worker_run_id), None)
        if known is not None:
            return known
    if not command.child_session_key:
        return None
    for node in children:
        is_carried = node.child_session_key == command.child_session_key and node.is_open
        is_other = command.worker_run_id and node.run_id
        if is_carried and not is_other and _is_same(draft, node, command):
            return node
    return None


def _is_same(draft: Draft, node: NodeState, command: LinkTask) -> bool:
    return draft.plan.nodes[node.id].prompt == command.prompt


def _link(draft: Draft, command: LinkTask) -> NodeId:
    if len(draft.nodes) >= NODES_MAX:
        raise LimitExceeded(
            "the flow", limit=NODES_MAX, size=len(draft.nodes) + 1, unit="children", hint="create_flow begins another"
        )
    node_id = _free_id(draft)
    kind: NodeKind = "subagent" if command.runtime == "subagent" else "session_turn"
    definition = NodeDefinition(
        id=node_id, title=command.title, kind=kind, prompt=command.prompt, agent_id=command.agent_id
    )
    draft.set_plan(nodes={**draft.plan.nodes, node_id: definition})
    draft.nodes[node_id] = fresh_node(draft, definition, created_by=draft.actor.id).model_copy(
        update={
            "managed": True,
            "runtime": command.runtime,
            "label": command.label,
            "parent": command.parent,
            "child_session_key": command.child_session_key or "",
            "run_id": command.worker_run_id or "",
            "progress": command.progress,
        }
    )
    _bind(draft, node_id, command)
    draft.tell("node.added", node_id, kind=kind, needs=[])
    draft.tell(
        "flow.task_linked",
        node_id,
        runtime=command.runtime,
        label=command.label,
        childSessionKey=command.child_session_key,
        workerRunId=command.worker_run_id,
        parentTaskId=command.parent,
    )
    steps.promote(draft, node_id)
    if command.status == "running":
        steps.start(draft, node_id, asked="run_flow_task")
        draft.change(node_id, started_at=command.started_at or draft.at, progress=command.progress)
    draft.change(node_id, heard_at=command.last_event_at)
    if command.progress:
        draft.set_state(last_progress_message=shown(command.progress, 500), last_progress_message_at=draft.at)
    return node_id


def _free_id(draft: Draft) -> NodeId:
    number = len(draft.nodes) + 1
    taken = {node_id.lower() for node_id in draft.nodes}
    while f"task-{number}" in taken:
        number += 1
    return f"task-{number}"


def _bind(draft: Draft, node_id: NodeId, command: LinkTask) -> None:
    if command.child_session_key:
        draft.set_refs(child_sessions={**draft.refs.child_sessions, node_id: command.child_session_key})
    if command.worker_run_id:
        draft.set_refs(node_run_ids={**draft.refs.node_run_ids, node_id: command.worker_run_id})
