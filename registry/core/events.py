"""Facts about a run, as `decide` states them, before storage numbers and seals them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from .limits import LOST_GRACE_S
from .names import NodeId, TaskId
from .record import Bag
from .run import Actor, Run


@dataclass(frozen=True)
class Event:
    """One line of the trail without its machine part."""

    name: str
    timestamp: str
    actor: Actor
    node_id: NodeId | None = None
    message: str | None = None
    payload: Bag = field(default_factory=dict)


@dataclass(frozen=True)
class FileWrite:
    """A file of the run that must be on disk before the events that name it."""

    path: str
    content: bytes


@dataclass(frozen=True)
class Facts:
    """What the core must know of the world and may not look up.

    Attributes:
        now: Current time, aware UTC.
        files: Sizes in bytes of those asked-for files that exist, by run-relative path.
        tasks: Public status of tasks in other runs that nodes here depend on.
        run_dir: Absolute path of the run folder, for texts that agents read.
        lost_grace_s: Seconds that a session is known to be gone before its child of a flow is lost.
    """

    now: datetime
    files: Mapping[str, int] = field(default_factory=dict)
    tasks: Mapping[TaskId, str] = field(default_factory=dict)
    run_dir: str = ""
    lost_grace_s: float = LOST_GRACE_S


@dataclass(frozen=True)
class Decision:
    """What must be persisted for a command: events and the run they lead to, files first.

    `run.log` is advanced already: one `rev`, as many `seq` as there are events. `answer` holds
    the few ids and flags that a repeat of the same request must be given again.
    """

    run: Run
    events: tuple[Event, ...] = ()
    files: tuple[FileWrite, ...] = ()
    answer: Bag = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def event_names(self) -> tuple[str, ...]:
        """The names of the events in order."""
        return tuple(event.name for event in self.events)
