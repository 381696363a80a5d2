"""Pausing, cancelling, the end of a run, and opening it again."""

import pytest

from registry.core.run import Paused
from registry.errors import IllegalTransition, LeaseLost, RegistryError
from tests.core.given import (
    AGENT,
    PERSON,
    after,
    at,
    claim,
    control,
    decided,
    event,
    fence,
    finish,
    given_run,
    heartbeat,
    in_turn,
    refused,
    statuses,
    tick,
)


def test_a_pause_says_who_when_and_why() -> None:
    """Whoever finds the run must know whom to ask."""
    decision = decided(given_run(nodes={"a": "ready"}), control("pause", message="let me read"), now=after(5))

    assert decision.event_names == ("control.applied", "run.paused")
    assert decision.run.state.paused == Paused(at=at(5), actor=PERSON, message="let me read")
    assert decided(decision.run, control("pause")).answer["repeated"] is True


def test_what_runs_ends_while_paused_and_what_it_frees_waits() -> None:
    """Promotion, notes and the ends of work go on; nothing starts."""
    run = given_run(nodes={"a": "running", "b": "pending"}, needs={"b": ["a"]}, status="paused")

    run = in_turn(
        run, event("note.seen", message="x"), heartbeat("a", with_fence=fence()), finish("a", with_fence=fence())
    )

    assert (run.state.status, statuses(run)) == ("paused", {"a": "completed", "b": "ready"})
    assert decided(run, claim()).answer["reason"] == "paused"
    assert decided(decided(run, control("resume")).run, claim()).answer["claimed"] is True


def test_a_paused_run_with_blocked_nodes_is_not_failed_until_it_goes_on() -> None:
    """A person who paused may want to retry first."""
    run = given_run(nodes={"a": "running", "b": "pending"}, needs={"b": ["a"]}, status="paused")

    run = decided(run, finish("a", "failed", with_fence=fence())).run

    assert (run.state.status, statuses(run)) == ("paused", {"a": "failed", "b": "pending"})
    assert decided(run, control("retry", "a")).run.state.status == "paused"
    assert decided(run, control("resume")).event_names == ("control.applied", "run.resumed", "run.failed")


def test_the_last_end_closes_a_run_that_is_paused() -> None:
    """There is nothing left to hold."""
    run = given_run(nodes={"a": "running"}, status="paused")

    decision = decided(run, finish("a", with_fence=fence()))

    assert (decision.run.state.status, decision.run.state.paused) == ("completed", None)


def test_skipping_the_last_open_node_completes_the_run() -> None:
    """A run must not stay open when nothing is left to do."""
    run = given_run(nodes={"build": "completed", "test": "ready"})

    decision = decided(run, control("skip", "test", message="flaky"))

    assert decision.event_names == ("control.applied", "node.skipped", "run.completed")
    assert decision.run.state.status == "completed"


def test_a_failure_leaves_the_run_open_while_something_can_go_on() -> None:
    """Other branches are worth finishing."""
    run = given_run(nodes={"a": "running", "b": "pending", "c": "ready"}, needs={"b": ["a"]})

    decision = decided(run, finish("a", "failed", with_fence=fence()))

    assert decision.event_names == ("node.failed",)
    last = in_turn(decision.run, claim("c", secret="c" * 8))
    ended = decided(last, finish("c", with_fence="1-" + "c" * 8))
    assert ended.events[-1].payload == {"failed": ["a"], "blocked": ["b"]}
    assert ended.events[-1].message == "a failed; b cannot start"


def test_failure_with_everything_ended_fails_the_run() -> None:
    """A completed run is one in which nothing failed."""
    run = given_run(nodes={"a": "failed", "b": "running"})

    assert decided(run, finish("b", with_fence=fence())).run.state.status == "failed"


@pytest.mark.parametrize(("action", "told"), [("retry", "node.ready"), ("skip", "node.skipped")])
def test_a_failed_run_reopens_when_it_can_go_on(action: str, told: str) -> None:
    """A failure is mended, not started over."""
    run = given_run(nodes={"a": "failed", "b": "pending"}, needs={"b": ["a"]})

    decision = decided(run, control(action, "a"))  # type: ignore[arg-type]

    assert decision.event_names[:3] == ("control.applied", told, "run.reopened")
    assert decision.run.state.status == "running"
    assert statuses(decision.run)["b"] == ("pending" if action == "retry" else "ready")


def test_a_failed_run_whose_last_failure_is_skipped_completes() -> None:
    """Reopened and ended in one mutation, told in that order."""
    decision = decided(given_run(nodes={"a": "failed", "b": "completed"}), control("skip", "a"))

    assert decision.event_names == ("control.applied", "node.skipped", "run.reopened", "run.completed")


