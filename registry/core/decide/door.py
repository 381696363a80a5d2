"""The single door for events: names with rules perform their transition, the rest are notes."""

import re
from collections.abc import Callable
from typing import Final

from pydantic import ValidationError

from ...errors import Forbidden, InvalidRequest, NextCall
from ..commands import AppendEvent, Bind, Control, HeartbeatNode
from ..draft import Draft
from ..names import nearest, shown
from ..record import Json
from ..refusals import illegal_step, not_a_persons_place, run_is_over, run_paused
from ..run import NodeState, Outcome
from ..workflow import WORK_KINDS, WaitFor
from . import children, controls, steps
from .bindings import bind
from .children import heard, is_cancelling
from .controls import needs_person
from .results import heed_conditions, leave_result, small_result
from .tick import reopen_if_possible
from .work import heartbeat, noted, require_fence, require_its_time, take_late

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)+")
_GONE: Final = "session.gone"
_OURS: Final = ("run.", "node.", "control.", "cron.", "flow.", "log.", "effect.")
_ELSEWHERE: Final = {
    "run.created": "scaffold_run",
    "run.completed": "finish_node on the last open node",
    "run.failed": "finish_node with outcome failed",
    "run.reopened": "request_control retry",
    "run.bound": "bind_session",
    "run.plan_edited": "change_plan",
    "run.updated": "bind_session",
    "run.hidden": "request_control cancel",
    "node.added": "change_plan add_node",
    "node.updated": "change_plan",
    "node.rewired": "change_plan rewire_node",
    "node.removed": "change_plan remove_node",
    "node.blocked": "change_plan rewire_node, or a retry of what the node needs,",
    "node.released": "request_control release",
    "node.lost": "tick_run, once the lease has run out,",
    "node.handoff_written": "write_handoff",
    "node.artifact_written": "write_artifact",
    "control.applied": "request_control",
    "control.rejected": "request_control",
    "effect.confirmed": "tick_run effects_done",
    "effect.failed": "tick_run effects_failed",
    "flow.created": "create_flow",
    "flow.task_linked": "run_flow_task",
    "flow.cancelled": "cancel_flow",
    "log.adopted": "the next change after somebody else wrote into the trail",
    "log.repaired": "repair_run",
}
"""Events the registry writes itself, and the tool that leads to them."""


def append_event(draft: Draft, command: AppendEvent) -> None:
    """Record an event; a transition brings all its rules and consequences with it."""
    name = command.event
    if not _NAME.fullmatch(name) or (name.startswith(_OURS) and name not in _DOOR):
        raise _refused(draft, command)
    if name not in _DOOR:
        node_id = draft.node(command.node_id).id if command.node_id else None
        draft.answer = {"event": name, "kind": "note"}
        draft.tell(name, node_id, message=command.message, payload=command.payload)
        heard(draft, node_id)
        return
    if needs_person(draft.before, command) and not draft.actor.is_person:
        action = "resume" if name == "run.resumed" else "approve"
        raise Forbidden(
            f"{name} here is a person's decision",
            hint=f"request_control {action} asks them, or passes on what they said",
            next=(_control(draft, action, command.node_id),),
        )
    draft.answer = {"event": name, "kind": "transition"}
    if command.node_id:
        draft.answer["nodeId"] = command.node_id
    _DOOR[name](draft, command)
    if name != _GONE:
        heard(draft, command.node_id)


def _control(draft: Draft, action: str, node_id: str | None) -> NextCall:
    args: dict[str, Json] = {"run_id": draft.state.run_id, "action": action}
    if node_id:
        args["node_id"] = node_id
    return NextCall("request_control", {**args, "message": "<the person's words>"})


