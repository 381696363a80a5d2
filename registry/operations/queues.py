"""An agent's queue: the ready work assigned to it, over all open runs, in one total order.

The order is priority, then the time the node became ready, then the task id, so two agents who
ask at once never differ about what comes first.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ..core.claimable import held_by, is_ripe, queue_key, ready_work
from ..core.names import AgentId, RunId, moment
from ..core.run import NodeState, RunState
from ..errors import RegistryError
from ..registry import Registry

HeldBack = Literal["paused", "backoff", "held"]


@dataclass(frozen=True)
class QueuedNode:
    """A ready node of an agent. `held_back` says why it cannot be claimed now."""

    run_id: RunId
    node: NodeState
    held_back: HeldBack | None = None


@dataclass(frozen=True)
class AgentQueue:
    """What an agent has to do: `rows` ready, in queue order; `holding` under its leases; `pending` later."""

    rows: tuple[QueuedNode, ...]
    holding: tuple[QueuedNode, ...]
    pending: int

    @property
    def not_before(self) -> str | None:
        """When the first row that is held back by a back-off may be claimed."""
        return min((row.node.not_before for row in self.rows if row.node.not_before), default=None)


def queue_of(registry: Registry, agent_id: AgentId, *, min_priority: int, now: datetime) -> AgentQueue:
    """The queue of an agent, read from the states of all open runs; what time has ended there is ended first.

    This looks at every run there is. It is the one place that an index of nodes by agent replaces.
    """
    rows: list[QueuedNode] = []
    held: list[QueuedNode] = []
    pending = 0
    for run_id in list(registry.store.run_ids()):
        state = _state_of(registry, run_id, agent_id, now)
        if state is None:
            continue
        pending += sum(1 for node in state.nodes.values() if node.agent_id == agent_id and node.status == "pending")
        held += [
            QueuedNode(run_id, node)
            for node in state.nodes.values()
            if node.status == "running" and node.lease is not None and node.lease.owner == agent_id
        ]
        rows += [
            QueuedNode(run_id, node, _why_not(registry, state, node, now))
            for node in ready_work(state)
            if node.agent_id == agent_id and node.priority >= min_priority
        ]
    rows.sort(key=lambda row: queue_key(row.run_id, row.node))
    return AgentQueue(tuple(rows), tuple(held), pending)


def _state_of(registry: Registry, run_id: RunId, agent_id: AgentId, now: datetime) -> RunState | None:
    """An open run's state with what time has done to it; None where the agent has no part in it."""
    try:
        state = registry.store.state(run_id)
        if state.status not in ("running", "paused"):
            return None
        if not any(_concerns(node, agent_id) for node in state.nodes.values()):
            return None
        if state.wake_at is not None and moment(state.wake_at) <= now:
            state = registry.tick(run_id).run.state
    except RegistryError:
        return None  # One damaged or busy run must not stop an agent's whole queue; doctor names it.
    return state


def _concerns(node: NodeState, agent_id: AgentId) -> bool:
    return node.is_open and (node.agent_id == agent_id or (node.lease is not None and node.lease.owner == agent_id))


def _why_not(registry: Registry, state: RunState, node: NodeState, now: datetime) -> HeldBack | None:
    if state.status == "paused":
        return "paused"
    if not is_ripe(node, now):
        return "backoff"
    if node.depends_on:
        tasks = {task: registry.task_status(task) for task in node.depends_on}
        return "held" if held_by(node, tasks) else None
    return None
