"""Waits that are over: whoever reads a queue sees what a tick would make ready, and changes nothing by reading."""

from pathlib import Path
from typing import Any

import pytest

from registry.core.workflow import NodeDefinition, WaitFor, Workflow
from registry.operations.agent_lists import agent_list
from registry.operations.caller import Caller
from registry.operations.heartbeats import heartbeat_lines
from registry.operations.task_documents import queue_document
from tests.operations.changing.asking import ask, errand, given_run
from tests.operations.conftest import Hands
from tests.tasks.given import end, start, task

PAUSED_BEFORE = Workflow(
    workflow_id="later",
    title="Later",
    nodes=(
        NodeDefinition(id="pause", title="Pause", kind="wait", wait_for=WaitFor(type="until", seconds=60)),
        NodeDefinition(id="go", title="Go on", kind="session_turn", prompt="p", needs=("pause",), agent_id="anna"),
    ),
)


def told(caller: Caller, hands: Hands) -> tuple[list[str], list[str], Any]:
    """What a woken agent is told, the queue as a list, and the word that there is nothing."""
    queue = ask(caller, "list_tasks", agent_id="anna", order="queue")
    lines = heartbeat_lines(caller.registry, "anna", now=hands.at)
    return lines, [row["task_id"] for row in queue["tasks"]], queue.get("say")


def test_work_whose_wait_is_over_wakes_its_agent(caller: Caller, hands: Hands) -> None:
    """Nobody ticks an errand: an agent that is told HEARTBEAT_OK for ever never goes on with it."""
    waiting = task(caller, "look again")
    end(caller, start(caller), "waiting", wait_for={"type": "until", "seconds": 60})

    before = told(caller, hands)
    hands.move(seconds=61)
    mark = caller.registry.log_mark(waiting.partition(":")[0])
    after = told(caller, hands)

    assert before == (["HEARTBEAT_OK"], [], "HEARTBEAT_OK")
    assert after == (["P2, when idle:", f"- {waiting} (priority 5): look again"], [waiting], None)
    assert caller.registry.log_mark(waiting.partition(":")[0]) == mark
    assert start(caller)["task_id"] == waiting


def test_work_behind_a_wait_of_its_workflow_wakes_its_agent(caller: Caller, hands: Hands) -> None:
    """A pause of a day within a plan is as good as any other wait."""
    given_run(caller, PAUSED_BEFORE, "later")
    hands.move(seconds=61)

    assert told(caller, hands)[1:] == (["later:go"], None)
    document: Any = queue_document(caller.registry, "anna")
    assert ([row["taskId"] for row in document["tasks"]], "say" in document) == (["later:go"], False)


def test_a_wait_for_the_next_tick_is_over_for_who_looks(caller: Caller, hands: Hands) -> None:
    """A claim ticks; a heartbeat must not hide what a claim would hand out."""
    waiting = task(caller)
    end(caller, start(caller), "waiting", wait_for={"type": "next_tick"})

    assert told(caller, hands)[1:] == ([waiting], None)


@pytest.mark.parametrize("registry", ["files"], indirect=True)
def test_a_wait_for_a_file_is_over_when_the_file_is_there(caller: Caller, hands: Hands) -> None:
    """Other programs leave an empty file as a sign and call nobody."""
    waiting = task(caller)
    claim = start(caller)
    end(caller, claim, "waiting", wait_for={"type": "file_exists", "path": "done.flag"})

    before = told(caller, hands)
    (Path(caller.registry.store.run_dir(claim["run_id"])) / "done.flag").touch()

    assert before[1:] == ([], "HEARTBEAT_OK")
    assert told(caller, hands)[1:] == ([waiting], None)


def test_what_is_in_the_queue_again_is_not_shown_as_in_hand(caller: Caller, hands: Hands) -> None:
    """A task in two places of one list was done twice, or finished with a fence of nobody."""
    waiting = task(caller)
    end(caller, start(caller), "waiting", wait_for={"type": "until", "seconds": 60})
    given_run(caller, errand(agent_id="anna", deadline_seconds=30, retry={"maxAttempts": 2}), "late")
    start(caller)
    hands.move(seconds=61)

    shown = agent_list(caller, "anna")

    assert (shown.current_task, shown.running_tasks) == (None, ())
    assert {row.task_id for row in shown.pending_tasks} == {waiting, "late:work"}
    assert heartbeat_lines(caller.registry, "anna", now=hands.at)[0] == "P2, when idle:"


def test_a_list_of_runs_names_the_wait_that_is_over(caller: Caller, hands: Hands) -> None:
    """Who looks after many runs finds the one that only wants a tick."""
    given_run(caller, PAUSED_BEFORE, "later")

    before = ask(caller, "list_runs")["runs"][0]
    hands.move(seconds=61)
    after = ask(caller, "list_runs")["runs"][0]

    assert ("attention" in before, after["attention"]) == (False, "the wait of pause is over")
