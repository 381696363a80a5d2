"""Tasks, queues and statistics as people see them."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from rich.console import RenderableType
from rich.text import Text

from .columns import BAR_WIDTH, Bar, Column, fitted
from .plain import Row, console, facts, harmless, table, when, words

STYLES: Final = {
    "queued": "cyan",
    "running": "yellow",
    "completed": "green",
    "failed": "bold red",
    "timed_out": "bold red",
    "cancelled": "dim",
}
_TASK_COLUMNS: Final = (
    Column("task"),
    Column("status", drop=1),
    Column("priority", drop=2),
    Column("agent", drop=4),
    Column("title", least=16),
    Column("", least=10, drop=3),
    Column("changed", drop=5),
)
_NUMBER_COLUMNS: Final = (Column(least=6), Column(least=12), Column("success", drop=1), Column("average", drop=2))
_DAY_COLUMNS: Final = (Column("day"), Column(least=6), Column("ended", least=12), Column(drop=1))
_PARTS: Final = (
    ("completed", "green"),
    ("failed", "bold red"),
    ("cancelled", "dim"),
    ("current", "yellow"),
    ("pending", "cyan"),
)


def task_table(rows: list[Row]) -> RenderableType:
    """Tasks as rows."""
    if not rows:
        return Text("no tasks", style="dim")
    return fitted(
        _TASK_COLUMNS,
        room=console().width,
        rows=[
            (
                Text(row["task_id"]),
                Text(row["status"], style=STYLES.get(row["status"], "")),
                Text(f"{row['priority_label']} {row['priority']}", style="dim"),
                words(row.get("agent_id") or ""),
                words(row["title"]),
                words(_remark(row), "dim"),
                when(row["updated_at"]),
            )
            for row in rows
        ],
    )


def _remark(row: Row) -> str:
    if row.get("held_by"):
        return f"held by {', '.join(row['held_by'])}"
    if row.get("held_back"):
        return str(row["held_back"])
    if row.get("owner"):
        return f"with {row['owner']}"
    return str(row.get("error") or row.get("terminal_summary") or row.get("progress_summary") or "")


def agent_list(answer: Row) -> list[RenderableType]:
    """One agent's tasks: in hand, waiting, done."""
    views: list[RenderableType] = [Text.assemble((harmless(answer["agent_name"]), "bold"), f"  {answer['agent_id']}")]
    current = [answer["current_task"], *answer.get("running_tasks", ())] if answer.get("current_task") else []
    for head, rows in (
        ("in hand", current),
        ("pending", answer["pending_tasks"]),
        ("completed", answer["completed_tasks"]),
        ("failed", answer["failed_tasks"]),
    ):
        if rows:
            views += [Text(f"\n{head} ({len(rows)})", style="bold"), task_table(rows)]
    return views if len(views) > 1 else [*views, Text("no tasks", style="dim")]


def all_lists(answer: Row) -> list[RenderableType]:
    """All agents with their counts."""
    rows = [
        (Text(row["agent_id"]), words(row["agent_name"]), _counts(row["task_count"]), when(row.get("last_updated")))
        for row in answer["agents"]
    ]
    if not rows:
        return [Text("no agent has tasks", style="dim")]
    return [table("agent", "name", "tasks", "changed", rows=rows), Text(), _counts(answer["total_tasks"])]


def _counts(counts: Mapping[str, int]) -> Text:
    parts = [(f"{counts[name]} {name}", style) for name, style in _PARTS if counts.get(name)]
    return Text("  ").join([Text(text, style=style) for text, style in parts]) if parts else Text("none", style="dim")


def bar(total: Mapping[str, int], *, width: int = BAR_WIDTH) -> Bar:
    """Where tasks stand, as a bar with a colour for each."""
    return Bar([(style, total.get(name, 0), name == "pending") for name, style in _PARTS], width=width)