def _refused(draft: Draft, command: AppendEvent) -> InvalidRequest:
    name = shown(command.event)
    tool = _ELSEWHERE.get(command.event)
    if tool is None and command.event.startswith("flow."):
        tool = "update_flow"
    if tool is not None:
        return InvalidRequest(
            f"{name} is written by the registry itself", hint=f"{tool} leads to it", next=_next_of(draft, command, None)
        )
    guess = re.sub(r"[^a-z0-9]+", ".", command.event.strip().lower()).strip(".")
    near = guess if guess in _DOOR else nearest(guess, _DOOR)
    return InvalidRequest(
        f"event is {name!r}" + (f"; did you mean {near!r}?" if near else ""),
        hint="names are lower case with dots; a note takes a name of your own, such as note.decision",
        next=_next_of(draft, command, near),
    )


def _next_of(draft: Draft, command: AppendEvent, event: str | None) -> tuple[NextCall, ...]:
    args: dict[str, Json] = {"run_id": draft.state.run_id, "event": event or "note.<topic>"}
    if command.node_id:
        args["node_id"] = command.node_id
    return (NextCall("append_event", args),)


def _node(draft: Draft, command: AppendEvent) -> NodeState:
    if command.node_id is None:
        raise InvalidRequest(
            f"{command.event} needs node_id",
            hint=f"nodes: {', '.join(list(draft.nodes)[:20])}",
            next=(NextCall("get_run", {"run_id": draft.state.run_id}, "shows the nodes"),),
        )
    return draft.node(command.node_id)


def _work_node(draft: Draft, command: AppendEvent) -> NodeState:
    node = _node(draft, command)
    if node.kind not in WORK_KINDS:
        raise not_a_persons_place(draft.state, node, asked=f"append_event {command.event}")
    if draft.state.status == "cancelled":
        raise run_is_over(draft.state, asked=f"append_event {command.event}")
    if not node.managed:
        require_fence(draft, node, command.fence, asked=f"append_event {command.event}")
    return node


def _asked(command: AppendEvent) -> str:
    return f"append_event {command.event}"


def _started(draft: Draft, command: AppendEvent) -> None:
    node = _work_node(draft, command)
    if draft.is_paused:
        raise run_paused(draft.state, asked=_asked(command))
    late = node.status == "ready" and node.lease is not None and command.fence == node.lease.fence
    if node.status == "ready" and not late:
        require_its_time(draft, node)
    steps.start(draft, node.id, asked=_asked(command), late=late)


def _waiting(draft: Draft, command: AppendEvent) -> None:
    node = _node(draft, command)
    if node.kind in WORK_KINDS:
        _work_node(draft, command)
        take_late(draft, node, command.fence)
    elif draft.is_paused:
        raise run_paused(draft.state, asked=_asked(command))
    planned = draft.plan.nodes[node.id].wait_for
    given = command.payload.get("waitFor")
    try:
        wait_for = WaitFor.model_validate({"type": given} if isinstance(given, str) else given) if given else planned
    except ValidationError:
        raise InvalidRequest(
            "payload.waitFor is not a wait",
            hint='for example {"type": "until", "seconds": 600} or {"type": "manual"}',
        ) from None
    steps.begin_wait(draft, node.id, wait_for, asked=_asked(command))


def _completed(draft: Draft, command: AppendEvent) -> None:
    node = _work_node(draft, command)
    late = take_late(draft, node, command.fence)
    missing = [path for path in draft.plan.nodes[node.id].required_files if not draft.has_file(path)]
    if missing:
        draft.warnings.append(f"missing_outputs: {', '.join(missing)}")
    done = steps.complete(
        draft,
        node.id,
        summary=command.message,
        payload=small_result(command.payload),
        asked=_asked(command),
        noted=noted(late=late, missing=missing),
    )
    leave_result(draft, done)
    heed_conditions(draft, done.id, command.payload)


def _failed(draft: Draft, command: AppendEvent) -> None:
    node = _node(draft, command)
    # A person's decision or a condition ends the others; here only work can fail.
    _work_node(draft, command)
    if draft.state.is_ended and node.status == "pending":
        raise run_is_over(draft.state, asked=_asked(command))
    late = take_late(draft, node, command.fence)
    error = command.payload.get("error")
    reason = command.message or (error if isinstance(error, str) else None) or "failed, without a reason given"
    outcome = _reported_outcome(node, command, "timed_out", "lost")
    steps.fail(draft, node.id, reason, outcome=outcome, asked=_asked(command), late=late)


