"""The archive: finished runs moved as they are to `archive/YYYY-MM/`, read there and changed no more.

A run is moved under its own lock and by one rename, so it is in one place or the other after any
crash, and whoever waited for the lock finds it gone from `runs/`. Its id stays taken. Nothing is
ever removed.
"""

import errno
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

from ...core.names import RunId, shown
from ...core.run import Run, RunState
from ...errors import Conflict, NextCall
from .. import failpoints
from .appending import unknown
from .creating import Names
from .handles import OpenRun, no_such_run
from .layout import ARCHIVE, RUNS
from .opening import FOLDER, Refused, fault, folder_at, make_folder
from .projecting import Place
from .run_folders import FileFolders, archived_run, is_month, month_of, months
from .syncing import sync


def month_for(place: Place, state: RunState) -> str:
    """The month a run belongs to: that of its last change."""
    month = state.updated_at[:7]
    return month if is_month(month) else f"{place.now():%Y-%m}"


def refusal(root: str, run_id: RunId) -> Conflict | None:
    """Why a run cannot be changed, where that is because it is archived."""
    month = month_of(root, run_id)
    if month is None:
        return None
    return Conflict(
        f"run {shown(run_id)!r} is in the archive ({ARCHIVE}/{month}), where nothing is changed",
        hint=f"opentask archive --restore {run_id} brings it back",
        next=(NextCall("get_run", {"run_id": run_id}, "reads it where it is"),),
        run_id=run_id,
        archived=month,
    )


class ArchivedNames:
    """The names in the archive, to refuse an id that a run there has."""

    def __init__(self) -> None:
        self._months: dict[str, Names] = {}

    def taken(self, root: str, run_id: RunId) -> str | None:
        """The name in the archive that is the same but for case, if any."""
        for month in months(root):
            with suppress(OSError):
                folder = os.open(os.path.join(root, ARCHIVE, month), FOLDER)
                try:
                    name = self._months.setdefault(month, Names()).taken(folder, run_id)
                finally:
                    os.close(folder)
                if name is not None:
                    return name
        return None


def move_out(place: Place, run_id: RunId, month: str) -> None:
    """Move a run to the archive; its lock is held.

    Raises:
        Conflict: the archive has a run of this id.
        StorageFault, StorageFull: nothing was moved.
    """
    try:
        make_folder(place.root(), ARCHIVE, synced=True)
        archive = folder_at(place.root(), ARCHIVE)
        try:
            make_folder(archive, month, synced=True)
        finally:
            os.close(archive)
        _move(place, run_id, source=RUNS, target=f"{ARCHIVE}/{month}")
    except OSError as error:
        raise fault(error, "moving the run to the archive") from error


def move_back(place: Place, run_id: RunId, month: str) -> None:
    """Move a run out of the archive; its lock is held.

    Raises:
        Conflict: there is a run of this id.
        StorageFault, StorageFull: nothing was moved.
    """
    try:
        _move(place, run_id, source=f"{ARCHIVE}/{month}", target=RUNS)
    except OSError as error:
        raise fault(error, "moving the run out of the archive") from error


def _move(place: Place, run_id: RunId, *, source: str, target: str) -> None:
    here = os.open(os.path.join(place.root_path, source), FOLDER)
    try:
        there = os.open(os.path.join(place.root_path, target), FOLDER)
        try:
            failpoints.reach("archive.move")
            os.rename(run_id, run_id, src_dir_fd=here, dst_dir_fd=there)
            try:
                # The new name first: of the two states that a loss of power may leave, both names are the better.
                sync(there)
                sync(here)
            except OSError as error:
                raise unknown(run_id, f"the disk did not confirm it ({error.strerror})", what="the move of") from error
        finally:
            os.close(there)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        raise Conflict(
            f"there is another run {shown(run_id)!r} in {target}; it was to be moved there",
            hint=f"look at {target}/{run_id} and {source}/{run_id}, and rename the folder of one of them",
            run_id=run_id,
        ) from error
    finally:
        os.close(here)


Owned = Callable[[RunId, float, str], AbstractContextManager[OpenRun]]


class FileArchive:
    """Moves finished runs out of the way and back; see `port.Archive`.

    Args:
        owned: A run open and locked, as it lies.
        settled: The run in an open one, with what the next change mends by itself mended.
        forget: Close a run that is no longer where it was.
    """

    def __init__(
        self,
        *,
        place: Callable[[], Place],
        runs: Callable[[], int],
        names: Names,
        folders: FileFolders,
        now_text: Callable[[], str],
        owned: Owned,
        settled: Callable[[OpenRun], Run],
        forget: Callable[[OpenRun], None],
        state_of: Callable[[RunId], RunState],
    ) -> None:
        self._place = place
        self._runs = runs
        self._names = names
        self._folders = folders
        self._now_text = now_text
        self._owned = owned
        self._settled = settled
        self._forget = forget
        self._state_of = state_of

    def ids(self) -> list[tuple[RunId, str]]:
        """Archived runs and their months; see the port."""
        found: dict[RunId, str] = {}
        for place in self._folders.places()[1:]:
            for run_id in self._folders.names(place):
                if self._folders.place_of(run_id) == place:
                    found[run_id] = place.removeprefix(f"{ARCHIVE}/")
        return sorted(found.items())

    def put(self, run_id: RunId, judge: Callable[[Run], None], *, wait_s: float) -> str:
        """Move a run to the archive; see the port."""
        place = self._place()
        with self._owned(run_id, wait_s, "archive") as entry:
            run = self._settled(entry)
            judge(run)
            month = month_for(place, run.state)
            if place.index is not None:
                place.index.mark(run_id)
            move_out(place, run_id, month)
            self._forget(entry)
            self._tell_index(place, run.state, f"{ARCHIVE}/{month}")
        return month

    def restore(self, run_id: RunId, *, wait_s: float) -> str:
        """Bring a run back; see the port."""
        place = self._place()
        with archived_run(place.root_path, run_id, now_text=self._now_text) as entry:
            with Refused("opening the run's lock"):
                lock = entry.lock
            lock.acquire(run_id, wait_s=wait_s, op="restore")
            try:
                month = month_of(place.root_path, run_id)
                if month is None:
                    raise no_such_run(run_id)
                by = self._names.taken(self._runs(), run_id)
                if by is not None:
                    raise _taken_meanwhile(run_id, by, month)
                if place.index is not None:
                    place.index.mark(run_id)
                move_back(place, run_id, month)
                self._tell_index(place, self._state_of(run_id), RUNS)
            finally:
                lock.release()
        return month

    def _tell_index(self, place: Place, state: RunState, where: str) -> None:
        files = self._folders.files(state.run_id, where)
        if place.index is not None and files is not None:
            place.index.moved(state, where, files)


def _taken_meanwhile(run_id: RunId, by: RunId, month: str) -> Conflict:
    return Conflict(
        f"there is a run {shown(by)!r} outside the archive; {run_id!r} was to be brought back from {ARCHIVE}/{month}",
        hint=f"rename the folder {ARCHIVE}/{month}/{run_id}: a run has the id of its folder",
        run_id=run_id,
    )
