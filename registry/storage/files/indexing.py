"""Keeping the index up from within a change; see `storage/index` for what it promises.

A change never fails by the index. What could not be written is marked to be read again, and said.
"""

import os
from typing import Final

from ...core.run import RunState
from .handles import OpenRun
from .layout import STATE
from .projecting import Place

_STALE: Final = (
    "index_stale: the index could not be written; the change stands, and lists show it once the run is read again"
)


def mark_changing(place: Place, entry: OpenRun) -> bool:
    """Say that a run is about to change; whether it could be said, or need not be."""
    return place.index is None or place.index.mark(entry.run_id)


def mark_unchanged(place: Place, entry: OpenRun) -> None:
    """Say that a run did not change after all."""
    if place.index is not None:
        place.index.unmark(entry.run_id)


def index_change(
    place: Place, entry: OpenRun, before: RunState, after: RunState, *, base_size: int, is_marked: bool
) -> tuple[str, ...]:
    """Bring the index up to a change; gives warnings.

    Args:
        base_size: Bytes of the trail before it.
    """
    if place.index is None:
        return ()
    log, state_ns = _files(entry)
    is_written = place.index.changed(before, after, (*log, state_ns), base_size=base_size)
    return () if is_written and is_marked else (_STALE,)


def index_creation(place: Place, entry: OpenRun, run: RunState, runs: int, before: os.stat_result) -> tuple[str, ...]:
    """Put a new run into the index; gives warnings.

    Args:
        runs: The folder of runs, open.
        before: And as it was before this one was begun.
    """
    if place.index is None:
        return ()
    log, state_ns = _files(entry)
    is_written = place.index.created(
        run, (*log, state_ns), folder_before=(before.st_mtime_ns, before.st_nlink), folder=_stamp(runs)
    )
    return () if is_written else (_STALE,)


def _stamp(folder: int) -> tuple[int, int]:
    found = os.fstat(folder)
    return found.st_mtime_ns, found.st_nlink


def _files(entry: OpenRun) -> tuple[tuple[int, int], int]:
    trail = os.fstat(entry.writable_trail())
    state = entry.loaded.seen.get(STATE) if entry.loaded is not None else None
    return (trail.st_size, trail.st_mtime_ns), (0 if state is None else state[2])
