"""Changing flows: children linked, the flow's own status moved at a known revision, cancels.

A refusal that a controller has to expect is an answer, `applied: false` with its code.
"""

from typing import Annotated, Final, Literal

from .. import clock
from ..core.commands import FlowAction
from ..core.flow import ChildRuntime
from ..core.record import Bag, Json
from ..core.run import NodeState
from ..errors import InvalidRequest, NextCall
from ..flow_answers import FlowUpdated, FlowView
from ..flow_arguments import TAKES, useless
from ..registry import Outcome
from . import fields
from .answers import EffectRow, NextStep, effects_view, next_calls, step
from .caller import Caller
from .fit import ROWS_DEFAULT, fit
from .flow_fields import CLEARED_BY_NULL, Own, Revision, TaskRef
from .flow_rows import FlowRow, flow_row, whole_row
from .flows import claimable_of, flows_of
from .table import Operation, Request, Result
from .task_rows import Task, task_of
from .times import Time

_SAID: Final = {
    "not_found": "no such flow",
    "not_managed": "the run is no flow: no controller plans it",
    "revision_conflict": "the flow has moved on since; decide anew on `current`",
    "already_terminal": "the flow has ended; only resume with reopen: true opens one that succeeded or failed",
    "persist_failed": "the change could not be written and was undone",
}


class _Changed(Result):
    """What every answer about a flow that is there ends with."""

    told_last = ("run_status", "rev", "became_ready", "effects", "warnings", "next")

    run_status: str | None = None
    rev: int | None = None
    became_ready: tuple[str, ...] | None = None
    effects: tuple[EffectRow, ...] | None = None
    warnings: tuple[str, ...]
    next: tuple[NextStep, ...]


def _ending(outcome: Outcome | None, caller: Caller) -> dict[str, object]:
    if outcome is None or outcome.run.state.flow is None:
        return {"warnings": outcome.warnings if outcome else (), "next": (step("list_flows", {}, "all flows"),)}
    run = outcome.run
    return {
        "run_status": run.state.status,
        "rev": outcome.rev,
        "became_ready": claimable_of(outcome),
        "effects": effects_view(run) or None,
        "warnings": outcome.warnings,
        "next": next_calls(run, caller, now=clock.now(), shows=("effects",)),
    }


def _hidden(caller: Caller) -> dict[str, object]:
    """The end of an answer that must not tell of a flow."""
    return _ending(None, caller)


class RunFlowTaskRequest(Request):
    """Link a child task (subagent, acp, cli, cron) to a flow as a node; it does not start it. Report how it goes with
    append_event (node.started, node.completed, node.failed, session.gone), without a fence."""

    flow_id: fields.RunId
    runtime: ChildRuntime
    task: fields.Content
    owner_key: fields.SessionKey | None = None
    child_session_key: fields.SessionKey | None = None
    parent_task_id: TaskRef | None = None
    agent_id: fields.AgentId | None = None
    worker_run_id: fields.OutsideId | None = None
    label: fields.OutsideId | None = None
    status: Literal["queued", "running"] = "queued"
    started_at: Time | None = None
    last_event_at: Time | None = None
    progress_summary: fields.Message | None = None


class RunFlowTaskResult(_Changed):
    """The child that was linked; or why not, with the one that was linked before where it is the same work."""

    created: bool
    found: bool
    reason: str | None = None
    flow: FlowRow | None = None
    task: Task | None = None


def _run_flow_task(caller: Caller, request: RunFlowTaskRequest) -> RunFlowTaskResult:
    linked = flows_of(caller, request.owner_key).run_task(
        request.flow_id,
        runtime=request.runtime,
        task=request.task,
        child_session_key=request.child_session_key,
        parent_task_id=request.parent_task_id,
        agent_id=request.agent_id,
        run_id=request.worker_run_id,
        label=request.label,
        status=request.status,
        started_at=request.started_at,
        last_event_at=request.last_event_at,
        progress_summary=request.progress_summary,
    )
    ending = _ending(linked.outcome, caller) if linked.flow is not None else _hidden(caller)
    if linked.created and linked.task is not None:
        ending["next"] = (*_reports(request.flow_id, linked.task), *_steps(ending))[:5]
    return RunFlowTaskResult.model_validate(
        {
            "created": linked.created,
            "found": linked.found,
            "reason": linked.reason,
            "flow": flow_row(linked.flow) if linked.flow is not None else None,
            "task": task_of(linked.flow.state, linked.task) if linked.flow and linked.task else None,
            **ending,
        }
    )


def _reports(flow_id: str, task: NodeState) -> list[NextStep]:
    at: Bag = {"run_id": flow_id, "node_id": task.id}
    started = step("append_event", {**at, "event": "node.started"}, "once it has begun")
    ended = step(
        "append_event",
        {**at, "event": "node.completed", "message": "<what came of it>"},
        "once it has ended; node.failed with a message where it failed",
    )
    return [ended] if task.status == "running" else [started, ended]


def _steps(ending: dict[str, object]) -> tuple[NextStep, ...]:
    steps = ending["next"]
    return tuple(one for one in steps if isinstance(one, NextStep)) if isinstance(steps, tuple) else ()


