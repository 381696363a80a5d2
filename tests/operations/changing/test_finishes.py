"""The end of claimed work."""

import json

from registry.operations.caller import Caller
from tests.operations.changing.asking import (
    Retry,
    ask,
    claimed,
    errand,
    finished,
    given_run,
    named,
    refusal,
    work_off,
)
from tests.operations.conftest import Hands


def test_a_finish_says_what_it_wrote_and_what_may_be_done_next(caller: Caller) -> None:
    """The orchestrator goes on from this answer alone."""
    given_run(caller)
    claim = claimed(caller)

    answer = finished(caller, claim, summary="12 files", payload={"files": 12})

    assert {key: value for key, value in answer.items() if key not in ("next", "rev")} == {
        "run_id": "audit-1",
        "node_id": "gather",
        "status": "completed",
        "attempt": 1,
        "run_status": "running",
        "written": ["nodes/gather/report.md", "nodes/gather/result.json"],
        "became_ready": ["security", "speed"],
        "repeated": False,
        "warnings": [],
    }
    assert [step["tool"] for step in answer["next"][:2]] == ["write_handoff", "claim_node"]
    result = json.loads(ask(caller, "read_artifact", run_id="audit-1", path="nodes/gather/result.json")["content"])
    assert (result["summary"], result["payload"]) == ("12 files", {"files": 12, "attempt": 1})


def test_a_fence_alone_names_the_node(caller: Caller) -> None:
    """The fence is what a worker keeps; the node's name it may have lost."""
    given_run(caller)
    fence = claimed(caller)["fence"]

    answer = ask(caller, "finish_node", run_id="audit-1", fence=fence, outcome="released", summary="not mine")

    assert (answer["node_id"], answer["status"], answer["became_ready"]) == ("gather", "ready", ["gather"])


def test_late_work_is_taken_while_nobody_else_began(caller: Caller, hands: Hands) -> None:
    """An hour of work is not thrown away for a missed heartbeat."""
    given_run(caller)
    claim = claimed(caller, lease_s=60)
    hands.move(minutes=10)

    answer = finished(caller, claim)

    assert (answer["late"], answer["status"], answer["attempt"]) == (True, "completed", 1)


def test_late_work_is_refused_once_somebody_else_has_the_node(caller: Caller, hands: Hands) -> None:
    """Two reports of one node would leave nobody knowing which holds; the late one is kept beside."""
    given_run(caller, errand("gather"))
    first = claimed(caller, lease_s=60)
    hands.move(minutes=10)
    second = claimed(named(caller, "worker"))

    told = refusal(caller, "finish_node", run_id="audit-1", node_id="gather", fence=first["fence"], outcome="completed")

    assert told.startswith("lease_lost: node 'gather' is now with 'worker' (attempt 2) until 09:25; attempt 1 ended")
    assert told.splitlines()[1] == "hint: keep late findings with write_artifact in a file of another name"
    assert finished(caller, second)["status"] == "completed"


def test_a_failure_that_is_tried_again_says_when(caller: Caller) -> None:
    """The orchestrator need not look for a reason: it can end its turn until then."""
    given_run(caller, errand(retry=Retry(max_attempts=2, backoff_seconds=30)))
    fence = claimed(caller)["fence"]

    answer = ask(caller, "finish_node", run_id="audit-1", fence=fence, outcome="failed", error="no network")

    assert (answer["status"], answer["will_retry_at"]) == ("ready", "2026-01-01T09:00:30.000+00:00")
    assert answer["waiting_for"][0]["for"] == "backoff"


def test_a_failure_needs_its_reason(caller: Caller) -> None:
    """The next attempt, and the person who reads the run, have nothing else to go by."""
    given_run(caller)
    fence = claimed(caller)["fence"]

    assert refusal(caller, "finish_node", run_id="audit-1", fence=fence, outcome="failed") == (
        "invalid_request: outcome failed needs error\n"
        "hint: say in a sentence what went wrong; the next attempt reads it\n"
        f'next: finish_node {{"run_id": "audit-1", "fence": "{fence}", "outcome": "failed", '
        '"error": "<what went wrong>"}'
    )


def test_an_attempt_ends_once_whatever_is_said_later(caller: Caller) -> None:
    """A worker that changes its mind must be told that its first word counted, not that its fence is unknown."""
    given_run(caller)
    claim = claimed(caller)
    finished(caller, claim)

    told = refusal(caller, "finish_node", run_id="audit-1", fence=claim["fence"], outcome="failed", error="no, wait")

    assert told.splitlines()[0] == (
        "illegal_transition: this attempt of node 'gather' was finished already, as completed; it cannot become failed"
    )


