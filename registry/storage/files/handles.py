"""Runs held open by this process: folder, trail and lock, and what was folded from them.

Opening a folder, a trail and a lock costs more than a mutation, so a few runs stay open. What
is open is checked against the names on disk before it is used, since a person may restore a
backup or move a run away. A forked child forgets everything: it must not share locks.
"""

import errno
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final, NamedTuple, Self

from ...core.names import NodeId, RunId, is_id
from ...core.result import leaves_result
from ...core.run import Run
from ...errors import InvalidRequest, NotFound
from ...formats.fold import Mark
from ...formats.projections import NodeTexts
from .. import failpoints
from .layout import LOCK, TRAIL
from .locks import RunLock
from .opening import Inode, fault, folder_at, gone, inode_at, inode_in, inode_of, make_path, open_with_stat
from .syncing import sync

OPEN_RUNS_MAX: Final = 64
"""Three descriptors each: well below the 256 that some systems allow a process."""

REOPENINGS_MAX: Final = 8
"""How often a run is opened anew in one call, where somebody keeps replacing it."""

Identity = tuple[int, int, int]
"""Inode, size and mtime in ns: what changes when somebody writes a file."""


def identity_of(found: os.stat_result) -> Identity:
    """The identity of a file that was looked at."""
    return found.st_ino, found.st_size, found.st_mtime_ns


class Loaded(NamedTuple):
    """A run as this process last folded it, and which files it found.

    `lock`, `plan` and `refs` are short hashes of what was written to workflow.lock.md, the
    cached plan and refs.json; `refs_offset` is where the trail was then. `lock_is_behind`: the
    plan changed since, as far as we know without workflow.lock.md being written. `unwritten`:
    nodes whose result.json may not be there, though their state has it.
    """

    run: Run
    mark: Mark
    lock: str = ""
    plan: str = ""
    refs: str = ""
    refs_offset: int = 0
    lock_is_behind: bool = False
    seen: Mapping[str, Identity | None] = MappingProxyType({})
    texts: NodeTexts | None = None
    unwritten: frozenset[NodeId] = frozenset()

    def doubting(self) -> Self:
        """The same, where nothing vouches for any result.json."""
        nodes = self.run.state.nodes.values()
        return self._replace(unwritten=frozenset(node.id for node in nodes if leaves_result(node)))


class OpenRun:
    """One run's folder and trail, open; the lock file from the first time it is locked."""

    def __init__(self, run_id: RunId, runs: int, *, now_text: Callable[[], str]) -> None:
        self.run_id = run_id
        self.users = 0
        self.loaded: Loaded | None = None
        self.judged_plan: Identity | None = None
        """The workflow.lock.md that was read last; an edit in it was told."""
        self.checkpoint_from = 0
        """Size of the trail before which no snapshot need be made, to see whether it is small enough."""
        self._now_text = now_text
        self._lock: RunLock | None = None
        self._opening = threading.Lock()
        self.folder = _run_folder(runs, run_id)
        self._inode = inode_of(self.folder)
        self._reads_only = False
        self.trail: int | None = None
        self._trail_inode: Inode | None = None
        try:
            self._open_trail()
        except BaseException:
            os.close(self.folder)
            raise

    def _have_trail(self, trail: int, about: os.stat_result) -> None:
        self.trail, self._trail_inode = trail, inode_in(about)

    def _open_trail(self) -> None:
        try:
            opened = open_with_stat(self.folder, TRAIL, os.O_RDWR | os.O_APPEND)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            self._reads_only = True
            opened = open_with_stat(self.folder, TRAIL)
        self._have_trail(*opened)

    @property
    def trail_size(self) -> int:
        """Bytes of the trail; 0 where there is none."""
        return 0 if self.trail is None else os.fstat(self.trail).st_size

    def writable_trail(self) -> int:
        """The trail, made where there is none: a run whose trail was deleted must be able to begin a new one."""
        trail = self.trail
        if trail is not None and not self._reads_only:
            return trail
        if trail is None:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            failpoints.reach("append.open")
            writable = os.open(TRAIL, flags, 0o644, dir_fd=self.folder)
            self._have_trail(writable, os.fstat(writable))
            sync(self.folder)
        else:
            # It could not be opened for writing; the system says why, or lets us now.
            writable, about = open_with_stat(self.folder, TRAIL, os.O_RDWR | os.O_APPEND)
            os.close(trail)
            self._have_trail(writable, about)
            self._reads_only = False
        return writable

    @property
    def lock(self) -> RunLock:
        """The run's lock; its file is made when it is not there."""
        with self._opening:
            if self._lock is None:
                flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
                failpoints.reach("lock.open")
                self._lock = RunLock(os.open(LOCK, flags, 0o644, dir_fd=self.folder), now_text=self._now_text)
            return self._lock

    def is_current(self, runs: int) -> bool:
        """Whether the names on disk still mean what is open here."""
        return (
            inode_at(self.run_id, runs) == self._inode
            and inode_at(TRAIL, self.folder) == self._trail_inode
            and (self._lock is None or inode_at(LOCK, self.folder) == self._lock.inode)
        )

    def identity(self, name: str) -> Identity | None:
        """What tells whether a file of the run was written; None when it is not there."""
        try:
            found = os.stat(name, dir_fd=self.folder, follow_symlinks=False)
        except OSError:
            return None
        return identity_of(found)

    def close(self) -> None:
        """Close what is open; nothing is lost by it."""
        for descriptor in (self.folder, self.trail, None if self._lock is None else self._lock.descriptor):
            if descriptor is not None:
                _let_go(descriptor)


def _let_go(descriptor: int) -> None:
    try:
        os.close(descriptor)
    except OSError:
        return  # The system has let go of it all the same, and the others are to be closed, too.


