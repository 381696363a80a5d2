"""Claims, fences and what happens to workers that are late, silent or gone."""

import pytest

from registry.core.decide import reconcile
from registry.core.events import Facts
from registry.core.run import Lease
from registry.core.workflow import Retry, WaitFor
from registry.errors import IllegalTransition, InvalidRequest, LeaseLost, NodeHeld, RunPaused
from tests.core.given import (
    AGENT,
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
    node,
    refused,
    statuses,
    tick,
)


def test_a_claim_gives_attempt_fence_and_lease() -> None:
    """The three things a worker needs to end its work."""
    decision = decided(given_run(nodes={"a": "ready"}), claim(secret="mmmmmmmm", session_key="agent:cc:x"))

    assert decision.event_names == ("node.started",)
    assert decision.answer == {
        "claimed": True, "nodeId": "a", "attempt": 1, "fence": "1-mmmmmmmm", "leaseExpiresAt": at(900),
    }  # fmt: skip
    state = decision.run.node("a")
    assert state.lease == Lease(owner="cc", fence="1-mmmmmmmm", seconds=900, expires_at=at(900), heard_at=at())
    assert (state.session_key, decision.run.refs.node_sessions) == ("agent:cc:x", {"a": "agent:cc:x"})


def test_a_lease_of_zero_seconds_has_no_end() -> None:
    """Some hosts cannot send heartbeats; their work must not be taken away."""
    run = decided(given_run(nodes={"a": "ready"}), claim(lease_s=0)).run

    assert run.node("a").lease == Lease(owner="cc", fence=fence(), seconds=0, heard_at=at())
    assert decided(run, tick(), now=after(10**8)).events == ()


def test_nothing_to_do_is_an_answer_with_its_reason() -> None:
    """A queue that is empty is the normal case for a worker that is woken by a timer."""
    backing_off = {"a": {"not_before": at(30)}}
    reasons = {
        "paused": given_run(nodes={"a": "ready"}, status="paused"),
        "backoff": given_run(nodes={"a": "ready"}, states=backing_off),
        "held": given_run(nodes={"a": "running"}),
        "waiting": given_run(nodes={"a": "waiting"}, kinds={"a": "approval"}),
        "empty": given_run(nodes={"a": "completed"}),
    }
    answers = {reason: decided(run, claim()) for reason, run in reasons.items()}

    assert {reason: decision.answer["reason"] for reason, decision in answers.items()} == {key: key for key in reasons}
    assert answers["backoff"].answer == {"claimed": False, "reason": "backoff", "notBefore": at(30)}
    assert all(decision.events == () for decision in answers.values())


def test_a_queue_goes_by_priority_then_age_then_id() -> None:
    """Two agents asked at once must never differ about what comes next."""
    run = given_run(
        nodes={"d": "ready", "c": "ready", "b": "ready", "a": "ready"},
        states={"b": {"ready_at": at(-5)}, "d": {"priority": 7}},
    )
    order = []
    for _ in range(4):
        decision = decided(run, claim())
        order.append(decision.answer["nodeId"])
        run = decision.run

    assert order == ["d", "b", "a", "c"]


def test_an_agents_queue_holds_its_own_nodes_and_nobodys() -> None:
    """With run and agent named, the nodes of others are left to them."""
    run = given_run(
        nodes={"a": "ready", "b": "ready", "c": "ready"}, states={"a": {"agent_id": "other"}, "c": {"agent_id": "cc"}}
    )
    taken = [decided(run, claim(assigned_only=True)).answer["nodeId"]]
    run = decided(run, claim(assigned_only=True)).run
    taken.append(decided(run, claim(assigned_only=True)).answer["nodeId"])
    run = decided(run, claim(assigned_only=True)).run

    assert taken == ["b", "c"]
    assert decided(run, claim(assigned_only=True)).answer["claimed"] is False
    assert decided(run, claim("a", assigned_only=True)).answer["nodeId"] == "a", "a named node is anybody's"


def test_a_claim_takes_what_a_dead_worker_had_in_one_mutation() -> None:
    """Nobody else need notice first that the lease ran out."""
    run = given_run(nodes={"a": "running"}, lease_s=60)

    decision = decided(run, claim(agent="next", secret="bbbbbbbb"), now=after(61))

    assert decision.event_names == ("node.lost", "node.ready", "node.started")
    assert decision.answer["fence"] == "2-bbbbbbbb"


