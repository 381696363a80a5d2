"""What doctor finds: about a run's files, as storage tells, and about work that got stuck.

Each finding has a stable code and says what mends it. What repair_run mends is data: a row of
`MENDS`. Texts of workers and files stand in them only by name.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from ..core.limits import CLOCK_AHEAD_S_MAX, LEASE_S_MAX
from ..core.names import NodeId, RunId, moment, shown
from ..core.run import NodeState, Run
from ..errors import RegistryError
from ..storage.port import Problem, Store
from .table import Result

Mender = Literal["repair_run", "request_control", "host", "person"]

OVERDUE_S: Final = 300
"""A timer or lease that is past for so long was seen by nobody."""
SILENT_S: Final = 86_400
UNSENT_S: Final = 3_600


class FindingRow(Result):
    """What is amiss, and what mends it: repair_run, a control, the host's own tools, or a person."""

    code: str
    severity: Literal["error", "warning"]
    run_id: str | None = None
    node_id: str | None = None
    message: str
    where: str | None = None
    mended_by: Mender
    how: str


@dataclass(frozen=True)
class Mend:
    """Who mends a finding, and how in a sentence."""

    by: Mender
    how: str


_ANEW: Final = Mend(
    "repair_run", "repair_run begins the proof anew with all that is left, and changes nothing before it"
)
_FILES: Final = Mend("repair_run", "repair_run makes the file anew from the trail; what stood there is kept beside it")
_TICK: Final = Mend("repair_run", "repair_run or tick_run records it, and the run goes on")
_ASIDE: Final = Mend("repair_run", "repair_run moves it aside and keeps it")

MENDS: Final[Mapping[str, Mend]] = {
    "log_corrupt": _ANEW,
    "adopted_differs": _ANEW,
    "illegal_transition": _ANEW,
    "time_order": _ANEW,
    "run_renamed": Mend("repair_run", "repair_run makes it the run of its folder; or give the folder its name back"),
    "log_shorter": Mend("repair_run", "repair_run records again what the state still has"),
    "torn_tail": Mend("repair_run", "repair_run, or the next change, moves the bytes to .torn/"),
    "not_adopted": Mend("repair_run", "repair_run, or the next change, takes them in as notes and steps"),
    "projection_missing": Mend("repair_run", "repair_run makes the file anew from the trail"),
    "projection_stale": _FILES,
    "state_edited": _FILES,
    "refs_edited": _FILES,
    "state_differs": _FILES,
    "refs_differ": _FILES,
    "plan_differs": _FILES,
    "plan_edited": Mend(
        "repair_run", "repair_run takes over titles and prompts and keeps the file; the rest is change_plan's"
    ),
    "odd_file": _ASIDE,
    "leftover": _ASIDE,
    "permissions": Mend("repair_run", "repair_run gives its owner the permissions back"),
    "folder_missing": Mend("repair_run", "repair_run makes it again; what was in it must come from a backup"),
    "unapplied_control": _TICK,
    "stale_running": _TICK,
    "lost_child": _TICK,
    "overdue": _TICK,
    "half_made": Mend("person", "`opentask repair --all` moves it to .torn/; it harms nothing where it is"),
    "agent_lock": Mend("person", "`opentask repair --all` moves it to .torn/, and a lock is made again"),
    "index_fault": Mend("person", "`opentask reindex` makes the index anew; lists are right without it"),
    "no_run": Mend("person", "move it out of runs/ if it is yours"),
    "lock_held": Mend("person", "look whether that process hangs; when it ends the lock is free"),
    "missing_output": Mend(
        "person", "write_artifact adds the file where it still can be had; the node stays completed"
    ),
    "impossible_state": Mend("person", "request_control (skip, retry, release) moves the node on"),
    "no_run_left": Mend("person", "bring the folder back from a backup if there is one"),
}
_BY_HAND: Final = Mend("person", "look at the registry's disk and permissions, then ask again")
_STRAY_FILE: Final = Mend("person", "`opentask repair --all` moves it to .torn/")


def findings_of(store: Store, run_id: RunId, *, now: datetime) -> list[FindingRow]:
    """All that is amiss with a run, errors first. Changes nothing.

    Raises:
        NotFound: there is no such run.
    """
    rows = [_row(problem, run_id) for problem in store.care.examine(run_id)]
    try:
        run = store.read(run_id).run
    except RegistryError:
        run = None  # examine told why
    if run is not None:
        rows += stuck(run, now=now)
    rows.sort(key=lambda row: row.severity)
    return rows


def strays_of(store: Store) -> list[FindingRow]:
    """What lies in the registry's folders and belongs to no run."""
    found: list[FindingRow] = []
    for problem in store.care.strays():
        row = _row(problem, None)
        if problem.code == "odd_file":
            row = row.model_copy(update={"mended_by": _STRAY_FILE.by, "how": _STRAY_FILE.how})
        found.append(row)
    return found


