"""A run as it once was, and what changed between two of its revisions. Read from the trail alone.

Revisions here are those of mutations, which every event names; callers' `rev` is one of them.
"""

import json
from typing import Final

from ..core.names import RunId
from ..core.patch import diff, snapshot
from ..core.record import Bag, Json
from ..core.run import Run
from .answers import NodeRow, counts, cut, fit, node_row, open_first
from .caller import Caller
from .lookup import KnownRun
from .run_rows import EventRow, event_row, without_fences
from .table import Result

_VALUE_CHARS: Final = 200
_NODES_MAX: Final = 100
_CHANGES_MAX: Final = 200
_EVENTS_MAX: Final = 30
_EVENTS_READ: Final = 1_000
_EVENTS_CHARS: Final = 5_000
_NOISE: Final = frozenset({"updatedAt", "lastEvent", "operations", "nodeOrder", "rev"})
"""Parts of a run that move with every change and tell nothing of what changed."""


class ReplayedRun(Result):
    """A run after one of its mutations, as its trail tells it."""

    run_id: str
    revision: int
    """Of the mutation; `rev` is the one that callers saw then."""
    rev: int
    seq: int
    at: str
    last_event: str
    title: str
    status: str
    counts: dict[str, int]
    nodes: tuple[NodeRow, ...]
    more_nodes: int


class ChangeRow(Result):
    """One place in the run's documents; `before` or `after` is absent where nothing stood there."""

    part: str
    where: str
    before: str | None = None
    after: str | None = None


class RunDiff(Result):
    """What lies between two revisions of a run: every place that differs, and the events on the way."""

    run_id: str
    from_revision: int
    to_revision: int
    changes: tuple[ChangeRow, ...]
    more_changes: int
    events: tuple[EventRow, ...]
    more_events: bool


def replay(caller: Caller, run_id: RunId, *, at: int | None = None) -> ReplayedRun:
    """The run at a revision, the last one if none is named.

    Raises:
        NotFound: there is no such run, or its trail does not tell of that revision.
    """
    run = run_once(caller, run_id, at=at)
    rows = [node_row(node) for node in open_first(run.state)]
    beside = ReplayedRun(
        run_id=run.state.run_id,
        revision=run.log.rev,
        rev=run.log.state_rev,
        seq=run.log.seq,
        at=run.log.last_at,
        last_event=run.state.last_event,
        title=run.state.title,
        status=run.state.status,
        counts=counts(run.state),
        nodes=(),
        more_nodes=len(rows),
    )
    kept = fit(rows, beside=beside, limit=_NODES_MAX)
    return beside.model_copy(update={"nodes": kept, "more_nodes": len(rows) - len(kept)})


def run_once(caller: Caller, run_id: RunId, *, at: int | None) -> Run:
    """The run as its trail has it after a mutation.

    Raises:
        NotFound: as `replay`.
    """
    with KnownRun(caller.registry, run_id):
        return caller.registry.store.run_at(run_id, at)


def document_of(run: Run) -> Bag:
    """State, bindings and plan in the names of the disk, without fences."""
    return without_fences(snapshot(run))


def run_diff(caller: Caller, run_id: RunId, first: int, last: int) -> RunDiff:
    """What changed from one revision to another; the later one may be named first.

    Raises:
        NotFound: as `replay`.
    """
    before, after = run_once(caller, run_id, at=first), run_once(caller, run_id, at=last)
    old, new = snapshot(before), snapshot(after)
    rows = [
        _change(part, [str(name) for name in op[1]], old, new)
        for part, ops in diff(before, after).items()
        for op in ops
        if isinstance(op[1], list) and op[1] and not {op[1][0], op[1][-1]} & _NOISE
    ]
    events, more = _events_between(caller, run_id, min(first, last), max(first, last))
    beside = RunDiff(
        run_id=run_id,
        from_revision=first,
        to_revision=last,
        changes=(),
        more_changes=len(rows),
        events=fit(events, beside=_NOTHING, limit=_EVENTS_MAX, keep=_EVENTS_CHARS) if events else (),
        more_events=more or len(events) > _EVENTS_MAX,
    )
    kept = fit(rows, beside=beside, limit=_CHANGES_MAX)
    return beside.model_copy(update={"changes": kept, "more_changes": len(rows) - len(kept)})


_NOTHING: Final = Result()


def _events_between(caller: Caller, run_id: RunId, first: int, last: int) -> tuple[list[EventRow], bool]:
    """The events of later mutations than `first` up to `last`, oldest first, and whether there are more of them."""
    store = caller.registry.store
    begin = store.run_at(run_id, first).log.seq
    found = store.events(run_id, since_seq=begin, limit=_EVENTS_READ)
    rows = [event_row(logged) for logged in found if first < logged.rev <= last]
    return rows, len(found) == _EVENTS_READ and found[-1].rev <= last


def _change(part: str, path: list[str], old: Bag, new: Bag) -> ChangeRow:
    return ChangeRow(
        part=part,
        where="/".join(path),
        before=_shown(_at(old.get(part), path)),
        after=_shown(_at(new.get(part), path)),
    )


def _at(value: Json, path: list[str]) -> Json:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _shown(value: Json) -> str | None:
    if value is None:
        return None
    plain = without_fences(value) if isinstance(value, dict) else value
    text = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
    return cut(text, _VALUE_CHARS)
