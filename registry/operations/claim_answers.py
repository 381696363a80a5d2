"""The answers to a claim: a node with all its worker needs, or why there is none."""

from collections.abc import Sequence
from typing import Final, Literal

from .. import clock
from ..core.claimable import holding, ready_work
from ..core.conditions import keys_awaited
from ..core.names import AgentId, NodeId, RunId, task_id
from ..core.run import NodeState, Run
from ..core.tasks import split_task_id
from ..registry import Outcome, Registry
from ..storage.views import TaskRecord
from .answers import (
    ANSWER_CHARS_MAX,
    MessageRow,
    NextStep,
    PausedRow,
    WaitingRow,
    chars,
    finish_step,
    fit,
    messages_view,
    mutated,
    next_calls,
    paused_view,
    priority_label,
    step,
    waiting_for,
)
from .briefs import (
    AttemptRow,
    Brief,
    InputRow,
    OutputsRow,
    attempts_of,
    brief_of,
    inputs_of,
    outputs_of,
    with_contents,
)
from .caller import Caller
from .damage import unreadable
from .queues import AgentQueue, HeldBack, less_urgent_words
from .table import Result

Reason = Literal["empty", "paused", "held", "backoff", "waiting", "low_priority"]
_INLINE_MARGIN: Final = 400
_HELD_SHOWN: Final = 10
_HOLDERS_LOOKED_AT: Final = 20
_REASONS: Final[tuple[HeldBack, ...]] = ("backoff", "held", "paused")
"""Reasons of a queue, the one that ends soonest by itself first."""


class HeldRow(Result):
    """A node that the caller still has under a lease."""

    run_id: str
    node_id: str
    attempt: int
    lease_expires_at: str | None = None


class ClaimNodeResult(Result):
    """A node with all its worker needs, or why there is none."""

    claimed: bool
    run_id: str | None = None
    node_id: str | None = None
    task_id: str | None = None
    title: str | None = None
    kind: str | None = None
    owner: str | None = None
    assigned_to: str | None = None
    attempt: int | None = None
    max_attempts: int | None = None
    fence: str | None = None
    lease_expires_at: str | None = None
    priority: int | None = None
    priority_label: str | None = None
    brief: str | None = None
    brief_cut: bool | None = None
    inputs: tuple[InputRow, ...] | None = None
    more_inputs: int | None = None
    earlier_attempts: tuple[AttemptRow, ...] | None = None
    outputs: OutputsRow | None = None
    node_dir: str | None = None
    messages: tuple[MessageRow, ...] | None = None
    holding: tuple[HeldRow, ...]
    reason: Reason | None = None
    say: str | None = None
    queued: int | None = None
    not_before: str | None = None
    held_by: tuple[str, ...] | None = None
    paused: PausedRow | None = None
    waiting_for: tuple[WaitingRow, ...] | None = None
    run_status: str | None = None
    rev: int | None = None
    became_ready: tuple[str, ...] | None = None
    more_ready: int | None = None
    skipped: tuple[str, ...] | None = None
    repeated: bool | None = None
    warnings: tuple[str, ...]
    next: tuple[NextStep, ...]


def claimed(
    caller: Caller,
    outcome: Outcome,
    *,
    agent_id: AgentId,
    inline_inputs: bool = False,
    held: Sequence[TaskRecord] | None = None,
) -> ClaimNodeResult:
    """A node that was claimed, with all its worker needs.

    Args:
        held: What the agent has under leases over all runs; None looks in this run alone.
    """
    registry, run = caller.registry, outcome.run
    node = run.node(str(outcome.answer["nodeId"]))
    fence = str(outcome.answer["fence"])
    run_dir = registry.store.run_dir(run.state.run_id)
    brief = brief_of(registry, run, node, run_dir=run_dir)
    owner = node.lease.owner if node.lease is not None else agent_id
    answer = ClaimNodeResult.model_validate(
        mutated(
            outcome,
            caller,
            claimed=True,
            run_id=run.state.run_id,
            node_id=node.id,
            task_id=task_id(run.state.run_id, node.id),
            title=node.title,
            kind=node.kind,
            owner=owner,
            assigned_to=node.agent_id if node.agent_id != owner else None,
            attempt=outcome.answer["attempt"],
            max_attempts=node.max_attempts,
            fence=fence,
            lease_expires_at=outcome.answer.get("leaseExpiresAt"),
            priority=node.priority,
            priority_label=priority_label(node.priority),
            brief=brief.text,
            brief_cut=True if brief.rest else None,
            inputs=(),
            earlier_attempts=attempts_of(node),
            outputs=outputs_of(run, node.id),
            node_dir=f"{run_dir}/nodes/{node.id}",
            messages=messages_view(run.state, node.id) or None,
            holding=_also_held(run, node.id, owner) if held is None else _held_besides(held, run.state.run_id, node.id),
            repeated=True if outcome.repeated else None,
            next=_after_claim(run, node, fence, brief),
        )
    )
    return _with_inputs(caller, run, node, answer, inline=inline_inputs)


