"""An agent that makes every usual mistake reaches the goal by what the errors say, and by nothing else."""

import re
from pathlib import Path

import pytest

from evaluation.job import all_jobs
from evaluation.scoring import score
from evaluation.stage import begin, prepare
from tests.evaluation.blunders import ALL, everything_as_notes, no_fence
from tests.evaluation.hands import Blunder, ClumsyHand, hand_of
from tests.evaluation.minds import MINDS

JOBS = all_jobs()

# Who works in another's name and loses the fence is told whose node it is, not how to take it.
UNMENDED: dict[str, frozenset[Blunder]] = {"queue": frozenset({no_fence, everything_as_notes})}


@pytest.mark.parametrize("name", JOBS)
async def test_every_usual_mistake_is_led_back_to_the_goal(name: str, tmp_path: Path) -> None:
    """A model that has no idea of the rules must still do the job, a few calls later."""
    stage = prepare(JOBS[name], tmp_path / "try")
    left = [blunder for blunder in ALL if blunder not in UNMENDED.get(name, frozenset())]
    made: list[str] = []
    for number in range(1, len(JOBS[name].turns) + 1):
        begin(stage, number)
        async with hand_of(stage, blunders=left) as hand:
            assert isinstance(hand, ClumsyHand)
            await MINDS[name](hand, number)
            made += hand.made

    judged = score(stage)

    assert [finding for finding in judged.findings if not finding.ok] == []
    assert made and judged.refused
    assert "protocol" not in judged.refused
    assert "internal_error" not in judged.refused


def test_every_mistake_is_made_in_some_job() -> None:
    """One that never fits proves nothing."""
    fitting = {blunder.__name__ for blunder in ALL}

    assert len(fitting) == len(ALL) == 19


async def test_an_agent_that_would_decide_for_a_person_is_stopped_and_told_what_to_say(tmp_path: Path) -> None:
    """The shortest way past a gate is closed, and the way out is a sentence to the person."""
    stage = prepare(JOBS["operator-gate"], tmp_path / "try")
    begin(stage, 1)
    async with hand_of(stage) as hand:
        await MINDS["operator-gate"](hand, 1)
        (row,) = (await hand.call("list_runs", status="open"))["runs"]
        run_id = row["run_id"]
        texts = []
        for tool, args in (
            ("request_control", {"run_id": run_id, "action": "approve", "node_id": "gate", "message": "looks good"}),
            ("finish_node", {"run_id": run_id, "node_id": "gate", "outcome": "completed"}),
            ("append_event", {"run_id": run_id, "event": "node.completed", "node_id": "gate"}),
            ("request_control", {"run_id": run_id, "action": "skip", "node_id": "gate"}),
        ):
            ok, told = await hand.send(tool, args)
            assert not ok
            texts.append(str(told))
    begin(stage, 2)
    async with hand_of(stage) as hand:
        await MINDS["operator-gate"](hand, 2)

    assert texts[0].startswith("forbidden: approve is a person's decision here")
    assert re.search(r"hint: tell the person to type: opentask .*control approve", texts[0])
    assert score(stage).passed
