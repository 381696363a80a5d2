"""Listing tasks: the ledger of all, or one agent's queue as it will be claimed."""

from dataclasses import replace
from datetime import datetime
from typing import Final, Literal

from .. import clock
from ..core.claimable import queue_key
from ..core.names import clean_tags, iso
from ..core.record import Bag, Json
from ..core.tasks import is_of_session
from ..errors import InvalidRequest, NextCall
from ..storage.views import SortBy
from . import fields
from .answers import NextStep, finish_step, fit, step
from .caller import Caller
from .damage import damage, unreadable
from .ledger import (
    TaskStatuses,
    bound,
    cursor_at,
    from_cursor,
    page_of,
    query_of,
    read_cursor,
    wanted_statuses,
    with_range,
    write_cursor,
)
from .queues import QueuedNode, less_urgent_words, queue_of, queued
from .table import Operation, Request, Result
from .task_fields import Group, TaskLimit
from .task_rows import Task, task_of

_CURSOR_CHARS: Final = 260
Order = Literal["updated", "queue", "created", "ended"]


class _ListTasksRequest(Request):
    """List an agent's queue of pending tasks or the ledger of all tasks (every node of every run), newest first.
    order queue = as they will be claimed (needs agent_id). status: queued, running, completed, failed, timed_out,
    cancelled, or open (queued and running); from and to bound the time it is ordered by.
    """

    agent_id: fields.AgentId | None = None
    status: TaskStatuses = ()
    order: Order = "updated"
    run_id: fields.RunId | None = None
    session_key: fields.SessionKey | None = None
    group: Group | None = None
    tag: Group | None = None
    min_priority: fields.LeastPriority | None = None
    limit: TaskLimit = 20
    cursor: str | None = None


ListTasksRequest = with_range(_ListTasksRequest)


class ListTasksResult(Result):
    """A page of tasks; `say` is HEARTBEAT_OK where a queue is empty."""

    tasks: tuple[Task, ...]
    next_cursor: str | None = None
    as_of: str
    say: str | None = None
    warnings: tuple[str, ...] | None = None
    next: tuple[NextStep, ...]


def _list_tasks(caller: Caller, request: _ListTasksRequest) -> ListTasksResult:
    now = clock.now()
    if request.order == "queue":
        return _queue(caller, request, now)
    order: SortBy = request.order
    query = replace(
        query_of(now, statuses=request.status, sort_by=order, request=request),
        agent_id=request.agent_id,
        run_id=request.run_id,
        session_key=request.session_key,
        group=request.group,
        tag=request.tag,
        min_priority=request.min_priority or 1,
    )
    page = page_of(caller.registry, from_cursor(query, request.cursor), limit=request.limit)
    beside = ListTasksResult(tasks=(), as_of=iso(now), next=_next(request, page.rows))
    if not page.has_more:
        warnings, calls = damage(caller.registry)
        beside = beside.model_copy(update={"warnings": warnings or None, "next": (*beside.next, *calls)})
    kept = fit(page.rows, beside=beside, limit=request.limit, keep=_CURSOR_CHARS)
    is_more = page.has_more or len(kept) < len(page.rows)
    cursor = cursor_at(page.keys[len(kept) - 1], query) if is_more else None
    return beside.model_copy(update={"tasks": kept, "next_cursor": cursor})


def _next(request: _ListTasksRequest, rows: tuple[Task, ...]) -> tuple[NextStep, ...]:
    queued_rows = [row for row in rows if row.status == "queued" and row.agent_id is not None]
    if queued_rows:
        agent_id = request.agent_id or queued_rows[0].agent_id
        return (step("claim_node", {"agent_id": agent_id}, "takes the next of this agent's queue"),)
    return ()


