"""Waiting for a run: one look at a time, so that fifty waiting callers cost fifty timers and no thread.

A look keeps nothing between calls. What counts as new is what the trail holds from after the
wait began, or, with `since_rev`, from after that revision.
"""

import time
from datetime import datetime, timedelta
from typing import Annotated, Final, get_args

from pydantic import AfterValidator, WithJsonSchema

from .. import clock
from ..core.commands import Tick
from ..core.flow import FlowStatus
from ..core.names import moment
from ..core.run import ENDED_RUN, NodeState, NodeStatus, Run, RunState, RunStatus
from ..errors import Forbidden, StorageFault, StorageFull
from ..registry import View
from ..storage.port import LoggedEvent
from .answers import NextStep, PausedRow, fit, next_calls, paused_view, report_path
from .caller import Caller
from .fields import NodeId, RunId
from .lookup import change_run, node_of, open_run
from .status_words import ONE_OR_MORE, require_known
from .table import Operation, Request, Result

TIMEOUT_S_MAX: Final = 50
_FIRST_LOOK_S: Final = 0.05
_LOOKS_APART_S: Final = 1.0
_EVENTS_LOOKED_AT: Final = 100
_ENDED_NODE: Final = frozenset({"completed", "failed", "skipped"})
_STATUSES: Final = (
    "draft", "pending", "ready", "running", "waiting", "paused", "completed", "failed", "skipped", "cancelled",
    "queued", "blocked", "succeeded",
)  # fmt: skip
_OF_RUNS: Final = frozenset({"paused", "completed"})
"""Statuses of runs that flows have no word for; who waits for a flow may name them too."""


def _statuses(value: tuple[str, ...]) -> tuple[str, ...]:
    rule = (
        "a run is draft, running, paused, completed, failed or cancelled, "
        "a node pending, ready, running, waiting, completed, failed or skipped, "
        "a flow queued, running, waiting, blocked, succeeded, failed or cancelled"
    )
    return require_known(value, _STATUSES, rule=rule)


def _timeout(value: float) -> float:
    if 0 <= value <= TIMEOUT_S_MAX:
        return value
    raise ValueError(f"timeout_s is {value:g}; it must be 0 to {TIMEOUT_S_MAX}; for longer waits end your turn")


class WaitForRunRequest(Request):
    """Wait up to 50 s until a run or node reaches a status, an event comes, or anything changes.
    reached: false is not an error; for longer waits end your turn."""

    run_id: RunId
    node_id: NodeId | None = None
    status: Annotated[tuple[str, ...], AfterValidator(_statuses), WithJsonSchema(ONE_OR_MORE)] = ()
    event: str | None = None
    since_rev: int | None = None
    timeout_s: Annotated[float, AfterValidator(_timeout)] = 45


class WaitedNode(Result):
    """The node that was waited for."""

    node_id: str
    status: str
    summary: str | None = None
    error: str | None = None
    report: str | None = None


class ChangedNode(Result):
    """A node that changed while the wait lasted."""

    node_id: str
    status: str


class NewEvent(Result):
    """An event that came while the wait lasted."""

    seq: int
    event: str
    at: str
    node_id: str | None = None
    message: str | None = None


class WaitForRunResult(Result):
    """What the wait ended with. `why` says in our words what was reached, or what it still is."""

    reached: bool
    waited_s: float
    why: str
    run_id: str
    run_status: str
    rev: int
    node: WaitedNode | None = None
    changed: tuple[ChangedNode, ...]
    events: tuple[NewEvent, ...]
    paused: PausedRow | None = None
    warnings: tuple[str, ...] | None = None
    next: tuple[NextStep, ...]


def _step(caller: Caller, request: WaitForRunRequest, waited_s: float) -> WaitForRunResult | None:
    now = clock.now()
    reading = open_run(caller, request.run_id)
    run, notices = reading.run, reading.notices
    if _tick_may_help(run.state, now):
        run, notices = _ticked(caller, reading)
    node = node_of(run, request.node_id) if request.node_id is not None else None
    began = now - timedelta(seconds=waited_s)
    fresh = _new_events(caller, run, request, began=began)
    found = _awaited(caller, run, request, began=began) if request.event is not None else None
    why = f"event {found.event.name} came" if found is not None else _reached(run, node, request)
    reached = why is not None
    if why is None:
        why = _out_of_reach(run, node, request)
    if why is None and waited_s < request.timeout_s:
        return None
    beside = WaitForRunResult(
        reached=reached,
        waited_s=round(waited_s, 3),
        why=why or f"not within {request.timeout_s:g} s: {_standing(run, node)}",
        run_id=run.state.run_id,
        run_status=run.state.status,
        rev=run.log.state_rev,
        node=_waited_node(node) if node else None,
        changed=_changed(run, request, fresh),
        events=(),
        paused=paused_view(run.state),
        warnings=notices or None,
        next=next_calls(run, caller, now=now, may_wait=not reached),
    )
    shown = [*reversed(fresh)] if found is None or found in fresh else [found, *reversed(fresh)]
    return beside.model_copy(update={"events": fit([_new_event(one) for one in shown], beside=beside)})


def _run(caller: Caller, request: WaitForRunRequest) -> WaitForRunResult:
    """Look, sleep, look again. Surfaces with an event loop use `step` and sleep themselves."""
    began, pause_s = clock.monotonic_s(), _FIRST_LOOK_S
    while True:
        waited_s = clock.monotonic_s() - began
        answer = _step(caller, request, waited_s)
        if answer is not None:
            return answer
        time.sleep(max(0.0, min(pause_s, request.timeout_s - waited_s)))
        pause_s = min(pause_s * 1.5, _LOOKS_APART_S)


