"""The registry: one way to change a run, one way to read it.

Reading loads none of the rules: a command line that only shows a run starts in half the time.
What changing takes is in `changing.py`, imported by the first change.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from . import clock
from .core.events import Event, Facts
from .core.names import AgentId, NodeId, RunId, TaskId
from .core.record import Bag
from .core.run import Run, RunState
from .core.tasks import public_status, split_task_id
from .errors import NotFound, RegistryError
from .settings import Settings
from .storage.files.definitions import Definitions
from .storage.files.store import FileStore
from .storage.port import Store

if TYPE_CHECKING:
    from .core.commands import AnyCommand, CreateRun
    from .storage.listing import RunLists
    from .storage.views import TaskViews


@dataclass(frozen=True)
class RequestKey:
    """A caller's name for a request, and a hash of what it asked, so that a repeat is known."""

    id: str
    hash: str


@dataclass(frozen=True)
class Outcome:
    """What became of a command.

    Attributes:
        rev: The revision callers see; it moves with statuses, plan and bindings.
        answer: Ids and flags of this command; the stored ones when `repeated`.
        warnings: What the caller should know though the command was carried out.
    """

    run: Run
    events: tuple[Event, ...]
    answer: Bag
    warnings: tuple[str, ...] = ()
    repeated: bool = False

    @property
    def rev(self) -> int:
        """The run's revision now."""
        return self.run.log.state_rev

    @property
    def became_ready(self) -> tuple[NodeId, ...]:
        """Nodes that this made ready and that still are."""
        named = dict.fromkeys(event.node_id for event in self.events if event.name in _MAKES_READY)
        nodes = self.run.state.nodes
        return tuple(node for node in named if node in nodes and nodes[node].status == "ready")

    @property
    def skipped(self) -> tuple[NodeId, ...]:
        """Nodes that this skipped, by a condition or on somebody's word."""
        named = (event.node_id for event in self.events if event.name == "node.skipped")
        return tuple(dict.fromkeys(node for node in named if node))


_MAKES_READY: Final = frozenset({"node.ready", "node.released"})


@dataclass(frozen=True)
class View:
    """A run for readers: leases that ran out are shown as out, recorded or not."""

    run: Run
    reconciled: frozenset[NodeId] = frozenset()
    notices: tuple[str, ...] = ()


class Registry:
    """A registry directory, open.

    Safe for threads and for any number of processes; holds no state that another process
    could miss.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.settings = settings

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """The registry at the settings' root; the folder is made when something is first written."""
        store = FileStore(
            str(settings.root),
            now=clock.now,
            durability=settings.durability,
            write_refusal=settings.write_refusal,
            keeps_index=settings.keeps_index,
        )
        return cls(store, settings)

    @property
    def root(self) -> Path:
        """The registry's directory."""
        return self.settings.root

    @property
    def definitions(self) -> Definitions:
        """The reusable workflow files under the root."""
        return Definitions(str(self.settings.root))

    def create(self, command: "CreateRun", *, request: RequestKey | None = None) -> Outcome:
        """Begin a run.

        Asking again with the same id, workflow and inputs gives the run that is there.

        Raises:
            Conflict: the id belongs to a run of another workflow or other inputs.
        """
        from .changing import create

        return create(self, command, request=request)

    def transact(
        self,
        run_id: RunId,
        command: "AnyCommand",
        *,
        request: RequestKey | None = None,
        expected_rev: int | None = None,
    ) -> Outcome:
        """Carry a command out on a run: decided and durable, or refused and nothing written.

        Raises:
            RegistryError: refused; what others had left for the run is taken in all the same.
        """
        from .changing import transact

        return transact(self, run_id, command, request=request, expected_rev=expected_rev)

    def tick(self, run_id: RunId) -> Outcome:
        """Advance what time and facts allow; without change nothing is written."""
        from .changing import TICK

        return self.transact(run_id, TICK)

    def read(self, run_id: RunId) -> View:
        """A run as it stands, without a lock and without changing anything."""
        reading = self.store.read(run_id)
        now, nodes = clock.now(), reading.run.state.nodes.values()
        if not any(node.is_overdue(now) for node in nodes):
            return View(reading.run, notices=reading.notices)
        from .core.decide import reconcile

        run, reconciled = reconcile(reading.run, Facts(now=now))
        return View(run, reconciled, reading.notices)

    def foreseen(self, run_id: RunId) -> Run:
        """A run as a tick would leave it now, waits and deadlines that are over too; nothing is written."""
        from .changing import foreseen

        return foreseen(self, run_id)

    def log_mark(self, run_id: RunId) -> tuple[int, int] | None:
        """Size in bytes and mtime in ns of a run's trail, to notice change cheaply."""
        return self.store.log_mark(run_id)

    def agent_locked(self, agent_id: AgentId, *, op: str) -> AbstractContextManager[None]:
        """The only claimer from an agent's queue; no run's lock is held when it is asked for."""
        return self.store.agent_locked(agent_id, wait_s=self.settings.lock_wait_s, op=op)

    def task_status(self, task: TaskId) -> str:
        """The public status of a task in any run, archived ones too; `unknown` when it cannot be told."""
        run_id, node_id = split_task_id(task)
        try:
            state: RunState | None = self.store.state(run_id)
        except NotFound:
            state = self.store.archived(run_id)
        except RegistryError:
            # A damaged run holds what depends on it; it must not keep the rest of that run from going on.
            return "unknown"
        node = state.nodes.get(node_id) if state is not None else None
        return public_status(node) if node is not None else "unknown"

    @property
    def lists(self) -> "RunLists":
        """Lists of runs."""
        return self.store.lists

    @property
    def views(self) -> "TaskViews":
        """Queues and the ledger over all runs."""
        return self.store.views
