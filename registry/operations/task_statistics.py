"""Statistics: how many tasks of whom stand where, how many succeed, and how long they take."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from .. import clock
from ..core.names import iso
from ..core.record import Bag
from ..core.run import RunState
from ..core.task_statistics import in_words, tally
from ..core.tasks import public_status, split_task_id
from ..registry import Registry
from ..storage.views import TaskFact
from . import fields
from .answers import NextStep, fit, step
from .caller import Caller
from .damage import damage
from .ledger import as_it_is_now, bound, with_range
from .table import Operation, Request, Result

_ROWS: Final = 20
_DAYS: Final = 14
_DATE_CHARS: Final = len("2026-01-01")
_NEXT_CHARS: Final = 900
"""Room kept for the calls that get what was cut."""


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
    """The numbers of all tasks in the range, of today, and of each agent, group and day; `more_...` counts the rows
    that there was no room for, and `next` gets them."""

    agent_id: str | None = None
    completed_per_day: float | None = None
    warnings: tuple[str, ...] | None = None
    today: DayNumbers
    days: tuple[DayNumbers, ...]
    groups: tuple[GroupNumbers, ...]
    agents: tuple[AgentNumbers, ...]
    more_days: int | None = None
    more_groups: int | None = None
    more_agents: int | None = None
    as_of: str
    next: tuple[NextStep, ...]


def _task_stats(caller: Caller, request: _TaskStatsRequest) -> TaskStatsResult:
    now = clock.now()
    since, until = bound(request, "from"), bound(request, "to")
    every = facts_of(caller.registry, request.agent_id, now=now)
    facts = [fact for fact in every if _lies_within(fact, since, until)]
    days = _days(facts, since)
    shown_days = tuple(_day(day, facts, since) for day in days[:_DAYS])
    beside = TaskStatsResult.model_validate(
        {
            **_numbers(facts),
            "agent_id": request.agent_id,
            "completed_per_day": _per_day(facts, since or f"{days[-1]}T00:00:00+00:00", until, now) if days else None,
            "today": _day(iso(now)[:_DATE_CHARS], every),
            "days": shown_days,
            "more_days": len(days) - len(shown_days) or None,
            "groups": (),
            "agents": (),
            "as_of": iso(now),
            "next": (),
        }
    )
    groups = _by_group(facts)
    kept = fit(groups, beside=beside, limit=_ROWS, keep=_NEXT_CHARS)
    answer = beside.model_copy(update={"groups": kept, "more_groups": len(groups) - len(kept) or None})
    agents = _by_agent(facts) if request.agent_id is None else []
    rows = fit(agents, beside=answer, limit=_ROWS, keep=_NEXT_CHARS)
    answer = answer.model_copy(update={"agents": rows, "more_agents": len(agents) - len(rows) or None})
    return answer.model_copy(update={"next": _next(request, answer, groups[len(kept) :], agents[len(rows) :])})


def _by_group(facts: list[TaskFact]) -> list[GroupNumbers]:
    groups = sorted({fact.group for fact in facts if fact.group is not None})
    return [
        GroupNumbers.model_validate({"group": one, **_numbers(f for f in facts if f.group == one)}) for one in groups
    ]


def _by_agent(facts: list[TaskFact]) -> list[AgentNumbers]:
    names = sorted({fact.agent_id for fact in facts}, key=lambda name: (name is None, name or ""))
    return [
        AgentNumbers.model_validate({"agent_id": one, **_numbers(f for f in facts if f.agent_id == one)})
        for one in names
    ]


def _next(
    request: _TaskStatsRequest, answer: TaskStatsResult, groups: list[GroupNumbers], agents: list[AgentNumbers]
) -> tuple[NextStep, ...]:
    """The calls that get what there was no room for: earlier days, and the first group and agent of the others."""
    within: Bag = {name: at for name in ("from", "to") if (at := bound(request, name)) is not None}
    whose: Bag = {"agent_id": request.agent_id} if request.agent_id is not None else {}
    calls = []
    if answer.more_days is not None:
        before = f"{answer.days[-1].day}T00:00:00+00:00"
        why = f"{answer.more_days} earlier {_plural('day', answer.more_days)}"
        calls.append(step("task_stats", {**whose, **within, "to": before}, why))
    if agents:
        named: Bag = {"agent_id": agents[0].agent_id} if agents[0].agent_id is not None else {}
        why = f"the first of {len(agents)} more {_plural('agent', len(agents))}"
        calls.append(step("task_stats", {**named, **within}, why) if named else step("list_tasks", {}, why))
    if groups:
        why = f"the first of {len(groups)} more {_plural('group', len(groups))}"
        calls.append(step("list_tasks", {**whose, "group": groups[0].group}, f"{why}, task by task"))
    return tuple(calls)


def _plural(word: str, number: int) -> str:
    return word if number == 1 else f"{word}s"


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


def _days(facts: list[TaskFact], since: str | None) -> list[str]:
    """Days of the range on which something was made or ended, newest first."""
    moments = (at for fact in facts for at in (fact.created_at, fact.ended_at) if at is not None)
    return sorted({at[:_DATE_CHARS] for at in moments if since is None or at >= since}, reverse=True)


def _day(day: str, facts: Iterable[TaskFact], since: str | None = None) -> DayNumbers:
    made, ended = 0, []
    for fact in facts:
        made += fact.created_at.startswith(day) and (since is None or fact.created_at >= since)
        if fact.ended_at is not None and fact.ended_at.startswith(day):
            ended.append(fact)
    counted = tally(ended)
    return DayNumbers(
        day=day, created=made, completed=counted.completed, failed=counted.failed, cancelled=counted.cancelled
    )


def _per_day(facts: list[TaskFact], since: str, until: str | None, now: datetime) -> float | None:
    """Throughput: completed tasks for each day since a time."""
    completed = tally(facts).completed
    if not completed:
        return None
    begin = datetime.fromisoformat(since)
    end = min(now, datetime.fromisoformat(until)) if until is not None else now
    return round(completed / max(1.0, (end - begin).total_seconds() / 86_400), 2)


def _told_task_stats(caller: Caller, request: _TaskStatsRequest) -> TaskStatsResult:
    """The numbers, and which runs are not in them: zeros of a damaged run must not look like idleness."""
    answer = _task_stats(caller, request)
    warnings, calls = damage(caller.registry)
    # The numbers may fill the answer nearly to its limit.
    return answer.model_copy(update={"warnings": warnings[:2] or None, "next": (*answer.next, *calls)})


TASK_STATS = Operation(
    name="task_stats",
    request=TaskStatsRequest,
    result=TaskStatsResult,
    toolset="tasks",
    read_only=True,
    idempotent=True,
    run=_told_task_stats,
)