def _row(problem: Problem, run_id: RunId | None) -> FindingRow:
    mend = MENDS.get(problem.code, _BY_HAND)
    return FindingRow(
        code=problem.code,
        severity="warning" if problem.severity == "warning" else "error",
        run_id=run_id,
        message=problem.message,
        where=problem.where or None,
        mended_by=mend.by,
        how=mend.how,
    )


def stuck(run: Run, *, now: datetime) -> Iterator[FindingRow]:
    """Work of a run that nobody carries on, and times that cannot be."""
    state = run.state
    if state.wake_at is not None and not state.is_ended and _past_s(state.wake_at, now) > OVERDUE_S:
        yield _stuck(run, "overdue", f"something was due at {state.wake_at} and nobody has ticked the run since")
    for node in state.nodes.values():
        yield from _stuck_node(run, node, now)
    yield from _unsent(run, now)
    flow = state.flow
    asked_at = flow.cancel_requested_at if flow is not None and not flow.is_ended else None
    if asked_at is not None and _past_s(asked_at, now) > UNSENT_S:
        active = [node.id for node in state.nodes.values() if node.is_open]
        told = f"its cancel was asked for at {asked_at}; {_named(active)} did not end yet"
        mend = Mend("host", "end the workers outside; each child ends with finish_node or cancel_task")
        yield _stuck(run, "cancel_stuck", told, mend=mend)
    for what, at in (("the run changed last", state.updated_at), ("its last event is dated", run.log.last_at)):
        if _is_ahead(at, now):
            told = f"{what} at {shown(at)}, which is more than a day ahead of the clock"
            yield _stuck(
                run,
                "impossible_time",
                told,
                mend=Mend("person", "set the clock right; the next change is dated by it again"),
            )
            break


def _stuck_node(run: Run, node: NodeState, now: datetime) -> Iterator[FindingRow]:
    if node.is_given_up(now):
        yield _stuck(
            run, "lost_child", f"the session that carried it is gone since before {node.lost_at}", node=node.id
        )
    if node.status != "running":
        return
    lease = node.lease
    release = Mend(
        "request_control", "request_control release gives the node to the next worker; or wait if its worker lives"
    )
    if lease is not None and lease.expires_at is not None:
        past_s = _past_s(lease.expires_at, now)
        if past_s > OVERDUE_S:
            told = f"it is running, and the lease of {shown(lease.owner)!r} ran out at {lease.expires_at}"
            yield _stuck(run, "stale_running", told, node=node.id)
        elif -past_s > CLOCK_AHEAD_S_MAX + LEASE_S_MAX:
            told = f"its lease ends at {lease.expires_at}, later than any lease can"
            yield _stuck(run, "impossible_time", told, node=node.id, mend=release)
        return
    heard = max(filter(None, (node.started_at, node.heard_at, lease.heard_at if lease else None)), default=None)
    if heard is not None and _past_s(heard, now) > SILENT_S:
        told = f"it is running without a lease that ends, and nothing was heard since {heard}"
        yield _stuck(run, "silent_running", told, node=node.id, mend=release)


def _unsent(run: Run, now: datetime) -> Iterator[FindingRow]:
    if _past_s(run.state.updated_at, now) <= UNSENT_S:
        return
    for effect in run.refs.pending_effects.values():
        is_abort = effect.kind == "session.abort"
        code = "cancel_stuck" if is_abort else "unsent_effect"
        what = (
            "a session that was to end is not known to have ended" if is_abort else "something outside was not done yet"
        )
        tried = f" (tried {effect.tries} times)" if effect.tries else ""
        yield _stuck(
            run,
            code,
            f"{what}: {shown(effect.do)}{tried}",
            mend=Mend("host", f"do it, then tick_run with effects_done [{effect.id!r}]"),
        )


def _stuck(run: Run, code: str, message: str, *, node: NodeId | None = None, mend: Mend | None = None) -> FindingRow:
    mend = mend or MENDS[code]
    return FindingRow(
        code=code,
        severity="warning",
        run_id=run.state.run_id,
        node_id=node,
        message=message if node is None else f"node {shown(node)!r}: {message}",
        mended_by=mend.by,
        how=mend.how,
    )


def _named(ids: list[NodeId]) -> str:
    return ", ".join(shown(one) for one in ids[:3]) + (f" and {len(ids) - 3} more" if ids[3:] else "") or "nothing"


def _past_s(at: str, now: datetime) -> float:
    """Seconds since a time; negative for one to come, and 0 for what is no time."""
    try:
        return (now - moment(at)).total_seconds()
    except ValueError:
        return 0.0


def _is_ahead(at: str, now: datetime) -> bool:
    return -_past_s(at, now) > CLOCK_AHEAD_S_MAX
