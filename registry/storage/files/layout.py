"""The names of a registry's files."""

from typing import Final

RUNS: Final = "runs"
WORKFLOWS: Final = "workflows"
ARCHIVE: Final = "archive"
LOCKS: Final = ".locks"
PRIVATE: Final = ".opentask"
PLANS: Final = f"{PRIVATE}/plans"
SETTINGS: Final = "opentask.toml"
BUILDING: Final = ".new-"
"""Prefix of a run folder that is still being built."""

TRAIL: Final = "events.jsonl"
STATE: Final = "state.json"
REFS: Final = "refs.json"
EARLIER_REFS: Final = "openclaw.json"
PLAN: Final = "workflow.lock.md"
CONTROL: Final = "control.jsonl"
LOCK: Final = ".run.lock"
TORN: Final = ".torn"
NODES: Final = "nodes"
HANDOFF: Final = "handoff.md"

OWN_FILES: Final = frozenset({TRAIL, STATE, REFS, EARLIER_REFS, PLAN, CONTROL, TORN, LOCK})
"""Names in a run's folder that no artifact may have."""


def plan_cache(run_id: str) -> str:
    """The cached plan of a run, below the root; it may be deleted at any time."""
    return f"{PLANS}/{run_id}.json"


def node_folder(node_id: str) -> str:
    """A node's folder, run-relative."""
    return f"{NODES}/{node_id}"


def agent_lock(agent_id: str) -> str:
    """An agent's lock file, below `.locks/`."""
    return f"agent-{agent_id}.lock"
