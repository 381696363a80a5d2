"""append_event: transitions with all their rules, records, notes, and names that are not for callers."""

import pytest

from registry.core.decide.door import DOOR_EVENTS
from registry.core.limits import RESULT_BYTES_MAX
from registry.errors import IllegalTransition, InvalidRequest, LeaseLost, LimitExceeded, NotFound
from tests.core.given import (
    PERSON,
    after,
    at,
    claim,
    control,
    decided,
    event,
    fence,
    given_run,
    refused,
    statuses,
    tick,
)

WORK = given_run(nodes={"a": "running", "b": "pending", "c": "ready"}, needs={"b": ["a"]}, cron="cron-7")
PAUSED = decided(WORK, control("pause")).run
MESSAGED = decided(WORK, control("send_message", message="x")).run
EFFECT = next(iter(PAUSED.refs.pending_effects))

_DOOR = {
    "node.started": (WORK, "c", {}, ("node.started",), "transition"),
    "node.waiting": (WORK, "a", {}, ("node.waiting",), "transition"),
    "node.completed": (WORK, "a", {"found": 3}, ("node.completed", "node.ready"), "transition"),
    "node.failed": (WORK, "a", {"error": "no disk"}, ("node.failed",), "transition"),
    "node.skipped": (WORK, "a", {}, ("node.skipped", "node.ready"), "transition"),
    "node.ready": (WORK, "a", {}, ("node.released",), "transition"),
    "run.paused": (WORK, None, {}, ("run.paused",), "transition"),
    "run.resumed": (PAUSED, None, {}, ("run.resumed",), "transition"),
    "run.cancelled": (WORK, None, {}, ("node.skipped",) * 3 + ("run.cancelled",), "transition"),
    "run.progress": (WORK, None, {"percent": 4}, ("run.progress",), "record"),
    "run.message.sent": (MESSAGED, None, {"effectId": "message-2-1"}, ("run.message.sent",), "record"),
    "cron.patched": (PAUSED, None, {"effectId": EFFECT}, ("effect.confirmed", "cron.patched"), "record"),
    "node.heartbeat": (WORK, "a", {}, ("node.heartbeat",), "record"),
    "session.gone": (WORK, None, {"value": "agent:x:y"}, ("session.gone",), "note"),
    "node.session_bound": (WORK, "a", {"value": "s"}, ("node.session_bound",), "record"),
    "node.child_session_bound": (WORK, "a", {"value": "s"}, ("node.child_session_bound",), "record"),
    "node.run_bound": (WORK, "a", {"value": "r"}, ("node.run_bound",), "record"),
    "run.cron_bound": (WORK, None, {"value": "j"}, ("run.cron_bound",), "record"),
    "run.driver_bound": (WORK, None, {"value": "d"}, ("run.driver_bound",), "record"),
}  # fmt: skip


@pytest.mark.parametrize("name", DOOR_EVENTS)
def test_a_name_with_rules_is_carried_out(name: str) -> None:
    """One door, the same rules as everywhere, and the answer says which it was."""
    run, node_id, payload, told, kind = _DOOR[name]

    decision = decided(
        run,
        event(
            name, node_id, payload=payload, message="so it is", fence=fence() if node_id == "a" else None, actor=PERSON
        ),
    )

    assert decision.event_names == told
    assert (decision.answer["event"], decision.answer["kind"]) == (name, kind)


def test_the_door_has_exactly_the_promised_names() -> None:
    """The list stands in the documentation of the format."""
    assert set(_DOOR) == set(DOOR_EVENTS)


@pytest.mark.parametrize(
    ("name", "tool"),
    [
        ("run.created", "scaffold_run"), ("run.completed", "finish_node"), ("run.failed", "finish_node"),
        ("run.reopened", "retry"), ("run.bound", "bind_session"), ("run.plan_edited", "change_plan"),
        ("node.added", "change_plan add_node"), ("node.updated", "change_plan"), ("node.rewired", "rewire_node"),
        ("node.removed", "remove_node"), ("node.blocked", "rewire_node"), ("node.released", "request_control release"),
        ("node.lost", "tick_run"), ("node.handoff_written", "write_handoff"),
        ("node.artifact_written", "write_artifact"), ("control.applied", "request_control"),
        ("control.rejected", "request_control"), ("effect.confirmed", "effects_done"),
        ("effect.failed", "effects_failed"), ("log.repaired", "repair_run"), ("log.adopted", "next change"),
        ("flow.finished", "update_flow"), ("flow.anything", "update_flow"),
    ],
)  # fmt: skip
def test_what_the_registry_writes_itself_is_refused_with_the_tool_to_use(name: str, tool: str) -> None:
    """Refused without a way on, an agent invents another name."""
    refusal = refused(WORK, event(name), error=InvalidRequest)

    assert refusal.message == f"{name} is written by the registry itself"
    assert tool in refusal.hint


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Node Started", "node.started"), ("node_completed", "node.completed"), ("node.complete", "node.completed"),
        ("NODE.FAILED", "node.failed"), ("run.pause", "run.paused"),
    ],
)  # fmt: skip
def test_a_misspelt_name_is_refused_with_the_nearest(name: str, meant: str) -> None:
    """As a note it would look done and change nothing."""
    refusal = refused(WORK, event(name, "a"), error=InvalidRequest)

    assert f"did you mean {meant!r}?" in refusal.message
    assert refusal.next[0].args == {"run_id": "demo-1", "event": meant, "node_id": "a"}


