"""Nodes over all runs, for queues and the ledger: what they ask of storage, and the plainest answer.

A view gives records as they were recorded. Whoever shows them reconciles what time has ended
since. Records come from runs that are not archived and can be read; one damaged run never hides
the others. Hidden nodes are in no view.

`ScannedViews` reads every state there is. It is right by construction, so it serves the memory
twin and small registries, and it is what every faster answer is tested against.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from ..core.claimable import QueueKey, queue_key
from ..core.names import AgentId, RunId, TaskId, clean_tags, moment, task_id
from ..core.run import NodeState, RunState
from ..core.tasks import TaskStatus, created_at, is_of_session, public_status, updated_at
from ..core.workflow import WORK_KINDS
from ..errors import NotFound, RegistryError
from .port import Store

SortBy = Literal["updated", "created", "ended"]
SortKey = tuple[str, TaskId]
"""The time that a list is sorted by, and the task's id: no two tasks have the same."""


@dataclass(frozen=True)
class TaskRecord:
    """A node with its run's own fields; `run.nodes` may be empty."""

    run: RunState
    node: NodeState

    @property
    def task_id(self) -> TaskId:
        """`<runId>:<nodeId>`."""
        return task_id(self.run.run_id, self.node.id)


@dataclass(frozen=True)
class Desk:
    """What lies before an agent, as one look found it: `due`, `holding` and `ready` of the views."""

    due: list[RunId]
    holding: list[TaskRecord]
    ready: Iterator[TaskRecord]


class TaskFact(NamedTuple):
    """What statistics are made of: one task, as it was recorded."""

    task_id: TaskId
    agent_id: AgentId | None
    group: str | None
    status: TaskStatus
    created_at: str
    updated_at: str
    started_at: str | None
    ended_at: str | None
    overdue_at: str | None
    """When its worker is lost if nothing is heard; past that only its run can tell what becomes of it."""


@dataclass(frozen=True, kw_only=True)
class TaskQuery:
    """Which tasks are wanted; None means any. `since` and `until` (exclusive) bound what is sorted by.

    `statuses` are wanted as recorded at `now`: a node whose worker's time ran out by then is given
    for every status, since only its run can tell what becomes of it.
    """

    now: datetime
    statuses: frozenset[TaskStatus] | None = None
    agent_id: AgentId | None = None
    session_key: str | None = None
    run_id: RunId | None = None
    group: str | None = None
    tag: str | None = None
    min_priority: int = 1
    since: str | None = None
    until: str | None = None
    sort_by: SortBy = "updated"
    after: SortKey | None = None


class TaskViews(Protocol):
    """Queues and the ledger, as views of all runs."""

    def tasks(self, query: TaskQuery) -> Iterator[TaskRecord]:
        """Tasks that match, newest first in the order of `sort_key`; those of `after` and before it are left out."""
        ...

    def facts(self, *, agent_id: AgentId | None = None) -> Iterator[TaskFact]:
        """Every task in short, in no order."""
        ...

    def ready(self, agent_id: AgentId) -> Iterator[TaskRecord]:
        """Ready work assigned to an agent in running and paused runs, in queue order."""
        ...

    def ahead(self, agent_id: AgentId, key: QueueKey) -> int:
        """How many of `ready` come before a place in the queue."""
        ...

    def pending(self, agent_id: AgentId) -> int:
        """How many nodes of an agent wait for others in running and paused runs."""
        ...

    def holding(self, agent_id: AgentId) -> list[TaskRecord]:
        """Nodes that an agent has under a lease, recorded as running, oldest start first."""
        ...

    def due(self, agent_id: AgentId, now: datetime) -> list[RunId]:
        """Runs whose `wakeAt` is past and in which open nodes are the agent's or held by it."""
        ...

    def desk(self, agent_id: AgentId, now: datetime) -> Desk:
        """All three of these at once."""
        ...

    def agents(self) -> list[AgentId]:
        """Agents that nodes are assigned to, sorted."""
        ...

    def unreadable(self) -> list[RunId]:
        """Runs that are in no view because they cannot be read, sorted."""
        ...


def sort_key(record: TaskRecord, sort_by: SortBy) -> SortKey | None:
    """Where a task stands in a list; None where it does not belong: only ended tasks have an end."""
    if sort_by == "ended":
        ended = record.node.completed_at if not record.node.is_open else None
        return None if ended is None else (ended, record.task_id)
    at = created_at(record.run, record.node) if sort_by == "created" else updated_at(record.run, record.node)
    return (at, record.task_id)


def is_within(query: TaskQuery, key: SortKey) -> bool:
    """Whether a place in the list lies behind `after` and within the times wanted."""
    return (
        (query.after is None or key < query.after)
        and (query.since is None or key[0] >= query.since)
        and (query.until is None or key[0] < query.until)
    )


