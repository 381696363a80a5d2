"""Finding runs: one page of those that fit, newest first."""

from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from .. import clock
from ..core.names import iso
from .answers import NextStep, fit, step
from .caller import Caller
from .fields import AgentId, Limit, SessionKey, WorkflowId
from .run_lists import (
    STATUS_WORDS,
    RunFilters,
    RunRow,
    cursor_of,
    page_of,
    read_cursor,
    run_row,
)
from .status_words import ONE_OR_MORE, require_known
from .table import Operation, Request, Result
from .times import Time


def _statuses(value: tuple[str, ...]) -> tuple[str, ...]:
    rule = "it must be open, all, draft, running, paused, completed, failed, cancelled or archived"
    return require_known(value, STATUS_WORDS, rule=rule)


Statuses = Annotated[tuple[str, ...], AfterValidator(_statuses), WithJsonSchema(ONE_OR_MORE)]


class ListRunsRequest(Request):
    """List or find runs: what is open, paused, failed or waiting for a person. Call it first, to
    resume after a restart. Newest first; open = running or paused; archived = put away, done."""

    status: Statuses = ()
    workflow_id: WorkflowId | None = None
    agent_id: AgentId | None = None
    session_key: SessionKey | None = None
    text: str | None = None
    changed_since: Time | None = None
    limit: Limit = 20
    cursor: str | None = None


class ListRunsResult(Result):
    """A page of runs. Send `as_of` as `changed_since` to learn what changed after this answer."""

    runs: tuple[RunRow, ...]
    next_cursor: str | None = None
    as_of: str
    warnings: tuple[str, ...] | None = None
    next: tuple[NextStep, ...]


def _list_runs(caller: Caller, request: ListRunsRequest) -> ListRunsResult:
    now = clock.now()
    filters = RunFilters(
        status=tuple(sorted(request.status)),
        workflow_id=request.workflow_id,
        agent_id=request.agent_id,
        session_key=request.session_key,
        text=request.text,
        changed_since=request.changed_since,
    )
    after = read_cursor(request.cursor, filters, tool="list_runs") if request.cursor else None
    page = page_of(caller.registry, filters, after=after, limit=request.limit)
    rows = [run_row(run, now=now) for run in page.runs[: request.limit]]
    calls = tuple(_go_on(row) for row in rows if row.status in {"running", "paused", "failed"})[:3]
    if not rows and after is None:
        calls = (step("list_workflows", {}, "no such run; scaffold_run starts one"),)
    beside = ListRunsResult(runs=(), as_of=iso(now), warnings=page.notices or None, next=calls)
    kept = fit(rows, beside=beside, limit=request.limit, keep=200)
    more = len(page.runs) > len(kept)
    return beside.model_copy(
        update={"runs": kept, "next_cursor": cursor_of(page.runs[len(kept) - 1], filters) if more else None}
    )


def _go_on(row: RunRow) -> NextStep:
    return step("get_run", {"run_id": row.run_id}, f"it is {row.status}; shows what to do next")


LIST_RUNS = Operation(
    name="list_runs",
    request=ListRunsRequest,
    result=ListRunsResult,
    toolset="core",
    read_only=True,
    idempotent=True,
    run=_list_runs,
)
