"""Proving that a run's files are what its trail says."""

from typing import Literal

from .answers import NextStep, fit, step
from .caller import Caller
from .fields import RunId
from .lookup import KnownRun
from .table import Operation, Request, Result


class ValidateRunRequest(Request):
    """Validate a run: prove that its state equals its trail. Judges the files as they lie and changes nothing."""

    run_id: RunId


class ProblemRow(Result):
    """A finding: an error breaks a promise of the registry, a warning does not."""

    code: str
    severity: Literal["error", "warning"]
    message: str
    where: str | None = None


class ValidateRunResult(Result):
    """`ok` where no finding is an error."""

    run_id: str
    ok: bool
    errors: int
    warnings: int
    problems: tuple[ProblemRow, ...]
    more_problems: int
    next: tuple[NextStep, ...]


def _validate_run(caller: Caller, request: ValidateRunRequest) -> ValidateRunResult:
    registry = caller.registry
    with KnownRun(registry, request.run_id):
        found = registry.store.validate(request.run_id)
    problems = [
        ProblemRow(
            code=one.code,
            severity="warning" if one.severity == "warning" else "error",
            message=one.message,
            where=one.where or None,
        )
        for one in found
    ]
    problems.sort(key=lambda one: one.severity)
    errors = sum(1 for one in problems if one.severity == "error")
    beside = ValidateRunResult(
        run_id=request.run_id,
        ok=not errors,
        errors=errors,
        warnings=len(problems) - errors,
        problems=(),
        more_problems=len(problems),
        next=_next(request.run_id, has_errors=bool(errors)),
    )
    kept = fit(problems, beside=beside, limit=100)
    return beside.model_copy(update={"problems": kept, "more_problems": len(problems) - len(kept)})


def _next(run_id: str, *, has_errors: bool) -> tuple[NextStep, ...]:
    if not has_errors:
        return (step("get_run", {"run_id": run_id}, "the trail and the files agree; go on"),)
    return (
        step("get_run", {"run_id": run_id}, "shows the run as far as it can be read"),
        step("repair_run", {"run_id": run_id}, "mends it and keeps every byte"),
    )


VALIDATE_RUN = Operation(
    name="validate_run",
    request=ValidateRunRequest,
    result=ValidateRunResult,
    toolset="admin",
    read_only=True,
    idempotent=True,
    run=_validate_run,
)
