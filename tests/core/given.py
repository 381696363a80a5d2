"""Runs and commands for tests of the core, so that a test reads as what was given, asked and decided.

Every decision made through `decided` is also held to what must be true of all of them.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from registry.core.check import check, check_all
from registry.core.commands import (
    AnyCommand,
    AppendEvent,
    ApplyInbox,
    ClaimNode,
    Control,
    ControlAction,
    CreateRun,
    FinishNode,
    FinishOutcome,
    HeartbeatNode,
    InboxLine,
    Tick,
)
from registry.core.decide import decide, decide_creation
from registry.core.events import Decision, Facts
from registry.core.names import iso
from registry.core.patch import advance, diff
from registry.core.record import Bag
from registry.core.run import (
    ENDED_RUN,
    Actor,
    Lease,
    Log,
    NodeState,
    NodeStatus,
    Paused,
    Plan,
    Refs,
    Run,
    RunState,
    RunStatus,
    Wait,
    working_memory,
)
from registry.core.workflow import WORK_KINDS, Defaults, Driver, NodeDefinition, NodeKind, WaitFor, Workflow
from registry.errors import RegistryError

T0 = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
RUN_ID = "demo-1"
CRON = "cron-7"
SECRET = "aaaaaaaa"

AGENT = Actor(kind="agent", id="cc", via="mcp")
PERSON = Actor(kind="operator", id="maria", via="http", verified=True)
UNKNOWN = Actor(kind="unknown", id="file", via="file")
SYSTEM = Actor(kind="system", id="registry", via="mcp")


def after(seconds: float) -> datetime:
    """A moment that many seconds after T0."""
    return T0 + timedelta(seconds=seconds)


def at(seconds: float = 0) -> str:
    """The same as it stands on disk."""
    return iso(after(seconds))


def fence(attempt: int = 1, secret: str = SECRET) -> str:
    """The fence that running and waiting work of `given_run` has."""
    return f"{attempt}-{secret}"


def given_run(
    *,
    nodes: Mapping[str, NodeStatus],
    needs: Mapping[str, Sequence[str]] = {},
    kinds: Mapping[str, NodeKind] = {},
    plans: Mapping[str, Mapping[str, Any]] = {},
    states: Mapping[str, Mapping[str, Any]] = {},
    status: RunStatus | None = None,
    paused_by: Actor = PERSON,
    inputs: Bag | None = None,
    defaults: Defaults | None = None,
    cron: str = "",
    lease_s: int = 900,
    **state: Any,
) -> Run:
    """A run with these nodes, as T0 finds it.

    Running and waiting work is in its first attempt, with a lease from T0 on and the fence
    `fence()`.

    Args:
        plans: Further fields of node definitions.
        states: Further fields of node states.
        status: Of the run; without it, what follows from the nodes.
        state: Further fields of the run itself.
    """
    definitions = {
        node_id: _definition(node_id, kinds.get(node_id, "session_turn"), tuple(needs.get(node_id, ())), plans)
        for node_id in nodes
    }
    built = {
        node_id: _state_of(definitions[node_id], node_status, lease_s=lease_s, fields=states.get(node_id, {}))
        for node_id, node_status in nodes.items()
    }
    run_status = status or _status_of(built)
    source = f"agent:opentask:opentask:{RUN_ID}"
    keys = dict.fromkeys(
        ("source_session_key", "root_session_key", "planner_session_key", "driver_session_key"), source
    )
    fields: dict[str, Any] = {
        "run_id": RUN_ID, "workflow_id": "demo", "title": "Demo", "status": run_status,
        "source_agent_id": "opentask", "created_at": at(), "updated_at": at(), "last_event": "run.created",
        "inputs": inputs or {}, "cron_job_id": cron, **keys,
        "paused": Paused(at=at(), actor=paused_by, message="let me read") if run_status == "paused" else None,
        **state, "nodes": built,
    }  # fmt: skip
    plan = Plan(
        workflow_id="demo", title="Demo", defaults=defaults or Defaults(), nodes=definitions,
        driver=Driver(cron="*/5 * * * *") if cron else None,
    )  # fmt: skip
    refs = Refs(cron_job_id=cron).model_copy(update=keys)
    run = Run(state=RunState(**fields), refs=refs, plan=plan, log=Log(rev=1, state_rev=1, seq=5, last_at=at()))
    assert check_all(run) == [], "what is given must be sound"
    return run


def _definition(
    node_id: str, kind: NodeKind, needs: tuple[str, ...], plans: Mapping[str, Mapping[str, Any]]
) -> NodeDefinition:
    waits = {"wait_for": WaitFor()} if kind == "wait" else {}
    return NodeDefinition(
        **{"id": node_id, "title": node_id.title(), "kind": kind, "needs": needs, **waits, **plans.get(node_id, {})}
    )


def _state_of(plan: NodeDefinition, status: NodeStatus, *, lease_s: int, fields: Mapping[str, Any]) -> NodeState:
    is_work = plan.kind in WORK_KINDS
    own: dict[str, Any] = {}
    if status == "ready":
        own = {"ready_at": at()}
    elif status == "running":
        lease = Lease(
            owner="cc", fence=fence(), seconds=lease_s, expires_at=at(lease_s) if lease_s else None, heard_at=at()
        )
        own = {"attempt": 1, "started_at": at(), "ready_at": at(), "lease": lease}
    elif status == "waiting":
        own = {"ready_at": at(), "waiting_since": at(), "wait": Wait(type="manual"), "wait_for": WaitFor()}
        if is_work:
            lease = Lease(owner="cc", fence=fence(), seconds=lease_s, heard_at=at())
            own |= {"attempt": 1, "started_at": at(), "lease": lease}
        elif plan.kind == "approval":
            own["wait"] = Wait(type="approval")
    elif status in ("completed", "failed", "skipped"):
        own = {"ready_at": at(), "completed_at": at()}
        if status != "skipped" and is_work:
            own |= {"attempt": 1, "started_at": at(), "failed_count": 1 if status == "failed" else 0}
        if status == "failed":
            own["error"] = "it broke"
    return NodeState(
        **{
            "id": plan.id,
            "title": plan.title,
            "kind": plan.kind,
            "status": status,
            "needs": plan.needs,
            "outputs_mode": plan.outputs.mode,
            "session_key": f"agent:opentask:opentask:{RUN_ID}:{plan.id}",
            "working_memory": working_memory(plan.id, kind=plan.kind),
            "priority": plan.priority,
            "max_attempts": plan.retry.max_attempts if plan.retry else 1,
            **own,
            **fields,
        }
    )


def _status_of(nodes: Mapping[str, NodeState]) -> RunStatus:
    statuses = {node.status for node in nodes.values()}
    if statuses & {"ready", "running", "waiting"}:
        return "running"
    if statuses & {"failed", "pending"}:
        return "failed"
    return "completed"


def decided(
    run: Run,
    command: AnyCommand,
    *,
    now: datetime = T0,
    files: Mapping[str, int] = {},
    tasks: Mapping[str, str] = {},
    keep: tuple[str, str] | None = None,
) -> Decision:
    """What `decide` makes of a command, held to what is true of every decision."""
    decision = decide(run, command, Facts(now=now, files=files, tasks=tasks, run_dir="/runs/demo-1"), keep=keep)
    hold_to_promises(run, decision)
    return decision


def hold_to_promises(before: Run, decision: Decision) -> None:
    """The patch leads where the decision does, also twice and through JSON; the run can be."""
    run = decision.run
    if not decision.events:
        assert run is before, "a decision that tells nothing changes nothing"
        return
    check(before, run)
    assert check_all(run) == []
    patch = json.loads(json.dumps(diff(before, run)))
    once = advance(before, patch, run.log)
    assert once == run
    assert advance(once, patch, run.log) == run
    assert run.log.seq == before.log.seq + len(decision.events)
    assert run.state.last_event == decision.event_names[-1]
    ended_now = run.state.status in ENDED_RUN and run.state.status != before.state.status
    if ended_now:
        assert decision.event_names[-1] == f"run.{run.state.status}"


def created(
    *nodes: NodeDefinition, now: datetime = T0, inputs: Bag | None = None, cron: bool = False, **fields: Any
) -> Decision:
    """A run made of a workflow of these nodes."""
    workflow = Workflow(workflow_id="demo", title="Demo", nodes=nodes, driver=Driver() if cron else None)
    command = CreateRun(run_id=RUN_ID, workflow=workflow, actor=AGENT, request="hash", inputs=inputs or {}, **fields)
    decision = decide_creation(command, Facts(now=now, run_dir="/runs/demo-1"))
    assert check_all(decision.run) == []
    return decision


def node(node_id: str, kind: NodeKind = "session_turn", **fields: Any) -> NodeDefinition:
    """A definition, of which only what matters is said."""
    return NodeDefinition(**{"id": node_id, "title": node_id.title(), "kind": kind, "prompt": "do it", **fields})


def refused(
    run: Run,
    command: AnyCommand,
    *,
    now: datetime = T0,
    error: type[RegistryError] = RegistryError,
    tasks: Mapping[str, str] = {},
) -> RegistryError:
    """The refusal of a command; refusing must leave the run as it was."""
    before = run.model_dump_json()
    with pytest.raises(error) as caught:
        decide(run, command, Facts(now=now, tasks=tasks))
    assert run.model_dump_json() == before
    assert caught.value.message
    return caught.value


def in_turn(run: Run, *commands: AnyCommand | Callable[[Run], AnyCommand], now: datetime = T0) -> Run:
    """The run after these commands, each at the same moment."""
    for command in commands:
        run = decided(run, command(run) if callable(command) else command, now=now).run
    return run


def statuses(run: Run) -> dict[str, str]:
    """Where the nodes stand."""
    return {node_id: state.status for node_id, state in run.state.nodes.items()}


def fence_of(run: Run, node_id: str) -> str:
    """The fence that a node's worker has."""
    lease = run.node(node_id).lease
    assert lease is not None
    return lease.fence


