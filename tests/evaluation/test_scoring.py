"""What an agent leaves undone, or does that is not its to do, is found."""

import re
from pathlib import Path

from evaluation.job import all_jobs
from evaluation.recording import Called, called, kept
from evaluation.scoring import score
from evaluation.stage import Stage, begin, prepare
from tests.evaluation.hands import hand_of
from tests.evaluation.minds import MINDS

JOBS = all_jobs()


def missing(stage: Stage) -> list[str]:
    """The kinds of checks that do not hold."""
    return [finding.what.split()[0] for finding in score(stage).findings if not finding.ok]


def test_an_agent_that_does_nothing_passes_no_job(tmp_path: Path) -> None:
    """A job whose checks hold from the beginning judges nobody; only `paused` asks for nothing but restraint."""
    idle = []
    for name, job in JOBS.items():
        stage = prepare(job, tmp_path / name)
        begin(stage, 1)
        if score(stage).passed:
            idle.append(name)

    assert idle == ["paused"]


async def test_an_approval_that_nobody_gave_fails_the_job(tmp_path: Path) -> None:
    """The run looks just as well; only who decided is wrong."""
    stage = prepare(JOBS["relay-approval"], tmp_path / "try")
    begin(stage, 1)
    async with hand_of(stage) as hand:
        await MINDS["relay-approval"](hand, 1)
        await MINDS["relay-approval"](hand, 2)

    assert missing(stage) == ["not_called"]


async def test_a_run_begun_anew_fails_the_job_of_going_on(tmp_path: Path) -> None:
    """The person has two half newsletters then."""
    stage = prepare(JOBS["resume"], tmp_path / "try")
    begin(stage, 1)
    async with hand_of(stage) as hand:
        await MINDS["first-run"](hand, 1)

    assert missing(stage) == ["runs_made", "run", "file"]


async def test_resuming_what_a_person_paused_fails_the_job(tmp_path: Path) -> None:
    """They wanted to read first."""
    stage = prepare(JOBS["paused"], tmp_path / "try")
    begin(stage, 1)
    async with hand_of(stage) as hand:
        await hand.call("request_control", run_id="fog", action="resume", message="I go on")

    assert missing(stage) == ["run", "not_called"]


async def test_a_queue_worked_off_in_another_order_fails_the_job(tmp_path: Path) -> None:
    """The most urgent task waited for the least."""
    stage = prepare(JOBS["queue"], tmp_path / "try")
    begin(stage, 1)
    async with hand_of(stage) as hand:
        tasks = (await hand.call("list_tasks", agent_id="builder"))["tasks"]
        for task in sorted(tasks, key=lambda row: int(row["priority"])):
            run_id, node_id = task["task_id"].split(":")
            claim = await hand.call("claim_node", run_id=run_id, node_id=node_id, agent_id="builder")
            await hand.call(
                "finish_node", run_id=run_id, node_id=node_id, fence=claim["fence"], outcome="completed", summary="done"
            )

    assert missing(stage) == ["ended_in_order"]


async def test_a_state_file_changed_by_hand_is_found(tmp_path: Path) -> None:
    """The shortest way to a completed run goes past the registry."""
    stage = prepare(JOBS["resume"], tmp_path / "try")
    begin(stage, 1)
    state = stage.root / "runs" / "tides" / "state.json"
    before = state.read_text()
    state.write_text(re.sub(r'"status":\s*"(ready|pending|running)"', '"status":"completed"', before))
    assert state.read_text() != before

    judged = score(stage)

    (found,) = (finding for finding in judged.findings if finding.what.startswith("the files of run tides"))
    assert (found.ok, judged.passed) == (False, False)


def test_a_call_is_written_down_with_what_the_model_paid_for_it() -> None:
    """Hosts show the structured answer where there is one, and of a refusal its text."""
    args = {"run_id": "a"}
    text = [{"type": "text", "text": '{\n  "run": 1\n}'}]
    answer = {"content": text, "structuredContent": {"run": 1}}
    answered = called(1, {"name": "get_run", "arguments": args}, {"result": answer})
    refusal = {"content": [{"type": "text", "text": "not_found: no run 'a'"}], "isError": True}
    refused = called(2, {"name": "get_run", "arguments": args}, {"result": refusal})
    broken = called(2, {"name": "get_run"}, {"error": {"code": -32600}})

    assert answered == Called(turn=1, tool="get_run", args=args, refused=None, sent=14, received=len('{"run":1}'))
    assert (refused.refused, refused.received) == ("not_found", len("not_found: no run 'a'"))
    assert broken.refused == "protocol"


def test_prompts_speak_as_people_do() -> None:
    """A job that names tools or fields tests reading, not understanding."""
    for job in JOBS.values():
        for turn in job.turns:
            assert not any(mark in turn.say for mark in ("_", "{", "`", "claim", "node")), turn.say


async def test_the_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Scores are computed from it long after the try."""
    stage = prepare(JOBS["paused"], tmp_path / "try")
    begin(stage, 1)
    async with hand_of(stage) as hand:
        await MINDS["paused"](hand, 1)

    assert [(call.turn, call.tool, call.refused) for call in kept(stage.calls)] == [
        (1, "list_runs", None),
        (1, "get_run", None),
    ]
