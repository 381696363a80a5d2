"""The beginning of a run."""

from pydantic_core import to_json

from ..commands import CreateRun
from ..draft import Draft
from ..events import Decision, Facts
from ..flow import Flow
from ..names import iso, own_session_key
from ..run import Log, Plan, Refs, Run, RunState
from ..tasks import params_path
from .plan import add_summary, fresh_node
from .texts import handoff
from .tick import settle, wake_at


def create(command: CreateRun, facts: Facts) -> Decision:
    """A new run with its plan, its first ready nodes, and the files that scaffolding makes."""
    source_agent = (
        command.source_agent_id or _agent_of(command.source_session_key) or command.workflow.defaults.agent_id
    )
    source_agent = source_agent or "opentask"
    source = command.source_session_key or command.root_session_key or own_session_key(source_agent, command.run_id)
    root = command.root_session_key or source
    planner, driver = command.planner_session_key or root, command.driver_session_key or root
    at = iso(facts.now)
    state = RunState(
        run_id=command.run_id,
        workflow_id=command.workflow.workflow_id,
        title=command.title or command.workflow.title,
        status="running",
        source_session_key=source,
        source_agent_id=source_agent,
        delivery_context=command.delivery_context,
        root_session_key=root,
        planner_session_key=planner,
        driver_session_key=driver,
        created_at=at,
        updated_at=at,
        last_event="run.created",
        inputs=command.inputs,
        tags=command.tags,
        group=command.group,
        flow=command.flow,
        request=command.request,
        nodes={},
    )
    refs = Refs(
        source_session_key=source, root_session_key=root, planner_session_key=planner, driver_session_key=driver
    )
    empty = Run(state=state, refs=refs, plan=Plan.of(command.workflow), log=Log())
    draft = Draft(empty, facts, command.actor)
    draft.tell("run.created", message=state.title, workflowId=state.workflow_id, nodes=len(command.workflow.nodes))
    if command.flow is not None:
        _tell_flow(draft, command.flow)
    for node in command.workflow.nodes:
        draft.nodes[node.id] = fresh_node(draft, node)
    if command.errand is not None:
        for node_id in list(draft.nodes):
            draft.change(
                node_id,
                depends_on=command.errand.depends_on,
                params=command.errand.params,
                created_by=command.errand.created_by,
            )
            if command.errand.params is not None:
                draft.write(params_path(node_id), to_json(command.errand.params, indent=2) + b"\n")
    else:
        add_summary(draft)
    settle(draft)
    for begun in draft.nodes.values():
        if begun.kind == "subagent":
            draft.write(f"nodes/{begun.id}/handoff.md", handoff(draft, begun))
    draft.answer = {"created": True}
    return draft.decision(wake_at=wake_at(draft))


def _tell_flow(draft: Draft, flow: Flow) -> None:
    draft.tell(
        "flow.created",
        status=flow.status,
        revision=flow.revision,
        controllerId=flow.controller_id,
        ownerKey=flow.owner_key,
        currentStep=flow.current_step,
    )


def _agent_of(session_key: str | None) -> str | None:
    """The agent named by a session key of the form `agent:<id>:...`."""
    parts = (session_key or "").split(":")
    return parts[1] if len(parts) > 2 and parts[0] == "agent" and parts[1] else None
