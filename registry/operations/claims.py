"""Claims and heartbeats: how a worker gets a node, keeps it, and hears that it should stop."""

from collections.abc import Container
from datetime import timedelta
from itertools import chain, islice
from typing import Final, get_args

from .. import clock
from ..core.claimable import claimable, ready_work
from ..core.commands import ClaimNode, HeartbeatNode
from ..core.limits import LEASE_S_DEFAULT, OPERATIONS_KEPT_S
from ..core.names import AgentId, NodeId, RunId, iso
from ..core.record import Bag
from ..core.run import NodeState
from ..core.tasks import TaskStatus
from ..errors import (
    Conflict,
    IllegalTransition,
    InvalidRequest,
    LockTimeout,
    NextCall,
    NodeHeld,
    NotFound,
    RegistryError,
    RunPaused,
)
from ..registry import Registry
from ..storage.views import TaskQuery, TaskRecord
from . import fields
from .acting import acting, agent_of, request_key
from .answers import MessageRow, Mutated, finish_step, messages_view, mutated
from .caller import Caller
from .claim_answers import ClaimNodeResult, claimed, nothing_in_queue, nothing_in_run
from .lookup import KnownRun, change_run, newest_open, open_run
from .queues import held_of, queue_of, rows_of, settled_desk
from .table import Operation, Request

_TAKEN = (NodeHeld, IllegalTransition, RunPaused, NotFound, LockTimeout)
"""What claiming a candidate may meet when another was quicker: the next one is tried."""

_SEARCHED: Final = 8
"""Tasks that an agent had in hand last, in which a repeat is looked for: it comes soon, and every first call pays."""

_BEGUN: Final = frozenset(get_args(TaskStatus)) - {"queued"}


class ClaimNodeRequest(Request):
    """Claim (take, start) work under a lease: the next ready node of a run (run_id), of an agent's queue (agent_id),
    or a named one (run_id and node_id). Returns the brief to follow, and the fence that finish_node needs. Nothing to
    do is claimed: false with the reason, not an error; HEARTBEAT_OK in say means that you may end your turn. Give
    either run_id or agent_id; with both you get nodes of that run that are yours or nobody's. inline_inputs puts the
    reports of needed nodes into the answer, for clients that read no files; lease_s 0 is a lease without end; exclusive
    refuses while the agent holds another node. The same
    request_id gives the same claim again.
    """

    run_id: fields.RunId | None = None
    node_id: fields.NodeId | None = None
    agent_id: fields.AgentId | None = None
    session_key: fields.SessionKey | None = None
    lease_s: fields.LeaseSeconds = LEASE_S_DEFAULT
    min_priority: fields.LeastPriority | None = None
    inline_inputs: bool = False
    exclusive: bool = False
    request_id: fields.RequestId | None = None


def _claim_node(caller: Caller, request: ClaimNodeRequest) -> ClaimNodeResult:
    agent_id = agent_of(caller, request.agent_id)
    if request.run_id is None and (request.agent_id is None or request.node_id is not None):
        raise _where_from(caller, request)
    if request.run_id is not None and request.exclusive:
        return _claim_alone(caller, request, agent_id, request.run_id)
    if request.agent_id is None:
        return _claim_in_run(caller, request, agent_id, str(request.run_id), request.node_id)
    # The agent's lock before any run's, here as everywhere.
    with caller.registry.agent_locked(agent_id, op="claim_node"):
        if request.run_id is None:
            return _claim_from_queue(caller, request, agent_id)
        return _claim_in_run(caller, request, agent_id, request.run_id, request.node_id)


def _claim_alone(caller: Caller, request: ClaimNodeRequest, agent_id: AgentId, run_id: RunId) -> ClaimNodeResult:
    """A node of a run for an agent that holds no other: under the lock of the agent that will own it."""
    registry, passed_over = caller.registry, set[NodeId]()
    while True:
        if _is_repeat(caller, run_id, request.request_id):
            return _claim_in_run(caller, request, agent_id, run_id, request.node_id)
        node = _wanted(caller, request, run_id, passed_over) if request.agent_id is None else None
        owner = (node.agent_id if node is not None else None) or agent_id
        with registry.agent_locked(owner, op="claim_node"):
            now = clock.now()
            if not _is_repeat(caller, run_id, request.request_id):
                _require_free_hands(request, owner, held_of(settled_desk(registry, owner, now=now).holding, now=now))
            try:
                return _claim_in_run(caller, request, agent_id, run_id, node.id if node else request.node_id)
            except (NodeHeld, IllegalTransition, RunPaused):
                if node is None or request.node_id is not None:
                    raise
                passed_over.add(node.id)


