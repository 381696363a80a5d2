"""Runs as plain folders: the store that `port.Store` describes, made of files.

What only changes need is imported by the first change: most commands of a person only look, and
a new process each time waits for every import.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeVar

from ...core.events import Decision
from ...core.names import AgentId, NodeId, RunId, is_id, iso
from ...core.record import Bag
from ...core.run import Run, RunState
from ...errors import NotFound, RegistryError
from ..port import Committed, LoggedEvent, Problem, Reading
from .agent_locks import AgentLocks
from .atomic import read_slice
from .finding import find, state_alone
from .handles import REOPENINGS_MAX, OpenRun, OpenRuns, no_such_run
from .history import events_after, run_at
from .indexes import Indexes
from .layout import RUNS, TRAIL, node_folder
from .opening import Inode, Refused, fault, files_below, gone, inode_at, inode_of, sizes_of
from .projecting import Place
from .run_folders import FileFolders, archived_run, is_run
from .telling import no_lock, no_run_left, not_a_run, notices_of_reader

if TYPE_CHECKING:
    from ..listing import RunLists
    from ..views import TaskViews
    from .archive import ArchivedNames, FileArchive
    from .care import FileCare
    from .creating import Names
    from .handles import Loaded
    from .locks import RunLock
    from .session import FileSession

Durability = Literal["full", "process"]
_Given = TypeVar("_Given")


class FileStore:
    """The runs below one registry folder.

    Args:
        root: The registry's folder; `runs/` in it is made with the first run.
        now: The clock, aware UTC.
        durability: `full` syncs every mutation before it is acknowledged; `process` leaves that
            to the system, for tests and throw-away registries.
        write_refusal: Why this place may not be written, asked before the first write.
        keeps_index: Keep the index that lists are made from; without it they read every run.
    """

    def __init__(
        self,
        root: str,
        *,
        now: Callable[[], datetime],
        durability: Durability = "full",
        write_refusal: Callable[[], RegistryError | None] | None = None,
        keeps_index: bool = True,
    ) -> None:
        self.root = os.path.abspath(root)
        self._now = now
        self._synced = durability == "full"
        self._runs_path = os.path.join(self.root, RUNS)
        self._open = OpenRuns(self._runs_path, now_text=self._now_text)
        self._names: tuple[Names, ArchivedNames] | None = None
        self.folders = FileFolders(self.root, self._open, self.state)
        self._index = Indexes(
            self.root, self, self.folders, is_kept=keeps_index, now=now, require_writable=self._require_writable
        )
        self._agents = AgentLocks(now_text=self._now_text)
        self._root: tuple[int, int, Inode] | None = None
        self._place: Place | None = None
        self._write_refusal = write_refusal

    def _require_writable(self) -> None:
        if self._write_refusal is not None:
            refusal = self._write_refusal()
            if refusal is not None:
                raise refusal
            self._write_refusal = None

    def _now_text(self) -> str:
        return iso(self._now())

    def _root_folder(self) -> int:
        if self._root is not None and self._root[0] == os.getpid():
            _, held, inode = self._root
            if inode_at(self.root) == inode:
                return held
            if not os.path.isdir(self.root):
                raise gone(self.root)
            self._root = None
            os.close(held)
        with Refused("opening the registry"):
            opened = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._root = (os.getpid(), opened, inode_of(opened))
        return opened

    def _place_to_change(self) -> Place:
        if self._place is None:
            self._place = Place(
                root=self._root_folder,
                root_path=self.root,
                synced=self._synced,
                now=self._now,
                index=self._index.writer(),
            )
        return self._place

    @property
    def lists(self) -> "RunLists":
        """Lists of runs; see the port."""
        return self._index.lists()

    @property
    def views(self) -> "TaskViews":
        """Queues and the ledger; see the port."""
        return self._index.views()

    def reindex(self, progress: Callable[[int, int], None]) -> int:
        """Read every run again for the lists; see the port."""
        return self._index.rebuild(progress)

    def close(self) -> None:
        """Close what is open; the store may be used again."""
        self._open.close()
        self._agents.close()
        self._index.close()
        if self._root is not None:
            os.close(self._root[1])
            self._root = None

    def create(self, decision: Decision) -> Committed:
        """Make a new run; see the port."""
        from .creating import build, taken

        run_id = decision.run.state.run_id
        self._require_writable()
        names, archived = self._known_names()
        try:
            runs = self._open.made_runs()
            by = names.taken(runs, run_id) or archived.taken(self.root, run_id)
        except OSError as error:
            raise fault(error, "opening the registry") from error
        if by is not None:
            raise taken(run_id, by)
        entry, committed = build(self._place_to_change(), runs, decision, now_text=self._now_text)
        names.made(runs, run_id)
        self._open.keep(entry)
        return committed

    def _known_names(self) -> "tuple[Names, ArchivedNames]":
        if self._names is None:
            from .archive import ArchivedNames
            from .creating import Names

            self._names = (Names(), ArchivedNames())
        return self._names

    def locked(self, run_id: RunId, *, wait_s: float, op: str) -> "AbstractContextManager[FileSession]":
        """The only writer of a run; see the port."""
        return self._held_for(run_id, wait_s, op, self._session)

    def _owned(self, run_id: RunId, wait_s: float, op: str) -> AbstractContextManager[OpenRun]:
        """A run locked, as it lies."""
        return self._held_for(run_id, wait_s, op, lambda entry: entry)

    @contextmanager
    def _held_for(self, run_id: RunId, wait_s: float, op: str, given: Callable[[OpenRun], _Given]) -> Iterator[_Given]:
        """A run locked; the block gets what is made of it."""
        self._require_writable()
        for _ in range(REOPENINGS_MAX):
            entry = self._taken(run_id)
            try:
                lock = self._acquired(entry, wait_s=wait_s, op=op)
                try:
                    if entry.is_current(self._open.runs()):
                        yield given(entry)
                        return
                finally:
                    self._open.locked.run_id = None
                    lock.release()
                # A backup was restored, or the run was moved: what is open is not what its name means now.
                self._open.forget(entry)
            finally:
                self._open.give_back(entry)
        raise no_such_run(run_id)

    def _taken(self, run_id: RunId) -> OpenRun:
        """A run open to be changed."""
        try:
            return self._open.take(run_id)
        except NotFound as missing:
            from .archive import refusal

            raise refusal(self.root, run_id) or missing from None

    def _acquired(self, entry: OpenRun, *, wait_s: float, op: str) -> "RunLock":
        held = self._open.locked.run_id
        assert held is None, f"run {held!r} is locked by this thread; two locks at once would be a deadlock's half"
        try:
            lock = entry.lock
        except OSError as error:
            raise no_lock(entry, error) from error
        lock.acquire(entry.run_id, wait_s=wait_s, op=op)
        self._open.locked.run_id = entry.run_id
        return lock

    @property
    def care(self) -> "FileCare":
        """Doctor and repair; see the port."""
        from .care import FileCare

        def settled(entry: OpenRun) -> "tuple[Loaded, tuple[str, ...]]":
            session = self._session(entry)
            assert entry.loaded is not None, "whoever may write has loaded the run"
            return entry.loaded, session.notices

        return FileCare(
            place=self._place_to_change,
            runs_path=self._runs_path,
            runs=self._open.runs,
            reading=self._reading,
            owned=self._owned,
            settled=settled,
        )

    @property
    def archive(self) -> "FileArchive":
        """The archive of finished runs; see the port."""
        from .archive import FileArchive

        return FileArchive(
            place=self._place_to_change,
            runs=self._open.runs,
            names=self._known_names()[0],
            folders=self.folders,
            now_text=self._now_text,
            owned=self._owned,
            settled=lambda entry: self._session(entry).run,
            forget=self._open.forget,
            state_of=self.state,
        )

    def _session(self, entry: OpenRun) -> "FileSession":
        from .beginning import session_of

        try:
            return session_of(self._place_to_change(), entry)
        except OSError as error:
            raise fault(error, "reading the run") from error

    @contextmanager
    def _reading(self, run_id: RunId) -> Iterator[OpenRun]:
        """A run open for a reader, wherever it is."""
        try:
            entry = self._open.take_current(run_id)
        except NotFound:
            with archived_run(self.root, run_id, now_text=self._now_text) as entry, Refused("reading the run"):
                yield entry
            return
        try:
            yield entry
        except OSError as error:
            raise fault(error, "reading the run") from error
        finally:
            self._open.give_back(entry)

    def agent_locked(self, agent_id: AgentId, *, wait_s: float, op: str) -> AbstractContextManager[None]:
        """The only claimer from an agent's queue; see the port."""
        self._require_writable()
        return self._agents.locked(self._root_folder(), agent_id, wait_s=wait_s, op=op)

    def archived(self, run_id: RunId) -> RunState | None:
        """The state of an archived run; see the port."""
        place = self.folders.place_of(run_id)
        return None if place in (None, RUNS) else self.state(run_id)

    def read(self, run_id: RunId) -> Reading:
        """The run as a reader finds it; see the port."""
        with self._reading(run_id) as entry:
            known = entry.loaded
            found = find(entry, self._root_folder, synced=self._synced)
            if found is None:
                from .adopt import earlier_run

                earlier = earlier_run(entry)
                if earlier is None:
                    raise not_a_run(entry)
                return Reading(run=earlier[0])
            if found.loaded is None:
                raise no_run_left(entry.run_id)
            if found.is_clean and entry.loaded is known:
                entry.loaded = found.loaded
            return Reading(run=found.loaded.run, notices=notices_of_reader(entry, found))

    def state(self, run_id: RunId) -> RunState:
        """The state alone; see the port."""
        with self._reading(run_id) as entry:
            state = state_alone(entry) if entry.loaded is None else None
        return self.read(run_id).run.state if state is None else state

    def run_ids(self) -> Iterator[RunId]:
        """All runs, newest change first."""
        try:
            with os.scandir(self._runs_path) as entries:
                # A run's folder changes with every state.json that is renamed into it.
                found = [
                    (entry.stat(follow_symlinks=False).st_mtime_ns, entry.name) for entry in entries if is_run(entry)
                ]
        except FileNotFoundError:
            return
        except OSError as error:
            raise fault(error, "listing the runs") from error
        for _, name in sorted(found, reverse=True):
            yield name

    def events(self, run_id: RunId, *, since_seq: int = 0, limit: int = 100) -> list[LoggedEvent]:
        """Events with a later seq, oldest first."""
        with self._reading(run_id) as entry:
            return events_after(entry, since_seq=since_seq, limit=limit)

    def run_at(self, run_id: RunId, rev: int | None) -> Run:
        """The run at a mutation; see the port."""
        with self._reading(run_id) as entry:
            return run_at(entry, rev)

    def read_file(self, run_id: RunId, path: str, *, offset: int, limit: int) -> tuple[bytes, int]:
        """A slice of a run's file and its whole size in bytes; empty and 0 when it is not there."""
        with self._reading(run_id) as entry:
            try:
                return read_slice(entry.folder, path, offset, limit)
            except FileNotFoundError:
                return b"", 0

    def sizes(self, run_id: RunId, paths: Sequence[str]) -> dict[str, int]:
        """Sizes in bytes of those run-relative files that exist."""
        with self._reading(run_id) as entry:
            return sizes_of(entry.folder, paths)

    def files(self, run_id: RunId, node_id: NodeId) -> list[tuple[str, int]]:
        """A node's files: run-relative path and size."""
        with self._reading(run_id) as entry:
            return files_below(entry.folder, node_folder(node_id))

    def log_mark(self, run_id: RunId) -> tuple[int, int] | None:
        """Size and mtime in ns of the trail; None when there is no such run."""
        if not is_id(run_id):
            return None
        try:
            found = os.stat(os.path.join(self._runs_path, run_id, TRAIL), follow_symlinks=False)
        except OSError:
            place = self.folders.place_of(run_id)
            files = self.folders.files(run_id, place) if place not in (None, RUNS) and place is not None else None
            return None if files is None or not files.log_ns else (files.log_size, files.log_ns)
        return found.st_size, found.st_mtime_ns

    def run_dir(self, run_id: RunId) -> str:
        """Absolute path of the run's folder."""
        return f"{self.root}/{self.folders.place_of(run_id) or RUNS}/{run_id}"

    def control_lines(self, run_id: RunId) -> list[Bag]:
        """Every line of the inbox that is a JSON object."""
        from .inbox import all_lines

        with self._reading(run_id) as entry:
            return all_lines(entry)

    def validate(self, run_id: RunId) -> list[Problem]:
        """Judge the run's bytes as they lie; see `validate.py`."""
        from .validate import problems_of

        with self._reading(run_id) as entry:
            return problems_of(entry, self._root_folder)
