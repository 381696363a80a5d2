"""The ledger's question, as a query of the index."""

import sqlite3
from typing import Final

from ...core.names import TaskId, iso
from ...core.tasks import TaskStatus
from ..views import SortBy, TaskQuery
from .rows import Value, sound, tag_part

CHUNK: Final = 50
_FEW: Final = 2_000
"""So many tasks of an agent or session are gathered and sorted; of more, the newest tasks are gone through."""

RUN_COLUMNS: Final = "runs.run_id, runs.place, runs.log_size, runs.log_ns, runs.state_ns"
"""What a query tells first of every row, so that the run's files can be compared."""

_SORTED_BY: Final[dict[SortBy, str]] = {"updated": "updated_at", "created": "created_at", "ended": "ended_at"}
_OPEN_STATUSES: Final[frozenset[TaskStatus]] = frozenset({"queued", "running"})

_TASKS_OF: Final = {
    "agent": ("SELECT task_id FROM nodes WHERE agent_id = :agent",),
    "session": (
        "SELECT task_id FROM nodes WHERE session_key = :session",
        "SELECT task_id FROM nodes WHERE child_key = :session",
        """SELECT nodes.task_id FROM links CROSS JOIN runs ON runs.id = links.run
           CROSS JOIN nodes ON nodes.task_id > runs.run_id || ':' AND nodes.task_id < runs.run_id || ';'
           WHERE links.name = :session AND runs.source_key = :session""",
    ),
    "run": ("SELECT task_id FROM nodes WHERE task_id > :run || ':' AND task_id < :run || ';'",),
}
_THIS_TASK: Final = {
    "agent": "nodes.agent_id = :agent",
    "session": "(nodes.session_key = :session OR nodes.child_key = :session OR runs.source_key = :session)",
    "run": "runs.run_id = :run",
}

LedgerRow = tuple[str, str, int, int, int, TaskId, str]
"""The run's columns, the task, and the time that it is sorted by."""


def ledger_rows(connection: sqlite3.Connection, query: TaskQuery) -> list[LedgerRow]:
    """The first tasks of a list, `CHUNK` at most."""
    column = f"nodes.{_SORTED_BY[query.sort_by]}"
    conditions, values = _conditions(query, column)
    named = {"agent": query.agent_id, "session": query.session_key, "run": query.run_id}
    kinds = {kind: sound(name) for kind, name in named.items() if name is not None}
    values.update(kinds)
    conditions += [_THIS_TASK[kind] for kind in kinds]
    by, stretches = f"INDEXED BY nodes_by_{query.sort_by}", [conditions]
    rarest = _rarest(connection, kinds, values)
    if rarest is not None:
        by = "NOT INDEXED"
        conditions.append(f"nodes.task_id IN ({' UNION '.join(_TASKS_OF[rarest])})")
    elif query.sort_by == "updated":
        # One after the other, because only within the open and within the ended the index has them in this order.
        are_open = query.statuses is not None and query.statuses <= _OPEN_STATUSES
        stretches = [[*conditions, f"nodes.is_open = {is_open}"] for is_open in ((1,) if are_open else (1, 0))]
    rows: list[LedgerRow] = []
    for stretch in stretches:
        rows += connection.execute(
            f"SELECT {RUN_COLUMNS}, nodes.task_id, {column} FROM nodes {by} CROSS JOIN runs ON runs.id = nodes.run "
            f"WHERE {' AND '.join(stretch)} ORDER BY {column} DESC, nodes.task_id DESC LIMIT {CHUNK}",
            values,
        )
    return sorted(rows, key=lambda row: (row[-1], row[-2]), reverse=True)[:CHUNK]


def _conditions(query: TaskQuery, column: str) -> tuple[list[str], dict[str, Value]]:
    conditions = ["NOT runs.is_archived", "NOT nodes.is_hidden", f"{column} IS NOT NULL"]
    values: dict[str, Value] = {"now": iso(query.now)}
    if query.statuses is not None:
        quoted = ", ".join(f"'{status}'" for status in sorted(query.statuses))
        # Of work whose time ran out only its run can tell what becomes of it.
        conditions.append(f"(nodes.public IN ({quoted}) OR nodes.overdue_at <= :now)")
    if query.group is not None:
        conditions.append("runs.task_group = :group")
        values["group"] = sound(query.group)
    if query.tag is not None:
        conditions.append("(instr(nodes.tags, :tag) OR instr(runs.tags, :tag))")
        values["tag"] = tag_part(query.tag)
    if query.min_priority > 1:
        conditions.append("nodes.priority >= :priority")
        values["priority"] = query.min_priority
    for name, bound, sign in (("since", query.since, ">="), ("until", query.until, "<")):
        if bound is not None:
            conditions.append(f"{column} {sign} :{name}")
            values[name] = sound(bound)
    if query.after is not None:
        conditions.append(f"({column}, nodes.task_id) < (:after_at, :after_id)")
        values["after_at"], values["after_id"] = (sound(part) for part in query.after)
    return conditions, values


def _rarest(connection: sqlite3.Connection, kinds: dict[str, str], values: dict[str, Value]) -> str | None:
    """The filter that leaves few tasks, if one does; a run never has many."""
    if "run" in kinds:
        return "run"
    counted = {}
    for kind in kinds:
        each = " UNION ALL ".join(_TASKS_OF[kind])
        counting = f"SELECT count(*) FROM (SELECT * FROM ({each}) LIMIT {_FEW + 1})"
        counted[kind] = int(connection.execute(counting, values).fetchone()[0])
    rarest = min(counted, key=lambda kind: counted[kind], default=None)
    return rarest if rarest is not None and counted[rarest] <= _FEW else None
