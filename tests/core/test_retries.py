"""Failing, being tried again, by rule and by hand, and deadlines."""

import pytest

from registry.core.commands import AnyCommand
from registry.core.workflow import Defaults, Retry, WaitFor
from registry.errors import Conflict, IllegalTransition
from tests.core.given import (
    after,
    at,
    claim,
    control,
    decided,
    event,
    fence,
    fence_of,
    finish,
    given_run,
    heartbeat,
    in_turn,
    refused,
    statuses,
    tick,
)


def test_failed_means_for_good() -> None:
    """Without a retry rule the first failure is the last."""
    decision = decided(given_run(nodes={"a": "running"}), finish("a", "failed", with_fence=fence()))

    assert decision.event_names == ("node.failed", "run.failed")
    assert decision.events[0].payload == {"attempt": 1, "error": "it broke", "willRetry": False}
    assert (decision.run.node("a").status, decision.run.node("a").completed_at) == ("failed", at())


def test_a_failure_with_attempts_left_is_one_mutation_back_to_ready() -> None:
    """`failed` must never be seen of a node that will be tried again."""
    run = given_run(nodes={"a": "running"}, plans={"a": {"retry": Retry(max_attempts=3, backoff_seconds=10, factor=3)}})

    decision = decided(run, finish("a", "failed", with_fence=fence()))

    assert decision.event_names == ("node.failed", "node.ready")
    assert decision.events[0].payload == {"attempt": 1, "error": "it broke", "willRetry": True, "notBefore": at(10)}
    assert decision.answer["willRetryAt"] == at(10)
    refusal = refused(decision.run, claim("a"), now=after(9), error=IllegalTransition)
    assert refusal.details["not_before"] == at(10)
    refused(decision.run, event("node.started", "a"), now=after(9), error=IllegalTransition)


def test_the_wait_between_attempts_grows_and_attempts_end() -> None:
    """A service that is down is not hammered, nor asked for ever."""
    run = given_run(nodes={"a": "ready"}, plans={"a": {"retry": Retry(max_attempts=3, backoff_seconds=10, factor=3)}})
    waits = []
    for turn in range(3):
        run = decided(run, claim("a"), now=after(turn * 1000)).run
        run = decided(run, finish("a", "failed", with_fence=fence_of(run, "a")), now=after(turn * 1000)).run
        waits.append(run.node("a").not_before)

    assert waits == [at(10), at(1030), None]
    assert run.state.status == "failed"
    assert [past.ended for past in run.node("a").attempts] == ["failed"] * 3


def test_defaults_of_the_workflow_say_how_often() -> None:
    """An author writes the rule once."""
    run = given_run(nodes={"a": "running"}, defaults=Defaults(retry=Retry(max_attempts=2)))

    assert decided(run, finish("a", "failed", with_fence=fence())).run.node("a").status == "ready"


def test_what_was_never_tried_fails_for_good() -> None:
    """There is no attempt to make again; a node that is said to fail and stays ready would never end."""
    run = given_run(
        nodes={"a": "running", "b": "pending", "c": "ready"},
        needs={"b": ["a"]},
        defaults=Defaults(retry=Retry(max_attempts=3)),
    )

    run = in_turn(run, event("node.failed", "b", message="no"), event("node.failed", "c", message="no"))

    assert statuses(run) == {"a": "running", "b": "failed", "c": "failed"}


def test_a_retry_by_hand_gives_one_attempt_apart_from_the_automatic_ones() -> None:
    """Budgets do not mix: a person's retry is one more, whatever was used up."""
    run = given_run(nodes={"a": "failed"}, defaults=Defaults(retry=Retry(max_attempts=1)))

    decision = decided(run, control("retry", "a"))

    assert decision.event_names == ("control.applied", "node.ready", "run.reopened")
    assert decision.events[1].payload == {"retry": True, "attempt": 1, "status": "ready"}
    state = decision.run.node("a")
    assert (state.retry_count, state.error, state.completed_at, state.attempt) == (1, None, None, 1)
    again = in_turn(decision.run, claim("a", secret="b" * 8), finish("a", "failed", with_fence="2-" + "b" * 8))
    assert again.state.status == "failed"