class _LockedHere(threading.local):
    """The run that this thread has locked."""

    run_id: RunId | None = None


class OpenRuns:
    """The runs that one store holds open, the longest unused closed first."""

    def __init__(self, runs_path: str, *, now_text: Callable[[], str]) -> None:
        self._path = runs_path
        self._now_text = now_text
        self._guard = threading.Lock()
        self._open: OrderedDict[RunId, OpenRun] = OrderedDict()
        self._runs: tuple[int, Inode] | None = None
        self._durable: Inode | None = None
        self.locked = _LockedHere()
        _stores.add(self)

    def runs(self) -> int:
        """The folder `runs/`, open.

        Raises:
            FileNotFoundError: there is none.
            StorageFault: there was one when we looked last.
        """
        named = inode_at(self._path)
        if self._runs is not None:
            held, inode = self._runs
            if named == inode:
                return held
            self.require_there()
            # Another folder took the registry's place, as when a backup is restored; runs are opened anew from it.
            os.close(held)
            self._runs = None
        opened = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._runs, self._durable = (opened, inode_of(opened)), None
        return opened

    def made_runs(self) -> int:
        """The folder `runs/`, open, made unless it is there. Its name is on the disk.

        Raises:
            OSError: the system refused it.
            StorageFault: there was one when we looked last.
        """
        self.require_there()
        # Synced once for as long as we hold it, even where it was there: see `make_path`.
        if self._runs is None or inode_at(self._path) != self._durable:
            make_path(self._path)
        runs = self.runs()
        self._durable = inode_of(runs)
        return runs

    def require_there(self) -> None:
        """Refuse to begin a new registry where one was that is gone.

        Raises:
            StorageFault: there was a folder `runs/` when we looked last.
        """
        if self._runs is not None and not os.path.isdir(self._path):
            raise gone(self._path)

    @contextmanager
    def using(self, run_id: RunId) -> Iterator[OpenRun]:
        """A run held open for as long as the block lasts; see `take`."""
        entry = self.take(run_id)
        try:
            yield entry
        finally:
            self.give_back(entry)

    def take(self, run_id: RunId) -> OpenRun:
        """A run held open until it is given back.

        Raises:
            InvalidRequest: the id is none.
            NotFound: there is no such run.
            StorageFault, StorageFull: it cannot be opened.
        """
        return self._take(run_id)[0]

    def take_current(self, run_id: RunId) -> OpenRun:
        """The same; what is open is what the run's name means now."""
        for _ in range(REOPENINGS_MAX):
            entry, is_new = self._take(run_id)
            try:
                if is_new or entry.is_current(self.runs()):
                    return entry
                self.forget(entry)
            except BaseException:
                self.give_back(entry)
                raise
            self.give_back(entry)
        raise no_such_run(run_id)

    def _take(self, run_id: RunId) -> tuple[OpenRun, bool]:
        """A run held open, and whether it was opened just now."""
        if not is_id(run_id):
            raise InvalidRequest(f"{run_id!r} is no run id", run_id=run_id)
        with self._guard:
            known = self._open.get(run_id)
            if known is None:
                try:
                    entry = OpenRun(run_id, self.runs(), now_text=self._now_text)
                except FileNotFoundError:
                    raise no_such_run(run_id) from None
                except OSError as error:
                    raise fault(error, "opening the run") from error
                self._open[run_id] = entry
                self._make_room()
            else:
                entry = known
                self._open.move_to_end(run_id)
            entry.users += 1
            return entry, known is None

    def keep(self, entry: OpenRun) -> None:
        """Hold a run open that was just made."""
        with self._guard:
            former = self._open.pop(entry.run_id, None)
            if former is not None and not former.users:
                former.close()
            self._open[entry.run_id] = entry
            self._make_room()

    def forget(self, entry: OpenRun) -> None:
        """Open the run anew the next time; its files were replaced."""
        with self._guard:
            if self._open.get(entry.run_id) is entry:
                del self._open[entry.run_id]

    def close(self) -> None:
        """Close all that nobody uses."""
        with self._guard:
            for run_id in [run_id for run_id, entry in self._open.items() if not entry.users]:
                self._open.pop(run_id).close()
            if self._runs is not None:
                os.close(self._runs[0])
                self._runs = None

    def give_back(self, entry: OpenRun) -> None:
        """Have a run closed when it is neither used nor kept any more."""
        with self._guard:
            entry.users -= 1
            if not entry.users and self._open.get(entry.run_id) is not entry:
                entry.close()

    def _make_room(self) -> None:
        newest = next(reversed(self._open))
        while len(self._open) > OPEN_RUNS_MAX:
            idle = next((run_id for run_id, entry in self._open.items() if not entry.users and run_id != newest), None)
            if idle is None:
                return
            self._open.pop(idle).close()

    def forget_all(self) -> None:
        """Begin anew in a forked child."""
        # The child's copies of the descriptors share their locks with the parent: closing them lets go of nothing
        # there, keeping them would let the child into what the parent holds.
        for entry in self._open.values():
            entry.close()
        if self._runs is not None:
            os.close(self._runs[0])
        self._open, self._runs, self._guard = OrderedDict(), None, threading.Lock()
        self.locked = _LockedHere()


_stores: "weakref.WeakSet[OpenRuns]" = weakref.WeakSet()


def _forget_in_child() -> None:
    for store in list(_stores):
        store.forget_all()


os.register_at_fork(after_in_child=_forget_in_child)


def no_such_run(run_id: RunId) -> NotFound:
    """The failure of a call that names no run."""
    return NotFound(f"no run {run_id!r} in this registry", run_id=run_id)


def _run_folder(runs: int, run_id: RunId) -> int:
    try:
        return folder_at(runs, run_id)
    except NotADirectoryError:
        raise no_such_run(run_id) from None
