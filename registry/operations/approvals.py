"""How a person's decision comes in, whatever door and setting.

- A person who acts decides by acting.
- Where the client can show a form, the person is asked: the surface puts the question and runs
  the operation again with the answer. An accepted form is a person's act, for yes and for no.
- Where it cannot, an agent may pass on what the person said, if the setting is `open`; that is
  kept as what it is, an agent's word, not verified.
- `elicit` takes nothing but an accepted form, `operator` nothing but a person on a terminal or the
  web page.

Before anybody is asked the decision is tried on the run as it stands, so that no person is asked
about what cannot be done.
"""

from dataclasses import dataclass
from typing import Final

from .. import clock
from ..core.commands import AddNode, CancelTask, Control, RemoveNode, RewireNode
from ..core.decide import decide, needs_person, questions
from ..core.events import Decision, Facts
from ..core.names import shown
from ..core.run import Actor, Run
from ..errors import Forbidden, NextCall
from .caller import Approvals, Caller, PersonAnswer, PersonNeeded, Question

WORDS_MAX: Final = 400
ASKED_MAX: Final = 1_200
JUDGED_AGAIN_MAX: Final = 5
"""How often a run may change between the judgement and the change before the caller is told."""

_STRICTER: Final[tuple[Approvals, ...]] = ("open", "elicit", "operator")

Decided = Control | RemoveNode | RewireNode | CancelTask


@dataclass(frozen=True)
class Consent:
    """On whose word a command goes on.

    Attributes:
        actor: Who is to be recorded as having done it.
        message: The words to record with it: the person's where one was asked, else the caller's.
        answer: What the person said, when one was asked.
        relayed: An agent passes on a person's decision.
    """

    actor: Actor
    message: str | None = None
    answer: PersonAnswer | None = None
    relayed: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def is_given(self) -> bool:
        """Whether nobody said no, or nothing."""
        return self.answer is None or self.answer.decision == "approve"


def consent(caller: Caller, run: Run, command: Decided, question: Question, *, message: str | None = None) -> Consent:
    """A person's word for a command, where it needs one.

    Args:
        message: The agent's words with the request.

    Raises:
        PersonNeeded: the person has to be asked first.
        Forbidden: the setting does not take a decision through this door.
        RegistryError: the command would be refused whoever asked for it.
    """
    free = Consent(command.actor, message)
    if not needs_person(run, command) or command.actor.is_person:
        return free
    if tried(caller, run, command).answer.get("repeated"):
        return free  # It is so already: there is nothing left to decide.
    setting = max(caller.approvals, caller.registry.settings.approvals, key=_STRICTER.index)
    if setting == "operator":
        raise _only_an_operator(run, command)
    if caller.answer is not None:
        said = caller.answer.comment.strip() or None
        # The form was shown by the client: a person for sure, though not known by name.
        asked = Actor(kind="operator", id="person", via=command.actor.via, verified=True)
        return Consent(asked, said, answer=caller.answer)
    if caller.can_ask:
        raise PersonNeeded(question)
    if setting == "elicit":
        raise _only_by_form(run, command)
    relay = command.actor.model_copy(update={"verified": False})
    warnings = () if message and message.strip() else (_without_words(run, command),)
    return Consent(relay, message, relayed=True, warnings=warnings)


def tried(caller: Caller, run: Run, command: Decided | AddNode) -> Decision:
    """What the command would do to the run as it stands; nothing is written."""
    _, tasks = questions(run, command)
    facts = Facts(
        now=clock.now(),
        tasks={task: caller.registry.task_status(task) for task in tasks},
        run_dir=caller.registry.store.run_dir(run.state.run_id),
    )
    return decide(run, command, facts)


def question_of(
    what: str, *, run: Run, node_id: str | None, message: str | None, yes: str = "approve", no: str = "reject"
) -> Question:
    """A question made from the arguments and the plan, with the words of others quoted as theirs."""
    node = run.plan.nodes.get(node_id) if node_id else None
    where = f"node {node_id!r} of run {run.state.run_id!r}" if node_id else f"run {run.state.run_id!r}"
    asked = (node.prompt.strip() or node.title) if node is not None else ""
    parts = [f"{what} {where}: {yes} or {no}?"]
    if asked:
        parts.append(f"The workflow says: {shown(asked, ASKED_MAX)!r}")
    if message and message.strip():
        parts.append(f"The agent says: {shown(message, WORDS_MAX)!r}")
    return Question("\n\n".join(parts), yes=yes, no=no)


def _asked(command: Decided) -> str:
    if isinstance(command, Control):
        return command.action
    if isinstance(command, CancelTask):
        return "cancel_task"
    return "change_plan remove_node" if isinstance(command, RemoveNode) else "change_plan rewire_node"


def _by_hand(run: Run, command: Decided) -> str:
    """The command line that a person types for the same."""
    run_id, node_id = run.state.run_id, command.node_id
    if isinstance(command, Control):
        return f"opentask control {command.action} {run_id}" + (f" --node-id {node_id}" if node_id else "")
    if isinstance(command, CancelTask):
        return f"opentask control skip {run_id} --node-id {node_id}"
    return f"opentask plan change {run_id} {_asked(command).split()[1]} {node_id}"


def _only_an_operator(run: Run, command: Decided) -> Forbidden:
    return Forbidden(
        f"{_asked(command)} is a person's decision here, and this registry takes it only from a person, "
        "on a terminal or on the web page",
        hint=f"tell the person to type: {_by_hand(run, command)}",
        next=_until_decided(run, command),
        run_id=run.state.run_id,
        node_id=command.node_id,
        approvals="operator",
    )


def _only_by_form(run: Run, command: Decided) -> Forbidden:
    return Forbidden(
        f"{_asked(command)} is a person's decision here, and this registry takes it only from a form that a person "
        "answers; your client shows none",
        hint=f"tell the person to use a client with elicitation, or to type on a terminal: {_by_hand(run, command)}",
        next=_until_decided(run, command),
        run_id=run.state.run_id,
        node_id=command.node_id,
        approvals="elicit",
    )


def _until_decided(run: Run, command: Decided) -> tuple[NextCall, ...]:
    args = {"run_id": run.state.run_id, **({"node_id": command.node_id} if command.node_id else {})}
    return (NextCall("wait_for_run", args, "waits until they have decided"),)


def _without_words(run: Run, command: Decided) -> str:
    where = f"node {command.node_id!r}" if command.node_id else f"run {run.state.run_id!r}"
    mend = (
        "send them in message next time"
        if isinstance(command, Control)
        else "keep them with append_event note.decision"
    )
    return f"relayed_without_words: {_asked(command)} of {where} was passed on without the person's words; {mend}"
