"""Lists of runs, from the index."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, get_args

from ...core.digest import RunDigest
from ...core.run import RunStatus
from ..listing import RunPage, RunQuery, ScannedRuns
from .database import Database, IndexUnusable
from .folders import RunFolders
from .refreshing import Refresher
from .rows import ARCHIVE, Files, Value, microseconds, sound

_STATUSES: Final[tuple[RunStatus, ...]] = get_args(RunStatus)
_LOOKS_MAX: Final = 4
"""Runs that change faster than that are shown as they were a moment ago."""

_FEW: Final = 1_000
"""So many runs of a session are gathered and sorted; of more, the newest runs are gone through."""

_COLUMNS: Final = "runs.run_id, runs.updated_at, runs.place, runs.digest, runs.log_size, runs.log_ns, runs.state_ns"
_RUNS_OF_SESSION: Final = (
    "SELECT run FROM links WHERE name = :session",
    "SELECT run FROM nodes WHERE session_key = :session",
    "SELECT run FROM nodes WHERE child_key = :session",
)
"""The runs that a session has a part in: numbers, some of them twice."""

_OF_WORKFLOW: Final = "runs.workflow_id = :workflow"
_OF_AGENT: Final = "EXISTS (SELECT 1 FROM parts WHERE run = runs.id AND kind = 'agent' AND name = :agent)"
_OF_SESSION: Final = """(
    EXISTS (SELECT 1 FROM links WHERE name = :session AND run = runs.id)
    OR EXISTS (SELECT 1 FROM nodes WHERE session_key = :session
               AND task_id > runs.run_id || ':' AND task_id < runs.run_id || ';')
    OR EXISTS (SELECT 1 FROM nodes WHERE child_key = :session
               AND task_id > runs.run_id || ':' AND task_id < runs.run_id || ';'))"""
_HAS_TEXT: Final = (
    "(instr(runs.words, :text) OR instr((SELECT text FROM titles WHERE titles.run_id = runs.run_id), :text))"
)

_Found = tuple[str, str, str, bytes, int, int, int]
_FIRST_DAY: Final = datetime(2, 1, 1, tzinfo=UTC)


class IndexedRuns:
    """Lists of runs. Where the index cannot be used they are made from the run folders."""

    def __init__(self, database: Database, refresher: Refresher, folders: RunFolders, scanned: ScannedRuns) -> None:
        self._database = database
        self._refresher = refresher
        self._folders = folders
        self._scanned = scanned

    def page(self, query: RunQuery, *, limit: int) -> RunPage:
        """The first runs that match; see `listing.RunLists`."""
        try:
            notices = self._refresher.refresh()
            for _ in range(_LOOKS_MAX):
                with self._database.reading() as connection:
                    found = _found(connection, query, limit)
                    digests = tuple(_digest(row) for row in found)
                seen = [(row[0], (row[2], Files(*row[4:]))) for row in found]
                changed = [(run_id, held) for run_id, held in seen if self._folders.files(run_id, held[0]) != held[1]]
                if not changed:
                    break
                self._refresher.reread(changed)
            return RunPage(digests, notices)
        except IndexUnusable:
            return self._scanned.page(query, limit=limit)


def _digest(row: _Found) -> RunDigest:
    digest = RunDigest.model_validate_json(row[3])
    month = row[2].removeprefix(f"{ARCHIVE}/")
    return digest if month == row[2] else digest.model_copy(update={"archived": month})


def _found(connection: sqlite3.Connection, query: RunQuery, limit: int) -> list[_Found]:
    statuses = _STATUSES if query.statuses is None else tuple(sorted(query.statuses))
    values: dict[str, Value] = {"archived": int(query.archived), "limit": limit}
    named = {"workflow": query.workflow_id, "agent": query.agent_id, "session": query.session_key}
    values |= {kind: sound(name) for kind, name in named.items() if name is not None}
    conditions = _conditions(query, values)
    found: list[_Found] = []
    if query.session_key is not None and _are_few(connection, values):
        quoted = ", ".join(f"'{status}'" for status in statuses)
        those = f"runs.id IN ({' UNION '.join(_RUNS_OF_SESSION)}) AND runs.status IN ({quoted})"
        found += connection.execute(_select("runs", "runs NOT INDEXED", [those, *conditions], query), values)
    else:
        order, rows, whose = _way(query)
        # One after the other, because only within one status the index has them in the order of the list.
        select = _select(order, rows, [*whose, f"{order}.status = :status", *conditions], query)
        for status in statuses:
            found += connection.execute(select, {**values, "status": status})
    return sorted(found, key=lambda row: (row[1], row[0]), reverse=True)[:limit]


def _way(query: RunQuery) -> tuple[str, str, list[str]]:
    """Which table has the runs in order, how it is read, and whose runs it is asked for."""
    if query.agent_id is None and query.workflow_id is None:
        return "runs", "runs INDEXED BY runs_by_status", []
    whose = "workflow" if query.agent_id is None else "agent"
    rows = "parts INDEXED BY parts_in_order CROSS JOIN runs ON runs.id = parts.run"
    return "parts", rows, [f"parts.kind = '{whose}' AND parts.name = :{whose}"]


def _select(order: str, rows: str, conditions: Sequence[str], query: RunQuery) -> str:
    """A query of one stretch of a list; `order` is the table whose columns it is ordered by."""
    bounds = [f"{order}.is_archived = :archived"]
    if query.changed_since is not None:
        bounds.append(f"{order}.updated_at >= :day")
    if query.after is not None:
        bounds.append(f"({order}.updated_at, {order}.run_id) < (:after_at, :after_id)")
    return (
        f"SELECT {_COLUMNS} FROM {rows} WHERE {' AND '.join([*bounds, *conditions])} "
        f"ORDER BY {order}.updated_at DESC, {order}.run_id DESC LIMIT :limit"
    )


def _conditions(query: RunQuery, values: dict[str, Value]) -> list[str]:
    """What is asked of each run; puts the values of it, and of the bounds, to the others."""
    asked = {_OF_WORKFLOW: query.workflow_id, _OF_AGENT: query.agent_id, _OF_SESSION: query.session_key}
    conditions = [condition for condition, name in asked.items() if name is not None]
    if query.text is not None:
        conditions.append(_HAS_TEXT)
        values["text"] = sound(query.text)
    if query.changed_since is not None:
        # The text of a time says only about when that was: it may be of any time zone.
        conditions.append("runs.updated_us >= :since")
        values["since"] = microseconds(query.changed_since)
        values["day"] = f"{max(query.changed_since, _FIRST_DAY) - timedelta(days=1):%Y-%m-%d}"
    if query.after is not None:
        values["after_at"], values["after_id"] = (sound(part) for part in query.after)
    return conditions


def _are_few(connection: sqlite3.Connection, values: dict[str, Value]) -> bool:
    """Whether a session has so few runs that they can be gathered."""
    each = " UNION ALL ".join(_RUNS_OF_SESSION)
    counting = f"SELECT count(*) FROM (SELECT * FROM ({each}) LIMIT {_FEW + 1})"
    return int(connection.execute(counting, values).fetchone()[0]) <= _FEW