def test_after_losses_a_retry_by_hand_has_its_automatic_attempts() -> None:
    """Nothing failed yet; losses are another budget."""
    rule = Retry(max_attempts=2, max_lost=0)
    run = given_run(nodes={"a": "running"}, lease_s=60, defaults=Defaults(retry=rule))
    run = decided(run, tick(), now=after(61)).run
    assert run.node("a").outcome == "lost"

    run = in_turn(run, control("retry", "a"), claim("a"), now=after(70))
    run = decided(run, finish("a", "failed", with_fence=fence_of(run, "a")), now=after(80)).run

    assert run.node("a").status == "ready"


def test_retries_by_hand_are_counted_and_force_goes_beyond() -> None:
    """A loop of retries is stopped where a person has to think; also for what never began."""
    run = given_run(nodes={"gate": "failed"}, kinds={"gate": "approval"}, states={"gate": {"outcome": "rejected"}})
    for _ in range(3):
        run = in_turn(run, control("retry", "gate"), control("reject", "gate"))

    refusal = refused(run, control("retry", "gate"), error=Conflict)

    assert refusal.message == "node 'gate' was retried 3 times by hand; the limit is 3"
    assert refusal.next[1].args["force"] is True
    assert decided(run, control("retry", "gate", force=True)).run.node("gate").retry_count == 4


def test_retry_of_what_is_blocked_is_pending_and_opens_nothing() -> None:
    """A retry that cannot go on must not call a failed run running."""
    run = given_run(nodes={"a": "failed", "b": "failed"}, needs={"b": ["a"]})

    decision = decided(run, control("retry", "b"))

    assert statuses(decision.run) == {"a": "failed", "b": "pending"}
    assert decision.run.state.status == "failed"
    assert decided(decision.run, control("retry", "a")).run.state.status == "running"


def test_a_skipped_node_of_a_completed_run_is_not_retried() -> None:
    """A completed run has been reported as done; only failed runs reopen."""
    run = given_run(nodes={"a": "completed", "b": "skipped"})

    assert refused(run, control("retry", "b"), error=IllegalTransition).message == (
        "run 'demo-1' is completed; retry needs an open run"
    )


def test_a_skipped_node_of_an_open_run_is_retried() -> None:
    """Whoever skipped too early can take it back."""
    run = given_run(nodes={"a": "ready", "b": "skipped"}, states={"b": {"outcome": "condition_false"}})

    assert decided(run, control("retry", "b")).run.node("b").outcome is None


def test_a_deadline_ends_the_attempt_with_its_outcome() -> None:
    """It counts from the attempt's start, so what is left of the attempts begins with its own."""
    run = given_run(
        nodes={"a": "ready"}, plans={"a": {"deadline_seconds": 100, "retry": Retry(max_attempts=2)}}, lease_s=0
    )
    run = decided(run, claim("a", lease_s=0)).run
    assert run.state.wake_at == at(100)

    first = decided(run, tick(), now=after(100))
    assert first.event_names == ("node.failed", "node.ready")
    assert first.events[0].payload["outcome"] == "timed_out"
    assert first.run.node("a").deadline is None
    run = decided(first.run, claim("a", lease_s=0), now=after(150)).run
    assert run.node("a").deadline == at(250)
    last = decided(run, tick(), now=after(250))

    assert last.event_names == ("node.failed", "run.failed")
    assert (last.run.node("a").outcome, last.run.node("a").error) == ("timed_out", "its deadline passed")


def test_an_approval_that_nobody_gives_times_out_once() -> None:
    """Asking again by itself would only move the deadline."""
    run = given_run(
        nodes={"a": "running", "gate": "pending"},
        needs={"gate": ["a"]},
        kinds={"gate": "approval"},
        plans={"gate": {"deadline_seconds": 60}},
        defaults=Defaults(retry=Retry(max_attempts=3)),
    )
    run = decided(run, finish("a", with_fence=fence()), now=after(10)).run
    assert run.node("gate").deadline == at(70)

    decision = decided(run, tick(), now=after(70))

    assert (decision.run.node("gate").status, decision.run.node("gate").outcome) == ("failed", "timed_out")