def _wanted(
    caller: Caller, request: ClaimNodeRequest, run_id: RunId, passed_over: Container[NodeId]
) -> NodeState | None:
    """The node that a claim without agent_id would get, as the run stands now; None where there is none."""
    with KnownRun(caller.registry, run_id):
        state = caller.registry.foreseen(run_id).state
    if request.node_id is not None:
        return state.nodes.get(request.node_id)
    found = claimable(
        state,
        now=clock.now(),
        tasks={task: caller.registry.task_status(task) for node in ready_work(state) for task in node.depends_on},
        min_priority=request.min_priority or 1,
    )
    return next((node for node in found if node.id not in passed_over), None)


def _claim_in_run(
    caller: Caller, request: ClaimNodeRequest, agent_id: AgentId, run_id: RunId, node_id: NodeId | None
) -> ClaimNodeResult:
    """A named node of a run, or the first that the caller may have."""
    outcome = change_run(
        caller,
        run_id,
        _command(caller, request, agent_id, node_id=node_id),
        request=request_key(request, request.request_id),
    )
    if outcome.answer["claimed"]:
        return claimed(caller, outcome, agent_id=agent_id, inline_inputs=request.inline_inputs)
    return nothing_in_run(
        caller,
        outcome,
        agent_id,
        assigned_only=request.agent_id is not None,
        min_priority=request.min_priority or 1,
    )


def _is_repeat(caller: Caller, run_id: RunId, request_id: str | None) -> bool:
    return request_id is not None and request_id in open_run(caller, run_id).run.refs.operations


def _command(caller: Caller, request: ClaimNodeRequest, agent_id: AgentId, *, node_id: NodeId | None) -> ClaimNode:
    return ClaimNode(
        actor=acting(caller, request.agent_id),
        agent_id=agent_id,
        node_id=node_id,
        assigned_only=request.agent_id is not None,
        session_key=request.session_key,
        lease_s=request.lease_s,
        min_priority=request.min_priority or 1,
        fence_secret=clock.fresh_secret(),
    )


def _where_from(caller: Caller, request: ClaimNodeRequest) -> InvalidRequest:
    """Neither a run nor a queue was named."""
    if request.node_id is not None:
        message = f"node_id {request.node_id!r} needs the run_id of its run"
    else:
        message = "say run_id (any ready node of it) or agent_id (that agent's queue)"
    named = {"node_id": request.node_id} if request.node_id is not None else {}
    open_runs = [
        NextCall("claim_node", {"run_id": run.run_id, **named}, "an open run") for run in newest_open(caller.registry)
    ]
    return InvalidRequest(message, next=(*open_runs, NextCall("list_runs", {"status": "open"}, "shows the open runs")))


def _claim_from_queue(caller: Caller, request: ClaimNodeRequest, agent_id: AgentId) -> ClaimNodeResult:
    """The first of the agent's nodes; its lock is held, so no other claim of this agent can come between."""
    registry, now = caller.registry, clock.now()
    desk = settled_desk(registry, agent_id, now=now)
    key = request_key(request, request.request_id)
    held = held_of(desk.holding, now=now)
    if key is not None and (run_id := _run_claimed_before(caller, agent_id, held, key.id)) is not None:
        again = _command(caller, request, agent_id, node_id=None)
        outcome = change_run(caller, run_id, again, request=key)
        return claimed(caller, outcome, agent_id=agent_id, inline_inputs=request.inline_inputs, held=held)
    _require_free_hands(request, agent_id, held)
    min_priority = request.min_priority or 1
    for row in rows_of(registry, agent_id, desk, min_priority=min_priority, now=now):
        if row.held_back is not None:
            continue
        try:
            command = _command(caller, request, agent_id, node_id=row.node.id)
            outcome = change_run(caller, row.run_id, command, request=key)
        except _TAKEN:
            continue
        return claimed(caller, outcome, agent_id=agent_id, inline_inputs=request.inline_inputs, held=held)
    queue = queue_of(registry, agent_id, min_priority=min_priority, now=clock.now())
    return nothing_in_queue(registry, queue, min_priority=min_priority)


