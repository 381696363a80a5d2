"""An agent's queue: the ready work assigned to it, over all open runs, in one total order.

The order is priority, then the time the node became ready, then the task id, so two agents who
ask at once never differ about what comes first. Reading a queue changes nothing: what a tick
would make ready, since a lease ran out or a wait is over, is shown where it will stand.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from typing import Final, Literal

from ..core.claimable import held_by, is_ripe, queue_key, ready_work
from ..core.names import AgentId, RunId, TaskId
from ..core.run import NodeState
from ..errors import RegistryError
from ..registry import Registry
from ..storage.views import Desk, TaskRecord

HeldBack = Literal["paused", "backoff", "held"]
LESS_URGENT_MAX: Final = 100


@dataclass(frozen=True)
class QueuedNode:
    """A ready node of an agent. `held_back` says why it cannot be claimed now, `held_by` which tasks hold it."""

    record: TaskRecord
    held_back: HeldBack | None = None
    held_by: tuple[TaskId, ...] = ()

    @property
    def run_id(self) -> RunId:
        """The node's run."""
        return self.record.run.run_id

    @property
    def node(self) -> NodeState:
        """The node as it stands."""
        return self.record.node


@dataclass(frozen=True)
class AgentQueue:
    """What an agent has to do: `rows` ready, in queue order; `holding` under its leases; `pending` later.

    `less_urgent` are ready too, below the priority that was asked for; the first hundred.
    """

    rows: tuple[QueuedNode, ...]
    holding: tuple[TaskRecord, ...]
    pending: int
    less_urgent: tuple[QueuedNode, ...] = ()

    @property
    def not_before(self) -> str | None:
        """When the first row that is held back by a back-off may be claimed."""
        return min((row.node.not_before for row in self.rows if row.node.not_before), default=None)


def queue_of(registry: Registry, agent_id: AgentId, *, min_priority: int = 1, now: datetime) -> AgentQueue:
    """The whole queue of an agent."""
    desk = registry.views.desk(agent_id, now)
    rows: list[QueuedNode] = []
    less_urgent: list[QueuedNode] = []
    for row in rows_of(registry, agent_id, desk, now=now):
        if row.node.priority >= min_priority:
            rows.append(row)
        elif len(less_urgent) < LESS_URGENT_MAX:
            less_urgent.append(row)
        else:
            break
    held = held_of(desk.holding, now=now)
    return AgentQueue(tuple(rows), tuple(held), registry.views.pending(agent_id), tuple(less_urgent))


def less_urgent_words(nodes: Sequence[NodeState], min_priority: int) -> str:
    """How many ready nodes are below the priority that was asked for; there is one at least."""
    count = f"{len(nodes)} or more" if len(nodes) >= LESS_URGENT_MAX else str(len(nodes))
    most = max(node.priority for node in nodes)
    return f"{count} ready below min_priority {min_priority}, the most urgent with {most}: ask with a lower one"


def queued(registry: Registry, agent_id: AgentId, *, min_priority: int = 1, now: datetime) -> Iterator[QueuedNode]:
    """An agent's ready nodes in queue order, looked at one by one as they are taken."""
    return rows_of(registry, agent_id, registry.views.desk(agent_id, now), min_priority=min_priority, now=now)


def rows_of(
    registry: Registry, agent_id: AgentId, desk: Desk, *, min_priority: int = 1, now: datetime
) -> Iterator[QueuedNode]:
    """The same, where what lies before the agent was looked at already."""
    records = desk.ready
    if desk.due:
        fresh = sorted(_reconciled(registry, desk.due, agent_id), key=_key)
        others = (record for record in desk.ready if record.run.run_id not in desk.due)
        records = merge(others, fresh, key=_key)
    known: dict[TaskId, str] = {}
    for record in records:
        if record.node.priority < min_priority:
            return
        yield _judged(registry, record, now, known)


def settled_desk(registry: Registry, agent_id: AgentId, *, now: datetime) -> Desk:
    """What lies before an agent once what time has ended in its runs is recorded: lost work is in its queue again."""
    desk = registry.views.desk(agent_id, now)
    if not desk.due:
        return desk
    for run_id in desk.due:
        try:
            registry.tick(run_id)
        except RegistryError:
            continue  # One damaged or busy run must not stop an agent's whole queue; doctor names it.
    return registry.views.desk(agent_id, now)


def holding_of(registry: Registry, agent_id: AgentId, *, now: datetime) -> list[TaskRecord]:
    """What an agent has under leases that still live."""
    return held_of(registry.views.holding(agent_id), now=now)


def held_of(records: Iterable[TaskRecord], *, now: datetime) -> list[TaskRecord]:
    """Those whose leases still live."""
    return [record for record in records if not record.node.lease_has_expired(now)]


def _key(record: TaskRecord) -> tuple[int, str, str]:
    return queue_key(record.run.run_id, record.node)


def _reconciled(registry: Registry, run_ids: list[RunId], agent_id: AgentId) -> Iterator[TaskRecord]:
    """Ready nodes of runs in which a lease or a wait may be over, as a claim would find them."""
    for run_id in run_ids:
        try:
            state = registry.foreseen(run_id).state
        except RegistryError:
            continue
        if state.is_ended:
            continue
        run = state.model_copy(update={"nodes": {}})
        yield from (TaskRecord(run, node) for node in ready_work(state) if node.agent_id == agent_id)


def _judged(registry: Registry, record: TaskRecord, now: datetime, known: dict[TaskId, str]) -> QueuedNode:
    node = record.node
    for task in node.depends_on:
        if task not in known:
            known[task] = registry.task_status(task)
    holds = held_by(node, known)
    if record.run.status == "paused":
        return QueuedNode(record, "paused", holds)
    if not is_ripe(node, now):
        return QueuedNode(record, "backoff", holds)
    return QueuedNode(record, "held" if holds else None, holds)