def _with_inputs(
    caller: Caller, run: Run, node: NodeState, answer: ClaimNodeResult, *, inline: bool
) -> ClaimNodeResult:
    rows, further = inputs_of(caller.registry, run, node)
    if not rows and not further:
        return answer
    shown = fit(rows, beside=answer, limit=len(rows) or 1, keep=40) if rows else ()
    more = len(rows) - len(shown) + further
    answer = answer.model_copy(update={"inputs": shown, "more_inputs": more or None})
    if inline and shown:
        room = ANSWER_CHARS_MAX - chars(answer) - _INLINE_MARGIN - 40 * len(shown)
        answer = answer.model_copy(update={"inputs": with_contents(caller.registry, run, shown, room=room)})
    return answer


def _after_claim(run: Run, node: NodeState, fence: str, brief: Brief) -> tuple[NextStep, ...]:
    awaited = keys_awaited(run.plan, run.state.nodes, node.id)
    steps = [finish_step(run.state.run_id, node, fence=fence, awaited=awaited)]
    if brief.rest is not None:
        path, offset = brief.rest
        why = "the rest of the brief" if offset else f"the whole prompt of {node.id}"
        steps.insert(0, step("read_artifact", {"run_id": run.state.run_id, "path": path, "offset": offset}, why))
    return tuple(steps)


def _also_held(run: Run, node_id: NodeId | None, agent_id: AgentId) -> tuple[HeldRow, ...]:
    return tuple(_held_row(run.state.run_id, node) for node in holding(run.state.nodes, agent_id) if node.id != node_id)


def _held_besides(held: Sequence[TaskRecord], run_id: RunId, node_id: NodeId) -> tuple[HeldRow, ...]:
    others = (record for record in held if (record.run.run_id, record.node.id) != (run_id, node_id))
    return tuple(_held_row(record.run.run_id, record.node) for record in others)[:_HELD_SHOWN]


def _held_row(run_id: RunId, node: NodeState) -> HeldRow:
    expires_at = node.lease.expires_at if node.lease else None
    return HeldRow(run_id=run_id, node_id=node.id, attempt=node.attempt, lease_expires_at=expires_at)


def nothing_in_run(
    caller: Caller, outcome: Outcome, agent_id: AgentId, *, assigned_only: bool, min_priority: int
) -> ClaimNodeResult:
    """Why a run has nothing for the caller, and what may be done instead."""
    run, now = outcome.run, clock.now()
    held = _also_held(run, None, agent_id)
    calls = next_calls(run, caller, now=now)
    reason = str(outcome.answer["reason"])
    mine = [node for node in ready_work(run.state) if not assigned_only or node.agent_id in (None, agent_id)]
    low = [node for node in mine if node.priority < min_priority]
    told = (less_urgent_words(low, min_priority),) if low else ()
    return ClaimNodeResult.model_validate(
        {
            "claimed": False,
            "run_id": run.state.run_id,
            "run_status": run.state.status,
            "reason": reason,
            "say": "HEARTBEAT_OK" if reason == "empty" and not held and not calls else None,
            "holding": held,
            "queued": len(mine),
            "not_before": outcome.answer.get("notBefore"),
            "paused": paused_view(run.state),
            "waiting_for": waiting_for(run, now=now) or None,
            "warnings": (*outcome.warnings, *told),
            "next": calls,
        }
    )


def nothing_in_queue(registry: Registry, queue: AgentQueue, *, min_priority: int) -> ClaimNodeResult:
    """Why a queue has nothing for its agent.

    Raises:
        LogCorrupt: it is empty as far as can be seen, and there are runs that cannot be read.
    """
    held = tuple(_held_row(record.run.run_id, record.node) for record in queue.holding)[:_HELD_SHOWN]
    backs = [row.held_back for row in queue.rows]
    low = [row.node for row in queue.less_urgent]
    reason: Reason = "low_priority" if low else "waiting" if queue.pending else "empty"
    reason = next((back for back in _REASONS if back in backs), reason)
    calls = tuple(finish_step(record.run.run_id, record.node) for record in queue.holding[:2])
    paused = next((row.run_id for row in queue.rows if row.held_back == "paused"), None)
    if paused is not None:
        calls = (*calls, step("get_run", {"run_id": paused}, "it is paused: shows by whom and why"))
    calls = (*calls, *_in_the_way(registry, queue))
    return ClaimNodeResult(
        claimed=False,
        reason=reason,
        say="HEARTBEAT_OK" if reason == "empty" and not held else None,
        holding=held,
        queued=len(queue.rows),
        not_before=queue.not_before,
        held_by=_holders(queue)[:_HELD_SHOWN] or None,
        warnings=(
            *((less_urgent_words(low, min_priority),) if low else ()),
            *unreadable(registry, is_empty=reason == "empty" and not held),
        ),
        next=calls,
    )


def _holders(queue: AgentQueue) -> tuple[str, ...]:
    """The tasks that what is queued has to wait for."""
    return tuple(dict.fromkeys(task for row in queue.rows if row.held_back == "held" for task in row.held_by))


def _in_the_way(registry: Registry, queue: AgentQueue) -> tuple[NextStep, ...]:
    """The first task that has ended otherwise than what depends on it needs: waiting alone will not help."""
    for task in _holders(queue)[:_HOLDERS_LOOKED_AT]:
        status = registry.task_status(task)
        if status not in ("queued", "running", "completed"):
            run_id, node_id = split_task_id(task)
            so = "it cannot be read" if status == "unknown" else f"it is {status}"
            return (step("get_run", {"run_id": run_id, "node_id": node_id}, f"{so}, and holds what is queued"),)
    return ()