@pytest.mark.parametrize("name", ["node.exploded", "run.x", "cron.x", "log.x", "note", "Ünicode.name", "a..b", ""])
def test_other_names_in_our_words_are_never_notes(name: str) -> None:
    """Readers must be able to rely on what these words mean."""
    refused(WORK, event(name), error=InvalidRequest)


def test_any_other_dotted_name_is_a_note() -> None:
    """With its own payload, on a node or the run, in any state, and it moves no revision."""
    decision = decided(WORK, event("deploy.step_2.done", "b", message="ok", payload={"host": "x"}))

    assert decision.event_names == ("deploy.step_2.done",)
    assert (decision.events[0].payload, decision.events[0].node_id) == ({"host": "x"}, "b")
    assert decision.answer == {"event": "deploy.step_2.done", "kind": "note"}
    assert decision.run.log.state_rev == WORK.log.state_rev
    refused(WORK, event("note.x", "nobody"), error=NotFound)


@pytest.mark.parametrize("name", [name for name in DOOR_EVENTS if name.startswith("node.")])
def test_events_of_nodes_need_the_node(name: str) -> None:
    """Nothing is guessed about which one was meant."""
    refused(WORK, event(name, payload={"value": "s"}), error=InvalidRequest)
    refused(WORK, event(name, "nobody", payload={"value": "s"}), error=NotFound)


@pytest.mark.parametrize(
    "name", ["node.started", "node.waiting", "node.completed", "node.failed", "node.heartbeat", "node.ready"]
)
def test_a_claimed_node_wants_its_fence_at_the_door_too(name: str) -> None:
    """Otherwise the door would be the way round it."""
    refused(WORK, event(name, "a"), error=InvalidRequest)
    refused(WORK, event(name, "a", fence="1-zzzzzzzz"), error=LeaseLost)


def test_a_heartbeat_through_the_door_keeps_the_lease_alive() -> None:
    """It is the same heartbeat."""
    decision = decided(
        WORK, event("node.heartbeat", "a", message="on it", payload={"percent": 10}, fence=fence()), now=after(100)
    )

    lease = decision.run.node("a").lease
    assert lease is not None and lease.expires_at == at(1000)
    assert decision.run.node("a").progress == "10 %: on it"


@pytest.mark.parametrize("node_id", ["b", "c"])
def test_what_is_not_being_done_has_no_heartbeat(node_id: str) -> None:
    """Progress on a node that nobody runs would mislead whoever looks."""
    refused(WORK, event("node.heartbeat", node_id, message="x"), error=IllegalTransition)


def test_node_ready_is_a_retry_or_a_release_by_status() -> None:
    """The earlier helper knew one word for both."""
    failed = given_run(nodes={"a": "failed"})
    assert decided(failed, event("node.ready", "a")).event_names == ("node.ready", "run.reopened")
    assert decided(failed, event("node.ready", "a")).run.node("a").retry_count == 1
    assert decided(WORK, event("node.ready", "c")).answer["kind"] == "record", "it is so already"
    assert "it needs 'a' (running)" in refused(WORK, event("node.ready", "b"), error=IllegalTransition).message
    refused(given_run(nodes={"a": "completed", "b": "ready"}), event("node.ready", "a"), error=IllegalTransition)


def test_a_late_worker_may_use_the_door() -> None:
    """With its fence, while nobody else began; its attempt goes on."""
    run = decided(given_run(nodes={"a": "running"}, lease_s=60), tick(), now=after(61)).run

    done = decided(run, event("node.completed", "a", fence=fence()))
    waiting = decided(run, event("node.waiting", "a", fence=fence()))
    started = decided(run, event("node.started", "a", fence=fence()), now=after(70))

    assert done.event_names == ("node.started", "node.completed", "run.completed")
    assert waiting.event_names == ("node.started", "node.waiting")
    assert (waiting.run.node("a").attempt, waiting.run.node("a").lease is not None) == (1, True)
    lease = started.run.node("a").lease
    assert lease is not None and (lease.fence, lease.expires_at) == (fence(), at(130))


def test_a_result_has_a_limit_at_every_door() -> None:
    """It is kept in the state for good, and read by conditions."""
    big = {"text": "x" * RESULT_BYTES_MAX}

    refused(WORK, event("node.completed", "a", fence=fence(), payload=big), error=LimitExceeded)


def test_progress_needs_words_and_shows_on_node_and_run() -> None:
    """One line for people."""
    decision = decided(WORK, event("run.progress", "a", message="3 of 5"))

    assert (decision.run.node("a").progress, decision.run.state.last_progress_message) == ("3 of 5", "3 of 5")
    refused(WORK, event("run.progress"), error=InvalidRequest)


def test_binding_needs_its_value() -> None:
    """An empty key would unbind."""
    refusal = refused(WORK, event("node.session_bound", "a"), error=InvalidRequest)

    assert refusal.next[0].args == {"run_id": "demo-1", "session_key": "<value>"}


def test_what_is_so_already_is_said_and_not_told_again() -> None:
    """A host that sends everything twice must not fill the trail."""
    assert decided(PAUSED, event("run.paused")).events == ()
    assert decided(WORK, event("run.resumed")).events == ()
    assert statuses(decided(WORK, claim("c", secret="c" * 8)).run)["c"] == "running"
