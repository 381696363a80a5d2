"""Flows to try things on, and what must be true of them at every moment."""

from typing import Any

from registry.core.check import check_all
from registry.core.commands import AppendEvent, Control, ControlAction
from registry.core.run import Actor, Effect, Run
from registry.flow_answers import FlowView
from registry.flows import Flows
from registry.registry import Outcome

AGENT = Actor(kind="agent", id="cc", via="mcp")
PERSON = Actor(kind="operator", id="maria", via="cli")
OWNER = "agent:main:main"
CHILD = "agent:worker:subagent:1"


def begun(flows: Flows, **fields: Any) -> str:
    """A flow; its id."""
    return flows.create(**{"controller_id": "release", "goal": "ship 2.1", **fields}).flow.flow_id


def linked(flows: Flows, flow_id: str, **fields: Any) -> str:
    """A running child of a flow; its node."""
    given = {"runtime": "subagent", "task": "write the notes", "child_session_key": CHILD, "status": "running"}
    answer = flows.run_task(flow_id, **{**given, **fields})
    assert answer.created and answer.task is not None, answer.reason
    return answer.task.id


def standing(flows: Flows, flow_id: str) -> FlowView:
    """A flow that is there."""
    view = flows.get(flow_id)
    assert view is not None
    return view


def run_of(flows: Flows, flow_id: str) -> Run:
    """The flow's run, proved to be one that can be."""
    run = flows.registry.read(flow_id).run
    assert check_all(run) == []
    assert [problem for problem in flows.registry.store.validate(flow_id) if problem.severity == "error"] == []
    return run


def told(flows: Flows, flow_id: str, event: str, node_id: str | None = None, **fields: Any) -> Outcome:
    """A report through the event door."""
    command = AppendEvent(**{"actor": AGENT, "event": event, "node_id": node_id, **fields})
    return flows.registry.transact(flow_id, command)


def steered(flows: Flows, flow_id: str, action: ControlAction, node_id: str | None = None, **fields: Any) -> Outcome:
    """A person's control of the flow's run."""
    command = Control(**{"actor": PERSON, "action": action, "control_id": f"c-{action}", "node_id": node_id, **fields})
    return flows.registry.transact(flow_id, command)


def names(outcome: Outcome | None) -> tuple[str, ...]:
    """What happened, in order."""
    assert outcome is not None
    return tuple(event.name for event in outcome.events)


def effects(flows: Flows, flow_id: str, kind: str) -> list[Effect]:
    """What of a kind is still to be done outside."""
    return [effect for effect in run_of(flows, flow_id).refs.pending_effects.values() if effect.kind == kind]
