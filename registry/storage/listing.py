"""Runs in lists: what a list asks of storage, and the plainest answer.

`ScannedRuns` reads every state there is. It is right by construction, so it serves the memory
twin and places where no index may be written, and it is what the index is tested against.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from ..core.digest import RunDigest, agents_of, digest_of, session_keys, titles_searched, words_searched
from ..core.names import AgentId, RunId, WorkflowId, moment
from ..core.run import RunState, RunStatus
from ..errors import NotFound, RegistryError
from .port import Store

RunKey = tuple[str, RunId]
"""When a run changed last and its id: lists are ordered by it, newest first, and no two runs have the same."""

NOTICES_MAX: Final = 10


@dataclass(frozen=True, kw_only=True)
class RunQuery:
    """Which runs are wanted; None means any.

    Attributes:
        text: Casefolded; to be found in ids, titles, tags, the last progress or messages of people.
        changed_since: Aware UTC, included.
        after: Where the page before ended.
        archived: Runs of the archive, and those alone.
    """

    statuses: frozenset[RunStatus] | None = None
    workflow_id: WorkflowId | None = None
    agent_id: AgentId | None = None
    session_key: str | None = None
    text: str | None = None
    changed_since: datetime | None = None
    after: RunKey | None = None
    archived: bool = False


@dataclass(frozen=True)
class RunPage:
    """Runs that match, newest first, and what the reader of the list should know."""

    runs: tuple[RunDigest, ...]
    notices: tuple[str, ...] = ()


class RunLists(Protocol):
    """Lists of runs."""

    def page(self, query: RunQuery, *, limit: int) -> RunPage:
        """The first runs that match, `limit` at most."""
        ...


def run_key(digest: RunDigest) -> RunKey:
    """Where a run stands in lists."""
    return (digest.updated_at, digest.run_id)


def unreadable(run_id: RunId, code: str) -> str:
    """That a run could not be looked at; one damaged run must not hide the others."""
    return f"run {run_id!r} cannot be read ({code}); validate_run tells more"


def changed_at(state: RunState) -> datetime | None:
    """When the run changed last; None where somebody wrote no time there."""
    try:
        return moment(state.updated_at)
    except ValueError:
        return None


def matches(query: RunQuery, state: RunState) -> bool:
    """Whether a run is wanted, its place in the list and the archive apart."""
    if query.statuses is not None and state.status not in query.statuses:
        return False
    if query.changed_since is not None:
        changed = changed_at(state)
        if changed is None or changed < query.changed_since:
            return False
    return (
        (query.workflow_id is None or state.workflow_id == query.workflow_id)
        and (query.agent_id is None or query.agent_id in agents_of(state))
        and (query.session_key is None or query.session_key in session_keys(state))
        and (query.text is None or query.text in titles_searched(state) or query.text in words_searched(state))
    )


class ScannedRuns:
    """The lists, made from the state of every run each time one is asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def page(self, query: RunQuery, *, limit: int) -> RunPage:
        """The first runs that match; see `RunLists`."""
        found: list[RunDigest] = []
        notices: list[str] = []
        for run_id, place in self._names(archived=query.archived):
            try:
                state = self._store.state(run_id)
            except NotFound:
                continue  # moved while we looked
            except RegistryError as failure:
                notices.append(unreadable(run_id, failure.code))
                continue
            if matches(query, state):
                found.append(digest_of(state).model_copy(update={"archived": place}))
        after = query.after
        wanted = [digest for digest in found if after is None or run_key(digest) < after]
        wanted.sort(key=run_key, reverse=True)
        return RunPage(tuple(wanted[:limit]), tuple(sorted(notices)[:NOTICES_MAX]))

    def _names(self, *, archived: bool) -> list[tuple[RunId, str | None]]:
        if archived:
            return list(self._store.archive.ids())
        return [(run_id, None) for run_id in self._store.run_ids()]
