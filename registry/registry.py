"""The registry: one way to change a run, one way to read it.

A change is one operation on one run under one lock. Before the command, whatever others left
for the run is taken in, each as a mutation of its own: lines they appended to the trail, the
inbox, edits of the plan's file. Then the core decides, and storage makes it durable.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from . import clock
from .core.commands import (
    AnyCommand,
    ApplyInbox,
    Control,
    CreateRun,
    EditPlan,
    InboxLine,
    Tick,
    WriteArtifact,
)
from .core.decide import decide, decide_creation, needs_person, questions, reconcile
from .core.events import Event, Facts
from .core.names import NodeId, RunId, TaskId
from .core.record import Bag
from .core.run import Actor, Run
from .core.tasks import public_status
from .errors import Conflict, NextCall, NotFound, RevisionConflict
from .settings import Settings
from .storage.files.definitions import Definitions
from .storage.files.store import FileStore
from .storage.port import Committed, Session, Store

_SYSTEM = Actor(kind="system", id="registry", via="file")
_INBOX_ACTIONS_ONLY = frozenset({"pause", "resume", "retry", "skip", "approve", "send_message", "patch_cron"})
"""Actions that stand in `control.jsonl`; its other readers know no others."""


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
        named = dict.fromkeys(event.node_id for event in self.events if event.name == "node.ready")
        nodes = self.run.state.nodes
        return tuple(node for node in named if node in nodes and nodes[node].status == "ready")


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
        """The registry at the settings' root."""
        from .storage.files.store import FileStore  # sqlite and locks are not for those who only want the names

        store = FileStore(
            str(settings.root), now=clock.now, durability=settings.durability, write_refusal=settings.write_refusal
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

    def create(self, command: CreateRun, *, request: RequestKey | None = None) -> Outcome:
        """Begin a run.

        Asking again with the same id, workflow and inputs gives the run that is there.

        Raises:
            Conflict: the id belongs to a run of another workflow or other inputs.
        """
        facts = Facts(now=clock.now(), run_dir=self.store.run_dir(command.run_id))
        decision = decide_creation(command, facts)
        try:
            committed = self.store.create(decision)
        except Conflict as taken:
            known = self.store.read(command.run_id).run
            if known.state.request != command.request:
                raise Conflict(
                    f"run {command.run_id!r} exists already, of another workflow or with other inputs",
                    hint="choose another run_id, or leave it out",
                    next=(NextCall("get_run", {"run_id": command.run_id}, "shows the run that is there"),),
                    run_id=command.run_id,
                ) from taken
            return Outcome(known, (), {"created": False}, repeated=request is not None)
        return _outcome(committed, decision.answer, decision.warnings)

    def transact(
        self,
        run_id: RunId,
        command: AnyCommand,
        *,
        request: RequestKey | None = None,
        expected_rev: int | None = None,
    ) -> Outcome:
        """Carry a command out on a run: decided and durable, or refused and nothing written.

        Raises:
            RegistryError: refused; what others had left for the run is taken in all the same.
        """
        operation = type(command).__name__
        with self.store.locked(run_id, wait_s=self.settings.lock_wait_s, op=operation) as session:
            notices = (*session.notices, *self._take_in(session))
            run = session.run
            if request is not None and (known := run.refs.operations.get(request.id)) is not None:
                if known.request != request.hash:
                    raise Conflict(
                        f"request_id {request.id!r} was used for another request on run {run_id!r}",
                        hint="use a fresh request_id for a new request",
                        run_id=run_id,
                    )
                return Outcome(run, (), known.answer, notices, repeated=True)
            if expected_rev is not None and expected_rev != run.log.state_rev:
                raise _stale(run, expected_rev)
            if isinstance(command, WriteArtifact) and command.mode == "append":
                command = replace(command, content=session.read_file(command.path) + command.content)
            keep = (request.id, request.hash) if request is not None else None
            decision = decide(run, command, self._facts(session, command), keep=keep)
            if not decision.events:
                return Outcome(run, (), decision.answer, (*notices, *decision.warnings))
            committed = session.commit(decision, op_id=request.id if request else None)
            if isinstance(command, Control) and command.action in _INBOX_ACTIONS_ONLY:
                session.append_control(_control_line(run_id, command, committed))
            return _outcome(committed, decision.answer, (*notices, *decision.warnings))

    def tick(self, run_id: RunId) -> Outcome:
        """Advance what time and facts allow; without change nothing is written."""
        return self.transact(run_id, Tick(actor=_SYSTEM))

    def read(self, run_id: RunId) -> View:
        """A run as it stands, without a lock and without changing anything."""
        reading = self.store.read(run_id)
        run, reconciled = reconcile(reading.run, Facts(now=clock.now()))
        return View(run, reconciled, reading.notices)

    def log_mark(self, run_id: RunId) -> tuple[int, int] | None:
        """Size in bytes and mtime in ns of a run's trail, to notice change cheaply."""
        return self.store.log_mark(run_id)

    def _facts(self, session: Session, command: AnyCommand | None) -> Facts:
        paths, tasks = questions(session.run, command)
        return Facts(
            now=clock.now(),
            files=session.sizes(paths) if paths else {},
            tasks={task: self.task_status(task) for task in tasks},
            run_dir=self.store.run_dir(session.run.state.run_id),
        )

    def task_status(self, task: TaskId) -> str:
        """The public status of a task in another run; `unknown` when there is none."""
        run_id, _, node_id = task.partition(":")
        try:
            nodes = self.store.state(run_id).nodes
        except NotFound:
            return "unknown"
        node = nodes.get(node_id or "work")
        return public_status(node) if node is not None else "unknown"

    def _take_in(self, session: Session) -> Iterable[str]:
        """What others left for the run, each a mutation of its own, whatever becomes of the command."""
        notices: list[str] = []

        def commit(command: AnyCommand) -> None:
            decision = decide(session.run, command, self._facts(session, None))
            notices.extend(decision.warnings)
            session.commit(decision, inbox_judged=isinstance(command, ApplyInbox))

        foreign = session.foreign_lines()
        if foreign is not None:
            commit(foreign)
        lines = session.inbox()
        if lines:
            commit(ApplyInbox(actor=_SYSTEM, lines=tuple(self._admit(session.run, line) for line in lines)))
        edit = session.plan_edit()
        if edit is not None:
            notices.extend(edit.refused)
            commit(
                EditPlan(
                    actor=Actor(kind="unknown", id="file", via="file"),
                    titles=dict(edit.titles),
                    prompts=dict(edit.prompts),
                    title=edit.title,
                )
            )
        return notices

    def _admit(self, run: Run, line: InboxLine) -> InboxLine:
        """Keep a person's decisions out of the inbox unless the setting takes anybody's word."""
        if line.control is None or self.settings.approvals == "open" or not needs_person(run, line.control):
            return line
        refusal = f"{line.control.action} is a person's decision and this registry does not take it from a file"
        return replace(line, control=None, refusal=refusal)


def _outcome(committed: Committed, answer: Bag, notices: Iterable[str]) -> Outcome:
    return Outcome(committed.run, committed.events, answer, (*notices, *committed.warnings))


def _stale(run: Run, expected_rev: int) -> RevisionConflict:
    run_id = run.state.run_id
    return RevisionConflict(
        f"run {run_id!r} is at rev {run.log.state_rev}; you decided at rev {expected_rev}",
        hint="look at what changed, then send the call again with the new rev",
        next=(NextCall("get_run", {"run_id": run_id, "since_rev": expected_rev}, "shows what changed"),),
        run_id=run_id,
        current=run.log.state_rev,
        expected_rev=expected_rev,
    )


def _control_line(run_id: RunId, command: Control, committed: Committed) -> Bag:
    """The request as a line of `control.jsonl`, in the fields its other readers know."""
    line: Bag = {
        "id": command.control_id,
        "action": command.action,
        "runId": run_id,
        "timestamp": committed.events[0].timestamp,
    }
    if command.node_id:
        line["nodeId"] = command.node_id
    if command.message:
        line["message"] = command.message
    if command.patch:
        line["patch"] = command.patch
    return line
