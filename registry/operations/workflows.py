"""Finding workflow definitions, and saying what is wrong with one."""

from ..core.names import is_id, short_hash
from ..core.record import Bag
from ..core.workflow import Workflow
from ..errors import Fault, InvalidRequest, NextCall
from ..formats.workflow_file import read_workflow
from .answers import NextStep, fit, step
from .caller import Caller
from .cursors import cursor_place, cursor_text
from .fields import Limit
from .table import Operation, Request, Result
from .workflow_sources import InputRow, exactly_one, input_rows, inputs_to_fill, readings, source_of

_FAULTS_SHOWN = 100


class ListWorkflowsRequest(Request):
    """List or find reusable workflow definitions (templates) that scaffold_run can start: id, path,
    title, node count, inputs."""

    text: str | None = None
    limit: Limit = 20
    cursor: str | None = None


class WorkflowRow(Result):
    """A definition. One with faults has no id or title to rely on; validate_workflow tells them."""

    path: str
    workflow_id: str | None = None
    title: str | None = None
    node_count: int | None = None
    inputs: tuple[InputRow, ...] | None = None
    faults: int | None = None


class ListWorkflowsResult(Result):
    """A page of definitions, by path."""

    workflows: tuple[WorkflowRow, ...]
    next_cursor: str | None = None
    next: tuple[NextStep, ...]


def _list_workflows(caller: Caller, request: ListWorkflowsRequest) -> ListWorkflowsResult:
    registry = caller.registry
    wanted = request.text.casefold() if request.text else ""
    after = _read_cursor(request.cursor, wanted) if request.cursor else ""
    paths = [path for path, _ in registry.definitions.paths() if path > after]
    rows: list[WorkflowRow] = []
    sound: list[tuple[str, Workflow]] = []
    for definition, reading in readings(registry, paths):
        path, workflow = definition.path, reading.workflow
        row = WorkflowRow(path=path, faults=len(reading.faults) or None)
        if workflow is not None and not reading.faults:
            row = WorkflowRow(
                path=path,
                workflow_id=workflow.workflow_id,
                title=workflow.title,
                node_count=len(workflow.nodes),
                inputs=input_rows(workflow) or None,
            )
        if wanted and not any(wanted in part.casefold() for part in (row.path, row.workflow_id or "", row.title or "")):
            continue
        rows.append(row)
        if workflow is not None and not reading.faults:
            sound.append((path, workflow))
        if len(rows) > request.limit:
            break
    beside = ListWorkflowsResult(workflows=(), next=_next(rows, sound))
    kept = fit(rows, beside=beside, limit=request.limit, keep=200)
    more = len(rows) > len(kept)
    return beside.model_copy(
        update={"workflows": kept, "next_cursor": _cursor(kept[-1].path, wanted) if more else None}
    )


def _start(sound: list[tuple[str, Workflow]]) -> NextStep:
    """The call that starts the only workflow there is to start, or the one that the caller chooses."""
    args: Bag = {"workflow_path": "<path of the one that fits>", "inputs": "<its inputs>"}
    why = "starts a run of the one that fits; none does: task_text, or workflow_text of your own"
    if len(sound) == 1:
        ((path, workflow),) = sound
        inputs = inputs_to_fill(workflow)
        args = {"workflow_path": path, **({"inputs": inputs} if inputs else {})}
        why = "starts a run of it"
    return step("scaffold_run", args, why)


def _next(rows: list[WorkflowRow], sound: list[tuple[str, Workflow]]) -> tuple[NextStep, ...]:
    calls = [_start(sound)] if sound else []
    faulty = next((row.path for row in rows if row.faults), None)
    if faulty is not None:
        calls.append(step("validate_workflow", {"workflow_path": faulty}, "tells what is wrong with it"))
    if not rows:
        text = step("scaffold_run", {"task_text": "<what is to be done>"}, "no such workflow; a task needs none")
        calls.append(text)
    return tuple(calls)


def _cursor(path: str, wanted: str) -> str:
    return cursor_text([path, short_hash(wanted, 8)])


def _read_cursor(cursor: str, wanted: str) -> str:
    path, made_with = cursor_place(cursor, length=2) or ("", "")
    if made_with != short_hash(wanted, 8):
        raise InvalidRequest(
            "cursor is not one that this list gave",
            hint="send next_cursor as it came, with the same text; or start over without cursor",
            next=(NextCall("list_workflows", {}, "starts over"),),
        )
    return str(path)


LIST_WORKFLOWS = Operation(
    name="list_workflows",
    request=ListWorkflowsRequest,
    result=ListWorkflowsResult,
    toolset="core",
    read_only=True,
    idempotent=True,
    run=_list_workflows,
)


class ValidateWorkflowRequest(Request):
    """Check (validate, lint) a workflow file or text before running it; gives every fault with line
    and mend. scaffold_run checks too."""

    workflow_path: str | None = None
    workflow_text: str | None = None


class FaultRow(Result):
    """A fault: where (file:line:column), what is so, and what to do."""

    where: str
    message: str
    mend: str | None = None


class ValidateWorkflowResult(Result):
    """`ok` where scaffold_run would take it; warnings do not hinder it."""

    ok: bool
    workflow_id: str | None = None
    title: str | None = None
    node_count: int | None = None
    inputs: tuple[InputRow, ...] | None = None
    faults: tuple[FaultRow, ...]
    more_faults: int
    warnings: tuple[FaultRow, ...]
    next: tuple[NextStep, ...]


def _validate_workflow(caller: Caller, request: ValidateWorkflowRequest) -> ValidateWorkflowResult:
    exactly_one("validate_workflow", workflow_path=request.workflow_path, workflow_text=request.workflow_text)
    source = source_of(caller, path=request.workflow_path, text=request.workflow_text)
    registry = caller.registry
    reading = read_workflow(
        source.text,
        source=source.name,
        existing_runs=lambda run_id: is_id(run_id) and registry.log_mark(run_id) is not None,
        root=str(registry.root),
    )
    workflow = reading.workflow if not reading.faults else None
    named: Bag = (
        {"workflow_path": source.name} if request.workflow_path is not None else {"workflow_text": "<the same text>"}
    )
    calls: tuple[NextStep, ...] = ()
    if workflow is not None:
        inputs = inputs_to_fill(workflow)
        calls = (step("scaffold_run", {**named, "inputs": inputs} if inputs else named, "starts a run of it"),)
    beside = ValidateWorkflowResult(
        ok=not reading.faults,
        workflow_id=workflow.workflow_id if workflow else None,
        title=workflow.title if workflow else None,
        node_count=len(workflow.nodes) if workflow else None,
        inputs=input_rows(workflow) or None if workflow else None,
        faults=(),
        more_faults=len(reading.faults),
        warnings=(),
        next=calls,
    )
    faults = fit([_row(fault) for fault in reading.faults], beside=beside, limit=_FAULTS_SHOWN)
    beside = beside.model_copy(update={"faults": faults, "more_faults": len(reading.faults) - len(faults)})
    return beside.model_copy(update={"warnings": fit([_row(fault) for fault in reading.warnings], beside=beside)})


def _row(fault: Fault) -> FaultRow:
    place = f"{fault.source}:{fault.line}:{fault.column}" if fault.line else fault.source
    return FaultRow(where=place, message=fault.message, mend=fault.mend or None)


VALIDATE_WORKFLOW = Operation(
    name="validate_workflow",
    request=ValidateWorkflowRequest,
    result=ValidateWorkflowResult,
    toolset="core",
    read_only=True,
    idempotent=True,
    run=_validate_workflow,
)