def claim(
    node_id: str | None = None, *, agent: str = "cc", lease_s: int = 900, secret: str = SECRET, **fields: Any
) -> ClaimNode:
    """Ask for a node."""
    actor = AGENT.model_copy(update={"id": agent})
    return ClaimNode(
        **{"actor": actor, "agent_id": agent, "node_id": node_id, "lease_s": lease_s, "fence_secret": secret, **fields}
    )


def finish(
    node_id: str | None, outcome: FinishOutcome = "completed", *, with_fence: str | None, **fields: Any
) -> FinishNode:
    """Say how work ended."""
    said: dict[str, Any] = {"summary": "done"} if outcome == "completed" else {}
    if outcome == "failed":
        said = {"error": "it broke"}
    return FinishNode(**{"actor": AGENT, "node_id": node_id, "fence": with_fence, "outcome": outcome, **said, **fields})


def heartbeat(node_id: str | None, *, with_fence: str, **fields: Any) -> HeartbeatNode:
    """Keep a lease alive."""
    return HeartbeatNode(**{"actor": AGENT, "node_id": node_id, "fence": with_fence, **fields})


def event(name: str, node_id: str | None = None, *, actor: Actor = AGENT, **fields: Any) -> AppendEvent:
    """Put an event through the door."""
    return AppendEvent(**{"actor": actor, "event": name, "node_id": node_id, **fields})


def control(action: ControlAction, node_id: str | None = None, *, actor: Actor = PERSON, **fields: Any) -> Control:
    """Steer."""
    return Control(
        **{"actor": actor, "action": action, "node_id": node_id, "control_id": f"control-{action}", **fields}
    )


def inbox(*lines: Control | tuple[str, str]) -> ApplyInbox:
    """Lines of the inbox: controls, or id and reason of what cannot be one."""
    judged = tuple(
        InboxLine(control_id=line.control_id, control=line)
        if isinstance(line, Control)
        else InboxLine(control_id=line[0], control=None, refusal=line[1])
        for line in lines
    )
    return ApplyInbox(actor=SYSTEM, lines=judged)


def tick(*effects_done: str, **fields: Any) -> Tick:
    """Let time and facts act."""
    return Tick(**{"actor": SYSTEM, "effects_done": effects_done, **fields})
