"""Rows of the index, made from a run's state.

A row is a mapping of columns, so that a change writes the columns that differ and SQLite touches
the indexes on those alone: a heartbeat in a run of a thousand nodes must not cost a thousand rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from pydantic_core import to_json

from ...core.digest import agents_of, digest_document, own_session_keys, titles_searched, words_searched
from ...core.names import RunId, clean_tags, task_id
from ...core.run import NodeState, RunState
from ...core.tasks import created_at, public_status, updated_at
from ..listing import changed_at
from ..views import is_queued

Value = str | int | bytes | None
Row = dict[str, Value]
Part = tuple[str, str]
"""Whose run it is: workflow or agent, and which."""

Change = tuple[NodeState | None, NodeState]
"""A node as it was, if there was one, and as it is."""

RUNS: Final = "runs"
ARCHIVE: Final = "archive"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NO_RUN: Final[Row] = {
    "status": "",
    "updated_at": "",
    "updated_us": None,
    "workflow_id": "",
    "task_group": None,
    "tags": "",
    "source_key": "",
    "created_at": "",
    "wake_at": None,
    "words": "",
    "digest": b"",
}


class Files(NamedTuple):
    """What tells whether a run's files are those a row was made from; zeros where there are none.

    `log_size` also says how far into the trail the row goes.
    """

    log_size: int
    log_ns: int
    state_ns: int


@dataclass(frozen=True)
class Indexed:
    """A run as it is to stand in the index: its state, or why it has none."""

    run_id: RunId
    place: str
    files: Files
    state: RunState | None
    fault: str | None = None


def run_row(run: Indexed) -> Row:
    """The row of a run."""
    where: Row = {
        "place": run.place,
        "is_archived": int(run.place != RUNS),
        "fault": run.fault,
        "log_size": run.files.log_size,
        "log_ns": run.files.log_ns,
        "state_ns": run.files.state_ns,
    }
    return {**where, **(_NO_RUN if run.state is None else state_row(run.state))}


def state_row(state: RunState) -> Row:
    """The columns of a run's row that come from its state."""
    changed = changed_at(state)
    return {
        "status": state.status,
        "updated_at": state.updated_at,
        "updated_us": None if changed is None else microseconds(changed),
        "workflow_id": state.workflow_id,
        "task_group": state.group,
        "tags": tags_text(state.tags),
        "source_key": state.source_session_key,
        "created_at": state.created_at,
        "wake_at": wake_at(state),
        "words": words_searched(state),
        "digest": to_json(digest_document(state)),
    }


def wake_at(state: RunState) -> str | None:
    """When time alone may change the run; an ended one sleeps for good."""
    return state.wake_at if state.status in ("running", "paused") else None


def node_row(run: RunState, node: NodeState) -> Row:
    """The row of a node, without its key."""
    status, is_open, lease = node.status, node.is_open, node.lease
    is_work = status in ("ready", "pending") and is_queued(node)
    return {
        "public": public_status(node),
        "is_running": status == "running",
        "is_queued": is_work and status == "ready",
        "is_pending": is_work and status == "pending",
        "is_open": is_open,
        "is_hidden": node.hidden,
        "agent_id": node.agent_id or None,
        "owner": lease.owner if lease is not None else None,
        "overdue_at": node.overdue_at,
        "priority": node.priority,
        "ready_at": node.ready_at or "",
        "created_at": created_at(run, node),
        "updated_at": updated_at(run, node),
        "started_at": node.started_at,
        "ended_at": node.completed_at if not is_open else None,
        "session_key": node.session_key if node.session_key != run.source_session_key else None,
        "child_key": node.child_session_key or None,
        "tags": tags_text(node.tags),
    }


def node_rows(run: RunState) -> Iterator[Row]:
    """The rows of all nodes, each with its key."""
    for node in run.nodes.values():
        yield {"task_id": task_id(run.run_id, node.id), **node_row(run, node)}


def links(run: RunState) -> set[str]:
    """The sessions of a run that are not its nodes'."""
    return own_session_keys(run)


def parts(run: RunState) -> set[Part]:
    """Whose run it is: of which workflow, and of which agents."""
    return {("workflow", run.workflow_id), *(("agent", agent) for agent in agents_of(run))}


def has_same_parts(before: RunState, after: RunState, changed: Iterable[Change]) -> bool:
    """Whether it is nobody else's run now."""
    if (before.workflow_id, before.source_agent_id) != (after.workflow_id, after.source_agent_id):
        return False
    if len(before.nodes) == len(after.nodes) and all(
        former is not None and _agents(former) == _agents(node) for former, node in changed
    ):
        return True
    return parts(before) == parts(after)


def _agents(node: NodeState) -> set[str | None]:
    """Whose work a node is; a claim by the agent that it is assigned to changes nothing of that."""
    owner = node.lease.owner if node.lease is not None else None
    return {node.agent_id or owner, owner or node.agent_id}


def titles(run: RunState) -> str:
    """The text of titles to be searched."""
    return titles_searched(run)


def has_same_titles(before: RunState, after: RunState, changed: Iterable[Change]) -> bool:
    """Whether nothing was named otherwise; the order of nodes does not count."""
    if (before.title, before.tags, before.group) != (after.title, after.tags, after.group):
        return False
    return len(before.nodes) == len(after.nodes) and all(
        former is not None and former.title == node.title for former, node in changed
    )


def differences(before: Row, after: Row) -> Row:
    """The columns whose values differ, as they are to be."""
    return {column: value for column, value in after.items() if before[column] != value}


def tags_text(tags: Sequence[str]) -> str:
    """Tags in one text, in which each is found by `tag_part`."""
    return "\x1f".join(("", *clean_tags(tags), "")) if tags else ""


def tag_part(tag: str) -> str:
    """What a text of tags holds when it has this one."""
    return sound(f"\x1f{tag}\x1f")


def microseconds(moment: datetime) -> int:
    """A moment as a number that sorts."""
    return (moment - _EPOCH) // (datetime.resolution)


def sound(text: str) -> str:
    """Somebody's words without what cannot be encoded and therefore stands nowhere."""
    return text.encode(errors="replace").decode() if not text.isascii() else text