def matches(query: TaskQuery, record: TaskRecord) -> bool:
    """Whether a task is wanted, its place in the list apart."""
    run, node = record.run, record.node
    return (
        not node.hidden
        and (query.agent_id is None or node.agent_id == query.agent_id)
        and (query.run_id is None or run.run_id == query.run_id)
        and (query.group is None or run.group == query.group)
        and (query.tag is None or query.tag in clean_tags((*run.tags, *node.tags)))
        and node.priority >= query.min_priority
        and (query.session_key is None or is_of_session(run, node, query.session_key))
        and (query.statuses is None or public_status(node) in query.statuses or node.is_overdue(query.now))
    )


class ScannedViews:
    """The views, read from the state of every run each time they are asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def _states(self) -> Iterator[RunState]:
        for run_id in list(self._store.run_ids()):
            try:
                yield self._store.state(run_id)
            except RegistryError:
                continue  # doctor names it

    def _records(self) -> Iterator[TaskRecord]:
        for state in self._states():
            run = state.model_copy(update={"nodes": {}})
            yield from (TaskRecord(run, node) for node in state.nodes.values())

    def tasks(self, query: TaskQuery) -> Iterator[TaskRecord]:
        """All that match, sorted."""
        found: list[tuple[SortKey, TaskRecord]] = []
        for record in self._records():
            key = sort_key(record, query.sort_by)
            if key is not None and is_within(query, key) and matches(query, record):
                found.append((key, record))
        found.sort(key=lambda pair: pair[0], reverse=True)
        return iter([record for _, record in found])

    def facts(self, *, agent_id: AgentId | None = None) -> Iterator[TaskFact]:
        """Every task in short."""
        for record in self._records():
            if not record.node.hidden and (agent_id is None or record.node.agent_id == agent_id):
                yield fact_of(record)

    def ready(self, agent_id: AgentId) -> Iterator[TaskRecord]:
        """Ready work of an agent, in queue order."""
        found = [
            record
            for record in self._open_records()
            if record.node.agent_id == agent_id and record.node.status == "ready" and is_queued(record.node)
        ]
        return iter(sorted(found, key=lambda record: queue_key(record.run.run_id, record.node)))

    def ahead(self, agent_id: AgentId, key: QueueKey) -> int:
        """How many come before a place."""
        return sum(1 for record in self.ready(agent_id) if queue_key(record.run.run_id, record.node) < key)

    def pending(self, agent_id: AgentId) -> int:
        """Nodes that will come later."""
        nodes = (record.node for record in self._open_records())
        return sum(1 for node in nodes if node.agent_id == agent_id and node.status == "pending" and is_queued(node))

    def holding(self, agent_id: AgentId) -> list[TaskRecord]:
        """What an agent has under a lease."""
        found = [
            record
            for record in self._open_records()
            if record.node.status == "running" and record.node.lease and record.node.lease.owner == agent_id
        ]
        return sorted(found, key=lambda record: (record.node.started_at or "", record.task_id))

    def due(self, agent_id: AgentId, now: datetime) -> list[RunId]:
        """Runs to tick before the agent's queue is read."""
        return [
            state.run_id
            for state in self._states()
            if state.status in ("running", "paused")
            and state.wake_at is not None
            and moment(state.wake_at) <= now
            and any(concerns(node, agent_id) for node in state.nodes.values())
        ]

    def desk(self, agent_id: AgentId, now: datetime) -> Desk:
        """What lies before an agent."""
        return Desk(self.due(agent_id, now), self.holding(agent_id), self.ready(agent_id))

    def agents(self) -> list[AgentId]:
        """Agents with work of any status."""
        return sorted({node.agent_id for state in self._states() for node in state.nodes.values() if node.agent_id})

    def unreadable(self) -> list[RunId]:
        """Runs whose state cannot be had."""
        damaged = []
        for run_id in list(self._store.run_ids()):
            try:
                self._store.state(run_id)
            except NotFound:
                continue  # moved while we looked, or somebody's folder
            except RegistryError:
                damaged.append(run_id)
        return sorted(damaged)

    def _open_records(self) -> Iterator[TaskRecord]:
        return (record for record in self._records() if record.run.status in ("running", "paused"))


def fact_of(record: TaskRecord) -> TaskFact:
    """A task in short."""
    node = record.node
    return TaskFact(
        task_id=record.task_id,
        agent_id=node.agent_id,
        group=record.run.group,
        status=public_status(node),
        created_at=created_at(record.run, node),
        updated_at=updated_at(record.run, node),
        started_at=node.started_at,
        ended_at=None if node.is_open else node.completed_at,
        overdue_at=node.overdue_at,
    )


def is_queued(node: NodeState) -> bool:
    """Whether a node can ever be in a queue."""
    return node.kind in WORK_KINDS and not node.managed and not node.hidden


def concerns(node: NodeState, agent_id: AgentId) -> bool:
    """Whether an open node is an agent's, or held by it."""
    return node.is_open and (node.agent_id == agent_id or (node.lease is not None and node.lease.owner == agent_id))


def next_page(query: TaskQuery, record: TaskRecord) -> TaskQuery:
    """The same list from behind a record."""
    return replace(query, after=sort_key(record, query.sort_by))
