"""The twin of the file store for one process: the same promises, nothing on disk.

It numbers mutations, keeps their patches and folds them back in `validate`, so that a decision
that would not survive a restart fails here too.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from ..core.commands import AdoptLines, InboxLine
from ..core.events import Decision
from ..core.limits import ARTIFACT_BYTES_MAX, MUTATION_BYTES_MAX
from ..core.names import AgentId, NodeId, RunId
from ..core.patch import Patch, advance, diff
from ..core.record import Bag, Json
from ..core.result import result_path, result_text, results_since
from ..core.run import Run, RunState
from ..errors import AgentLockTimeout, Conflict, LimitExceeded, LockTimeout, NotFound
from ..formats.control_line import read_control, write_control
from ..formats.event_line import read_object, seal
from .port import Committed, LoggedEvent, PlanEdit, Problem, Reading

if TYPE_CHECKING:
    from .listing import RunLists
    from .views import TaskViews


@dataclass
class _Kept:
    first: Run
    run: Run
    events: list[LoggedEvent]
    patches: list[tuple[Patch, Run]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    inbox: list[bytes] = field(default_factory=list)
    judged: int = 0
    size: int = 0
    changed_ns: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    holder: str = ""


class MemorySession:
    """One writer's hold on one run in memory."""

    def __init__(self, kept: _Kept) -> None:
        self._kept = kept
        self._given = kept.judged

    @property
    def run(self) -> Run:
        """The run at its newest mutation."""
        return self._kept.run

    @property
    def notices(self) -> tuple[str, ...]:
        """Nothing is ever half done here."""
        return ()

    @property
    def run_dir(self) -> str:
        """A path that does not exist, for texts."""
        return _run_dir(self.run.state.run_id)

    def inbox(self) -> tuple[InboxLine, ...]:
        """Lines put into the inbox and not judged yet."""
        kept = self._kept
        found: dict[str, InboxLine] = {}
        for raw in kept.inbox[kept.judged :]:
            line = read_control(raw, run_id=kept.run.state.run_id)
            if line.control_id not in kept.run.refs.applied_control_ids:
                found.setdefault(line.control_id, line)
        self._given = len(kept.inbox)
        if not found:
            kept.judged = self._given
        return tuple(found.values())

    def append_control(self, line: Bag) -> tuple[str, ...]:
        """Tell in the inbox of a control that was applied already; gives warnings."""
        text = write_control(line)
        if text is not None:
            self._kept.inbox.append(text.rstrip(b"\n"))
        return ()

    def plan_edit(self) -> PlanEdit | None:
        """There is no file to edit."""
        return None

    def foreign_lines(self) -> AdoptLines | None:
        """There is no file to append to."""
        return None

    def sizes(self, paths: Sequence[str]) -> dict[str, int]:
        """Sizes in bytes of those run-relative files that exist."""
        return {path: len(self._kept.files[path]) for path in paths if path in self._kept.files}

    def read_file(self, path: str) -> bytes:
        """A file of the run, whole; empty when it is not there."""
        content = self._kept.files.get(path, b"")
        if len(content) > ARTIFACT_BYTES_MAX:
            raise LimitExceeded(f"the file {path!r}", limit=ARTIFACT_BYTES_MAX, size=len(content))
        return content

    def commit(self, decision: Decision, *, op_id: str | None = None, inbox_judged: bool = False) -> Committed:
        """Keep a decision. One without events changes nothing."""
        kept, run = self._kept, decision.run
        before = kept.run
        if not decision.events:
            return Committed(run=before, rev=before.log.rev, events=())
        assert run.log.rev == before.log.rev + 1, "a decision advances the revision by one"
        assert run.log.seq == before.log.seq + len(decision.events), "a decision counts its events"
        patch = diff(before, run)
        # Sealing refuses what could not be written.
        chunk = seal(
            decision.events,
            run_id=run.state.run_id,
            after_seq=before.log.seq,
            rev=run.log.rev,
            body={"patch": cast(Json, patch)},
            op_id=op_id,
        )
        if len(chunk) > MUTATION_BYTES_MAX:
            raise LimitExceeded("the change as a whole", limit=MUTATION_BYTES_MAX, size=len(chunk))
        kept.patches.append((patch, run))
        kept.files.update({file.path: file.content for file in decision.files})
        for node in results_since(before.state, run.state):
            kept.files[result_path(node.id)] = result_text(run.state.run_id, node)
        kept.events += _numbered(decision, before.log.seq)
        kept.run, kept.size, kept.changed_ns = run, kept.size + len(chunk), time.monotonic_ns()
        if inbox_judged:
            kept.judged = self._given
        return Committed(run=run, rev=run.log.rev, events=decision.events)


