"""Queues and tasks read by address, in the names of the disk."""

from itertools import islice
from typing import Final

from .. import clock
from ..core.names import AgentId, TaskId, is_id
from ..core.record import Bag, Json
from ..core.run import Actor
from ..core.tasks import split_task_id
from ..errors import NotFound
from ..registry import Registry
from ..storage.views import TaskQuery
from .caller import Caller
from .damage import unreadable
from .queues import holding_of, queued
from .task_lists import queue_row
from .task_rows import task_of
from .task_views import GetTaskRequest, get_task
from .wire import camelize

_ROWS_MAX: Final = 200
_READER: Final = Actor(kind="system", id="registry", via="mcp")


def queue_document(registry: Registry, agent_id: AgentId) -> Bag:
    """An agent's queue in the order of claims, and what it has in hand; the first 200 of each."""
    now = clock.now()
    rows = list(islice(queued(registry, agent_id, now=now), _ROWS_MAX + 1))
    tasks: list[Json] = [camelize(queue_row(one, place).plain()) for place, one in enumerate(rows[:_ROWS_MAX], start=1)]
    held: list[Json] = [
        camelize(task_of(record.run, record.node).plain()) for record in holding_of(registry, agent_id, now=now)
    ]
    settings = registry.settings.agents.get(agent_id)
    document: Bag = {
        "agentId": agent_id,
        "agentName": (settings.name if settings is not None else "") or agent_id,
        "tasks": tasks,
        "holding": held[:_ROWS_MAX],
    }
    if len(rows) > _ROWS_MAX:
        document["truncated"] = True
    if damaged := unreadable(registry, is_empty=False):
        document["warnings"] = list(damaged)
    elif not rows and not held:
        document["say"] = "HEARTBEAT_OK"
    return document


def task_document(registry: Registry, task: TaskId) -> Bag:
    """One task in full.

    Raises:
        NotFound: there is no such task.
    """
    run_id, node_id = split_task_id(task)
    if not is_id(run_id) or not is_id(node_id):
        raise NotFound(f"no task {task!r}", hint="a task is <run_id>:<node_id>")
    caller = Caller(registry=registry, actor=_READER, read_only=True)
    document = camelize(get_task(caller, GetTaskRequest(task_id=task)).task.plain())
    assert isinstance(document, dict)
    return document


def newest_task_ids(registry: Registry, limit: int) -> list[TaskId]:
    """Tasks that changed last."""
    return [record.task_id for record in islice(registry.views.tasks(TaskQuery(now=clock.now())), limit)]
