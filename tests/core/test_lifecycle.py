"""The transition table, exhaustively: every status by every verb, through whatever performs it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final, get_args

import pytest

from registry.core.commands import AnyCommand, RewireNode
from registry.core.events import Decision
from registry.core.lifecycle import NODE_TRANSITIONS, NodeVerb, sources_in_words
from registry.core.run import NodeStatus, Run
from registry.core.workflow import Retry
from registry.errors import IllegalTransition, LeaseLost, NodeHeld, RegistryError
from tests.core.given import T0, claim, control, decided, event, fence, finish, given_run, refused, statuses, tick

STATUSES: Final[tuple[NodeStatus, ...]] = get_args(NodeStatus)
VERBS: Final[tuple[NodeVerb, ...]] = get_args(NodeVerb)

NEEDS_MET: Final = {"a": "completed"}


def _given(status: NodeStatus, *, attempts: int = 1) -> Run:
    """A run in which 'a' is done, 'b' stands as asked, and 'other' keeps the run open."""
    first: NodeStatus = "running" if status == "pending" else "completed"
    return given_run(
        nodes={"a": first, "b": status, "other": "ready"},
        needs={"b": ["a"]},
        plans={"b": {"retry": Retry(max_attempts=attempts)}},
    )


def _held(status: NodeStatus) -> str | None:
    return fence() if status in ("running", "waiting") else None


_COMMANDS: dict[tuple[NodeVerb, str], Callable[[NodeStatus], AnyCommand]] = {
    ("start", "claim_node"): lambda status: claim("b"),
    ("start", "append_event"): lambda status: event("node.started", "b", fence=_held(status)),
    ("wait", "finish_node"): lambda status: finish("b", "waiting", with_fence=_held(status)),
    ("wait", "append_event"): lambda status: event("node.waiting", "b", fence=_held(status)),
    ("complete", "finish_node"): lambda status: finish("b", with_fence=_held(status)),
    ("complete", "append_event"): lambda status: event("node.completed", "b", message="done", fence=_held(status)),
    ("fail", "finish_node"): lambda status: finish("b", "failed", with_fence=_held(status)),
    ("fail", "append_event"): lambda status: event("node.failed", "b", message="it broke", fence=_held(status)),
    ("skip", "request_control"): lambda status: control("skip", "b"),
    ("skip", "append_event"): lambda status: event("node.skipped", "b"),
    ("retry", "request_control"): lambda status: control("retry", "b"),
    ("release", "request_control"): lambda status: control("release", "b"),
    ("release", "finish_node"): lambda status: finish("b", "released", with_fence=_held(status)),
}

_HARMLESS = {
    ("skip", "request_control", "skipped"): "asked for what is so already",
    ("release", "request_control", "ready"): "nobody has it, which is what was asked for",
}
_OTHERWISE = {("start", "claim_node", "waiting"): "a claim gives a fence; only who has the old one may go on"}
_CASES = [(verb, door, status) for (verb, door) in _COMMANDS for status in STATUSES]


def _told_of_b(decision: Decision) -> tuple[str, ...]:
    return tuple(told.name for told in decision.events if told.node_id == "b" and told.name != "control.applied")


@pytest.mark.parametrize(("verb", "door", "status"), _CASES)
def test_a_verb_does_what_the_table_says_and_is_refused_elsewhere(
    verb: NodeVerb, door: str, status: NodeStatus
) -> None:
    """The table is the contract; a door that had its own would be a second one."""
    run = _given(status)
    command = _COMMANDS[verb, door](status)
    if (verb, door, status) in _HARMLESS:
        decision = decided(run, command)
        assert (decision.events, decision.answer["repeated"]) == ((), True)
        return
    step = NODE_TRANSITIONS[verb]
    if status not in step.sources or (verb, door, status) in _OTHERWISE:
        refusal = refused(run, command)
        assert isinstance(refusal, IllegalTransition | LeaseLost | NodeHeld)
        assert refusal.next, "a refusal says which call is legal"
        return

    decision = decided(run, command)

    target = {"fail": "failed", "retry": "ready"}.get(verb, step.targets[0])
    assert statuses(decision.run)["b"] == target
    assert _told_of_b(decision) == step.events[:1]


@pytest.mark.parametrize("status", ["running", "waiting"])
def test_a_failure_with_attempts_left_ends_ready(status: NodeStatus) -> None:
    """The table's second target: fail leads to ready while automatic attempts remain."""
    decision = decided(_given(status, attempts=2), finish("b", "failed", with_fence=fence()))

    assert statuses(decision.run)["b"] == "ready"
    assert _told_of_b(decision) == NODE_TRANSITIONS["fail"].events


