"""Starting a run: from a workflow's file, from its text, or from one sentence."""

import json
from typing import Final

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import to_json

from .. import clock
from ..core.commands import CreateRun
from ..core.inputs import bind_inputs, fill
from ..core.limits import PROMPT_BYTES_MAX
from ..core.names import ID_MAX, NodeId, own_session_key, short_hash, shown
from ..core.patch import to_document
from ..core.record import Bag, Json
from ..core.run import DeliveryContext, Run
from ..core.workflow import WORK_KINDS, Driver, NodeDefinition, Workflow
from ..errors import HOST, InvalidRequest, LimitExceeded, NextCall
from ..formats.workflow_file import require_workflow
from .acting import request_key
from .answers import Mutated, NextStep, counts, cut, fit, mutated, next_calls, open_first, step
from .caller import Caller
from .fields import AgentId, Delivery, RequestId, RunId, SessionKey, Tags
from .table import Operation, Request, Result
from .workflow_sources import exactly_one, source_of

TASK: Final = "task"
"""The workflow id of a run that was made from one sentence; its only node is `work`."""

_TITLE_CHARS: Final = 80
_SUFFIX_CHARS: Final = 20
"""Room that a made run id needs behind its prefix."""


class ScaffoldRunRequest(Request):
    """Start (create, begin, launch) a run: a durable job that survives restarts. Give exactly one of
    workflow_path, workflow_text (Markdown with YAML front matter) or task_text (one step). Returns the
    ready nodes and the next call. Repeating it with the same run_id or request_id returns the same run."""

    workflow_path: str | None = None
    workflow_text: str | None = None
    task_text: str | None = None
    run_id: RunId | None = None
    title: str | None = None
    inputs: Bag = Field(default_factory=dict)
    source_session_key: SessionKey | None = None
    delivery_context: Delivery | None = None
    tags: Tags = ()
    request_id: RequestId | None = None
    # For scripts: models have no use for these, and every word of a schema is paid for in each session.
    source_agent_id: SkipJsonSchema[AgentId | None] = None
    root_session_key: SkipJsonSchema[SessionKey | None] = None
    planner_session_key: SkipJsonSchema[SessionKey | None] = None
    driver_session_key: SkipJsonSchema[SessionKey | None] = None


class ScaffoldedNode(Result):
    """A node of the new run; `added` where the registry added it and not the author. `title` of what people decide."""

    node_id: str
    kind: str
    status: str
    needs: tuple[str, ...] | None = None
    agent_id: str | None = None
    added: bool | None = None
    title: str | None = None


class WakeUp(Result):
    """The cron job that wakes the run: when, in which session, under which name, and what it says.

    Without a session of the host's the run was begun in, the job belongs to whichever drives it.
    """

    cron: str
    session_target: str | None = None
    declaration_key: str
    message: str


class ScaffoldRunResult(Mutated):
    """The run as it begins, or as it stands where it was there already (`created` false)."""

    run_id: str
    created: bool
    repeated: bool | None = None
    status: str
    title: str
    run_dir: str
    counts: dict[str, int]
    nodes: tuple[ScaffoldedNode, ...]
    more_nodes: int | None = None
    driver: WakeUp | None = None


def _scaffold_run(caller: Caller, request: ScaffoldRunRequest) -> ScaffoldRunResult:
    exactly_one(
        "scaffold_run",
        workflow_path=request.workflow_path,
        workflow_text=request.workflow_text,
        task_text=request.task_text,
    )
    workflow = _workflow(caller, request)
    inputs = _inputs(request, workflow)
    command = CreateRun(
        run_id=_run_id(request, workflow),
        workflow=fill(workflow, inputs),
        actor=caller.actor,
        request=short_hash(to_json([to_document(workflow), inputs]).decode(), 32),
        title=shown(request.title, _TITLE_CHARS) if request.title else None,
        inputs=inputs,
        tags=request.tags,
        source_session_key=request.source_session_key,
        source_agent_id=request.source_agent_id,
        root_session_key=request.root_session_key,
        planner_session_key=request.planner_session_key,
        driver_session_key=request.driver_session_key,
        delivery_context=DeliveryContext.model_validate(request.delivery_context) if request.delivery_context else None,
    )
    outcome = caller.registry.create(command, request=request_key(request, request.request_id))
    run = outcome.run
    created = outcome.answer.get("created") is True
    driver = wake_up(run)
    ready = tuple(node.id for node in run.state.nodes.values() if node.status == "ready")
    beside = ScaffoldRunResult.model_validate(
        mutated(
            outcome,
            caller,
            run_id=run.state.run_id,
            created=created,
            repeated=True if outcome.repeated else None,
            status=run.state.status,
            title=run.state.title,
            run_dir=caller.registry.store.run_dir(run.state.run_id),
            counts=counts(run.state),
            nodes=(),
            driver=driver,
            became_ready=ready if created else (),
            next=_next(run, caller, driver if created else None),
        )
    )
    rows = _rows(run, written={node.id for node in workflow.nodes})
    kept = fit(rows, beside=beside, keep=30)
    return beside.model_copy(update={"nodes": kept, "more_nodes": len(rows) - len(kept) or None})


