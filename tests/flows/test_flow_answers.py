"""Flows as models and scripts ask for them: the same methods, answers that say how to go on, nothing too long."""

import json
from dataclasses import replace
from typing import Any

import pytest

from opentask_mcp.mcp.schemas import input_schema
from registry.operations.caller import Caller
from registry.operations.fit import ANSWER_CHARS_MAX
from registry.operations.flow_changes import UpdateFlowRequest
from registry.operations.wire import camelize, snakeize
from tests.flows.given import CHILD, OWNER
from tests.operations.changing.asking import Answer, ask, refusal
from tests.operations.conftest import Hands


def begin(caller: Caller, **more: Any) -> Answer:
    given = {"controller_id": "release", "goal": "ship 2.1", "owner_key": OWNER, **more}
    return ask(caller, "create_flow", **given)


def next_tools(answer: Answer) -> list[str]:
    return [call["tool"] for call in answer["next"]]


def test_a_flow_is_driven_from_its_beginning_to_its_end_by_what_next_says(caller: Caller) -> None:
    """A model that has never seen a flow gets through by sending the calls it is given."""
    made = begin(caller, request_id="r-1", state={"n": 1})
    assert (made["created"], made["flow"]["revision"], made["flow"]["state"]) == (True, 0, {"n": 1})

    [call] = made["next"]
    moved = ask(caller, call["tool"], **call["args"])
    assert (moved["applied"], moved["flow"]["status"], moved["flow"]["state"]) == (True, "running", {"n": 1})
    assert next_tools(moved) == ["run_flow_task", "update_flow", "update_flow"]
    child = ask(caller, "run_flow_task", **{**moved["next"][0]["args"], "task": "write it", "child_session_key": CHILD})
    assert (child["created"], child["task"]["status"], child["flow"]["tasks"]["active"]) == (True, "queued", 1)
    assert [one["became_ready"] for one in (made, moved, child)] == [[], [], []]
    for step in child["next"][:2]:
        args = {name: "done" if value.startswith("<") else value for name, value in step["args"].items()}
        ask(caller, step["tool"], **args)
    finishing = next(call for call in child["next"] if call["args"].get("action") == "finish")
    ended = ask(caller, "update_flow", **finishing["args"])

    assert (ended["flow"]["status"], ended["run_status"]) == ("succeeded", "completed")
    assert [effect["kind"] for effect in ended["effects"]] == ["message.send"]
    assert next_tools(ended) == ["host", "tick_run"]
    again = begin(caller, request_id="r-1", state={"n": 1})
    assert (again["created"], again["flow"]["status"]) == (False, "succeeded")


def test_get_run_shows_a_flow_with_the_revision_that_its_change_needs(caller: Caller) -> None:
    """Who finds it in a list of runs must not take it for a workflow that stands still."""
    flow_id = begin(caller, status="running")["flow_id"]
    ask(caller, "run_flow_task", flow_id=flow_id, runtime="cli", task="build", status="running")
    ask(caller, "update_flow", flow_id=flow_id, action="set_waiting", expected_revision=0, current_step="build")

    run = ask(caller, "get_run", run_id=flow_id)

    assert (run["status"], run["workflow_id"], run["flow"]["status"], run["flow"]["revision"]) == (
        "running", "flow", "waiting", 1,
    )  # fmt: skip
    assert "others are at work on 'task-1'; the flow is waiting at revision 1" in run["idle_because"]
    assert run["next"][0] == {
        "tool": "update_flow",
        "args": {"flow_id": flow_id, "expected_revision": 1, "action": "resume", "status": "running"},
        "why": "when it goes on",
    }
    assert ask(caller, "list_runs")["runs"][0]["run_id"] == flow_id


