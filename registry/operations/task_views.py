"""One task in full: what it was to do, what came of it, and how."""

from typing import Final

from .. import clock
from ..core.record import Bag
from ..core.run import NodeState, Run, RunState
from ..core.tasks import params_path
from ..errors import NotFound
from .answers import ANSWER_CHARS_MAX, NextStep, chars, cut, next_calls
from .briefs import AttemptRow, attempts_of
from .caller import Caller
from .next_calls import retry_step
from .node_views import report_path
from .run_rows import EventRow, event_row
from .table import Operation, Request, Result
from .task_ids import TaskIdField, existing_task
from .task_rows import Task, task_fields

TEXT_CHARS: Final = 4_000
_HISTORY: Final = 20
_EVENTS_SEARCHED: Final = 200
_TEXT_CHARS_MIN: Final = 200


class TaskDetail(Task):
    """A task with its prompt and result; both are cut at 4,000 characters."""

    prompt: str | None = None
    result: str | None = None
    payload: Bag | None = None
    params: Bag | None = None
    params_path: str | None = None
    """Where params lie that are too long for an answer."""
    created_by: str | None = None
    report: str | None = None
    attempts: tuple[AttemptRow, ...] = ()
    history: tuple[EventRow, ...] = ()
    more_history: bool | None = None


class GetTaskRequest(Request):
    """Get the details of one task: prompt, result, attempts and history. task_id is <run_id>:<node_id>, or the run_id
    alone of a task made by create_task."""

    task_id: TaskIdField


class GetTaskResult(Result):
    """The task."""

    task: TaskDetail
    warnings: tuple[str, ...] | None = None
    next: tuple[NextStep, ...]


def get_task(caller: Caller, request: GetTaskRequest) -> GetTaskResult:
    """The task that a request names."""
    registry = caller.registry
    run_id, node_id = existing_task(registry, request.task_id)
    try:
        view = registry.read(run_id)
    except NotFound:
        return _archived(caller, run_id, node_id)
    run, node = view.run, view.run.node(node_id)
    task = _detail(caller, run.state, node)
    if node_id in view.reconciled:
        task = task.model_copy(update={"reconciled": True})
    calls = tuple(
        call for call in next_calls(run, caller, now=clock.now(), limit=200) if call.args.get("node_id") == node_id
    )
    if not calls and _may_be_tried_again(run.state, node):
        calls = (retry_step(run, node),)
    beside = GetTaskResult(task=task, warnings=view.notices or None, next=calls[:3])
    return _filled(caller, beside, run, node)


def _may_be_tried_again(run: RunState, node: NodeState) -> bool:
    """Whether a retry is taken though the run as it was recorded goes on: its end may not be recorded yet."""
    return node.status == "failed" and run.flow is None and run.status in ("running", "paused")


def _detail(caller: Caller, state: RunState, node: NodeState) -> TaskDetail:
    held = tuple(task for task in node.depends_on if caller.registry.task_status(task) != "completed")
    return TaskDetail.model_validate(
        {
            **task_fields(state, node),
            "held_by": held if node.is_open and held else None,
            "not_before": node.not_before if node.status == "ready" else None,
            "created_by": node.created_by,
            "report": report_path(node),
            "attempts": attempts_of(node),
        }
    )


def _archived(caller: Caller, run_id: str, node_id: str) -> GetTaskResult:
    """What the archive tells of a task: its end, without the texts."""
    state = caller.registry.store.archived(run_id)
    if state is None:
        raise NotFound(f"run {run_id!r} was moved while it was looked at", hint="ask again")
    return GetTaskResult(task=_detail(caller, state, state.nodes[node_id]), next=())


def _filled(caller: Caller, answer: GetTaskResult, run: Run, node: NodeState) -> GetTaskResult:
    """The answer with the long parts, each as far as there is room, the most wanted first."""
    store, run_id = caller.registry.store, run.state.run_id
    prompt = run.plan.nodes[node.id].prompt if node.id in run.plan.nodes else ""
    result = node.summary or ""
    if (path := report_path(node)) is not None:
        raw, _ = store.read_file(run_id, path, offset=0, limit=4 * TEXT_CHARS)
        result = raw.decode(errors="replace") or result
    answer = _with(answer, "prompt", cut(prompt, TEXT_CHARS))
    answer = _with(answer, "result", cut(result, TEXT_CHARS))
    answer = _with(answer, "payload", node.result)
    if isinstance(node.params, dict):
        answer = _with(answer, "params", node.params)
        if answer.task.params is None:
            answer = _with(answer, "params_path", params_path(node.id))
    begin = max(0, run.log.seq - _EVENTS_SEARCHED)
    logged = store.events(run_id, since_seq=begin, limit=_EVENTS_SEARCHED)
    about = [event_row(one) for one in reversed(logged) if one.event.node_id == node.id]
    shown = tuple(about[:_HISTORY])
    while shown and chars(_with_history(answer, shown, is_cut=True)) > ANSWER_CHARS_MAX:
        shown = shown[: len(shown) * 2 // 3]
    return _with_history(answer, shown, is_cut=len(shown) < len(about) or begin > 0)


def _with_history(answer: GetTaskResult, rows: tuple[EventRow, ...], *, is_cut: bool) -> GetTaskResult:
    more = {"history": rows, "more_history": True if is_cut else None}
    return answer.model_copy(update={"task": answer.task.model_copy(update=more)})


def _with(answer: GetTaskResult, name: str, value: str | Bag | None) -> GetTaskResult:
    """The answer with one more part, or as much of its text as there is room for."""
    while value:
        fuller = answer.model_copy(update={"task": answer.task.model_copy(update={name: value})})
        over = chars(fuller) - ANSWER_CHARS_MAX
        if over <= 0:
            return fuller
        # Escapes make a text longer than it is; a few rounds find what fits.
        if not isinstance(value, str) or len(value) - over < _TEXT_CHARS_MIN:
            return answer
        value = cut(value, len(value) - over)
    return answer


GET_TASK = Operation(
    name="get_task",
    request=GetTaskRequest,
    result=GetTaskResult,
    toolset="tasks",
    read_only=True,
    idempotent=True,
    run=get_task,
)