def test_a_claimed_node_is_held_while_its_lease_lives() -> None:
    """No node is handed out twice."""
    refusal = refused(given_run(nodes={"a": "running"}), claim("a", agent="next"), error=NodeHeld, now=after(40))

    assert refusal.message == "node 'a' is with 'cc' (attempt 1, last heard 40 s ago) until 09:15"
    assert refusal.retryable


def test_nothing_is_claimed_or_started_while_paused() -> None:
    """Whoever paused wants to look at a run that stands."""
    run = given_run(nodes={"a": "ready"}, status="paused")

    assert "paused by maria (http) at 09:00: 'let me read'" in refused(run, claim("a"), error=RunPaused).message
    refused(run, event("node.started", "a"), error=RunPaused)
    refused(run, event("node.waiting", "a"), error=RunPaused)
    refused(run, finish("a", "waiting", with_fence=None), error=RunPaused)


def test_what_other_tasks_hold_is_neither_claimed_nor_started() -> None:
    """A task may rest on another; going round the queue must not get round that."""
    run = given_run(nodes={"a": "ready"}, states={"a": {"depends_on": ("x:work", "y:work")}})
    done, open_ = {"x:work": "completed", "y:work": "completed"}, {"x:work": "completed", "y:work": "failed"}

    refusal = refused(run, claim("a"), tasks=open_, error=IllegalTransition)
    assert refusal.message == "node 'a' is held: it depends on 'y:work' (failed)"
    refused(run, event("node.started", "a"), tasks=open_, error=IllegalTransition)
    assert decided(run, claim(), tasks=open_).answer["reason"] == "held"
    assert decided(run, claim("a"), tasks=done).answer["claimed"] is True


def test_a_draft_starts_nothing_until_it_is_resumed() -> None:
    """A draft is only read; resume makes it running."""
    run = given_run(nodes={"a": "ready"}, status="draft")

    refused(run, claim("a"), error=IllegalTransition)
    refused(run, event("node.started", "a"), error=IllegalTransition)
    assert decided(run, control("resume")).run.state.status == "running"


def test_the_wrong_fence_ends_nothing() -> None:
    """A worker of an earlier attempt must not end the present one's work."""
    run = given_run(nodes={"a": "running"})

    for command in (
        finish("a", with_fence="1-zzzzzzzz"),
        event("node.completed", "a", fence="1-zzzzzzzz"),
        finish(None, with_fence="9-zzzzzzzz"),
    ):
        refusal = refused(run, command, error=LeaseLost)
        assert refusal.next[0].tool in ("request_control", "write_artifact", "get_run")


def test_the_fence_of_an_earlier_attempt_is_another_matter_than_a_mistyped_one() -> None:
    """Who still holds the node would walk away from it, told that it was lost."""
    run = given_run(nodes={"a": "running"})

    mistyped = refused(run, finish("a", with_fence="1-zzzzzzzz"), error=LeaseLost)
    other = refused(run, finish("a", with_fence="9-zzzzzzzz"), error=LeaseLost)

    assert mistyped.message == "that is not the fence of attempt 1 of node 'a', which you hold until 09:15"
    assert [call.tool for call in mistyped.next] == ["request_control", "claim_node"]
    assert [call.tool for call in other.next] == ["write_artifact"]


def test_a_worker_is_told_that_its_wait_is_over() -> None:
    """Heard of in that moment it would go on without its lease, which the end of the wait takes away."""
    waiting = decided(
        given_run(nodes={"a": "running"}),
        finish("a", "waiting", with_fence=fence(), wait_for=WaitFor(type="next_tick")),
    ).run

    answer = decided(waiting, heartbeat("a", with_fence=fence())).answer

    assert (answer["stop"], answer["stopReason"]) == (True, "its wait is over: claim_node gives it out anew")


def test_a_fence_ends_nothing_that_was_never_claimed() -> None:
    """A fence is of another node, which may be gone: whatever is left over is not meant."""
    run = given_run(nodes={"a": "ready"})

    assert "no longer holds" in refused(run, finish(None, with_fence="1-zzzzzzzz"), error=LeaseLost).message


