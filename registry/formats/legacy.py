"""Run folders of the earlier implementation, read as runs of ours.

There state.json and workflow.lock.md were the truth, refs.json was at first called
openclaw.json, and lines of the trail had no numbers. What such files say and we know is taken
over; what we do not know is left out of the view and stays in the kept files.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar, cast

from pydantic import BaseModel, ValidationError

from ..core.names import NodeId, RunId, iso, moment
from ..core.patch import Document
from ..core.record import Json
from ..core.run import Actor, Log, NodeState, Paused, Plan, Refs, Run, RunState, Wait, working_memory
from ..core.workflow import WORK_KINDS, NodeDefinition, NodeKind, Outputs, WaitFor, Workflow
from .event_line import read_object
from .projections import claimed_log

R = TypeVar("R", bound=BaseModel)

_TIMES: Final = frozenset(
    {"createdAt", "updatedAt", "startedAt", "completedAt", "waitingSince", "readyAt", "lastProgressMessageAt"}
)
_KINDS: Final = frozenset({"session_turn", "subagent", "wait", "approval", "summary"})
_WAITS: Final = frozenset({"manual", "next_tick", "file_exists"})
_NOBODY: Final = Actor(kind="unknown", id="file", via="file")
_LONG_AGO: Final = "1970-01-01T00:00:00.000+00:00"


@dataclass(frozen=True)
class EarlierFiles:
    """The texts of an earlier folder's state, bindings (either name) and workflow.lock.md; empty where missing."""

    state: bytes
    refs: bytes
    plan: bytes


def run_of_earlier(files: EarlierFiles, *, run_id: RunId, events: int) -> Run | None:
    """The run that earlier files describe, or None when they describe none.

    Args:
        events: Lines in the trail; counting goes on from there.
    """
    document = read_object(files.state)
    if document is None or not isinstance(document.get("nodes"), list) or claimed_log(files.state) is not None:
        # A state.json of ours that somebody edited is no word of an earlier writer: nobody vouches for it.
        return None
    try:
        return _run(document, files, run_id=run_id, events=events)
    except ValueError:
        return None


def _run(document: Document, files: EarlierFiles, *, run_id: RunId, events: int) -> Run:
    workflow = _workflow(files.plan)
    bindings = read_object(files.refs) or {}
    document = {
        **_bindings_of_the_run(bindings),
        **{key: value for key, value in document.items() if value is not None},
    }
    source = _text(document, "sourceSessionKey") or f"agent:opentask:opentask:{run_id}"
    root = _text(document, "rootSessionKey") or source
    updated = _time(document.get("updatedAt")) or _time(document.get("createdAt")) or _LONG_AGO
    nodes = [node for node in cast("list[Json]", document["nodes"]) if isinstance(node, dict)]
    states = {state.id: state for state in (_node(node, workflow, root=root, at=updated) for node in nodes)}
    fields: Document = {
        "workflowId": workflow.workflow_id if workflow else "earlier",
        "title": workflow.title if workflow else run_id,
        "status": "running",
        "sourceSessionKey": source,
        "sourceAgentId": _agent_of(source),
        "rootSessionKey": root,
        "plannerSessionKey": root,
        "driverSessionKey": root,
        "createdAt": updated,
        "updatedAt": updated,
        "lastEvent": "run.created",
        "runId": run_id,
        "nodes": {},
    }
    given = {key: value for key, value in document.items() if key not in ("nodes", "runId") and value != ""}
    state = _tolerant(RunState, {**fields, **given}, fields).model_copy(update={"nodes": states})
    if state.status == "paused":
        state = state.model_copy(update={"paused": Paused(at=updated, actor=_NOBODY)})
    refs = _refs(bindings, state)
    return Run(
        state=state.model_copy(update={"cron_job_id": refs.cron_job_id or state.cron_job_id}),
        refs=refs,
        plan=_plan(states, workflow, state),
        log=Log(rev=0, state_rev=0, seq=events, last_at=updated),
    )


def _node(document: Document, workflow: Workflow | None, *, root: str, at: str) -> NodeState:
    node_id = _text(document, "id")
    if not node_id:
        raise ValueError("a node has no id")
    known = {node.id: node for node in workflow.nodes} if workflow else {}
    definition = known.get(node_id)
    given_kind = _text(document, "kind")
    kind = given_kind if given_kind in _KINDS else definition.kind if definition else "session_turn"
    memory = working_memory(node_id, kind=cast(NodeKind, kind))
    fields: Document = {
        "id": node_id,
        "title": definition.title if definition else node_id,
        "kind": kind,
        "status": "pending",
        "needs": list(definition.needs) if definition else [],
        "outputsMode": definition.outputs.mode if definition else "notify",
        "sessionKey": root,
        "workingMemory": memory.model_dump(mode="json", by_alias=True, exclude_none=True),
    }
    given: Document = {key: value for key, value in document.items() if value is not None and value != ""}
    if "waitFor" in given:
        given["waitFor"] = _wait_for(given["waitFor"])
    return _sound(_tolerant(NodeState, {**fields, **given, "kind": kind}, fields), at=at)