def test_a_pending_node_has_no_deadline_yet() -> None:
    """Its time begins with its attempt, not with the run."""
    run = given_run(
        nodes={"a": "running", "b": "pending"}, needs={"b": ["a"]}, plans={"b": {"deadline_seconds": 1}}, lease_s=0
    )

    assert (run.node("b").deadline, decided(run, tick(), now=after(1000)).events) == (None, ())


def test_deadlines_stand_still_while_the_run_is_paused() -> None:
    """A person's pause must not cost the worker its time."""
    run = given_run(nodes={"a": "ready"}, plans={"a": {"deadline_seconds": 100}})
    run = decided(run, claim("a", lease_s=0)).run

    paused = decided(run, control("pause"), now=after(40)).run
    assert (paused.node("a").deadline, paused.node("a").deadline_left_s) == (None, 60)
    assert decided(paused, tick(), now=after(5000)).events == ()
    resumed = decided(paused, control("resume"), now=after(5000)).run

    assert (resumed.node("a").deadline, resumed.node("a").deadline_left_s) == (at(5060), None)


def test_a_worker_that_comes_back_during_a_pause_keeps_the_rest_of_its_time() -> None:
    """Its deadline counts from the attempt's start, and stands while the run is paused."""
    run = given_run(nodes={"a": "ready"}, plans={"a": {"deadline_seconds": 100}})
    run = decided(run, claim("a", lease_s=30)).run
    run = decided(run, tick(), now=after(31)).run
    run = decided(run, control("pause"), now=after(35)).run

    run = decided(run, heartbeat("a", with_fence=fence()), now=after(40)).run

    assert (run.node("a").status, run.node("a").deadline, run.node("a").deadline_left_s) == ("running", None, 60)


def test_only_the_last_five_attempts_are_kept() -> None:
    """The next worker needs recent history; the trail has all of it."""
    run = given_run(nodes={"a": "ready"}, defaults=Defaults(retry=Retry(max_attempts=9)))
    for _ in range(7):
        run = decided(run, claim("a")).run
        run = decided(run, finish("a", "failed", with_fence=fence_of(run, "a"))).run

    assert [past.attempt for past in run.node("a").attempts] == [3, 4, 5, 6, 7]


@pytest.mark.parametrize("how", ["failed", "lost", "released", "taken away", "its wait ended"])
def test_work_that_comes_back_waits_for_a_need_that_was_retried_meanwhile(how: str) -> None:
    """Its worker had begun when the need was done; the next one must not begin on what is being done anew."""
    run = given_run(
        nodes={"first": "skipped", "second": "running"},
        needs={"second": ["first"]},
        plans={"second": {"retry": Retry(max_attempts=2, backoff_seconds=10)}},
    )
    run = decided(run, control("retry", "first")).run
    held = fence_of(run, "second")
    if how == "its wait ended":
        run = decided(run, finish("second", "waiting", with_fence=held, wait_for=WaitFor(type="until", seconds=60))).run
    commands: dict[str, AnyCommand] = {
        "failed": finish("second", "failed", with_fence=held),
        "released": finish("second", "released", with_fence=held),
        "taken away": control("release", "second"),
    }

    decision = decided(
        run, commands.get(how, tick()), now=after(2_000) if how in ("lost", "its wait ended") else after(1)
    )

    assert statuses(decision.run) == {"first": "ready", "second": "pending"}
    assert decision.event_names[-1] == "node.blocked"
    assert "willRetryAt" not in decision.answer
    done = in_turn(
        decision.run, claim("first"), lambda now: finish("first", with_fence=fence_of(now, "first")), now=after(2_001)
    )
    assert statuses(done) == {"first": "completed", "second": "ready"}
