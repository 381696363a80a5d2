"""Control requests: what people, screens and orchestrators steer a run with."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from ...errors import IllegalTransition, InvalidRequest, NextCall, RegistryError
from ..commands import (
    AnyCommand,
    AppendEvent,
    ApplyInbox,
    CancelTask,
    Control,
    ControlAction,
    InboxLine,
    RemoveNode,
    RewireNode,
)
from ..draft import Draft
from ..flow_refusals import work_is_unwanted
from ..limits import CONTROL_IDS_KEPT
from ..names import iso, moment, shown
from ..refusals import illegal_step, not_a_persons_place, retries_used_up, run_is_over
from ..run import Message, NodeState, Paused, Run
from ..tasks import is_task_run
from ..workflow import WORK_KINDS
from . import effects, flows, steps
from .tick import reopen_if_possible


def needs_person(run: Run, command: AnyCommand) -> bool:
    """Whether only a person may decide this: an approval in any guise, or going on after a person's pause."""
    nodes = run.state.nodes
    if isinstance(command, Control):
        if command.action == "resume":
            return _paused_by_person(run)
        if command.node_id not in nodes:
            return False
        gate = nodes[command.node_id].kind == "approval"
        return command.action in ("approve", "reject") or (command.action == "skip" and gate)
    if isinstance(command, AppendEvent):
        if command.event == "run.resumed":
            return _paused_by_person(run)
        return command.event == "node.skipped" and _is_gate(run, command.node_id)
    if isinstance(command, RemoveNode | CancelTask):
        return _is_gate(run, command.node_id)
    if isinstance(command, RewireNode) and command.node_id in nodes:
        before = nodes[command.node_id].needs
        lost = set(before) - set(before if command.needs is None else command.needs)
        dependants = {node.id for node in nodes.values() if command.node_id in node.needs}
        freed = dependants - set(dependants if command.needed_by is None else command.needed_by)
        return any(_is_gate(run, need) for need in lost) or (bool(freed) and _is_gate(run, command.node_id))
    return False


def _paused_by_person(run: Run) -> bool:
    return run.state.paused is not None and run.state.paused.actor.is_person


def _is_gate(run: Run, node_id: str | None) -> bool:
    node = run.state.nodes.get(node_id or "")
    return node is not None and node.kind == "approval" and not node.is_satisfied


def control(draft: Draft, command: Control) -> None:
    """Apply one control request."""
    before = set(draft.refs.pending_effects)
    draft.answer = {"applied": True, "controlId": command.control_id}
    marked = len(draft.events)
    draft.tell(
        "control.applied",
        command.node_id,
        message=command.message,
        controlId=command.control_id,
        action=command.action,
        patch=command.patch,
        force=command.force or None,
    )
    if not _ACTIONS[command.action](draft, command):
        # Asked for what is so already: nothing changed, so nothing is told.
        draft.answer["repeated"] = True
        if not command.from_inbox:
            del draft.events[marked:]
            return
    _remember(draft, command.control_id, applied=True)
    draft.answer["effects"] = [key for key in draft.refs.pending_effects if key not in before]


def apply_inbox(draft: Draft, command: ApplyInbox) -> None:
    """Judge lines of the inbox one by one; a bad line never blocks another."""
    for line in command.lines:
        if line.control_id in draft.refs.applied_control_ids:
            continue
        restore = draft.saved()
        if line.control is None:
            _refuse(draft, line, line.refusal)
            continue
        actor, draft.actor = draft.actor, line.control.actor
        try:
            control(draft, line.control)
        except RegistryError as error:
            restore()
            _refuse(draft, line, error.message)
        finally:
            draft.actor = actor


def _refuse(draft: Draft, line: InboxLine, reason: str) -> None:
    action = line.control.action if line.control else None
    node_id = line.control.node_id if line.control and line.control.node_id in draft.nodes else None
    draft.tell("control.rejected", node_id, message=reason, controlId=line.control_id, action=action)
    _remember(draft, line.control_id, applied=False)


def _remember(draft: Draft, control_id: str, *, applied: bool) -> None:
    kept = {**draft.refs.applied_control_ids, control_id: applied}
    for key in list(kept)[: max(0, len(kept) - CONTROL_IDS_KEPT)]:
        del kept[key]
    draft.set_refs(applied_control_ids=kept)