def test_one_fence_may_wait_twice_and_each_wait_may_be_sent_twice(caller: Caller) -> None:
    """A waiting node may be started again by its own worker; its second wait is no repeat of the first."""
    given_run(caller, errand())
    fence = claimed(caller)["fence"]
    wait = {"run_id": "audit-1", "fence": fence, "outcome": "waiting", "wait_for": "manual"}

    first = ask(caller, "finish_node", **wait)
    sent_again = ask(caller, "finish_node", **wait)
    ask(caller, "append_event", run_id="audit-1", event="node.started", node_id="work", fence=fence)
    second = ask(caller, "finish_node", **wait)
    again = ask(caller, "finish_node", **wait)

    answers = (first, sent_again, second, again)
    assert [answer["repeated"] for answer in answers] == [False, True, False, True]
    assert {answer["status"] for answer in answers} == {"waiting"}
    assert second["rev"] > first["rev"]


def test_a_wait_is_checked_before_the_node_begins_it(caller: Caller) -> None:
    """A wait for a misspelt type would never end."""
    given_run(caller)
    fence = claimed(caller)["fence"]
    send = {"run_id": "audit-1", "fence": fence, "outcome": "waiting"}

    def first_line(wait_for: object) -> str:
        return refusal(caller, "finish_node", **send, wait_for=wait_for).splitlines()[0]

    assert first_line("tomorrow") == (
        "invalid_request: wait_for.type is 'tomorrow'; it must be manual, next_tick, file_exists, until or event"
    )
    assert first_line({"type": "until"}) == "invalid_request: wait_for of type until needs at or seconds"
    assert (
        first_line({"type": "until", "secs": 5})
        == "invalid_request: wait_for has no key 'secs'; did you mean 'seconds'?"
    )
    assert first_line({"type": "file_exists", "path": "../x"}) == (
        "invalid_request: wait_for.path is '../x'; it may not lead upwards (..)"
    )
    told = ask(caller, "finish_node", **send, wait_for={"type": "until", "at": "2026-01-01T11:00:00+01:00"})
    assert told["waiting_for"][0]["until"] == "2026-01-01T10:00:00.000+00:00"


def test_a_wait_without_the_outcome_waiting_is_a_mistake_and_named(caller: Caller) -> None:
    """Completing a node that should have waited cannot be taken back."""
    given_run(caller)
    fence = claimed(caller)["fence"]

    told = refusal(caller, "finish_node", run_id="audit-1", fence=fence, outcome="completed", wait_for="manual")

    assert told.splitlines()[0] == "invalid_request: wait_for belongs to outcome waiting; outcome is 'completed'"


def test_artifacts_are_kept_run_relative_and_stay_in_the_run(caller: Caller) -> None:
    """Readers find them by these paths, and no path may lead a reader out of the run."""
    given_run(caller)
    claim = claimed(caller)
    run_dir = caller.registry.store.run_dir("audit-1")
    send = {"run_id": "audit-1", "node_id": "gather", "fence": claim["fence"], "outcome": "completed", "report": "# R"}

    told = refusal(caller, "finish_node", **send, artifacts=["../../etc/passwd"])
    ask(caller, "finish_node", **send, artifacts=["data/a.csv", f"{run_dir}/nodes/gather/b.csv", "https://x.example/c"])

    assert told.splitlines()[0] == "invalid_request: path is '../../etc/passwd'; it may not lead upwards (..)"
    assert caller.registry.read("audit-1").run.node("gather").artifact_paths == (
        "nodes/gather/data/a.csv",
        "nodes/gather/b.csv",
        "https://x.example/c",
        "nodes/gather/report.md",
    )


def test_a_payload_for_conditions_is_small(caller: Caller) -> None:
    """It is copied into the state that every reader loads."""
    given_run(caller)
    fence = claimed(caller)["fence"]

    told = refusal(
        caller, "finish_node", run_id="audit-1", fence=fence, outcome="completed", payload={"all": "x" * 5_000}
    )

    assert told == (
        "limit_exceeded: payload is 5,010 bytes; the limit is 4,096\n"
        "hint: it is the node's small result, which conditions read; put the rest into the report"
    )


def test_work_may_be_finished_while_the_run_is_paused(caller: Caller) -> None:
    """A pause holds what is new; what runs comes to its end."""
    given_run(caller)
    claim = claimed(caller)
    ask(caller, "request_control", run_id="audit-1", action="pause", message="wait")

    answer = finished(caller, claim)

    assert (answer["status"], answer["run_status"], answer["paused"]["by"]) == ("completed", "paused", "cc")
    assert answer["became_ready"] == ["security", "speed"]


def test_the_last_finish_ends_the_run(caller: Caller) -> None:
    """The orchestrator reads from the answer that it is done."""
    given_run(caller, errand("gather"))

    work_off(caller, "gather")

    assert caller.registry.read("audit-1").run.state.status == "completed"


def test_no_reader_finds_a_fence_in_what_is_kept_of_requests(caller: Caller) -> None:
    """Ids of requests are shown with the bindings; a fence there would let anybody end the node."""
    given_run(caller, errand())
    claim = claimed(caller)
    ask(caller, "finish_node", run_id="audit-1", fence=claim["fence"], outcome="waiting", wait_for="manual")

    assert claim["fence"] not in " ".join(caller.registry.read("audit-1").run.refs.operations)
