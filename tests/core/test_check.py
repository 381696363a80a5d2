"""What a run must be, and that our own bugs are found before they are written."""

from typing import Any

import pytest

from registry.core.check import BrokenInvariant, check, check_all
from registry.core.run import Lease, Paused, Run
from tests.core.given import PERSON, at, claim, control, decided, fence, given_run

SOUND = given_run(
    nodes={"a": "completed", "b": "running", "c": "pending", "r": "ready", "w": "waiting"},
    needs={"b": ["a"], "c": ["b"], "r": ["a"]},
    cron="cron-7",
)
_LEASE = Lease(owner="cc", fence=fence(), seconds=60, expires_at=at(60))


def _with(run: Run, *, node_id: str = "", rev: int = 2, node: dict[str, Any] | None = None, **state: Any) -> Run:
    """The run with other fields, as the next mutation would leave it."""
    nodes = dict(run.state.nodes)
    if node_id:
        nodes[node_id] = nodes[node_id].model_copy(update=node or {})
    log = run.log.model_copy(update={"rev": rev, "seq": run.log.seq + 1, "state_rev": rev})
    return run.model_copy(update={"state": run.state.model_copy(update={"nodes": nodes, **state}), "log": log})


_BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"node_id": "b", "node": {"started_at": None}}, "node 'b' is running and was never started"),
    ({"node_id": "b", "node": {"attempt": 0}}, "node 'b' has a fence of another attempt than 0"),
    ({"node_id": "b", "node": {"completed_at": at()}}, "node 'b' is running and has ended"),
    ({"node_id": "b", "node": {"waiting_since": at()}}, "node 'b' is running, without a wait"),
    (
        {"node_id": "b", "node": {"lease": _LEASE.model_copy(update={"expires_at": None})}},
        "node 'b' has a lease of 60 seconds until for ever",
    ),
    (
        {"node_id": "b", "node": {"deadline_left_s": 5.0}},
        "has a deadline that stands still though the run is not paused",
    ),
    ({"node_id": "b", "node": {"kind": "approval"}}, "node 'b' is somebody's work though it is of kind approval"),
    ({"node_id": "b", "node": {"title": "Other"}}, "node 'b' is not as the plan has it"),
    ({"node_id": "b", "node": {"needs": ("c",)}}, "node 'b' is not as the plan has it"),
    ({"node_id": "b", "node": {"rev": 9}}, "node 'b' has rev 9, later than the run's 2"),
    ({"node_id": "b", "node": {"outcome": "lost"}}, "node 'b' is running with the outcome lost"),
    ({"node_id": "c", "node": {"status": "ready", "ready_at": at()}}, "node 'c' is ready but needs b"),
    ({"node_id": "c", "node": {"ready_at": at()}}, "node 'c' is pending with a lease, a ready time or an end"),
    (
        {"node_id": "r", "node": {"status": "pending", "ready_at": None}},
        "node 'r' is pending though what it needs is there",
    ),
    ({"node_id": "r", "node": {"ready_at": None}}, "node 'r' is ready without a time since when, or with an end"),
    ({"node_id": "r", "node": {"lease": _LEASE}}, "node 'r' is ready under a lease that runs"),
    ({"node_id": "r", "node": {"deadline": at(9)}}, "node 'r' is ready under a deadline"),
    ({"node_id": "w", "node": {"wait": None}}, "node 'w' is waiting, without a wait"),
    ({"node_id": "w", "node": {"not_before": at(9)}}, "node 'w' is waiting and held back until"),
    ({"node_id": "a", "node": {"completed_at": None}}, "node 'a' is completed without a time"),
    (
        {"node_id": "a", "node": {"lease": _LEASE.model_copy(update={"expires_at": None})}},
        "node 'a' is completed under a lease",
    ),
    (
        {"node_id": "r", "node": {"status": "failed", "completed_at": at()}},
        "node 'r' is failed without an error",
    ),
    ({"node_id": "a", "node": {"status": "ready", "completed_at": None}}, "went from completed to ready"),
    ({"status": "paused"}, "the run is paused and says nobody paused it"),
    ({"paused": Paused(at=at(), actor=PERSON)}, "the run is running and says who paused it"),
    ({"status": "completed"}, "the run is completed with nodes that are pending, ready, running, waiting"),
    ({"status": "failed"}, "the run is failed with nodes that are ready, running, waiting"),
    ({"cron_job_id": "other"}, "cron_job_id is 'other' in the state and 'cron-7' in the bindings"),
    ({"rev": 5}, "rev 1, seq 5 is followed by rev 5, seq 6"),
]