def test_null_clears_and_omitted_keeps(caller: Caller) -> None:
    """Models send null for what they leave out; of five fields it means something, and the schema says so."""
    flow_id = begin(caller, state={"n": 1}, current_step="a")["flow_id"]

    kept = ask(caller, "update_flow", flow_id=flow_id, action="set_waiting", expected_revision=0, current_step=None)
    assert ("current_step" in kept["flow"], kept["flow"]["state"]) == (False, {"n": 1})
    cleared = ask(
        caller, "update_flow", flow_id=flow_id, action="resume", expected_revision=1, state=None, owner_key=None
    )
    assert "state" not in cleared["flow"]
    properties: Any = input_schema(UpdateFlowRequest)["properties"]
    nullable = {name for name, field in properties.items() if {"type": "null"} in field.get("anyOf", [])}
    assert nullable == {"current_step", "state", "wait", "blocked_task_id", "blocked_summary"}


def test_a_refused_change_is_an_answer_with_the_flow_as_it_stands(caller: Caller) -> None:
    """The controller decides anew at once, without another call."""
    flow_id = begin(caller, state={"n": 1})["flow_id"]
    ask(caller, "update_flow", flow_id=flow_id, action="set_waiting", expected_revision=0, state={"n": 2})

    stale = ask(caller, "update_flow", flow_id=flow_id, action="finish", expected_revision=0)
    assert (stale["applied"], stale["code"], "flow" in stale) == (False, "revision_conflict", False)
    assert (stale["current"]["revision"], stale["current"]["state"]) == (1, {"n": 2})
    assert stale["next"][0]["args"]["expected_revision"] == 1
    ask(caller, "scaffold_run", task_text="x", run_id="plain")
    for other, owner, code in ((flow_id, "agent:x:y", "not_found"), ("nobody", OWNER, "not_found")):
        hidden = ask(caller, "update_flow", flow_id=other, action="finish", expected_revision=1, owner_key=owner)
        assert (hidden["code"], "current" in hidden, "rev" in hidden) == (code, False, False)
    plain = ask(caller, "update_flow", flow_id="plain", action="finish", expected_revision=0)
    assert plain["code"] == "not_managed"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"action": "finish", "wait": {}, "status": "queued"}, "finish has no use for status, wait; it takes state"),
        ({"action": "set_waiting", "reopen": True}, "set_waiting has no use for reopen"),
        ({"action": "request_cancel", "state": None}, "request_cancel has no use for state; it takes nothing more"),
        ({"action": "succeed"}, "it must be"),
        ({"action": "finish", "expected_revision": -1}, "expected_revision is -1"),
        ({"action": "finish", "expectedRevision": 0}, "did you mean 'expected_revision'"),
        ({"action": "set_waiting", "blocked_task_id": "a b"}, "a task id is <run_id>:<node_id>"),
    ],
)
def test_what_an_action_would_ignore_is_refused(caller: Caller, arguments: dict[str, Any], said: str) -> None:
    """A field that is ignored is a change that its caller believes in."""
    flow_id = begin(caller)["flow_id"]

    told = refusal(caller, "update_flow", **{"flow_id": flow_id, "expected_revision": 0, **arguments})

    assert told.startswith("invalid_request") and said in told
    assert ask(caller, "get_flow", flow_id=flow_id)["flow"]["revision"] == 0


def test_a_cancel_says_what_it_waits_for(caller: Caller) -> None:
    """And what the host has to do so that it comes to an end."""
    flow_id = begin(caller)["flow_id"]
    ask(caller, "run_flow_task", flow_id=flow_id, runtime="cli", task="x", status="running", child_session_key=CHILD)

    first = ask(caller, "cancel_flow", flow_id=flow_id)
    assert (first["found"], first["cancelled"], first["reason"]) == (
        True, False, "One or more child tasks are still active.",
    )  # fmt: skip
    assert ([row["node_id"] for row in first["tasks"]], next_tools(first)) == (
        ["task-1"], ["host", "tick_run", "wait_for_run"],
    )  # fmt: skip
    done = ask(caller, "tick_run", **first["next"][1]["args"])
    assert (done["run_status"], done["advanced"]) == ("cancelled", ["task-1"])
    again = ask(caller, "cancel_flow", flow_id=flow_id)
    assert (again["cancelled"], again["reason"]) == (False, "Flow is already cancelled.")
    nobody = ask(caller, "cancel_flow", flow_id="nobody")
    assert (nobody["found"], nobody["reason"], "flow" in nobody) == (False, "Flow not found.", False)


