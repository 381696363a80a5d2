"""What happens by itself: leases and deadlines past, waits over, promotion, the end of a run.

`settle` runs within every mutation and alone on request. Each of its passes can only move
nodes forward, so it comes to rest; without change it tells nothing.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from ...errors import InvalidRequest
from ..draft import Draft
from ..expressions import ExpressionFault, ExpressionTypeError, NodeFacts, evaluate, parse_when
from ..names import NodeId, iso
from ..run import NodeState, NodeStatus, Run
from ..workflow import WORK_KINDS
from . import steps
from .children import give_up
from .effects import restore_cron, stop_cron
from .flow_ends import settle_cancel
from .waits import wait_in_force

_SETTLING = frozenset({"running", "paused"})


def settle(draft: Draft) -> None:
    """Advance whatever time and facts allow."""
    if draft.state.status not in _SETTLING:
        if draft.state.flow is not None:
            expire(draft)  # its children may outlive a flow
        return
    expire(draft)
    told = -1
    while told != len(draft.events):
        told = len(draft.events)
        for node in list(draft.nodes.values()):
            _MOVES[node.status](draft, node)
    _end_run(draft)


def expire(draft: Draft) -> None:
    """Record leases and deadlines that are past."""
    now = iso(draft.now)
    for node in list(draft.nodes.values()):
        if node.deadline is None and node.lease is None and node.lost_at is None:
            continue  # Nobody is at work on most of up to a thousand nodes.
        if node.deadline is not None and node.deadline <= now and node.is_open:
            # It counts from the attempt's start, so an attempt that is left begins with a deadline of its own.
            steps.fail(draft, node.id, "its deadline passed", outcome="timed_out", by=draft.system)
        else:
            _expire_worker(draft, node)


def expire_leases(draft: Draft) -> None:
    """Record only workers whose time is past: what a reader must not take for work that goes on."""
    for node in list(draft.nodes.values()):
        _expire_worker(draft, node)


def give_up_children(draft: Draft) -> None:
    """Record only the children of a flow that are lost by now."""
    for node in list(draft.nodes.values()):
        if node.is_given_up(draft.now):
            give_up(draft, node)


def _expire_worker(draft: Draft, node: NodeState) -> None:
    if _is_lost(draft, node):
        steps.lose(draft, node.id)
    elif node.is_given_up(draft.now):
        give_up(draft, node)


def _is_lost(draft: Draft, node: NodeState) -> bool:
    return node.status == "running" and not node.managed and node.lease_has_expired(draft.now)


def _rest(_draft: Draft, _node: NodeState) -> None:
    """Nothing moves this node but somebody's word."""


def _end_wait(draft: Draft, node: NodeState) -> None:
    if not wait_is_over(draft, node):
        return
    if node.kind in ("wait", "approval"):
        steps.complete(draft, node.id, summary="the wait is over", by=draft.system)
    else:
        steps.release(draft, node.id, message="the wait is over", by=draft.system, asked="the wait's end")


def wait_is_over(draft: Draft, node: NodeState) -> bool:
    """Whether what a node waits for has come, so that the end of this mutation ends the wait."""
    wait = wait_in_force(node)
    if wait is None:
        return False
    if wait.type == "until":
        return wait.at is not None and wait.at <= iso(draft.now)
    if wait.type == "file_exists":
        return wait.path is not None and draft.has_file(wait.path)
    if wait.type == "next_tick":
        return draft.rev > wait.since_rev
    if wait.type == "event" and draft.rev > wait.since_rev:
        # What else the mutation brought about that began the wait came at the same moment, not after it.
        first = draft.before.log.seq + 1
        return any(
            event.name == wait.event and seq > wait.since_seq for seq, event in enumerate(draft.events, start=first)
        )
    return False


def _promote(draft: Draft, node: NodeState) -> None:
    if not steps.needs_are_satisfied(draft, node):
        return
    try:
        wanted = condition_holds(draft, node.id)
    except (ExpressionFault, ExpressionTypeError) as fault:
        steps.fail(draft, node.id, f"its condition cannot be judged: {fault}", final=True, by=draft.system)
        return
    if wanted:
        steps.promote(draft, node.id)
        _begin_automatic_wait(draft, draft.nodes[node.id])
    else:
        steps.skip(draft, node.id, outcome="condition_false", by=draft.system)


def condition_holds(draft: Draft, node_id: NodeId) -> bool:
    """Whether a node is wanted, by what the others left so far.

    Raises:
        ExpressionFault, ExpressionTypeError: its condition cannot be judged.
    """
    condition = draft.plan.nodes[node_id].when
    if not condition:
        return True
    facts = {key: NodeFacts(status=node.status, result=node.result or {}) for key, node in draft.nodes.items()}
    return evaluate(parse_when(condition), inputs=draft.state.inputs, nodes=facts)


