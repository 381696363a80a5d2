"""What is true of every run, whatever was done to it: the invariants of a state.

`check` looks at what one mutation touched and is run before anything is written; a fault there
is our own bug. `check_all` looks at everything, for `validate`, where a fault may as well be
somebody's edit. What was broken before a mutation is not held against it: a run that was
adopted with faults must stay workable.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from .flow import RUN_END, Flow
from .graph import find_cycle
from .lifecycle import NODE_TRANSITIONS
from .limits import ATTEMPTS_KEPT
from .names import NodeId
from .run import ENDED_RUN, OPEN_NODE, SATISFIED, NodeState, NodeStatus, Run
from .workflow import WORK_KINDS

Faults = Iterator[str]


class BrokenInvariant(AssertionError):
    """A decision would lead to a run that cannot be: a bug of the core, and nothing was written."""


def _reachable() -> dict[NodeStatus, frozenset[NodeStatus]]:
    """Where a node may stand after a mutation, which may take several steps of the table."""
    step: dict[NodeStatus, set[NodeStatus]] = {}
    for transition in NODE_TRANSITIONS.values():
        for source in transition.sources:
            step.setdefault(source, set()).update(transition.targets)
    statuses: tuple[NodeStatus, ...] = ("pending", "ready", "running", "waiting", "completed", "failed", "skipped")
    found: dict[NodeStatus, frozenset[NodeStatus]] = {}
    for status in statuses:
        reached, todo = {status}, [status]
        while todo:
            new = step.get(todo.pop(), set()) - reached
            reached |= new
            todo += new
        found[status] = frozenset(reached)
    return found


REACHABLE: Final = _reachable()
_STANDS_STILL: Final = {"running": "", "paused": "pending"}
"""Open runs, and the status of nodes that may stand still in them."""


def check(before: Run, after: Run) -> None:
    """Make sure that a mutation leads to a run that can be, by what it touched.

    Raises:
        BrokenInvariant: it does not.
    """
    if after is before:
        return
    old, new = before.state, after.state
    touched = new.changed_since(old)
    faults = [*_log_faults(before, after), *_step_faults(before, touched), *_run_faults(after)]
    of_nodes = {node.id: found for node in touched if (found := [*_node_faults(after, node)])}
    if after.refs is not before.refs or new.cron_job_id != old.cron_job_id:
        faults += _binding_faults(after)
    if after.plan is not before.plan:
        faults += _plan_faults(after)
    if faults or of_nodes:
        # Only now, because a look at what was there before would double the cost of every mutation.
        known = set(check_all(before))
        faults = [fault for fault in faults if fault not in known]
        for node_id, found in of_nodes.items():
            if node_id not in old.nodes or not [*_node_faults(before, old.nodes[node_id])]:
                faults += found
    if faults:
        raise BrokenInvariant("; ".join(faults))


def check_all(run: Run) -> list[str]:
    """Everything that is not as it must be, in sentences; empty for a sound run."""
    faults = [*_run_faults(run), *_plan_faults(run), *_binding_faults(run)]
    for node in run.state.nodes.values():
        faults += _node_faults(run, node)
    return faults


def _step_faults(before: Run, touched: Iterable[NodeState]) -> Faults:
    state = before.state
    is_cancelled, nodes = state.status == "cancelled", state.nodes
    for node in touched:
        node_id, status = node.id, node.status
        old = nodes.get(node_id)
        if old is None:
            continue
        former = old.status
        if status not in REACHABLE[former] or (is_cancelled and status != former):
            yield f"node {node_id!r} went from {former} to {status}, which no steps of the table do"
        if former == status == "running" and node.attempt < old.attempt:
            yield f"node {node_id!r} went back from attempt {old.attempt} to {node.attempt}"


def _log_faults(before: Run, after: Run) -> Faults:
    old, new, rev = before.log, after.log, after.log.rev
    if rev != old.rev + 1 or new.seq <= old.seq:
        yield f"rev {old.rev}, seq {old.seq} is followed by rev {rev}, seq {new.seq}"
    if new.state_rev not in (old.state_rev, rev):
        yield f"the callers' rev went from {old.state_rev} to {new.state_rev} in rev {rev}"
    former, state = before.state, after.state
    if (flow_fault := _revision_fault(former.flow, state.flow)) is not None:
        yield flow_fault
    if former.status == "cancelled" and state.status != "cancelled":
        yield f"a cancelled run became {state.status}"


def _revision_fault(old: Flow | None, new: Flow | None) -> str | None:
    if old is None or new is None:
        return None if old is new else "a run became a flow, or a flow a run"
    wanted = old.revision + (old != new)
    return None if new.revision == wanted else f"the flow went from revision {old.revision} to {new.revision}"


def _flow_faults(run: Run) -> Faults:
    """A run that code plans has no end of its own: its flow says how it stands."""
    state, flow = run.state, run.state.flow
    assert flow is not None
    ends = {str(how): end for how, end in RUN_END.items()}
    if state.status not in ({ends[flow.status]} if flow.is_ended else {"running", "paused"}):
        yield f"the run is {state.status} with a flow that is {flow.status}"
    if flow.status == "cancelled" and flow.cancel_requested_at is None:
        yield "the flow is cancelled though nobody wanted it"
    if flow.revision < 0:
        yield f"the flow has revision {flow.revision}"
    if flow.is_ended:
        left = [node.id for node in state.nodes.values() if node.is_open]
        kept = [node_id for node_id in left if state.nodes[node_id].managed and flow.status != "cancelled"]
        if len(kept) != len(left):
            yield f"the flow is {flow.status} with nodes that are open"


def _run_faults(run: Run) -> Faults:
    state = run.state
    status, nodes = state.status, state.nodes
    if (state.paused is not None) != (status == "paused"):
        yield f"the run is {status} and says {'who' if state.paused else 'nobody'} paused it"
    if run.plan.nodes.keys() != nodes.keys():
        yield "the plan and the state do not have the same nodes"
    if state.flow is not None:
        yield from _flow_faults(run)
        return
    statuses = {node.status for node in nodes.values()}
    if status in ENDED_RUN:
        left = statuses & (OPEN_NODE - {"pending"} if status == "failed" else OPEN_NODE)
        if left:
            yield f"the run is {status} with nodes that are {', '.join(sorted(left))}"
        if state.wake_at is not None:
            yield f"the run is {status} and would still be woken"
    elif status in _STANDS_STILL and not statuses & {"ready", "running", "waiting", _STANDS_STILL[status]}:
        yield f"the run is {status} though nothing in it can go on"
    if status == "completed" and "failed" in statuses:
        yield "the run is completed with nodes that failed"


def _plan_faults(run: Run) -> Faults:
    nodes = run.state.nodes
    for node in nodes.values():
        unknown = [need for need in node.needs if need not in nodes]
        if unknown:
            yield f"node {node.id!r} needs {', '.join(unknown)}, which the run does not have"
    cycle = find_cycle({node.id: node.needs for node in nodes.values()})
    if cycle:
        yield f"nodes need each other in a circle: {' -> '.join(cycle)}"


def _binding_faults(run: Run) -> Faults:
    state, refs = run.state, run.refs
    for name in ("cron_job_id", "source_session_key", "root_session_key", "planner_session_key", "driver_session_key"):
        if getattr(state, name) != getattr(refs, name):
            yield f"{name} is {getattr(state, name)!r} in the state and {getattr(refs, name)!r} in the bindings"
    bound: tuple[tuple[str, Mapping[NodeId, str]], ...] = (
        ("session_key", refs.node_sessions),
        ("child_session_key", refs.child_sessions),
        ("run_id", refs.node_run_ids),
    )
    for name, values in bound:
        for node_id, value in values.items():
            node = state.nodes.get(node_id)
            if node is None:
                yield f"{name} is bound for {node_id!r}, which the run does not have"
            elif getattr(node, name) != value:
                yield f"{name} of node {node_id!r} is {getattr(node, name)!r} and bound as {value!r}"


def _node_faults(run: Run, node: NodeState) -> Faults:
    node_id, status = node.id, node.status
    if node.rev > run.log.state_rev:
        yield f"node {node_id!r} has rev {node.rev}, later than the run's {run.log.state_rev}"
    plan = run.plan.nodes.get(node_id)
    if plan is not None and (plan.needs, plan.kind, plan.title) != (node.needs, node.kind, node.title):
        yield f"node {node_id!r} is not as the plan has it"
    for fault in _STATUS_FAULTS[status](run, node):
        yield f"node {node_id!r} is {status} {fault}"
    for fault in _field_faults(run, node):
        yield f"node {node_id!r} {fault}"


def _field_faults(run: Run, node: NodeState) -> Faults:
    """What fields may hold beside each other, whatever the status."""
    status, deadline, left_s = node.status, node.deadline, node.deadline_left_s
    is_waiting = status == "waiting"
    if (node.wait is not None) != is_waiting or (node.waiting_since is not None) != is_waiting:
        yield f"is {status}, {'with' if node.wait else 'without'} a wait"
    if status not in ("running", "waiting") and (deadline is not None or left_s is not None):
        yield f"is {status} under a deadline"
    if deadline is not None and run.state.status == "paused":
        yield "has a deadline that goes on though the run is paused"
    if left_s is not None and run.state.status != "paused":
        yield "has a deadline that stands still though the run is not paused"
    if node.not_before is not None and status != "ready":
        yield f"is {status} and held back until {node.not_before}"
    if node.outcome is not None and status not in ("failed", "skipped"):
        yield f"is {status} with the outcome {node.outcome}"
    if len(node.attempts) > ATTEMPTS_KEPT:
        yield f"keeps {len(node.attempts)} attempts"
    if node.managed and (node.lease is not None or run.state.flow is None):
        yield "is carried outside, under a lease or in a run without a flow"
    if node.lost_at is not None and not (node.managed and node.is_open):
        yield f"is {status} and would be given up"
    if node.kind not in WORK_KINDS and (node.lease is not None or status == "running"):
        yield f"is somebody's work though it is of kind {node.kind}"
    yield from _lease_faults(node)


def _lease_faults(node: NodeState) -> Faults:
    lease = node.lease
    if lease is None:
        return
    if node.status == "running":
        if (lease.expires_at is None) != (lease.seconds == 0):
            yield f"has a lease of {lease.seconds} seconds until {lease.expires_at or 'for ever'}"
    elif node.status not in ("waiting", "ready"):
        yield f"is {node.status} under a lease"
    elif lease.expires_at is not None:
        yield f"is {node.status} under a lease that runs"
    if not lease.fence.startswith(f"{node.attempt}-"):
        yield f"has a fence of another attempt than {node.attempt}"


def _has_begun(_run: Run, node: NodeState) -> Faults:
    if node.attempt < 1 or node.started_at is None:
        yield "and was never started"
    if node.completed_at is not None:
        yield "and has ended"


def _waits(run: Run, node: NodeState) -> Faults:
    if node.kind in WORK_KINDS:
        yield from _has_begun(run, node)
    if node.wait is not None and (node.wait.type == "approval") != (node.kind == "approval"):
        yield f"as a {node.kind} for {node.wait.type}"


def _is_ready(run: Run, node: NodeState) -> Faults:
    unmet = _unmet(run, node)
    if unmet:
        yield f"but needs {', '.join(unmet)}"
    if node.ready_at is None or node.completed_at is not None:
        yield "without a time since when, or with an end"


def _is_pending(run: Run, node: NodeState) -> Faults:
    if run.state.status in ("running", "paused") and not _unmet(run, node):
        yield "though what it needs is there"
    if node.lease is not None or node.ready_at is not None or node.completed_at is not None:
        yield "with a lease, a ready time or an end"


def _has_ended(_run: Run, node: NodeState) -> Faults:
    if node.completed_at is None:
        yield "without a time"
    if node.status == "failed" and not node.error:
        yield "without an error"


def _unmet(run: Run, node: NodeState) -> list[NodeId]:
    nodes = run.state.nodes
    return [need for need in node.needs if need not in nodes or nodes[need].status not in SATISFIED]


_STATUS_FAULTS: Final[dict[NodeStatus, Callable[[Run, NodeState], Faults]]] = {
    "pending": _is_pending,
    "ready": _is_ready,
    "running": _has_begun,
    "waiting": _waits,
    "completed": _has_ended,
    "failed": _has_ended,
    "skipped": _has_ended,
}
