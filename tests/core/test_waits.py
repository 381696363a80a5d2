"""Waits: how they begin, what ends them and what must not."""

import pytest

from registry.core.events import Decision
from registry.core.run import Run, Wait
from registry.core.workflow import WaitFor
from registry.errors import IllegalTransition, InvalidRequest
from tests.core.given import (
    after,
    at,
    claim,
    control,
    created,
    decided,
    event,
    fence,
    finish,
    given_run,
    in_turn,
    node,
    refused,
    statuses,
    tick,
)


def _waiting(wait_for: WaitFor | None, **fields: object) -> Decision:
    """A run whose node 'w' begins to wait as 'a' is completed."""
    run = given_run(
        nodes={"a": "running", "w": "pending", "b": "pending"},
        needs={"w": ["a"], "b": ["w"]},
        kinds={"w": "wait"},
        plans={"w": {"wait_for": wait_for}},
    )
    return decided(run, finish("a", with_fence=fence()))


def test_a_wait_begins_by_itself_when_its_needs_are_there() -> None:
    """Nobody claims a wait."""
    decision = _waiting(WaitFor(type="until", seconds=600))

    assert decision.event_names == ("node.completed", "node.ready", "node.waiting")
    assert decision.events[2].payload == {"waitFor": {"type": "until", "at": at(600)}}
    assert decision.run.state.wake_at == at(600)


@pytest.mark.parametrize(
    "wait_for", [WaitFor(type="until", seconds=600), WaitFor(type="until", at="2026-03-01T10:10:00+01:00")]
)
def test_until_ends_at_its_moment_and_not_before(wait_for: WaitFor) -> None:
    """`seconds` counts from the wait's beginning, `at` is a moment in any offset."""
    run = _waiting(wait_for).run

    assert decided(run, tick(), now=after(599)).events == ()
    over = decided(run, tick(), now=after(600))
    assert over.event_names == ("node.completed", "node.ready")
    assert statuses(over.run) == {"a": "completed", "w": "completed", "b": "ready"}


def test_a_wait_for_a_file_ends_when_the_file_is_there() -> None:
    """Also at once, where it was there before."""
    run = _waiting(WaitFor(type="file_exists", path="nodes/w/go.md")).run

    assert decided(run, tick(), now=after(9)).events == ()
    assert decided(run, tick(), files={"nodes/w/go.md": 1}).run.node("w").status == "completed"
    at_once = created(node("w", "wait", wait_for=WaitFor(type="file_exists", path="x.md")), node("b", needs=("w",)))
    assert at_once.run.state.wake_at == at(), "only a look can tell, so every look is due"


def test_next_tick_ends_in_a_later_mutation() -> None:
    """Its own mutation is not the next one."""
    begun = _waiting(WaitFor(type="next_tick"))

    assert begun.run.node("w").status == "waiting"
    assert decided(begun.run, tick()).run.node("w").status == "completed"


def test_an_event_wait_ends_by_a_later_event_of_that_name() -> None:
    """What was told before the wait began is not what it waits for."""
    run = _waiting(WaitFor(type="event", event="note.go")).run

    assert decided(run, event("note.stop")).run.node("w").status == "waiting"
    assert decided(run, event("note.go")).event_names == ("note.go", "node.completed", "node.ready")
    assert run.state.wake_at is None


def test_an_event_wait_is_not_ended_by_the_mutation_that_began_it() -> None:
    """What one change brings about happens at one moment; nothing of it is later than the rest."""
    for name in ("node.waiting", "node.ready", "node.completed"):
        assert _waiting(WaitFor(type="event", event=name)).run.node("w").status == "waiting"
    run = given_run(
        nodes={"a": "running", "w": "pending", "over": "pending"},
        needs={"w": ["a"], "over": ["a"]},
        kinds={"w": "wait", "over": "wait"},
        plans={
            "w": {"wait_for": WaitFor(type="event", event="node.completed")},
            "over": {"wait_for": WaitFor(type="until", seconds=0)},
        },
    )
    decision = decided(run, finish("a", with_fence=fence()))
    assert decision.event_names[-1] == "node.completed", "told after the wait began, and by the same change"
    assert statuses(decision.run) == {"a": "completed", "w": "waiting", "over": "completed"}


def test_a_manual_wait_ends_by_approve_only() -> None:
    """Time does nothing to it."""
    run = _waiting(None).run

    assert decided(run, tick(), now=after(10**7)).events == ()
    assert decided(run, control("approve", "w")).run.node("w").status == "completed"


