"""How parts of a run look in an answer: rows, waits, pauses, messages, effects.

Texts that others wrote stand only in the fields named for them; everything else here is made
of our own words, ids and times. No fence is in any of it.
"""

from datetime import datetime
from typing import Final

from pydantic import ConfigDict, Field

from ..core.names import NodeId, moment
from ..core.record import Bag
from ..core.run import Effect, Message, NodeState, Run, RunState, Wait
from ..core.workflow import WORK_KINDS, NodeKind
from .fit import ROWS_DEFAULT, cut, leading
from .table import Result

TEXT_CHARS: Final = 300
"""What a row shows of a text that its worker wrote; the node's own view shows more."""

_TITLE_CHARS: Final = 200
_WORDS_CHARS: Final = 1_000
_MESSAGES_CHARS: Final = 4_500
_EFFECTS_CHARS: Final = 2_500
_WAITING_CHARS: Final = 3_000
_ASKED_CHARS: Final = 800
_ASKED_CHARS_ALL: Final = 2_000

A_PERSON: Final = "a person"
_A_CONTROLLER: Final = "the flow's controller"

_OPEN_FIRST = ("running", "waiting", "ready", "failed", "pending", "completed", "skipped")
"""Rows that somebody can act on come before those that only tell what was."""


class NodeRow(Result):
    """One line about a node; prompts and reports are never in it."""

    node_id: str
    title: str
    kind: NodeKind
    status: str
    outcome: str | None = None
    needs: tuple[str, ...] | None = None
    agent_id: str | None = None
    owner: str | None = None
    attempt: int | None = None
    last_heard_at: str | None = None
    lease_expires_at: str | None = None
    not_before: str | None = None
    progress: str | None = None
    summary: str | None = None
    error: str | None = None
    report: str | None = None
    lost: int | None = None


