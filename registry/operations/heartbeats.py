"""What a woken agent is told: the most urgent work first, or that there is nothing."""

from datetime import datetime
from typing import Final

from ..core.names import AgentId
from ..registry import Registry
from ..storage.views import TaskQuery
from .damage import unreadable
from .ledger import found
from .queues import queued
from .table import Result
from .task_lists import queue_row
from .task_rows import Task, task_of

NOTHING: Final = "HEARTBEAT_OK"


def heartbeat_lines(registry: Registry, agent_id: AgentId, *, now: datetime) -> list[str]:
    """What a woken agent is told: one line, HEARTBEAT_OK, when there is nothing for it to do now."""
    beat = heartbeat_of(registry, agent_id, now=now)
    if beat.say is not None:
        return [beat.say]
    lines: list[str] = []
    parts = (
        ("In hand, finish it first:", beat.current),
        ("P0, at once:", beat.p0),
        ("P1, in order:", beat.p1),
        ("P2, when idle:", beat.p2),
    )
    for head, rows in parts:
        if rows:
            lines.append(head)
            lines += [f"- {row.task_id} (priority {row.priority}): {row.title}" for row in rows]
    if beat.more:
        lines.append(f"and {beat.more} more")
    return lines


class Heartbeat(Result):
    """What an agent can do now, in the order it should; `say` is HEARTBEAT_OK where that is nothing."""

    agent_id: str
    say: str | None = None
    current: tuple[Task, ...] = ()
    p0: tuple[Task, ...] = ()
    p1: tuple[Task, ...] = ()
    p2: tuple[Task, ...] = ()
    more: int | None = None


_ROWS: Final = 20


def heartbeat_of(registry: Registry, agent_id: AgentId, *, now: datetime) -> Heartbeat:
    """What an agent can do now. Work that is held, paused or backing off is not told: it is not its turn.

    Raises:
        LogCorrupt: there is nothing to do as far as can be seen, and there are runs that cannot be read.
    """
    waiting = list(queued(registry, agent_id, now=now))
    in_queue = {one.record.task_id for one in waiting}
    query = TaskQuery(now=now, statuses=frozenset({"running"}))
    held = [
        task_of(run, node)
        for record, run, node, _ in found(registry, query)
        if (node.lease.owner if node.lease is not None else node.agent_id) == agent_id
        and not node.managed
        and node.status == "running"
        and record.task_id not in in_queue
    ]
    rows = [queue_row(one, place) for place, one in enumerate(waiting, start=1) if one.held_back is None]
    if not rows and not held:
        unreadable(registry, is_empty=True)
        return Heartbeat(agent_id=agent_id, say=NOTHING)
    shown = rows[:_ROWS]
    return Heartbeat(
        agent_id=agent_id,
        current=tuple(held),
        p0=tuple(row for row in shown if row.priority_label == "P0"),
        p1=tuple(row for row in shown if row.priority_label == "P1"),
        p2=tuple(row for row in shown if row.priority_label == "P2"),
        more=len(rows) - len(shown) or None,
    )
