"""Tool names that other task servers use, and models therefore guess: each with the call that does it."""

import re
from collections.abc import Collection, Mapping
from typing import Final

from pydantic import JsonValue

from registry.core.names import nearest, shown
from registry.errors import NextCall, NotFound, RegistryError

_BRACES: Final = re.compile(r"\{([^{}]*)\}")
_ECHOED_MAX: Final = 200
"""Characters of a caller's argument that an error says again."""

_WORKING: Final = "heartbeat_node {run_id, fence, message} while you work, then finish_node {run_id, fence, outcome}"
# The text after the tool's name shows the arguments that matter, so that the first call is right.
ALIASES: Final[Mapping[str, str]] = {
    "start_run": "scaffold_run {workflow_path} or {task_text}",
    "create_run": "scaffold_run {workflow_path} or {task_text}",
    "run_workflow": "scaffold_run {workflow_path, inputs}",
    "start_workflow": "scaffold_run {workflow_path, inputs}",
    "create_workflow": "scaffold_run {workflow_text}",
    "get_run_status": "get_run {run_id}",
    "get_status": "get_run {run_id}",
    "get_state": "get_run {run_id}",
    "get_node": "get_run {run_id, node_id}",
    "list_nodes": "get_run {run_id}",
    "list_events": "get_run {run_id, view: events}",
    "get_events": "get_run {run_id, view: events}",
    "get_logs": "get_run {run_id, view: events}",
    "start_node": "claim_node {run_id, node_id}",
    "claim_task": "claim_node {run_id} or {agent_id}",
    "get_next_task": "claim_node {run_id} or {agent_id}",
    "next_task": "claim_node {run_id} or {agent_id}",
    "complete_node": "finish_node {run_id, fence, outcome: completed}",
    "complete_task": "finish_node {run_id, fence, outcome: completed}",
    "fail_node": "finish_node {run_id, fence, outcome: failed, error}",
    "release_node": "finish_node {run_id, fence, outcome: released}",
    "update_task": _WORKING,
    "update_node": _WORKING,
    "set_status": "finish_node {run_id, fence, outcome}",
    "heartbeat": "heartbeat_node {run_id, fence}",
    "report_progress": "append_event {run_id, event: run.progress, message}",
    "add_event": "append_event {run_id, event}",
    "log_event": "append_event {run_id, event}",
    "approve": "request_control {run_id, action: approve, node_id}",
    "approve_node": "request_control {run_id, action: approve, node_id}",
    "reject_node": "request_control {run_id, action: reject, node_id}",
    "pause_run": "request_control {run_id, action: pause}",
    "resume_run": "request_control {run_id, action: resume}",
    "cancel_run": "request_control {run_id, action: cancel}",
    "retry_node": "request_control {run_id, action: retry, node_id}",
    "skip_node": "request_control {run_id, action: skip, node_id}",
    "send_message": "request_control {run_id, action: send_message, message}",
    "add_node": "change_plan {run_id, action: add_node, node_id, node}",
    "remove_node": "change_plan {run_id, action: remove_node, node_id}",
    "handoff": "write_handoff {run_id, node_id, content}",
    "spawn_subagent": "write_handoff {run_id, node_id, content}, then spawn it with child_prompt,",
    "save_report": "finish_node {run_id, fence, outcome: completed, report}",
    "write_report": "finish_node {run_id, fence, outcome: completed, report}",
    "write_file": "write_artifact {run_id, node_id, path, content}",
    "read_file": "read_artifact {run_id, path}",
    "get_artifact": "read_artifact {run_id, path}",
    "wait": "wait_for_run {run_id}",
    "wait_for_completion": "wait_for_run {run_id}",
    "add_task": "create_task {name, agent_id}",
    "assign_task": "create_task {name, agent_id}",
    "new_task": "create_task {name, agent_id}",
    "enqueue_task": "create_task {name, agent_id}",
    "get_tasks": "list_tasks {agent_id}",
    "get_queue": "list_tasks {agent_id, order: queue}",
    "list_queue": "list_tasks {agent_id, order: queue}",
    "get_pending_tasks": "list_tasks {agent_id, order: queue}",
    "delete_task": "cancel_task {task_id}",
    "get_stats": "task_stats {agent_id}",
    "start_flow": "create_flow {controller_id, goal, owner_key}",
    "set_waiting": "update_flow {flow_id, action: set_waiting, expected_revision}",
    "resume_flow": "update_flow {flow_id, action: resume, expected_revision}",
    "finish_flow": "update_flow {flow_id, action: finish, expected_revision}",
    "fail_flow": "update_flow {flow_id, action: fail, expected_revision}",
    "link_task": "run_flow_task {flow_id, runtime, task}",
    "create_job": "scaffold_run {workflow_path} or {task_text}",
    "list_jobs": "list_runs {}",
    "search_runs": "list_runs {text}",
}


def unknown_tool(
    name: str,
    *,
    served: Collection[str],
    known: Mapping[str, str],
    given: Mapping[str, JsonValue] | None = None,
    fields: Mapping[str, Collection[str]] | None = None,
) -> RegistryError:
    """Why there is no such tool here, and the call that does what its name says.

    Args:
        served: Names of the tools this server offers.
        known: Names of every tool there is, with the reason and mend where this server does not offer it.
        given: The arguments of the call; what of them the right tool takes is in its `next`.
        fields: The arguments that each served tool takes.
    """
    if name in known:
        return NotFound(f"tool {name!r} is not offered here: {known[name]}", next=_look(served), tool=name)
    bare = name.lower().replace("-", "_").rpartition("__")[2].rpartition(".")[2]
    kept = {} if given is None else _short(given)
    if bare in served:
        meant = NextCall(bare, kept)
        return NotFound(f"no tool {shown(name)!r}; it is called {bare!r}", next=(meant,), tool=name)
    told = ALIASES.get(bare)
    if told is not None and told.split()[0] in served:
        tool = told.split()[0]
        taken = () if fields is None else fields.get(tool, ())
        asked = {key: value for key, value in kept.items() if key in taken}
        meant = NextCall(tool, _named(told, asked) | asked)
        return NotFound(f"no tool {shown(name)!r}; {told} does that", next=(meant,), tool=name)
    near = nearest(bare, served)
    message = f"no tool {shown(name)!r}" + (f"; did you mean {near!r}?" if near else "")
    return NotFound(message, hint=f"tools: {', '.join(sorted(served))}", next=_look(served), tool=name)


def _named(told: str, given: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The arguments that an alias names: of several ways the one that was begun, else the first."""
    ways = [
        dict(part.strip().partition(": ")[::2] for part in way.split(","))
        for way in _BRACES.findall(told.partition(" while ")[0])
    ]
    way = next((way for way in ways if any(name in given for name in way)), ways[0] if ways else {})
    return {name: value or f"<{name}>" for name, value in way.items() if name}


def _short(given: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The arguments without what is long: the caller has it, and an error is short."""
    return {name: value if len(str(value)) <= _ECHOED_MAX else f"<{name}>" for name, value in given.items()}


def _look(served: Collection[str]) -> tuple[NextCall, ...]:
    return (NextCall("list_runs", {"status": "open"}),) if "list_runs" in served else ()
