"""Runs as plain folders: the store that `port.Store` describes, made of files."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Literal

from ...core.events import Decision
from ...core.names import AgentId, NodeId, RunId, is_id, iso
from ...core.record import Bag
from ...core.run import Run, RunState
from ...errors import LogCorrupt, NotFound, RegistryError
from ..port import Committed, LoggedEvent, Problem, Reading
from . import adopt, inbox
from .agent_locks import AgentLocks
from .archived import archived_state
from .atomic import read_slice
from .care import FileCare
from .creating import Names, build, taken
from .finding import find, state_alone
from .handles import Loaded, OpenRun, OpenRuns, no_such_run
from .history import events_after, run_at
from .layout import RUNS, TRAIL, node_folder
from .opening import fault, files_below, make_path
from .projecting import Place
from .repair import mend
from .session import FileSession
from .telling import no_run_left, notices_of_reader
from .validate import problems_of

Durability = Literal["full", "process"]
_REOPENINGS_MAX = 8


class FileStore:
    """The runs below one registry folder.

    Args:
        root: The registry's folder; `runs/` in it is made with the first run.
        now: The clock, aware UTC.
        durability: `full` syncs every mutation before it is acknowledged; `process` leaves that
            to the system, for tests and throw-away registries.
        write_refusal: Why this place may not be written, asked before the first write.
    """

    def __init__(
        self,
        root: str,
        *,
        now: Callable[[], datetime],
        durability: Durability = "full",
        write_refusal: Callable[[], RegistryError | None] | None = None,
    ) -> None:
        self.root = os.path.abspath(root)
        self._now = now
        self._synced = durability == "full"
        self._runs_path = os.path.join(self.root, RUNS)
        self._open = OpenRuns(self._runs_path, now_text=self._now_text)
        self._names = Names()
        self._agents = AgentLocks(now_text=self._now_text)
        self._root: tuple[int, int] | None = None
        self._held = threading.local()
        self._write_refusal = write_refusal

    def _require_writable(self) -> None:
        if self._write_refusal is not None:
            refusal = self._write_refusal()
            if refusal is not None:
                raise refusal
            self._write_refusal = None

    def _now_text(self) -> str:
        return iso(self._now())

    def _place(self) -> Place:
        if self._root is None or self._root[0] != os.getpid():
            self._root = (os.getpid(), os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        return Place(root=self._root[1], root_path=self.root, synced=self._synced, now=self._now)

    def close(self) -> None:
        """Close what is open; the store may be used again."""
        self._open.close()
        self._agents.close()
        if self._root is not None:
            os.close(self._root[1])
            self._root = None

    def create(self, decision: Decision) -> Committed:
        """Make a new run; see the port."""
        run_id = decision.run.state.run_id
        self._require_writable()
        try:
            make_path(self._runs_path)
            runs = self._open.runs()
            by = self._names.taken(runs, run_id)
        except OSError as error:
            raise fault(error, "opening the registry") from error
        if by is not None:
            raise taken(run_id, by)
        entry, committed = build(self._place(), runs, decision, now_text=self._now_text)
        self._names.made(runs, run_id)
        self._open.keep(entry)
        return committed

    @contextmanager
    def locked(self, run_id: RunId, *, wait_s: float, op: str) -> Iterator[FileSession]:
        """The only writer of a run; see the port."""
        with self._owned(run_id, wait_s, op) as entry:
            yield self._session(entry)

    @contextmanager
    def _owned(self, run_id: RunId, wait_s: float, op: str) -> Iterator[OpenRun]:
        """A run locked, as it lies."""
        self._require_writable()
        for _ in range(_REOPENINGS_MAX):
            with self._open.using(run_id) as entry:
                with self._holding(entry, wait_s=wait_s, op=op):
                    if entry.is_current(self._open.runs()):
                        yield entry
                        return
                # A backup was restored, or the run was moved: what is open is not what its name means now.
                self._open.forget(entry)
        raise no_such_run(run_id)

    @contextmanager
    def _holding(self, entry: OpenRun, *, wait_s: float, op: str) -> Iterator[None]:
        process, held = getattr(self._held, "run", (0, None))
        assert held is None or process != os.getpid(), (
            f"run {held!r} is locked by this thread; two locks at once would be a deadlock's half"
        )
        try:
            lock = entry.lock
        except OSError as error:
            raise fault(error, "opening the run's lock") from error
        lock.acquire(entry.run_id, wait_s=wait_s, op=op)
        self._held.run = (os.getpid(), entry.run_id)
        try:
            yield
        finally:
            self._held.run = (0, None)
            lock.release()

    @property
    def care(self) -> FileCare:
        """Doctor and repair; see the port."""

        def settled(entry: OpenRun) -> tuple[Loaded, tuple[str, ...]]:
            session = self._session(entry)
            assert entry.loaded is not None, "whoever may write has loaded the run"
            return entry.loaded, session.notices

        return FileCare(
            place=self._place,
            runs_path=self._runs_path,
            runs=self._open.runs,
            reading=self._reading,
            owned=self._owned,
            settled=settled,
        )

    def _session(self, entry: OpenRun) -> FileSession:
        try:
            return self._loaded_session(self._place(), entry)
        except OSError as error:
            raise fault(error, "reading the run") from error

    def _loaded_session(self, place: Place, entry: OpenRun) -> FileSession:
        found = find(entry, place.root, synced=False)
        if found is not None:
            loaded, end, told = mend(place, entry, found)
            return FileSession(place, entry, loaded, end=end, notices=told)
        earlier = adopt.earlier_run(entry)
        if earlier is None:
            raise self._not_a_run(entry)
        try:
            loaded, told = adopt.adopt_earlier(place, entry, *earlier)
        except OSError as error:
            raise fault(error, "adopting the run") from error
        return FileSession(place, entry, loaded, end=loaded.mark.offset, notices=told)

    def _not_a_run(self, entry: OpenRun) -> LogCorrupt | NotFound:
        return no_such_run(entry.run_id) if entry.identity(TRAIL) is None else no_run_left(entry.run_id)

    @contextmanager
    def _reading(self, run_id: RunId) -> Iterator[OpenRun]:
        for _ in range(_REOPENINGS_MAX):
            with self._open.using(run_id) as entry:
                if entry.is_current(self._open.runs()):
                    try:
                        yield entry
                    except OSError as error:
                        raise fault(error, "reading the run") from error
                    return
                self._open.forget(entry)
        raise no_such_run(run_id)

    @contextmanager
    def agent_locked(self, agent_id: AgentId, *, wait_s: float, op: str) -> Iterator[None]:
        """The only claimer from an agent's queue; see the port."""
        self._require_writable()
        with self._agents.locked(self._place().root, agent_id, wait_s=wait_s, op=op):
            yield

    def archived(self, run_id: RunId) -> RunState | None:
        """The state of an archived run; see the port."""
        return archived_state(self.root, run_id)

    def read(self, run_id: RunId) -> Reading:
        """The run as a reader finds it; see the port."""
        with self._reading(run_id) as entry:
            known = entry.loaded
            found = find(entry, self._place().root, synced=self._synced)
            if found is None:
                earlier = adopt.earlier_run(entry)
                if earlier is None:
                    raise self._not_a_run(entry)
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
                    (entry.stat(follow_symlinks=False).st_mtime_ns, entry.name) for entry in entries if _is_run(entry)
                ]
        except FileNotFoundError:
            return
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
            return None
        return found.st_size, found.st_mtime_ns

    def run_dir(self, run_id: RunId) -> str:
        """Absolute path of the run's folder."""
        return os.path.join(self._runs_path, run_id)

    def control_lines(self, run_id: RunId) -> list[Bag]:
        """Every line of the inbox that is a JSON object."""
        with self._reading(run_id) as entry:
            return inbox.all_lines(entry)

    def validate(self, run_id: RunId) -> list[Problem]:
        """Judge the run's bytes as they lie; see `validate.py`."""
        with self._reading(run_id) as entry:
            return problems_of(entry, self._place().root)


def _is_run(entry: "os.DirEntry[str]") -> bool:
    return is_id(entry.name) and entry.is_dir(follow_symlinks=False)