def test_a_skip_that_frees_nothing_leaves_a_failed_run_failed() -> None:
    """Reopening what cannot go on would be an open run for ever."""
    run = given_run(nodes={"a": "failed", "b": "failed", "c": "pending"}, needs={"c": ["a", "b"]})

    decision = decided(run, control("skip", "a"))

    assert decision.event_names == ("control.applied", "node.skipped")
    assert decision.run.state.status == "failed"


def test_a_pending_node_of_a_failed_run_is_not_failed_too() -> None:
    """The run's end has been told; only a retry or skip goes on."""
    run = given_run(nodes={"a": "failed", "b": "pending"}, needs={"b": ["a"]})

    refused(run, event("node.failed", "b", message="no"), error=IllegalTransition)
    refused(run, control("cancel"), error=IllegalTransition)
    refused(run, control("pause"), error=IllegalTransition)


def test_cancel_skips_everything_open_in_one_mutation() -> None:
    """Fences are void, child sessions are to be stopped, and the cancel is the last word."""
    run = given_run(
        nodes={"done": "completed", "a": "running", "b": "waiting", "gate": "waiting", "c": "ready", "d": "pending"},
        needs={"d": ["a"]}, kinds={"gate": "approval"}, cron="cron-7",
        states={name: {"child_session_key": f"agent:cc:{name}"} for name in ("done", "a", "b", "c")},
    )  # fmt: skip

    decision = decided(run, control("cancel", message="not needed"))

    assert decision.event_names == ("control.applied", *["node.skipped"] * 5, "run.cancelled")
    assert statuses(decision.run) == {"done": "completed", **dict.fromkeys(("a", "b", "gate", "c", "d"), "skipped")}
    assert {node.outcome for node in decision.run.state.nodes.values()} == {None, "cancelled"}
    assert [node.lease for node in decision.run.state.nodes.values()] == [None] * 6
    assert [(effect.kind, effect.target) for effect in decision.run.refs.pending_effects.values()] == [
        ("session.abort", "session:agent:cc:a"),
        ("session.abort", "session:agent:cc:b"),
        ("cron.update", "cron:cron-7"),
    ]
    assert decision.run.state.cancelled_by == PERSON


def test_a_lost_workers_session_is_stopped_with_the_run() -> None:
    """Silence is not death; it may be working still."""
    run = given_run(nodes={"a": "running"}, lease_s=60, states={"a": {"child_session_key": "agent:cc:a"}})
    run = decided(run, tick(), now=after(61)).run

    run = decided(run, control("cancel"), now=after(62)).run

    assert [effect.kind for effect in run.refs.pending_effects.values()] == ["session.abort"]


_CANCELLED = decided(
    given_run(nodes={"a": "running", "b": "failed", "gate": "waiting"}, kinds={"gate": "approval"}), control("cancel")
).run


@pytest.mark.parametrize(
    "command",
    [
        control("pause"), control("resume"), control("retry", "a"), control("retry", "b"),
        control("retry", "b", force=True),
        control("skip", "a"), control("skip", "b"), control("approve", "gate"), control("reject", "gate"),
        control("release", "a"), claim("a"), finish("a", with_fence=fence()), finish("a", with_fence=None),
        event("node.started", "a"), event("node.completed", "a", fence=fence()), event("node.ready", "b"),
        event("node.skipped", "b"), event("node.failed", "a"), event("run.resumed"), event("run.paused"),
    ],
)  # fmt: skip
def test_nothing_leaves_cancelled(command: object) -> None:
    """A person who cancelled must be able to rely on it."""
    refusal = refused(_CANCELLED, command, error=RegistryError)  # type: ignore[arg-type]

    assert isinstance(refusal, IllegalTransition | LeaseLost)


def test_cancelling_again_is_answered() -> None:
    """It is so already."""
    assert decided(_CANCELLED, control("cancel")).answer["repeated"] is True
    assert decided(_CANCELLED, event("run.cancelled")).events == ()
    assert decided(_CANCELLED, event("note.why", message="x")).event_names == ("note.why",)
    assert decided(_CANCELLED, claim()).answer == {"claimed": False, "reason": "empty"}


def test_a_paused_run_is_cancelled_like_any() -> None:
    """And is paused no more."""
    run = decided(given_run(nodes={"a": "ready"}, status="paused"), control("cancel", actor=AGENT)).run

    assert (run.state.status, run.state.paused) == ("cancelled", None)
