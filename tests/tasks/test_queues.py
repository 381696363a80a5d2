"""Queues: order, exclusive claims, and reading without changing."""

from registry.operations.agent_lists import agent_list
from registry.operations.caller import Caller
from tests.operations.changing.asking import ask, errand, given_run, named, refusal
from tests.operations.conftest import Hands
from tests.tasks.given import end, start, task


def test_a_node_of_a_workflow_and_an_errand_wait_in_one_queue(caller: Caller, hands: Hands) -> None:
    """An agent has one queue, whoever gives it work and however."""
    given_run(caller, errand("build", agent_id="anna", priority=6), "release")
    hands.move(seconds=1)
    errand_id = task(caller, "errand", priority=6)
    urgent = task(caller, "urgent", priority="P0")

    shown = [row["task_id"] for row in ask(caller, "list_tasks", agent_id="anna", order="queue")["tasks"]]
    claimed = [start(caller)["task_id"] for _ in range(3)]

    assert shown == claimed == [urgent, "release:build", errand_id]


def test_an_exclusive_claim_is_refused_while_the_agent_holds_another(caller: Caller) -> None:
    """`current_task` of the per-agent list is single."""
    first, second = task(caller, "first"), task(caller, "second")
    claim = start(caller, exclusive=True)

    said = refusal(caller, "claim_node", agent_id="anna", exclusive=True)
    end(caller, claim)

    assert said.startswith(f"conflict: agent 'anna' is at work on task '{claim['task_id']}' (attempt 1)")
    assert {claim["task_id"], start(caller, exclusive=True)["task_id"]} == {first, second}


def test_an_exclusive_claim_sent_again_is_the_same_claim(caller: Caller) -> None:
    """The repeat must not be refused for what the first call took."""
    task(caller, "first")
    first = start(caller, exclusive=True, request_id="r")
    again = start(caller, exclusive=True, request_id="r")

    assert (again["fence"], again["repeated"]) == (first["fence"], True)


def test_an_exclusive_claim_in_a_run_counts_what_the_owner_holds(caller: Caller) -> None:
    """Who starts another agent's tasks by their ids gave it two at once, and `current_task` is single."""
    first, second = (task(caller, name, "otto").partition(":")[0] for name in ("first", "second"))
    zed = named(caller, "zed")
    ask(zed, "claim_node", run_id=first, exclusive=True)

    for asked in ({"run_id": second}, {"run_id": second, "node_id": "work"}):
        assert refusal(zed, "claim_node", exclusive=True, **asked).startswith(
            f"conflict: agent 'otto' is at work on task '{first}:work' (attempt 1)"
        )
    given_run(caller, errand(), "nobodys")
    assert ask(zed, "claim_node", run_id="nobodys", exclusive=True)["owner"] == "zed"
    assert refusal(zed, "claim_node", run_id="none-such", exclusive=True).startswith("not_found: no run 'none-such'")


def test_an_exclusive_claim_does_not_count_what_was_lost(caller: Caller, hands: Hands) -> None:
    """An agent that was restarted must get on, also when it is its own crash that it meets."""
    task(caller, "first")
    start(caller, exclusive=True, lease_s=60)
    hands.move(seconds=61)

    again = start(caller, exclusive=True)

    assert (again["claimed"], again["attempt"]) == (True, 2)


def test_a_queue_is_read_as_it_will_be_claimed_and_reading_changes_nothing(caller: Caller, hands: Hands) -> None:
    """A reader without leave to write must still not be told that a dead worker is at work."""
    lost = task(caller, "lost", priority=9)
    start(caller, lease_s=60)
    task(caller, "next")
    hands.move(seconds=61)
    mark = caller.registry.log_mark(lost.partition(":")[0])

    rows = ask(caller, "list_tasks", agent_id="anna", order="queue")["tasks"]

    assert [(row["title"], row["position"]) for row in rows] == [("lost", 1), ("next", 2)]
    assert caller.registry.log_mark(lost.partition(":")[0]) == mark


def test_rows_that_cannot_be_claimed_say_why(caller: Caller) -> None:
    """An agent that sees work and gets none must know what it waits for."""
    paused = task(caller, "paused", priority=9)
    ask(caller, "request_control", run_id=paused.partition(":")[0], action="pause")
    held = task(caller, "held", priority=8, depends_on=[paused])
    free = task(caller, "free")

    rows = ask(caller, "list_tasks", agent_id="anna", order="queue")["tasks"]

    assert [(row["task_id"], row.get("held_back"), row.get("held_by")) for row in rows] == [
        (paused, "paused", None),
        (held, "held", [paused]),
        (free, None, None),
    ]
    assert start(caller)["task_id"] == free


def test_an_empty_queue_says_the_line_that_hosts_know(caller: Caller) -> None:
    """A heartbeat's turn ends with exactly this line."""
    assert ask(caller, "list_tasks", agent_id="anna", order="queue")["say"] == "HEARTBEAT_OK"
    assert start(caller)["say"] == "HEARTBEAT_OK"
    assert "order queue needs agent_id" in refusal(caller, "list_tasks", order="queue")