def test_a_leased_node_wants_its_fence() -> None:
    """Without it a mistaken agent could end another's work."""
    run = given_run(nodes={"a": "running"})

    own = refused(run, finish("a", with_fence=None), error=InvalidRequest)
    others = refused(
        run,
        finish("a", with_fence=None, actor=AGENT.model_copy(update={"id": "x"})),
        error=InvalidRequest,
        now=after(5),
    )
    assert own.hint == "If you lost it: request_control release, then claim_node"
    assert others.hint == "it belongs to 'cc' until 09:15"


def test_a_fence_alone_names_its_node() -> None:
    """Small models forget ids; the fence they were given says enough."""
    run = in_turn(given_run(nodes={"a": "ready", "b": "ready"}), claim("a"), claim("b", secret="bbbbbbbb"))

    assert decided(run, finish(None, with_fence="1-bbbbbbbb")).answer["nodeId"] == "b"


def test_a_lost_node_is_ready_again_and_keeps_its_fence() -> None:
    """Until somebody else begins, the work of a slow worker is worth having."""
    run = given_run(nodes={"a": "running"}, lease_s=60)

    decision = decided(run, tick(), now=after(60))

    assert decision.event_names == ("node.lost", "node.ready")
    assert decision.events[0].payload == {"attempt": 1, "owner": "cc", "willRetry": True}
    state = decision.run.node("a")
    assert (state.status, state.lost_count, state.attempts[-1].ended) == ("ready", 1, "lost")
    assert state.lease == Lease(owner="cc", fence=fence(), seconds=60, heard_at=at())


@pytest.mark.parametrize("paused", [False, True])
def test_a_late_finish_counts_while_nobody_began(paused: bool) -> None:
    """An hour of work must not be lost to a missed heartbeat, paused or not."""
    run = decided(given_run(nodes={"a": "running"}, lease_s=60), tick(), now=after(61)).run
    if paused:
        run = decided(run, control("pause")).run

    decision = decided(run, finish("a", with_fence=fence()), now=after(90))

    assert decision.event_names == ("node.started", "node.completed", "run.completed")
    assert [told.payload.get("late") for told in decision.events[:2]] == [True, True]
    assert [told.payload.get("attempt") for told in decision.events[:2]] == [1, 1]
    assert (decision.answer["late"], decision.answer["attempt"]) == (True, 1)
    assert (decision.run.node("a").lost_count, len(decision.run.node("a").attempts)) == (0, 1)


def test_an_expiry_counts_when_it_is_recorded() -> None:
    """Until somebody looked, the worker still has the node; only the answer says it was late."""
    run = given_run(nodes={"a": "running"}, lease_s=60)

    decision = decided(run, finish("a", with_fence=fence()), now=after(61))

    assert decision.event_names == ("node.completed", "run.completed")
    assert decision.answer["late"] is True


@pytest.mark.parametrize(
    "ending",
    [
        claim("a", agent="next", secret="bbbbbbbb"),
        event("node.started", "a"),
        control("release", "a"),
        control("cancel"),
    ],
)
def test_the_fence_of_a_lost_node_ends_with_the_next_start_release_or_cancel(ending: object) -> None:
    """From then on the work is somebody else's, or nobody's."""
    run = decided(given_run(nodes={"a": "running"}, lease_s=60), tick(), now=after(61)).run
    run = decided(run, ending, now=after(62)).run  # type: ignore[arg-type]

    for command in (finish("a", with_fence=fence()), event("node.completed", "a", fence=fence())):
        refusal = refused(run, command, now=after(63))
        assert isinstance(refusal, LeaseLost | IllegalTransition)


def test_waiting_of_somebody_else_ends_a_lost_workers_fence_too() -> None:
    """It is the beginning of another attempt."""
    run = decided(given_run(nodes={"a": "running"}, lease_s=60), tick(), now=after(61)).run

    waiting = decided(run, event("node.waiting", "a"), now=after(62)).run

    assert (waiting.node("a").lease, waiting.node("a").attempt) == (None, 2)
    refused(waiting, finish("a", with_fence=fence()), error=LeaseLost)


