"""Every fault at every step of every kind of change: all of it is there or nothing, and work goes on."""

import ast
import os
import signal
import subprocess
import sys
import timeit
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.errors import RegistryError
from registry.storage import failpoints
from registry.storage.failpoints import FAULTS, STEPS, WRITES, Failpoint, Fault, Step

from .children import Ended, Say, done
from .conftest import LONG, Figures
from .given import CASES, Case, copied, note, opened, prepared, removed
from .judging import History, faults, history_of, read

ROOT = Path(__file__).parents[2]
HONEST = {"storage_full", "outcome_unknown"}
SHOWN = 5

pytestmark = pytest.mark.usefixtures("still_clock")


class Counting(Failpoint):
    """Fails nowhere and counts the steps."""

    def __init__(self) -> None:
        super().__init__("append.write", "kill", 0)
        self.reached: Counter[Step] = Counter()

    def reach(self, step: Step) -> None:
        self.reached[step] += 1

    def write(self, step: Step, descriptor: int, text: bytes | memoryview) -> int:
        self.reach(step)
        return os.write(descriptor, text)


def steps_of(case: Case, root: Path) -> Counter[Step]:
    """How often a change reaches each step."""
    counting = Counting()
    failpoints.arm(counting)
    try:
        with opened(root) as registry:
            case.act(registry)
    finally:
        failpoints.arm(None)
    return counting.reached


def tried(case: Case, root: Path, step: Step, fault: Fault, when: int) -> Ended:
    """The change with a fault in it, in a child; once it was refused it is tried again, the cause being gone."""

    def work(say: Say) -> None:
        with opened(root, on_told=lambda rev: say(told=rev)) as registry:
            failpoints.arm(Failpoint(step, fault, when))
            try:
                case.act(registry)
            except RegistryError as error:
                failpoints.arm(None)
                with opened(root) as another:
                    seen = read(another, case.run_id)
                    say(refused=error.code, message=error.message, seen=seen.log.rev if seen else 0)
                if seen and not case.is_damaged:
                    note(registry, "the cause is gone", run_id=case.run_id)
                else:
                    case.act(registry)
                say(went_on=True)

    return done(work)


def what_fails(case: Case, history: History, root: Path, ended: Ended, fault: Fault) -> Iterator[str]:
    """What is wrong after a change with a fault in it."""
    if ended.get("bug"):
        yield ended.get("bug")
        return
    told = ended.get("told") or history.first_rev
    if ended.was_killed:
        if fault not in ("kill", "torn"):
            yield "the child was killed by nobody"
        yield from faults(case, history, root, at_least=told)
        return
    refused = ended.get("refused")
    if refused is None:
        # It was not refused: what could not be written was a projection, and a warning.
        yield from faults(case, history, root, at_least=history.last_rev, may_miss_results=True)
        return
    if refused not in HONEST or not ended.get("message"):
        yield f"refused with {refused}: {ended.get('message')}"
    if refused != "outcome_unknown" and ended.get("seen") >= history.last_rev:
        yield "the change was refused and is there"
    if not ended.get("went_on"):
        yield "work did not go on when the cause was gone"
    with opened(root, durability="process") as registry:
        for problem in registry.store.validate(case.run_id):
            if problem.severity == "error":
                yield f"validate says {problem.code}: {problem.message}"


def chosen(reached: Counter[Step], turn: int) -> Iterator[tuple[Step, Fault, int]]:
    """The faults to be tried: all of them each time a step is reached, or for a quick look one at each step.

    Which one that is goes round with the turn, so that the cases together try them all.
    """
    for index, (step, times) in enumerate(sorted(reached.items())):
        possible = [fault for fault in FAULTS if fault not in ("short", "torn") or step in WRITES]
        if LONG:
            yield from ((step, fault, when) for when in range(1, times + 1) for fault in possible)
        else:
            yield step, possible[(turn + index) % len(possible)], 1 + (turn * 7 + index) % times


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fault_at_any_step_leaves_the_change_whole_or_absent(case: Case, scratch: Path, figures: Figures) -> None:
    """A disk fills up and a process is killed at the worst moment; there must be none."""
    root = prepared(case, scratch / "before")
    history = history_of(case, root, scratch / "history")
    reached = steps_of(case, copied(root, scratch / "counted"))
    assert reached
    failed: list[str] = []
    for step, fault, when in chosen(reached, CASES.index(case)):
        tree = copied(root, scratch / "tried")
        ended = tried(case, tree, step, fault, when)
        failed += [f"{step}:{fault}:{when}: {found}" for found in what_fails(case, history, tree, ended, fault)]
        removed(tree)
        figures.add("faults at named steps")
        figures.add("kills", int(ended.was_killed))

    assert failed == [], "\n".join([f"{len(failed)} faults:", *failed[:SHOWN]])


