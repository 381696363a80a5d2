"""Public statuses of tasks in other runs, for nodes that depend on them."""

from collections.abc import Sequence
from typing import Protocol

from ..core.names import RunId, TaskId
from ..core.run import NodeState, RunState
from ..errors import RegistryError


class States(Protocol):
    """A store as far as it gives states."""

    def state(self, run_id: RunId) -> RunState: ...


def task_statuses(store: States, tasks: Sequence[TaskId]) -> dict[TaskId, str]:
    """The public status of those tasks that can be read."""
    states: dict[RunId, RunState | None] = {}
    found: dict[TaskId, str] = {}
    for task in tasks:
        run_id, _, node_id = task.partition(":")
        if run_id not in states:
            try:
                states[run_id] = store.state(run_id)
            except RegistryError:
                states[run_id] = None
        state = states[run_id]
        if state is not None and node_id in state.nodes:
            found[task] = _public(state.nodes[node_id])
    return found


def _public(node: NodeState) -> str:
    match node.status:
        case "pending" | "ready":
            return "queued"
        case "running" | "waiting":
            return "running"
        case "completed":
            return "completed"
        case "failed":
            return "timed_out" if node.outcome == "timed_out" else "failed"
        case "skipped":
            return "cancelled" if node.outcome == "cancelled" else "completed"