def test_a_node_lost_for_good_stays_failed() -> None:
    """`failed` has been told to everybody; a late worker cannot take that back."""
    run = given_run(nodes={"a": "running"}, lease_s=60, plans={"a": {"retry": Retry(max_lost=0)}})

    lost = decided(run, tick(), now=after(61))

    assert lost.event_names == ("node.lost", "run.failed")
    state = lost.run.node("a")
    assert (state.status, state.outcome, state.error) == (
        "failed", "lost", "its lease ran out without a word from its worker",
    )  # fmt: skip
    refused(lost.run, finish("a", with_fence=fence()), error=LeaseLost)
    refused(lost.run, finish(None, with_fence=fence()), error=LeaseLost)


def test_losses_have_a_budget_of_their_own() -> None:
    """A host that dies often must not use up the attempts for work that fails, nor go on for ever."""
    run = given_run(nodes={"a": "ready"}, plans={"a": {"retry": Retry(max_lost=2)}})
    seen = []
    for turn in range(3):
        run = decided(run, claim("a", lease_s=60), now=after(turn * 100)).run
        run = decided(run, tick(), now=after(turn * 100 + 61)).run
        seen.append((run.node("a").status, run.node("a").lost_count, run.node("a").failed_count))

    assert seen == [("ready", 1, 0), ("ready", 2, 0), ("failed", 3, 0)]


def test_a_heartbeat_brings_a_lost_worker_back_with_its_attempt() -> None:
    """It is alive: a second worker on the same node would be waste, and no loss is counted."""
    run = decided(given_run(nodes={"a": "running"}, lease_s=60), tick(), now=after(61)).run

    decision = decided(run, heartbeat("a", with_fence=fence(), message="half way"), now=after(70))

    assert decision.event_names == ("node.started", "node.heartbeat")
    assert decision.answer == {"nodeId": "a", "attempt": 1, "stop": False, "leaseExpiresAt": at(130)}
    state = decision.run.node("a")
    assert (state.status, state.attempt, state.lost_count, state.attempts) == ("running", 1, 0, ())


def test_a_worker_that_came_back_may_still_fail_and_be_retried() -> None:
    """The loss that was none must not eat the automatic attempts."""
    run = given_run(nodes={"a": "running"}, lease_s=60, plans={"a": {"retry": Retry(max_attempts=2)}})
    run = decided(run, tick(), now=after(61)).run

    run = decided(run, finish("a", "failed", with_fence=fence()), now=after(70)).run

    assert (run.node("a").status, run.node("a").failed_count, run.node("a").lost_count) == ("ready", 1, 0)


def test_heartbeats_extend_the_lease_and_tell_of_a_pause() -> None:
    """The only way a busy worker learns that a person stopped the rest."""
    run = given_run(nodes={"a": "running"}, status="paused")

    decision = decided(
        run, heartbeat("a", with_fence=fence(), percent=40, message="reading", lease_s=100), now=after(50)
    )

    assert decision.answer == {
        "nodeId": "a", "attempt": 1, "stop": False, "leaseExpiresAt": at(150),
        "stopReason": "the run is paused: finish this node, start nothing new",
    }  # fmt: skip
    assert decision.run.node("a").progress == "40 %: reading"
    assert decision.run.state.last_progress_message == "40 %: reading"


def test_a_heartbeat_of_a_worker_that_lost_its_node_says_stop() -> None:
    """Working on would be for nothing, and an error would be read as trouble with the tool."""
    cancelled = decided(given_run(nodes={"a": "running"}), control("cancel")).run
    retaken = in_turn(
        given_run(nodes={"a": "running"}), control("release", "a"), claim("a", agent="next", secret="bbbbbbbb")
    )
    ended = decided(given_run(nodes={"a": "running"}), finish("a", with_fence=fence())).run

    answers = [decided(run, heartbeat("a", with_fence=fence())) for run in (cancelled, retaken, ended)]

    assert [(decision.answer["stop"], decision.answer["stopReason"]) for decision in answers] == [
        (True, "the run was cancelled"),
        (True, "the node is with next (attempt 1) now"),
        (True, "the node is completed: this attempt is over"),
    ]
    assert [decision.events for decision in answers] == [(), (), ()]


