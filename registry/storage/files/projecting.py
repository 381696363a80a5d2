"""Writing what people and fast starts read: refs.json, workflow.lock.md, the cached plan, state.json.

None of it is synced and all of it can be made again from the trail, so a fault here is a
warning. The order matters: state.json comes last because it names what the others must be.
"""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from ...core.names import RunId
from ...core.run import Run
from ...errors import RegistryError
from ...formats.fold import Mark
from ...formats.projections import StateHead, write_plan, write_refs, write_state
from . import atomic
from .handles import Loaded, OpenRun
from .layout import NODES, PLAN, REFS, STATE, plan_cache
from .opening import folder_at, make_folder, parent_of, read_file
from .syncing import sync

if TYPE_CHECKING:
    from ..index.writing import IndexWriter

_REFS_LAG_BYTES = 32 << 10
"""Refs.json is written again after so much of the trail even when no binding changed."""


@dataclass(frozen=True)
class Place:
    """Where a store's files lie and how it writes them.

    Attributes:
        root: The registry's folder, open.
        synced: Whether what is acknowledged is on disk (`durability: full`).
        now: The clock, aware UTC.
        index: What lists are made from; None where none is kept.
    """

    root: int
    root_path: str
    synced: bool
    now: Callable[[], datetime]
    index: "IndexWriter | None" = None

    def stamp(self) -> str:
        """The time as it stands in names of kept files."""
        return f"{self.now():%Y%m%dT%H%M%SZ}"


def short_sha(text: bytes) -> str:
    """The short hash by which workflow.lock.md is known."""
    return hashlib.sha256(text).hexdigest()[:16]


def lock_text(run: Run) -> bytes:
    """The text of workflow.lock.md."""
    # Reading and writing YAML costs more than everything else here; most mutations leave the plan alone.
    from ...formats.workflow_writer import write_workflow

    return write_workflow(run.plan.workflow()).encode()


def project(
    place: Place, entry: OpenRun, before: Loaded, run: Run, mark: Mark, *, synced: bool = False
) -> tuple[Loaded, tuple[str, ...]]:
    """Bring the projections up to a run, writing only what changed.

    Args:
        synced: Have them on the disk, as a new run must.

    Returns:
        What is known of the run now, and warnings.
    """
    warnings: list[str] = []
    now = replace(before, run=run, mark=mark, seen=dict(before.seen))
    if run.plan is not before.run.plan or not before.lock or before.lock_is_behind:
        now = _project_lock(place, entry, before, now, warnings, synced=synced)
    if run.plan is not before.run.plan or not before.plan:
        text, crc = write_plan(run.plan)
        now = replace(now, plan=crc if cache_plan(place, entry.run_id, text) else "")
    if run.refs is not before.run.refs or not before.refs or mark.offset - before.refs_offset > _REFS_LAG_BYTES:
        text, crc = write_refs(run.refs, rev=run.log.rev, offset=mark.offset)
        stands = _put(entry, REFS, text, now, warnings, synced=synced)
        # A state.json must not vouch for a refs.json that was not written.
        now = replace(now, refs=crc if stands else "", refs_offset=mark.offset if stands else now.refs_offset)
    head = StateHead(
        log=run.log, mark=mark, lock=now.lock, plan=now.plan, refs=now.refs, lock_is_behind=now.lock_is_behind
    )
    text, texts = write_state(run.state, head, before.texts)
    _put(entry, STATE, text, now, warnings, synced=synced)
    return replace(now, texts=texts), tuple(warnings)


def _put(entry: OpenRun, name: str, text: bytes, now: Loaded, warnings: list[str], *, synced: bool) -> bool:
    try:
        atomic.replace(entry.folder, name, text, synced=synced)
    except OSError as error:
        warnings.append(f"projection_stale: {name} could not be replaced ({error.strerror}); the trail has the change")
        return False
    now.seen[name] = entry.identity(name)
    return True


def _project_lock(
    place: Place, entry: OpenRun, before: Loaded, now: Loaded, warnings: list[str], *, synced: bool
) -> Loaded:
    try:
        is_heard = keep_edited_lock(place, entry, before) is not None
    except (OSError, RegistryError) as error:
        warnings.append(f"projection_stale: {PLAN} could not be kept and stays as it is ({error})")
        return replace(now, lock_is_behind=True)
    text = lock_text(now.run)
    # Somebody's unsynced edit may be lost with the power; what was there before it would be heard as the next one.
    if not _put(entry, PLAN, text, now, warnings, synced=synced or (is_heard and place.synced)):
        return replace(now, lock_is_behind=True)
    if now.run.plan is not before.run.plan:
        _make_node_folders(entry, now.run, before.run, synced=place.synced)
    return replace(now, lock=short_sha(text), lock_is_behind=False)


def keep_edited_lock(place: Place, entry: OpenRun, known: Loaded) -> str | None:
    """Keep a workflow.lock.md that is not as we wrote it, and give the copy's name."""
    if known.lock and entry.identity(PLAN) == known.seen.get(PLAN):
        return None
    text = read_file(entry.folder, PLAN)
    if text is None or short_sha(text) == known.lock or text == lock_text(known.run):
        return None
    return atomic.keep(entry.folder, f".{PLAN}.edited-{place.stamp()}", text)


def _make_node_folders(entry: OpenRun, run: Run, before: Run, *, synced: bool) -> None:
    added = [node_id for node_id in run.state.nodes if node_id not in before.state.nodes]
    if not added:
        return
    with suppress(OSError):
        nodes = folder_at(entry.folder, NODES)
        try:
            for node_id in added:
                make_folder(nodes, node_id, synced=False)
            if synced:
                # An artifact is durable only where its folder is.
                sync(nodes)
        finally:
            os.close(nodes)


def cache_plan(place: Place, run_id: RunId, text: bytes) -> bool:
    """Cache a plan. A run without one is folded from its trail, so a fault is nobody's concern."""
    folder, _, name = plan_cache(run_id).rpartition("/")
    try:
        with parent_of(place.root, f"{folder}/{name}", make=True) as (parent, _):
            atomic.replace(parent, name, text)
    except (OSError, RegistryError):
        return False
    return True
