"""Which view an answer gets, and the views of small answers."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.text import Text

from registry.errors import HOST

from ..commands import line_of
from ..failing import in_our_words
from . import care
from .flows import flow, flow_list
from .plain import Row, console, facts, harmless, status, table, to_do, when, words
from .runs import bindings, events, node, run, run_list
from .tasks import TASK_VIEWS

_NEXT_SHOWN: Final = 4
_SHOWN_ELSEWHERE: Final = frozenset({"run_id", "next", "warnings", "rev"})


def show(command: str, answer: Row, *, before: tuple[str, ...] = ()) -> None:
    """Show the answer of a command, its warnings, and what may be called next."""
    out = console()
    for view in _VIEWS.get(command, fallback)(answer):
        out.print(view)
    _warnings(out, answer.get("warnings"))
    _next(out, answer.get("next") or [], before)


def _warnings(out: Console, warnings: object) -> None:
    for warning in warnings if isinstance(warnings, list) else []:
        shown = warning if isinstance(warning, str) else warning.get("message", "")
        out.print(Text.assemble(("warning  ", "yellow"), in_our_words(harmless(shown))))


def _next(out: Console, calls: list[Row], before: tuple[str, ...]) -> None:
    lines = []
    for call in calls[:_NEXT_SHOWN]:
        line = line_of(call["tool"], call["args"], before=before)
        why = in_our_words(call.get("why", ""))
        if line is not None:
            lines.append(Text.assemble(harmless(line), (f"   # {why}" if why else "", "dim")))
        elif call["tool"] == HOST:
            lines.append(Text(why, style="dim"))
    if lines:
        out.print()
    for line_text in lines:
        out.print(Text.assemble(("next  ", "cyan"), line_text), soft_wrap=True)


def fallback(answer: Row) -> list[RenderableType]:
    """What an answer holds, by name; objects and rows as JSON in small."""
    import json

    pairs: list[tuple[str, RenderableType]] = []
    for name, value in answer.items():
        if name in _SHOWN_ELSEWHERE or value in ([], {}, None):
            continue
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        pairs.append((name.replace("_", " "), status(value) if name.endswith("status") else Text(harmless(shown))))
    return [facts(*pairs)]


def changed(answer: Row) -> list[RenderableType]:
    """What a change of a run or node did."""
    place = f"{answer.get('run_id', '')}" + (f" / {answer['node_id']}" if answer.get("node_id") else "")
    head = Text(place, style="bold")
    if answer.get("status"):
        head.append("  ").append_text(status(answer["status"]))
    rows: list[tuple[str, RenderableType | None]] = [
        ("event", _text(answer, "event")),
        ("decision", _decision(answer)),
        ("bound", _listed(answer, "bound")),
        ("path", _text(answer, "path")),
        ("wrote", _listed(answer, "written")),
        ("moved", _listed(answer, "advanced")),
        ("now ready", _listed(answer, "became_ready")),
        ("attempt", _text(answer, "attempt")),
        ("lease until", when(answer.get("lease_expires_at"))),
        ("tried again", when(answer.get("will_retry_at"))),
        ("stop", words(answer.get("stop_reason", ""), "bold red") if answer.get("stop") else None),
        ("run", status(answer["run_status"]) if answer.get("run_status") else None),
    ]
    if answer.get("applied") is False:
        head.append("  nothing changed", style="yellow")
    if answer.get("repeated"):
        head.append("  was done before", style="dim")
    views: list[RenderableType] = [head, facts(*rows)]
    views += [Text.assemble(("message  ", "magenta"), words(row["message"])) for row in answer.get("messages", ())]
    views += to_do(answer.get("effects", ()))
    if answer.get("child_prompt"):
        views += [Text("\nGive this to the sub-agent:\n", style="dim"), Text(harmless(answer["child_prompt"]))]
    return views


def created(answer: Row) -> list[RenderableType]:
    """A run that was started, or was there."""
    head = Text.assemble((answer["run_id"], "bold"), "  ", status(answer["status"]))
    if not answer["created"]:
        head.append("  was there already", style="dim")
    rows = [
        (Text(row["node_id"]), status(row["status"]), Text(row["kind"], style="dim"), _needs(row))
        for row in answer["nodes"]
    ]
    return [
        head,
        words(answer["title"]),
        Text(harmless(answer["run_dir"]), style="dim"),
        table("node", "status", "kind", "needs", rows=rows),
    ]


def claim(answer: Row) -> list[RenderableType]:
    """A node with its brief, or why there is none."""
    if not answer["claimed"]:
        reason = Text.assemble(("nothing to do", "yellow"), f": {answer.get('reason', '')}")
        return [reason, facts(("not before", when(answer.get("not_before"))))]
    inputs = [
        (Text(row["node_id"]), words(row.get("path") or ""), words(row.get("summary") or ""))
        for row in answer.get("inputs", ())
    ]
    head = Text.assemble((f"{answer['run_id']} / {answer['node_id']}", "bold"), f"  attempt {answer['attempt']}")
    views: list[RenderableType] = [
        head,
        facts(
            ("fence", Text(answer["fence"], style="bold yellow")),
            ("owner", _text(answer, "owner")),
            ("lease until", when(answer.get("lease_expires_at"))),
            ("files", _text(answer, "node_dir")),
            ("must leave", _listed(answer.get("outputs", {}), "required")),
        ),
        Text(),
        Text(harmless(answer["brief"])),
    ]
    return views + ([Text(), table("input", "file", "summary", rows=inputs)] if inputs else [])


def workflows(answer: Row) -> list[RenderableType]:
    """Workflows that can be started."""
    if not answer["workflows"]:
        return [Text("no workflows", style="dim")]
    rows = [
        (
            # The id is enough to name a workflow; a file that cannot be read has only its path.
            words(row.get("workflow_id") or row["path"]),
            Text(f"{row['faults']} faults", style="red") if row.get("faults") else words(row.get("title") or ""),
            Text(str(row.get("node_count") or "")),
            words(", ".join(one["name"] + ("*" if one["required"] else "") for one in row.get("inputs", ()))),
        )
        for row in answer["workflows"]
    ]
    return [table("workflow", "title", "nodes", "inputs", rows=rows), *_more(answer)]


def checked_workflow(answer: Row) -> list[RenderableType]:
    """The faults of a workflow."""
    views: list[RenderableType] = []
    for kind, style in (("faults", "red"), ("warnings", "yellow")):
        for row in answer.pop(kind, ()):
            views.append(Text.assemble((row["where"], "bold"), " ", (harmless(row["message"]), style)))
            if row.get("mend"):
                views.append(Text(f"    {harmless(row['mend'])}", style="dim"))
    if answer["ok"]:
        sound = Text.assemble(("sound", "green"), f"  {answer.get('workflow_id')}: {answer.get('node_count')} nodes")
        return [sound, *views]
    return views


def checked_run(answer: Row) -> list[RenderableType]:
    """What was found about a run's files."""
    head = Text.assemble((answer["run_id"], "bold"), "  ")
    head.append(
        "files and trail agree" if answer["ok"] else f"{answer['errors']} errors", "green" if answer["ok"] else "red"
    )
    views: list[RenderableType] = [head]
    for row in answer["problems"]:
        style = "red" if row["severity"] == "error" else "yellow"
        where = f"  {row['where']}" if row.get("where") else ""
        views.append(
            Text.assemble((f"{row['severity']}  {row['code']}", style), f"  {harmless(row['message'])}{where}")
        )
    answer.pop("warnings", None)
    return views


