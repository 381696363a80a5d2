"""Statistics: counts, rates and times that people plan by."""

import pytest

from registry.core.task_statistics import in_words
from registry.operations.caller import Caller
from tests.operations.changing.asking import ask
from tests.operations.conftest import Hands
from tests.tasks.given import end, listed, start, task


def test_numbers_are_told_in_all_and_by_agent_group_and_day(caller: Caller, hands: Hands) -> None:
    """Average and median apart: one long task must not look like all of them."""
    for minutes, group in ((10, "g"), (20, "g"), (60, None)):
        task(caller, "x", **({"group": group} if group else {}))
        claim = start(caller, lease_s=0)
        hands.move(minutes=minutes)
        end(caller, claim)
    hands.move(days=1)
    task(caller, "y", "otto")
    end(caller, start(caller, "otto"), "failed")
    task(caller, "z", "otto")

    found = ask(caller, "task_stats")

    assert found["total"] == {"current": 0, "pending": 1, "completed": 3, "failed": 1, "cancelled": 0, "all": 5}
    assert (found["success_rate"], found["avg_completion_s"], found["median_completion_s"]) == (0.75, 1800.0, 1200.0)
    assert found["avg_completion_time"] == "30m"
    assert [(row["agent_id"], row["total"]["all"], row.get("success_rate")) for row in found["agents"]] == [
        ("anna", 3, 1.0),
        ("otto", 2, 0.0),
    ]
    assert [(row["group"], row["median_completion_s"]) for row in found["groups"]] == [("g", 900.0)]
    assert found["today"] == {"day": "2026-01-02", "created": 2, "completed": 0, "failed": 1, "cancelled": 0}
    assert [row["day"] for row in found["days"]] == ["2026-01-02", "2026-01-01"]


def test_a_range_counts_what_ended_in_it(caller: Caller, hands: Hands) -> None:
    """Last week's numbers must not change because of what is done this week."""
    for _ in range(2):
        task(caller)
        end(caller, start(caller))
        hands.move(days=1)

    found = ask(caller, "task_stats", agent_id="anna", to="2026-01-02T00:00:00+00:00")

    assert (found["total"]["completed"], found["agents"]) == (1, [])


def test_throughput_counts_all_days_and_what_is_cut_is_named(caller: Caller, hands: Hands) -> None:
    """One a day is one a day however many days are shown, and a list that just stops looks whole."""
    for number in range(22):
        task(caller, agent_id=f"agent-{number:02}", group=f"group-{number:02}")
        end(caller, start(caller, f"agent-{number:02}"))
        hands.move(days=1)

    found = ask(caller, "task_stats")
    earlier = ask(caller, "task_stats", **found["next"][0]["args"])
    other = ask(caller, "task_stats", **found["next"][1]["args"])

    assert found["completed_per_day"] == pytest.approx(1, abs=0.05)
    for rows, more in (("days", "more_days"), ("agents", "more_agents"), ("groups", "more_groups")):
        assert len(found[rows]) + found[more] == 22
    assert [len(earlier["days"]), earlier["days"][0]["day"]] == [8, "2026-01-08"]
    assert (other["agent_id"], other["total"]["completed"]) == (f"agent-{len(found['agents']):02}", 1)
    assert [call["tool"] for call in found["next"]] == ["task_stats", "task_stats", "list_tasks"]
    assert found["next"][2]["args"] == {"group": f"group-{len(found['groups']):02}"}
    assert not {"more_days", "more_agents", "more_groups"} & set(other)


def test_a_range_has_no_days_outside_of_it(caller: Caller, hands: Hands) -> None:
    """A task made the day before has no row there: whoever adds up the rows would count another range."""
    task(caller)
    claim = start(caller, lease_s=0)
    hands.move(days=1)
    end(caller, claim)

    found = ask(caller, "task_stats", **{"from": "2026-01-02T00:00:00+00:00"})

    assert [(row["day"], row["created"], row["completed"]) for row in found["days"]] == [("2026-01-02", 0, 1)]


def test_what_was_lost_too_often_counts_as_failed_before_anybody_records_it(caller: Caller, hands: Hands) -> None:
    """Numbers and the ledger must not differ about a worker that is gone."""
    task(caller)
    for _ in range(3):
        start(caller, lease_s=60)
        hands.move(minutes=2)

    total = ask(caller, "task_stats", agent_id="anna")["total"]

    assert (total["pending"], total["failed"], listed(caller, status="failed")) == (0, 1, ["errand"])


def test_nothing_ended_is_no_rate_at_all(caller: Caller) -> None:
    """0 % would say that everything failed."""
    task(caller)

    found = ask(caller, "task_stats", agent_id="anna")

    assert "success_rate" not in found
    assert "avg_completion_time" not in found


def test_times_are_said_as_people_say_them() -> None:
    """A list of seconds is read by nobody."""
    seconds = [0.2, 59, 60, 25 * 60, 3_600 + 300, 3 * 86_400 + 7_200 + 59]

    assert [in_words(one) for one in seconds] == ["under 1s", "59s", "1m", "25m", "1h 5m", "3d 2h"]