def stats(answer: Row) -> list[RenderableType]:
    """Numbers, with a bar for each agent, group and day."""
    total = answer["total"]
    views: list[RenderableType] = [
        Text.assemble(bar(total).text(console().width // 2), "  ", _counts(total)),
        facts(
            ("success", _rate(answer)),
            ("average", _text(answer.get("avg_completion_time"))),
            ("median", _seconds(answer.get("median_completion_s"))),
            ("a day", _text(answer.get("completed_per_day"))),
        ),
    ]
    for head, name in (("agent", "agent_id"), ("group", "group")):
        if answer.get(f"{head}s"):
            views += [Text(), _numbers(head, answer[f"{head}s"], name), *_more(answer, f"{head}s")]
    if answer.get("days"):
        views += [Text(), _days(answer["days"]), *_more(answer, "days")]
    return views


def _more(answer: Row, name: str) -> list[Text]:
    number = answer.get(f"more_{name}")
    return [Text(f"and {number} more {name if number > 1 else name[:-1]}", style="dim")] if number else []


def _numbers(head: str, rows: list[Row], name: str) -> RenderableType:
    return fitted(
        (Column(head, least=10, cut=True), *_NUMBER_COLUMNS),
        room=console().width,
        rows=[
            (
                words(row.get(name) or "nobody"),
                bar(row["total"]),
                _counts(row["total"]),
                _rate(row),
                _text(row.get("avg_completion_time")),
            )
            for row in rows
        ],
    )


def _days(rows: list[Row]) -> RenderableType:
    most = max(row["completed"] + row["failed"] + row["cancelled"] for row in rows) or 1
    shown = []
    for row in rows:
        ended = {name: row[name] for name in ("completed", "failed", "cancelled")}
        width = -(-BAR_WIDTH * sum(ended.values()) // most)
        shown.append(
            (Text(row["day"]), bar(ended, width=width), _counts(ended), Text(f"{row['created']} made", style="dim"))
        )
    return fitted(_DAY_COLUMNS, room=console().width, rows=shown)


def _rate(row: Row) -> Text:
    rate = row.get("success_rate")
    return Text("") if rate is None else Text(f"{rate:.0%}", style="green" if rate >= 0.9 else "yellow")


def _seconds(value: object) -> Text:
    from registry.core.task_statistics import in_words

    return Text(in_words(value) or "" if isinstance(value, int | float) else "")


def _text(value: object) -> Text:
    return Text("" if value is None else str(value))


def _attempt(task: Row) -> Text | None:
    """The attempt of how many; lost ones do not count towards the limit, so there may be more of them."""
    attempt, most = task["attempt"], task["max_attempts"]
    return Text(f"{attempt} of {most}" if attempt <= most else str(attempt)) if attempt else None


def one_task(answer: Row) -> list[RenderableType]:
    """One task in full."""
    task = answer["task"]
    head = Text.assemble((task["task_id"], "bold"), "  ", (task["status"], STYLES.get(task["status"], "")))
    views: list[RenderableType] = [
        head,
        words(task["title"]),
        facts(
            ("agent", _text(task.get("agent_id"))),
            ("with", _text(task.get("owner"))),
            ("priority", Text(f"{task['priority_label']} ({task['priority']})")),
            ("attempt", _attempt(task)),
            ("held by", words(", ".join(task["held_by"])) if task.get("held_by") else None),
            ("group", words(task["group"]) if task.get("group") else None),
            ("tags", words(", ".join(task["tags"])) if task["tags"] else None),
            ("created", when(task["created_at"])),
            ("started", when(task.get("started_at"))),
            ("ended", when(task.get("ended_at"))),
            ("error", words(task["error"], "red") if task.get("error") else None),
        ),
    ]
    for name in ("prompt", "result"):
        if task.get(name):
            views += [Text(f"\n{name}", style="bold"), Text(harmless(task[name]).rstrip())]
    return views


def said(answer: Row) -> list[RenderableType]:
    """What a change did, in its own words; the brief where work was taken."""
    style = "green" if answer["status"] == "success" else "yellow"
    views: list[RenderableType] = [words(answer["message"], style)]
    if answer.get("fence"):
        views.append(
            facts(("lease until", when(answer.get("lease_expires_at"))), ("files", _text(answer.get("node_dir"))))
        )
    if answer.get("brief"):
        views += [Text(), Text(harmless(answer["brief"]))]
    return views


def _page(name: str) -> Callable[[Row], list[RenderableType]]:
    def view(answer: Row) -> list[RenderableType]:
        cursor = answer.get("next_cursor")
        more = [Text(f"more with --cursor {cursor}", style="dim")] if cursor else []
        return [task_table(answer[name]), *more]

    return view


TASK_VIEWS: Final[Mapping[str, Callable[[dict[str, Any]], list[RenderableType]]]] = {
    "task create": said,
    "task start": said,
    "task complete": said,
    "task fail": said,
    "task cancel": said,
    "task retry": said,
    "task list": agent_list,
    "task list-all": all_lists,
    "task get": one_task,
    "task query": _page("tasks"),
    "task history": _page("history"),
    "task stats": stats,
}
