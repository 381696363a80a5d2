"""The result of get_run, and the rows it is made of.

One result model holds all views, since an answer has one schema; which fields a view fills is
said in `run_views.py`. No fence is in any of them.
"""

from ..core.record import Bag, Json
from ..storage.port import LoggedEvent
from .answers import EffectRow, MessageRow, NextStep, NodeRow, PausedRow, WaitingRow
from .briefs import AttemptRow
from .flow_rows import FlowRow
from .table import Result


class NamedValue(Result):
    """An input of the run; a list of these, because no caller's word is a key of an answer."""

    name: str
    value: Json
    cut: bool | None = None


class Progress(Result):
    """The last progress line of the run and when it came."""

    message: str
    at: str


class FileRow(Result):
    """A file of a node; `chars` is its size, counted in bytes."""

    path: str
    chars: int


class NodeBinding(Result):
    """A node's ties to the outside."""

    node_id: str
    session_key: str | None = None
    child_session_key: str | None = None
    worker_run_id: str | None = None


class Bindings(Result):
    """A run's ties to the outside; what refs.json holds, without reading it."""

    source_session_key: str | None = None
    source_agent_id: str | None = None
    root_session_key: str | None = None
    planner_session_key: str | None = None
    driver_session_key: str | None = None
    driver_run_id: str | None = None
    cron_job_id: str | None = None
    delivery_context: Bag | None = None
    nodes: tuple[NodeBinding, ...]
    more_nodes: int | None = None


class EventActor(Result):
    """Who made a change; a claim unless verified."""

    kind: str
    id: str
    via: str
    verified: bool


class EventRow(Result):
    """One line of the trail. `rev` numbers mutations, `seq` events."""

    seq: int
    rev: int
    event: str
    at: str
    node_id: str | None = None
    message: str | None = None
    payload: Bag | None = None
    by: EventActor


class DetailedRow(NodeRow):
    """A node with the beginning of what it is to do, and the text to give to a sub-agent that starts over."""

    prompt: str | None = None
    child_prompt: str | None = None


class RunView(Result):
    """An answer of get_run; every view has the first line."""

    run_id: str
    status: str
    rev: int
    reconciled: bool | None = None
    """A lease has run out that nobody has recorded yet; the answer shows its node as it will be."""
    title: str | None = None
    workflow_id: str | None = None
    purpose: str | None = None
    inputs: tuple[NamedValue, ...] | None = None
    run_dir: str | None = None
    flow: FlowRow | None = None
    counts: dict[str, int] | None = None
    nodes: tuple[DetailedRow, ...] | None = None
    more_nodes: int | None = None
    node: DetailedRow | None = None
    prompt: str | None = None
    handoff: str | None = None
    report_text: str | None = None
    result: Bag | None = None
    attempts: tuple[AttemptRow, ...] | None = None
    files: tuple[FileRow, ...] | None = None
    events: tuple[EventRow, ...] | None = None
    bindings: Bindings | None = None
    next_cursor: str | None = None
    paused: PausedRow | None = None
    waiting_for: tuple[WaitingRow, ...] | None = None
    messages: tuple[MessageRow, ...] | None = None
    effects: tuple[EffectRow, ...] | None = None
    last_progress: Progress | None = None
    idle_because: str | None = None
    warnings: tuple[str, ...] | None = None
    next: tuple[NextStep, ...]


def event_row(logged: LoggedEvent) -> EventRow:
    """An event as one row, without fences."""
    event = logged.event
    return EventRow(
        seq=logged.seq,
        rev=logged.rev,
        event=event.name,
        at=event.timestamp,
        node_id=event.node_id,
        message=event.message,
        payload=without_fences(event.payload) or None,
        by=EventActor.model_validate(event.actor.model_dump()),
    )


def without_fences(bag: Bag) -> Bag:
    """The object without any key `fence`, at whatever depth: only a claim gives one out."""
    return {key: _without_fences(value) for key, value in bag.items() if key != "fence"}


def _without_fences(value: Json) -> Json:
    if isinstance(value, dict):
        return without_fences(value)
    if isinstance(value, list):
        return [_without_fences(item) for item in value]
    return value
