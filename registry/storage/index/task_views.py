"""Queues and the ledger, from the index.

The index says which nodes and in which order; the nodes themselves are read from their runs, as
they are taken. What a run's files no longer confirm is made anew and looked for again.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final

from ...core.claimable import QueueKey
from ...core.limits import PRIORITY_MAX
from ...core.names import AgentId, RunId, TaskId, iso
from ...core.run import RunState
from ...errors import NotFound, RegistryError
from ..views import Desk, ScannedViews, TaskFact, TaskQuery, TaskRecord, is_queued, matches, sort_key
from .database import Database, IndexUnusable
from .folders import RunFolders
from .ledger import CHUNK, RUN_COLUMNS, ledger_rows
from .refreshing import Refresher
from .rows import RUNS, Files, Value, sound
from .schema import FAULTY

SLICE_S: Final = 10.0
"""A queue must not leave work out, so it waits longer than a list for runs that nobody indexed yet."""

_FACTS_CHUNK: Final = 2_000
_STATES_KEPT: Final = 64
_REREADINGS_MAX: Final = 3
_FIRST: Final = 1
"""Tasks looked at first: a claim nearly always takes the head, and each one costs a look at its run's files."""
_GROWTH: Final = 8
_IS_OPEN: Final = "NOT runs.is_archived AND runs.status IN ('running', 'paused')"

_QUEUE: Final = f"""
    SELECT {RUN_COLUMNS}, nodes.task_id, nodes.priority, nodes.ready_at
    FROM nodes INDEXED BY nodes_queued CROSS JOIN runs ON runs.id = nodes.run
    WHERE nodes.is_queued AND nodes.agent_id = :agent AND {_IS_OPEN} AND nodes.priority <= :priority
      AND (nodes.priority < :priority OR (nodes.ready_at, nodes.task_id) > (:ready_at, :task_id))
    ORDER BY nodes.priority DESC, nodes.ready_at, nodes.task_id LIMIT :limit
"""
_AHEAD: Final = f"""
    SELECT count(*) FROM nodes INDEXED BY nodes_queued CROSS JOIN runs ON runs.id = nodes.run
    WHERE nodes.is_queued AND nodes.agent_id = :agent AND {_IS_OPEN} AND nodes.priority >= :priority
      AND (nodes.priority > :priority OR (nodes.ready_at, nodes.task_id) < (:ready_at, :task_id))
"""
_HOLDING: Final = f"""
    SELECT {RUN_COLUMNS}, nodes.task_id
    FROM nodes INDEXED BY nodes_by_owner CROSS JOIN runs ON runs.id = nodes.run
    WHERE nodes.owner = ? AND nodes.is_running AND {_IS_OPEN} ORDER BY coalesce(nodes.started_at, ''), nodes.task_id
"""
_PENDING: Final = f"""
    SELECT count(*) FROM nodes INDEXED BY nodes_pending CROSS JOIN runs ON runs.id = nodes.run
    WHERE nodes.is_pending AND nodes.agent_id = ? AND {_IS_OPEN}
"""
_DUE: Final = f"""
    SELECT runs.run_id FROM runs INDEXED BY runs_to_wake
    WHERE runs.wake_at <= :now AND {_IS_OPEN} AND (
        EXISTS (SELECT 1 FROM nodes WHERE agent_id = :agent AND is_open
                AND task_id > runs.run_id || ':' AND task_id < runs.run_id || ';')
        OR EXISTS (SELECT 1 FROM nodes WHERE owner = :agent AND is_open
                   AND task_id > runs.run_id || ':' AND task_id < runs.run_id || ';'))
    ORDER BY runs.updated_at DESC, runs.run_id DESC
"""
_AGENTS: Final = """
    WITH RECURSIVE named (agent_id) AS (
        SELECT min(agent_id) FROM nodes
        UNION ALL
        SELECT (SELECT min(agent_id) FROM nodes WHERE nodes.agent_id > named.agent_id)
        FROM named WHERE agent_id IS NOT NULL
    )
    SELECT agent_id FROM named WHERE agent_id IS NOT NULL AND EXISTS (
        SELECT 1 FROM nodes INDEXED BY nodes_by_agent CROSS JOIN runs ON runs.id = nodes.run
        WHERE nodes.agent_id = named.agent_id AND NOT runs.is_archived)
"""
_FACTS: Final = """
    SELECT nodes.task_id, nodes.agent_id, runs.task_group, nodes.public,
           nodes.created_at, nodes.updated_at, nodes.started_at, nodes.ended_at, nodes.overdue_at
    FROM nodes CROSS JOIN runs ON runs.id = nodes.run
    WHERE NOT nodes.is_hidden AND NOT runs.is_archived AND nodes.task_id > :after {agent}
    ORDER BY nodes.task_id LIMIT :limit
"""