def _run_claimed_before(caller: Caller, agent_id: AgentId, held: list[TaskRecord], request_id: str) -> RunId | None:
    """The run in which this very call already claimed: the agent holds what it got, or has ended it since."""
    registry, now = caller.registry, clock.now()
    oldest = iso(now - timedelta(seconds=OPERATIONS_KEPT_S))
    query = TaskQuery(now=now, agent_id=agent_id, statuses=_BEGUN, since=oldest)
    recent = islice(registry.views.tasks(query), _SEARCHED)
    for run_id in dict.fromkeys(record.run.run_id for record in chain(held, recent)):
        known = _answer_kept(registry, run_id, request_id)
        if known is not None and "claimed" in known:
            return run_id
    return None


def _answer_kept(registry: Registry, run_id: RunId, request_id: str) -> Bag | None:
    try:
        kept = registry.read(run_id).run.refs.operations.get(request_id)
    except RegistryError:
        return None  # It was damaged or moved just now; a claim from the queue must go on.
    return kept.answer if kept is not None else None


def _require_free_hands(request: ClaimNodeRequest, agent_id: AgentId, held: list[TaskRecord]) -> None:
    """Refuse an exclusive claim of an agent that is at work."""
    if not request.exclusive or not held:
        return
    record = held[0]
    raise Conflict(
        f"agent {agent_id!r} is at work on task {record.task_id!r} (attempt {record.node.attempt}); "
        "an exclusive claim takes nothing beside it",
        hint="finish it first, or claim without exclusive",
        next=(
            NextCall("get_run", {"run_id": record.run.run_id, "node_id": record.node.id}, "shows what it is"),
            NextCall(
                "finish_node",
                {"run_id": record.run.run_id, "node_id": record.node.id, "fence": "<fence>", "outcome": "completed"},
                "when the work is done",
            ),
        ),
        agent_id=agent_id,
        task_id=record.task_id,
    )


CLAIM_NODE = Operation(
    name="claim_node",
    request=ClaimNodeRequest,
    result=ClaimNodeResult,
    toolset="core",
    read_only=False,
    run=_claim_node,
)


class HeartbeatNodeRequest(Request):
    """Keep a long claim alive (heartbeat): extends the lease by lease_s (default as claimed) and records a progress
    line with percent. Call it every few minutes of long work. The answer also tells when a person paused or cancelled:
    if stop is true, stop.
    """

    run_id: fields.RunId
    node_id: fields.NodeId | None = None
    fence: str
    message: fields.Message | None = None
    percent: fields.Percent | None = None
    lease_s: fields.LeaseSeconds | None = None


class HeartbeatNodeResult(Mutated):
    """Whether to go on, until when the lease lives, and what people said meanwhile."""

    run_id: str
    node_id: str
    attempt: int
    lease_expires_at: str | None = None
    stop: bool
    stop_reason: str | None = None
    messages: tuple[MessageRow, ...]


def _heartbeat_node(caller: Caller, request: HeartbeatNodeRequest) -> HeartbeatNodeResult:
    outcome = change_run(
        caller,
        request.run_id,
        HeartbeatNode(
            actor=caller.actor,
            node_id=request.node_id,
            fence=request.fence,
            message=request.message,
            percent=request.percent,
            lease_s=request.lease_s,
        ),
    )
    answer, run = outcome.answer, outcome.run
    node = run.node(str(answer["nodeId"]))
    calls = () if answer["stop"] else (finish_step(run.state.run_id, node, fence=request.fence),)
    return HeartbeatNodeResult.model_validate(
        mutated(
            outcome,
            caller,
            run_id=run.state.run_id,
            node_id=node.id,
            attempt=answer["attempt"],
            lease_expires_at=answer.get("leaseExpiresAt"),
            stop=answer["stop"],
            stop_reason=answer.get("stopReason"),
            messages=messages_view(run.state, node.id),
            next=calls,
        )
    )


HEARTBEAT_NODE = Operation(
    name="heartbeat_node",
    request=HeartbeatNodeRequest,
    result=HeartbeatNodeResult,
    toolset="core",
    read_only=False,
    run=_heartbeat_node,
)
