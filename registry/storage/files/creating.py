"""Making a run: built beside its place, synced, renamed into it.

Synced are the trail, the files of its nodes, and once each folder. The projections are not: they
are made again from the trail, here as after every mutation.

Of any number of creators of one id one wins, because a folder cannot be renamed onto one that
holds files. A kill leaves a `runs/.new-*` folder, which nobody ever reads.
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress

from ...core.events import Decision, FileWrite
from ...core.names import RunId, shown
from ...core.run import Run
from ...errors import Conflict
from ...formats.event_line import crc_of, seal
from ...formats.fold import Mark
from ...formats.projections import write_plan
from .. import failpoints
from ..port import Committed
from . import atomic
from .appending import unknown
from .checkpoints import restart_body
from .handles import Loaded, OpenRun
from .indexing import index_creation, mark_changing
from .layout import BUILDING, CONTROL, LOCK, NODES, RUNS, TRAIL
from .opening import fault, folder_at, parent_of
from .projecting import Place, cache_plan, project
from .syncing import sync


class Names:
    """The names in `runs/`, to refuse an id that differs from another only in case.

    Such a pair could not be copied to a disk that ignores case. The names are read again only
    when `runs/` changed by another hand.
    """

    def __init__(self) -> None:
        self._seen: tuple[int, int, int] | None = None
        self._names: dict[str, str] = {}

    def taken(self, runs: int, run_id: RunId) -> str | None:
        """The name in `runs/` that is the same but for case, if any."""
        mark = _mark(runs)
        if mark != self._seen:
            self._names = {name.lower(): name for name in os.listdir(runs) if not name.startswith(".")}
            self._seen = mark
        return self._names.get(run_id.lower())

    def made(self, runs: int, run_id: RunId) -> None:
        """Take note of a run of ours, where the count of folders says that nobody else made one meanwhile."""
        mark = _mark(runs)
        if self._seen is not None and mark[1:] == (self._seen[1], self._seen[2] + 1):
            self._names[run_id.lower()] = run_id
            self._seen = mark


def _mark(folder: int) -> tuple[int, int, int]:
    found = os.fstat(folder)
    return found.st_mtime_ns, found.st_ino, found.st_nlink


def taken(run_id: RunId, by: str) -> Conflict:
    """The refusal of an id that another run has."""
    differs = "" if by == run_id else f" as {by!r}, which differs only in case"
    return Conflict(
        f"run {shown(run_id)!r} exists already{differs}; it was to be created",
        hint="choose another run_id, or leave it out and one is made",
        exists=True,
        run_id=by,
    )


def build(place: Place, runs: int, decision: Decision, *, now_text: Callable[[], str]) -> tuple[OpenRun, Committed]:
    """Make the run's folder and leave it open.

    Raises:
        Conflict: the id is taken.
        StorageFull, StorageFault: nothing is there.
        OutcomeUnknown: it may or may not be there after a power loss.
    """
    run_id = decision.run.state.run_id
    building = f"{BUILDING}{os.urandom(8).hex()}"
    text, crc = write_plan(decision.run.plan)
    before = os.fstat(runs)
    try:
        failpoints.reach("create.folder")
        os.mkdir(building, 0o755, dir_fd=runs)
        entry = _filled(place, runs, building, decision, plan=crc, now_text=now_text)
        try:
            failpoints.reach("create.rename")
            mark_changing(place, entry)
            os.rename(building, run_id, src_dir_fd=runs, dst_dir_fd=runs)
        except OSError:
            entry.close()
            raise
    except OSError as error:
        _take_away(place, building)
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise taken(run_id, run_id) from error
        raise fault(error, "making the run's folder") from error
    try:
        sync(runs)
    except OSError as error:
        entry.close()
        raise unknown(run_id, f"the disk did not confirm it ({error.strerror})", what="the new run") from error
    cache_plan(place, run_id, text)
    warnings = index_creation(place, entry, decision.run.state, runs, before)
    return entry, Committed(run=decision.run, rev=decision.run.log.rev, events=decision.events, warnings=warnings)


def _filled(
    place: Place, runs: int, building: str, decision: Decision, *, plan: str, now_text: Callable[[], str]
) -> OpenRun:
    """Write the folder's files and sync what cannot be made again, at every durability."""
    run = decision.run
    chunk = seal(
        decision.events,
        run_id=run.state.run_id,
        after_seq=run.log.seq - len(decision.events),
        rev=run.log.rev,
        body=restart_body(run, control=0),
    )
    folder = folder_at(runs, building)
    try:
        atomic.write_new(folder, TRAIL, chunk, synced=True)
        for name in (CONTROL, LOCK):
            # Of an empty file there is only the name, which is synced with the folder.
            atomic.write_new(folder, name, b"", synced=False)
        failpoints.reach("create.node")
        os.mkdir(NODES, 0o755, dir_fd=folder)
        nodes = folder_at(folder, NODES)
        try:
            for node_id in run.state.nodes:
                failpoints.reach("create.node")
                os.mkdir(node_id, 0o755, dir_fd=nodes)
            _write_files(folder, decision.files)
            sync(nodes)
        finally:
            os.close(nodes)
    finally:
        os.close(folder)
    return _projected(
        place, runs, building, run, Mark(offset=len(chunk), tip=crc_of(chunk[:-1])), plan=plan, now_text=now_text
    )


def _projected(
    place: Place, runs: int, building: str, run: Run, mark: Mark, *, plan: str, now_text: Callable[[], str]
) -> OpenRun:
    """Write what is made from the trail, then sync the names of all that is in the folder."""
    entry = OpenRun(building, runs, now_text=now_text)
    entry.run_id = run.state.run_id
    entry.loaded, warnings = project(place, entry, Loaded(run, mark, plan=plan), run, mark)
    if warnings:
        entry.close()
        raise OSError(errno.EIO, warnings[0])
    sync(entry.folder)
    return entry


def _write_files(folder: int, files: Iterable[FileWrite]) -> None:
    for file in files:
        with parent_of(folder, file.path, make=True, synced=True) as (parent, name):
            atomic.write_new(parent, name, file.content, synced=True)
            sync(parent)


def _take_away(place: Place, building: str) -> None:
    # Only our own unfinished folder, under the random name made above.
    with suppress(OSError):
        shutil.rmtree(os.path.join(place.root_path, RUNS, building), ignore_errors=True)