@pytest.mark.parametrize(
    "command",
    [
        claim("w"), finish("w", with_fence=None), finish("w", "released", with_fence=None), event("node.started", "w"),
        event("node.completed", "w"), event("node.failed", "w"), event("node.ready", "w"), control("release", "w"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["wait", "approval"])
def test_nobody_works_on_a_wait_or_an_approval(command: object, kind: str) -> None:
    """They end by their condition or a person, never by an agent that wants to get on."""
    run = given_run(nodes={"w": "waiting"}, kinds={"w": kind})  # type: ignore[dict-item]

    refusal = refused(run, command, error=IllegalTransition)  # type: ignore[arg-type]

    word = "an approval: a person decides" if kind == "approval" else "a wait: it ends by its condition"
    assert refusal.message.startswith(f"'w' is {word}")


def test_work_that_waits_keeps_its_fence_and_loses_its_lease() -> None:
    """A worker that waits sends no heartbeats, and may still end what it began."""
    run = given_run(nodes={"a": "running"})

    decision = decided(run, finish("a", "waiting", with_fence=fence(), wait_for=WaitFor(type="until", seconds=5000)))

    lease = decision.run.node("a").lease
    assert lease is not None and (lease.fence, lease.expires_at) == (fence(), None)
    assert decided(decision.run, tick(), now=after(1000)).events == ()
    assert decided(decision.run, finish("a", with_fence=fence())).run.state.status == "completed"


def test_work_that_goes_on_from_waiting_has_its_lease_again() -> None:
    """Without one a worker that dies after its wait would hold the node for ever."""
    run = decided(given_run(nodes={"a": "running"}), finish("a", "waiting", with_fence=fence())).run

    run = decided(run, event("node.started", "a", fence=fence()), now=after(100)).run

    state = run.node("a")
    assert state.lease is not None
    assert (state.attempt, state.lease.expires_at, state.wait, state.waiting_since) == (1, at(1000), None, None)
    refused(run, event("node.completed", "a"), error=InvalidRequest)


@pytest.mark.parametrize("approved", [True, False])
def test_work_whose_wait_is_over_is_queued_again(approved: bool) -> None:
    """Its worker ended its turn; whoever claims next goes on, and the attempt is not counted."""
    wait_for = WaitFor(type="manual") if approved else WaitFor(type="until", seconds=60)
    run = decided(given_run(nodes={"a": "running"}), finish("a", "waiting", with_fence=fence(), wait_for=wait_for)).run

    decision = decided(run, control("approve", "a") if approved else tick(), now=after(60))

    assert decision.event_names[-1] == "node.released"
    state = decision.run.node("a")
    assert (state.status, state.attempt, state.lease, state.wait, state.wait_for) == ("ready", 0, None, None, None)


def test_work_may_wait_before_anybody_runs_it() -> None:
    """That begins its attempt: it can fail and be tried again, and its deadline runs."""
    run = given_run(nodes={"a": "ready"}, plans={"a": {"deadline_seconds": 50}})

    state = decided(run, event("node.waiting", "a", payload={"waitFor": "manual"})).run.node("a")

    assert (state.status, state.attempt, state.deadline, state.lease) == ("waiting", 1, at(50), None)


@pytest.mark.parametrize(
    "given",
    [
        {"type": "until"}, {"type": "until", "at": "tomorrow"}, {"type": "until", "at": "2026-03-01T10:00:00"},
        {"type": "until", "seconds": 1e300}, {"type": "until", "at": "9999-12-31T23:59:59-12:00"},
        {"type": "file_exists"}, {"type": "file_exists", "path": "../../etc/passwd"},
        {"type": "file_exists", "path": "/etc/passwd"}, {"type": "event"}, {"type": "never"}, 7,
    ],
)  # fmt: skip
def test_a_wait_that_cannot_end_is_refused(given: object) -> None:
    """It would hold the node for ever, or look where it may not."""
    run = given_run(nodes={"a": "running"})

    refused(run, event("node.waiting", "a", fence=fence(), payload={"waitFor": given}), error=InvalidRequest)


def test_a_plans_wait_that_cannot_end_fails_its_node() -> None:
    """A refusal would refuse every later change of the run."""
    decision = _waiting(WaitFor(type="until", at="soon"))

    assert decision.run.node("w").status == "failed"
    assert decision.run.node("w").error == "it cannot wait: waitFor.at is 'soon'; it must be ISO 8601 with an offset"


def test_automatic_waiting_is_held_while_paused() -> None:
    """A pause holds what is new; the wait's time begins after it."""
    run = given_run(
        nodes={"a": "running", "w": "pending"}, needs={"w": ["a"]}, kinds={"w": "wait"}, status="paused",
        plans={"w": {"wait_for": WaitFor(type="until", seconds=60)}},
    )  # fmt: skip
    run = decided(run, finish("a", with_fence=fence())).run
    assert statuses(run)["w"] == "ready"

    run = decided(run, control("resume"), now=after(100)).run

    assert run.node("w").wait == Wait(type="until", at=at(160), since_seq=run.node("w").wait.since_seq, since_rev=3)  # type: ignore[union-attr]


def test_timers_go_on_while_paused() -> None:
    """What began before the pause ends when it ends; only nothing new starts."""
    run = in_turn(_waiting(WaitFor(type="until", seconds=60)).run, control("pause"))

    assert statuses(decided(run, tick(), now=after(61)).run) == {"a": "completed", "w": "completed", "b": "ready"}


def test_waits_of_the_earlier_implementation_end_too() -> None:
    """Its nodes say what they wait for in waitFor only."""
    for wait_for, files in ((WaitFor(type="file_exists", path="x.md"), {"x.md": 1}), (WaitFor(type="next_tick"), {})):
        run = _waiting(WaitFor(type="manual")).run
        state = run.node("w").model_copy(update={"wait": None, "wait_for": wait_for})
        old = run.model_copy(update={"state": run.state.model_copy(update={"nodes": {**run.state.nodes, "w": state}})})

        assert _ended(old, files)


def _ended(run: Run, files: dict[str, int]) -> bool:
    return decided(run, tick(), files=files).run.node("w").status == "completed"
