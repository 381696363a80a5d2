"""A repair that dies at any step leaves a run that can be repaired again, and loses nothing."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.storage import failpoints
from registry.storage.failpoints import Failpoint, Fault, Step
from tests.doctor.damages import Damage, as_folder, both, cut_line, gone, half_line_added, state_status
from tests.doctor.given import RUN, Given, copied, statuses

WORST = Damage(
    "everything at once",
    both(cut_line(3), half_line_added, state_status, as_folder("workflow.lock.md"), gone("nodes/sum")),
    frozenset(),
)
STEPS: list[Step] = [
    "append.write", "append.sync", "file.open", "file.write", "file.sync", "folder.make", "folder.sync",
    "replace.rename", "repair.cut", "lock.note",
]  # fmt: skip


def dies(work: Given, step: Step, fault: Fault, when: int) -> bool:
    """Whether a repair in a child came to the step, and died there or failed."""
    child = os.fork()
    if child == 0:
        status = 3
        try:
            failpoints.arm(Failpoint(step, fault, when))
            work.ask("repair_run", run_id=RUN)
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return status != 0


def kills() -> Iterator[tuple[Step, Fault, int]]:
    for step in STEPS:
        for when in (1, 2, 3):
            yield step, "kill", when
    for step in ("append.write", "file.write"):
        yield step, "torn", 1
    for step in ("append.write", "replace.rename", "file.sync"):
        yield step, "eio", 1


@pytest.mark.parametrize(("step", "fault", "when"), [*kills()])
def test_a_repair_that_dies_is_repeated(work: Given, step: Step, fault: Fault, when: int) -> None:
    """A repair is asked for when things are bad already; it must not be able to make them worse."""
    WORST.do(work.folder)
    trail = (work.folder / "events.jsonl").read_bytes()

    dies(work, step, fault, when)
    answer = work.ask("repair_run", run_id=RUN)

    assert answer["ok"], answer
    assert answer["left"] == []
    whole = trail[: trail.rindex(b"\n") + 1]
    assert (work.folder / "events.jsonl").read_bytes().startswith(whole)
    kept = [path.read_bytes() for path in work.folder.rglob("*") if path.is_file()]
    assert any(trail[len(whole) :] in text for text in kept)
    assert statuses(work.ask("get_run", run_id=RUN))["gather"] == "completed"
    work.ask("append_event", run_id=RUN, event="note.after")
    assert work.ask("validate_run", run_id=RUN)["problems"] == []


def test_the_steps_are_steps_of_a_repair(template: Given, tmp_path: Path) -> None:
    """A kill at a step that is never reached would prove nothing."""
    reached = set()
    for step in STEPS:
        fresh = copied(template, tmp_path / step)
        WORST.do(fresh.folder)
        if dies(fresh, step, "kill", 1):
            reached.add(step)
    # Nothing is synced where a test opens a registry, except what is kept of others.
    assert reached == {*STEPS} - {"append.sync"}
