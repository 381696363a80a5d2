"""A node as the ledger shows it: the public status of a task, its times, and texts fit for a list."""

import re
from typing import Final, Literal

from .flow import Runtime
from .names import NodeId, RunId, WorkflowId, one_line
from .run import NodeState, RunState

TaskStatus = Literal["queued", "running", "completed", "failed", "timed_out", "cancelled"]

TASK_WORKFLOW: Final[WorkflowId] = "task"
"""The workflow of a run that was made from one errand."""

TASK_NODE: Final = "work"
"""Its only node; a bare run id means this one."""

TEXT_CHARS: Final = 120
TITLE_CHARS: Final = 80

_INTERNAL: Final = re.compile(
    # A block that is not closed hides the rest: better too little than somebody's instructions.
    r"<<<\s*BEGIN[ _][A-Z_ ]*INTERNAL[ _]CONTEXT\s*>>>.*?(?:<<<\s*END[ _][A-Z_ ]*INTERNAL[ _]CONTEXT\s*>>>|\Z)"
    r"|<(internal[-_]context|system[-_]reminder)\b[^>]*>.*?(?:</\1\s*>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_RUNTIMES: Final[dict[str, Runtime]] = {"subagent": "subagent", "wait": "wait", "approval": "approval"}


def public_status(node: NodeState) -> TaskStatus:
    """What somebody who only knows tasks is told of a node."""
    status = node.status
    if status in ("pending", "ready"):
        return "queued"
    if status in ("running", "waiting"):
        return "running"
    if node.outcome == "timed_out":
        return "timed_out"
    if node.outcome == "cancelled":
        return "cancelled"
    return "failed" if status == "failed" else "completed"


def terminal_outcome(node: NodeState) -> str | None:
    """Why a task ended as it did, where its status does not say it."""
    if node.status == "skipped" and node.outcome != "cancelled":
        return "skipped"
    return None if node.is_open else node.outcome


def runtime_of(node: NodeState) -> Runtime:
    """What kind of thing carries the work."""
    return node.runtime or _RUNTIMES.get(node.kind, "session")


def created_at(run: RunState, node: NodeState) -> str:
    """When the task came to be: with its run, unless it was added later."""
    return node.created_at or run.created_at


def updated_at(run: RunState, node: NodeState) -> str:
    """When something last happened to this task; what happens to others of its run does not count."""
    lease, attempts = node.lease, node.attempts
    return max(
        created_at(run, node),
        node.ready_at or "",
        node.started_at or "",
        node.waiting_since or "",
        node.completed_at or "",
        node.heard_at or "",
        (lease.heard_at or "") if lease is not None else "",
        attempts[-1].at if attempts else "",
    )


def is_of_session(run: RunState, node: NodeState, session_key: str) -> bool:
    """Whether a session works on the task, did, or asked for it."""
    owner = run.flow.owner_key if run.flow is not None else run.source_session_key
    return session_key in (node.session_key, node.child_session_key, owner)


def is_task_run(run: RunState) -> bool:
    """Whether the run is one errand and nothing else, so that its only node stands for all of it."""
    return run.workflow_id == TASK_WORKFLOW and list(run.nodes) == [TASK_NODE]


def params_path(node_id: NodeId) -> str:
    """Where a task's parameters lie for who reads files; run-relative."""
    return f"nodes/{node_id}/params.json"


def split_task_id(task: str) -> tuple[RunId, str]:
    """The run and node that a task id names; a bare run id names the node of an errand."""
    run_id, _, node_id = task.partition(":")
    return run_id, node_id or TASK_NODE


def cleaned(text: str | None, length: int = TEXT_CHARS) -> str | None:
    """Somebody's text fit for one line of a list; None where nothing is left of it."""
    if not text:
        return None
    line = one_line(_INTERNAL.sub(" ", text))
    if not line:
        return None
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"
