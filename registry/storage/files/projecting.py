"""Writing what people and fast starts read: workflow.lock.md, the cached plan, refs.json, result.json, state.json.

None of it is synced and all of it can be made again from the trail, so a fault here is a
warning. The order matters: state.json comes last because it names what the others must be.
"""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from ...core.names import NodeId, RunId
from ...core.result import result_path, results_since
from ...core.run import Run
from ...errors import RegistryError
from ...formats.fold import Mark
from ...formats.projections import StateHead, write_plan, write_refs, write_state
from . import atomic, results
from .handles import Identity, Loaded, OpenRun
from .layout import NODES, PLAN, REFS, STATE, plan_cache
from .opening import OpenRoot, folder_at, is_blank, make_folder, parent_of, read_file
from .syncing import sync

if TYPE_CHECKING:
    from ..index.writing import IndexWriter

_REFS_LAG_BYTES = 32 << 10
"""Refs.json is written again after so much of the trail even when no binding changed."""


@dataclass(frozen=True)
class Place:
    """Where a store's files lie and how it writes them.

    Attributes:
        root: Gives the registry's folder, open, as its path means it now.
        synced: Whether what is acknowledged is on disk (`durability: full`).
        now: The clock, aware UTC.
        index: What lists are made from; None where none is kept.
    """

    root: OpenRoot
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


def project(place: Place, entry: OpenRun, before: Loaded, run: Run, mark: Mark) -> tuple[Loaded, tuple[str, ...]]:
    """Bring the projections up to a run, writing only what changed.

    Returns:
        What is known of the run now, and warnings.
    """
    warnings: list[str] = []
    seen = dict(before.seen)
    is_plan_new = run.plan is not before.run.plan
    lock, lock_is_behind = before.lock, before.lock_is_behind
    if is_plan_new or not lock or lock_is_behind:
        lock, lock_is_behind = _project_lock(place, entry, before, run, seen=seen, warnings=warnings)
    plan = before.plan
    if is_plan_new or not plan:
        text, crc = write_plan(run.plan)
        plan = crc if cache_plan(place, entry.run_id, text) else ""
    refs, refs_offset = before.refs, before.refs_offset
    if run.refs is not before.run.refs or not refs or mark.offset - refs_offset > _REFS_LAG_BYTES:
        text, crc = write_refs(run.refs, rev=run.log.rev, offset=mark.offset)
        stands = _put(entry, REFS, text, seen, warnings)
        # A state.json must not vouch for a refs.json that was not written.
        refs, refs_offset = (crc, mark.offset) if stands else ("", refs_offset)
    unwritten = before.unwritten | _project_results(entry, before.run, run, warnings)
    head = StateHead(
        log=run.log, mark=mark, lock=lock, plan=plan, refs=refs, lock_is_behind=lock_is_behind, unwritten=unwritten
    )
    text, texts = write_state(run.state, head, before.texts or {})
    _put(entry, STATE, text, seen, warnings)
    now = Loaded(
        run,
        mark,
        lock=lock,
        plan=plan,
        refs=refs,
        refs_offset=refs_offset,
        lock_is_behind=lock_is_behind,
        seen=seen,
        texts=texts,
        unwritten=unwritten,
    )
    return now, tuple(warnings)


def _put(
    entry: OpenRun,
    name: str,
    text: bytes,
    seen: dict[str, Identity | None],
    warnings: list[str],
    *,
    put: Callable[[int, str, bytes], None] = atomic.renew,
) -> bool:
    try:
        put(entry.folder, name, text)
    except OSError as error:
        warnings.append(results.stale(name, error))
        return False
    seen[name] = entry.identity(name)
    return True


def _project_results(entry: OpenRun, before: Run, run: Run, warnings: list[str]) -> frozenset[NodeId]:
    """Write result.json of the nodes that completed; give those where that could not be done."""
    failed: set[NodeId] = set()
    for node in results_since(before.state, run.state):
        try:
            results.put(entry, run, node)
        except (OSError, RegistryError) as error:
            failed.add(node.id)
            warnings.append(results.stale(result_path(node.id), error))
    return frozenset(failed)


def _project_lock(
    place: Place,
    entry: OpenRun,
    before: Loaded,
    run: Run,
    *,
    seen: dict[str, Identity | None],
    warnings: list[str],
) -> tuple[str, bool]:
    """The short hash of workflow.lock.md, and whether it is behind."""
    try:
        is_heard = keep_edited_lock(place, entry, before) is not None
    except (OSError, RegistryError) as error:
        warnings.append(f"projection_stale: {PLAN} could not be kept and stays as it is ({error})")
        return before.lock, True
    text = lock_text(run)
    # Somebody's unsynced edit may be lost with the power; what was there before it would be heard as the next one.
    replace = partial(atomic.replace, synced=is_heard and place.synced)
    if not _put(entry, PLAN, text, seen, warnings, put=replace):
        return before.lock, True
    if run.plan is not before.run.plan:
        _make_node_folders(entry, run, before.run, synced=place.synced)
    return short_sha(text), False


def keep_edited_lock(place: Place, entry: OpenRun, known: Loaded) -> str | None:
    """Keep a workflow.lock.md that is not as we wrote it, and give the copy's name."""
    if known.lock and entry.identity(PLAN) == known.seen.get(PLAN):
        return None
    text = read_file(entry.folder, PLAN)
    if text is None or is_blank(text) or short_sha(text) == known.lock or text == lock_text(known.run):
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
        with parent_of(place.root(), f"{folder}/{name}", make=True) as (parent, _):
            atomic.replace(parent, name, text)
    except (OSError, RegistryError):
        return False
    return True
