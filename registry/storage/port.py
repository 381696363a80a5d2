"""What storage promises the registry, whatever it is made of.

A store keeps runs. The registry asks for one run at a time, under that run's lock, and hands
back a decision to be made durable. The contract:

- `locked(run_id)` gives the only writer of the run, across threads and processes, or raises
  `LockTimeout` naming the holder. Nobody ever holds the locks of two runs.
- `Session.run` is the run at its newest whole mutation. What a crash left half done was put
  right before the session was given and is told in `Session.notices`.
- `Session.commit` is all or nothing: when it returns, the decision's files and events are
  durable; when it raises anything but `OutcomeUnknown`, nothing of it is there. Files are
  durable before the events that name them. Projections are refreshed afterwards, `result.json`
  of nodes that completed among them; what fails there is a warning, since readers can do
  without them.
- `create` makes a run whole or not at all; of any number of creators of one id one wins.
- `read` takes no lock, sees whole mutations only, and never changes a run.

A kill at any moment leaves each mutation wholly there or wholly absent. The memory twin keeps
the same promises for one process.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ..core.events import Decision, Event
from ..core.names import AgentId, NodeId, RunId
from ..core.record import Bag
from ..core.run import Run, RunState

if TYPE_CHECKING:
    from .listing import RunLists
    from .views import TaskViews

if TYPE_CHECKING:
    from ..core.commands import AdoptLines, InboxLine


@dataclass(frozen=True)
class Committed:
    """A decision that is durable. `rev` is the mutation's own number, `warnings` are storage's alone."""

    run: Run
    rev: int
    events: tuple[Event, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoggedEvent:
    """An event as the trail has it. `seq` counts events, `rev` mutations."""

    event: Event
    seq: int
    rev: int


@dataclass(frozen=True)
class PlanEdit:
    """What somebody changed in `workflow.lock.md` since we wrote it."""

    title: str | None = None
    titles: Mapping[NodeId, str] = field(default_factory=dict)
    prompts: Mapping[NodeId, str] = field(default_factory=dict)
    refused: tuple[str, ...] = ()
    """Sentences on changes that are not taken, each naming the change_plan call."""


@dataclass(frozen=True)
class Reading:
    """A run as a reader finds it, with what it should be told about the files."""

    run: Run
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Problem:
    """A finding of `validate`: stable code, sentence, whether it breaks a promise."""

    code: str
    message: str
    severity: str = "error"
    """`error` or `warning`."""
    where: str = ""


class Session(Protocol):
    """One writer's hold on one run."""

    @property
    def run(self) -> Run: ...

    @property
    def notices(self) -> tuple[str, ...]: ...

    @property
    def run_dir(self) -> str:
        """Absolute path of the run's folder."""
        ...

    def inbox(self) -> "tuple[InboxLine, ...]":
        """Lines of `control.jsonl` not judged yet, a limited number at a time: ask again after committing."""
        ...

    def append_control(self, line: Bag) -> tuple[str, ...]:
        """Tell in `control.jsonl` of a control that is committed already; gives warnings.

        Actions that readers of the earlier implementation do not know stand only in the trail.
        """
        ...

    def plan_edit(self) -> PlanEdit | None:
        """What was edited in `workflow.lock.md`, if anything; told once."""
        ...

    def foreign_lines(self) -> "AdoptLines | None":
        """What others appended to the trail since the last mutation, as the command that adopts it."""
        ...

    def sizes(self, paths: Sequence[str]) -> dict[str, int]:
        """Sizes in bytes of those run-relative files that exist."""
        ...

    def read_file(self, path: str) -> bytes:
        """A file of the run, whole; empty when it is not there."""
        ...

    def commit(self, decision: Decision, *, op_id: str | None = None, inbox_judged: bool = False) -> Committed:
        """Make a decision durable, as one mutation. A decision without events changes nothing."""
        ...


