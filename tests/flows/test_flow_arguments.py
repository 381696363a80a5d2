"""Wrong arguments from Python code: each is refused in words, and nothing is changed or kept."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from registry import clock
from registry.core.commands import FlowAction
from registry.core.names import iso
from registry.core.record import Json
from registry.errors import InvalidRequest, LimitExceeded, RegistryError
from registry.flows import Flows
from registry.operations.caller import Caller
from registry.registry import Registry
from registry.settings import Settings
from tests.flows.given import AGENT, OWNER, begun, run_of, standing
from tests.operations.changing.asking import ask, refusal

NAN = float("nan")


def deep(levels: int) -> Json:
    """Objects in each other, so many levels of them."""
    value: Json = {}
    for _ in range(levels - 1):
        value = {"x": value}
    return value


def endless() -> list[Any]:
    """A list that stands in itself, twice."""
    value: list[Any] = []
    value += [value, value]
    return value


OWN: list[Any] = [
    deep(101), deep(250), deep(5000), endless(), {"x": NAN}, {"x": float("inf")}, {1: "a"}, {True: 1}, (1, 2), {1, 2},
    {"x": (1,)}, {"x": datetime.now(UTC)}, {"x": b"y"}, {"x": "\ud800"}, {"\ud800": 1}, {"n": 10**5000}, object(),
    {"x": "y" * (256 << 10)},
]  # fmt: skip
TEXT: list[Any] = [5, "\ud800", ["x"], "x" * 100_000]


@pytest.mark.parametrize("value", OWN, ids=range(len(OWN)))
def test_a_value_that_could_not_be_read_back_as_it_is_is_not_taken(flows: Flows, value: Any) -> None:
    """What this process shows and the next one does not is worse than a refusal."""
    flow_id = begun(flows)

    for field in ("state_json", "wait_json", "requester_origin"):
        with pytest.raises(RegistryError, match=field):
            begun(flows, **{field: value})
    for field in ("state_json", "wait_json"):
        with pytest.raises(RegistryError, match=field):
            flows.update(flow_id, "set_waiting", expected_revision=0, changes={field: value})

    assert (standing(flows, flow_id).flow.revision, len(flows.list())) == (0, 1)


@pytest.mark.parametrize("value", [deep(100), [1, 2], 0, "x", None, {"n": 2**70, "f": 1e308, "t": [True, None, {}]}])
def test_a_value_that_json_can_hold_is_read_back_by_everybody(registry: Registry, flows: Flows, value: Json) -> None:
    """A controller's state may be of any shape that JSON has."""
    flow_id = begun(flows, state_json=value)
    flows.set_waiting(flow_id, expected_revision=0, wait_json=value)

    run_of(flows, flow_id)
    if registry.root.joinpath("runs").exists():
        registry = Registry.open(Settings(root=registry.root))
    kept = standing(Flows(registry, actor=AGENT), flow_id).flow
    assert (kept.state_json, kept.wait_json, kept.revision) == (value, value, 1)


def test_what_a_controller_changes_later_in_its_own_object_is_not_the_flows(flows: Flows) -> None:
    """A flow changes at a revision, and by nothing else."""
    state: dict[str, Any] = {"done": []}
    flow_id = begun(flows, state_json=state)

    state["done"].append("notes")

    assert standing(flows, flow_id).flow.state_json == {"done": []}


WRONG_FLOWS: list[tuple[str, list[Any]]] = [
    ("status", ["waiting", "succeeded", "explode", 1]), ("notify_policy", ["loud", None]), ("goal", [*TEXT, " "]),
    ("controller_id", [*TEXT, ""]), ("owner_key", TEXT), ("current_step", TEXT), ("request_id", [*TEXT, ""]),
    ("requester_origin", [{"x": "y" * (64 << 10)}, [], "x"]),
]  # fmt: skip


@pytest.mark.parametrize(("field", "values"), WRONG_FLOWS)
def test_a_flow_does_not_begin_with_a_wrong_argument(flows: Flows, field: str, values: list[Any]) -> None:
    """It would be there for good, and every list and every reader would have to live with it."""
    for value in values:
        with pytest.raises(RegistryError, match=field):
            begun(flows, **{field: value})
    assert flows.list() == ()


WRONG_CHILDREN: list[tuple[str, list[Any]]] = [
    ("runtime", ["session", "", None]), ("status", ["completed", "waiting", None]), ("task", [*TEXT, ""]),
    ("parent_task_id", [*TEXT, "nope:../x", "a:b:c"]), ("agent_id", [*TEXT, "../x"]), ("label", TEXT),
    ("child_session_key", TEXT), ("run_id", TEXT), ("progress_summary", TEXT), ("started_at", [*TEXT, "2026-01-01"]),
    ("last_event_at", [*TEXT, "soon"]),
]  # fmt: skip


@pytest.mark.parametrize(("field", "values"), WRONG_CHILDREN)
def test_a_child_is_not_linked_with_a_wrong_argument(flows: Flows, field: str, values: list[Any]) -> None:
    """The ledger would show a status or a runtime that nothing else knows."""
    flow_id = begun(flows)
    for value in values:
        given = {"runtime": "cli", "task": "x", "status": "running", field: value}
        with pytest.raises(RegistryError, match=field):
            flows.run_task(flow_id, **given)
    assert run_of(flows, flow_id).state.nodes == {}


