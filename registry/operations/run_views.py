"""What get_run shows of a run: where it stands, one node of it, its events, its bindings."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from ..core.names import NodeId
from ..core.record import Json
from ..core.run import NodeState, Run, RunState
from ..storage.port import Store
from .answers import (
    counts,
    cut,
    effects_view,
    fit,
    messages_view,
    next_calls,
    node_row,
    open_first,
    paused_view,
    waiting_for,
)
from .briefs import attempts_of, child_prompt
from .caller import Caller
from .fit import ANSWER_CHARS_MAX, ROWS_DEFAULT, chars, leading
from .flow_rows import flow_row_of
from .idle import idle_because
from .next_calls import NextStep
from .run_rows import (
    Bindings,
    DetailedRow,
    FileRow,
    NamedValue,
    NodeBinding,
    Progress,
    RunView,
    event_row,
)

PURPOSE_CHARS: Final = 400
PROMPT_CHARS: Final = 500
REPORT_CHARS: Final = 4_000
_INPUT_CHARS: Final = 300
_INPUTS_CHARS: Final = 1_200
_BINDINGS_CHARS: Final = 5_000
_PROGRESS_CHARS: Final = 500
_NODE_TEXT_CHARS: Final = 1_000
_TEXT_CHARS_MIN: Final = 200
_EVENTS_SEARCHED: Final = 200
_TAIL_CHARS: Final = 200
"""Room for what is only known once the rows were cut."""


def run_fields(
    store: Store,
    run: Run,
    caller: Caller,
    *,
    now: datetime,
    since_rev: int | None = None,
    detailed: bool = False,
    after: NodeId | None = None,
    woken: bool = False,
    notices: Sequence[str] = (),
) -> dict[str, object]:
    """Where a run stands, as fields of `RunView`.

    Args:
        since_rev: Leave out what does not change, and nodes that have not changed since.
        detailed: With the beginning of every prompt, and bindings.
        after: Begin the nodes behind this one.
        woken: A timer woke the caller: it does not wait for others, but spawns lost workers anew.
    """
    state = run.state
    fresh = since_rev is None
    idle = idle_because(run, caller, now=now)
    fields: dict[str, object] = {
        "run_id": state.run_id,
        "status": state.status,
        "rev": run.log.state_rev,
        "flow": flow_row_of(state),
        "counts": counts(state),
        "paused": paused_view(state),
        "waiting_for": waiting_for(run, now=now),
        "messages": messages_view(state),
        "effects": effects_view(run),
        "last_progress": _progress(state),
        "idle_because": idle,
        "warnings": tuple(notices) or None,
        "next": next_calls(run, caller, now=now, shows=("messages", "effects"), may_wait=not woken),
    }
    if fresh and after is None:
        fields |= {
            "title": state.title,
            "workflow_id": state.workflow_id,
            "purpose": purpose(run.plan.body),
            "inputs": leading([_input(*item) for item in state.inputs.items()], room=_INPUTS_CHARS)
            if state.inputs
            else (),
            "run_dir": store.run_dir(state.run_id),
        }
    if detailed and after is None:
        fields["bindings"] = bindings_view(run)
    nodes = [node for node in open_first(state) if fresh or node.rev > (since_rev or 0)]
    run_dir = store.run_dir(state.run_id) if woken else None
    return {**fields, **_paged(run, nodes, fields, after=after, detailed=detailed, respawn_from=run_dir)}


def _paged(
    run: Run,
    nodes: list[NodeState],
    fields: Mapping[str, object],
    *,
    after: NodeId | None,
    detailed: bool,
    respawn_from: str | None,
) -> dict[str, object]:
    """As many nodes as there is room for, and where the rest begins."""
    ids = [node.id for node in nodes]
    rest = nodes[ids.index(after) + 1 :] if after in ids else nodes
    rows = [_row(run, node, detailed=detailed, respawn_from=respawn_from) for node in rest]
    beside = RunView.model_validate({**fields, "more_nodes": len(rest)})
    kept = fit(rows, beside=beside, limit=ROWS_DEFAULT, keep=_TAIL_CHARS)
    more = len(rows) - len(kept)
    return {"nodes": kept, "more_nodes": more, "next_cursor": kept[-1].node_id if more else None}


def _row(run: Run, node: NodeState, *, detailed: bool, respawn_from: str | None) -> DetailedRow:
    prompt = run.plan.nodes[node.id].prompt if detailed and node.id in run.plan.nodes else ""
    is_lost = node.kind == "subagent" and node.status == "ready" and node.lost_count > 0
    return DetailedRow(
        **node_row(node).model_dump(),
        prompt=cut(prompt, PROMPT_CHARS) or None,
        child_prompt=child_prompt(run.state.run_id, node, run_dir=respawn_from) if respawn_from and is_lost else None,
    )


def node_fields(store: Store, run: Run, node: NodeState, caller: Caller, *, now: datetime) -> dict[str, object]:
    """One node with what it was told, what it left and how its attempts went, as fields of `RunView`.

    What there is no room for is left out, least wanted first; `files` names it.
    """
    run_id = run.state.run_id
    fields: dict[str, object] = {
        "run_id": run_id,
        "status": run.state.status,
        "rev": run.log.state_rev,
        "node": DetailedRow(**node_row(node, text_chars=_NODE_TEXT_CHARS).model_dump()),
        "attempts": attempts_of(node),
        "paused": paused_view(run.state),
        "waiting_for": waiting_for(run, now=now, node_id=node.id),
        "messages": messages_view(run.state, node.id),
        "next": tuple(step for step in next_calls(run, caller, now=now, limit=2_000) if _concerns(step, node.id)),
    }
    files = [FileRow(path=path, chars=size) for path, size in store.files(run_id, node.id)]
    fields["files"] = fit(files, beside=RunView.model_validate(fields), keep=_TAIL_CHARS)
    prompt = run.plan.nodes[node.id].prompt if node.id in run.plan.nodes else ""
    report = f"nodes/{node.id}/report.md"
    _add(fields, "prompt", cut(prompt, REPORT_CHARS))
    _add(fields, "result", node.result)
    for name, path in (("report_text", report), ("handoff", node.working_memory.handoff)):
        if path is not None:
            raw, _ = store.read_file(run_id, path, offset=0, limit=4 * REPORT_CHARS)
            _add(fields, name, cut(raw.decode(errors="replace"), REPORT_CHARS))
    return fields


def _add(fields: dict[str, object], name: str, value: object) -> None:
    """Add a part to an answer, or as much of its text as there is room for."""
    while value:
        fields[name] = value
        over = chars(RunView.model_validate(fields)) - ANSWER_CHARS_MAX
        if over <= 0:
            return
        del fields[name]
        # Escapes make a text longer than it is, never more than sixfold; a few rounds find what fits.
        if not isinstance(value, str) or len(value) - over < _TEXT_CHARS_MIN:
            return
        value = cut(value, len(value) - over)


def _concerns(step: NextStep, node_id: NodeId) -> bool:
    return step.args.get("node_id") == node_id


def events_fields(
    store: Store, run: Run, *, node_id: NodeId | None, before_seq: int | None, since_rev: int | None
) -> dict[str, object]:
    """The newest events first, as fields of `RunView`; the cursor leads to older ones.

    A page holds what is about the node, if one is named, among so many of the run's events;
    it may be empty and yet have a next one.
    """
    newest = run.log.seq if before_seq is None else min(before_seq - 1, run.log.seq)
    looked_at = ROWS_DEFAULT if node_id is None else _EVENTS_SEARCHED
    begin = max(0, newest - looked_at)
    logged = [one for one in store.events(run.state.run_id, since_seq=begin, limit=looked_at) if one.seq <= newest]
    recent = [one for one in logged if since_rev is None or one.rev > since_rev]
    wanted = [event_row(one) for one in reversed(recent) if node_id is None or one.event.node_id == node_id]
    fields: dict[str, object] = {
        "run_id": run.state.run_id,
        "status": run.state.status,
        "rev": run.log.state_rev,
        "next": (),
    }
    kept = fit(wanted, beside=RunView.model_validate(fields), keep=_TAIL_CHARS)
    cursor = kept[-1].seq if len(kept) < len(wanted) else begin + 1
    is_more = len(kept) < len(wanted) or (begin > 0 and len(recent) == len(logged))
    return {**fields, "events": kept, "next_cursor": str(cursor) if is_more else None}


def bindings_view(run: Run) -> Bindings:
    """The run's ties to the outside; nodes without any of their own are left out, and what there is no room for."""
    state, refs = run.state, run.refs
    nodes = [
        NodeBinding(
            node_id=node.id,
            session_key=refs.node_sessions.get(node.id),
            child_session_key=node.child_session_key or None,
            worker_run_id=node.run_id or None,
        )
        for node in state.nodes.values()
    ]
    bound = [one for one in nodes if one.session_key or one.child_session_key or one.worker_run_id]
    shown = leading(bound, room=_BINDINGS_CHARS)
    context = state.delivery_context
    return Bindings(
        source_session_key=state.source_session_key or None,
        source_agent_id=state.source_agent_id or None,
        root_session_key=state.root_session_key or None,
        planner_session_key=state.planner_session_key or None,
        driver_session_key=state.driver_session_key or None,
        driver_run_id=refs.driver_run_id or None,
        cron_job_id=state.cron_job_id or None,
        delivery_context=context.model_dump(mode="json", by_alias=True, exclude_none=True) if context else None,
        nodes=shown,
        more_nodes=len(bound) - len(shown) or None,
    )


def _input(name: str, value: Json) -> NamedValue:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) <= _INPUT_CHARS:
        return NamedValue(name=name, value=value)
    return NamedValue(name=name, value=cut(text, _INPUT_CHARS), cut=True)


def purpose(body: str) -> str | None:
    """The definition's own words on what it is for: its text below the headings, cut."""
    lines = (line.strip() for line in body.splitlines())
    text = " ".join(line for line in lines if line and not line.startswith("#"))
    return cut(text, PURPOSE_CHARS) or None


def _progress(state: RunState) -> Progress | None:
    if not state.last_progress_message:
        return None
    return Progress(message=cut(state.last_progress_message, _PROGRESS_CHARS), at=state.last_progress_message_at)
