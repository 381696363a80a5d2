"""Asking a registry as a surface does: arguments in, the plain answer out."""

from collections.abc import Mapping

from registry.core.record import Json
from registry.core.run import Actor
from registry.operations.caller import Caller
from registry.operations.parse import parse_request
from registry.operations.table import OPERATIONS
from registry.registry import Registry

Answer = dict[str, Json]


class Asker:
    """An agent at an open registry."""

    def __init__(
        self, registry: Registry, agent_id: str = "cc", *, read_only: bool = False, person: bool = False
    ) -> None:
        actor = Actor(kind="operator", id="maria", via="cli") if person else Actor(kind="agent", id=agent_id, via="mcp")
        self.registry = registry
        self.caller = Caller(registry=registry, actor=actor, agent_id=agent_id, read_only=read_only)

    def __call__(self, tool: str, arguments: Mapping[str, object] | None = None, /, **more: object) -> Answer:
        operation = OPERATIONS[tool]
        answer = operation.run(self.caller, parse_request(operation, {**(arguments or {}), **more}))
        plain: Answer = answer.model_dump(mode="json", exclude_none=True)
        return plain

    def look(self, waited_s: float, **arguments: object) -> Answer | None:
        """One look of wait_for_run."""
        operation = OPERATIONS["wait_for_run"]
        assert operation.step is not None
        answer = operation.step(self.caller, parse_request(operation, arguments), waited_s)
        return None if answer is None else answer.model_dump(mode="json", exclude_none=True)


AUDIT_TEXT = """\
---
workflowId: audit
title: Audit of {{ inputs.repo }}
inputs:
  repo: {type: string, required: true, description: What to look at}
nodes:
  - id: gather
    title: Gather the facts
    kind: session_turn
    prompt: Look at {{ inputs.repo }}.
  - id: security
    title: Security review
    kind: subagent
    needs: [gather]
    prompt: Look for holes.
    outputs: {mode: report}
  - id: gate
    title: May it be sent?
    kind: approval
    needs: [security]
---
# Audit

Finds what is wrong
with a repository.
"""


def start(ask: Asker, run_id: str = "audit-1") -> Answer:
    return ask("scaffold_run", workflow_text=AUDIT_TEXT, run_id=run_id, inputs={"repo": "./web"})


def work(ask: Asker, node_id: str, run_id: str = "audit-1", outcome: str = "completed") -> Answer:
    """Claim a node and finish it."""
    fence = ask("claim_node", run_id=run_id, node_id=node_id)["fence"]
    told = {"summary": "done", "report": "# Found nothing"} if outcome == "completed" else {"error": "it broke"}
    return ask("finish_node", run_id=run_id, node_id=node_id, fence=fence, outcome=outcome, **told)
