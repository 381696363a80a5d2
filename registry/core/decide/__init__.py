"""What becomes of a run when something is asked of it: pure, and decided in one place.

`decide` takes a run, a command and facts about the world, and returns the events and the run
they lead to, or raises the refusal. It reads no clock, makes up no id and opens no file; it
says what must be persisted, and storage persists it (the idea is etcd/raft's).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from ...errors import RegistryError
from ..commands import (
    AddNode,
    AdoptLines,
    AnyCommand,
    AppendEvent,
    ApplyInbox,
    Bind,
    CancelFlow,
    CancelTask,
    ClaimNode,
    Control,
    CreateRun,
    EditPlan,
    FinishNode,
    HeartbeatNode,
    LinkTask,
    RemoveNode,
    RewireNode,
    Tick,
    UpdateFlow,
    WriteArtifact,
    WriteHandoff,
)
from ..draft import Draft
from ..events import Decision, Facts
from ..names import NodeId
from ..record import Json
from ..run import Actor, Run
from . import children, controls, effects, flows, plan, texts, work
from .bindings import bind
from .controls import needs_person
from .create import create
from .door import CONTROL_EVENTS, append_event
from .tick import depended_on, expire_leases, give_up_children, settle, waited_for_files, wake_at

__all__ = ["decide", "decide_creation", "needs_person", "questions", "reconcile"]


def decide(run: Run, command: AnyCommand, facts: Facts, *, keep: tuple[str, str] | None = None) -> Decision:
    """What a command does to a run.

    Args:
        keep: Request id and request hash under which the answer is to be remembered.

    Raises:
        RegistryError: the command is refused; nothing is to be written.
    """
    draft = Draft(run, facts, command.actor)
    _record_what_time_ended(draft, command)
    _DECIDERS[type(command)](draft, command)
    settle(draft)
    if keep is not None and draft.events:
        draft.keep_answer(*keep)
    return draft.decision(wake_at=wake_at(draft))


def _record_what_time_ended(draft: Draft, command: AnyCommand) -> None:
    """Let a command be decided on what a reader sees: whatever time has ended is over, recorded or not.

    Not for what a worker says of its own work: it is heard even after its lease ran out, as long as
    nobody has recorded that.
    """
    if isinstance(command, (ClaimNode, LinkTask, UpdateFlow, CancelFlow)):
        # What time has taken from others may be what this agent can have, or the flow's last open child.
        settle(draft)
    elif isinstance(command, (Control, ApplyInbox, CancelTask, RemoveNode, WriteHandoff)):
        expire_leases(draft)
    elif isinstance(command, AppendEvent) and command.event in CONTROL_EVENTS:
        give_up_children(draft)


def decide_creation(command: CreateRun, facts: Facts) -> Decision:
    """What making a run writes."""
    return create(command, facts)


def questions(run: Run, command: AnyCommand | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the facts for a command must answer: run-relative paths, and tasks of other runs."""
    paths = list(waited_for_files(run))
    node_id = getattr(command, "node_id", None)
    if isinstance(command, (FinishNode, AppendEvent)):
        paths += _outputs(run, [node_id] if node_id in run.plan.nodes else _running(run))
    if isinstance(command, AdoptLines):
        named = [line.event.node_id for line in command.lines if line.event is not None]
        paths += _outputs(run, [name for name in named if name in run.plan.nodes])
    wait_for = getattr(command, "wait_for", None)
    if wait_for is not None and wait_for.path:
        paths.append(wait_for.path)
    return tuple(dict.fromkeys(paths)), depended_on(run)


def _outputs(run: Run, node_ids: Iterable[NodeId | None]) -> Iterator[str]:
    for node_id in node_ids:
        if node_id is None:
            continue
        definition = run.plan.nodes[node_id]
        yield f"nodes/{node_id}/report.md"
        yield from definition.required_files
        if definition.outputs.path:
            yield definition.outputs.path


def _running(run: Run) -> list[NodeId]:
    return [node.id for node in run.state.nodes.values() if node.lease is not None or node.status == "running"]


def reconcile(run: Run, facts: Facts) -> tuple[Run, frozenset[NodeId]]:
    """The run as a reader should see it: leases that have run out are out, recorded or not.

    Returns:
        The run, and the nodes that are shown otherwise than they are recorded.
    """
    if not any(node.is_overdue(facts.now) for node in run.state.nodes.values()):
        return run, frozenset()
    draft = Draft(run, facts, _READER)
    expire_leases(draft)
    changed = frozenset(key for key, node in draft.nodes.items() if node is not run.state.nodes[key])
    return run.model_copy(update={"state": run.state.model_copy(update={"nodes": draft.nodes})}), changed


def _tick(draft: Draft, command: Tick) -> None:
    unknown: list[Json] = []
    for effect_id in command.effects_done:
        if not (children.confirm(draft, effect_id) or controls.acknowledge(draft, effect_id)):
            unknown.append(effect_id)
    for effect_id, error in command.effects_failed.items():
        if not effects.report_failure(draft, effect_id, error):
            unknown.append(effect_id)
    settle(draft)
    before = draft.before.state.nodes
    advanced = [key for key, node in draft.nodes.items() if node.status != before[key].status]
    draft.answer = {"advanced": list(advanced)}
    if unknown:
        draft.answer["unknownEffects"] = unknown


def _adopt(draft: Draft, command: AdoptLines) -> None:
    """Note what others appended, and put each line through the door on its own."""
    draft.tell(
        "log.adopted", offset=command.offset, bytes=command.size, lines=len(command.lines), sha256=command.sha256
    )
    for line in command.lines:
        refusal = line.refusal
        if line.event is not None:
            restore, actor = draft.saved(), draft.actor
            draft.actor = line.event.actor
            try:
                if needs_person(draft.before, line.event):
                    refusal = f"{line.event.event} here is a person's decision"
                else:
                    append_event(draft, line.event)
            except RegistryError as error:
                restore()
                refusal = error.message
            finally:
                draft.actor = actor
        if refusal:
            draft.tell("control.rejected", message=refusal, event=line.event.event if line.event else None)
            draft.warnings.append(f"foreign_line_refused: {refusal}")
    draft.answer = {}


_READER: Final = Actor(kind="system", id="registry", via="file")
_DECIDERS: Final[dict[type, Callable[..., None]]] = {
    ClaimNode: work.claim,
    FinishNode: work.finish,
    HeartbeatNode: work.heartbeat,
    AppendEvent: append_event,
    WriteHandoff: texts.write_handoff,
    WriteArtifact: texts.write_artifact,
    Control: controls.control,
    ApplyInbox: controls.apply_inbox,
    Bind: bind,
    AddNode: plan.add_node,
    RewireNode: plan.rewire_node,
    RemoveNode: plan.remove_node,
    EditPlan: plan.edit_plan,
    Tick: _tick,
    AdoptLines: _adopt,
    CancelTask: controls.cancel_task,
    LinkTask: flows.link_task,
    UpdateFlow: flows.update_flow,
    CancelFlow: flows.cancel_flow,
}
"""One function a command."""