def _reported_outcome(node: NodeState, command: AppendEvent, *known: Outcome) -> Outcome | None:
    """How a flow's child ended, as its controller tells it; other work has no say in that."""
    told = command.payload.get("outcome")
    return next((outcome for outcome in known if outcome == told), None) if node.managed else None


def _skipped(draft: Draft, command: AppendEvent) -> None:
    node = _node(draft, command)
    if draft.state.status in ("cancelled", "completed") and not (node.managed and node.is_open):
        raise run_is_over(draft.state, asked=_asked(command))
    outcome = _reported_outcome(node, command, "cancelled")
    if node.managed and is_cancelling(draft):
        outcome = "cancelled"
    steps.skip(
        draft, node.id, outcome=outcome, message=command.message, asked=_asked(command), asks_to_stop=not node.managed
    )
    reopen_if_possible(draft)


def _ready(draft: Draft, command: AppendEvent) -> None:
    """A retry from failed or skipped, a release from running or waiting."""
    node = _node(draft, command)
    if node.status in ("pending", "completed"):
        raise illegal_step(draft.state, draft.nodes, node, verb="retry", asked=_asked(command))
    if node.status in ("failed", "skipped"):
        action: Callable[[Draft, Control], bool] = controls.retry
    else:
        action = controls.release
        _work_node(draft, command)
    request = Control(
        actor=command.actor,
        action="retry" if action is controls.retry else "release",
        control_id="",
        node_id=node.id,
        message=command.message,
    )
    if not action(draft, request):
        draft.answer["kind"] = "record"


def _run_control(action: Callable[[Draft, str | None], bool]) -> Callable[[Draft, AppendEvent], None]:
    def perform(draft: Draft, command: AppendEvent) -> None:
        if not action(draft, command.message):
            draft.answer["kind"] = "record"

    return perform


def _progress(draft: Draft, command: AppendEvent) -> None:
    if not command.message:
        raise InvalidRequest(
            "run.progress needs message",
            hint="one line for people: what is done, what comes next",
            next=(
                NextCall(
                    "append_event", {"run_id": draft.state.run_id, "event": "run.progress", "message": "<one line>"}
                ),
            ),
        )
    node_id = draft.node(command.node_id).id if command.node_id else None
    if node_id is not None:
        draft.change(node_id, progress=command.message)
    draft.set_state(last_progress_message=command.message, last_progress_message_at=draft.at)
    draft.tell("run.progress", node_id, message=command.message, payload=command.payload)
    draft.answer["kind"] = "record"


def _heartbeat(draft: Draft, command: AppendEvent) -> None:
    node = _work_node(draft, command)
    if node.lease is not None and command.fence is not None:
        percent = command.payload.get("percent")
        beat = HeartbeatNode(
            actor=command.actor,
            node_id=node.id,
            fence=command.fence,
            message=command.message,
            percent=percent if isinstance(percent, int) and not isinstance(percent, bool) else None,
        )
        heartbeat(draft, beat)
        draft.answer |= {"event": command.event, "kind": "record"}
        return
    if node.status not in ("running", "waiting"):
        raise illegal_step(draft.state, draft.nodes, node, verb="complete", asked=_asked(command))
    draft.change(node.id, progress=command.message or node.progress)
    if command.message:
        draft.set_state(last_progress_message=command.message, last_progress_message_at=draft.at)
    draft.tell("node.heartbeat", node.id, message=command.message, payload=command.payload)
    draft.answer["kind"] = "record"


