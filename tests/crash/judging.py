"""What must be true of a registry after whatever happened to a change.

- The run is as it was at one of its whole mutations: never half of one, never another one.
- What was acknowledged is there; what was refused is not.
- Work goes on: the next mutation is taken, and afterwards the files prove each other.
- Edits by hand are heard once, files are old or new, and every byte replaced is kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from registry.core.events import Event
from registry.core.run import Run
from registry.errors import NotFound, RegistryError
from registry.formats.fold import Fold
from registry.formats.trail import Mutation, Scanner, lines_in
from registry.registry import Registry

from .given import Case, copied, note, opened, removed

Meaning = tuple[object, ...]
"""What a run says, without its numbers and times."""


@dataclass(frozen=True)
class History:
    """What a case led to when nothing went wrong.

    Attributes:
        before: The run before the change; None where there was none.
        runs: The run after each mutation of the change, by its number.
        settled: What the run says after one more note, without the change and with it.
        events: What each mutation of the change told, by its number.
    """

    before: Run | None
    runs: dict[int, Run]
    settled: dict[bool, Meaning | None]
    events: dict[int, list[Event]]

    @property
    def first_rev(self) -> int:
        return 0 if self.before is None else self.before.log.rev

    @property
    def last_rev(self) -> int:
        return max(self.runs, default=self.first_rev)


def history_of(case: Case, root: Path, scratch: Path) -> History:
    """Carry the case out on copies of its prepared root and take note of every run it passes."""
    with opened(copied(root, scratch), durability="process") as registry:
        before = read(registry, case.run_id)
        case.act(registry)
        trail = (registry.root / "runs" / case.run_id / "events.jsonl").read_bytes()
        events = events_in(registry, case.run_id, since=before.log.rev if before is not None else 0)
        with_change = settled(registry, case)
    removed(scratch)
    if before is None:
        without_change: Meaning | None = None
    else:
        with opened(copied(root, scratch), durability="process") as registry:
            without_change = settled(registry, case)
        removed(scratch)
    return History(before, dict(runs_in(trail, before)), {False: without_change, True: with_change}, events)


def events_in(registry: Registry, run_id: str, *, since: int) -> dict[int, list[Event]]:
    """What the mutations after one told, by their numbers."""
    found: dict[int, list[Event]] = {}
    for logged in registry.store.events(run_id, limit=10_000):
        if logged.rev > since:
            found.setdefault(logged.rev, []).append(logged.event)
    return found


def runs_in(trail: bytes, before: Run | None) -> Iterator[tuple[int, Run]]:
    """Every run that a trail passes after the one it starts from."""
    fold = Fold(before)
    since = before.log.rev if before is not None else 0
    for piece in Scanner(None, 0).pieces(lines_in([trail], 0)):
        if isinstance(piece, Mutation) and piece.last["rev"] > since:  # type: ignore[operator] # a sealed line has one
            fold.take(piece)
            run = fold.run()
            # A fold goes on from what it gave.
            fold = Fold(run, fold.mark)
            yield run.log.rev, run


def read(registry: Registry, run_id: str) -> Run | None:
    try:
        return registry.store.read(run_id).run
    except NotFound:
        return None


def settled(registry: Registry, case: Case) -> Meaning:
    """What the run says after one more mutation, which takes in whatever was left for it.

    A person asks for something first: a request that falls on damaged ground must be heard, too.
    """
    run_id = case.run_id
    if case.is_damaged:
        registry.store.care.restore(run_id, wait_s=5)
    with open(registry.root / "runs" / run_id / "control.jsonl", "ab") as inbox:
        inbox.write(
            b'{"id":"later-1","action":"send_message","runId":"%b","message":"%b"}\n' % (run_id.encode(), b"on " * 200)
        )
    note(registry, "and on", run_id=run_id)
    run = registry.store.read(run_id).run
    return (*meaning(run), ("heard", run.refs.applied_control_ids.get("later-1")))


def meaning(run: Run) -> Meaning:
    state, refs = run.state, run.refs
    nodes = {
        node.id: (node.status, node.attempt, node.title, node.session_key, node.needs, node.summary, node.result)
        for node in state.nodes.values()
    }
    adopted_notes = tuple(note_text for node in state.nodes.values() for note_text in node.notes)
    return (
        state.status,
        state.title,
        nodes,
        adopted_notes,
        state.cron_job_id,
        run.plan,
        {name: ok for name, ok in refs.applied_control_ids.items() if name != "later-1" and "sha256" not in name},
        {effect.kind for effect in refs.pending_effects.values()} - {"message.send"},
    )


def faults(
    case: Case,
    history: History,
    root: Path,
    *,
    at_least: int,
    at_most: int | None = None,
    may_miss_results: bool = False,
) -> list[str]:
    """See `_faults`; a refusal is a fault too."""
    try:
        return _faults(case, history, root, at_least=at_least, at_most=at_most, may_miss_results=may_miss_results)
    except RegistryError as error:
        return [f"{error.code}: {error.message}"]


def _faults(
    case: Case, history: History, root: Path, *, at_least: int, at_most: int | None, may_miss_results: bool
) -> list[str]:
    """What is wrong with a registry after a change was interrupted; empty when all is well.

    Args:
        at_least: The number of the last mutation that was acknowledged.
        at_most: The number of the last one that may be there.
        may_miss_results: A result.json may be gone that only a repair makes again: no process alone loses one.
    """
    found: list[str] = []
    with opened(root, durability="process") as registry:
        run = read(registry, case.run_id)
        rev = run.log.rev if run is not None else 0
        if run is None:
            if history.before is not None or at_least:
                return ["the run is gone"]
        elif _counted(run, history) != (history.before if rev == history.first_rev else history.runs.get(rev)):
            found.append(f"the run at mutation {rev} is not what it was when it was made")
        if rev < at_least:
            found.append(f"mutation {at_least} was acknowledged and the run is at {rev}")
        if rev > (history.last_rev if at_most is None else at_most):
            found.append(f"the run is at mutation {rev}, of which nobody was to know")
        if run is not None:
            told = events_in(registry, case.run_id, since=history.first_rev)
            if told != {number: events for number, events in history.events.items() if number <= rev}:
                found.append("the trail tells something else than was recorded")
        folder = root / "runs" / case.run_id
        whole = rev == history.last_rev
        found += _of_files(case, folder, whole=whole)
        found += _of_kept(case, folder, "before the next change")
        found += _of_going_on(case, history, registry, run, whole=whole)
        found += _of_results(case, registry, may_miss=may_miss_results)
        if run is not None:
            found += _of_kept(case, folder, "after the next change")
            found += _of_files(case, folder, whole=whole)
    return found


def _counted(run: Run, history: History) -> Run:
    """The run; one that is not adopted yet counts every line there is as an event, also a torn one."""
    return run.model_copy(update={"log": history.before.log}) if history.before and not run.log.rev else run


def _of_going_on(case: Case, history: History, registry: Registry, run: Run | None, *, whole: bool) -> Iterator[str]:
    """Whether work goes on, for the process that found the run so and for the next one."""
    if run is None:
        case.act(registry)
        whole = True
        if list(registry.store.run_ids()).count(case.run_id) != 1:
            yield "the run is not listed once"
    said = settled(registry, case)
    # In the middle of several mutations of one change the rest may come or not.
    partly = (
        ()
        if whole
        else (*history.settled.values(), *((*meaning(run), ("heard", True)) for run in history.runs.values()))
    )
    if said != history.settled[whole] and said not in partly:
        yield f"after the next change the run says {_difference(said, history.settled[whole])}"
    for problem in registry.store.validate(case.run_id):
        if problem.severity == "error":
            yield f"validate says {problem.code}: {problem.message} ({problem.where})"
    numbers = [logged.seq for logged in registry.store.events(case.run_id, limit=10_000)]
    if numbers != sorted(set(numbers)):
        yield f"the trail counts {numbers}"
    here = registry.store.read(case.run_id).run
    with opened(registry.root, durability="process") as another:
        if another.store.read(case.run_id).run != here:
            yield "another process reads another run"


def _of_results(case: Case, registry: Registry, *, may_miss: bool) -> Iterator[str]:
    """Whether the results of completed nodes are there, after a repair at the latest."""

    def wanting() -> list[str]:
        found = registry.store.validate(case.run_id)
        return [problem.message for problem in found if problem.where.endswith("result.json")]

    if may_miss and wanting():
        registry.store.care.tidy(case.run_id, wait_s=5)
    yield from wanting()


def _difference(one: Meaning, other: Meaning | None) -> str:
    if other is None:
        return "something where nothing was to be"
    return "; ".join(f"{left!r} instead of {right!r}" for left, right in zip(one, other, strict=True) if left != right)


def _of_files(case: Case, folder: Path, *, whole: bool) -> Iterator[str]:
    for path, (old, new) in case.files.items():
        try:
            text: bytes | None = (folder / path).read_bytes()
        except FileNotFoundError:
            text = None
        if text != new and (whole or text != old):
            size = "is not there" if text is None else f"holds {len(text)} other bytes"
            yield f"{path} {size} although the change is {'there' if whole else 'not'}"


def _of_kept(case: Case, folder: Path, when: str) -> Iterator[str]:
    texts = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    for kept in case.kept:
        if not any(kept in text for text in texts):
            yield f"{len(kept)} bytes that were replaced are nowhere {when}"