def _numbered(decision: Decision, after_seq: int) -> list[LoggedEvent]:
    rev = decision.run.log.rev
    return [LoggedEvent(event=event, seq=after_seq + index, rev=rev) for index, event in enumerate(decision.events, 1)]


class MemoryStore:
    """Runs in the memory of this process."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._kept: dict[RunId, _Kept] = {}
        self._archived: dict[RunId, tuple[str, _Kept]] = {}
        self._agents: dict[AgentId, threading.Lock] = {}

    def close(self) -> None:
        """Nothing is open."""

    def create(self, decision: Decision) -> Committed:
        """Make a new run; see the port."""
        run = decision.run
        with self._guard:
            for run_id in (*self._kept, *self._archived):
                if run_id.lower() == run.state.run_id.lower():
                    raise Conflict(
                        f"run {run.state.run_id!r} exists already; it was to be created",
                        hint="choose another run_id, or leave it out and one is made",
                        exists=True,
                        run_id=run_id,
                    )
            kept = _Kept(first=run, run=run, events=_numbered(decision, run.log.seq - len(decision.events)))
            kept.files.update({file.path: file.content for file in decision.files})
            kept.size, kept.changed_ns = 1, time.monotonic_ns()
            self._kept[run.state.run_id] = kept
        return Committed(run=run, rev=run.log.rev, events=decision.events)

    @contextmanager
    def locked(self, run_id: RunId, *, wait_s: float, op: str) -> Iterator[MemorySession]:
        """The only writer of a run; see the port."""
        kept = self._kept.get(run_id)
        if kept is None and run_id in self._archived:
            raise Conflict(
                f"run {run_id!r} is in the archive, where nothing is changed",
                hint="bring it back first",
                run_id=run_id,
                archived=self._archived[run_id][0],
            )
        kept = self._get(run_id)
        if not kept.lock.acquire(timeout=wait_s):
            raise LockTimeout(run_id=run_id, waited_s=wait_s, holder=f"this process ({kept.holder})")
        kept.holder = op
        try:
            yield MemorySession(kept)
        finally:
            kept.lock.release()

    @contextmanager
    def agent_locked(self, agent_id: AgentId, *, wait_s: float, op: str) -> Iterator[None]:
        """The only claimer from an agent's queue; see the port."""
        with self._guard:
            lock = self._agents.setdefault(agent_id, threading.Lock())
        if not lock.acquire(timeout=wait_s):
            raise AgentLockTimeout(agent_id=agent_id, waited_s=wait_s, holder="this process")
        try:
            yield
        finally:
            lock.release()

    def archived(self, run_id: RunId) -> RunState | None:
        """The state of an archived run."""
        return self._archived[run_id][1].run.state if run_id in self._archived else None

    def _get(self, run_id: RunId) -> _Kept:
        if run_id in self._kept:
            return self._kept[run_id]
        if run_id in self._archived:
            return self._archived[run_id][1]
        raise NotFound(f"no run {run_id!r} in this registry", run_id=run_id)

    def put_control(self, run_id: RunId, raw: bytes) -> None:
        """Put a line into a run's inbox, as a person would with an editor."""
        self._get(run_id).inbox.append(raw)

    def read(self, run_id: RunId) -> Reading:
        """The run as it is."""
        return Reading(run=self._get(run_id).run)

    def state(self, run_id: RunId) -> RunState:
        """The state alone."""
        return self._get(run_id).run.state

    def run_ids(self) -> Iterator[RunId]:
        """All runs, newest change first."""
        kept = sorted(self._kept.items(), key=lambda item: item[1].changed_ns, reverse=True)
        return iter([run_id for run_id, _ in kept])

    def events(self, run_id: RunId, *, since_seq: int = 0, limit: int = 100) -> list[LoggedEvent]:
        """Events with a later seq, oldest first."""
        return [logged for logged in self._get(run_id).events if logged.seq > since_seq][:limit]

    def read_file(self, run_id: RunId, path: str, *, offset: int, limit: int) -> tuple[bytes, int]:
        """A slice of a run's file and its whole size in bytes; empty and 0 when it is not there."""
        content = self._get(run_id).files.get(path, b"")
        return content[offset : offset + limit], len(content)

    def sizes(self, run_id: RunId, paths: Sequence[str]) -> dict[str, int]:
        """Sizes in bytes of those run-relative files that exist."""
        files = self._get(run_id).files
        return {path: len(files[path]) for path in paths if path in files}

    def files(self, run_id: RunId, node_id: NodeId) -> list[tuple[str, int]]:
        """A node's files: run-relative path and size."""
        kept = self._get(run_id)
        return sorted((path, len(text)) for path, text in kept.files.items() if path.startswith(f"nodes/{node_id}/"))

    def log_mark(self, run_id: RunId) -> tuple[int, int] | None:
        """Size and time of the last change; None when there is no such run."""
        known = run_id in self._kept or run_id in self._archived
        return (self._get(run_id).size, self._get(run_id).changed_ns) if known else None

    def run_dir(self, run_id: RunId) -> str:
        """A path that does not exist, for texts."""
        return _run_dir(run_id)

    def control_lines(self, run_id: RunId) -> list[Bag]:
        """Every line of the inbox that is a JSON object."""
        return [line for raw in self._get(run_id).inbox if (line := read_object(raw)) is not None]

    def run_at(self, run_id: RunId, rev: int | None) -> Run:
        """The run after a mutation."""
        kept = self._get(run_id)
        every = [kept.first, *(decided for _, decided in kept.patches)]
        found = [run for run in every if rev is None or run.log.rev == rev]
        if not found:
            raise NotFound(
                f"run {run_id!r} cannot be shown at revision {rev}: its trail tells 1 to {every[-1].log.rev}",
                hint="the events of a run name their revisions",
                run_id=run_id,
                rev=rev,
            )
        return found[-1]

    @property
    def care(self) -> "MemoryCare":
        """There is nothing here that could be damaged."""
        return MemoryCare(self)

    @property
    def archive(self) -> "MemoryArchive":
        """Finished runs, out of the way."""
        return MemoryArchive(self._kept, self._archived)

    @property
    def lists(self) -> "RunLists":
        """Lists of runs."""
        from .listing import ScannedRuns

        return ScannedRuns(self)

    @property
    def views(self) -> "TaskViews":
        """Queues and the ledger."""
        from .views import ScannedViews

        return ScannedViews(self)

    def reindex(self, progress: Callable[[int, int], None]) -> int:
        """Nothing is indexed here."""
        progress(len(self._kept), len(self._kept))
        return len(self._kept)

    def validate(self, run_id: RunId) -> list[Problem]:
        """Whether the kept patches lead to the run."""
        kept = self._get(run_id)
        run = kept.first
        for patch, decided in kept.patches:
            run = advance(run, patch, decided.log)
            if run != decided:
                return [Problem("state_differs", f"the patch of mutation {decided.log.rev} does not lead to its run")]
        return []


