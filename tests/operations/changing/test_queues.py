"""An agent's queue over all runs."""

import threading

from registry.operations.caller import Caller
from tests.operations.changing.asking import ask, errand, finished, given_run, named
from tests.operations.conftest import Hands


def test_a_queue_is_worked_off_by_priority_then_age_then_name(caller: Caller, hands: Hands) -> None:
    """The order is total, so that no two agents ever differ about what is next."""
    for run_id, priority in (("b-old", 5), ("a-old", 5)):
        given_run(caller, errand(agent_id="sec", priority=priority), run_id)
    hands.move(seconds=1)
    for run_id, priority in (("young", 5), ("urgent", 9)):
        given_run(caller, errand(agent_id="sec", priority=priority), run_id)
    given_run(caller, errand(agent_id="other", priority=10), "others")
    given_run(caller, errand(priority=10), "nobodys")

    order = [ask(caller, "claim_node", agent_id="sec")["run_id"] for _ in range(4)]

    assert order == ["urgent", "a-old", "b-old", "young"]
    assert ask(caller, "claim_node", agent_id="sec")["reason"] == "empty"


def test_a_queue_may_be_asked_for_urgent_work_only(caller: Caller) -> None:
    """A worker between two meetings takes what cannot wait."""
    given_run(caller, errand(agent_id="sec", priority=5), "slow")

    nothing = ask(caller, "claim_node", agent_id="sec", min_priority="P1")
    queue = ask(caller, "list_tasks", agent_id="sec", order="queue", min_priority="P1")
    given_run(caller, errand(agent_id="sec", priority=7), "quick")

    assert (nothing["claimed"], nothing["reason"]) == (False, "low_priority")
    for answer in (nothing, queue):
        assert "say" not in answer
        assert answer["warnings"] == ["1 ready below min_priority 6, the most urgent with 5: ask with a lower one"]
    assert ask(caller, "claim_node", agent_id="sec", min_priority="P1")["run_id"] == "quick"


def test_what_a_lost_worker_held_comes_back_into_the_queue(caller: Caller, hands: Hands) -> None:
    """Nobody else ticks a queue's runs; the claim itself must."""
    given_run(caller, errand(agent_id="sec"), "lost")
    ask(named(caller, "sec"), "claim_node", agent_id="sec", lease_s=60)
    hands.move(seconds=61)

    answer = ask(caller, "claim_node", agent_id="sec")

    assert (answer["run_id"], answer["attempt"]) == ("lost", 2)
    assert answer["earlier_attempts"][0]["ended"] == "lost"


def test_a_paused_run_holds_its_part_of_the_queue(caller: Caller) -> None:
    """The agent learns that there is work, and why it may not have it."""
    given_run(caller, errand(agent_id="sec"), "held")
    ask(caller, "request_control", run_id="held", action="pause")

    answer = ask(caller, "claim_node", agent_id="sec")

    assert {key: answer[key] for key in ("claimed", "reason", "queued", "next")} == {
        "claimed": False,
        "reason": "paused",
        "queued": 1,
        "next": [
            {"tool": "get_run", "args": {"run_id": "held"}, "why": "it is paused: shows by whom and why"},
        ],
    }


def test_work_that_comes_later_is_told_apart_from_no_work(caller: Caller) -> None:
    """An agent with a pending node should come back; one without any need not."""
    given_run(caller)

    assert ask(caller, "claim_node", agent_id="sec")["reason"] == "waiting"


def test_a_queue_claim_sent_again_gives_the_same_node(caller: Caller) -> None:
    """The repeat does not know the run it got, and must find it all the same."""
    given_run(caller, errand(agent_id="sec"), "one")
    given_run(caller, errand(agent_id="sec"), "two")

    first = ask(caller, "claim_node", agent_id="sec", request_id="r1")
    again = ask(caller, "claim_node", agent_id="sec", request_id="r1")

    assert (again["run_id"], again["fence"], again["repeated"]) == (first["run_id"], first["fence"], True)


def test_of_many_claimers_each_node_goes_to_one(caller: Caller) -> None:
    """Two workers on one node would do the work twice and overwrite each other's report."""
    for number in range(6):
        given_run(caller, errand(agent_id="sec"), f"run-{number}")
    got: list[str] = []

    def work() -> None:
        while (answer := ask(caller, "claim_node", agent_id="sec"))["claimed"]:
            got.append(answer["run_id"])
            finished(caller, answer)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert sorted(got) == [f"run-{number}" for number in range(6)]


def test_the_end_of_an_errand_leads_to_the_next_one(caller: Caller) -> None:
    """An agent ends its turn where `next` is empty, and what waited for this very errand would lie there."""
    first = ask(caller, "create_task", name="Order lamp oil", agent_id="cc")
    ask(caller, "create_task", name="Fill the lamp", agent_id="cc", depends_on=[first["task_id"]])

    claim = ask(caller, "claim_node", agent_id="cc")
    assert ask(caller, "claim_node", agent_id="cc")["held_by"] == [first["task_id"]]
    done = ask(caller, "finish_node", run_id=claim["run_id"], fence=claim["fence"], outcome="completed", summary="s")

    assert (done["next"][0]["tool"], done["next"][0]["args"]) == ("claim_node", {"agent_id": "cc"})
    assert ask(caller, "claim_node", **done["next"][0]["args"])["title"] == "Fill the lamp"
