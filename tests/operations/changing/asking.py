"""Asking the table of operations as a surface does, and jobs to ask about."""

import json
from dataclasses import replace
from typing import Any

from registry.core.commands import CreateRun
from registry.core.workflow import Defaults, NodeDefinition, Outputs, Retry, WaitFor, Workflow
from registry.errors import RegistryError
from registry.operations.caller import Caller, PersonNeeded, Question
from registry.operations.parse import parse_request
from registry.operations.table import OPERATIONS

Answer = dict[str, Any]

GATHER = NodeDefinition(
    id="gather",
    title="Gather the facts",
    kind="session_turn",
    prompt="Look at everything.",
    outputs=Outputs(mode="report"),
)
SECURITY = NodeDefinition(
    id="security", title="Security review", kind="subagent", prompt="Look for holes.", needs=("gather",), agent_id="sec"
)
SPEED = NodeDefinition(id="speed", title="Speed review", kind="subagent", prompt="Look for waits.", needs=("gather",))
GATE = NodeDefinition(id="gate", title="May it be sent?", kind="approval", needs=("security", "speed"))
SUMMARY = NodeDefinition(id="summary", title="Sum it up", kind="summary", needs=("gate",))
AUDIT = Workflow(workflow_id="audit", title="Audit", nodes=(GATHER, SECURITY, SPEED, GATE, SUMMARY))

GATE_ALONE = Workflow(
    workflow_id="release",
    title="Release",
    nodes=(
        NodeDefinition(id="gate", title="May it be sent?", kind="approval"),
        NodeDefinition(id="send", title="Send it", kind="session_turn", prompt="Send it.", needs=("gate",)),
    ),
)


def errand(node_id: str = "work", **more: Any) -> Workflow:
    """A workflow of one step."""
    node = NodeDefinition(**{"id": node_id, "title": "An errand", "kind": "session_turn", "prompt": "Do it.", **more})
    return Workflow(workflow_id="errand", title="Errand", nodes=(node,))


def given_run(caller: Caller, workflow: Workflow = AUDIT, run_id: str = "audit-1") -> str:
    """A run in the caller's registry."""
    caller.registry.create(CreateRun(run_id=run_id, workflow=workflow, actor=caller.actor, request=run_id))
    return run_id


def ask(caller: Caller, tool: str, **arguments: Any) -> Answer:
    """The answer as a surface sends it."""
    operation = OPERATIONS[tool]
    answer: Answer = operation.run(caller, parse_request(operation, arguments)).model_dump(
        mode="json", exclude_none=True
    )
    return answer


def refusal(caller: Caller, tool: str, **arguments: Any) -> str:
    """The refusal as a model reads it: code and message, hint, next calls."""
    try:
        answer = ask(caller, tool, **arguments)
    except RegistryError as error:
        calls = [f"next: {call.tool} {json.dumps(dict(call.args))}" for call in error.next]
        return "\n".join([f"{error.code}: {error.message}", *([f"hint: {error.hint}"] if error.hint else []), *calls])
    raise AssertionError(f"{tool} was not refused: {answer}")


def asked_of_a_person(caller: Caller, tool: str, **arguments: Any) -> Question:
    """The question that a person is put before the operation goes on."""
    try:
        answer = ask(caller, tool, **arguments)
    except PersonNeeded as turn:
        return turn.question
    raise AssertionError(f"nobody was asked: {answer}")


def named(caller: Caller, agent_id: str) -> Caller:
    """The same door, used by another agent."""
    return replace(caller, actor=caller.actor.model_copy(update={"id": agent_id}), agent_id=agent_id)


def claimed(caller: Caller, run_id: str = "audit-1", **arguments: Any) -> Answer:
    """A claim that is granted."""
    answer = ask(caller, "claim_node", run_id=run_id, **arguments)
    assert answer["claimed"], answer
    return answer


def finished(caller: Caller, claim: Answer, **more: Any) -> Answer:
    """The completion of a claim."""
    told = {"outcome": "completed", "summary": "done", "report": "# Report\n", **more}
    return ask(caller, "finish_node", run_id=claim["run_id"], fence=claim["fence"], **told)


def work_off(caller: Caller, *node_ids: str, run_id: str = "audit-1") -> None:
    """Claim and complete nodes one after the other."""
    for node_id in node_ids:
        finished(caller, claimed(caller, run_id, node_id=node_id))


__all__ = [
    "AUDIT", "GATE_ALONE", "Answer", "Defaults", "Retry", "WaitFor",
    "ask", "asked_of_a_person", "claimed", "errand", "finished", "given_run", "named", "refusal", "work_off",
]  # fmt: skip