def test_flows_are_found_by_id_token_and_latest(caller: Caller, hands: Hands) -> None:
    """Whatever a controller remembers."""
    first = begin(caller)["flow_id"]
    hands.move(seconds=1)
    second = begin(caller, owner_key="agent:x:y")["flow_id"]

    found = [
        ask(caller, "get_flow", **given)["flow"]["flow_id"]
        for given in ({"flow_id": first}, {"token": OWNER}, {"token": second}, {"latest": True, "owner_key": OWNER})
    ]
    assert found == [first, first, second, first]
    assert "exactly one of flow_id, token, latest; you gave 2" in refusal(caller, "get_flow", token="x", latest=True)
    assert "you gave none" in refusal(caller, "get_flow")
    assert f"did you mean {first!r}" in refusal(caller, "get_flow", flow_id=first[:-1])
    assert "of owner 'agent:x:y'" in refusal(caller, "get_flow", flow_id=first, owner_key="agent:x:y")
    ask(caller, "scaffold_run", task_text="x", run_id="plain")
    assert "run 'plain' is no flow" in refusal(caller, "get_flow", flow_id="plain")


def test_a_list_of_flows_is_paged_while_others_change(caller: Caller, hands: Hands) -> None:
    """A page stays valid while a flow before it moves; older cursors skipped rows then."""
    made = []
    for _ in range(5):
        hands.move(seconds=1)
        made.append(begin(caller)["flow_id"])

    page = ask(caller, "list_flows", owner_key=OWNER, limit=2)
    assert [row["flow_id"] for row in page["flows"]] == [made[4], made[3]]
    hands.move(seconds=1)
    ask(caller, "update_flow", flow_id=made[4], action="set_waiting", expected_revision=0)
    rest = ask(caller, "list_flows", owner_key=OWNER, limit=3, cursor=page["next_cursor"])
    assert ([row["flow_id"] for row in rest["flows"]], "next_cursor" in rest) == ([made[2], made[1], made[0]], False)
    assert [row["flow_id"] for row in ask(caller, "list_flows", status="waiting")["flows"]] == [made[4]]
    assert len(ask(caller, "list_flows", status=["open"])["flows"]) == 5
    assert ask(caller, "list_flows", controller_id="nobody")["flows"] == []
    assert "other filters" in refusal(caller, "list_flows", cursor=page["next_cursor"])
    assert "not one that an answer gave" in refusal(caller, "list_flows", cursor="x")
    assert "a flow is queued" in refusal(caller, "list_flows", status="done")


def test_a_large_state_is_kept_whole_and_left_out_of_answers(caller: Caller) -> None:
    """Hosts cut long answers in the middle; a state cut in half is worse than none."""
    large = {"rows": ["x" * 100] * 1_000}
    made = begin(caller, state=large, wait={"for": "mail"})

    got = ask(caller, "get_flow", flow_id=made["flow_id"])
    for answer in (made, got):
        assert (answer["flow"]["left_out"], answer["flow"]["wait"]) == (["state"], {"for": "mail"})
        assert len(json.dumps(answer, indent=2, sort_keys=True)) <= ANSWER_CHARS_MAX
    assert caller.registry.read(made["flow_id"]).run.state.flow.state_json == large  # type: ignore[union-attr]


def test_a_middling_state_fits_as_it_is_counted(caller: Caller) -> None:
    """The edge of what fits is where counting goes wrong."""
    for number in range(180, 330, 7):
        made = begin(caller, state={"rows": [{"n": 1, "m": 2}] * number})
        assert len(json.dumps(made, indent=2, sort_keys=True)) <= ANSWER_CHARS_MAX