def _confirmation(draft: Draft, command: AppendEvent) -> None:
    """`cron.patched` and `run.message.sent` tell that an effect was carried out."""
    effect_id = command.payload.get("effectId")
    draft.answer["kind"] = "record"
    if isinstance(effect_id, str) and controls.acknowledge(draft, effect_id):
        return
    if not isinstance(effect_id, str) or not children.confirm(draft, effect_id):
        pending = ", ".join(draft.refs.pending_effects) or "none"
        raise InvalidRequest(
            f"{command.event} needs payload.effectId of a pending effect; pending: {pending}",
            hint="get_run lists effects; tick_run effects_done confirms them too",
            next=(NextCall("get_run", {"run_id": draft.state.run_id}, "lists the pending effects"),),
        )
    node_id = draft.node(command.node_id).id if command.node_id else None
    draft.tell(command.event, node_id, message=command.message, payload=command.payload)


def _session_gone(draft: Draft, command: AppendEvent) -> None:
    """A fact from outside: a session that carried a flow's child is there no longer."""
    node = draft.node(command.node_id) if command.node_id else None
    named = command.payload.get("value")
    key = named if isinstance(named, str) and named else node.child_session_key if node is not None else ""
    if not key:
        raise InvalidRequest(
            "session.gone needs payload.value, the key of the session that is gone",
            hint="or node_id of the child that it carried",
            next=(
                NextCall(
                    "append_event",
                    {"run_id": draft.state.run_id, "event": _GONE, "payload": {"value": "<session key>"}},
                ),
            ),
        )
    concerned = children.session_gone(draft, key, node_id=command.node_id)
    # Of a session that carries nothing here it is worth no more than a note.
    draft.answer["kind"] = "record" if concerned else "note"
    payload = {**command.payload, "value": key}
    about: list[str | None] = [*concerned] or [command.node_id]
    for node_id in about:
        draft.tell(_GONE, node_id, message=command.message, payload=payload)


_BOUND: Final = {
    "node.session_bound": "session_key",
    "node.child_session_bound": "child_session_key",
    "node.run_bound": "worker_run_id",
    "run.cron_bound": "cron_job_id",
    "run.driver_bound": "driver_run_id",
}


def _binding(draft: Draft, command: AppendEvent) -> None:
    value = command.payload.get("value")
    if not isinstance(value, str) or not value:
        raise InvalidRequest(
            f"{command.event} needs payload.value, the key or id to bind",
            hint="bind_session takes it by name",
            next=(NextCall("bind_session", {"run_id": draft.state.run_id, _BOUND[command.event]: "<value>"}),),
        )
    if command.event.startswith("node."):
        _node(draft, command)
    binding = Bind(
        actor=command.actor,
        node_id=command.node_id,
        message=command.message,
        payload={key: kept for key, kept in command.payload.items() if key != "value"},
        session_key=value if command.event == "node.session_bound" else None,
        child_session_key=value if command.event == "node.child_session_bound" else None,
        worker_run_id=value if command.event == "node.run_bound" else None,
        cron_job_id=value if command.event == "run.cron_bound" else None,
        driver_run_id=value if command.event == "run.driver_bound" else None,
    )
    bind(draft, binding)
    draft.answer = {**draft.answer, "event": command.event, "kind": "record"}


_DOOR: Final[dict[str, Callable[[Draft, AppendEvent], None]]] = {
    "node.started": _started,
    "node.waiting": _waiting,
    "node.completed": _completed,
    "node.failed": _failed,
    "node.skipped": _skipped,
    "node.ready": _ready,
    "run.paused": _run_control(controls.pause),
    "run.resumed": _run_control(controls.resume),
    "run.cancelled": _run_control(controls.cancel),
    "run.progress": _progress,
    "run.message.sent": _confirmation,
    "cron.patched": _confirmation,
    "node.heartbeat": _heartbeat,
    _GONE: _session_gone,
    **dict.fromkeys(_BOUND, _binding),
}
CONTROL_EVENTS: Final = frozenset({"node.ready", "run.cancelled"})
"""Events that only steer, as `request_control` does; others may be a sign of a child's life."""

DOOR_EVENTS: Final = tuple(_DOOR)
"""Events with rules that callers may append."""