class WaitingRow(Result):
    """What a node waits for, since when, and who or what ends it. `prompt` is what a person is asked."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    node_id: str
    what: str = Field(alias="for")
    since: str | None = None
    until: str | None = None
    path: str | None = None
    event: str | None = None
    who: str | None = None
    how: str | None = None
    prompt: str | None = None


class PausedRow(Result):
    """Who paused the run, when, through which door and with which words."""

    at: str
    by: str
    via: str
    message: str | None = None


class MessageRow(Result):
    """Words of a person that nobody has said to have read."""

    id: str
    at: str
    by: str
    node_id: str | None = None
    message: str


class EffectRow(Result):
    """What only an agent or a gateway can do; confirmed by its id."""

    effect_id: str
    kind: str
    do: str
    params: Bag
    tries: int


def node_row(node: NodeState, *, text_chars: int = TEXT_CHARS) -> NodeRow:
    """A node as one row."""

    def shortened(text: str | None) -> str | None:
        return None if text is None else cut(text, text_chars)

    lease = node.lease
    is_held = node.status in {"running", "waiting"} and lease is not None
    return NodeRow(
        node_id=node.id,
        title=cut(node.title, _TITLE_CHARS),
        kind=node.kind,
        status=node.status,
        outcome=node.outcome,
        needs=node.needs or None,
        agent_id=node.agent_id,
        owner=lease.owner if lease and is_held else None,
        attempt=node.attempt or None,
        last_heard_at=(lease.heard_at or node.started_at) if lease and is_held else None,
        lease_expires_at=lease.expires_at if lease and is_held else None,
        not_before=node.not_before if node.status == "ready" else None,
        progress=shortened(node.progress) if node.is_open else None,
        summary=shortened(node.summary),
        error=shortened(node.error),
        report=report_path(node),
        lost=node.lost_count or None,
    )


def report_path(node: NodeState) -> str | None:
    """The run-relative path of the file that tells what the node found, if it left any."""
    own = f"nodes/{node.id}/report.md"
    if own in node.artifact_paths:
        return own
    return next((path for path in node.artifact_paths if path.endswith(".md")), None)


def open_first(state: RunState) -> list[NodeState]:
    """All nodes, those with something to do before those that are over; else in plan order."""
    return sorted(state.nodes.values(), key=lambda node: _OPEN_FIRST.index(node.status))


def counts(state: RunState) -> dict[str, int]:
    """How many nodes stand where; statuses nobody has are absent."""
    found: dict[str, int] = {}
    for status in ("pending", "ready", "running", "waiting", "completed", "failed", "skipped"):
        number = sum(1 for node in state.nodes.values() if node.status == status)
        if number:
            found[status] = number
    return found


def paused_view(state: RunState) -> PausedRow | None:
    """Who holds the run, while it is paused."""
    paused = state.paused
    if state.status != "paused" or paused is None:
        return None
    return PausedRow(
        at=paused.at, by=paused.actor.id, via=paused.actor.via, message=cut(paused.message, _WORDS_CHARS) or None
    )


def messages_view(state: RunState, node_id: NodeId | None = None) -> tuple[MessageRow, ...]:
    """Unread words of people, oldest first: all, or those to one node and to the run as a whole.

    Those there is no room for are shown once the first were said to be read.
    """
    rows = [
        _message_row(message)
        for message in state.messages
        if node_id is None or message.node_id is None or message.node_id == node_id
    ]
    return leading(rows, room=_MESSAGES_CHARS)


def _message_row(message: Message) -> MessageRow:
    return MessageRow(id=message.id, at=message.at, by=message.by, node_id=message.node_id, message=message.message)


def effects_view(run: Run) -> tuple[EffectRow, ...]:
    """What the run still wants done outside, oldest first; the rest shows once the first are confirmed."""
    return leading([_effect_row(effect) for effect in run.refs.pending_effects.values()], room=_EFFECTS_CHARS)


def _effect_row(effect: Effect) -> EffectRow:
    return EffectRow(effect_id=effect.id, kind=effect.kind, do=effect.do, params=effect.params, tries=effect.tries)


def waiting_for(run: Run, *, now: datetime, node_id: NodeId | None = None) -> tuple[WaitingRow, ...]:
    """What open nodes wait for other than their needs: people, times, files, events, back-offs.

    Args:
        node_id: Of this node alone.
    """
    state = run.state
    nodes = [state.nodes[node_id]] if node_id is not None else list(state.nodes.values())
    rows = [row for node in nodes if (row := _waiting_row(state, node, now)) is not None]
    return leading(_with_prompts(run, rows[:ROWS_DEFAULT]), room=_WAITING_CHARS) if rows else ()


def _with_prompts(run: Run, rows: list[WaitingRow]) -> list[WaitingRow]:
    """The rows that a person ends, each with what its node asks them; many share the room of a few."""
    asked = {
        row.node_id: definition.prompt.strip() or definition.title
        for row in rows
        if row.who == A_PERSON and (definition := run.plan.nodes[row.node_id]).kind not in WORK_KINDS
    }
    share = min(_ASKED_CHARS, _ASKED_CHARS_ALL // max(1, len(asked)))
    return [
        row.model_copy(update={"prompt": cut(asked[row.node_id], share)}) if row.node_id in asked else row
        for row in rows
    ]


def _waiting_row(state: RunState, node: NodeState, now: datetime) -> WaitingRow | None:
    if node.status == "waiting":
        return _begun_wait(node)
    if node.status == "ready" and node.kind not in WORK_KINDS and state.status == "paused":
        return WaitingRow(node_id=node.id, what="resume", how="begins to wait when the run is resumed")
    if node.status == "ready" and node.not_before is not None and moment(node.not_before) > now:
        return WaitingRow(
            node_id=node.id, what="backoff", since=node.ready_at, until=node.not_before, how="tick_run or claim"
        )
    return None


def _begun_wait(node: NodeState) -> WaitingRow:
    wait = node.wait or Wait(type="approval" if node.kind == "approval" else "manual")
    who, how = _ended_by(node, wait)
    return WaitingRow(
        node_id=node.id,
        what=wait.type,
        since=node.waiting_since,
        until=wait.at or node.deadline,
        path=wait.path,
        event=wait.event,
        who=who,
        how=how,
    )


def _ended_by(node: NodeState, wait: Wait) -> tuple[str | None, str]:
    if wait.type == "approval":
        return A_PERSON, "request_control approve or reject"
    if wait.type == "file_exists":
        return None, "tick_run once the file is there"
    if wait.type == "event":
        return None, "append_event of that name"
    if wait.type == "until":
        return None, "tick_run once the time has come"
    if wait.type == "next_tick":
        return None, "the next tick_run"
    if node.managed:
        return _A_CONTROLLER, "append_event node.started, node.completed or node.failed"
    if node.lease is not None:
        return node.lease.owner, "finish_node or node.started with its fence; request_control approve lets it go on"
    return A_PERSON, "request_control approve"


def priority_label(priority: int) -> str:
    """P0 for 9 and 10, P1 for 6 to 8, P2 below."""
    return "P0" if priority >= 9 else "P1" if priority >= 6 else "P2"
