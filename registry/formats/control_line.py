"""A line of `control.jsonl`, the inbox of people and screens.

    {"id":...,"action":...,"runId":...,"timestamp":...,"nodeId"?,"message"?,"patch"?}

Lines come from anywhere; one that cannot be understood is refused with its reason under an id
made of its bytes, so that it is refused once and never blocks another.
"""

import hashlib
from typing import Final, cast

from pydantic_core import to_json

from ..core.commands import CONTROL_ACTIONS, NODE_ACTIONS, Control, ControlAction, InboxLine
from ..core.limits import BAG_BYTES_MAX, MESSAGE_BYTES_MAX, NESTING_MAX
from ..core.names import ID_MAX, RunId, is_id, nearest, shown
from ..core.record import Bag, Json, is_shallow
from ..core.run import Actor
from .event_line import read_object

WRITTEN_ACTIONS: Final = frozenset({"pause", "resume", "retry", "skip", "approve", "send_message", "patch_cron"})
"""Actions that readers of the earlier implementation know; others stand only in the trail."""

_BY_FILE: Final = Actor(kind="operator", id="control.jsonl", via="file")


def read_control(raw: bytes, *, run_id: RunId) -> InboxLine:
    """A line of the inbox as a control, or why it cannot be one."""
    unknown_id = f"sha256:{hashlib.sha256(raw).hexdigest()[:12]}"
    if len(raw) > BAG_BYTES_MAX:
        return InboxLine(
            control_id=unknown_id, control=None, refusal=f"the line is longer than {BAG_BYTES_MAX:,} bytes"
        )
    line = read_object(raw)
    if line is None:
        return InboxLine(control_id=unknown_id, control=None, refusal="the line is not a JSON object")
    given = line.get("id")
    control_id = given if isinstance(given, str) and 0 < len(given) <= ID_MAX and given.isprintable() else unknown_id
    refusal = _refusal(line, run_id)
    if refusal:
        return InboxLine(control_id=control_id, control=None, refusal=refusal)
    return InboxLine(
        control_id=control_id,
        control=Control(
            actor=_BY_FILE,
            action=cast(ControlAction, line["action"]),
            control_id=control_id,
            node_id=cast("str | None", line.get("nodeId")) or None,
            message=cast("str | None", line.get("message")),
            patch=cast("Bag | None", line.get("patch")),
            from_inbox=True,
        ),
    )


def _refusal(line: dict[str, Json], run_id: RunId) -> str:
    action, node_id, message = line.get("action"), line.get("nodeId"), line.get("message")
    patch, named_run = line.get("patch"), line.get("runId")
    if not isinstance(action, str) or action not in CONTROL_ACTIONS:
        guess = nearest(action, CONTROL_ACTIONS) if isinstance(action, str) else None
        meant = f"; did you mean {guess!r}?" if guess else f"; actions are {', '.join(CONTROL_ACTIONS)}"
        return f"action is {shown(str(action))!r}{meant}"
    if named_run not in (None, run_id):
        return f"the line is for run {shown(str(named_run))!r}"
    if node_id and (not isinstance(node_id, str) or not is_id(node_id)):
        return f"nodeId {shown(str(node_id))!r} is no id"
    if action in NODE_ACTIONS and not node_id:
        return f"{action} needs nodeId"
    if message is not None and (not isinstance(message, str) or len(message.encode()) > MESSAGE_BYTES_MAX):
        return f"message is no text of at most {MESSAGE_BYTES_MAX:,} bytes"
    if patch is not None and not isinstance(patch, dict):
        return "patch is not an object"
    if not is_shallow(patch):
        return f"patch is nested more than {NESTING_MAX} deep"
    return ""


def write_control(line: Bag) -> bytes | None:
    """The bytes of a line that tells of a control applied already; None for one that stands only in the trail."""
    if line.get("action") not in WRITTEN_ACTIONS:
        return None
    order = ("id", "action", "runId", "timestamp", "nodeId", "message", "patch")
    return to_json({name: line[name] for name in order if line.get(name) is not None}) + b"\n"
