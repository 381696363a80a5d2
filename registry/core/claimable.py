"""Which nodes may be claimed, and in which order: the queue as a view of one run."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from .names import AgentId, NodeId, TaskId, iso
from .run import NodeState, RunState
from .workflow import WORK_KINDS

QueueKey = tuple[int, str, str]


def queue_key(run_id: str, node: NodeState) -> QueueKey:
    """The total order of queues: priority, then the time it became ready, then the task id."""
    return (-node.priority, node.ready_at or "", f"{run_id}:{node.id}")


def held_by(node: NodeState, tasks: Mapping[TaskId, str]) -> tuple[TaskId, ...]:
    """The tasks in other runs that keep this node from starting."""
    return tuple(task for task in node.depends_on if tasks.get(task) != "completed")


def is_ripe(node: NodeState, now: datetime) -> bool:
    """Whether a ready node's back-off is over."""
    return node.not_before is None or node.not_before <= iso(now)


def ready_work(state: RunState) -> Iterable[NodeState]:
    """Ready nodes that somebody may work on, whether or not it is their time."""
    return (
        node
        for node in state.nodes.values()
        if node.status == "ready" and node.kind in WORK_KINDS and not node.managed and not node.hidden
    )


def claimable(
    state: RunState,
    *,
    now: datetime,
    tasks: Mapping[TaskId, str],
    agent_id: AgentId | None = None,
    or_nobodys: bool = True,
    min_priority: int = 1,
) -> list[NodeState]:
    """Nodes of a run that may be claimed now, in queue order.

    Args:
        agent_id: Only those assigned to this agent, and, with `or_nobodys`, to nobody.
    """
    if state.status != "running":
        return []
    found = [
        node
        for node in ready_work(state)
        if is_ripe(node, now)
        and not held_by(node, tasks)
        and node.priority >= min_priority
        and (agent_id is None or node.agent_id == agent_id or (or_nobodys and node.agent_id is None))
    ]
    return sorted(found, key=lambda node: queue_key(state.run_id, node))


def holding(nodes: Mapping[NodeId, NodeState], agent_id: AgentId) -> tuple[NodeState, ...]:
    """Running nodes that an agent has under a lease."""
    return tuple(
        node
        for node in nodes.values()
        if node.status == "running" and node.lease is not None and node.lease.owner == agent_id
    )