def _ticked(caller: Caller, reading: View) -> tuple[Run, tuple[str, ...]]:
    """The run after a tick; where none can be recorded, as it would be then, at the revision that it has."""
    run_id, notices = reading.run.state.run_id, reading.notices
    if not caller.read_only:
        try:
            outcome = change_run(caller, run_id, Tick(actor=caller.actor))
            return outcome.run, outcome.warnings
        except (Forbidden, StorageFault, StorageFull) as failure:
            notices = (*notices, f"not_recorded: what time has ended is told and not written ({failure.message})")
    return caller.registry.foreseen(run_id).model_copy(update={"log": reading.run.log}), notices


def _tick_may_help(state: RunState, now: datetime) -> bool:
    """Whether time or a file may have moved the run on without anybody recording it."""
    if state.status == "draft" or (state.is_ended and state.flow is None):
        return False  # children may outlive their flow
    if state.wake_at is not None and moment(state.wake_at) <= now:
        return True
    by_tick = {"file_exists", "next_tick"}
    return any(node.status == "waiting" and node.wait and node.wait.type in by_tick for node in state.nodes.values())


def _new_events(
    caller: Caller, run: Run, request: WaitForRunRequest, *, began: datetime, last: int | None = None
) -> list[LoggedEvent]:
    """The last events that count as new, oldest first.

    Args:
        last: Of those up to this seq.
    """
    last = run.log.seq if last is None else last
    since_seq = max(0, last - _EVENTS_LOOKED_AT)
    if request.since_rev is None and run.log.last_at and moment(run.log.last_at) <= began:
        return []
    logged = caller.registry.store.events(run.state.run_id, since_seq=since_seq, limit=_EVENTS_LOOKED_AT)
    if request.since_rev is not None:
        return [one for one in logged if one.rev > request.since_rev and one.seq <= last]
    return [one for one in logged if moment(one.event.timestamp) > began and one.seq <= last]


def _awaited(caller: Caller, run: Run, request: WaitForRunRequest, *, began: datetime) -> LoggedEvent | None:
    """The last event that was waited for and has come, however many others came after it."""
    last = run.log.seq
    while last > 0 and (page := _new_events(caller, run, request, began=began, last=last)):
        found = next((one for one in reversed(page) if _is_wanted(one, request)), None)
        if found is not None:
            return found
        last -= _EVENTS_LOOKED_AT
    return None


def _reached(run: Run, node: NodeState | None, request: WaitForRunRequest) -> str | None:
    """What was waited for and is so, in words; None while it is not."""
    what, status = _about(run, node)
    if node is None and run.state.status in _OF_RUNS and run.state.status in request.status:
        return f"the run is {run.state.status}"
    if request.status:
        return f"{what} is {status}" if status in request.status else None
    if request.since_rev is not None and request.event is None:
        rev = node.rev if node else run.log.state_rev
        return f"{what} changed; it is {status}" if rev > request.since_rev else None
    if request.event is None and (status in _ENDED_NODE if node else run.state.status in ENDED_RUN):
        return f"{what} is {status}"
    return None


def _about(run: Run, node: NodeState | None) -> tuple[str, str]:
    """What is waited for and how it stands; a flow's own status says more than its run's."""
    if node is not None:
        return f"node {node.id!r}", node.status
    flow = run.state.flow
    return ("the run", run.state.status) if flow is None else ("the flow", flow.status)


def _is_wanted(one: LoggedEvent, request: WaitForRunRequest) -> bool:
    return one.event.name == request.event and request.node_id in (None, one.event.node_id)


def _out_of_reach(run: Run, node: NodeState | None, request: WaitForRunRequest) -> str | None:
    """Why waiting longer is of no use; None while it may be."""
    if run.state.is_ended and not (node is not None and node.managed and node.is_open):
        what, status = _about(run, None)
        return f"{what} is {status}; nothing more will come"
    if node is not None and request.status and node.status == "completed":
        return f"node {node.id!r} is completed; it stays so"
    if request.status and request.event is None and not _statuses_of(run, node) & set(request.status):
        what, status = _about(run, node)
        return f"{what} is {status}; {'a node' if node else 'a run'} is never {' or '.join(request.status)}"
    return None


def _statuses_of(run: Run, node: NodeState | None) -> frozenset[str]:
    """Whatever it can come to."""
    if node is not None:
        return frozenset(get_args(NodeStatus))
    return frozenset((*get_args(RunStatus), *(get_args(FlowStatus) if run.state.flow is not None else ())))


def _standing(run: Run, node: NodeState | None) -> str:
    if run.state.status == "paused":
        return "the run is paused"
    what, status = _about(run, node)
    return f"{what} is {status}"


def _changed(run: Run, request: WaitForRunRequest, fresh: list[LoggedEvent]) -> tuple[ChangedNode, ...]:
    since = request.since_rev if request.since_rev is not None else fresh[0].rev - 1 if fresh else run.log.rev
    nodes = [node for node in run.state.nodes.values() if node.rev > since]
    return tuple(ChangedNode(node_id=node.id, status=node.status) for node in nodes[:20])


def _waited_node(node: NodeState) -> WaitedNode:
    return WaitedNode(
        node_id=node.id, status=node.status, summary=node.summary, error=node.error, report=report_path(node)
    )


def _new_event(one: LoggedEvent) -> NewEvent:
    event = one.event
    return NewEvent(seq=one.seq, event=event.name, at=event.timestamp, node_id=event.node_id, message=event.message)


WAIT_FOR_RUN = Operation(
    name="wait_for_run",
    request=WaitForRunRequest,
    result=WaitForRunResult,
    toolset="core",
    read_only=False,
    run=_run,
    step=_step,
)