def _sound(node: NodeState, *, at: str) -> NodeState:
    """A node with what our rules count on and the earlier implementation did not keep; `at` stands for lost times."""
    has_begun = node.status == "running" or (
        node.status in ("waiting", "completed", "failed") and node.kind in WORK_KINDS
    )
    is_waiting, has_ended = node.status == "waiting", node.status in ("completed", "failed", "skipped")
    wait = node.wait_for or WaitFor()
    return node.model_copy(
        update={
            "attempt": max(node.attempt, 1) if has_begun else node.attempt,
            "started_at": node.started_at or (at if has_begun else None),
            "ready_at": at if node.status == "ready" else None,
            "completed_at": (node.completed_at or at) if has_ended else None,
            "error": (node.error or node.notes or "failed before it was adopted") if node.status == "failed" else None,
            "wait": Wait(type="approval" if node.kind == "approval" else wait.type, path=wait.path)
            if is_waiting
            else None,
            "waiting_since": (node.waiting_since or node.started_at or at) if is_waiting else None,
        }
    )


def _wait_for(value: Json) -> Json:
    wait = {"type": value} if isinstance(value, str) else value
    if not isinstance(wait, dict) or wait.get("type") not in _WAITS:
        return {"type": "manual"}
    path = wait.get("path")
    return {"type": wait["type"], "path": path} if isinstance(path, str) else {"type": wait["type"]}


def _refs(document: Mapping[str, Json], state: RunState) -> Refs:
    fields: Document = {
        "cronJobId": state.cron_job_id,
        "sourceSessionKey": state.source_session_key,
        "rootSessionKey": state.root_session_key,
        "plannerSessionKey": state.planner_session_key,
        "driverSessionKey": state.driver_session_key,
    }
    given: Document = {key: value for key, value in document.items() if value is not None and value != ""}
    for key in ("nodeSessions", "childSessions", "nodeRunIds"):
        bound = given.get(key)
        if isinstance(bound, dict):
            given[key] = {node_id: value for node_id, value in bound.items() if isinstance(value, str) and value}
    ids = given.get("appliedControlIds")
    applied: Document = {str(control_id): True for control_id in ids} if isinstance(ids, list) else {}
    given["appliedControlIds"] = applied
    # What the earlier implementation left to be done has no ids we could confirm; it stays in the kept file.
    given.pop("pendingEffects", None)
    return _tolerant(Refs, {**fields, **given}, fields)


def _bindings_of_the_run(document: Mapping[str, Json]) -> Document:
    names = ("cronJobId", "sourceSessionKey", "rootSessionKey", "plannerSessionKey", "driverSessionKey")
    return {name: document[name] for name in names if isinstance(document.get(name), str) and document[name]}


def plan_of(state: RunState, text: bytes) -> Plan:
    """The plan of a run of which the state is left and perhaps its workflow.lock.md."""
    plan = _plan(state.nodes, _workflow(text), state)
    # The plan's file may lag behind; where both say something, the state does.
    told = {node.id: {"title": node.title, "kind": node.kind, "needs": node.needs} for node in state.nodes.values()}
    return plan.model_copy(
        update={"nodes": {node_id: node.model_copy(update=told[node_id]) for node_id, node in plan.nodes.items()}}
    )


def refs_of(state: RunState, known: Refs) -> Refs:
    """The bindings of a run of which the state is left: what both say is as the state has it."""
    nodes = state.nodes.values()
    return known.model_copy(
        update={
            "cron_job_id": state.cron_job_id,
            "source_session_key": state.source_session_key,
            "root_session_key": state.root_session_key,
            "planner_session_key": state.planner_session_key,
            "driver_session_key": state.driver_session_key,
            "node_sessions": {node.id: node.session_key for node in nodes if node.id in known.node_sessions},
            "child_sessions": {node.id: node.child_session_key for node in nodes if node.child_session_key},
            "node_run_ids": {node.id: node.run_id for node in nodes if node.run_id},
        }
    )


def _plan(states: Mapping[NodeId, NodeState], workflow: Workflow | None, state: RunState) -> Plan:
    known = {node.id: node for node in workflow.nodes} if workflow else {}
    nodes = {
        node_id: known.get(node_id)
        or NodeDefinition(
            id=node_id,
            title=node.title,
            kind=node.kind,
            needs=node.needs,
            outputs=Outputs(mode=node.outputs_mode),
            wait_for=node.wait_for,
        )
        for node_id, node in states.items()
    }
    if workflow is None:
        return Plan(workflow_id=state.workflow_id, title=state.title, nodes=nodes)
    return Plan.of(workflow).model_copy(update={"nodes": nodes})


def _workflow(text: bytes) -> Workflow | None:
    if not text:
        return None
    from .workflow_file import read_workflow

    return read_workflow(text, form="plan").workflow


def _tolerant(model: type[R], given: Mapping[str, Json], otherwise: Mapping[str, Json]) -> R:
    """A record of what can be understood; a field that cannot falls back, or is left out."""
    names = {field.alias or name for name, field in model.model_fields.items()}
    fields: Document = {
        name: (_time(value) if name in _TIMES else value) for name, value in given.items() if name in names
    }
    fields = {name: value for name, value in fields.items() if value is not None}
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        for fault in error.errors():
            name = str(fault["loc"][0])
            fields.pop(name, None)
            if name in otherwise:
                fields[name] = otherwise[name]
        return model.model_validate(fields)


def _time(value: Json) -> str | None:
    """A time as we write it; one without offset is taken for UTC."""
    if not isinstance(value, str) or not value:
        return None
    for text in (value, f"{value}+00:00"):
        with suppress(ValueError):
            return iso(moment(text))
    return None


def _text(document: Mapping[str, Json], name: str) -> str:
    value = document.get(name)
    return value if isinstance(value, str) else ""


def _agent_of(session_key: str) -> str:
    parts = session_key.split(":")
    return parts[1] if len(parts) > 2 and parts[0] == "agent" and parts[1] else "opentask"
