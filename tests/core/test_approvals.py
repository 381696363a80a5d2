"""A person's yes and no."""

from typing import Final

import pytest

from registry.core.commands import AnyCommand, Control, ControlAction, RemoveNode, RewireNode
from registry.core.decide import needs_person
from registry.core.run import NodeStatus
from registry.core.workflow import NodeKind
from registry.errors import Forbidden, IllegalTransition, InvalidRequest, NotFound
from tests.core.given import (
    AGENT,
    PERSON,
    control,
    decided,
    event,
    fence,
    finish,
    given_run,
    refused,
    statuses,
)

GATE: Final[dict[str, NodeKind]] = {"gate": "approval"}


def test_approve_completes_an_approval_and_lets_the_rest_go_on() -> None:
    """The words of the person are what the node leaves."""
    run = given_run(nodes={"gate": "waiting", "b": "pending"}, needs={"b": ["gate"]}, kinds=GATE)

    decision = decided(run, control("approve", "gate", message="looks good"))

    assert decision.event_names == ("control.applied", "node.completed", "node.ready")
    assert decision.events[1].payload == {"decision": "approved"}
    assert decision.events[1].actor == PERSON
    assert decision.answer == {
        "applied": True, "controlId": "control-approve", "decision": "approved", "effects": [],
    }  # fmt: skip
    assert decision.run.node("gate").summary == "looks good"


def test_reject_fails_an_approval_for_good() -> None:
    """Whatever the retry rule says: a no is not an accident."""
    run = given_run(nodes={"gate": "waiting", "b": "pending"}, needs={"b": ["gate"]}, kinds=GATE)

    decision = decided(run, control("reject", "gate", message="not like this"))

    assert decision.event_names == ("control.applied", "node.failed", "run.failed")
    state = decision.run.node("gate")
    assert (state.status, state.outcome, state.error) == ("failed", "rejected", "not like this")
    assert decision.events[2].payload == {"failed": ["gate"], "blocked": ["b"]}


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_a_decision_made_while_paused_counts_and_starts_nothing(action: ControlAction) -> None:
    """A person need not be asked twice because another paused the run."""
    run = given_run(
        nodes={"gate": "ready", "b": "pending", "c": "ready"}, needs={"b": ["gate"]}, kinds=GATE, status="paused",
    )  # fmt: skip

    decision = decided(run, control(action, "gate"))

    assert decision.run.state.status == "paused"
    if action == "approve":
        assert decision.event_names == ("control.applied", "node.waiting", "node.completed", "node.ready")
        assert statuses(decision.run) == {"gate": "completed", "b": "ready", "c": "ready"}
    else:
        assert statuses(decision.run) == {"gate": "failed", "b": "pending", "c": "ready"}


def test_deciding_again_is_answered_and_not_done_again() -> None:
    """The form may come back twice."""
    approved = given_run(nodes={"gate": "completed"}, kinds=GATE)
    rejected = given_run(nodes={"gate": "failed"}, kinds=GATE, states={"gate": {"outcome": "rejected"}})

    answers = [decided(approved, control("approve", "gate")), decided(rejected, control("reject", "gate"))]

    assert [decision.answer["repeated"] for decision in answers] == [True, True]
    assert [decision.answer["decision"] for decision in answers] == ["approved", "rejected"]
    assert [decision.events for decision in answers] == [(), ()]


@pytest.mark.parametrize("action", ["approve", "reject"])
@pytest.mark.parametrize("status", ["pending", "skipped", "running", "ready"])
def test_only_what_waits_for_a_person_is_decided(action: ControlAction, status: NodeStatus) -> None:
    """Approving what is not asked yet would approve something nobody has seen."""
    kind: NodeKind = "session_turn" if status in ("running", "ready") else "approval"
    run = given_run(
        nodes={"a": "running", "gate": status},
        needs={"gate": ["a"]} if status == "pending" else {},
        kinds={"gate": kind},
    )

    assert refused(run, control(action, "gate"), error=IllegalTransition).next


def test_a_decision_needs_its_node() -> None:
    """The nearest id helps whoever misspelt it."""
    run = given_run(nodes={"gate": "waiting"}, kinds=GATE)

    refused(run, control("approve"), error=InvalidRequest)
    assert "did you mean 'gate'" in refused(run, control("approve", "gat"), error=NotFound).message