def test_a_damaged_run_hides_no_flow(caller: Caller) -> None:
    """One broken folder must not stop a controller from finding its own."""
    root = caller.registry.root / "runs" / "broken"
    flow_id = begin(caller)["flow_id"]
    if not root.parent.is_dir():
        pytest.skip("memory cannot be damaged")
    root.mkdir()
    (root / "events.jsonl").write_text("{}\n{}\n")

    listed = ask(caller, "list_flows")

    assert [row["flow_id"] for row in listed["flows"]] == [flow_id]


def test_waiting_for_a_flow_knows_its_own_statuses(caller: Caller) -> None:
    """Its run only says running until the end."""
    flow_id = begin(caller, status="running")["flow_id"]
    waits = {"run_id": flow_id, "timeout_s": 0}
    assert ask(caller, "wait_for_run", status="blocked", **waits)["reached"] is False
    assert ask(caller, "wait_for_run", status="running", **waits)["why"] == "the flow is running"
    ask(caller, "update_flow", flow_id=flow_id, action="set_waiting", expected_revision=0, blocked_summary="x")

    assert ask(caller, "wait_for_run", status="blocked", **waits)["why"] == "the flow is blocked"
    assert ask(caller, "list_runs")["runs"][0]["attention"] == "the flow is blocked"
    assert ask(caller, "wait_for_run", status="running", **waits)["reached"] is False
    assert ask(caller, "wait_for_run", since_rev=1, **waits)["why"] == "the flow changed; it is blocked"
    assert ask(caller, "wait_for_run", event="flow.waiting", since_rev=0, **waits)["reached"] is True
    ask(caller, "request_control", run_id=flow_id, action="pause")
    assert ask(caller, "wait_for_run", status="paused", **waits)["why"] == "the run is paused"
    ask(caller, "update_flow", flow_id=flow_id, action="fail", expected_revision=1)
    assert ask(caller, "wait_for_run", **waits)["why"] == "the flow is failed"


def test_a_child_that_outlives_its_flow_is_waited_for(caller: Caller, hands: Hands) -> None:
    """Its end is still taken down; the wait said that nothing more would come."""
    flow_id = begin(caller)["flow_id"]
    ask(caller, "run_flow_task", flow_id=flow_id, runtime="cli", task="x", status="running", child_session_key=CHILD)
    wait = {"run_id": flow_id, "node_id": "task-1", "timeout_s": 0}
    assert ask(caller, "wait_for_run", run_id=flow_id, timeout_s=0)["why"] == "not within 0 s: the flow is queued"
    ask(caller, "update_flow", flow_id=flow_id, action="finish", expected_revision=0)

    assert ask(caller, "wait_for_run", **wait)["why"] == "not within 0 s: node 'task-1' is running"
    over = ask(caller, "wait_for_run", run_id=flow_id, status="waiting")
    assert (over["reached"], over["why"]) == (False, "the flow is succeeded; nothing more will come")
    ask(caller, "append_event", run_id=flow_id, event="session.gone", payload={"value": CHILD})
    hands.move(minutes=5)
    assert ask(caller, "wait_for_run", **wait)["why"] == "node 'task-1' is failed"
    assert ask(caller, "get_run", run_id=flow_id, view="events")["events"][0]["event"] == "node.failed"


def test_keys_inside_a_controllers_own_objects_are_never_renamed(caller: Caller) -> None:
    """They are read by its code, on every surface."""
    own = {"camelCase": {"snake_case": 1}}
    made = begin(caller, state=own, wait=own, requester_origin=own)
    ask(caller, "run_flow_task", flow_id=made["flow_id"], runtime="cli", task="x", status="running")
    ask(
        caller, "append_event", run_id=made["flow_id"], node_id="task-1", event="node.failed", message="no",
        payload={"outcome": "timed_out"},
    )  # fmt: skip
    got = ask(caller, "get_flow", flow_id=made["flow_id"])

    camel: Any = camelize(got)
    assert [camel["flow"][name] for name in ("state", "wait", "requesterOrigin")] == [own] * 3
    assert camel["flow"]["tasks"]["byStatus"] == {"timed_out": 1}
    assert snakeize(camel) == got