def test_a_claim_names_the_failed_task_that_holds_the_queue(caller: Caller) -> None:
    """Waiting would never end: somebody has to retry or skip what failed."""
    first = task(caller, "first", "otto")
    task(caller, "second", depends_on=[first])
    waiting = start(caller)
    end(caller, start(caller, "otto"), "failed")

    stuck = start(caller)

    assert (waiting["reason"], waiting["next"], stuck["reason"]) == ("held", [], "held")
    assert stuck["next"] == [
        {
            "tool": "get_run",
            "args": {"run_id": first.partition(":")[0], "node_id": "work"},
            "why": "it is failed, and holds what is queued",
        }
    ]


def test_what_an_agent_took_is_in_its_list_whoever_it_was_assigned_to(caller: Caller) -> None:
    """An exclusive claim is refused for it; a list that does not show it leaves nothing to finish."""
    given_run(caller, errand(), "open-1")
    given_run(caller, errand(agent_id="otto"), "open-2")
    for run_id in ("open-1", "open-2"):
        start(caller, "zoe", run_id=run_id, node_id="work")

    shown = agent_list(caller, "zoe")

    assert shown.current_task is not None
    assert (shown.current_task.task_id, [row.task_id for row in shown.running_tasks]) == (
        "open-2:work",
        ["open-1:work"],
    )
    assert refusal(caller, "claim_node", agent_id="zoe", exclusive=True).startswith("conflict: ")


def test_a_queue_is_not_empty_for_who_has_work_in_hand(caller: Caller) -> None:
    """An agent that read the line that hosts know ended its turn, and its lease ran out."""
    task(caller, "only")
    claim = start(caller)

    queue = ask(caller, "list_tasks", agent_id="anna", order="queue")

    assert (queue["tasks"], "say" in queue) == ([], False)
    assert [(call["tool"], call["args"]["run_id"]) for call in queue["next"]] == [("finish_node", claim["run_id"])]


def test_a_queue_refuses_filters_that_it_cannot_follow(caller: Caller) -> None:
    """They were left out in silence, so that waiting tasks looked like failed ones."""
    made = task(caller, "waiting")

    said = refusal(caller, "list_tasks", agent_id="anna", order="queue", status="failed", to="2026-01-01T00:00:00Z")
    rows = ask(caller, "list_tasks", agent_id="anna", order="queue", status="open")["tasks"]

    assert said.splitlines()[:2] == [
        "invalid_request: order queue does not go with status and to: a queue holds what is queued now, "
        "and has no times",
        "hint: leave status and to out, or list the tasks with order updated",
    ]
    assert [row["task_id"] for row in rows] == [made]


def test_a_claim_sent_again_after_the_task_has_ended_takes_no_other(caller: Caller, hands: Hands) -> None:
    """A client that lost the answer and asks again later would hold a second task and not know of it."""
    task(caller, "first", priority=9)
    task(caller, "second")
    first = start(caller, request_id="k1")
    hands.move(seconds=1)
    end(caller, first)
    hands.move(seconds=1)

    again = start(caller, request_id="k1")
    other = start(caller, request_id="k2")

    assert (again["task_id"], again["fence"], again["repeated"]) == (first["task_id"], first["fence"], True)
    assert (other["title"], "repeated" in other) == ("second", False)


def test_a_request_id_of_another_call_does_not_keep_an_agent_from_claiming(caller: Caller) -> None:
    """Agents count their calls in each task anew, and use an id for one thing here and for another there."""
    task(caller, "first", priority=9)
    task(caller, "second")
    claim = start(caller, request_id="a")
    ask(caller, "request_control", run_id=claim["run_id"], action="send_message", message="hi", request_id="b")
    end(caller, claim)

    assert start(caller, request_id="b")["title"] == "second"


def test_a_label_asks_for_all_that_is_shown_with_it(caller: Caller) -> None:
    """A worker for P0 left tasks lie that every list calls P0."""
    for priority in range(1, 11):
        task(caller, str(priority), priority=priority)

    found = {
        label: [
            row["priority"]
            for row in ask(caller, "list_tasks", agent_id="anna", order="queue", min_priority=label)["tasks"]
        ]
        for label in ("P0", "P1", "P2")
    }

    assert found == {"P0": [10, 9], "P1": [10, 9, 8, 7, 6], "P2": list(range(10, 0, -1))}


def test_a_named_node_below_the_priority_that_is_asked_for_is_refused(caller: Caller) -> None:
    """Who says what is urgent enough must not be given anything else, whichever way they ask."""
    run_id = task(caller, "slow", priority=3).partition(":")[0]

    said = refusal(caller, "claim_node", run_id=run_id, node_id="work", min_priority=9)
    nothing = ask(caller, "claim_node", run_id=run_id, min_priority=9)

    assert said.splitlines() == [
        "illegal_transition: node 'work' has priority 3, which is below min_priority 9",
        "hint: leave min_priority out to take it all the same",
        f'next: claim_node {{"run_id": "{run_id}", "node_id": "work"}}',
    ]
    assert (nothing["claimed"], nothing["reason"], "say" in nothing) == (False, "low_priority", False)
    assert nothing["warnings"] == ["1 ready below min_priority 9, the most urgent with 3: ask with a lower one"]
