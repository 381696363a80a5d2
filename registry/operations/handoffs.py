"""Briefs for sub-agents: what is written for them, and the words to send them off with."""

from typing import Final

from ..core.commands import WriteHandoff
from ..core.names import RunId
from ..core.run import NodeState
from ..core.workflow import WORK_KINDS
from ..errors import HOST, InvalidRequest, NextCall
from . import fields
from .acting import acting
from .answers import Mutated, NextStep, mutated, step
from .briefs import child_prompt
from .caller import Caller
from .lookup import change_run, node_of, open_run
from .table import Operation, Request


class WriteHandoffRequest(Request):
    """Write the brief (handoff.md) for a sub-agent or child session before you spawn it or delegate. Give content, or
    goal and the other parts; the head (run, node, files, how to finish)
    and the node's own prompt are added. Returns child_prompt, the text to
    give to the child: it needs no other knowledge.
    """

    run_id: fields.RunId
    node_id: fields.NodeId
    content: fields.Content | None = None
    goal: fields.Content | None = None
    context: str | None = None
    inputs: fields.StringList = ()
    outputs: fields.StringList = ()
    rules: fields.StringList = ()


class WriteHandoffResult(Mutated):
    """Where the brief is, and the text to give to the child."""

    run_id: str
    node_id: str
    path: str
    child_prompt: str


_SECTIONS: Final = (("inputs", "Inputs"), ("outputs", "Outputs"), ("rules", "Rules"))


def _write_handoff(caller: Caller, request: WriteHandoffRequest) -> WriteHandoffResult:
    if request.content is None and request.goal is None:
        raise InvalidRequest(
            "write_handoff needs content, or goal and what belongs to it (context, inputs, outputs, rules)",
            hint="content is Markdown: everything the child must know to do the work",
            next=(
                NextCall(
                    "write_handoff", {"run_id": request.run_id, "node_id": request.node_id, "content": "<Markdown>"}
                ),
            ),
        )
    node = node_of(open_run(caller, request.run_id).run, request.node_id)
    if node.kind not in WORK_KINDS:
        raise InvalidRequest(
            f"node {node.id!r} is {'an approval' if node.kind == 'approval' else 'a wait'}; nobody works on it",
            hint="a handoff is for session_turn, subagent and summary nodes",
            next=(NextCall("get_run", {"run_id": request.run_id}, "shows the nodes and their kinds"),),
        )
    command = WriteHandoff(actor=acting(caller), node_id=request.node_id, content=_composed(request))
    outcome = change_run(caller, request.run_id, command)
    run = outcome.run
    node = run.node(request.node_id)
    return WriteHandoffResult.model_validate(
        mutated(
            outcome,
            caller,
            run_id=run.state.run_id,
            node_id=node.id,
            path=outcome.answer["path"],
            child_prompt=child_prompt(run.state.run_id, node, run_dir=caller.registry.store.run_dir(request.run_id)),
            next=_after_handoff(run.state.run_id, node, may_claim=run.state.status == "running"),
        )
    )


def _composed(request: WriteHandoffRequest) -> str:
    """The brief from its parts, in one order whatever was sent first."""
    parts = []
    if request.goal is not None:
        parts.append(f"## Goal\n\n{request.goal.strip()}")
    if request.content is not None:
        parts.append(request.content.strip())
    if request.context and request.context.strip():
        parts.append(f"## Context\n\n{request.context.strip()}")
    for name, heading in _SECTIONS:
        lines: tuple[str, ...] = getattr(request, name)
        if lines:
            parts.append(f"## {heading}\n\n" + "\n".join(f"- {' '.join(line.split())}" for line in lines))
    return "\n\n".join(parts)


def _after_handoff(run_id: RunId, node: NodeState, *, may_claim: bool) -> tuple[NextStep, ...]:
    if not may_claim or node.status != "ready":
        return (
            step("get_run", {"run_id": run_id}, f"node {node.id} is {node.status}: spawn the child when it is ready"),
        )
    return (
        step(
            HOST, {"node_id": node.id}, "spawn a sub-agent (Task, sessions_spawn) with child_prompt as its whole task"
        ),
        step(
            "bind_session",
            {"run_id": run_id, "node_id": node.id, "child_session_key": "<session key of the child>"},
            "when your host gave you the child's session key",
        ),
        step("wait_for_run", {"run_id": run_id, "node_id": node.id}, "waits until the child has finished"),
    )


WRITE_HANDOFF = Operation(
    name="write_handoff",
    request=WriteHandoffRequest,
    result=WriteHandoffResult,
    toolset="core",
    read_only=False,
    run=_write_handoff,
)