class MemoryArchive:
    """Finished runs of a memory store; see `port.Archive`."""

    def __init__(self, kept: dict[RunId, _Kept], archived: dict[RunId, tuple[str, _Kept]]) -> None:
        self._kept = kept
        self._archived = archived

    def ids(self) -> list[tuple[RunId, str]]:
        """Archived runs and their months."""
        return sorted((run_id, month) for run_id, (month, _) in self._archived.items())

    def put(self, run_id: RunId, judge: Callable[[Run], None], *, wait_s: float) -> str:
        """Move a run to the archive."""
        kept = self._kept.get(run_id)
        if kept is None:
            raise NotFound(f"no run {run_id!r} outside the archive", run_id=run_id)
        with kept.lock:
            judge(kept.run)
            month = kept.run.state.updated_at[:7]
            self._archived[run_id] = (month, self._kept.pop(run_id))
        return month

    def restore(self, run_id: RunId, *, wait_s: float) -> str:
        """Bring a run back."""
        if run_id not in self._archived:
            raise NotFound(f"no run {run_id!r} in the archive", run_id=run_id)
        month, kept = self._archived.pop(run_id)
        self._kept[run_id] = kept
        return month


class MemoryCare:
    """Doctor and repair of runs in memory, which have no files to be damaged."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def examine(self, run_id: RunId) -> list[Problem]:
        """What `validate` finds."""
        return self._store.validate(run_id)

    def strays(self) -> list[Problem]:
        """Nothing."""
        return []

    def restore(self, run_id: RunId, *, wait_s: float) -> tuple[str, ...]:
        """Nothing to do, if there is such a run."""
        with self._store.locked(run_id, wait_s=wait_s, op="repair_run"):
            return ()

    def tidy(self, run_id: RunId, *, wait_s: float) -> tuple[str, ...]:
        """Nothing to do."""
        return self.restore(run_id, wait_s=wait_s)

    def put_away_strays(self) -> tuple[str, ...]:
        """Nothing to do."""
        return ()


def _run_dir(run_id: RunId) -> str:
    return f"/memory/runs/{run_id}"