Fetch = Callable[[sqlite3.Connection], Sequence[tuple[Any, ...]]]
"""A query whose rows begin with `RUN_COLUMNS`."""


class IndexedTasks:
    """The views; see `views.TaskViews`. Where the index cannot be used they are made from the run folders.

    Args:
        state_of: A run's state as it is now.
        run_of: The same, read as whoever changes the run reads it, who then need not read it again.
    """

    def __init__(
        self,
        database: Database,
        refresher: Refresher,
        folders: RunFolders,
        *,
        state_of: Callable[[RunId], RunState],
        run_of: Callable[[RunId], RunState],
        scanned: ScannedViews,
    ) -> None:
        self._database = database
        self._refresher = refresher
        self._folders = folders
        self._state_of = state_of
        self._run_of = run_of
        self._scanned = scanned

    def _is_usable(self) -> bool:
        """Bring the index up; whether it can be used."""
        try:
            self._refresher.refresh(slice_s=SLICE_S)
        except IndexUnusable:
            return False
        return True

    def _fetched(self, sql: str, values: Sequence[Value] | Mapping[str, Value]) -> list[tuple[Any, ...]] | None:
        """All rows of a query over a fresh index; None where there is none to be had."""
        try:
            return self._refresher.fresh(partial(_rows, sql=sql, values=values), slice_s=SLICE_S)
        except IndexUnusable:
            return None

    def _look(self, fetch: Fetch) -> Sequence[tuple[Any, ...]]:
        with self._database.reading() as connection:
            return fetch(connection)

    def _confirmed(self, fetch: Fetch, found: Sequence[tuple[Any, ...]] | None = None) -> Sequence[tuple[Any, ...]]:
        """Rows whose runs' files are those that the rows were made from.

        Args:
            found: What `fetch` gave a moment ago, if it was asked.
        """
        rows = self._look(fetch) if found is None else found
        for _ in range(_REREADINGS_MAX):
            held = {row[0]: (row[1], Files(*row[2:5])) for row in rows}
            changed = [(run_id, row) for run_id, row in held.items() if self._folders.files(run_id, row[0]) != row[1]]
            if not changed:
                break
            self._refresher.reread(changed)
            rows = self._look(fetch)
        return rows

    def tasks(self, query: TaskQuery) -> Iterator[TaskRecord]:
        """Tasks that match, newest first."""
        return self._matching(query) if self._is_usable() else self._scanned.tasks(query)

    def _matching(self, query: TaskQuery) -> Iterator[TaskRecord]:
        states = _States(self._state_of)
        rows: Sequence[tuple[Any, ...]] = ((),) * CHUNK
        while len(rows) == CHUNK:
            try:
                rows = self._confirmed(partial(ledger_rows, query=query))
            except IndexUnusable:
                yield from self._scanned.tasks(query)
                return
            for *_, task_id, at in rows:
                record = states.record(task_id)
                # What has moved on since we looked stands further up now, where the reader was before.
                if record is not None and sort_key(record, query.sort_by) == (at, task_id) and matches(query, record):
                    yield record
            if rows:
                query = replace(query, after=(rows[-1][-1], rows[-1][-2]))

    def facts(self, *, agent_id: AgentId | None = None) -> Iterator[TaskFact]:
        """Every task in short."""
        return self._facts(agent_id) if self._is_usable() else self._scanned.facts(agent_id=agent_id)

    def _facts(self, agent_id: AgentId | None) -> Iterator[TaskFact]:
        sql = _FACTS.format(agent="AND nodes.agent_id = :agent" if agent_id is not None else "")
        values: dict[str, Value] = {"agent": sound(agent_id or ""), "after": "", "limit": _FACTS_CHUNK}
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(sql, values).fetchall()
            yield from (TaskFact(*row) for row in rows)
            if len(rows) < _FACTS_CHUNK:
                return
            values["after"] = rows[-1][0]

    def ready(self, agent_id: AgentId) -> Iterator[TaskRecord]:
        """Ready work of an agent, in queue order."""
        return self._queue(agent_id) if self._is_usable() else self._scanned.ready(agent_id)

    def _queue(self, agent_id: AgentId, first: Sequence[tuple[Any, ...]] | None = None) -> Iterator[TaskRecord]:
        # Whoever looks at the head of a queue is about to claim it, for which its run must be read as a whole.
        states, size, values = _States(self._run_of), _FIRST, _head(agent_id)
        while True:
            rows = self._confirmed(partial(_rows, sql=_QUEUE, values={**values, "limit": size}), first)
            for row in rows:
                record = states.record(row[5])
                if record is not None and record.node.status == "ready" and is_queued(record.node):
                    yield record
            if len(rows) < size:
                return
            values = {**values, "task_id": rows[-1][5], "priority": rows[-1][6], "ready_at": rows[-1][7]}
            states, size, first = _States(self._state_of), min(size * _GROWTH, CHUNK), None

    def ahead(self, agent_id: AgentId, key: QueueKey) -> int:
        """How many of `ready` come before a place in the queue."""
        rank, ready_at, task = key
        values: dict[str, Value] = {
            "agent": sound(agent_id),
            "priority": -rank,
            "ready_at": sound(ready_at),
            "task_id": sound(task),
        }
        found = self._fetched(_AHEAD, values)
        return self._scanned.ahead(agent_id, key) if found is None else int(found[0][0])

    def pending(self, agent_id: AgentId) -> int:
        """How many nodes of an agent wait for others."""
        found = self._fetched(_PENDING, (sound(agent_id),))
        return self._scanned.pending(agent_id) if found is None else int(found[0][0])

    def holding(self, agent_id: AgentId) -> list[TaskRecord]:
        """What an agent has under a lease."""
        found = self._fetched(_HOLDING, (sound(agent_id),))
        return self._scanned.holding(agent_id) if found is None else self._held(agent_id, found)

    def _held(self, agent_id: AgentId, found: Sequence[tuple[Any, ...]]) -> list[TaskRecord]:
        states = _States(self._state_of)
        rows = self._confirmed(partial(_rows, sql=_HOLDING, values=(sound(agent_id),)), found)
        records = (states.record(row[5]) for row in rows)
        return [record for record in records if record is not None and _is_held(record, agent_id)]

    def due(self, agent_id: AgentId, now: datetime) -> list[RunId]:
        """Runs to tick before the agent's queue is read."""
        found = self._fetched(_DUE, {"agent": sound(agent_id), "now": iso(now)})
        return self._scanned.due(agent_id, now) if found is None else [str(row[0]) for row in found]

    def desk(self, agent_id: AgentId, now: datetime) -> Desk:
        """What lies before an agent."""
        try:
            due, held, first = self._refresher.fresh(partial(_desk_rows, agent_id=agent_id, now=now), slice_s=SLICE_S)
            return Desk([str(row[0]) for row in due], self._held(agent_id, held), self._queue(agent_id, first))
        except IndexUnusable:
            return self._scanned.desk(agent_id, now)

    def agents(self) -> list[AgentId]:
        """Agents with work of any status."""
        found = self._fetched(_AGENTS, ())
        return self._scanned.agents() if found is None else sorted(str(row[0]) for row in found)

    def unreadable(self) -> list[RunId]:
        """Runs that cannot be read."""
        found = self._fetched(FAULTY, ())
        if found is None:
            return self._scanned.unreadable()
        return [run_id for run_id, place, fault, *_ in found if fault != NotFound.code and place == RUNS]