class Care(Protocol):
    """Doctor and repair.

    Looking changes nothing. Repairing appends to the trail and never takes back what was acknowledged;
    every byte that is replaced is kept beside it, and a repair that was killed may be asked for again.
    """

    def examine(self, run_id: RunId) -> list[Problem]:
        """What `validate` finds, and what lies around the run's files and is not as it should be.

        Raises:
            NotFound: there is no such run.
        """
        ...

    def strays(self) -> list[Problem]:
        """What lies in the registry's folders and belongs to no run."""
        ...

    def restore(self, run_id: RunId, *, wait_s: float) -> tuple[str, ...]:
        """Make a run fit to be changed again, and tell what was done; nothing for one that is.

        Raises:
            LogCorrupt: no file gives a run.
        """
        ...

    def tidy(self, run_id: RunId, *, wait_s: float) -> tuple[str, ...]:
        """Make the files around a run's trail what it leads to, and tell what was done."""
        ...

    def put_away_strays(self) -> tuple[str, ...]:
        """Move aside what a kill left half made outside of runs, and tell what was moved."""
        ...


class Archive(Protocol):
    """Finished runs, moved out of the way as they are. They are read as all others and changed no more."""

    def ids(self) -> list[tuple[RunId, str]]:
        """Archived runs, each with its month's folder."""
        ...

    def put(self, run_id: RunId, judge: Callable[[Run], None], *, wait_s: float) -> str:
        """Move a run to the archive and give its month; `judge` may refuse it, looking at it under its lock.

        Raises:
            NotFound: there is no such run outside the archive.
        """
        ...

    def restore(self, run_id: RunId, *, wait_s: float) -> str:
        """Bring a run back and give the month it was in.

        Raises:
            NotFound: there is no such run in the archive.
            Conflict: there is a run of this id outside it.
        """
        ...


class Store(Protocol):
    """Where runs live."""

    @property
    def care(self) -> Care: ...

    @property
    def archive(self) -> Archive: ...

    @property
    def lists(self) -> "RunLists": ...

    @property
    def views(self) -> "TaskViews": ...

    def reindex(self, progress: Callable[[int, int], None]) -> int:
        """Read every run again for the lists, telling how many are read of how many; gives how many.

        Raises:
            StorageFault: what lists are made from cannot be written.
        """
        ...

    def create(self, decision: Decision) -> Committed:
        """Make a new run. Raises `Conflict` (`details["exists"]`) when the id is taken."""
        ...

    def locked(self, run_id: RunId, *, wait_s: float, op: str) -> AbstractContextManager[Session]: ...

    def agent_locked(self, agent_id: AgentId, *, wait_s: float, op: str) -> AbstractContextManager[None]:
        """The only claimer from an agent's queue; taken before a run's lock, never while one is held.

        Raises:
            AgentLockTimeout: another claim of this agent kept it that long.
        """
        ...

    def read(self, run_id: RunId) -> Reading: ...

    def state(self, run_id: RunId) -> RunState:
        """The state alone, as cheap as it can be had."""
        ...

    def archived(self, run_id: RunId) -> RunState | None:
        """The state of a finished run that was moved to the archive; None where there is none."""
        ...

    def run_ids(self) -> Iterator[RunId]:
        """All runs that are not archived, newest change first where that is known."""
        ...

    def events(self, run_id: RunId, *, since_seq: int = 0, limit: int = 100) -> list[LoggedEvent]: ...

    def run_at(self, run_id: RunId, rev: int | None) -> Run:
        """The run as its trail has it after a mutation, the last one without a rev.

        Raises:
            NotFound: there is no such mutation, or what is left of it gives no run.
        """
        ...

    def read_file(self, run_id: RunId, path: str, *, offset: int, limit: int) -> tuple[bytes, int]:
        """A slice of a run's file and its whole size in bytes."""
        ...

    def sizes(self, run_id: RunId, paths: Sequence[str]) -> dict[str, int]:
        """Sizes in bytes of those run-relative files that exist."""
        ...

    def files(self, run_id: RunId, node_id: NodeId) -> list[tuple[str, int]]:
        """A node's files: run-relative path and size."""
        ...

    def log_mark(self, run_id: RunId) -> tuple[int, int] | None:
        """Size and mtime in ns of the trail, to notice change; None when there is no such run."""
        ...

    def run_dir(self, run_id: RunId) -> str: ...

    def control_lines(self, run_id: RunId) -> list[Bag]: ...

    def validate(self, run_id: RunId) -> list[Problem]: ...

    def close(self) -> None:
        """Let go of what is held open; the store may be used again."""
        ...
