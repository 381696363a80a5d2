"""What the files beside the trail know of a run, for when the trail does not tell it any more."""

from dataclasses import dataclass

from ...core.check import check_all
from ...core.names import RunId
from ...core.run import Log, Plan, Refs, Run, RunState
from ...errors import RegistryError
from ...formats.legacy import plan_of, refs_of
from ...formats.projections import RefsFile, StateFile, StateHead, claimed_log, read_plan, write_plan
from .handles import Identity, OpenRun, identity_of
from .layout import PLAN, plan_cache
from .opening import OpenRoot, is_blank, read_file, read_with_stat
from .projecting import short_sha


@dataclass(frozen=True)
class Vouched:
    """A run by the word of its state.json.

    Attributes:
        has_plan: Its plan is one that some file proves; else prompts may be missing or edited.
        has_bindings: What refs.json alone knows is there: pending effects, answered requests.
    """

    run: Run
    has_plan: bool
    has_bindings: bool


def projection_text(entry: OpenRun, name: str) -> bytes | None:
    """A projection's bytes; None where there is no plain file to be read, or nothing in it that anybody wrote."""
    return projection(entry, name)[0]


def projection(entry: OpenRun, name: str) -> tuple[bytes | None, Identity | None]:
    """The same, and what tells whether the file was written since."""
    try:
        found = read_with_stat(entry.folder, name)
    except (RegistryError, PermissionError):
        return None, entry.identity(name)
    if found is None:
        return None, None
    text, about = found
    return None if is_blank(text) else text, identity_of(about)


def of_folder(run_id: RunId, state: RunState) -> RunState:
    """A state under the id that its folder has: a run that was renamed or copied is the run of its new name."""
    return state if state.run_id == run_id else state.model_copy(update={"run_id": run_id})


def cached_plan(root: int, run_id: str) -> bytes | None:
    """The text of a run's cached plan."""
    try:
        return read_file(root, plan_cache(run_id))
    except (OSError, RegistryError):
        return None


def claimed_numbers(state: bytes, refs: RefsFile | None, log: Log) -> Log:
    """How far the trail must have been, by what lies beside it.

    Args:
        state: The bytes of state.json; edited, it still has its numbers.
    """
    told = claimed_log(state) or Log()
    rev = max(log.rev, told.rev, refs.rev if refs is not None else 0)
    # Each mutation has at least one event.
    return Log(rev=rev, seq=max(log.seq + rev - log.rev, told.seq))


def vouched(entry: OpenRun, root: OpenRoot, state: StateFile, refs: RefsFile | None, run: Run | None) -> Vouched:
    """The run that state.json vouches for, with what else can be had."""
    assert state.head is not None
    has_bindings = refs is not None and (refs.crc == state.head.refs or refs.offset >= state.head.mark.offset)
    known_refs = refs.refs if refs is not None else refs_of(state.state, run.refs if run is not None else Refs())
    whole = Run(
        state=of_folder(entry.run_id, state.state), refs=known_refs, plan=plan_of(state.state, b""), log=state.head.log
    )
    plan, has_plan = _plan(entry, root, state.head, whole, run)
    return Vouched(whole.model_copy(update={"plan": plan}), has_plan=has_plan, has_bindings=has_bindings)


def _plan(entry: OpenRun, root: OpenRoot, head: StateHead, whole: Run, run: Run | None) -> tuple[Plan, bool]:
    """The plan of a run, and whether it is proved to be the one that its state was written with."""
    plan = read_plan(cached_plan(root(), entry.run_id) or b"", head.plan)
    if plan is not None:
        return plan, True
    if run is not None and write_plan(run.plan)[1] == head.plan:
        return run.plan, True
    text = projection_text(entry, PLAN) or b""
    if short_sha(text) == head.lock and not head.lock_is_behind:
        return plan_of(whole.state, text), True
    guesses = [run.plan] if run is not None else []
    guesses += [plan_of(whole.state, text), plan_of(whole.state, b"")]
    return next((one for one in guesses if not check_all(whole.model_copy(update={"plan": one}))), guesses[-1]), False