def _rows(run: Run, *, written: set[NodeId]) -> list[ScaffoldedNode]:
    return [
        ScaffoldedNode(
            node_id=node.id,
            kind=node.kind,
            status=node.status,
            needs=node.needs or None,
            agent_id=node.agent_id,
            added=True if node.id not in written else None,
            title=cut(node.title, _TITLE_CHARS) if node.kind == "approval" else None,
        )
        for node in open_first(run.state)
    ]


def _inputs(request: ScaffoldRunRequest, workflow: Workflow) -> dict[str, Json]:
    try:
        return bind_inputs(workflow.inputs, request.inputs)
    except InvalidRequest as refusal:
        given: Bag = {"workflow_path": request.workflow_path} if request.workflow_path else {}
        given = given or {"workflow_text": "<workflow_text>"}
        given |= {"run_id": request.run_id} if request.run_id else {}
        again = NextCall("scaffold_run", {**given, "inputs": refusal.details["inputs"]}, "starts it")
        raise InvalidRequest(refusal.message, hint=refusal.hint, next=(again,), **refusal.details) from None


def _workflow(caller: Caller, request: ScaffoldRunRequest) -> Workflow:
    if request.task_text is not None:
        return task_workflow(request.task_text, title=request.title)
    source = source_of(caller, path=request.workflow_path, text=request.workflow_text)
    return require_workflow(source.text, source=source.name)


def task_workflow(text: str, *, title: str | None = None) -> Workflow:
    """A workflow of one node, `work`, that says what is to be done.

    Raises:
        InvalidRequest: there is no text.
        LimitExceeded: the text is longer than a prompt may be.
    """
    prompt = text.strip()
    if not prompt:
        raise InvalidRequest("task_text is empty", hint="say in a sentence or more what is to be done")
    size = len(prompt.encode())
    if size > PROMPT_BYTES_MAX:
        raise LimitExceeded("task_text", limit=PROMPT_BYTES_MAX, size=size)
    named = shown(title or prompt.partition("\n")[0].lstrip("# "), _TITLE_CHARS) or TASK
    node = NodeDefinition(id="work", title=named, kind="session_turn", prompt=prompt)
    return Workflow(workflow_id=TASK, title=named, nodes=(node,))


def _run_id(request: ScaffoldRunRequest, workflow: Workflow) -> str:
    if request.run_id is not None:
        return request.run_id
    prefix = workflow.workflow_id[: ID_MAX - _SUFFIX_CHARS].rstrip(".-_")
    if request.request_id is not None:
        # The same request makes the same id in every process, so that the folder's rename settles who was first.
        return f"{prefix}-{short_hash(request.request_id)}"
    return clock.fresh_id(prefix)


def wake_up(run: Run) -> WakeUp | None:
    """The cron job a run wants; None where nothing in it ends by time or by somebody else's doing."""
    plan, state = run.plan, run.state
    if plan.driver is None and not any(
        _wants_waking(node, plan.retry_of(node.id).backoff_seconds) for node in plan.nodes.values()
    ):
        return None
    call = json.dumps({"run_id": state.run_id})
    own = state.driver_session_key == own_session_key(state.source_agent_id, state.run_id)
    return WakeUp(
        cron=(plan.driver or Driver()).cron,
        session_target=None if own else f"session:{state.driver_session_key}",
        declaration_key=f"opentask:run:{state.run_id}",
        message=f"OpenTask: wake run {state.run_id}. Call tick_run {call} once and do what `next` says; "
        "if `next` is empty, end your turn.",
    )


def _wants_waking(node: NodeDefinition, backoff_s: float) -> bool:
    return node.kind not in WORK_KINDS or node.deadline_seconds is not None or backoff_s > 0


def _next(run: Run, caller: Caller, driver: WakeUp | None) -> tuple[NextStep, ...]:
    calls = next_calls(run, caller, now=clock.now(), limit=3)
    if driver is None or run.state.cron_job_id:
        return calls
    job: Bag = {"declaration_key": driver.declaration_key, "cron": driver.cron}
    if driver.session_target is not None:
        job["session_target"] = driver.session_target
    bind: Bag = {"run_id": run.state.run_id, "cron_job_id": "<id of the job>"}
    return (
        *calls,
        step(HOST, job, "where you have a cron tool: make the job that `driver` describes"),
        step("bind_session", bind, "after the job was made, so that pause and end can change it"),
    )


SCAFFOLD_RUN = Operation(
    name="scaffold_run",
    request=ScaffoldRunRequest,
    result=ScaffoldRunResult,
    toolset="core",
    read_only=False,
    run=_scaffold_run,
)
