"""Creating tasks: what is in the queue afterwards, and what a repeat finds."""

from typing import Any

from registry.operations.caller import Caller
from tests.operations.changing.asking import ask, errand, given_run, refusal
from tests.tasks.given import end, start, task


def test_a_task_is_a_run_with_one_node_that_its_agent_can_claim(caller: Caller) -> None:
    """Nothing is stored twice: every call that works on runs works on tasks."""
    made = ask(
        caller,
        "create_task",
        name="Water the plants",
        agent_id="anna",
        description="All of them, the big one twice.",
        priority="P0",
        group="home",
        tags=["weekly"],
        params={"litres": 2},
        max_attempts=2,
    )
    claim = start(caller)

    assert {
        name: made[name] for name in ("node_id", "created", "status", "agent_id", "priority", "priority_label")
    } == {
        "node_id": "work",
        "created": True,
        "status": "queued",
        "agent_id": "anna",
        "priority": 10,
        "priority_label": "P0",
    }
    assert made["task_id"] == f"{made['run_id']}:work"
    assert made["queue_position"] == 1
    assert (claim["task_id"], claim["max_attempts"]) == (made["task_id"], 2)
    assert claim["brief"].endswith('Params: {"litres": 2}\n\nAll of them, the big one twice.')
    assert ask(caller, "get_run", run_id=made["run_id"])["workflow_id"] == "task"


def test_the_same_request_gives_the_same_task(caller: Caller) -> None:
    """A host that timed out sends again; two errands would be done."""
    first = ask(caller, "create_task", name="Pay", agent_id="anna", request_id="bill-7")
    again = ask(caller, "create_task", name="Pay", agent_id="anna", request_id="bill-7")

    assert (again["task_id"], again["created"], again["repeated"]) == (first["task_id"], False, True)
    assert refusal(caller, "create_task", name="Pay twice", agent_id="anna", request_id="bill-7").startswith(
        f"conflict: request_id 'bill-7' was used for another task, '{first['task_id']}'"
    )


def test_a_task_may_depend_on_any_node_of_any_run(caller: Caller) -> None:
    """A node of a big workflow and an errand are the same kind of thing."""
    given_run(caller, errand("build", agent_id="otto"), "release")
    first = task(caller, "first")
    held = ask(
        caller, "create_task", name="held", agent_id="anna", depends_on=[first.partition(":")[0], "release:build"]
    )

    assert held["held_by"] == [first, "release:build"]
    assert start(caller)["task_id"] == first


def test_nothing_may_depend_on_what_does_not_exist(caller: Caller) -> None:
    """Since only existing tasks can be named, and never changed, no cycle can arise."""
    assert refusal(caller, "create_task", name="x", agent_id="anna", depends_on=["nope"]).startswith(
        "invalid_request: depends_on names 'nope', which does not exist; no run 'nope'"
    )


def test_only_a_completion_or_a_skip_that_is_no_cancel_satisfies(caller: Caller) -> None:
    """A task that needs the result of a failed one must not start without it."""
    for how in ("completed", "failed", "cancelled", "skipped"):
        first = task(caller, f"first-{how}", "otto")
        second = task(caller, f"second-{how}", f"agent-{how}", depends_on=[first])
        run_id = first.partition(":")[0]
        if how == "cancelled":
            ask(caller, "cancel_task", task_id=first)
        elif how == "skipped":
            ask(caller, "request_control", run_id=run_id, action="skip", node_id="work")
        else:
            end(caller, start(caller, "otto"), how)

        claim = start(caller, f"agent-{how}")

        assert claim["claimed"] is (how in ("completed", "skipped")), how
        if not claim["claimed"]:
            assert claim["reason"] == "held"
            assert ask(caller, "get_task", task_id=second)["task"]["held_by"] == [first]


def test_limits_are_said_with_their_sizes(caller: Caller) -> None:
    """Who is refused must know by how much."""
    ids = [f"t-{number}" for number in range(101)]

    assert "depends_on is 101 tasks; the limit is 100" in refusal(
        caller, "create_task", name="x", agent_id="anna", depends_on=ids
    )
    assert "priority is 11" in refusal(caller, "create_task", name="x", agent_id="anna", priority=11)
    assert "max_attempts is 0; it must be 1 to 100" in refusal(
        caller, "create_task", name="x", agent_id="anna", max_attempts=0
    )


def test_waiting_for_a_task_is_waiting_for_its_run(caller: Caller) -> None:
    """Whoever gave the task wants to hear its end by the call they know."""
    made = ask(caller, "create_task", name="x", agent_id="anna")
    end(caller, start(caller), summary="done well")

    answer = ask(caller, "wait_for_run", run_id=made["run_id"], node_id="work", timeout_s=0)

    assert (answer["reached"], answer["node"]["summary"]) == (True, "done well")


def test_a_dependency_by_its_short_or_full_name_is_the_same_request(caller: Caller) -> None:
    """Who sends a task again took the name of the other from another list."""
    first = task(caller, "first")
    more: dict[str, Any] = {"name": "second", "agent_id": "anna", "request_id": "r"}

    made = ask(caller, "create_task", depends_on=[first], **more)
    again = ask(caller, "create_task", depends_on=[first.partition(":")[0], first], **more)

    assert (again["task_id"], again["created"]) == (made["task_id"], False)


def test_a_repeat_offers_what_fits_the_task_as_it_stands(caller: Caller) -> None:
    """Nobody can claim what is done, and a wait for its end says nothing new."""
    more = {"name": "x", "agent_id": "anna", "request_id": "r"}
    offered = [[call["tool"] for call in ask(caller, "create_task", **more)["next"]]]
    claim = start(caller)
    offered.append([call["tool"] for call in ask(caller, "create_task", **more)["next"]])
    end(caller, claim)
    offered.append([call["tool"] for call in ask(caller, "create_task", **more)["next"]])

    assert offered == [["claim_node", "wait_for_run"], ["wait_for_run"], ["get_run"]]


def test_a_blank_in_an_id_is_shown(caller: Caller) -> None:
    """The id that is refused and the one that is offered must not look the same."""
    assert "agent_id is 'anna '; an id is" in refusal(caller, "create_task", name="x", agent_id="anna ")