WRONG_CHANGES: list[dict[str, Any]] = [
    {"action": "explode"}, {"action": None}, {"expected_revision": True}, {"expected_revision": False},
    {"expected_revision": "0"}, {"expected_revision": 0.0}, {"expected_revision": -1}, {"status": "bogus"},
    {"status": "succeeded"}, {"reopen": "yes"}, {"changes": None}, {"changes": {"revision": 99}},
    {"changes": {"owner_key": "me"}}, {"changes": {"foo": 3}}, {"changes": {"stateJson": {}}},
    {"changes": {"blocked_task_id": "../../x"}}, {"changes": {"current_step": 5}},
    {"changes": {"blocked_summary": "x" * 5000}}, {"flow_id": 5}, {"flow_id": None},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG_CHANGES, ids=str)
def test_a_flow_is_not_changed_by_a_wrong_argument(flows: Flows, wrong: dict[str, Any]) -> None:
    """One such change made a trail that is damaged, another gave the flow to somebody else."""
    flow_id = begun(flows)
    before = run_of(flows, flow_id)
    given = {"flow_id": flow_id, "action": "resume", "expected_revision": 0, "changes": {}, **wrong}

    with pytest.raises(RegistryError) as refused:
        flows.update(given.pop("flow_id"), given.pop("action"), **given)

    assert refused.value.code == "invalid_request" or isinstance(refused.value, LimitExceeded)
    assert run_of(flows, flow_id) == before
    assert before.state.flow is not None and before.state.flow.owner_key == OWNER


@pytest.mark.parametrize("value", [5, None, ["x"], "\ud800"])
def test_what_is_asked_for_is_a_text(flows: Flows, value: Any) -> None:
    """A controller that mixed up its variables is told so, and in one way."""
    bogus: Any = [5]
    for method in (flows.get, flows.resolve, flows.summary, flows.cancel):
        if value is None and method is not flows.cancel:
            continue
        with pytest.raises(RegistryError):
            method(value)
    with pytest.raises(RegistryError, match="statuses"):
        flows.list(statuses=bogus)
    with pytest.raises(RegistryError, match="message"):
        flows.cancel(begun(flows), message=value or bogus)


def test_all_wrong_arguments_are_named_at_once(flows: Flows) -> None:
    """One at a time would cost their writer as many runs as there are mistakes."""
    with pytest.raises(RegistryError, match=r"goal is the number 5.*status is 'waiting'; it must be queued or"):
        begun(flows, goal=5, status="waiting")


def test_true_is_no_revision(flows: Flows, caller: Caller) -> None:
    """It would count as 1, and win a revision that its sender never read."""
    flow_id = begun(flows)
    flows.set_waiting(flow_id, expected_revision=0)

    said = refusal(caller, "update_flow", flow_id=flow_id, action="finish", expected_revision=True)

    assert "expected_revision is true or false; it must be a whole number" in said
    assert standing(flows, flow_id).flow.revision == 1
    assert ask(caller, "update_flow", flow_id=flow_id, action="finish", expected_revision=1)["applied"] is True


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"started_at": "2026-01-01T08:00:00Z"}, "started_at is given for a child whose status is queued"),
        ({"status": "running", "started_at": "2036-01-01T08:00:00Z"}, "started_at is 2036.* has not come yet"),
        ({"last_event_at": "2036-01-01T08:00:00Z"}, "last_event_at is 2036.* has not come yet"),
    ],
)
def test_a_childs_times_fit_what_is_said_of_it(flows: Flows, given: dict[str, Any], said: str) -> None:
    """A time that is dropped was told for nothing; one to come puts the flow before all others in every list."""
    flow_id = begun(flows)
    with pytest.raises(RegistryError, match=said):
        flows.run_task(flow_id, runtime="cli", task="x", **given)
    assert run_of(flows, flow_id).state.nodes == {}


def test_a_clock_that_runs_ahead_by_a_little_is_no_mistake(flows: Flows) -> None:
    """The host that begins a child is often another machine; its seconds are not ours."""
    flow_id = begun(flows)
    ahead = iso(clock.now() + timedelta(seconds=20))

    flows.run_task(flow_id, runtime="cli", task="build", status="running", started_at=ahead, last_event_at=ahead)

    found = standing(flows, flow_id)
    assert [node.started_at for node in found.tasks] == [iso(clock.now())]
    assert found.state.updated_at <= iso(clock.now())


@pytest.mark.parametrize(
    ("action", "given", "said"),
    [
        ("finish", {"changes": {"wait_json": {}, "current_step": "x"}}, "no use for current_step, wait_json"),
        ("resume", {"changes": {"blocked_summary": "x"}}, "resume has no use for blocked_summary"),
        ("request_cancel", {"changes": {"state_json": None}}, "it takes nothing more"),
        ("fail", {"status": "running"}, "fail has no use for status"),
        ("set_waiting", {"reopen": True}, "set_waiting has no use for reopen"),
    ],
)
def test_what_an_action_would_ignore_is_refused(
    flows: Flows, action: FlowAction, given: dict[str, Any], said: str
) -> None:
    """Whoever sends it believes that it was kept."""
    flow_id = begun(flows)

    with pytest.raises(InvalidRequest, match=said):
        flows.update(flow_id, action, expected_revision=0, **{"changes": {}, **given})

    assert standing(flows, flow_id).flow.revision == 0