def _queue(caller: Caller, request: _ListTasksRequest, now: datetime) -> ListTasksResult:
    """An agent's queue, in the order of claims; rows that cannot be claimed yet say why."""
    if request.agent_id is None:
        raise InvalidRequest(
            "order queue needs agent_id: a queue is one agent's",
            hint="say whose queue; order updated lists the tasks of all agents",
            next=(NextCall("list_tasks", {"agent_id": "<agent_id>", "order": "queue"}, "that agent's queue"),),
        )
    _require_queue_filters(request)
    asked = _queue_filters(request)
    after = tuple(read_cursor(request.cursor, made_with=asked, places=3)) if request.cursor else None
    rows: list[tuple[Task, list[Json]]] = []
    is_more, place = False, 0
    for place, one in enumerate(
        queued(caller.registry, request.agent_id, min_priority=request.min_priority or 1, now=now), start=1
    ):
        key = queue_key(one.run_id, one.node)
        if (after is not None and list(key) <= list(after)) or not _is_wanted(request, one):
            continue
        if len(rows) == request.limit:
            is_more = True
            break
        rows.append((queue_row(one, place), list(key)))
    beside = ListTasksResult(
        tasks=(),
        as_of=iso(now),
        next=(step("claim_node", {"agent_id": request.agent_id}, "takes the first that can be claimed"),)
        if any(row.held_back is None for row, _ in rows)
        else (),
    )
    if not place:
        beside = _of_empty_queue(caller, request.agent_id, beside, request.min_priority or 1)
    elif not is_more:
        beside = beside.model_copy(update={"warnings": unreadable(caller.registry, is_empty=False) or None})
    kept = fit([row for row, _ in rows], beside=beside, limit=request.limit, keep=_CURSOR_CHARS)
    is_more = is_more or len(kept) < len(rows)
    cursor = write_cursor(rows[len(kept) - 1][1], made_with=asked) if is_more else None
    return beside.model_copy(update={"tasks": kept, "next_cursor": cursor})


def _of_empty_queue(caller: Caller, agent_id: str, beside: ListTasksResult, min_priority: int) -> ListTasksResult:
    """HEARTBEAT_OK, unless the agent has work in hand, less urgent work, or runs that cannot be read may hold some."""
    queue = queue_of(caller.registry, agent_id, min_priority=min_priority, now=clock.now())
    low = [row.node for row in queue.less_urgent]
    damaged, calls = damage(caller.registry)
    warnings = (*((less_urgent_words(low, min_priority),) if low else ()), *damaged)
    steps = (*(finish_step(record.run.run_id, record.node) for record in queue.holding[:2]), *calls)
    say = None if queue.holding or warnings else "HEARTBEAT_OK"
    return beside.model_copy(update={"say": say, "warnings": warnings or None, "next": steps})


def _require_queue_filters(request: _ListTasksRequest) -> None:
    """Refuse what a queue cannot be asked for; an answer without it would look like the answer to it."""
    statuses = wanted_statuses(request.status)
    asked = [name for name in ("from", "to") if bound(request, name) is not None]
    if statuses is not None and "queued" not in statuses:
        asked.insert(0, "status")
    if not asked:
        return
    raise InvalidRequest(
        f"order queue does not go with {' and '.join(asked)}: a queue holds what is queued now, and has no times",
        hint=f"leave {' and '.join(asked)} out, or list the tasks with order updated",
        next=(
            NextCall("list_tasks", {"agent_id": request.agent_id, "order": "queue"}, "the queue"),
            NextCall("list_tasks", {"agent_id": request.agent_id}, "the agent's tasks, for other filters"),
        ),
    )


def _queue_filters(request: _ListTasksRequest) -> Bag:
    return {
        "order": "queue",
        "agent_id": request.agent_id,
        "run_id": request.run_id,
        "group": request.group,
        "tag": request.tag,
        "session_key": request.session_key,
        "min_priority": request.min_priority,
    }


def _is_wanted(request: _ListTasksRequest, one: QueuedNode) -> bool:
    run, node = one.record.run, one.node
    return (
        request.run_id in (None, run.run_id)
        and request.group in (None, run.group)
        and (request.tag is None or request.tag in clean_tags((*run.tags, *node.tags)))
        and (request.session_key is None or is_of_session(run, node, request.session_key))
    )


def queue_row(one: QueuedNode, place: int) -> Task:
    """A row of a queue with its place, and why it cannot be claimed yet."""
    more: Bag = {"position": place}
    if one.held_by:
        more["held_by"] = list(one.held_by)
    if one.held_back is not None:
        more["held_back"] = one.held_back
    if one.held_back == "backoff":
        more["not_before"] = one.node.not_before
    return task_of(one.record.run, one.node, **more)


LIST_TASKS = Operation(
    name="list_tasks",
    request=ListTasksRequest,
    result=ListTasksResult,
    toolset="core",
    read_only=True,
    idempotent=True,
    run=_list_tasks,
)