class _States:
    """States of the runs that rows name, the last few kept: tasks of one run often stand together."""

    def __init__(self, state_of: Callable[[RunId], RunState]) -> None:
        self._state_of = state_of
        self._kept: OrderedDict[RunId, tuple[RunState, RunState] | None] = OrderedDict()

    def record(self, task_id: TaskId) -> TaskRecord | None:
        """A task as it is; None where it is gone or its run cannot be read."""
        run_id, _, node_id = task_id.partition(":")
        if run_id not in self._kept:
            try:
                state = self._state_of(run_id)
                self._kept[run_id] = (state, state.model_copy(update={"nodes": {}}))
            except RegistryError:
                self._kept[run_id] = None
            if len(self._kept) > _STATES_KEPT:
                self._kept.popitem(last=False)
        kept = self._kept[run_id]
        if kept is None or node_id not in kept[0].nodes:
            return None
        return TaskRecord(kept[1], kept[0].nodes[node_id])


def _head(agent_id: AgentId) -> dict[str, Value]:
    """The place before the first of a queue, as the query of one names it."""
    return {"agent": sound(agent_id), "priority": PRIORITY_MAX, "ready_at": "", "task_id": ""}


def _rows(
    connection: sqlite3.Connection, *, sql: str, values: Sequence[Value] | Mapping[str, Value]
) -> list[tuple[Any, ...]]:
    return connection.execute(sql, values).fetchall()


def _desk_rows(
    connection: sqlite3.Connection, *, agent_id: AgentId, now: datetime
) -> tuple[list[tuple[Any, ...]], ...]:
    """What is due, what is held, and the head of the queue."""
    agent = sound(agent_id)
    due = connection.execute(_DUE, {"agent": agent, "now": iso(now)}).fetchall()
    held = connection.execute(_HOLDING, (agent,)).fetchall()
    first = connection.execute(_QUEUE, {**_head(agent_id), "limit": _FIRST}).fetchall()
    return due, held, first


def _is_held(record: TaskRecord, agent_id: AgentId) -> bool:
    lease = record.node.lease
    return record.node.status == "running" and lease is not None and lease.owner == agent_id