def test_every_guise_of_an_approval_is_a_persons() -> None:
    """Skipping, removing or wiring round a gate lets the work behind it go on just as well."""
    run = given_run(nodes={"a": "running", "gate": "waiting", "b": "pending"}, needs={"b": ["gate"]}, kinds=GATE)
    ours: list[AnyCommand] = [
        control("approve", "gate", actor=AGENT),
        control("reject", "gate", actor=AGENT),
        control("skip", "gate", actor=AGENT),
        event("node.skipped", "gate"),
        RemoveNode(actor=AGENT, node_id="gate"),
        RewireNode(actor=AGENT, node_id="b", needs=()),
        RewireNode(actor=AGENT, node_id="b", needs=("a",)),
        RewireNode(actor=AGENT, node_id="gate", needed_by=()),
    ]
    agents: list[AnyCommand] = [
        control("skip", "a", actor=AGENT),
        control("pause", actor=AGENT),
        event("node.skipped", "a"),
        RemoveNode(actor=AGENT, node_id="b"),
        RewireNode(actor=AGENT, node_id="b", needs=("gate", "a")),
        RewireNode(actor=AGENT, node_id="gate", needed_by=("b", "a")),
        control("approve", "nobody", actor=AGENT),
    ]

    assert [needs_person(run, command) for command in ours] == [True] * len(ours)
    assert [needs_person(run, command) for command in agents] == [False] * len(agents)


def test_going_on_after_a_persons_pause_is_a_persons_too() -> None:
    """An agent that paused may go on by itself."""
    by_person = given_run(nodes={"a": "ready"}, status="paused")
    by_agent = given_run(nodes={"a": "ready"}, status="paused", paused_by=AGENT)
    commands: list[AnyCommand] = [control("resume", actor=AGENT), event("run.resumed")]

    assert [needs_person(by_person, command) for command in commands] == [True, True]
    assert [needs_person(by_agent, command) for command in commands] == [False, False]


def test_the_event_door_does_not_go_round_a_person() -> None:
    """An agent that is refused at one door tries the next."""
    gate = given_run(nodes={"gate": "waiting"}, kinds=GATE)
    paused = given_run(nodes={"a": "ready"}, status="paused")

    skipping = refused(gate, event("node.skipped", "gate"), error=Forbidden)
    resuming = refused(paused, event("run.resumed"), error=Forbidden)

    assert skipping.next[0].args == {
        "run_id": "demo-1", "action": "approve", "node_id": "gate", "message": "<the person's words>",
    }  # fmt: skip
    assert resuming.next[0].args["action"] == "resume"
    assert decided(paused, event("run.resumed", actor=PERSON)).run.state.status == "running"


def test_removing_a_waiting_approval_lets_its_dependants_go_on() -> None:
    """A person may decide that there is nothing to decide."""
    run = given_run(nodes={"gate": "waiting", "b": "pending"}, needs={"b": ["gate"]}, kinds=GATE)

    decision = decided(run, RemoveNode(actor=PERSON, node_id="gate"))

    assert decision.event_names == ("node.rewired", "node.removed", "node.ready")
    assert statuses(decision.run) == {"b": "ready"}


def test_a_rejected_approval_can_be_asked_again() -> None:
    """A retry asks the same question anew, after the work was mended."""
    run = given_run(
        nodes={"gate": "failed", "b": "pending"},
        needs={"b": ["gate"]},
        kinds=GATE,
        states={"gate": {"outcome": "rejected"}},
    )

    decision = decided(run, Control(actor=AGENT, action="retry", node_id="gate", control_id="c"))

    assert decision.event_names == ("control.applied", "node.ready", "run.reopened", "node.waiting")
    assert (decision.run.node("gate").outcome, decision.run.state.status) == (None, "running")


def test_finishing_does_not_approve() -> None:
    """The commonest way an agent tries to get on."""
    run = given_run(nodes={"gate": "waiting"}, kinds=GATE)

    refusal = refused(run, finish("gate", with_fence=fence()), error=IllegalTransition)

    assert refusal.message == "'gate' is an approval: a person decides. finish_node cannot end it"
    assert refusal.next[0].args["action"] == "approve"