def test_every_step_is_reached_by_some_change(scratch: Path) -> None:
    """A failpoint that nothing reaches guards nothing. What undoes a write is reached only when one fails."""
    reached: Counter[Step] = Counter()
    for number, case in enumerate(CASES):
        reached += steps_of(case, prepared(case, scratch / str(number)))
    undoing = {"append.cut", "file.drop", "place.restore"}
    tried_elsewhere = {"repair.move", "archive.move"}

    assert set(STEPS) - set(reached) == undoing | tried_elsewhere


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("append.write:short", "append.cut:eio"),
        ("file.sync:eio", "file.drop:eio"),
        ("append.write:enospc", "place.restore:eio"),
    ],
)
def test_a_fault_while_a_fault_is_undone_is_said_and_mended(first: str, second: str, scratch: Path) -> None:
    """Disks that fail once fail twice; then nobody may say that nothing was changed if something was."""
    case = next(case for case in CASES if case.name == "finish with artifacts")
    root = prepared(case, scratch / "before")
    history = history_of(case, root, scratch / "history")

    class Both(Failpoint):
        def __init__(self) -> None:
            self.both = [failpoints.parse(first), failpoints.parse(second)]

        def reach(self, step: Step) -> None:
            for failpoint in self.both:
                failpoint.reach(step)

        def write(self, step: Step, descriptor: int, text: bytes | memoryview) -> int:
            return self.both[0].write(step, descriptor, text)

    def work(say: Say) -> None:
        with opened(root) as registry:
            failpoints.arm(Both())
            try:
                case.act(registry)
            except RegistryError as error:
                failpoints.arm(None)
                say(refused=error.code)
                say(rev=note(registry))

    ended = done(work)

    assert ended.get("refused") == ("outcome_unknown" if first == "append.write:short" else ended.get("refused"))
    assert ended.get("refused") in HONEST
    assert ended.get("rev") == history.last_rev
    with opened(root) as registry:
        assert [problem for problem in registry.store.validate(case.run_id) if problem.severity == "error"] == []


@pytest.mark.parametrize("fault", ["append.write:torn", "append.sync:kill", "append.write:enospc"])
def test_the_variable_reaches_a_command_line(fault: str, scratch: Path) -> None:
    """The proof must hold for the program that people run, not only for the library in a test."""
    case = CASES[0]
    root = prepared(case, scratch / "root")
    with opened(root) as registry:
        case.act(registry)
    command = "from opentask_mcp.__main__ import opentask; import sys; sys.exit(opentask())"
    ran = subprocess.run(
        [sys.executable, "-c", command, "--json", "--root", str(root), "event", "append", case.run_id, "note.step"],
        cwd=ROOT,
        env={**os.environ, failpoints.VARIABLE: fault},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    if fault.endswith("enospc"):
        assert ran.returncode == 6
        assert "nothing was changed" in ran.stdout + ran.stderr
    else:
        assert (ran.returncode, ran.stdout, ran.stderr) == (-signal.SIGKILL, "", "")
    with opened(root) as registry:
        assert note(registry) == (3 if fault == "append.sync:kill" else 2)
        assert [problem for problem in registry.store.validate(case.run_id) if problem.severity == "error"] == []


@pytest.mark.parametrize(
    "text", ["append.write", "nowhere:kill", "append.write:maybe", "append.sync:torn", "append.write:kill:0"]
)
def test_a_misspelt_failpoint_is_not_passed_over(text: str) -> None:
    """A test that sets a fault which never comes would pass for the wrong reason."""
    with pytest.raises(ValueError, match="is no failpoint; write step:fault"):
        failpoints.parse(text)


def test_nothing_is_armed_unless_the_variable_says_so() -> None:
    """A fault on demand must not be had by a request, a setting or a file: one variable, read once."""
    source = (ROOT / "registry" / "storage" / "failpoints.py").read_text()

    assert failpoints._armed is None
    assert source.count("environ") == 1
    users = [
        str(path.relative_to(ROOT))
        for folder in ("registry", "opentask_mcp")
        for path in (ROOT / folder).rglob("*.py")
        if "failpoints.arm" in (text := path.read_text()) or failpoints.VARIABLE in text
    ]
    assert users == ["registry/storage/failpoints.py"]


def test_a_step_without_a_fault_costs_next_to_nothing(figures: Figures) -> None:
    """A mutation passes some thirty steps; users must not pay for our tests."""
    rounds = 100_000
    cost_s = timeit.timeit(lambda: failpoints.reach("append.sync"), number=rounds) / rounds
    figures.say(f"a step without a fault costs {cost_s * 1e9:.0f} ns")

    body = ast.parse((ROOT / "registry" / "storage" / "failpoints.py").read_text()).body
    reach = next(node for node in body if isinstance(node, ast.FunctionDef) and node.name == "reach")
    assert [type(statement) for statement in reach.body[1:]] == [ast.If]


CHANGES = {
    "write",
    "pwrite",
    "fsync",
    "fdatasync",
    "rename",
    "replace",
    "link",
    "unlink",
    "mkdir",
    "ftruncate",
    "truncate",
}


def test_no_call_that_changes_a_disk_is_without_a_failpoint() -> None:
    """A step that nobody can stand at is one where the worst may happen unseen."""
    bare = []
    for path in sorted((ROOT / "registry" / "storage" / "files").rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.FunctionDef):
                continue
            calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
            named = [call for call in calls if isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name)]
            has_one = any(call.value.id == "failpoints" for call in named)  # type: ignore[attr-defined]
            for call in named:
                if call.value.id == "os" and call.attr in CHANGES and not has_one:  # type: ignore[attr-defined]
                    bare.append(f"{path.name}:{call.lineno}: os.{call.attr} without failpoints.reach before it")
    assert bare == [], "\n".join(bare)
