"""Bindings: which sessions, jobs and chats outside belong to a run and its nodes."""

from pydantic.alias_generators import to_camel

from ...errors import InvalidRequest, NextCall
from ..commands import Bind
from ..draft import Draft
from ..names import NodeId
from ..record import Bag
from .effects import slow_cron, stop_cron


def bind(draft: Draft, command: Bind) -> None:
    """Record what the caller knows; several at once are one mutation."""
    bound: list[str] = []
    if command.node_id is not None:
        bound += _bind_node(draft, draft.node(command.node_id).id, command)
    elif command.session_key or command.child_session_key or command.worker_run_id:
        raise InvalidRequest(
            "session_key, child_session_key and worker_run_id belong to a node; node_id is missing",
            hint=f"nodes: {', '.join(list(draft.nodes)[:20])}",
            next=(NextCall("get_run", {"run_id": draft.state.run_id}, "shows the nodes"),),
        )
    if command.cron_job_id:
        draft.set_state(cron_job_id=command.cron_job_id)
        draft.set_refs(cron_job_id=command.cron_job_id)
        draft.tell("run.cron_bound", message=command.message, payload=command.payload, value=command.cron_job_id)
        _set_pace(draft)
        bound.append("cron_job_id")
    if command.driver_run_id:
        draft.set_refs(driver_run_id=command.driver_run_id)
        draft.tell("run.driver_bound", message=command.message, payload=command.payload, value=command.driver_run_id)
        bound.append("driver_run_id")
    bound += _bind_run(draft, command)
    if not bound:
        raise InvalidRequest(
            "nothing to bind was given",
            hint="give cron_job_id, driver_run_id, source_session_key or delivery_context, "
            "or with node_id: session_key, child_session_key, worker_run_id",
        )
    draft.answer = {"bound": list(bound)}


def _set_pace(draft: Draft) -> None:
    """A job that is bound to a run after its pause or end was not there to be slowed or stopped then."""
    if draft.is_paused:
        slow_cron(draft)
    elif draft.state.is_ended:
        stop_cron(draft)


def _bind_node(draft: Draft, node_id: NodeId, command: Bind) -> list[str]:
    bound: list[str] = []
    if command.session_key:
        draft.change(node_id, session_key=command.session_key)
        draft.set_refs(node_sessions={**draft.refs.node_sessions, node_id: command.session_key})
        draft.tell(
            "node.session_bound", node_id, message=command.message, payload=command.payload, value=command.session_key
        )
        bound.append("session_key")
    if command.child_session_key:
        draft.change(node_id, child_session_key=command.child_session_key, lost_at=None)
        draft.set_refs(child_sessions={**draft.refs.child_sessions, node_id: command.child_session_key})
        draft.tell(
            "node.child_session_bound",
            node_id,
            message=command.message,
            payload=command.payload,
            value=command.child_session_key,
        )
        bound.append("child_session_key")
    if command.worker_run_id:
        draft.change(node_id, run_id=command.worker_run_id)
        draft.set_refs(node_run_ids={**draft.refs.node_run_ids, node_id: command.worker_run_id})
        draft.tell(
            "node.run_bound", node_id, message=command.message, payload=command.payload, value=command.worker_run_id
        )
        bound.append("worker_run_id")
    return bound


def _bind_run(draft: Draft, command: Bind) -> list[str]:
    keys = {
        "source_session_key": command.source_session_key,
        "root_session_key": command.root_session_key,
        "planner_session_key": command.planner_session_key,
        "driver_session_key": command.driver_session_key,
    }
    given = {name: value for name, value in keys.items() if value}
    payload: Bag = {**given}
    if given:
        draft.set_state(**given)
        draft.set_refs(**given)
    if command.source_agent_id:
        draft.set_state(source_agent_id=command.source_agent_id)
        payload["source_agent_id"] = command.source_agent_id
    if command.delivery_context is not None:
        draft.set_state(delivery_context=command.delivery_context)
        payload["delivery_context"] = command.delivery_context.model_dump(mode="json", by_alias=True, exclude_none=True)
    if payload:
        camel = {to_camel(name): value for name, value in payload.items()}
        draft.tell("run.bound", message=command.message, payload={**command.payload, **camel})
    return list(payload)
