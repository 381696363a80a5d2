"""The events page: every name the registry writes, with the fields of its payload.

Names and fields are read from the code that writes them: `tell("node.failed", ..., willRetry=...)`
is an event with the field willRetry. What cannot be read so stands in `_MORE`; what a name means
stands in `_MEANS`, which has to be complete.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from registry.core.decide import door, flow_ends

from .markdown import code, document, listed, table

_DECIDES: Final = Path(door.__file__).parent
_NOT_FIELDS: Final = frozenset({"message", "by", "payload"})
_OWN: Final = "what the caller gives"
_MORE: Final[dict[str, tuple[str, ...]]] = {
    "run.bound": (
        "sourceSessionKey", "sourceAgentId", "deliveryContext",
        "rootSessionKey", "plannerSessionKey", "driverSessionKey",
    ),
    "node.completed": ("late", "missingOutputs", "decision"),
    "log.adopted": ("offset", "bytes", "lines", "sha256"),
    "log.repaired": ("lost", "bytes", "rev"),
    "session.gone": ("value",),
}  # fmt: skip
"""Fields that are put together before they are told."""

_CALLERS: Final = frozenset(
    {"run.progress", "node.heartbeat", "cron.patched", "run.message.sent", "session.gone", "run.bound"}
    | {"node.session_bound", "node.child_session_bound", "node.run_bound", "run.cron_bound", "run.driver_bound"}
)
"""Events that also keep what the caller put into their payload."""

_MEANS: Final[dict[str, str]] = {
    "run.created": "the run begins; its line carries the snapshot that everything is folded from",
    "run.bound": "the run's sessions or its chat were told",
    "run.cron_bound": "the cron job that wakes the run",
    "run.driver_bound": "the worker outside that drives the run",
    "run.progress": "a line for people",
    "run.message.sent": "a message was sent, or a person's message was read",
    "run.paused": "nothing new starts",
    "run.resumed": "it goes on",
    "run.cancelled": "ended by request",
    "run.completed": "every node ended and none failed",
    "run.failed": "nothing can go on; says which nodes failed and what they block",
    "run.reopened": "a retry or skip made progress possible again",
    "run.plan_edited": "titles or prompts were changed in workflow.lock.md",
    "node.added": "a node came into the plan",
    "node.removed": "a node left the plan",
    "node.rewired": "what a node needs was changed",
    "node.blocked": "a ready node waits again, because a need was opened again",
    "node.ready": "it may be claimed; after a failure or loss the next attempt, with `retry` by hand",
    "node.started": "somebody works on it",
    "node.waiting": "it waits; for what is in `waitFor`",
    "node.completed": "done",
    "node.failed": "the attempt failed; `willRetry` says whether another follows by itself",
    "node.lost": "the lease ran out",
    "node.released": "taken back from its worker, or handed back",
    "node.skipped": "left out",
    "node.heartbeat": "the worker lives, and how far it is",
    "node.session_bound": "the session that works on it",
    "node.child_session_bound": "the child session that works on it",
    "node.run_bound": "the worker's own run id in its host",
    "node.handoff_written": "handoff.md was written",
    "node.artifact_written": "a file of the node was written",
    "control.applied": "a request of a person or screen was carried out",
    "control.rejected": "such a request, or a line somebody appended to the trail, was refused; the message says why",
    "cron.patched": "confirms the effect that asked for it",
    "effect.confirmed": "the agent or gateway did what was asked for",
    "effect.failed": "it could not; it is asked for again",
    "session.gone": "a session outside is known to be gone; a flow's child that it carried is lost after a while",
    "flow.created": "the run is a flow",
    "flow.task_linked": "a child was linked",
    "flow.waiting": "the controller waits, or is blocked",
    "flow.resumed": "the controller goes on",
    "flow.finished": "the flow succeeded",
    "flow.failed": "the flow failed",
    "flow.cancel_requested": "somebody wants it cancelled; no child is linked from now on",
    "flow.cancelled": "the flow was cancelled",
    "log.adopted": "lines of others, or a folder of the earlier implementation, were taken note of",
    "log.repaired": "the trail was shorter than the state, or repaired on request; the line carries a snapshot",
}

_ABOUT: Final = """\
What stands in `events.jsonl`, one JSON object a line: `event, timestamp, runId, nodeId?, message?, payload, actor`
and the machine part ([format](../format.md)). `payload` is never null; its fields are named here, and each is
left out where it does not apply.

`append_event` is the door for agents: names marked *door* perform what they say, with all rules and consequences; any
other dotted lower-case name, such as `note.decision`, is recorded as a note with what the caller gives. Other names
below `run.`, `node.`, `control.`, `cron.`, `flow.`, `log.` and `effect.` are refused there, with the tool to use."""


def page() -> str:
    """docs/reference/events.md."""
    fields = told_fields()
    assert fields.keys() == _MEANS.keys(), f"say what these events mean: {sorted(fields.keys() ^ _MEANS.keys())}"
    rows = []
    for name, meaning in _MEANS.items():
        said = listed(fields[name])
        if name in _CALLERS:
            said = f"{said}, {_OWN}" if said else _OWN
        rows.append((code(name), "door" if name in door._DOOR else "", meaning, said))
    return document("Events", _ABOUT, table(("event", "", "meaning", "payload"), rows))


def told_fields() -> dict[str, list[str]]:
    """The payload fields of each event that the code writes."""
    fields: dict[str, list[str]] = {name: list(more) for name, more in _MORE.items()}
    flow_fields: list[str] = []
    for path in sorted(_DECIDES.glob("*.py")):
        for call in _tells(path):
            name = _name(call)
            given = [word.arg for word in call.keywords if word.arg and word.arg not in _NOT_FIELDS]
            if name is None:
                if path.name == "flow_ends.py":
                    flow_fields += [field for field in given if field != "reopened"]
                continue
            known = fields.setdefault(name, [])
            known += [field for field in given if field not in known]
    for name in (*flow_ends._EVENT.values(), "flow.waiting", "flow.resumed", "flow.cancel_requested"):
        fields[name] = list(dict.fromkeys([*flow_fields, *fields.get(name, [])]))
    for name in door._DOOR:
        fields.setdefault(name, [])
    return fields


def _tells(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = node.func
            if (isinstance(called, ast.Attribute) and called.attr == "tell") or (
                isinstance(called, ast.Name) and called.id == "tell"
            ):
                yield node


def _name(call: ast.Call) -> str | None:
    """The event's name, where the code says it outright."""
    texts = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    return texts[0] if texts and "." in texts[0] else None
