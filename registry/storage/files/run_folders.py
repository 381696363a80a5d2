"""Where runs lie, and what the index looks at of them: cheaply, and without holding anything open."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from ...core.names import RunId, is_id
from ...core.run import RunState
from ...errors import LockTimeout, NotFound, RegistryError
from ...formats.projections import read_state
from .handles import OpenRun, OpenRuns, no_such_run
from .layout import ARCHIVE, RUNS, STATE, TRAIL
from .opening import FOLDER, read_file
from .vouching import of_folder

if TYPE_CHECKING:
    from ..index.folders import Stamp
    from ..index.rows import Files

_ABSENT: Final = 0
_MONTH: Final = re.compile(r"[0-9]{4}-[0-9]{2}")


def months(root: str) -> list[str]:
    """The archive's folders, newest first."""
    try:
        names = os.listdir(f"{root}/{ARCHIVE}")
    except OSError:
        return []
    return sorted((name for name in names if is_month(name)), reverse=True)


def month_of(root: str, run_id: RunId) -> str | None:
    """The month's folder that holds a run; None where the archive has none of this id."""
    if not is_id(run_id):
        return None
    for month in months(root):
        if os.path.isdir(os.path.join(root, ARCHIVE, month, run_id)):
            return month
    return None


def is_month(name: str) -> bool:
    """Whether a folder of the archive has a name that we give."""
    return _MONTH.fullmatch(name) is not None


@contextmanager
def archived_run(root: str, run_id: RunId, *, now_text: Callable[[], str]) -> Iterator[OpenRun]:
    """A run of the archive, open for reading.

    Raises:
        NotFound: there is none.
    """
    month = month_of(root, run_id)
    if month is None:
        raise no_such_run(run_id)
    try:
        folder = os.open(os.path.join(root, ARCHIVE, month), FOLDER)
    except OSError:
        raise no_such_run(run_id) from None
    try:
        entry = OpenRun(run_id, folder, now_text=now_text)
    except FileNotFoundError:
        raise no_such_run(run_id) from None
    finally:
        os.close(folder)
    try:
        yield entry
    finally:
        entry.close()


class FileFolders:
    """Run folders below a registry's root; see `index.folders.RunFolders`.

    Args:
        state_of: A run's state, had with all that reading a run takes.
    """

    def __init__(self, root: str, opened: OpenRuns, state_of: Callable[[RunId], RunState]) -> None:
        self._root = root
        self._opened = opened
        self._state_of = state_of

    def places(self) -> list[str]:
        """`runs`, then the archive's months."""
        return [RUNS, *(f"{ARCHIVE}/{month}" for month in months(self._root))]

    def stamp(self, place: str) -> "Stamp | None":
        """What changes when a place gets or loses a run."""
        from ..index.folders import Stamp

        try:
            found = os.stat(f"{self._root}/{place}")
        except OSError:
            return None
        return Stamp(found.st_mtime_ns, found.st_nlink)

    def names(self, place: str) -> list[RunId]:
        """The runs of a place."""
        try:
            with os.scandir(os.path.join(self._root, place)) as entries:
                return [entry.name for entry in entries if is_run(entry)]
        except OSError:
            return []

    def changed_ns(self, run_id: RunId, place: str) -> int:
        """About when a run changed last; 0 where it is gone."""
        try:
            return os.stat(f"{self._root}/{place}/{run_id}", follow_symlinks=False).st_mtime_ns
        except OSError:
            return 0

    def place_of(self, run_id: RunId) -> str | None:
        """Where a run is; None where it is nowhere."""
        if not is_id(run_id):
            return None
        if self.changed_ns(run_id, RUNS):
            return RUNS
        month = month_of(self._root, run_id)
        return None if month is None else f"{ARCHIVE}/{month}"

    def files(self, run_id: RunId, place: str) -> "Files | None":
        """The run's files as they are; None where its folder is gone."""
        from ..index.rows import Files

        folder = f"{self._root}/{place}/{run_id}"
        try:
            trail: os.stat_result | None = os.stat(f"{folder}/{TRAIL}", follow_symlinks=False)
        except OSError:
            trail = None
            if not os.path.isdir(folder):
                return None
        try:
            state_ns = os.stat(f"{folder}/{STATE}", follow_symlinks=False).st_mtime_ns
        except OSError:
            state_ns = _ABSENT
        return Files(*((_ABSENT, _ABSENT) if trail is None else (trail.st_size, trail.st_mtime_ns)), state_ns)

    def state(self, run_id: RunId, place: str) -> RunState:
        """A run's state: from state.json where that is all there is to know, else as everybody reads it."""
        try:
            folder = os.open(os.path.join(self._root, place, run_id), FOLDER)
        except OSError:
            return self._state_of(run_id)
        try:
            found = read_state(read_file(folder, STATE) or b"")
            size = os.stat(TRAIL, dir_fd=folder, follow_symlinks=False).st_size
        except (OSError, RegistryError):
            found, size = None, _ABSENT
        finally:
            os.close(folder)
        if found is None or found.head is None or found.head.mark.offset != size:
            return self._state_of(run_id)
        return of_folder(run_id, found.state)

    @contextmanager
    def held(self, run_id: RunId) -> Iterator[bool]:
        """Hold a run's lock if it is free at once; whether it was."""
        with ExitStack() as stack:
            try:
                entry = stack.enter_context(self._opened.using(run_id))
            except NotFound:
                yield False
                return
            is_held = self._is_taken(entry)
            if is_held:
                stack.callback(entry.lock.release)
            yield is_held and entry.is_current(self._opened.runs())

    def _is_taken(self, entry: OpenRun) -> bool:
        try:
            entry.lock.acquire(entry.run_id, wait_s=0, op="index")
        except (LockTimeout, OSError):
            return False
        return True


def is_run(entry: "os.DirEntry[str]") -> bool:
    """Whether something in a place is the folder of a run."""
    return is_id(entry.name) and entry.is_dir(follow_symlinks=False)
