"""Mending a run: its trail, what time has brought, and the files around it."""

from collections.abc import Iterable, Iterator

from .. import clock
from .answers import NextStep, fit, step
from .caller import Caller
from .fields import RunId
from .findings import FindingRow, findings_of
from .lookup import KnownRun
from .table import Operation, Request, Result

_TOLD_MAX = 30
_PLACES_NAMED = 5


class RepairRunRequest(Request):
    """Mend what doctor reported for a run; keeps what it replaces."""

    run_id: RunId


class RepairRunResult(Result):
    """`mended` tells what was done, `left` what others have to do. `ok` where nothing left is an error."""

    run_id: str
    run_status: str
    rev: int
    ok: bool
    mended: tuple[str, ...]
    left: tuple[FindingRow, ...]
    more_left: int
    next: tuple[NextStep, ...]


def _repair_run(caller: Caller, request: RepairRunRequest) -> RepairRunResult:
    registry, run_id = caller.registry, request.run_id
    wait_s = registry.settings.lock_wait_s
    with KnownRun(registry, run_id):
        before = findings_of(registry.store, run_id, now=clock.now())
        told = [*registry.store.care.restore(run_id, wait_s=wait_s)]
        outcome = registry.tick(run_id)
        told += [*outcome.warnings, *_ticked(outcome.run.state.status, len(outcome.events))]
        told += registry.store.care.tidy(run_id, wait_s=wait_s)
    left = findings_of(registry.store, run_id, now=clock.now())
    told += [*_in_silence(before, told, left)]
    run = registry.store.read(run_id).run
    ok = not any(row.severity == "error" for row in left)
    beside = RepairRunResult(
        run_id=run_id,
        run_status=run.state.status,
        rev=run.log.state_rev,
        ok=ok,
        mended=tuple(dict.fromkeys(told))[:_TOLD_MAX],
        left=(),
        more_left=len(left),
        next=(step("get_run", {"run_id": run_id}, "shows where the run stands now"),),
    )
    kept = fit(left, beside=beside, limit=50)
    return beside.model_copy(update={"left": kept, "more_left": len(left) - len(kept)})


def _in_silence(before: Iterable[FindingRow], told: list[str], left: Iterable[FindingRow]) -> Iterator[str]:
    """What is in order now and nothing was said of: the next change of a run puts much right by itself."""
    still = {(row.code, row.where) for row in left}
    settled: dict[str, list[str]] = {}
    for row in before:
        is_told = any(row.code in line or (row.where and row.where in line) for line in told)
        if not is_told and (row.code, row.where) not in still:
            settled.setdefault(row.code, []).append(row.where or "the run")
    for code, places in settled.items():
        yield f"{code}: {', '.join(dict.fromkeys(places[:_PLACES_NAMED]))} in order again"


def _ticked(status: str, events: int) -> tuple[str, ...]:
    return (f"ticked: what was due is recorded in {events} events; the run is {status}",) if events else ()


REPAIR_RUN = Operation(
    name="repair_run",
    request=RepairRunRequest,
    result=RepairRunResult,
    toolset="admin",
    read_only=False,
    idempotent=True,
    run=_repair_run,
)