def test_a_persons_words_are_shown_to_the_controller(caller: Caller) -> None:
    """They reach whoever works on the run, and a flow is worked on by its controller. Nobody confirms them unread."""
    flow_id = begin(caller)["flow_id"]
    person = replace(caller, actor=caller.actor.model_copy(update={"kind": "operator", "id": "maria"}))
    ask(person, "request_control", run_id=flow_id, action="send_message", message="hurry")

    got = ask(caller, "get_flow", flow_id=flow_id)

    [look, *_] = got["next"]
    seen = ask(caller, look["tool"], **look["args"])
    assert [row["message"] for row in seen["messages"]] == ["hurry"]
    assert next_tools(seen)[0] == "tick_run"


def test_what_is_to_be_done_outside_is_seen_before_it_is_confirmed(caller: Caller) -> None:
    """A controller that follows `next` confirmed a message to its owner that it had never seen."""
    flow_id = begin(caller)["flow_id"]
    ask(caller, "update_flow", flow_id=flow_id, action="finish", expected_revision=0)

    for tool, arguments in (("get_flow", {"flow_id": flow_id}), ("wait_for_run", {"run_id": flow_id})):
        [look] = ask(caller, tool, **arguments)["next"]
        assert (look["tool"], look["args"]) == ("get_run", {"run_id": flow_id})
    seen = ask(caller, "get_run", run_id=flow_id)
    assert [effect["params"]["message"] for effect in seen["effects"]] == ["ship 2.1: done"]
    assert seen["next"][1]["args"]["effects_done"] == [effect["effect_id"] for effect in seen["effects"]]
    watching = replace(caller, read_only=True)
    assert [ask(watching, tool, run_id=flow_id)["next"] for tool in ("get_run", "wait_for_run")] == [[], []]


def test_a_control_shows_all_that_it_says_to_confirm(caller: Caller) -> None:
    """It listed what it had asked for itself, and named what was asked for before in `next`."""
    flow_id = begin(caller, notify_policy="state_changes")["flow_id"]
    ask(caller, "run_flow_task", flow_id=flow_id, runtime="cli", task="x", status="running", child_session_key=CHILD)
    ask(caller, "update_flow", flow_id=flow_id, action="set_waiting", expected_revision=0)

    done = ask(caller, "request_control", run_id=flow_id, action="cancel")

    ids = [effect["effect_id"] for effect in done["effects"]]
    assert [effect["kind"] for effect in done["effects"]] == ["message.send", "session.abort"]
    assert [list(call["args"].values())[-1] for call in done["next"][:2]] == [ids, ids]


def test_what_an_answer_has_no_room_for_is_read_in_pieces(caller: Caller) -> None:
    """A controller that keeps 100 kB there must get all of it back, through any client."""
    kept = {"notes": ["ä" * 50] * 400, "n": 1}
    origin = {"channel": "x" * 20_000}
    flow_id = begin(caller, state=kept, wait={"for": "go"}, requester_origin=origin)["flow_id"]

    found = ask(caller, "get_flow", flow_id=flow_id)

    assert found["flow"]["left_out"] == ["state", "requester_origin"]
    assert found["flow"]["wait"] == {"for": "go"}
    for call, whole in zip(found["next"][:2], (kept, origin), strict=True):
        text, args = "", call["args"]
        while args is not None:
            piece = ask(caller, call["tool"], **args)
            text += piece["content"]
            args = piece["next"][0]["args"] if piece.get("next_offset") else None
        assert json.loads(text) == whole


def test_a_run_that_is_no_flow_has_none_of_a_flows_files(caller: Caller) -> None:
    """A path that another kind of run has is refused as any path outside of the nodes is."""
    run_id = ask(caller, "create_task", agent_id="anna", name="an errand")["run_id"]

    assert refusal(caller, "read_artifact", run_id=run_id, path="flow/state.json").startswith("invalid_request")
