"""Every method of a flow: what it changes, what it answers, and each code it may be refused with."""

from typing import Any

import pytest

from registry.core.names import short_hash
from registry.core.run import Actor
from registry.errors import Conflict, InvalidRequest, LimitExceeded, RunPaused, StorageFull
from registry.flow_answers import FlowSummary
from registry.flows import Flows
from registry.registry import Registry
from tests.flows.given import AGENT, CHILD, OWNER, begun, linked, names, run_of, standing, steered, told
from tests.operations.conftest import Hands


def test_a_flow_begins_at_revision_0_as_a_run_without_nodes(flows: Flows) -> None:
    """Its controller plans while it goes; a run without nodes must neither end nor be broken by that."""
    made = flows.create(controller_id="release", goal="ship 2.1", state_json={"n": 1}, wait_json=[2], current_step="a")

    run = run_of(flows, made.flow.flow_id)
    flow = made.flow.flow
    assert (made.created, run.state.status, run.state.nodes, run.log.state_rev) == (True, "running", {}, 1)
    assert (flow.revision, flow.status, flow.owner_key, flow.notify_policy) == (0, "queued", OWNER, "done_only")
    assert (flow.state_json, flow.wait_json, flow.current_step) == ({"n": 1}, [2], "a")
    assert names(made.outcome) == ("run.created", "flow.created")
    assert flows.registry.tick(made.flow.flow_id).events == ()


def test_the_same_request_begins_one_flow(flows: Flows) -> None:
    """A controller that asks again after a time-out must not plan the same job twice."""
    first = flows.create(controller_id="release", goal="ship", request_id="r-1")
    again = flows.create(controller_id="release", goal="ship", request_id="r-1")

    assert first.flow.flow_id == again.flow.flow_id == f"flow-{short_hash('r-1')}"
    assert (first.created, again.created) == (True, False)
    assert len(flows.list()) == 1


def test_a_request_id_is_not_used_for_another_flow(flows: Flows) -> None:
    """Else the second job would silently be the first."""
    begun(flows, request_id="r-1")

    with pytest.raises(Conflict, match="'r-1' began another flow"):
        begun(flows, request_id="r-1", goal="something else")


@pytest.mark.parametrize(("field", "value"), [("goal", " "), ("controller_id", "")])
def test_a_flow_needs_a_goal_and_a_controller(flows: Flows, field: str, value: str) -> None:
    """Without them nobody can say later whose it was and what for."""
    with pytest.raises(InvalidRequest, match=field):
        begun(flows, **{field: value})


def test_large_and_unwritable_state_is_refused(flows: Flows) -> None:
    """What cannot be read back must not be taken."""
    flow_id = begun(flows)

    with pytest.raises(LimitExceeded):
        flows.set_waiting(flow_id, expected_revision=0, state_json={"x": "y" * (256 << 10)})
    with pytest.raises(InvalidRequest, match="NaN"):
        flows.set_waiting(flow_id, expected_revision=0, state_json={"x": float("nan")})
    assert standing(flows, flow_id).flow.revision == 0


def test_waiting_keeps_what_is_omitted_and_clears_what_is_null(flows: Flows) -> None:
    """A controller sends what it knows; the rest of its state must not go by that."""
    flow_id = begun(flows, current_step="a", state_json={"n": 1})

    moved = flows.set_waiting(flow_id, expected_revision=0, wait_json={"for": "mail"}, current_step=None)

    assert moved.applied and moved.flow is not None
    flow = moved.flow.flow
    assert (flow.status, flow.revision) == ("waiting", 1)
    assert (flow.current_step, flow.state_json, flow.wait_json) == (None, {"n": 1}, {"for": "mail"})
    assert names(moved.outcome) == ("flow.waiting",)
    assert run_of(flows, flow_id).state.status == "running"


@pytest.mark.parametrize("given", [{"blocked_task_id": "flow-1:task-1"}, {"blocked_summary": "no key"}])
def test_a_blocked_field_makes_it_blocked(flows: Flows, given: dict[str, Any]) -> None:
    """Who looks for what is stuck must find it by its status."""
    flow_id = begun(flows)

    moved = flows.set_waiting(flow_id, expected_revision=0, **given)

    assert moved.flow is not None and moved.flow.flow.status == "blocked"


