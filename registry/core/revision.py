"""When the revision that callers see moves.

Callers guard decisions with it, so it moves with what decisions rest on: statuses, the plan
and the bindings. Heartbeats, notes, progress and messages leave it alone.
"""

from operator import itemgetter
from typing import Final

from .run import NodeState, Refs, RunState

_of_node: Final = itemgetter(
    "status", "outcome", "title", "kind", "needs", "agent_id", "priority", "session_key", "child_session_key",
    "run_id", "attempt", "retry_count", "wait", "summary", "result", "depends_on", "hidden",
)  # fmt: skip
_of_run: Final = itemgetter(
    "status", "title", "source_session_key", "source_agent_id", "delivery_context", "root_session_key",
    "planner_session_key", "driver_session_key", "cron_job_id", "tags", "group", "flow",
)  # fmt: skip
_of_refs: Final = itemgetter(
    "cron_job_id", "source_session_key", "root_session_key", "planner_session_key", "driver_session_key",
    "driver_run_id", "node_sessions", "child_sessions", "node_run_ids",
)  # fmt: skip


def node_matters(old: NodeState | None, new: NodeState) -> bool:
    """Whether a node's change is one that decisions rest on."""
    return old is None or (old is not new and _of_node(old.__dict__) != _of_node(new.__dict__))


def run_matters(old: RunState, new: RunState) -> bool:
    """Whether the run's own fields changed in a way that decisions rest on (nodes apart)."""
    return old is not new and _of_run(old.__dict__) != _of_run(new.__dict__)


def refs_matter(old: Refs, new: Refs) -> bool:
    """Whether a binding changed."""
    return old is not new and _of_refs(old.__dict__) != _of_refs(new.__dict__)
