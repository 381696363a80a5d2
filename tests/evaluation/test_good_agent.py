"""An agent that makes no mistake passes every job, and within its limits."""

from pathlib import Path

import pytest

from evaluation.job import all_jobs
from evaluation.scoring import score
from evaluation.stage import begin, prepare
from tests.evaluation.hands import hand_of
from tests.evaluation.minds import MINDS

JOBS = all_jobs()


def test_there_are_twelve_jobs_and_a_mind_for_each() -> None:
    """A job nobody has played may be impossible."""
    assert [*JOBS] == [*MINDS]
    assert len(JOBS) == 12


@pytest.mark.parametrize("name", JOBS)
async def test_a_job_can_be_done_without_a_mistake(name: str, tmp_path: Path) -> None:
    """What a person asks for is what is judged, and what the tools offer leads there."""
    stage = prepare(JOBS[name], tmp_path / "try")
    for number in range(1, len(JOBS[name].turns) + 1):
        begin(stage, number)
        async with hand_of(stage) as hand:
            await MINDS[name](hand, number)

    judged = score(stage)

    assert [finding for finding in judged.findings if not finding.ok] == []
    assert (judged.refused, judged.is_thrifty) == ({}, True), (judged.calls, judged.bytes_spent)