@pytest.mark.parametrize("status", ["queued", "running"])
def test_resume_clears_what_it_waited_for(flows: Flows, status: Any) -> None:
    """A flow that goes on waits for nothing any more."""
    flow_id = begun(flows, state_json={"n": 1})
    flows.set_waiting(flow_id, expected_revision=0, wait_json={"for": "mail"}, blocked_summary="x", current_step="s")

    moved = flows.resume(flow_id, expected_revision=1, status=status)

    assert moved.flow is not None
    flow = moved.flow.flow
    assert (flow.status, flow.revision, flow.wait_json, flow.blocked_summary) == (status, 2, None, None)
    assert (flow.current_step, flow.state_json) == ("s", {"n": 1})
    assert names(moved.outcome) == ("flow.resumed",)


@pytest.mark.parametrize(
    ("method", "status", "run_status", "events"),
    [
        ("finish", "succeeded", "completed", ("flow.finished", "run.completed")),
        ("fail", "failed", "failed", ("flow.failed", "run.failed")),
    ],
)
def test_only_the_owners_word_ends_a_flow(
    flows: Flows, method: str, status: str, run_status: str, events: tuple[str, ...]
) -> None:
    """Its children are done before the plan is: more may be linked."""
    flow_id = begun(flows)
    node_id = linked(flows, flow_id)
    told(flows, flow_id, "node.completed", node_id, message="done")
    assert run_of(flows, flow_id).state.status == "running"

    moved = getattr(flows, method)(flow_id, expected_revision=0, state_json={"ok": True})

    assert moved.applied
    assert (moved.flow.flow.status, moved.flow.flow.revision, moved.flow.flow.state_json) == (status, 1, {"ok": True})
    assert run_of(flows, flow_id).state.status == run_status
    assert names(moved.outcome) == events


def test_request_cancel_leaves_the_status_and_takes_no_more_children(flows: Flows) -> None:
    """It is an intent that lasts: a controller that did not hear of it must not go on."""
    flow_id = begun(flows, status="running")
    linked(flows, flow_id)

    moved = flows.request_cancel(flow_id, expected_revision=0)
    refused = flows.run_task(flow_id, runtime="cli", task="more")

    assert moved.flow is not None
    assert (moved.flow.flow.status, moved.flow.flow.revision) == ("running", 1)
    assert moved.flow.flow.cancel_requested_at is not None
    assert (refused.created, refused.found) == (False, True)
    assert refused.reason == "Flow cancellation has already been requested."
    flows.set_waiting(flow_id, expected_revision=1)
    assert standing(flows, flow_id).flow.cancel_requested_at == moved.flow.flow.cancel_requested_at


MUTATIONS: list[tuple[str, dict[str, Any]]] = [
    ("set_waiting", {}),
    ("resume", {}),
    ("finish", {}),
    ("fail", {}),
    ("request_cancel", {}),
]


@pytest.mark.parametrize(("method", "fields"), MUTATIONS)
def test_a_stale_revision_changes_nothing_and_gives_the_flow_as_it_stands(
    flows: Flows, method: str, fields: dict[str, Any]
) -> None:
    """Two controllers of one flow must not undo each other's decisions."""
    flow_id = begun(flows)
    flows.set_waiting(flow_id, expected_revision=0)
    before = run_of(flows, flow_id)

    for stale in (0, 2):
        answer = getattr(flows, method)(flow_id, expected_revision=stale, **fields)
        assert (answer.applied, answer.code, answer.flow) == (False, "revision_conflict", None)
        assert answer.current.flow == before.state.flow
    assert run_of(flows, flow_id) == before


