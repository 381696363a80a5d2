"""One change: an operation on one run under one lock.

Before the command, whatever others left for the run is taken in, each as a mutation of its own
and whatever becomes of the command: lines they appended to the trail, the inbox, edits of the
plan's file. Then the core decides, what must be true of a run is checked, and storage makes the
decision durable.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from . import clock
from .core.check import check, check_all
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
from .core.decide import decide, decide_creation, needs_person, questions
from .core.events import Decision, Facts
from .core.names import RunId, TaskId
from .core.record import Bag
from .core.run import Actor, Run
from .errors import Conflict, NextCall, RevisionConflict
from .registry import Outcome, Registry, RequestKey
from .storage.port import Committed, Session

_SYSTEM: Final = Actor(kind="system", id="registry", via="file")
TICK: Final = Tick(actor=_SYSTEM)
"""What the registry asks of a run when nobody asks for more."""

_FOREIGN_MAX: Final = 16
"""Stretches of others' lines taken in before one change; where somebody keeps writing, the rest waits for the next."""
_INBOX_ACTIONS_ONLY: Final = frozenset({"pause", "resume", "retry", "skip", "approve", "send_message", "patch_cron"})
"""Actions that stand in `control.jsonl`; its other readers know no others."""


def create(registry: Registry, command: CreateRun, *, request: RequestKey | None) -> Outcome:
    """Begin a run; see `Registry.create`."""
    facts = Facts(now=clock.now(), run_dir=registry.store.run_dir(command.run_id))
    decision = decide_creation(command, facts)
    assert not (faults := check_all(decision.run)), faults
    try:
        committed = registry.store.create(decision)
    except Conflict as taken:
        known = registry.store.read(command.run_id).run
        if known.state.request != command.request:
            raise Conflict(
                f"run {command.run_id!r} exists already, of another workflow or with other inputs",
                hint="choose another run_id, or leave it out",
                next=(NextCall("get_run", {"run_id": command.run_id}, "shows the run that is there"),),
                run_id=command.run_id,
            ) from taken
        return Outcome(known, (), {"created": False}, repeated=request is not None)
    return _outcome(committed, decision, ())


def transact(
    registry: Registry,
    run_id: RunId,
    command: AnyCommand,
    *,
    request: RequestKey | None,
    expected_rev: int | None,
) -> Outcome:
    """Carry a command out on a run; see `Registry.transact`."""
    with registry.store.locked(run_id, wait_s=registry.settings.lock_wait_s, op=type(command).__name__) as session:
        notices = (*session.notices, *_take_in(registry, session))
        run = session.run
        if request is not None and (known := run.refs.operations.get(request.id)) is not None:
            if known.request != request.hash:
                raise _used_otherwise(run_id, request)
            return Outcome(run, (), known.answer, notices, repeated=True)
        if expected_rev is not None and expected_rev != run.log.state_rev:
            raise _stale(run, expected_rev)
        if isinstance(command, WriteArtifact) and command.mode == "append":
            command = replace(command, content=session.read_file(command.path) + command.content)
        keep = (request.id, request.hash) if request is not None else None
        decision = decide(run, command, _facts(registry, session, command), keep=keep)
        if not decision.events:
            return Outcome(run, (), decision.answer, (*notices, *decision.warnings))
        check(run, decision.run)
        committed = session.commit(decision, op_id=request.id if request else None)
        if isinstance(command, Control) and command.action in _INBOX_ACTIONS_ONLY:
            session.append_control(_control_line(run_id, command, committed))
        return _outcome(committed, decision, notices)


def foreseen(registry: Registry, run_id: RunId) -> Run:
    """A run as a tick would leave it; see `Registry.foreseen`."""
    store = registry.store
    run = store.read(run_id).run
    paths, tasks = questions(run, TICK)
    files = store.sizes(run_id, paths) if paths else {}
    return decide(run, TICK, _known(registry, store.run_dir(run_id), files, tasks)).run


def _facts(registry: Registry, session: Session, command: AnyCommand) -> Facts:
    paths, tasks = questions(session.run, command)
    return _known(registry, session.run_dir, session.sizes(paths) if paths else {}, tasks)


def _known(registry: Registry, run_dir: str, files: Mapping[str, int], tasks: Iterable[TaskId]) -> Facts:
    return Facts(
        now=clock.now(),
        files=files,
        tasks={task: registry.task_status(task) for task in tasks},
        run_dir=run_dir,
        lost_grace_s=registry.settings.lost_grace_s,
    )


def _take_in(registry: Registry, session: Session) -> Iterable[str]:
    """Commit what others left for the run; returns what the caller should be told of it."""
    notices: list[str] = []

    def commit(command: AnyCommand) -> None:
        decision = decide(session.run, command, _facts(registry, session, command))
        check(session.run, decision.run)
        notices.extend(decision.warnings)
        session.commit(decision, inbox_judged=isinstance(command, ApplyInbox))

    for _ in range(_FOREIGN_MAX):
        foreign = session.foreign_lines()
        if foreign is None:
            break
        commit(foreign)
    lines = session.inbox()
    if lines:
        commit(ApplyInbox(actor=_SYSTEM, lines=tuple(_admit(registry, session.run, line) for line in lines)))
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


def _admit(registry: Registry, run: Run, line: InboxLine) -> InboxLine:
    """Keep a person's decisions out of the inbox unless the setting takes anybody's word."""
    if line.control is None or registry.settings.approvals == "open" or not needs_person(run, line.control):
        return line
    refusal = f"{line.control.action} is a person's decision and this registry does not take it from a file"
    return replace(line, control=None, refusal=refusal)


def _outcome(committed: Committed, decision: Decision, notices: Iterable[str]) -> Outcome:
    warnings = (*notices, *decision.warnings, *committed.warnings)
    return Outcome(committed.run, committed.events, decision.answer, warnings)


def _used_otherwise(run_id: RunId, request: RequestKey) -> Conflict:
    return Conflict(
        f"request_id {request.id!r} was used for another request on run {run_id!r}",
        hint="use a fresh request_id for a new request",
        run_id=run_id,
    )


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
