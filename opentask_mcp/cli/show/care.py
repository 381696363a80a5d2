"""What doctor and repair found, and runs as they once were, on a terminal."""

from rich.console import RenderableType
from rich.text import Text

from ..failing import in_our_words
from .plain import Row, bar, facts, harmless, status, table, words
from .runs import events, nodes


def doctor(answer: Row) -> list[RenderableType]:
    """Findings by run, each with what mends it."""
    head = Text("nothing is amiss" if not answer["findings"] else _counted(answer), _style(answer))
    head.append(f"  {answer['runs_checked']} runs", "dim")
    views: list[RenderableType] = [head, *_findings(answer["findings"])]
    if answer["more_findings"]:
        views.append(Text(f"and {answer['more_findings']} more", style="dim"))
    answer.pop("warnings", None)
    return views


def repair(answer: Row) -> list[RenderableType]:
    """What was mended, and what others have to do."""
    if "runs" not in answer:
        return _repaired(answer)
    views: list[RenderableType] = [words(line) for line in answer["moved"]]
    for run in answer["runs"]:
        views += _repaired(run)
    return views or [Text("nothing to mend", style="green")]


def replayed(answer: Row) -> list[RenderableType]:
    """A run as it was at a revision."""
    head = Text.assemble(
        (answer["run_id"], "bold"), f" at revision {answer['revision']}  ", status(answer["status"]), "  "
    )
    views: list[RenderableType] = [
        head.append_text(bar(answer["counts"])),
        facts(("title", words(answer["title"])), ("last event", words(f"{answer['last_event']}  {answer['at']}"))),
        nodes(answer["nodes"]),
    ]
    return [*views, Text(f"and {answer['more_nodes']} more nodes", style="dim")] if answer["more_nodes"] else views


def differences(answer: Row) -> list[RenderableType]:
    """What changed between two revisions."""
    rows = [
        (
            Text(f"{row['part']} {row['where']}"),
            words(row.get("before", ""), "red"),
            words(row.get("after", ""), "green"),
        )
        for row in answer["changes"]
    ]
    views: list[RenderableType] = [table("what", "before", "after", rows=rows)] if rows else [Text("no difference")]
    if answer["more_changes"]:
        views.append(Text(f"and {answer['more_changes']} more places", style="dim"))
    return [*views, Text(), events(answer["events"])] if answer["events"] else views


def _repaired(answer: Row) -> list[RenderableType]:
    views: list[RenderableType] = [Text(answer["run_id"], style="bold")]
    if answer.get("failed"):
        views.append(Text(f"  {in_our_words(harmless(answer['failed']))}", style="red"))
    views += [Text(f"  {in_our_words(harmless(line))}") for line in answer["mended"]]
    left = answer.get("left", ())
    if not answer["mended"] and not left and not answer.get("failed"):
        views.append(Text("  nothing to mend", style="green"))
    return [*views, *_findings(left)]


def _findings(rows: list[Row]) -> list[RenderableType]:
    views: list[RenderableType] = []
    former: object = ""
    for row in rows:
        if row.get("run_id", "") != former:
            former = row.get("run_id", "")
            views.append(Text(str(former), style="bold"))
        where = f"  {harmless(row['where'])}" if row.get("where") else ""
        style = "red" if row["severity"] == "error" else "yellow"
        views.append(Text.assemble(("  " + row["code"], style), f"  {harmless(row['message'])}", (where, "dim")))
        views.append(Text(f"      {in_our_words(harmless(row['how']))}", style="dim"))
    return views


def _counted(answer: Row) -> str:
    return f"{answer['errors']} errors, {answer['warnings']} warnings"


def _style(answer: Row) -> str:
    return "red" if answer["errors"] else "yellow" if answer["warnings"] else "green"