@pytest.mark.parametrize(("change", "fault"), _BROKEN, ids=[fault for _, fault in _BROKEN])
def test_a_run_that_cannot_be_is_not_written(change: dict[str, Any], fault: str) -> None:
    """Once written it would be everybody's trouble; before, it is a refused call and a bug report."""
    with pytest.raises(BrokenInvariant) as caught:
        check(SOUND, _with(SOUND, **change))

    assert fault in str(caught.value)


def test_a_sound_run_has_no_faults() -> None:
    """And a decision on it passes."""
    assert check_all(SOUND) == []
    check(SOUND, decided(SOUND, claim("r")).run)
    check(SOUND, SOUND)


def test_validate_finds_what_is_broken_anywhere() -> None:
    """Not only in what was touched last."""
    refs = SOUND.refs.model_copy(update={"node_sessions": {"gone": "x", "a": "y"}, "cron_job_id": "z"})
    nodes = {**SOUND.state.nodes}
    nodes["a"] = nodes["a"].model_copy(update={"needs": ("b", "gone")})
    broken = SOUND.model_copy(update={"refs": refs, "state": SOUND.state.model_copy(update={"nodes": nodes})})

    assert check_all(broken) == [
        "node 'a' needs gone, which the run does not have",
        "nodes need each other in a circle: a -> b",
        "cron_job_id is 'cron-7' in the state and 'z' in the bindings",
        "session_key is bound for 'gone', which the run does not have",
        "session_key of node 'a' is 'agent:opentask:opentask:demo-1:a' and bound as 'y'",
        "node 'a' is not as the plan has it",
    ]


def test_a_plan_without_its_node_is_found() -> None:
    """Replay and the plan's file would show another run than the state."""
    plan = SOUND.plan.model_copy(update={"nodes": {key: SOUND.plan.nodes[key] for key in "abcr"}})

    assert "the plan and the state do not have the same nodes" in check_all(SOUND.model_copy(update={"plan": plan}))


def test_a_run_that_stands_still_is_found() -> None:
    """Failure never leaves a run running for ever."""
    still = given_run(nodes={"a": "failed", "b": "pending"}, needs={"b": ["a"]})

    running = still.model_copy(update={"state": still.state.model_copy(update={"status": "running"})})

    assert check_all(running) == ["the run is running though nothing in it can go on"]


def test_what_was_broken_before_does_not_stop_the_work() -> None:
    """A run that was adopted with faults must stay workable; only new ones are ours."""
    adopted = _with(SOUND, node_id="b", node={"attempt": 0, "started_at": None, "lease": None}, rev=1)
    assert check_all(adopted) != []

    run = decided_unchecked(adopted)

    check(adopted, run)
    with pytest.raises(BrokenInvariant):
        check(adopted, _with(run, node_id="r", node={"ready_at": None}, rev=2))


def decided_unchecked(run: Run) -> Run:
    from registry.core.decide import decide
    from registry.core.events import Facts
    from tests.core.given import T0, finish

    return decide(run, finish("b", "waiting", with_fence=None), Facts(now=T0)).run


def test_nothing_may_leave_cancelled() -> None:
    """Not even by a bug."""
    cancelled = decided(SOUND, control("cancel")).run
    ready = {"status": "ready", "completed_at": None, "outcome": None}

    with pytest.raises(BrokenInvariant, match="went from skipped to ready"):
        check(cancelled, _with(cancelled, node_id="r", node=ready, rev=3))
    with pytest.raises(BrokenInvariant, match="a cancelled run became running"):
        check(cancelled, _with(cancelled, status="running", rev=3))
