"""What lists say of a run, in so few words that a hundred thousand of them can be kept beside each other.

A digest is made from a state and nothing else, so one that was kept is as good as one made anew.
What depends on the hour (whether a lease ran out, whether a back-off is over) is kept as the
times it depends on, and said by `attention` at the moment somebody asks.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, Literal

from .claimable import queue_key, ready_work
from .names import AgentId, NodeId, RunId, WorkflowId, iso, moment
from .record import Record
from .run import NodeState, NodeStatus, RunState, RunStatus

PROGRESS_CHARS: Final = 200
NAMED_MAX: Final = 3
_ORDER: Final[tuple[NodeStatus, ...]] = (
    "pending", "ready", "running", "waiting", "completed", "failed", "skipped"
)  # fmt: skip
_BETWEEN: Final = "\x1f"
"""Stands between texts that are searched as one; nobody types it."""


class Named(Record):
    """Nodes of which the first few are named."""

    ids: tuple[NodeId, ...] = ()
    count: int = 0

    @property
    def words(self) -> str:
        """The names, and how many more there are."""
        return ", ".join(self.ids) + (f" and {self.count - len(self.ids)} more" if self.count > len(self.ids) else "")


class Timed(Record):
    """A node and the moment that decides about it; None where none does."""

    id: NodeId
    at: str | None = None


class RunDigest(Record):
    """A run in a list."""

    run_id: RunId
    title: str
    status: RunStatus
    workflow_id: WorkflowId
    updated_at: str
    counts: dict[str, int]
    """How many nodes stand where; statuses nobody has are absent."""
    last_progress: str = ""
    agent_ids: tuple[AgentId, ...] = ()
    """Agents that nodes are assigned to or held by."""
    paused_at: str | None = None
    paused_by: Literal["a person", "an agent"] | None = None
    failed: Named = Named()
    approvals: Named = Named()
    approval_since: str | None = None
    blocked: str | None = None
    """What blocks a flow: a task, or nothing that was named."""
    unread: int = 0
    """Messages of people that nobody has read."""
    leases: tuple[Timed, ...] = ()
    """Running nodes, by when their lease ends."""
    waits: tuple[Timed, ...] = ()
    """Waiting nodes that time alone lets go on, by when it does."""
    ready: tuple[Timed, ...] = ()
    """Nodes to be claimed in queue order, by when their back-off ends; none that tasks of other runs hold."""
    archived: str | None = None
    """The month's folder in the archive, for a run that was moved there."""


def digest_of(state: RunState) -> RunDigest:
    """A run in the words of lists."""
    return RunDigest.model_validate(digest_document(state))


def digest_document(state: RunState) -> dict[str, object]:
    """The same as it is kept: every change of a run makes one anew, and nobody reads most of them."""
    counts: dict[str, int] = {}
    failed: list[NodeId] = []
    approvals: list[NodeState] = []
    leases: list[dict[str, str]] = []
    waits: list[dict[str, str]] = []
    agents: set[AgentId] = set()
    for node in state.nodes.values():
        status = node.status
        counts[status] = counts.get(status, 0) + 1
        if node.agent_id:
            agents.add(node.agent_id)
        if (lease := node.lease) is not None:
            agents.add(lease.owner)
            if status == "running" and lease.expires_at is not None:
                leases.append(_timed(node.id, lease.expires_at))
        if status == "failed":
            failed.append(node.id)
        elif status == "waiting" and node.kind == "approval":
            approvals.append(node)
        elif status == "waiting" and (at := _goes_on_at(node)) is not None:
            waits.append(_timed(node.id, at))
    document: dict[str, object] = {
        "runId": state.run_id,
        "title": state.title,
        "status": state.status,
        "workflowId": state.workflow_id,
        "updatedAt": state.updated_at,
        "counts": {status: counts[status] for status in _ORDER if status in counts},
    }
    rest: dict[str, object] = {
        "lastProgress": " ".join(state.last_progress_message.split())[:PROGRESS_CHARS],
        "agentIds": sorted(agents),
        "failed": _named_document(failed),
        "approvals": _named_document([node.id for node in approvals]),
        "approvalSince": approvals[0].waiting_since if approvals else None,
        "unread": len(state.messages),
        "leases": leases,
        "waits": waits,
        "ready": _ready(state) if "ready" in counts else [],
    }
    document.update({name: value for name, value in rest.items() if value})
    return {**document, **_standstill(state)}


