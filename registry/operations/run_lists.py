"""Finding runs: filters, pages and one sentence on what each run wants of somebody."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final, get_args

from ..core.digest import RunDigest, attention
from ..core.names import moment, short_hash
from ..core.run import RunStatus
from ..errors import InvalidRequest, NextCall
from ..registry import Registry
from ..storage.listing import RunKey, RunPage, RunQuery, run_key
from .answers import cut
from .cursors import cursor_place, cursor_text
from .table import Result

PROGRESS_CHARS: Final = 120
_OPEN: Final[frozenset[RunStatus]] = frozenset({"running", "paused"})
ARCHIVED: Final = "archived"
"""Runs of the archive, and those alone: all of them, or those with the other statuses that are named."""

STATUS_WORDS: Final = (*get_args(RunStatus), "open", "all", ARCHIVED)


class RunRow(Result):
    """A run in a list."""

    run_id: str
    title: str
    status: str
    workflow_id: str
    updated_at: str
    counts: dict[str, int]
    attention: str | None = None
    last_progress: str | None = None
    agent_ids: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class RunFilters:
    """Which runs are wanted. Times are ISO 8601; None means any."""

    status: tuple[str, ...] = ()
    workflow_id: str | None = None
    agent_id: str | None = None
    session_key: str | None = None
    text: str | None = None
    changed_since: str | None = None

    @property
    def hash(self) -> str:
        """A short name of these filters, so that a cursor is not used with others."""
        return short_hash(json.dumps(asdict(self), sort_keys=True), 8)

    @property
    def statuses(self) -> frozenset[RunStatus] | None:
        """The statuses meant; None for all."""
        if "all" in self.status or not set(self.status) - {ARCHIVED}:
            return None
        known: tuple[RunStatus, ...] = get_args(RunStatus)
        named = {status for status in known if status in self.status}
        return frozenset(named | _OPEN) if "open" in self.status else frozenset(named)


def page_of(registry: Registry, filters: RunFilters, *, after: RunKey | None = None, limit: int) -> RunPage:
    """A page of runs, newest first, and one run more, which tells that there is a next page."""
    query = RunQuery(
        statuses=filters.statuses,
        workflow_id=filters.workflow_id,
        agent_id=filters.agent_id,
        session_key=filters.session_key,
        text=filters.text.casefold() if filters.text else None,
        changed_since=moment(filters.changed_since) if filters.changed_since else None,
        after=after,
        archived=ARCHIVED in filters.status,
    )
    return registry.lists.page(query, limit=limit + 1)


def cursor_of(run: RunDigest, filters: RunFilters) -> str:
    """Where the page behind this run begins."""
    return cursor_text([*run_key(run), filters.hash])


def read_cursor(cursor: str, filters: RunFilters, *, tool: str) -> RunKey:
    """The place a cursor stands for.

    Raises:
        InvalidRequest: it is not one of ours, or was made with other filters.
    """
    again = (NextCall(tool, {}, "starts over, newest first"),)
    place = cursor_place(cursor, length=3)
    if place is None:
        raise InvalidRequest("cursor is not one that an answer gave", hint="send next_cursor as it came", next=again)
    updated_at, run_id, made_with = place
    if made_with != filters.hash:
        raise InvalidRequest(
            "cursor belongs to a list with other filters",
            hint="send the same filters as before, or start over without cursor",
            next=again,
        )
    return (str(updated_at), str(run_id))


def run_row(run: RunDigest, *, now: datetime) -> RunRow:
    """A run as one row."""
    return RunRow(
        run_id=run.run_id,
        title=run.title,
        status=run.status,
        workflow_id=run.workflow_id,
        updated_at=run.updated_at,
        counts=run.counts,
        attention=f"in the archive ({run.archived})" if run.archived else attention(run, now=now),
        last_progress=cut(run.last_progress, PROGRESS_CHARS) or None,
        agent_ids=run.agent_ids or None,
    )