def _the_node(draft: Draft, command: Control) -> NodeState:
    if command.node_id is None:
        raise InvalidRequest(
            f"{command.action} needs node_id",
            hint=f"nodes: {', '.join(list(draft.nodes)[:20])}",
            next=(NextCall("get_run", {"run_id": draft.state.run_id}, "shows the nodes"),),
        )
    return draft.node(command.node_id)


def pause(draft: Draft, message: str | None) -> bool:
    """Hold everything new back; the clocks of deadlines stand still."""
    if draft.is_paused:
        return False
    if draft.state.is_ended:
        raise run_is_over(draft.state, asked="pause")
    for node in list(draft.nodes.values()):
        if node.deadline is not None:
            left_s = max(0.0, (moment(node.deadline) - draft.now).total_seconds())
            draft.change(node.id, deadline=None, deadline_left_s=left_s)
    draft.set_state(status="paused", paused=Paused(at=draft.at, actor=draft.actor, message=message or ""))
    effects.slow_cron(draft)
    draft.tell("run.paused", message=message)
    return True


def resume(draft: Draft, message: str | None) -> bool:
    """Let a paused or drafted run go on."""
    if draft.state.status == "running":
        return False
    if draft.state.is_ended:
        raise run_is_over(draft.state, asked="resume")
    for node in list(draft.nodes.values()):
        if node.deadline_left_s is not None:
            due = iso(draft.now + timedelta(seconds=node.deadline_left_s))
            draft.change(node.id, deadline=due, deadline_left_s=None)
    draft.set_state(status="running", paused=None)
    effects.restore_cron(draft)
    draft.tell("run.resumed", message=message)
    return True


def cancel(draft: Draft, message: str | None) -> bool:
    """End the run for good: open nodes are skipped, fences void, child sessions to be stopped."""
    if draft.state.status == "cancelled":
        return False
    if draft.state.is_ended:
        raise run_is_over(draft.state, asked="cancel")
    if draft.state.flow is not None:
        # A flow ends by its own methods; its children are asked to stop, and their ends are waited for.
        return flows.cancel(draft, message)
    for node in list(draft.nodes.values()):
        if node.is_open:
            steps.skip(draft, node.id, outcome="cancelled", message=message, asked="cancel")
    draft.set_state(status="cancelled", paused=None, cancelled_by=draft.actor)
    effects.stop_cron(draft)
    draft.tell("run.cancelled", message=message)
    return True


def cancel_task(draft: Draft, command: CancelTask) -> None:
    """End one task for good. An end that was reached already is never changed, and that is an answer."""
    node = draft.node(command.node_id)
    draft.answer = {"cancelled": node.is_open}
    if not node.is_open:
        return
    if is_task_run(draft.state.model_copy(update={"nodes": draft.nodes})):
        cancel(draft, command.message)
    else:
        steps.skip(draft, node.id, outcome="cancelled", message=command.message, asked="cancel_task")
        reopen_if_possible(draft)


def retry(draft: Draft, command: Control) -> bool:
    """Queue a failed or skipped node again, up to the limit unless forced."""
    node = _the_node(draft, command)
    if node.status not in ("failed", "skipped"):
        raise illegal_step(draft.state, draft.nodes, node, verb="retry", asked="retry")
    _require_not_cancelled(draft, asked="retry")
    _require_wanted(draft)
    limit = draft.plan.retry_of(node.id).max_retries
    if node.retry_count >= limit and not command.force:
        raise retries_used_up(draft.state, node, limit=limit)
    steps.retry(draft, node.id, message=command.message)
    reopen_if_possible(draft)
    return True


def skip(draft: Draft, command: Control) -> bool:
    """Let the run go on without a node."""
    node = _the_node(draft, command)
    if not (node.managed and node.is_open):
        _require_not_cancelled(draft, asked="skip")
    if node.status == "skipped":
        return False
    steps.skip(draft, node.id, message=command.message)
    reopen_if_possible(draft)
    return True


def _require_not_cancelled(draft: Draft, *, asked: str) -> None:
    if draft.state.status in ("cancelled", "completed"):
        raise run_is_over(draft.state, asked=asked)


def _require_wanted(draft: Draft) -> None:
    """Refuse to open work again for a flow that has ended or is to be cancelled."""
    flow = draft.state.flow
    if flow is not None and (flow.is_ended or flow.cancel_requested_at is not None):
        raise work_is_unwanted(draft.state, flow)


