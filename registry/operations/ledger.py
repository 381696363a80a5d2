"""The ledger: every node of every run as a task, filtered and in pages.

Rows are reconciled: a node whose lease has run out is never shown as running. They stand where
they were recorded, so that reading twice gives the same order. A cursor holds the place of the
last row and a hash of the filters: a page stays valid while other tasks change.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from heapq import merge
from typing import Annotated, Final, TypeVar, get_args

from pydantic import AfterValidator, WithJsonSchema, create_model

from ..core.names import RunId, short_hash
from ..core.record import Bag, Json
from ..core.run import NodeState, RunState
from ..core.tasks import TaskStatus, public_status, updated_at
from ..errors import InvalidRequest, NextCall, NotFound, RegistryError
from ..registry import Registry
from ..storage.views import SortBy, SortKey, TaskQuery, TaskRecord, is_within, sort_key
from .cursors import cursor_place, cursor_text
from .status_words import ONE_OR_MORE, require_known
from .table import Request
from .task_rows import Task, task_of
from .times import Time

STATUSES: Final[tuple[TaskStatus, ...]] = get_args(TaskStatus)
_WORDS: Final = (*STATUSES, "open", "pending", "all")
_OPEN: Final[frozenset[TaskStatus]] = frozenset({"queued", "running"})
_ENDED: Final = frozenset(STATUSES) - _OPEN
Found = tuple[TaskRecord, RunState, NodeState, bool]
R = TypeVar("R", bound=Request)


def _known(value: tuple[str, ...]) -> tuple[str, ...]:
    rule = "a task is queued, running, completed, failed, timed_out or cancelled; open is queued and running"
    return require_known(value, _WORDS, rule=rule)


TaskStatuses = Annotated[tuple[str, ...], AfterValidator(_known), WithJsonSchema(ONE_OR_MORE)]


def with_range(request: type[R]) -> type[R]:
    """The request with the fields `from` and `to`, which Python cannot spell as attributes."""
    # The names are what callers write, on every surface; an alias would be a second name to keep.
    make: Callable[..., type[R]] = create_model
    return make(
        request.__name__.removeprefix("_"),
        __base__=request,
        __doc__=request.__doc__,
        __module__=request.__module__,
        **{"from": (Time | None, None), "to": (Time | None, None)},
    )


def bound(request: Request, name: str) -> str | None:
    """The time of `from` or `to`."""
    value: object = getattr(request, name)
    return value if isinstance(value, str) else None


def wanted_statuses(words: tuple[str, ...]) -> frozenset[TaskStatus] | None:
    """The statuses meant; None for all."""
    if not words or "all" in words:
        return None
    named = {status for status in STATUSES if status in words}
    if "pending" in words:
        named.add("queued")
    return frozenset(named | _OPEN) if "open" in words else frozenset(named)


@dataclass(frozen=True)
class Page:
    """Rows, newest first, and where the next page begins after each of them."""

    rows: tuple[Task, ...]
    keys: tuple[SortKey, ...]
    has_more: bool


def page_of(registry: Registry, query: TaskQuery, *, limit: int) -> Page:
    """A page of the ledger."""
    rows: list[Task] = []
    keys: list[SortKey] = []
    for record, run, node, is_reconciled in found(registry, query):
        if len(rows) == limit:
            return Page(tuple(rows), tuple(keys), has_more=True)
        key = _place(record, query.sort_by)
        # A row keeps the time it is sorted by: else each look would show another.
        more: Bag = {"reconciled": True, "updated_at": updated_at(record.run, record.node)} if is_reconciled else {}
        if is_reconciled and query.sort_by == "ended":
            more["ended_at"] = key[0]
        rows.append(task_of(run, node, **more))
        keys.append(key)
    return Page(tuple(rows), tuple(keys), has_more=False)


def found(registry: Registry, query: TaskQuery) -> Iterator[Found]:
    """Tasks that match, each as recorded and as it is now, and whether the two differ."""
    if query.sort_by != "ended":
        return _as_they_are(registry, query, query.statuses)
    ended = sorted(_ended_unrecorded(registry, query), key=_ended_place, reverse=True)
    return merge(_as_they_are(registry, query, query.statuses), ended, key=_ended_place, reverse=True)


def _as_they_are(registry: Registry, query: TaskQuery, wanted: frozenset[TaskStatus] | None) -> Iterator[Found]:
    """Tasks of a view; of those whose worker's time ran out, the ones that have a wanted status by now."""
    reconciled: dict[RunId, RunState | None] = {}
    for record in registry.views.tasks(query):
        if not record.node.is_overdue(query.now):
            yield record, record.run, record.node, False
            continue
        run_id = record.run.run_id
        if run_id not in reconciled:
            reconciled[run_id] = as_it_is_now(registry, run_id)
        run = reconciled[run_id]
        node = run.nodes.get(record.node.id) if run is not None else None
        if run is None or node is None or (wanted is not None and public_status(node) not in wanted):
            continue
        yield record, run, node, True