def _standstill(state: RunState) -> dict[str, object]:
    """Why nothing goes on, where the run itself says so."""
    found: dict[str, object] = {}
    if state.status == "paused":
        paused = state.paused
        found["pausedBy"] = "an agent" if paused is not None and paused.actor.kind == "agent" else "a person"
        if paused is not None:
            found["pausedAt"] = paused.at
    if state.flow is not None and state.flow.status == "blocked":
        found["blocked"] = state.flow.blocked_task_id or ""
    return found


def _goes_on_at(node: NodeState) -> str | None:
    """When a tick ends the wait of a node, where time alone decides it."""
    if node.wait is None or node.wait.type not in ("until", "next_tick"):
        return None
    return node.wait.at if node.wait.type == "until" else node.waiting_since


def _ready(state: RunState) -> list[dict[str, str]]:
    if state.status != "running":
        return []
    free = [node for node in ready_work(state) if not node.depends_on]
    free.sort(key=lambda node: queue_key(state.run_id, node))
    return [_timed(node.id, node.not_before) for node in free]


def _timed(node_id: NodeId, at: str | None) -> dict[str, str]:
    return {"id": node_id} if at is None else {"id": node_id, "at": at}


def _named_document(ids: list[NodeId]) -> dict[str, object]:
    return {"ids": ids[:NAMED_MAX], "count": len(ids)} if ids else {}


def _named(ids: list[NodeId]) -> Named:
    return Named(ids=tuple(ids[:NAMED_MAX]), count=len(ids))


def attention(digest: RunDigest, *, now: datetime) -> str | None:
    """What the run wants of somebody, the most pressing thing first; None when it goes by itself."""
    status = digest.status
    if status == "paused":
        return f"paused by {digest.paused_by}" + (f" since {digest.paused_at}" if digest.paused_at else "")
    if status == "failed":
        return f"failed at {digest.failed.words}" if digest.failed.count else "failed"
    if status in ("completed", "cancelled"):
        return None
    if digest.blocked is not None:
        return "the flow is blocked" + (f" by {digest.blocked}" if digest.blocked else "")
    if digest.approvals.count:
        since = f" since {digest.approval_since}" if digest.approval_since else ""
        return f"waits for a person to decide about {digest.approvals.words}{since}"
    if digest.unread:
        return f"{digest.unread} unread message{'s' if digest.unread > 1 else ''} from people"
    lost = [lease.id for lease in digest.leases if lease.at is not None and moment(lease.at) <= now]
    if lost:
        return f"the worker of {_named(lost).words} let its lease run out"
    over = [wait.id for wait in digest.waits if wait.at is not None and moment(wait.at) <= now]
    if over:
        return f"the wait of {_named(over).words} is over"
    ready = [node.id for node in digest.ready if node.at is None or node.at <= iso(now)]
    if ready:
        return f"ready to be claimed: {_named(ready).words}"
    return f"{digest.failed.words} failed" if digest.failed.count else None


def agents_of(state: RunState) -> set[AgentId]:
    """Agents that the run came from, that nodes are assigned to, or that hold them."""
    found = {node.agent_id for node in state.nodes.values() if node.agent_id}
    found |= {node.lease.owner for node in state.nodes.values() if node.lease}
    return found | {state.source_agent_id}


def own_session_keys(state: RunState) -> set[str]:
    """Sessions of the run itself."""
    return {state.source_session_key, state.root_session_key, state.planner_session_key, state.driver_session_key}


def session_keys(state: RunState) -> set[str]:
    """Sessions that have anything to do with the run."""
    keys = own_session_keys(state)
    for node in state.nodes.values():
        keys |= {node.session_key, node.child_session_key}
    return keys


def titles_searched(state: RunState) -> str:
    """What the run and its nodes are called, to be searched; it changes only with the plan."""
    titles = (node.title for node in state.nodes.values())
    return _joined((state.run_id, state.workflow_id, state.title, *state.tags, state.group or "", *titles))


def words_searched(state: RunState) -> str:
    """What was said lately in a run, to be searched: its progress and the messages of people."""
    return _joined((state.last_progress_message, *(message.message for message in state.messages)))


def _joined(texts: Iterable[str]) -> str:
    return _BETWEEN.join(text.casefold() for text in texts)
