"""Putting finished runs away: moved as they are to `archive/YYYY-MM/`, and brought back.

Nothing is removed. What somebody still has to do about a run keeps it where it is: a run that
waits for an effect, or for words of a person to be read, would wait unseen in the archive.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ..core.names import RunId, iso, moment, shown
from ..core.run import ENDED_RUN, Run
from ..errors import Conflict, NotFound, RegistryError
from ..registry import Registry
from ..storage.listing import RunQuery, run_key

_PAGE_RUNS: Final = 200


@dataclass(frozen=True)
class Archived:
    """A run that was moved, or would be: when it changed last and the month's folder."""

    run_id: RunId
    status: str
    updated_at: str
    month: str | None


@dataclass(frozen=True)
class Kept:
    """A finished run that stays, and why."""

    run_id: RunId
    why: str


def archive_before(
    registry: Registry, before: datetime, *, dry_run: bool = False, tell: Callable[[Archived | Kept], None]
) -> tuple[str, ...]:
    """Move every run that ended and did not change since a moment.

    Args:
        dry_run: Only say which these are.
        tell: Hears of each run as soon as it is known what becomes of it, newest first.

    Returns:
        What the list of runs could not tell.
    """
    notices: dict[str, None] = {}
    for run_id in _ended_before(registry, before, notices):
        try:
            tell(_moved(registry, run_id, before, dry_run=dry_run))
        except NotFound:
            continue  # somebody else moved it
        except RegistryError as failure:
            tell(Kept(run_id, failure.message))
    return tuple(notices)


def _ended_before(registry: Registry, before: datetime, notices: dict[str, None]) -> Iterator[RunId]:
    query = RunQuery(statuses=frozenset({"completed", "failed", "cancelled"}), after=(iso(before), ""))
    while True:
        page = registry.lists.page(query, limit=_PAGE_RUNS)
        notices |= dict.fromkeys(page.notices)
        yield from (run.run_id for run in page.runs)
        if len(page.runs) < _PAGE_RUNS:
            return
        query = RunQuery(statuses=query.statuses, after=run_key(page.runs[-1]))


def _moved(registry: Registry, run_id: RunId, before: datetime, *, dry_run: bool) -> Archived:
    if dry_run:
        run = registry.read(run_id).run
        _require_over(run, before)
        return Archived(run_id, run.state.status, run.state.updated_at, None)
    seen: list[Run] = []

    def judge(run: Run) -> None:
        _require_over(run, before)
        seen.append(run)

    # Whatever others left for the run is taken in first; it may be a request to go on with it.
    registry.tick(run_id)
    month = registry.store.archive.put(run_id, judge, wait_s=registry.settings.lock_wait_s)
    state = seen[0].state
    return Archived(run_id, state.status, state.updated_at, month)


def _require_over(run: Run, before: datetime) -> None:
    """Refuse a run that somebody still has to do with."""
    state = run.state
    if state.status not in ENDED_RUN:
        raise Conflict(f"it is {state.status}", run_id=state.run_id)
    if moment(state.updated_at) >= before:
        raise Conflict(f"it changed since, at {state.updated_at}", run_id=state.run_id)
    if run.refs.pending_effects:
        waiting = ", ".join(shown(effect) for effect in list(run.refs.pending_effects)[:3])
        raise Conflict(
            f"effects are not carried out yet ({waiting}); tick_run takes them off with effects_done",
            run_id=state.run_id,
        )
    at_work = [node.id for node in state.nodes.values() if node.managed and node.is_open]
    if at_work:
        children = ", ".join(shown(node_id) for node_id in at_work[:3])
        raise Conflict(
            f"children have not ended yet ({children}); append_event reports their end, cancel_task ends them",
            run_id=state.run_id,
        )
    if state.messages:
        raise Conflict(
            "words of a person are not read yet; tick_run takes them off with effects_done", run_id=state.run_id
        )


def restore_run(registry: Registry, run_id: RunId) -> str:
    """Bring a run back from the archive; gives the month it was in.

    Raises:
        NotFound: there is no such run.
        Conflict: it is not in the archive, or its id has been given to another.
    """
    try:
        return registry.store.archive.restore(run_id, wait_s=registry.settings.lock_wait_s)
    except NotFound:
        if registry.store.log_mark(run_id) is None:
            raise
        raise Conflict(f"run {shown(run_id)!r} is not in the archive; it was to be brought back from there") from None
