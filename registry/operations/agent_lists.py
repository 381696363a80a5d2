"""What one agent has to do, does and did: the lists that people and older agents' scripts read.

The lists are views of the ledger. A run that cannot be read is told, never left out in silence:
an empty list would say that there is nothing to do.
"""

from .. import clock
from ..core.names import AgentId
from ..core.task_statistics import Tally, in_words, tally
from ..registry import Registry
from ..storage.views import TaskFact, TaskQuery
from .caller import Caller
from .damage import unreadable
from .ledger import Page, cursor_at, found, from_cursor, page_of
from .queues import holding_of, queued
from .table import Result
from .task_lists import queue_row
from .task_rows import Task, task_of
from .task_statistics import Totals, facts_of


class AgentList(Result):
    """One agent's tasks: those assigned to it, and what else it has in hand.

    Of several running ones the latest started is current.
    """

    agent_id: str
    agent_name: str
    current_task: Task | None
    running_tasks: tuple[Task, ...]
    pending_tasks: tuple[Task, ...]
    completed_tasks: tuple[Task, ...]
    failed_tasks: tuple[Task, ...]
    created_at: str | None
    updated_at: str | None
    warnings: tuple[str, ...]


class Counts(Result):
    """How many tasks stand where."""

    current: int
    pending: int
    completed: int
    failed: int


class AgentCounts(Result):
    """An agent in the list of all."""

    agent_id: str
    agent_name: str
    task_count: Counts
    last_updated: str | None


class AllLists(Result):
    """Every agent that has or had tasks, or is named in the settings."""

    agents: tuple[AgentCounts, ...]
    total_tasks: Counts
    warnings: tuple[str, ...]


class AgentStats(Result):
    """An agent's numbers; what cannot be told yet is null."""

    agent_id: str
    total: Totals
    success_rate: float | None
    avg_completion_time: str | None
    avg_completion_seconds: float | None
    median_completion_seconds: float | None


class TaskPage(Result):
    """A page of an agent's tasks."""

    agent_id: str | None
    tasks: tuple[Task, ...]
    next_cursor: str | None
    warnings: tuple[str, ...] | None = None


def agent_list(caller: Caller, agent_id: AgentId) -> AgentList:
    """All that an agent has to do, does and did.

    Raises:
        LogCorrupt: nothing of the agent was found, and there are runs that cannot be read.
    """
    registry, now = caller.registry, clock.now()
    every = [task_of(run, node) for _, run, node, _ in found(registry, TaskQuery(now=now, agent_id=agent_id))]
    waiting = [queue_row(one, place) for place, one in enumerate(queued(registry, agent_id, now=now), start=1)]
    in_queue = {row.task_id for row in waiting}
    later = sorted(
        (row for row in every if row.status == "queued" and row.task_id not in in_queue),
        key=lambda row: (-row.priority, row.created_at, row.task_id),
    )
    # What it took though it is nobody's or another's is in its hands all the same: an exclusive claim is refused by it.
    taken = [
        task_of(record.run, record.node)
        for record in holding_of(registry, agent_id, now=now)
        if record.node.agent_id != agent_id
    ]
    warnings = unreadable(registry, is_empty=not (every or taken))
    running = sorted(
        # What a tick would give back to the queue stands there, though it is not recorded yet.
        (*(row for row in every if row.status == "running" and row.task_id not in in_queue), *taken),
        key=lambda row: (row.started_at or "", row.task_id),
    )
    return AgentList(
        agent_id=agent_id,
        agent_name=agent_name(registry, agent_id),
        current_task=running[-1] if running else None,
        running_tasks=tuple(reversed(running[:-1])),
        pending_tasks=(*waiting, *later),
        completed_tasks=tuple(row for row in every if row.status == "completed"),
        failed_tasks=tuple(row for row in every if row.status in ("failed", "timed_out")),
        created_at=min((row.created_at for row in every), default=None),
        updated_at=max((row.updated_at for row in every), default=None),
        warnings=warnings,
    )


def all_lists(caller: Caller) -> AllLists:
    """Every agent with the number of its tasks."""
    registry = caller.registry
    facts = [fact for fact in facts_of(registry, None, now=clock.now()) if fact.agent_id is not None]
    by_agent: dict[AgentId, list[TaskFact]] = {agent_id: [] for agent_id in registry.settings.agents}
    for fact in facts:
        assert fact.agent_id is not None
        by_agent.setdefault(fact.agent_id, []).append(fact)
    agents = tuple(
        AgentCounts(
            agent_id=agent_id,
            agent_name=agent_name(registry, agent_id),
            task_count=_counts(tally(own)),
            last_updated=max((fact.updated_at for fact in own), default=None),
        )
        for agent_id, own in sorted(by_agent.items())
    )
    return AllLists(agents=agents, total_tasks=_counts(tally(facts)), warnings=unreadable(registry, is_empty=not facts))


def agent_stats(caller: Caller, agent_id: AgentId) -> AgentStats:
    """An agent's numbers over all time."""
    facts = facts_of(caller.registry, agent_id, now=clock.now())
    unreadable(caller.registry, is_empty=not facts)
    counted = tally(facts)
    return AgentStats(
        agent_id=agent_id,
        total=Totals(
            current=counted.current,
            pending=counted.pending,
            completed=counted.completed,
            failed=counted.failed,
            cancelled=counted.cancelled,
            all=counted.whole,
        ),
        success_rate=counted.success_rate,
        avg_completion_time=in_words(counted.average_s),
        avg_completion_seconds=counted.average_s,
        median_completion_seconds=counted.median_s,
    )


def agent_history(caller: Caller, agent_id: AgentId, *, limit: int, cursor: str | None = None) -> TaskPage:
    """A page of an agent's ended tasks, cancelled ones too, newest end first; cut by rows alone."""
    query = TaskQuery(now=clock.now(), agent_id=agent_id, sort_by="ended")
    page: Page = page_of(caller.registry, from_cursor(query, cursor), limit=limit)
    if page.has_more:
        return TaskPage(agent_id=agent_id, tasks=page.rows, next_cursor=cursor_at(page.keys[-1], query))
    warnings = unreadable(caller.registry, is_empty=cursor is None and not page.rows)
    return TaskPage(agent_id=agent_id, tasks=page.rows, next_cursor=None, warnings=warnings or None)


def agent_name(registry: Registry, agent_id: AgentId) -> str:
    """What people call an agent, from the settings; else its id."""
    settings = registry.settings.agents.get(agent_id)
    return settings.name if settings is not None and settings.name else agent_id


def _counts(counted: Tally) -> Counts:
    return Counts(current=counted.current, pending=counted.pending, completed=counted.completed, failed=counted.failed)