@pytest.mark.parametrize(("method", "fields"), MUTATIONS)
@pytest.mark.parametrize("end", ["finish", "fail", "cancel"])
def test_an_ended_flow_is_changed_by_nothing(flows: Flows, end: str, method: str, fields: dict[str, Any]) -> None:
    """In older systems a late resume brought finished flows back, and nobody had asked for it."""
    flow_id = begun(flows)
    if end == "cancel":
        flows.cancel(flow_id)
    else:
        getattr(flows, end)(flow_id, expected_revision=0)
    before = run_of(flows, flow_id)

    for revision in (0, standing(flows, flow_id).flow.revision):
        answer = getattr(flows, method)(flow_id, expected_revision=revision, **fields)
        assert (answer.applied, answer.code) == (False, "already_terminal")
    assert run_of(flows, flow_id) == before


@pytest.mark.parametrize("end", ["finish", "fail"])
def test_an_ended_flow_opens_again_when_that_is_said(flows: Flows, end: str) -> None:
    """There are good reasons to; it must only not happen by accident."""
    flow_id = begun(flows)
    flows.request_cancel(flow_id, expected_revision=0)
    getattr(flows, end)(flow_id, expected_revision=1)

    stale = flows.resume(flow_id, expected_revision=1, reopen=True)
    opened = flows.resume(flow_id, expected_revision=2, status="running", reopen=True)

    assert stale.code == "revision_conflict"
    assert opened.flow is not None
    assert (opened.flow.flow.status, opened.flow.flow.revision) == ("running", 3)
    assert names(opened.outcome) == ("flow.resumed", "run.reopened")
    assert run_of(flows, flow_id).state.status == "running"
    assert flows.run_task(flow_id, runtime="cli", task="once more").created


def test_a_cancelled_flow_never_opens_again(flows: Flows) -> None:
    """Nothing leaves cancelled."""
    flow_id = begun(flows)
    flows.cancel(flow_id)

    assert flows.resume(flow_id, expected_revision=1, reopen=True).code == "already_terminal"


@pytest.mark.parametrize(("method", "fields"), MUTATIONS)
def test_a_run_that_is_no_flow_is_not_managed(
    flows: Flows, registry: Registry, method: str, fields: dict[str, Any]
) -> None:
    """The ids of runs and flows are one kind; a mix-up must not change a workflow's run."""
    from registry.core.commands import CreateRun
    from tests.operations.changing.asking import errand

    registry.create(CreateRun(run_id="plain", workflow=errand(), actor=AGENT, request="x"))

    answer = getattr(flows, method)("plain", expected_revision=0, **fields)
    assert (answer.applied, answer.code, answer.current) == (False, "not_managed", None)
    child = flows.run_task("plain", runtime="cli", task="x")
    assert (child.created, child.reason) == (False, "Flow does not accept managed child tasks.")
    assert (flows.cancel("plain").found, flows.get("plain")) == (False, None)


@pytest.mark.parametrize("flow_id", ["nobody", "../up", ""])
def test_an_unknown_flow_is_not_found(flows: Flows, flow_id: str) -> None:
    """An id from outside is never a path."""
    assert flows.get(flow_id) is None
    assert flows.finish(flow_id, expected_revision=0).code == "not_found"
    assert (flows.cancel(flow_id).found, flows.cancel(flow_id).reason) == (False, "Flow not found.")
    linked_answer = flows.run_task(flow_id, runtime="cli", task="x")
    assert (linked_answer.found, linked_answer.reason) == (False, "Flow not found.")
    assert flows.summary(flow_id) is None


def test_another_sessions_flow_is_not_found_before_anything_is_written(flows: Flows, registry: Registry) -> None:
    """Owners are kept apart; a refusal may not even tell that the flow is there."""
    flow_id = begun(flows)
    linked(flows, flow_id)
    before = run_of(flows, flow_id)
    other = Flows(registry, actor=AGENT, owner_key="agent:other:main")

    for method, fields in MUTATIONS:
        answer = getattr(other, method)(flow_id, expected_revision=0, **fields)
        assert (answer.code, answer.current) == ("not_found", None)
    assert other.run_task(flow_id, runtime="cli", task="x").found is False
    assert other.cancel(flow_id).found is False
    assert (other.get(flow_id), other.list(), other.find_latest(), other.resolve(flow_id)) == (None, (), None, None)
    assert run_of(flows, flow_id) == before