def _begin_automatic_wait(draft: Draft, node: NodeState) -> None:
    if node.kind in WORK_KINDS or draft.is_paused:
        return
    try:
        steps.begin_wait(draft, node.id, draft.plan.nodes[node.id].wait_for, by=draft.system)
    except InvalidRequest as fault:
        # A refusal here would refuse every later change of the run.
        steps.fail(draft, node.id, f"it cannot wait: {fault.message}", final=True, by=draft.system)


_MOVES: Final[dict[NodeStatus, Callable[[Draft, NodeState], None]]] = {
    "pending": _promote,
    "ready": _begin_automatic_wait,
    "running": _rest,
    "waiting": _end_wait,
    "completed": _rest,
    "failed": _rest,
    "skipped": _rest,
}
"""What a node in each status may do by itself."""


def _end_run(draft: Draft) -> None:
    if draft.state.flow is not None:
        settle_cancel(draft)
        return
    statuses = {node.status for node in draft.nodes.values()}
    if statuses & {"ready", "running", "waiting"}:
        return
    failed = [node.id for node in draft.nodes.values() if node.status == "failed"]
    if "pending" in statuses:
        if draft.is_paused:
            return
        blocked = [node.id for node in draft.nodes.values() if node.status == "pending"]
        end(draft, "failed", failed=failed, blocked=blocked)
    elif failed:
        end(draft, "failed", failed=failed, blocked=[])
    else:
        end(draft, "completed", failed=[], blocked=[])


def end(draft: Draft, status: str, *, failed: list[NodeId], blocked: list[NodeId]) -> None:
    """Close the run; the last event of its mutation."""
    draft.set_state(status=status, paused=None)
    stop_cron(draft)
    by = draft.system
    if status == "completed":
        draft.tell("run.completed", by=by)
        return
    message = f"{', '.join(failed[:5])} failed" if failed else "nothing can go on"
    if blocked:
        message += f"; {', '.join(blocked[:5])} cannot start"
    draft.tell("run.failed", message=message, by=by, failed=list(failed), blocked=list(blocked))


def reopen_if_possible(draft: Draft) -> None:
    """A retry or skip that makes progress possible opens a failed run again."""
    if draft.state.status != "failed" or draft.state.flow is not None:
        return
    nodes = draft.nodes.values()
    can_go_on = any(
        node.status in ("ready", "running", "waiting")
        or (node.status == "pending" and steps.needs_are_satisfied(draft, node))
        for node in nodes
    )
    if can_go_on or all(node.is_satisfied for node in nodes):
        draft.set_state(status="running", paused=None)
        restore_cron(draft)
        draft.tell("run.reopened", by=draft.system)


def wake_at(draft: Draft) -> str | None:
    """When a tick could next change something; in the past for what only a look can tell."""
    if draft.state.status not in _SETTLING and draft.state.flow is None:
        return None
    moments: list[str] = []
    for node in draft.nodes.values():
        if node.lost_at is not None:
            moments.append(node.lost_at)
        if node.status not in ("ready", "running", "waiting"):
            continue
        if node.deadline is not None:
            moments.append(node.deadline)
        if node.status == "running" and node.lease is not None and node.lease.expires_at is not None:
            moments.append(node.lease.expires_at)
        if node.status == "waiting" and (wait := wait_in_force(node)) is not None:
            if wait.type == "until" and wait.at is not None:
                moments.append(wait.at)
            elif wait.type in ("next_tick", "file_exists"):
                moments.append(draft.at)
    return min(moments, default=None)


def waited_for_files(run: Run) -> tuple[str, ...]:
    """Run-relative paths that waits look for, or may look for within this mutation."""
    paths = []
    for node in run.state.nodes.values():
        wait = wait_in_force(node)
        if wait is not None and wait.path:
            paths.append(wait.path)
        elif node.kind == "wait" and node.status in ("pending", "ready"):
            planned = run.plan.nodes[node.id].wait_for
            if planned is not None and planned.path:
                paths.append(planned.path)
    return tuple(paths)


def depended_on(run: Run) -> tuple[str, ...]:
    """Tasks of other runs that open nodes here depend on."""
    held = (node for node in run.state.nodes.values() if node.depends_on and node.is_open)
    return tuple(dict.fromkeys(task for node in held for task in node.depends_on))


def next_backoff(run: Run, now: datetime) -> str | None:
    """When the first ready node that is held back by its retry rule may be claimed."""
    held = [
        node.not_before
        for node in run.state.nodes.values()
        if node.status == "ready" and node.not_before is not None and node.not_before > iso(now)
    ]
    return min(held, default=None)
