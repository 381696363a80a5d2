"""What callers call an argument or a value before they have read the schema, and what they mean."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from ..core.names import nearest

# The first of a guess's fields that the operation has is meant.
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "agent": ("agent_id",),
    "args": ("inputs", "payload"),
    "arguments": ("inputs", "payload"),
    "assigned_to": ("agent_id",),
    "assignee": ("agent_id",),
    "body": ("content", "report", "message"),
    "command": ("action",),
    "comment": ("message", "summary"),
    "cron": ("cron_job_id",),
    "cron_id": ("cron_job_id",),
    "data": ("payload", "content", "inputs"),
    "dependencies": ("needs", "depends_on"),
    "depends_on": ("needs",),
    "description": ("message", "summary", "content"),
    "details": ("payload", "message"),
    "event_name": ("event",),
    "event_type": ("event",),
    "expected_revision": ("expected_rev",),
    "file": ("path", "workflow_path"),
    "file_path": ("path", "workflow_path"),
    "filename": ("path", "workflow_path"),
    "files": ("artifacts", "outputs"),
    "id": ("run_id", "task_id", "flow_id"),
    "idempotency_key": ("request_id",),
    "instructions": ("content",),
    "job_id": ("cron_job_id", "run_id"),
    "lease": ("lease_s",),
    "lease_seconds": ("lease_s",),
    "lease_id": ("fence",),
    "lease_token": ("fence",),
    "markdown": ("content", "report", "workflow_text"),
    "max_results": ("limit",),
    "metadata": ("payload",),
    "name": ("path", "event", "workflow_path", "title"),
    "node_status": ("outcome", "status"),
    "note": ("message", "notes"),
    "operation": ("action",),
    "output": ("report", "payload"),
    "owner": ("agent_id",),
    "page_size": ("limit",),
    "page_token": ("cursor",),
    "parameters": ("inputs", "params"),
    "params": ("inputs", "payload"),
    "progress": ("percent", "message"),
    "prompt": ("content", "task_text", "description"),
    "query": ("text",),
    "reason": ("message", "error"),
    "result": ("outcome", "report"),
    "revision": ("expected_rev", "expected_revision", "since_rev"),
    "run": ("run_id",),
    "search": ("text",),
    "session": ("session_key",),
    "session_id": ("session_key",),
    "since": ("since_rev", "changed_since"),
    "state": ("status", "outcome"),
    "state_json": ("state",),
    "status": ("outcome", "event", "action"),
    "step": ("node_id",),
    "step_id": ("node_id",),
    "task": ("task_text", "node_id"),
    "text": ("content", "report", "message", "task_text"),
    "timeout": ("timeout_s", "lease_s"),
    "timeout_ms": ("timeout_s",),
    "timeout_seconds": ("timeout_s",),
    "token": ("fence", "cursor"),
    "ttl": ("lease_s",),
    "type": ("event", "action"),
    "wait_json": ("wait",),
    "worker": ("agent_id",),
    "workflow": ("workflow_path", "workflow_id"),
    "workflow_markdown": ("workflow_text",),
}

_VALUES: Final[Mapping[str, str]] = {
    "abort": "cancel",
    "accept": "approve",
    "add": "add_node",
    "blocked": "waiting",
    "complete": "completed",
    "continue": "resume",
    "deny": "reject",
    "done": "completed",
    "error": "failed",
    "fail": "failed",
    "failure": "failed",
    "finished": "completed",
    "free": "release",
    "hold": "pause",
    "ignore": "skip",
    "message": "send_message",
    "ok": "completed",
    "release": "released",
    "remove": "remove_node",
    "rerun": "retry",
    "restart": "retry",
    "rewire": "rewire_node",
    "stop": "pause",  # not cancel: nothing comes back from that
    "success": "completed",
    "succeeded": "completed",
    "take_over": "release",
    "unlock": "release",
    "wait": "waiting",
}


def meant_field(name: str, fields: Iterable[str]) -> str | None:
    """The field that an unknown argument most likely stands for."""
    known = list(fields)
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_").replace(" ", "_")
    if snake in known:
        return snake
    for field in _FIELDS.get(snake, ()):
        if field in known:
            return field
    return nearest(snake, known) or next((field for field in known if len(snake) > 2 and field.startswith(snake)), None)


def meant_value(given: object, allowed: Iterable[str]) -> str | None:
    """The allowed word that a wrong one most likely stands for."""
    if not isinstance(given, str):
        return None
    known = list(allowed)
    word = given.strip().lower().replace("-", "_").replace(" ", "_")
    if word in known:
        return word
    meant = _VALUES.get(word)
    return meant if meant in known else nearest(word, known)