def waited(answer: Row) -> list[RenderableType]:
    """What a wait ended with."""
    head = Text.assemble(
        ("reached" if answer["reached"] else "not reached", "green" if answer["reached"] else "yellow"),
        f"  {harmless(answer['why'])}  ",
        (f"after {answer['waited_s']:.1f} s", "dim"),
    )
    return [head, facts(("run", status(answer["run_status"])), ("changed", _changes(answer)))]


def _changes(answer: Row) -> Text:
    return Text(", ".join(f"{row['node_id']} {row['status']}" for row in answer["changed"]))


def _decision(answer: Row) -> Text | None:
    if not answer.get("decision"):
        return None
    by = f" by {answer['decided_by']}" if answer.get("decided_by") else ""
    relayed = " (passed on by an agent)" if answer.get("relayed") else ""
    return words(f"{answer['decision']}{by}{relayed}")


def _text(answer: Mapping[str, Any], name: str) -> Text | None:
    return words(answer[name]) if answer.get(name) else None


def _listed(answer: Mapping[str, Any], name: str) -> Text | None:
    return words(", ".join(answer[name])) if answer.get(name) else None


def _needs(row: Row) -> Text:
    return Text(", ".join(row.get("needs", ())), style="dim")


def _more(answer: Row) -> list[RenderableType]:
    cursor = answer.get("next_cursor")
    return [Text(f"more with --cursor {cursor}", style="dim")] if cursor else []


def _run_list(answer: Row) -> list[RenderableType]:
    return [run_list(answer), *_more(answer)]


def _run_view(answer: Row) -> list[RenderableType]:
    if answer.get("bindings") and "nodes" not in answer:
        return [bindings(answer)]
    tail = [bindings(answer)] if answer.get("bindings") else []
    return [run(answer), *to_do(answer.get("effects", ())), *tail, *_more(answer)]


def _event_list(answer: Row) -> list[RenderableType]:
    return [Group(events(answer["events"])), *_more(answer)]


_FLOW_CHANGES: Final = ("run-task", "set-waiting", "resume", "finish", "fail", "request-cancel", "cancel")
_VIEWS: Final[Mapping[str, Callable[[Row], list[RenderableType]]]] = {
    "workflow list": workflows,
    "workflow validate": checked_workflow,
    "run create": created,
    "run list": _run_list,
    "run show": _run_view,
    "run tick": _run_view,
    "run events": _event_list,
    "run wait": waited,
    "run validate": checked_run,
    "run replay": care.replayed,
    "run diff": care.differences,
    "doctor": care.doctor,
    "repair": care.repair,
    "node show": lambda answer: [node(answer)],
    "node claim": claim,
    "flow list": flow_list,
    **dict.fromkeys(("flow create", "flow get", *(f"flow {words}" for words in _FLOW_CHANGES)), flow),
    **TASK_VIEWS,
    **dict.fromkeys(
        (
            "run bind", "run progress", "run cancel", "node finish", "node transition", "node result", "node heartbeat",
            "node handoff", "artifact write", "event append", "plan change", "control pause", "control resume",
            "control retry", "control skip", "control approve", "control reject", "control release",
            "control send_message", "control patch_cron", "control cancel",
        ),
        changed,
    ),
}  # fmt: skip
