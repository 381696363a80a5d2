"""A task as it stands in answers: one shape for the ledger, queues, and every face of them."""

from ..core.flow import Runtime
from ..core.names import clean_tags, task_id
from ..core.record import Json
from ..core.run import NodeState, RunState
from ..core.tasks import (
    TITLE_CHARS,
    TaskStatus,
    cleaned,
    created_at,
    public_status,
    runtime_of,
    terminal_outcome,
    updated_at,
)
from ..core.workflow import NodeKind
from .node_views import priority_label
from .table import Result


class Task(Result):
    """One task. Texts of others are cleaned and cut; prompts and reports are never in it."""

    id: str
    task_id: str
    kind: NodeKind
    runtime: Runtime
    status: TaskStatus
    title: str
    agent_id: str | None = None
    owner: str | None = None
    """Who has it in hand, where that is not the agent that it is assigned to."""
    session_key: str | None = None
    child_session_key: str | None = None
    owner_key: str | None = None
    run_id: str
    node_id: str
    flow_id: str | None = None
    parent_task_id: str | None = None
    source_id: str | None = None
    priority: int
    priority_label: str
    attempt: int
    max_attempts: int
    created_at: str
    updated_at: str
    started_at: str | None = None
    ended_at: str | None = None
    progress_summary: str | None = None
    terminal_summary: str | None = None
    terminal_outcome: str | None = None
    error: str | None = None
    tags: tuple[str, ...]
    group: str | None = None
    depends_on: tuple[str, ...]
    held_by: tuple[str, ...] | None = None
    held_back: str | None = None
    not_before: str | None = None
    position: int | None = None
    reconciled: bool | None = None
    """Its lease has run out and nobody has recorded it yet; the row shows the task as it will be."""


def task_of(run: RunState, node: NodeState, **more: Json) -> Task:
    """A node as a task; `more` are fields that only the caller knows."""
    return Task.model_validate({**task_fields(run, node), **more})


def task_fields(run: RunState, node: NodeState) -> dict[str, object]:
    """What a node says of itself as a task, for `model_validate`."""
    named = task_id(run.run_id, node.id)
    return {
        "id": named,
        "task_id": named,
        "kind": node.kind,
        "runtime": runtime_of(node),
        "status": public_status(node),
        "title": cleaned(node.title, TITLE_CHARS) or node.id,
        "agent_id": node.agent_id,
        "owner": _owner(node),
        "session_key": node.session_key or None,
        "child_session_key": node.child_session_key or None,
        "owner_key": run.flow.owner_key if run.flow is not None else run.source_session_key or None,
        "run_id": run.run_id,
        "node_id": node.id,
        "flow_id": run.run_id if run.flow is not None else None,
        "parent_task_id": _parent(run, node),
        "source_id": node.run_id or None,
        "priority": node.priority,
        "priority_label": priority_label(node.priority),
        "attempt": node.attempt,
        "max_attempts": node.max_attempts,
        "created_at": created_at(run, node),
        "updated_at": updated_at(run, node),
        "started_at": node.started_at,
        "ended_at": None if node.is_open else node.completed_at,
        "progress_summary": cleaned(node.progress) if node.is_open else None,
        "terminal_summary": None if node.is_open else cleaned(node.summary),
        "terminal_outcome": terminal_outcome(node),
        "error": cleaned(node.error),
        "tags": clean_tags((*run.tags, *node.tags)),
        "group": run.group,
        "depends_on": node.depends_on,
    }


def _owner(node: NodeState) -> str | None:
    if node.lease is None or node.status not in ("running", "waiting") or node.lease.owner == node.agent_id:
        return None
    return node.lease.owner


def _parent(run: RunState, node: NodeState) -> str | None:
    if node.parent is None:
        return None
    return node.parent if ":" in node.parent else task_id(run.run_id, node.parent)
