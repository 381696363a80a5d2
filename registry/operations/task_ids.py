"""Finding the task that a call names, or saying what was probably meant."""

from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

from ..core.names import ID_RULE, NodeId, RunId, is_id, quoted, shown, task_id
from ..core.tasks import TASK_NODE, split_task_id
from ..errors import InvalidRequest, NextCall, NotFound
from ..registry import Registry
from .lookup import run_not_found


def _task_id(value: str, info: ValidationInfo) -> str:
    run_id, node_id = split_task_id(value)
    if is_id(run_id) and is_id(node_id):
        return value
    raise ValueError(
        f"{info.field_name or 'the value'} is {quoted(value)}; a task id is <run_id>:<node_id>, or the run_id alone "
        f"of a task made by create_task; an id is {ID_RULE}"
    )


TaskIdField = Annotated[str, AfterValidator(_task_id)]
"""`<runId>:<nodeId>`, or the bare run id of an errand."""


def existing_task(registry: Registry, task: str) -> tuple[RunId, NodeId]:
    """The run and node of a task that exists, in the archive too.

    Raises:
        NotFound: with the nearest task.
    """
    run_id, node_id = split_task_id(task)
    state = None
    try:
        state = registry.store.state(run_id)
    except NotFound:
        state = registry.store.archived(run_id)
    if state is None:
        raise run_not_found(registry, run_id)
    if node_id not in state.nodes:
        raise task_not_found(task, run_id, list(state.nodes))
    return run_id, node_id


def task_not_found(task: str, run_id: RunId, nodes: list[NodeId]) -> NotFound:
    """The run is there, and has no such node."""
    listed = ", ".join(task_id(run_id, node_id) for node_id in nodes[:10])
    bare = ":" not in task
    message = (
        f"run {run_id!r} was not made by create_task: its tasks are {listed}"
        if bare
        else f"no task {shown(task)!r}; tasks of run {run_id!r}: {listed}"
    )
    calls = tuple(NextCall("get_run", {"run_id": run_id, "node_id": node_id}) for node_id in nodes[:2])
    return NotFound(message, next=calls, task_id=shown(task))


def full_task_id(registry: Registry, task: str, *, name: str) -> str:
    """A task that exists, in full.

    Raises:
        InvalidRequest: there is no such task; nothing may depend on what is not there.
    """
    try:
        run_id, node_id = existing_task(registry, task)
    except NotFound as failure:
        raise InvalidRequest(
            f"{name} names {shown(task)!r}, which does not exist; {failure.message}",
            hint="a task may depend on tasks that exist; create that one first",
            next=(NextCall("list_tasks", {}, "all tasks"),),
            task_id=shown(task),
        ) from None
    return task_id(run_id, node_id)


__all__ = ["TASK_NODE", "TaskIdField", "existing_task", "full_task_id", "task_not_found"]