def test_a_heartbeat_after_the_deadline_says_stop() -> None:
    """The mutation it makes is the one that records the deadline; going on would be wrong already."""
    run = given_run(nodes={"a": "running"}, plans={"a": {"deadline_seconds": 60}}, states={"a": {"deadline": at(60)}})

    decision = decided(run, heartbeat("a", with_fence=fence()), now=after(61))

    assert (decision.answer["stop"], decision.answer["stopReason"]) == (True, "its deadline passed")
    assert decision.event_names == ("node.failed", "run.failed")


def test_release_takes_a_node_from_a_dead_worker_without_counting_the_attempt() -> None:
    """Somebody knows that it is dead; its fence is void and its session is to be stopped."""
    run = given_run(nodes={"a": "running"}, states={"a": {"child_session_key": "agent:cc:child"}})

    decision = decided(run, control("release", "a", message="its window was closed"))

    assert decision.event_names == ("control.applied", "node.released")
    assert decision.events[1].message == "its window was closed"
    state = decision.run.node("a")
    assert (state.status, state.attempt, state.lease, state.attempts[-1].ended) == ("ready", 0, None, "released")
    assert [effect.kind for effect in decision.run.refs.pending_effects.values()] == ["session.abort"]
    refused(decision.run, finish("a", with_fence=fence()), error=LeaseLost)


def test_a_worker_may_give_its_node_back() -> None:
    """Wrong tool, wrong machine: no attempt is used up."""
    decision = decided(given_run(nodes={"a": "running"}), finish("a", "released", with_fence=fence()))

    assert decision.event_names == ("node.released",)
    assert (decision.run.node("a").status, decision.run.node("a").attempt) == ("ready", 0)


def test_a_fence_never_comes_twice() -> None:
    """The attempt's number does after a release; the secret does not."""
    run = in_turn(given_run(nodes={"a": "running"}), control("release", "a"), claim("a", secret="bbbbbbbb"))

    assert fence_of(run, "a") == "1-bbbbbbbb"
    refused(run, finish("a", with_fence=fence()), error=LeaseLost)


def test_a_node_started_without_a_claim_has_no_lease_and_is_never_lost() -> None:
    """Agents that write events by themselves send no heartbeats."""
    run = decided(given_run(nodes={"a": "ready"}), event("node.started", "a")).run

    assert (run.node("a").lease, run.node("a").attempt) == (None, 1)
    assert decided(run, tick(), now=after(10**6)).events == ()
    assert decided(run, event("node.completed", "a")).run.state.status == "completed"


def test_required_outputs_are_asked_for_by_finish_and_noted_by_the_door() -> None:
    """A worker can be told; an event is a fact that has happened."""
    definition = {"outputs": node("a").outputs.model_copy(update={"mode": "report"})}
    run = given_run(nodes={"a": "running"}, plans={"a": definition}, states={"a": {"outputs_mode": "report"}})

    refusal = refused(run, finish("a", with_fence=fence()), error=InvalidRequest)
    assert refusal.message == "node 'a' must leave nodes/a/report.md; it is not there"
    assert refusal.next[0].args["fence"] == fence()
    told = decided(run, event("node.completed", "a", fence=fence()))
    assert told.warnings == ("missing_outputs: nodes/a/report.md",)
    assert told.events[0].payload["missingOutputs"] == ["nodes/a/report.md"]
    handed_in = decided(run, finish("a", with_fence=fence(), report="# Found\n"))
    assert handed_in.answer["written"] == ["nodes/a/report.md", "nodes/a/result.json"]
    there = decided(run, finish("a", with_fence=fence()), files={"nodes/a/report.md": 9})
    assert there.run.node("a").artifact_paths == ("nodes/a/report.md",)


def test_readers_see_a_lost_worker_as_gone_before_it_is_recorded() -> None:
    """A node whose lease has run out is never shown as running; a reader writes nothing."""
    run = given_run(
        nodes={"a": "running", "b": "running"},
        lease_s=60,
        plans={"b": {"deadline_seconds": 30}},
        states={"b": {"deadline": at(30), "lease": None}},
    )

    seen, changed = reconcile(run, Facts(now=after(61)))

    assert (statuses(seen), changed) == ({"a": "ready", "b": "running"}, frozenset({"a"}))
    assert statuses(run) == {"a": "running", "b": "running"}
    assert reconcile(run, Facts(now=after(59))) == (run, frozenset())