def _ended_unrecorded(registry: Registry, query: TaskQuery) -> Iterator[Found]:
    """Tasks whose worker's time ran out and which nobody may try again: they have ended, though it is not recorded."""
    # No status at all leaves those whose time ran out.
    overdue = replace(query, sort_by="updated", statuses=frozenset(), since=None, until=None, after=None)
    wanted = _ENDED if query.statuses is None else _ENDED & query.statuses
    return (one for one in _as_they_are(registry, overdue, wanted) if is_within(query, _ended_place(one)))


def _ended_place(one: Found) -> SortKey:
    return _place(one[0], "ended")


def _place(record: TaskRecord, sort_by: SortBy) -> SortKey:
    """Where a row stands; what ended unrecorded stands at the moment its worker's time ran out."""
    key = sort_key(record, sort_by) or (record.node.overdue_at, record.task_id)
    assert key[0] is not None, "a view gives only what has a place in its list"
    return key[0], key[1]


def as_it_is_now(registry: Registry, run_id: str) -> RunState | None:
    """A run as a reader should see it, what has run out shown as out; None where it cannot be read."""
    try:
        return registry.read(run_id).run.state
    except NotFound:
        return None
    except RegistryError:
        return None  # doctor names it; one damaged run must not hide the others


def cursor_at(key: SortKey, query: TaskQuery) -> str:
    """Where the page behind a row begins."""
    return write_cursor(list(key), made_with=_asked(query))


def from_cursor(query: TaskQuery, cursor: str | None) -> TaskQuery:
    """The same list from where a page ended.

    Raises:
        InvalidRequest: the cursor is not one of ours, or was made with other filters.
    """
    if cursor is None:
        return query
    at, task = read_cursor(cursor, made_with=_asked(query), places=2)
    return replace(query, after=(str(at), str(task)))


def write_cursor(key: list[Json], *, made_with: Bag) -> str:
    """A place in a list that was asked for with these filters."""
    return cursor_text([*key, _hash(made_with)])


def read_cursor(cursor: str, *, made_with: Bag, places: int) -> list[Json]:
    """The place that a cursor stands for.

    Raises:
        InvalidRequest: it is not one of ours, or was made with other filters.
    """
    again = (NextCall("list_tasks", {}, "starts over"),)
    place = cursor_place(cursor, length=places + 1)
    if place is None:
        raise InvalidRequest("cursor is not one that an answer gave", hint="send next_cursor as it came", next=again)
    if place[-1] != _hash(made_with):
        raise InvalidRequest(
            "cursor belongs to a list with other filters",
            hint="send the same filters as before, or start over without cursor",
            next=again,
        )
    return place[:-1]


def _asked(query: TaskQuery) -> Bag:
    asked: Bag = {name: value for name, value in asdict(query).items() if name not in ("now", "after", "statuses")}
    statuses: list[Json] = [*sorted(query.statuses)] if query.statuses is not None else []
    asked["statuses"] = statuses
    return asked


def _hash(asked: Bag) -> str:
    return short_hash(json.dumps(asked, sort_keys=True), 8)


def query_of(
    now: datetime, *, statuses: tuple[str, ...] = (), sort_by: SortBy = "updated", request: Request | None = None
) -> TaskQuery:
    """A query with the words and times of a request."""
    return TaskQuery(
        now=now,
        statuses=wanted_statuses(statuses),
        sort_by=sort_by,
        since=bound(request, "from") if request is not None else None,
        until=bound(request, "to") if request is not None else None,
    )
