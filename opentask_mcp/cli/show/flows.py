"""Flows on a terminal."""

import json
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from registry.core.flow import ENDED_FLOW

from .plain import Row, facts, status, table, to_do, when, words

_CANCEL: Final = ("to be cancelled", "cancel was wanted")
"""What is said of a cancel while the flow is open, and once it has ended, by that or otherwise."""


def flow(answer: Row) -> list[RenderableType]:
    """A flow after a change or a look, or why it was not changed."""
    views: list[RenderableType] = []
    if answer.get("applied") is False or answer.get("created") is False or answer.get("cancelled") is False:
        reason = answer.get("reason") or ("was there already" if "flow_id" in answer else "nothing changed")
        views.append(words(reason, "yellow"))
    shown = answer.get("flow") or answer.get("current")
    if shown is not None:
        views += _flow(shown)
    tasks = [answer["task"]] if answer.get("task") else answer.get("tasks", [])
    if tasks:
        views.append(table("task", "status", "runtime", "title", rows=[_task(row) for row in tasks]))
    return [*views, *to_do(answer.get("effects", ()))]


def _task(row: Row) -> tuple[RenderableType, ...]:
    return Text(row["task_id"]), status(row["status"]), Text(row["runtime"], style="dim"), words(row["title"])


def _flow(row: Row) -> list[RenderableType]:
    head = Text.assemble(
        (row["flow_id"], "bold"), "  ", status(row["status"]), (f"  revision {row['revision']}", "dim")
    )
    return [
        head,
        words(row["goal"]),
        facts(
            ("step", words(row.get("current_step") or "")),
            ("blocked by", words(row.get("blocked_task_id") or "")),
            ("because", words(row.get("blocked_summary") or "")),
            (_CANCEL[row["status"] in ENDED_FLOW], when(row.get("cancel_requested_at"))),
            ("controller", words(row["controller_id"])),
            ("owner", words(row["owner_key"])),
            ("tasks", counted(row["tasks"])),
            ("state", _json(row, "state")),
            ("wait", _json(row, "wait")),
            ("left out", Text(", ".join(row.get("left_out") or ()))),
        ),
    ]


def _json(row: Row, name: str) -> Text | None:
    return words(json.dumps(row[name], ensure_ascii=False)) if row.get(name) is not None else None


def counted(counts: Row) -> Text:
    """A flow's children in numbers, on one line."""
    if not counts["total"]:
        return Text("none", style="dim")
    parts = [f"{number} {name}" for name, number in counts["by_status"].items()]
    carried = ", ".join(f"{number} {name}" for name, number in counts["by_runtime"].items())
    return Text.assemble(f"{counts['total']}: {', '.join(parts)}", (f"  ({carried})", "dim"))


def flow_list(answer: Row) -> list[RenderableType]:
    """Flows as rows."""
    if not answer["flows"]:
        return [Text("no flows", style="dim")]
    rows = [
        (
            Text(row["flow_id"]), status(row["status"]), Text(str(row["revision"])), words(row["goal"]),
            counted(row["tasks"]), when(row["updated_at"]),
        )
        for row in answer["flows"]
    ]  # fmt: skip
    views: list[RenderableType] = [table("flow", "status", "revision", "goal", "tasks", "changed", rows=rows)]
    cursor = answer.get("next_cursor")
    return [*views, Text(f"more with --cursor {cursor}", style="dim")] if cursor else views
