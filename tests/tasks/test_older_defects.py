"""Defects of the systems that users come from: each is tried here and does not happen."""

import re
import threading
from pathlib import Path

import pytest

from registry import clock
from registry.errors import LogCorrupt
from registry.operations.agent_lists import agent_history, agent_list
from registry.operations.caller import Caller
from registry.operations.heartbeats import heartbeat_of
from registry.operations.task_documents import queue_document
from tests.operations.changing.asking import ask, named, refusal
from tests.operations.conftest import Hands
from tests.tasks.given import end, listed, start, task


def events_of(caller: Caller, task_id: str) -> list[str]:
    """Names of the events of a task's run, oldest first."""
    run_id = task_id.partition(":")[0]
    return [one.event.name for one in caller.registry.store.events(run_id, limit=1_000)]


def test_a_second_start_is_neither_acknowledged_nor_logged(caller: Caller) -> None:
    """Two workers were told that they had it, and the log said so twice."""
    made = task(caller)
    start(caller)

    said = refusal(named(caller, "otto"), "claim_node", run_id=made.partition(":")[0], node_id="work")

    assert said.startswith("conflict: node 'work' is with 'anna'")
    assert events_of(caller, made).count("node.started") == 1


def test_a_status_cannot_be_set_past_the_table(caller: Caller) -> None:
    """A queued task was made completed by whoever sent the word."""
    made = task(caller)

    said = refusal(caller, "append_event", run_id=made.partition(":")[0], node_id="work", event="node.completed")

    assert said.startswith("illegal_transition: node 'work' is ready")
    assert listed(caller, status="completed") == []


def test_a_retry_beyond_the_limit_is_refused_and_not_answered_as_done(caller: Caller) -> None:
    """The caller believed that the task was queued again."""
    made = task(caller)
    for _ in range(3):
        end(caller, start(caller), "failed")
        assert ask(caller, "retry_task", task_id=made)["status"] == "queued"
    end(caller, start(caller), "failed")

    said = refusal(caller, "retry_task", task_id=made)

    assert said.startswith("conflict: ")
    assert "3" in said
    assert listed(caller, status="failed") == ["errand"]
    assert ask(caller, "retry_task", task_id=made, force=True)["retry_count"] == 4


def test_cancelled_tasks_stay_in_the_ledger_and_the_history(caller: Caller) -> None:
    """They vanished, and nobody could say who had cancelled what."""
    made = task(caller)

    answer = ask(caller, "cancel_task", task_id=made, reason="no longer wanted")

    assert (answer["cancelled"], answer["task"]["status"], answer["run_status"]) == (True, "cancelled", "cancelled")
    assert listed(caller, status="cancelled") == ["errand"]
    assert [row.task_id for row in agent_history(caller, "anna", limit=10).tasks] == [made]


def test_an_end_is_never_changed_by_a_later_message(caller: Caller) -> None:
    """A late cancel made a completed task cancelled."""
    made = task(caller)
    claim = start(caller)
    end(caller, claim)

    answer = ask(caller, "cancel_task", task_id=made)
    unknown = ask(caller, "cancel_task", task_id="task-nope")
    late = refusal(caller, "finish_node", run_id=claim["run_id"], fence=claim["fence"], outcome="failed", error="late")

    assert {name: answer[name] for name in ("found", "cancelled", "reason")} == {
        "found": True,
        "cancelled": False,
        "reason": "Task is already terminal.",
    }
    assert (unknown["found"], unknown["cancelled"]) == (False, False)
    assert late.startswith("illegal_transition: this attempt of node 'work' was finished already, as completed")
    assert listed(caller, status="completed") == ["errand"]


@pytest.mark.parametrize("registry", ["files"], indirect=True)
def test_a_damaged_run_is_told_and_never_read_as_an_empty_list(caller: Caller) -> None:
    """An agent read `[]`, said that all was done, and a day's work was forgotten."""
    broken = task(caller, "broken").partition(":")[0]
    folder = Path(caller.registry.store.run_dir(broken))
    caller.registry.store.close()
    for name in ("state.json", "refs.json", "events.jsonl"):
        (folder / name).write_text("damage\n")

    for look in (lambda: agent_list(caller, "anna"), lambda: heartbeat_of(caller.registry, "anna", now=clock.now())):
        with pytest.raises(LogCorrupt, match=f"nothing was found, and 1 run cannot be read: '{broken}'"):
            look()
    task(caller)
    assert broken in agent_list(caller, "anna").warnings[0]
    end(caller, start(caller))
    assert broken in (agent_history(caller, "anna", limit=10).warnings or ("",))[0]


@pytest.mark.parametrize("registry", ["files"], indirect=True)
def test_no_look_at_a_queue_says_that_all_is_done_while_a_run_is_damaged(caller: Caller) -> None:
    """The agent's only task may be in it: who is told HEARTBEAT_OK ends the turn and never comes back to it."""
    broken = task(caller, "broken").partition(":")[0]
    folder = Path(caller.registry.store.run_dir(broken))
    caller.registry.store.close()
    (folder / "state.json").unlink()
    trail = (folder / "events.jsonl").read_text().splitlines(keepends=True)
    (folder / "events.jsonl").write_text("".join([trail[0][:40] + "\n", *trail[1:]]))

    queue = ask(caller, "list_tasks", agent_id="anna", order="queue")
    ledger = ask(caller, "list_tasks", agent_id="anna")
    numbers = ask(caller, "task_stats", agent_id="anna")
    claim = refusal(caller, "claim_node", agent_id="anna")
    document = queue_document(caller.registry, "anna")

    for answer in (queue, ledger, numbers):
        assert ("say" in answer, answer["warnings"]) == (
            False,
            [f"run '{broken}' cannot be read and is not in this list; validate_run tells more, repair_run mends it"],
        )
        assert [call["tool"] for call in answer["next"]] == ["validate_run", "repair_run"]
    assert claim.startswith(f"log_corrupt: nothing was found, and 1 run cannot be read: '{broken}'")
    assert ("say" in document, document["warnings"]) == (False, queue["warnings"])


def test_ids_are_never_given_twice(caller: Caller) -> None:
    """Two tasks made in one millisecond were one, and the second was lost."""
    made: list[str] = []

    def work() -> None:
        made.extend(task(caller, f"t{number}") for number in range(10))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert len(set(made)) == 40
    assert all(re.fullmatch(r"task-[0-9a-v]{15}:work", one) for one in made)


def test_a_task_is_claimed_once_however_many_ask(caller: Caller) -> None:
    """Two polls at one moment both got the first row."""
    ids = {task(caller, f"t{number}") for number in range(8)}
    got: list[str] = []

    def work() -> None:
        while (claim := start(caller))["claimed"]:
            got.append(claim["task_id"])

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert sorted(got) == sorted(ids)


def test_cancelling_one_node_of_a_run_leaves_the_others(caller: Caller, hands: Hands) -> None:
    """A cancelled errand of a big job took the job along."""
    from tests.operations.changing.asking import AUDIT, given_run, work_off

    given_run(caller, AUDIT)
    work_off(caller, "gather")

    answer = ask(caller, "cancel_task", task_id="audit-1:speed", reason="not now")

    assert (answer["cancelled"], answer["run_status"], answer["task"]["status"]) == (True, "running", "cancelled")
    assert listed(caller, run_id="audit-1", status="open") != []
