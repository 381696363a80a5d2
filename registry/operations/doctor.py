"""Looking over all runs for damage and stuck work, page by page; nothing is changed."""

from itertools import islice

from .. import clock
from ..core.names import RunId as RunIdText
from ..core.names import is_id
from ..errors import InvalidRequest, NextCall, NotFound
from ..storage.port import Store
from .answers import NextStep, fit, step
from .caller import Caller
from .fields import RunId
from .findings import FindingRow, findings_of, strays_of
from .lookup import KnownRun
from .table import Operation, Request, Result

_BYTES_A_PAGE = 64 << 20
"""Trails read for one page, so that an answer comes within seconds."""
_BYTES_A_RUN = 64 << 10
"""What a run costs beside its trail."""
_ROWS_MAX = 100
_CURSOR_CHARS = 200


class DoctorRequest(Request):
    """Check all runs for damage or stuck work; changes nothing."""

    run_id: RunId | None = None
    cursor: str | None = None


class DoctorResult(Result):
    """`ok` where nothing that was looked at is an error. With `next_cursor`, ask on for the runs behind."""

    ok: bool
    runs_checked: int
    errors: int
    warnings: int
    findings: tuple[FindingRow, ...]
    more_findings: int
    next_cursor: str | None = None
    next: tuple[NextStep, ...]


def _doctor(caller: Caller, request: DoctorRequest) -> DoctorResult:
    store = caller.registry.store
    if request.run_id is not None:
        with KnownRun(caller.registry, request.run_id):
            rows = findings_of(store, request.run_id, now=clock.now())
        return _answer(rows, checked=1)
    after = _after(request.cursor)
    rows = [] if after is not None else strays_of(store)
    return _over_runs(store, rows, after)


def _after(cursor: str | None) -> RunIdText | None:
    if cursor is None or is_id(cursor):
        return cursor
    raise InvalidRequest(
        "cursor is not one that an answer gave",
        hint="send next_cursor as it came, or start over without cursor",
        next=(NextCall("doctor", {}, "starts over"),),
    )


def _over_runs(store: Store, rows: list[FindingRow], after: RunIdText | None) -> DoctorResult:
    """As many runs as a page has room and time for, by their ids."""
    ids = sorted(run_id for run_id in store.run_ids() if after is None or run_id > after)
    checked, spent, answer = 0, 0, None
    for run_id in ids:
        mark = store.log_mark(run_id)
        spent += _BYTES_A_RUN + (mark[0] if mark is not None else 0)
        if checked and spent > _BYTES_A_PAGE:
            break
        try:
            found = findings_of(store, run_id, now=clock.now())
        except NotFound:
            found = []  # moved away while we looked
        if found:
            grown = _answer([*rows, *found], checked=checked + 1)
            if grown.more_findings and rows:
                break
            rows, answer = [*rows, *found], grown
        checked, after = checked + 1, run_id
        if answer is not None and answer.more_findings:
            break
    more = checked < len(ids)
    return _answer(rows, checked=checked, cursor=after if more else None)


def _answer(rows: list[FindingRow], *, checked: int, cursor: str | None = None) -> DoctorResult:
    errors = sum(1 for row in rows if row.severity == "error")
    beside = DoctorResult(
        ok=not errors,
        runs_checked=checked,
        errors=errors,
        warnings=len(rows) - errors,
        findings=(),
        more_findings=len(rows),
        next_cursor=cursor,
        next=_calls(rows, cursor),
    )
    kept = fit(rows, beside=beside, limit=_ROWS_MAX, keep=_CURSOR_CHARS)
    return beside.model_copy(update={"findings": kept, "more_findings": len(rows) - len(kept)})


def _calls(rows: list[FindingRow], cursor: str | None) -> tuple[NextStep, ...]:
    calls = [step("doctor", {"cursor": cursor}, "looks at the runs behind these")] if cursor is not None else []
    runs = dict.fromkeys(row.run_id for row in rows if row.run_id and row.mended_by == "repair_run")
    calls += [
        step("repair_run", {"run_id": run_id}, "mends what is named; every byte that is replaced is kept")
        for run_id in islice(runs, 3)
    ]
    held = [row for row in rows if row.mended_by == "request_control" and row.node_id and row.run_id]
    calls += [
        step(
            "request_control",
            {"run_id": row.run_id, "action": "release", "node_id": row.node_id},
            "if its worker is known to be dead",
        )
        for row in held[:2]
    ]
    return tuple(calls)


DOCTOR = Operation(
    name="doctor",
    request=DoctorRequest,
    result=DoctorResult,
    toolset="admin",
    read_only=True,
    idempotent=True,
    run=_doctor,
)