def approve(draft: Draft, command: Control) -> bool:
    """A person's yes: completes an approval or a wait, lets waiting work go on."""
    node = _the_node(draft, command)
    if node.kind not in WORK_KINDS and node.status == "completed":
        draft.answer["decision"] = "approved"
        return False
    if draft.state.is_ended:
        raise run_is_over(draft.state, asked="approve")
    if node.status == "ready" and node.kind not in WORK_KINDS:
        # A pause holds it before its wait; the person need not be asked twice.
        steps.begin_wait(draft, node.id, draft.plan.nodes[node.id].wait_for, by=draft.system)
    elif node.status != "waiting":
        raise illegal_step(draft.state, draft.nodes, node, verb="complete", asked="approve", needed="waiting")
    if node.kind in WORK_KINDS:
        steps.release(draft, node.id, message=command.message, asked="approve")
    else:
        steps.complete(draft, node.id, summary=command.message or "approved", noted={"decision": "approved"})
    draft.answer["decision"] = "approved"
    return True


def reject(draft: Draft, command: Control) -> bool:
    """A person's no: the node fails for good."""
    node = _the_node(draft, command)
    if node.status == "failed" and node.outcome == "rejected":
        draft.answer["decision"] = "rejected"
        return False
    if draft.state.is_ended:
        raise run_is_over(draft.state, asked="reject")
    if node.status != "waiting" and not (node.status == "ready" and node.kind not in WORK_KINDS):
        raise illegal_step(draft.state, draft.nodes, node, verb="complete", asked="reject", needed="waiting")
    steps.fail(draft, node.id, command.message or "rejected", outcome="rejected", final=True, asked="reject")
    draft.answer["decision"] = "rejected"
    return True


def release(draft: Draft, command: Control) -> bool:
    """Take a node from a worker known to be dead; the attempt does not count."""
    node = _the_node(draft, command)
    if node.kind not in WORK_KINDS:
        raise not_a_persons_place(draft.state, node, asked="release")
    if draft.state.is_ended:
        raise run_is_over(draft.state, asked="release")
    if node.status == "ready" and node.lease is None:
        return False
    if node.status == "ready":
        draft.change(node.id, lease=None)
        draft.tell("node.released", node.id, message=command.message)
        return True
    effects.abort_child(draft, node)
    steps.release(draft, node.id, message=command.message)
    return True


def send_message(draft: Draft, command: Control) -> bool:
    """A person's words go to the workers, an agent's to the run's chat."""
    if not command.message:
        raise InvalidRequest(
            "send_message needs message",
            hint="say what to tell them",
            next=(
                NextCall(
                    "request_control",
                    {"run_id": draft.state.run_id, "action": "send_message", "message": "<text>"},
                ),
            ),
        )
    if command.node_id is not None:
        draft.node(command.node_id)
    if draft.actor.is_person:
        message = Message(
            id=f"message-{draft.rev}-{len(draft.events)}",
            at=draft.at,
            by=draft.actor.id,
            node_id=command.node_id,
            message=command.message,
        )
        draft.set_state(messages=(*draft.state.messages, message))
    else:
        effects.send_to_channel(draft, command.message, node_id=command.node_id)
    return True


def patch_cron(draft: Draft, command: Control) -> bool:
    """Have the run's cron job changed by whoever can."""
    if not command.patch:
        raise InvalidRequest("patch_cron needs patch", hint='for example {"schedule": "*/10 * * * *"}')
    if effects.patch_cron(draft, command.patch) is None:
        raise IllegalTransition(
            f"run {draft.state.run_id!r} has no cron job bound",
            hint="bind_session cron_job_id names it",
            next=(NextCall("bind_session", {"run_id": draft.state.run_id, "cron_job_id": "<id of the cron job>"}),),
        )
    return True


_ACTIONS: Final[dict[ControlAction, Callable[[Draft, Control], bool]]] = {
    "pause": lambda draft, command: pause(draft, command.message),
    "resume": lambda draft, command: resume(draft, command.message),
    "cancel": lambda draft, command: cancel(draft, command.message),
    "retry": retry,
    "skip": skip,
    "approve": approve,
    "reject": reject,
    "release": release,
    "send_message": send_message,
    "patch_cron": patch_cron,
}
"""Each says whether anything changed; False means it was so already."""


def acknowledge(draft: Draft, message_id: str) -> bool:
    """Take a person's message off the list because somebody has followed it."""
    if not any(message.id == message_id for message in draft.state.messages):
        return False
    rest = tuple(message for message in draft.state.messages if message.id != message_id)
    draft.set_state(messages=rest)
    draft.tell("run.message.sent", messageId=shown(message_id))
    return True