class UpdateFlowRequest(Request):
    """Change a flow at a known revision: set_waiting (blocked with a blocked field), resume, finish, fail,
    request_cancel. Omitted keeps, null clears. A stale revision is applied: false with the current flow."""

    flow_id: fields.RunId
    action: FlowAction
    expected_revision: Revision
    owner_key: fields.SessionKey | None = None
    status: Literal["queued", "running"] | None = None
    current_step: Annotated[fields.Message | None, CLEARED_BY_NULL] = None
    state: Annotated[Own | None, CLEARED_BY_NULL] = None
    wait: Annotated[Own | None, CLEARED_BY_NULL] = None
    blocked_task_id: Annotated[TaskRef | None, CLEARED_BY_NULL] = None
    blocked_summary: Annotated[fields.Message | None, CLEARED_BY_NULL] = None
    reopen: bool = False


class UpdateFlowResult(_Changed):
    """The flow as it is now; or why it was not changed, with the flow as it stands."""

    applied: bool
    code: Literal["not_found", "not_managed", "revision_conflict", "already_terminal", "persist_failed"] | None = None
    reason: str | None = None
    flow: FlowRow | None = None
    current: FlowRow | None = None


def _update_flow(caller: Caller, request: UpdateFlowRequest) -> UpdateFlowResult:
    _check(request)
    given = request.model_fields_set
    changes: dict[str, Json] = {
        name: value
        for name, asked, value in (
            ("current_step", "current_step", request.current_step),
            ("state_json", "state", request.state),
            ("wait_json", "wait", request.wait),
            ("blocked_task_id", "blocked_task_id", request.blocked_task_id),
            ("blocked_summary", "blocked_summary", request.blocked_summary),
        )
        if asked in given
    }
    updated = flows_of(caller, request.owner_key).update(
        request.flow_id,
        request.action,
        expected_revision=request.expected_revision,
        changes=changes,
        status=request.status or "queued",
        reopen=request.reopen,
    )
    ending = _hidden(caller) if updated.code == "not_found" else _ending(updated.outcome, caller)
    beside = UpdateFlowResult.model_validate(
        {
            "applied": updated.applied,
            "code": updated.code,
            "reason": updated.reason or _reason(request, updated),
            "flow": flow_row(updated.flow) if updated.flow is not None else None,
            "current": flow_row(updated.current) if updated.current is not None else None,
            **ending,
        }
    )
    return _with_state(beside, updated)


def _reason(request: UpdateFlowRequest, updated: FlowUpdated) -> str | None:
    at = updated.current.flow.revision if updated.current is not None else None
    if updated.code == "revision_conflict" and at is not None and at < request.expected_revision:
        return f"the flow has not come to revision {request.expected_revision}, it is at {at}; decide on `current`"
    return _SAID[updated.code] if updated.code else None


def _with_state(beside: UpdateFlowResult, updated: FlowUpdated) -> UpdateFlowResult:
    """The answer with the controller's own state; of one that was refused, so that it need not ask again."""
    view: FlowView | None = updated.flow or updated.current
    if view is None:
        return beside
    name = "flow" if updated.flow is not None else "current"
    row, rest = whole_row(view, beside=beside)
    return beside.model_copy(update={name: row, "next": (*beside.next, *rest)})


def _check(request: UpdateFlowRequest) -> None:
    """Refuse what the action has no use for."""
    given = request.model_fields_set - {"flow_id", "action", "expected_revision", "owner_key"}
    if not request.reopen:
        given -= {"reopen"}
    fault = useless(request.action, given, frozenset(name.removesuffix("_json") for name in TAKES[request.action]))
    if fault is None:
        return
    again: Bag = {
        "flow_id": request.flow_id, "action": request.action, "expected_revision": request.expected_revision
    }  # fmt: skip
    raise InvalidRequest(fault, hint="nothing was changed", next=(NextCall("update_flow", again),))


class CancelFlowRequest(Request):
    """Cancel a flow: asks its active children to stop; cancelled: false until the last has ended, which ends the
    flow by itself."""

    flow_id: fields.RunId
    owner_key: fields.SessionKey | None = None


class CancelFlowResult(_Changed):
    """Whether the flow is cancelled now; `tasks` are the children that were active."""

    found: bool
    cancelled: bool
    reason: str | None = None
    flow: FlowRow | None = None
    tasks: tuple[Task, ...] | None = None


def _cancel_flow(caller: Caller, request: CancelFlowRequest) -> CancelFlowResult:
    done = flows_of(caller, request.owner_key).cancel(request.flow_id)
    ending = _ending(done.outcome, caller) if done.flow is not None else _hidden(caller)
    beside = CancelFlowResult.model_validate(
        {
            "found": done.found,
            "cancelled": done.cancelled,
            "reason": done.reason,
            "flow": flow_row(done.flow) if done.flow is not None else None,
            **ending,
        }
    )
    if done.flow is None or not done.tasks:
        return beside
    rows = [task_of(done.flow.state, node) for node in done.tasks]
    return beside.model_copy(update={"tasks": fit(rows, beside=beside, limit=ROWS_DEFAULT)})


RUN_FLOW_TASK = Operation(
    name="run_flow_task",
    request=RunFlowTaskRequest,
    result=RunFlowTaskResult,
    toolset="flows",
    read_only=False,
    run=_run_flow_task,
)
UPDATE_FLOW = Operation(
    name="update_flow",
    request=UpdateFlowRequest,
    result=UpdateFlowResult,
    toolset="flows",
    read_only=False,
    run=_update_flow,
)
CANCEL_FLOW = Operation(
    name="cancel_flow",
    request=CancelFlowRequest,
    result=CancelFlowResult,
    toolset="flows",
    read_only=False,
    destructive=True,
    run=_cancel_flow,
)