def test_a_full_disk_is_told_as_a_change_that_was_not_kept(flows: Flows, monkeypatch: pytest.MonkeyPatch) -> None:
    """A controller must know that the flow stands as it stood."""
    flow_id = begun(flows)

    def full(*_: object, **__: object) -> None:
        raise StorageFull("the disk is full")

    monkeypatch.setattr(flows.registry, "transact", full)
    answer = flows.set_waiting(flow_id, expected_revision=0)

    assert (answer.applied, answer.code, answer.reason) == (False, "persist_failed", "the disk is full")
    assert answer.current is not None and answer.current.flow.revision == 0


def test_a_paused_flow_goes_on_only_when_the_pause_is_over(flows: Flows) -> None:
    """A person who pauses a job means all of it; its ends are still taken down."""
    flow_id = begun(flows, status="running")
    node_id = linked(flows, flow_id)
    steered(flows, flow_id, "pause", message="let me look")

    with pytest.raises(RunPaused):
        flows.resume(flow_id, expected_revision=0)
    child = flows.run_task(flow_id, runtime="cli", task="more")
    assert (child.created, child.found) == (False, True)
    assert child.reason is not None and "let me look" in child.reason
    told(flows, flow_id, "node.completed", node_id)
    assert flows.set_waiting(flow_id, expected_revision=0).applied
    assert flows.finish(flow_id, expected_revision=1).applied
    assert run_of(flows, flow_id).state.paused is None


def test_flows_are_found_by_owner_token_and_latest(flows: Flows, registry: Registry, hands: Hands) -> None:
    """A controller that was restarted knows its session and nothing else."""
    first = begun(flows)
    hands.move(seconds=5)
    second = begun(flows, controller_id="audit")
    hands.move(seconds=5)
    flows.set_waiting(first, expected_revision=0)
    anybody = Flows(registry, actor=AGENT)

    assert [view.flow_id for view in flows.list()] == [first, second]
    assert [view.flow_id for view in flows.list(controller_id="audit")] == [second]
    assert [view.flow_id for view in flows.list(statuses=["waiting"])] == [first]
    latest = (flows.find_latest(), anybody.resolve(OWNER), anybody.resolve(f" {second} "), anybody.find_latest(OWNER))
    assert [view.flow_id if view else None for view in latest] == [second] * 4
    assert (anybody.resolve("agent:nobody:main"), anybody.find_latest("agent:nobody:main")) == (None, None)


def test_a_summary_counts_children_by_status_and_by_what_carries_them(flows: Flows) -> None:
    """What a controller asks before it decides."""
    flow_id = begun(flows)
    ends = {"task-1": "node.completed", "task-2": "node.failed"}
    for runtime in ("subagent", "cli", "acp", "cron"):
        linked(flows, flow_id, runtime=runtime, child_session_key=f"{CHILD}-{runtime}")
    for node_id, event in ends.items():
        told(flows, flow_id, event, node_id, message="so")
    told(flows, flow_id, "node.failed", "task-3", message="late", payload={"outcome": "timed_out"})

    assert flows.summary(flow_id) == FlowSummary(
        total=4, active=1, terminal=3, failures=2,
        by_status={"completed": 1, "failed": 1, "running": 1, "timed_out": 1},
        by_runtime={"acp": 1, "cli": 1, "cron": 1, "subagent": 1},
    )  # fmt: skip


def test_who_moved_a_flow_stands_in_the_trail(flows: Flows, registry: Registry) -> None:
    """An audit asks who decided."""
    flow_id = begun(flows)
    Flows(registry, actor=Actor(kind="agent", id="planner", via="cli")).set_waiting(flow_id, expected_revision=0)

    logged = registry.store.events(flow_id, limit=10)[-1]
    assert (logged.event.name, logged.event.actor.id) == ("flow.waiting", "planner")
    assert logged.event.payload == {"status": "waiting", "revision": 1}
