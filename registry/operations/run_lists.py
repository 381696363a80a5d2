"""Finding runs: filters, pages and one sentence on what each run wants of somebody."""

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final, Literal, get_args

from ..core.claimable import claimable
from ..core.names import moment, short_hash
from ..core.run import RunState, RunStatus
from ..errors import InvalidRequest, NextCall, NotFound, RegistryError
from ..storage.port import Store
from .answers import counts, cut
from .fit import ROWS_DEFAULT
from .table import Result

PROGRESS_CHARS: Final = 120
_OPEN: Final[frozenset[RunStatus]] = frozenset({"running", "paused"})
STATUS_WORDS: Final = (*get_args(RunStatus), "open", "all")

SortKey = tuple[str, str]
"""The time a run changed last and its id: no two runs have the same."""


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
        if not self.status or "all" in self.status:
            return None
        known: tuple[RunStatus, ...] = get_args(RunStatus)
        named = {status for status in known if status in self.status}
        return frozenset(named | _OPEN) if "open" in self.status else frozenset(named)


def find_runs(store: Store, filters: RunFilters, *, unreadable: list[str] | None = None) -> Iterator[RunState]:
    """All runs that match, in no order.

    Every state is read, so this is what an index has to replace.

    Args:
        unreadable: Takes a sentence for each run that cannot be read; one damaged run must not hide the others.
    """
    unreadable = [] if unreadable is None else unreadable
    statuses = filters.statuses
    since = moment(filters.changed_since) if filters.changed_since else None
    text = filters.text.casefold() if filters.text else None
    for run_id in store.run_ids():
        try:
            state = store.state(run_id)
        except NotFound:
            continue  # archived while we looked
        except RegistryError as failure:
            unreadable.append(f"run {run_id!r} cannot be read ({failure.code}); validate_run tells more")
            continue
        if (
            (statuses is None or state.status in statuses)
            and (filters.workflow_id is None or state.workflow_id == filters.workflow_id)
            and (filters.agent_id is None or filters.agent_id in agents_of(state, with_source=True))
            and (filters.session_key is None or filters.session_key in _session_keys(state))
            and (text is None or any(text in part.casefold() for part in _searched(state)))
            and (since is None or moment(state.updated_at) >= since)
        ):
            yield state


def sort_key(state: RunState) -> SortKey:
    """What lists are ordered by, newest first."""
    return (state.updated_at, state.run_id)


def newest_first(states: Iterator[RunState], *, after: SortKey | None, limit: int = ROWS_DEFAULT) -> list[RunState]:
    """A page and one more, which tells that there is a next page."""
    wanted = [state for state in states if after is None or sort_key(state) < after]
    return sorted(wanted, key=sort_key, reverse=True)[: limit + 1]


def cursor_of(state: RunState, filters: RunFilters) -> str:
    """Where the page behind this run begins."""
    text = json.dumps([*sort_key(state), filters.hash], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str, filters: RunFilters, *, tool: str) -> SortKey:
    """The place a cursor stands for.

    Raises:
        InvalidRequest: it is not one of ours, or was made with other filters.
    """
    again = (NextCall(tool, {}, "starts over, newest first"),)
    try:
        updated_at, run_id, made_with = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError, binascii.Error):
        raise InvalidRequest(
            "cursor is not one that an answer gave", hint="send next_cursor as it came", next=again
        ) from None
    if made_with != filters.hash:
        raise InvalidRequest(
            "cursor belongs to a list with other filters",
            hint="send the same filters as before, or start over without cursor",
            next=again,
        )
    return (str(updated_at), str(run_id))


def run_row(state: RunState, *, now: datetime) -> RunRow:
    """A run as one row."""
    return RunRow(
        run_id=state.run_id,
        title=state.title,
        status=state.status,
        workflow_id=state.workflow_id,
        updated_at=state.updated_at,
        counts=counts(state),
        attention=attention(state, now=now),
        last_progress=cut(" ".join(state.last_progress_message.split()), PROGRESS_CHARS) or None,
        agent_ids=tuple(sorted(agents_of(state))) or None,
    )


def attention(state: RunState, *, now: datetime) -> str | None:
    """What the run wants of somebody, the most pressing thing first; None when it goes by itself."""
    if state.status == "paused":
        paused = state.paused
        by: Literal["a person", "an agent"] = "an agent" if paused and paused.actor.kind == "agent" else "a person"
        return f"paused by {by}" + (f" since {paused.at}" if paused else "")
    nodes = list(state.nodes.values())
    failed = [node.id for node in nodes if node.status == "failed"]
    if state.status == "failed":
        return f"failed at {_named(failed)}" if failed else "failed"
    if state.is_ended:
        return None
    approvals = [node for node in nodes if node.kind == "approval" and node.status == "waiting"]
    if approvals:
        since = f" since {approvals[0].waiting_since}" if approvals[0].waiting_since else ""
        return f"waits for a person to decide about {_named([node.id for node in approvals])}{since}"
    if state.messages:
        return f"{len(state.messages)} unread message{'s' if state.messages[1:] else ''} from people"
    lost = [node.id for node in nodes if node.status == "running" and node.lease_has_expired(now)]
    if lost:
        return f"the worker of {_named(lost)} let its lease run out"
    ready = [node.id for node in claimable(state, now=now, tasks={})]
    if ready:
        return f"ready to be claimed: {_named(ready)}"
    return f"{_named(failed)} failed" if failed else None


def _named(ids: list[str]) -> str:
    return ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if ids[3:] else "")


def agents_of(state: RunState, *, with_source: bool = False) -> set[str]:
    """Agents that nodes are assigned to or held by, and, if asked, the one the run came from."""
    found = {node.agent_id for node in state.nodes.values() if node.agent_id}
    found |= {node.lease.owner for node in state.nodes.values() if node.lease}
    return found | {state.source_agent_id} if with_source else found


def _session_keys(state: RunState) -> set[str]:
    keys = {state.source_session_key, state.root_session_key, state.planner_session_key, state.driver_session_key}
    for node in state.nodes.values():
        keys |= {node.session_key, node.child_session_key}
    return keys


def _searched(state: RunState) -> tuple[str, ...]:
    return (state.run_id, state.title, state.workflow_id, *state.tags)