@pytest.mark.parametrize("status", STATUSES)
def test_only_pending_nodes_are_promoted(status: NodeStatus) -> None:
    """A tick must never make something ready that was not waiting for its needs."""
    run = given_run(nodes={"a": "running", "b": status}, needs={"b": ["a"]} if status == "pending" else {})

    decision = decided(run, finish("a", with_fence=fence()))

    promoted = _told_of_b(decision) == ("node.ready",)
    assert promoted == (status in NODE_TRANSITIONS["promote"].sources)
    assert statuses(decision.run)["b"] == ("ready" if promoted else status)


@pytest.mark.parametrize("status", STATUSES)
def test_only_ready_nodes_are_demoted_when_a_need_is_retried(status: NodeStatus) -> None:
    """What has begun goes on; what has not must wait for the retried need."""
    nodes: dict[str, NodeStatus] = {"a": "skipped", "b": status, "other": "ready"}
    if status == "pending":
        nodes["c"] = "running"
    run = given_run(nodes=nodes, needs={"b": ["a", "c"] if status == "pending" else ["a"]})

    decision = decided(run, control("retry", "a"))

    demoted = status in NODE_TRANSITIONS["demote"].sources
    assert _told_of_b(decision) == (("node.blocked",) if demoted else ())
    assert statuses(decision.run)["b"] == ("pending" if demoted else status)


def test_a_ready_node_is_demoted_by_a_rewire_to_open_work() -> None:
    """The other way down: its new need is not there yet."""
    run = given_run(nodes={"a": "running", "b": "ready"})

    decision = decided(run, RewireNode(actor=control("skip").actor, node_id="b", needs=("a",)))

    assert statuses(decision.run)["b"] == "pending"
    assert _told_of_b(decision) == ("node.rewired",)


@pytest.mark.parametrize("status", STATUSES)
def test_only_running_nodes_are_lost(status: NodeStatus) -> None:
    """Waiting has no lease, and what nobody runs cannot be lost."""
    run = given_run(nodes={"a": "ready", "b": status}, needs={"b": ["a"]} if status == "pending" else {}, lease_s=60)

    decision = decided(run, tick(), now=T0 + timedelta(seconds=61))

    lost = status in NODE_TRANSITIONS["lose"].sources
    assert _told_of_b(decision) == (NODE_TRANSITIONS["lose"].events if lost else ())
    assert statuses(decision.run)["b"] == ("ready" if lost else status)


def test_the_table_is_the_one_that_is_promised() -> None:
    """Other implementations read this table in the documentation; it must not drift."""
    promised = {
        "promote": ({"pending"}, {"ready"}),
        "demote": ({"ready"}, {"pending"}),
        "start": ({"ready", "waiting"}, {"running"}),
        "wait": ({"ready", "running"}, {"waiting"}),
        "complete": ({"running", "waiting"}, {"completed"}),
        "fail": ({"pending", "ready", "running", "waiting"}, {"failed", "ready"}),
        "lose": ({"running"}, {"ready", "failed"}),
        "skip": ({"pending", "ready", "running", "waiting", "failed"}, {"skipped"}),
        "retry": ({"failed", "skipped"}, {"ready", "pending"}),
        "release": ({"running", "waiting"}, {"ready"}),
    }
    assert {verb: (set(step.sources), set(step.targets)) for verb, step in NODE_TRANSITIONS.items()} == promised
    assert set(VERBS) == set(promised)


def test_a_refusal_names_the_statuses_that_would_do() -> None:
    """Whoever is refused must learn what to wait for."""
    refusal = refused(_given("completed"), finish("b", with_fence=None), error=RegistryError)

    assert refusal.message == "node 'b' is completed. finish_node completed needs running or waiting"
    assert sources_in_words("fail") == "pending, ready, running or waiting"
