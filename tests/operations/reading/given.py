"""Runs to look at, made by the core alone."""

from datetime import UTC, datetime, timedelta

from registry.core.commands import AnyCommand, ClaimNode, CreateRun, FinishNode
from registry.core.decide import decide, decide_creation
from registry.core.events import Facts
from registry.core.run import Actor, Run
from registry.core.workflow import NodeDefinition, Workflow

T0 = datetime(2026, 1, 1, 9, tzinfo=UTC)
AGENT = Actor(kind="agent", id="cc", via="mcp")
MARIA = Actor(kind="operator", id="maria", via="http", verified=True)

GATHER = NodeDefinition(id="gather", title="Gather the facts", kind="session_turn", prompt="Look at everything.")
SECURITY = NodeDefinition(
    id="security", title="Security review", kind="subagent", prompt="Look for holes.", needs=("gather",)
)
GATE = NodeDefinition(id="gate", title="May it be sent?", kind="approval", needs=("security",))
AUDIT = Workflow(
    workflow_id="audit",
    title="Audit",
    nodes=(GATHER, SECURITY, GATE),
    body="# Audit\n\nFinds what is wrong\nwith a repository.\n",
)


def given_run(workflow: Workflow = AUDIT, *, run_id: str = "audit-1", at: datetime = T0) -> Run:
    command = CreateRun(run_id=run_id, workflow=workflow, actor=AGENT, request="h")
    return decide_creation(command, Facts(now=at, run_dir=f"/runs/{run_id}")).run


def after(run: Run, *commands: AnyCommand, at: datetime = T0 + timedelta(minutes=1)) -> Run:
    for command in commands:
        run = decide(run, command, Facts(now=at, run_dir="/runs/x")).run
    return run


def claim(node_id: str, agent_id: str = "cc", *, lease_s: int = 900) -> ClaimNode:
    return ClaimNode(actor=AGENT, agent_id=agent_id, node_id=node_id, lease_s=lease_s, fence_secret="aaaaaaaa")


def finish(node_id: str, outcome: str = "completed") -> FinishNode:
    if outcome == "failed":
        return FinishNode(actor=AGENT, node_id=node_id, fence="1-aaaaaaaa", outcome="failed", error="it broke")
    return FinishNode(
        actor=AGENT, node_id=node_id, fence="1-aaaaaaaa", outcome="completed", summary="done", report="# R"
    )
