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
"""So many runs of an agent, session or workflow are gathered and sorted; of more, the newest runs are gone through."""

_COLUMNS: Final = "runs.run_id, runs.updated_at, runs.place, runs.digest, runs.log_size, runs.log_ns, runs.state_ns"
_RUNS_OF: Final = {
    "workflow": ("SELECT run FROM links WHERE kind = 'workflow' AND name = :workflow",),
    "agent": (
        "SELECT run FROM links WHERE kind = 'agent' AND name = :agent",
        "SELECT run FROM nodes WHERE agent_id = :agent",
        "SELECT run FROM nodes WHERE owner = :agent",
    ),
    "session": (
        "SELECT run FROM links WHERE kind = 'session' AND name = :session",
        "SELECT run FROM nodes WHERE session_key = :session",
        "SELECT run FROM nodes WHERE child_key = :session",
    ),
}
"""The runs that somebody has a part in: numbers, some of them twice."""

_OF_THIS_RUN: Final = {
    "workflow": "runs.workflow_id = :workflow",
    "agent": """(
        EXISTS (SELECT 1 FROM links WHERE kind = 'agent' AND name = :agent AND run = runs.id)
        OR EXISTS (SELECT 1 FROM nodes WHERE agent_id = :agent
                   AND task_id > runs.run_id || ':' AND task_id < runs.run_id || ';')
        OR EXISTS (SELECT 1 FROM nodes WHERE owner = :agent
                   AND task_id > runs.run_id || ':' AND task_id < runs.run_id || ';'))""",
    "session": """(
        EXISTS (SELECT 1 FROM links WHERE kind = 'session' AND name = :session AND run = runs.id)
        OR EXISTS (SELECT 1 FROM nodes WHERE session_key = :session
                   AND task_id > runs.run_id || ':' AND task_id < runs.run_id || ';')
        OR EXISTS (SELECT 1 FROM nodes WHERE child_key = :session
                   AND task_id > runs.run_id || ':' AND task_id < runs.run_id || ';'))""",
}
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
    conditions, values = _conditions(query)
    values["limit"] = limit
    statuses = _STATUSES if query.statuses is None else tuple(sorted(query.statuses))
    rarest = _rarest(connection, query, values)
    found: list[_Found] = []
    if rarest is not None:
        quoted = ", ".join(f"'{status}'" for status in statuses)
        those = f"runs.id IN ({' UNION '.join(_RUNS_OF[rarest])}) AND runs.status IN ({quoted})"
        found += connection.execute(_select("NOT INDEXED", [those, *conditions]), values)
    else:
        # One after the other, because only within one status the index has them in the order of the list.
        select = _select("INDEXED BY runs_by_status", ["runs.status = :status", *conditions])
        for status in statuses:
            found += connection.execute(select, {**values, "status": status})
    return sorted(found, key=lambda row: (row[1], row[0]), reverse=True)[:limit]


def _select(by: str, conditions: Sequence[str]) -> str:
    return (
        f"SELECT {_COLUMNS} FROM runs {by} WHERE runs.is_archived = :archived AND {' AND '.join(conditions)} "
        "ORDER BY runs.updated_at DESC, runs.run_id DESC LIMIT :limit"
    )


def _conditions(query: RunQuery) -> tuple[list[str], dict[str, Value]]:
    conditions: list[str] = []
    values: dict[str, Value] = {"archived": int(query.archived)}
    named = {"workflow": query.workflow_id, "agent": query.agent_id, "session": query.session_key}
    for kind, name in named.items():
        if name is not None:
            conditions.append(_OF_THIS_RUN[kind])
            values[kind] = sound(name)
    if query.text is not None:
        conditions.append(_HAS_TEXT)
        values["text"] = sound(query.text)
    if query.changed_since is not None:
        # The text of a time says only about when that was: it may be of any time zone.
        conditions.append("runs.updated_us >= :since AND runs.updated_at >= :day")
        values["since"] = microseconds(query.changed_since)
        values["day"] = f"{max(query.changed_since, _FIRST_DAY) - timedelta(days=1):%Y-%m-%d}"
    if query.after is not None:
        conditions.append("(runs.updated_at, runs.run_id) < (:after_at, :after_id)")
        values["after_at"], values["after_id"] = (sound(part) for part in query.after)
    return conditions, values


def _rarest(connection: sqlite3.Connection, query: RunQuery, values: dict[str, Value]) -> str | None:
    """The filter that leaves few runs, if one does."""
    named = {"workflow": query.workflow_id, "agent": query.agent_id, "session": query.session_key}
    counted = {}
    for kind, name in named.items():
        if name is not None:
            each = " UNION ALL ".join(_RUNS_OF[kind])
            counting = f"SELECT count(*) FROM (SELECT * FROM ({each}) LIMIT {_FEW + 1})"
            counted[kind] = int(connection.execute(counting, values).fetchone()[0])
    rarest = min(counted, key=lambda kind: counted[kind], default=None)
    return rarest if rarest is not None and counted[rarest] <= _FEW else None
