"""Statistics: how many tasks of whom stand where, how many succeed, and how long they take."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from .. import clock
from ..core.names import iso
from ..core.run import RunState
from ..core.task_statistics import in_words, tally
from ..core.tasks import public_status, split_task_id
from ..registry import Registry
from ..storage.views import TaskFact
from . import fields
from .answers import NextStep, fit
from .caller import Caller
from .ledger import as_it_is_now, bound, with_range
from .table import Operation, Request, Result

_ROWS: Final = 20
_DAYS: Final = 14
_DATE_CHARS: Final = len("2026-01-01")


class Totals(Result):
    """Counts; `failed` holds what timed out, `all` is their sum."""

    current: int
    pending: int
    completed: int
    failed: int
    cancelled: int
    all: int


class Numbers(Result):
    """The numbers of some tasks; rates and times are absent where nothing ended."""

    total: Totals
    success_rate: float | None = None
    avg_completion_time: str | None = None
    avg_completion_s: float | None = None
    median_completion_s: float | None = None


class AgentNumbers(Numbers):
    """Of one agent; nobody's tasks have no agent."""

    agent_id: str | None = None


class GroupNumbers(Numbers):
    """Of one group."""

    group: str


class DayNumbers(Result):
    """What ended on one day (UTC), and what was made on it."""

    day: str
    created: int
    completed: int
    failed: int
    cancelled: int


class _TaskStatsRequest(Request):
    """Statistics: count an agent's tasks, or everybody's: pending, completed, failed, success rate, average and median
    time, per agent, group and day. from and to bound the end of ended tasks and the making of open ones."""

    agent_id: fields.AgentId | None = None


TaskStatsRequest = with_range(_TaskStatsRequest)


class TaskStatsResult(Numbers):
    """The numbers of all tasks in the range, of today, and of each agent, group and day."""

    agent_id: str | None = None
    completed_per_day: float | None = None
    today: DayNumbers
    days: tuple[DayNumbers, ...]
    groups: tuple[GroupNumbers, ...]
    agents: tuple[AgentNumbers, ...]
    as_of: str
    next: tuple[NextStep, ...]


def _task_stats(caller: Caller, request: _TaskStatsRequest) -> TaskStatsResult:
    now = clock.now()
    since, until = bound(request, "from"), bound(request, "to")
    every = facts_of(caller.registry, request.agent_id, now=now)
    facts = [fact for fact in every if _lies_within(fact, since, until)]
    days = _days(facts)
    names = {fact.agent_id for fact in facts}
    groups = sorted({fact.group for fact in facts if fact.group is not None})
    beside = TaskStatsResult.model_validate(
        {
            **_numbers(facts),
            "agent_id": request.agent_id,
            "completed_per_day": _per_day(facts, days, since, until, now),
            "today": _day(iso(now)[:_DATE_CHARS], every),
            "days": days,
            "groups": (),
            "agents": (),
            "as_of": iso(now),
            "next": (),
        }
    )
    by_group = [
        GroupNumbers.model_validate({"group": one, **_numbers(f for f in facts if f.group == one)}) for one in groups
    ]
    answer = beside.model_copy(update={"groups": fit(by_group, beside=beside, limit=_ROWS) if by_group else ()})
    if request.agent_id is not None:
        return answer
    by_agent = [
        AgentNumbers.model_validate({"agent_id": one, **_numbers(f for f in facts if f.agent_id == one)})
        for one in sorted(names, key=lambda name: (name is None, name or ""))
    ]
    return answer.model_copy(update={"agents": fit(by_agent, beside=answer, limit=_ROWS) if by_agent else ()})


def facts_of(registry: Registry, agent_id: str | None, *, now: datetime) -> list[TaskFact]:
    """Every task in short, reconciled: what a lost worker held counts as what becomes of it."""
    text, runs = iso(now), dict[str, RunState | None]()
    return [
        _reconciled(registry, fact, runs) if fact.overdue_at is not None and fact.overdue_at <= text else fact
        for fact in registry.views.facts(agent_id=agent_id)
    ]


def _reconciled(registry: Registry, fact: TaskFact, runs: dict[str, RunState | None]) -> TaskFact:
    run_id, node_id = split_task_id(fact.task_id)
    if run_id not in runs:
        runs[run_id] = as_it_is_now(registry, run_id)
    run = runs[run_id]
    node = run.nodes.get(node_id) if run is not None else None
    if node is None:
        return fact
    return fact._replace(status=public_status(node), ended_at=None if node.is_open else node.completed_at)


def _lies_within(fact: TaskFact, since: str | None, until: str | None) -> bool:
    at = fact.ended_at or fact.created_at
    return (since is None or at >= since) and (until is None or at < until)


def _numbers(facts: Iterable[TaskFact]) -> dict[str, object]:
    counted = tally(facts)
    return {
        "total": Totals(
            current=counted.current,
            pending=counted.pending,
            completed=counted.completed,
            failed=counted.failed,
            cancelled=counted.cancelled,
            all=counted.whole,
        ),
        "success_rate": counted.success_rate,
        "avg_completion_time": in_words(counted.average_s),
        "avg_completion_s": counted.average_s,
        "median_completion_s": counted.median_s,
    }


def _days(facts: list[TaskFact]) -> tuple[DayNumbers, ...]:
    """Days on which something was made or ended, newest first."""
    named = {at[:_DATE_CHARS] for fact in facts for at in (fact.created_at, fact.ended_at) if at is not None}
    return tuple(_day(day, facts) for day in sorted(named, reverse=True)[:_DAYS])


def _day(day: str, facts: Iterable[TaskFact]) -> DayNumbers:
    made, ended = 0, []
    for fact in facts:
        made += fact.created_at.startswith(day)
        if fact.ended_at is not None and fact.ended_at.startswith(day):
            ended.append(fact)
    counted = tally(ended)
    return DayNumbers(
        day=day, created=made, completed=counted.completed, failed=counted.failed, cancelled=counted.cancelled
    )


def _per_day(
    facts: list[TaskFact], days: tuple[DayNumbers, ...], since: str | None, until: str | None, now: datetime
) -> float | None:
    """Throughput: completed tasks for each day of the range, or of the days since the first that is told."""
    completed = tally(facts).completed
    if not completed:
        return None
    begin = datetime.fromisoformat(since or f"{days[-1].day}T00:00:00+00:00")
    end = min(now, datetime.fromisoformat(until)) if until is not None else now
    return round(completed / max(1.0, (end - begin).total_seconds() / 86_400), 2)


TASK_STATS = Operation(
    name="task_stats",
    request=TaskStatsRequest,
    result=TaskStatsResult,
    toolset="tasks",
    read_only=True,
    idempotent=True,
    run=_task_stats,
)
