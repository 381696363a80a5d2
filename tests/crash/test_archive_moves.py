"""A run that is moved to the archive or back is in one place, whole, whatever happens on the way."""

import random
from pathlib import Path

import pytest

from registry.core.commands import Control
from registry.errors import RegistryError
from registry.registry import Registry
from registry.storage import failpoints
from registry.storage.failpoints import FAULTS, Failpoint

from .children import Say, done
from .conftest import LONG, Figures
from .disk import Recording, Tree, described, images, lay_out, tree_of
from .given import AGENT, RUN, copied, create, opened, removed
from .test_failpoints import HONEST, Counting

pytestmark = pytest.mark.usefixtures("still_clock")
MONTH = "archive/2026-01"
QUICK = 30


def finished(registry: Registry) -> None:
    create(registry)
    registry.transact(RUN, Control(actor=AGENT, action="cancel", control_id="ctl-1"))


def put(registry: Registry) -> None:
    registry.store.archive.put(RUN, lambda run: None, wait_s=5)


def back(registry: Registry) -> None:
    registry.store.archive.restore(RUN, wait_s=5)


MOVES = {"to the archive": (("runs", MONTH), (), put, back), "back": ((MONTH, "runs"), (put,), back, put)}


def where_it_is(tree: Tree) -> list[str]:
    return [place for place in ("runs", MONTH) if f"{place}/{RUN}/events.jsonl" in tree]


def content(tree: Tree, place: str) -> Tree:
    """The run's files, but for the note of who held its lock."""
    prefix = f"{place}/{RUN}/"
    return {
        path.removeprefix(prefix): text
        for path, text in tree.items()
        if path.startswith(prefix) and ".run.lock" not in path
    }


def prepared(root: Path, steps: tuple[object, ...]) -> Path:
    root.mkdir()
    for step in (finished, *steps):
        with opened(root) as registry:
            step(registry)  # type: ignore[operator]
    return root


def wrong(root: Path, before: Tree, places: tuple[str, str], *, told: bool) -> list[str]:
    """What is wrong with a registry after a move that was cut short; it is left moved back and forth once."""
    tree = tree_of(root)
    found = where_it_is(tree)
    if len(found) != 1:
        return [f"the run is in {found or 'no place'}"]
    if told and found != [places[1]]:
        return ["the move was acknowledged and the run is where it was"]
    faults = [] if content(tree, found[0]) == content(before, places[0]) else ["its files are not what they were"]
    with opened(root) as registry:
        faults += [] if registry.read(RUN).run.state.status == "cancelled" else ["it is not read as it was"]
        for move in (back, put) if found == [MONTH] else (put, back):
            move(registry)
        faults += [problem.message for problem in registry.store.validate(RUN) if problem.severity == "error"]
    return faults


@pytest.mark.parametrize("move", MOVES)
def test_a_loss_of_power_leaves_an_archived_run_in_one_place(
    move: str, scratch: Path, figures: Figures, seeds: int
) -> None:
    """The archive is where nobody looks for a year; a run lost on the way would be missed then."""
    places, steps, act, _ = MOVES[move]
    root = prepared(scratch / "root", steps)
    before = tree_of(root)
    recording = Recording(root)
    with opened(root) as registry, recording:
        act(registry)
        recording.told(1)
    disks = list(images(recording, seeds=seeds))
    failed: list[str] = []
    for tree, told, how in disks if LONG or len(disks) < QUICK else random.Random(1).sample(disks, k=QUICK):
        image = lay_out(tree, scratch / "image")
        failed += [f"{how}: {fault}" for fault in wrong(image, before, places, told=bool(told))]
        removed(image)
        figures.add("disk images after a loss of power")

    assert failed == [], "\n".join([*failed[:5], *described(recording)])


@pytest.mark.parametrize("move", MOVES)
def test_a_fault_at_any_step_of_a_move_leaves_an_archived_run_in_one_place(
    move: str, scratch: Path, figures: Figures
) -> None:
    """A refusal must mean that nothing moved."""
    places, steps, act, _ = MOVES[move]
    root = prepared(scratch / "root", steps)
    before = tree_of(root)
    counting = Counting()
    failpoints.arm(counting)
    try:
        with opened(copied(root, scratch / "counted")) as registry:
            act(registry)
    finally:
        failpoints.arm(None)
    assert counting.reached["archive.move"] == 1
    failed: list[str] = []
    tries = [
        (step, fault, when)
        for step, times in counting.reached.items()
        for when in range(1, times + 1)
        for fault in FAULTS[:3]
    ]
    for step, fault, when in tries:
        tree = copied(root, scratch / "tried")

        def work(say: Say, tree: Path = tree, failpoint: Failpoint = Failpoint(step, fault, when)) -> None:  # noqa: B008
            with opened(tree) as registry:
                failpoints.arm(failpoint)
                try:
                    act(registry)
                except RegistryError as error:
                    say(refused=error.code)
                else:
                    say(told=1)

        ended = done(work)
        refused = ended.get("refused")
        faults = [ended.get("bug")] if ended.get("bug") else []
        faults += [f"refused with {refused}"] if refused and refused not in HONEST else []
        if refused in HONEST - {"outcome_unknown"} and where_it_is(tree_of(tree)) != [places[0]]:
            faults.append("the move was refused and made")
        faults += wrong(tree, before, places, told=ended.get("told") is not None)
        failed += [f"{step}:{fault}:{when}: {found}" for found in faults]
        removed(tree)
        figures.add("faults at named steps")
        figures.add("kills", int(ended.was_killed))

    assert failed == [], "\n".join(failed[:5])
