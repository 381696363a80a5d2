"""Cancelling and retrying tasks."""

from typing import Final

from .. import clock
from ..core.commands import CancelTask, Control
from ..core.decide import needs_person
from ..core.run import Run
from ..core.tasks import public_status
from ..errors import NotFound, RevisionConflict
from ..registry import Outcome
from . import fields
from .acting import acting
from .answers import Mutated, NextStep, mutated, next_calls, step
from .approvals import JUDGED_AGAIN_MAX, Consent, consent, question_of
from .caller import Caller
from .lookup import change_run, open_run
from .table import Operation, Request, Result
from .task_ids import TaskIdField, existing_task
from .task_rows import Task, task_of

_TERMINAL: Final = "Task is already terminal."


class CancelTaskRequest(Request):
    """Cancel one queued or running task; its run's other nodes go on. A task made by create_task takes its run along.
    found: false and cancelled: false are answers, not errors: an end that was reached is never changed."""

    task_id: TaskIdField
    reason: fields.Message | None = None


class CancelTaskResult(Result):
    """Whether there was such a task, whether it was cancelled, and why not."""

    found: bool
    cancelled: bool
    reason: str | None = None
    task: Task | None = None
    run_status: str | None = None
    rev: int | None = None
    became_ready: tuple[str, ...] | None = None
    warnings: tuple[str, ...] = ()
    next: tuple[NextStep, ...] = ()


def _cancel_task(caller: Caller, request: CancelTaskRequest) -> CancelTaskResult:
    try:
        run_id, node_id = existing_task(caller.registry, request.task_id)
        run = open_run(caller, run_id).run
    except NotFound as failure:
        calls = tuple(NextStep.of(call) for call in failure.next[:3])
        return CancelTaskResult(found=False, cancelled=False, reason=failure.message, next=calls)
    if not run.node(node_id).is_open:
        return _left(run, node_id, _TERMINAL)  # in the archive too, where nothing can be changed
    command = CancelTask(actor=acting(caller), node_id=node_id, message=request.reason)
    for judged in range(1, JUDGED_AGAIN_MAX + 1):
        # Where a person decides, it is about the very run they were asked about.
        rev = run.log.state_rev if needs_person(run, command) else None
        given = _judged(caller, run, command, request)
        if not given.is_given:
            return _left(run, node_id, "The person did not agree.")
        try:
            decided = CancelTask(actor=given.actor, node_id=node_id, message=given.message)
            outcome = change_run(caller, run_id, decided, expected_rev=rev)
        except RevisionConflict:
            if judged == JUDGED_AGAIN_MAX:
                raise
            run = open_run(caller, run_id).run
            continue
        return _cancelled(caller, outcome, node_id, given)
    raise AssertionError("the loop returns or raises")


def _judged(caller: Caller, run: Run, command: CancelTask, request: CancelTaskRequest) -> Consent:
    """On whose word: an approval is a person's to end."""
    node = run.state.nodes.get(command.node_id)
    if node is None or not node.is_open:
        return Consent(command.actor, command.message)
    question = question_of(
        "Cancel the approval at",
        run=run,
        node_id=command.node_id,
        message=request.reason,
        yes="cancel it",
        no="keep it",
    )
    return consent(caller, run, command, question, message=request.reason)


def _left(run: Run, node_id: str, reason: str) -> CancelTaskResult:
    return CancelTaskResult(
        found=True,
        cancelled=False,
        reason=reason,
        task=task_of(run.state, run.node(node_id)),
        run_status=run.state.status,
        rev=run.log.state_rev,
    )


def _cancelled(caller: Caller, outcome: Outcome, node_id: str, given: Consent) -> CancelTaskResult:
    run = outcome.run
    if outcome.answer.get("cancelled") is not True:
        return _left(run, node_id, _TERMINAL)
    return CancelTaskResult(
        found=True,
        cancelled=True,
        task=task_of(run.state, run.node(node_id)),
        run_status=run.state.status,
        rev=outcome.rev,
        became_ready=outcome.became_ready,
        warnings=(*outcome.warnings, *given.warnings),
        next=next_calls(run, caller, now=clock.now()),
    )


CANCEL_TASK = Operation(
    name="cancel_task",
    request=CancelTaskRequest,
    result=CancelTaskResult,
    toolset="tasks",
    read_only=False,
    destructive=True,
    run=_cancel_task,
)


class RetryTaskRequest(Request):
    """Retry a failed task: queue it again for its agent. Up to 3 times; force goes beyond. What was cancelled with its
    run stays so."""

    task_id: TaskIdField
    reason: fields.Message | None = None
    force: bool = False


class RetryTaskResult(Mutated):
    """The task as it waits again."""

    task_id: str
    run_id: str
    node_id: str
    status: str
    retry_count: int
    max_retries: int
    task: Task


def _retry_task(caller: Caller, request: RetryTaskRequest) -> RetryTaskResult:
    run_id, node_id = existing_task(caller.registry, request.task_id)
    command = Control(
        actor=acting(caller),
        action="retry",
        control_id=clock.fresh_id("control"),
        node_id=node_id,
        message=request.reason,
        force=request.force,
    )
    outcome = change_run(caller, run_id, command)
    run, node = outcome.run, outcome.run.node(node_id)
    task = task_of(run.state, node)
    next_step = step("claim_node", {"agent_id": node.agent_id}, "what its agent calls to take it")
    return RetryTaskResult.model_validate(
        mutated(
            outcome,
            caller,
            task_id=task.task_id,
            run_id=run_id,
            node_id=node_id,
            status=public_status(node),
            retry_count=node.retry_count,
            max_retries=run.plan.retry_of(node_id).max_retries,
            task=task,
            **({"next": (next_step,)} if node.agent_id is not None else {}),
        )
    )


RETRY_TASK = Operation(
    name="retry_task",
    request=RetryTaskRequest,
    result=RetryTaskResult,
    toolset="tasks",
    read_only=False,
    run=_retry_task,
)
