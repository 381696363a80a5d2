"""Runs, nodes and events on a terminal."""

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .plain import Row, bar, facts, harmless, spelt, status, table, when, words


def run_list(answer: Row) -> RenderableType:
    """Runs, one line each."""
    if not answer["runs"]:
        return Text("no runs", style="dim")
    rows = [
        (
            Text(row["run_id"], style="bold"),
            status(row["status"]),
            bar(row["counts"], width=10),
            words(row["title"]),
            when(row["updated_at"]),
            words(row.get("attention") or row.get("last_progress") or "", "magenta" if row.get("attention") else ""),
        )
        for row in answer["runs"]
    ]
    return table("run", "status", "progress", "title", "changed", "wants", rows=rows)


def run(answer: Row) -> RenderableType:
    """Where a run stands."""
    head = Text.assemble((answer["run_id"], "bold"), "  ", status(answer["status"]), "  ")
    parts: list[RenderableType] = [head.append_text(bar(answer.get("counts") or {}))]
    parts.append(
        facts(
            ("title", words(answer.get("title") or "")),
            ("purpose", words(answer.get("purpose") or "")),
            ("inputs", words(", ".join(f"{one['name']}={spelt(one['value'])}" for one in answer.get("inputs", ())))),
            ("files", words(answer.get("run_dir") or "")),
            ("paused", _paused(answer.get("paused"))),
            ("progress", _progress(answer.get("last_progress"))),
            ("idle", words(answer.get("idle_because") or "")),
        )
    )
    if answer.get("nodes"):
        parts += [Text(), nodes(answer["nodes"])]
    if answer.get("more_nodes"):
        parts.append(Text(f"and {answer['more_nodes']} more nodes", style="dim"))
    parts += [_waiting(row) for row in answer.get("waiting_for", ())]
    for row in answer.get("messages", ()):
        parts.append(Text.assemble(("message  ", "magenta"), words(row["message"]), (f"  {row['by']}", "dim")))
    return Group(*parts)


def nodes(rows: list[Row]) -> Table:
    """Nodes, one line each."""
    return table(
        "node",
        "status",
        "kind",
        "who",
        "needs",
        "what",
        rows=[
            (
                Text(row["node_id"]),
                status(row["status"], row.get("outcome")),
                Text(row["kind"], style="dim"),
                words(row.get("owner") or row.get("agent_id") or ""),
                Text(", ".join(row.get("needs", ())), style="dim"),
                _said(row),
            )
            for row in rows
        ],
    )


def node(answer: Row) -> RenderableType:
    """One node with what it was told and what it left."""
    row = answer["node"]
    head = Text.assemble(
        (f"{answer['run_id']} / {row['node_id']}", "bold"), "  ", status(row["status"], row.get("outcome"))
    )
    parts: list[RenderableType] = [
        head,
        facts(
            ("title", words(row["title"])),
            ("kind", Text(row["kind"])),
            ("needs", Text(", ".join(row.get("needs", ())))),
            ("who", words(row.get("owner") or row.get("agent_id") or "")),
            ("attempt", Text(str(row.get("attempt") or ""))),
            ("heard", when(row.get("last_heard_at"))),
            ("lease until", when(row.get("lease_expires_at"))),
            ("progress", words(row.get("progress") or "")),
            ("summary", words(row.get("summary") or "")),
            ("error", words(row.get("error") or "", "red")),
            ("files", Text("\n".join(harmless(f"{one['path']}  {one['chars']} B") for one in answer.get("files", ())))),
        ),
    ]
    parts += [_waiting(waiting) for waiting in answer.get("waiting_for", ())]
    for one in answer.get("attempts", ()):
        why = f"  {one['error']}" if one.get("error") else ""
        parts.append(Text.assemble((f"attempt {one['attempt']}  ", "dim"), words(f"{one['ended']}{why}")))
    for name, heading in (("prompt", "prompt"), ("handoff", "handoff.md"), ("report_text", "report.md")):
        if answer.get(name):
            parts += [Text(f"\n{heading}", style="dim"), Text(harmless(answer[name]))]
    return Group(*parts)


def events(rows: list[Row]) -> RenderableType:
    """Events, the oldest first, as one reads."""
    if not rows:
        return Text("no events", style="dim")
    return table(
        "seq",
        "when",
        "event",
        "node",
        "by",
        "message",
        rows=[
            (
                Text(str(row["seq"]), style="dim"),
                when(row["at"]),
                _event(row["event"]),
                Text(row.get("node_id") or ""),
                words(f"{row['by']['id']} ({row['by']['kind']})", "dim"),
                words(row.get("message") or ""),
            )
            for row in reversed(rows)
        ],
    )


def bindings(answer: Row) -> RenderableType:
    """A run's ties to the outside."""
    found: dict[str, Any] = answer["bindings"]
    pairs = [(name.replace("_", " "), words(value)) for name, value in found.items() if isinstance(value, str)]
    rows = [
        (
            Text(row["node_id"]),
            words(row.get("session_key") or ""),
            words(row.get("child_session_key") or ""),
            words(row.get("worker_run_id") or ""),
        )
        for row in found.get("nodes", ())
    ]
    return Group(facts(*pairs), *([table("node", "session", "child session", "worker run", rows=rows)] if rows else []))


def _said(row: Row) -> Text:
    if row.get("error"):
        return words(row["error"], "red")
    if row.get("progress"):
        return words(row["progress"], "yellow")
    return words(row.get("summary") or row["title"], "" if row.get("summary") else "dim")


def _waiting(row: Row) -> Text:
    who = f" {row['who']}" if row.get("who") else ""
    text = Text.assemble(("waits  ", "magenta"), f"{row['node_id']} for {row['for']}{who}  ")
    text.append_text(when(row.get("since")))
    text.append(f"  until {row['until']}" if row.get("until") else "", style="dim")
    return text.append(f"\n       {harmless(row['prompt'])}") if row.get("prompt") else text


def _progress(progress: Row | None) -> Text | None:
    return words(progress["message"]).append("  ").append_text(when(progress["at"])) if progress else None


def _paused(paused: Row | None) -> Text | None:
    if not paused:
        return None
    said = f": {paused['message']}" if paused.get("message") else ""
    return words(f"by {paused['by']} ({paused['via']}){said}", "magenta").append("  ").append_text(when(paused["at"]))


def _event(name: str) -> Text:
    ends = {"completed": "green", "failed": "red", "rejected": "red", "lost": "red", "started": "yellow"}
    return Text(harmless(name), style=ends.get(name.rpartition(".")[2], ""))
