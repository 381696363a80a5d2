"""Runs and decisions made by hand, so that storage is tested without the core's rules."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from registry.core.events import Decision, Event, FileWrite
from registry.core.names import iso
from registry.core.record import Bag
from registry.core.run import (
    Actor,
    Attempt,
    Log,
    NodeState,
    NodeStatus,
    Plan,
    Refs,
    Run,
    RunState,
    Wait,
    working_memory,
)
from registry.core.workflow import NodeDefinition, Outputs, WaitFor

T0 = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
AGENT = Actor(kind="agent", id="tester", via="cli")
KEY = "agent:main:chat"


class Clock:
    """A clock that moves a second each time it is read."""

    def __init__(self) -> None:
        self._now = T0

    def __call__(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now


def given_run(run_id: str = "demo-1", *, nodes: int = 3, prompt: str = "do it", wait: WaitFor | None = None) -> Run:
    """A run at its first mutation: a chain of nodes, the first of them ready."""
    at = iso(T0)
    ids = [f"n{number}" for number in range(nodes)]
    states = {
        node_id: NodeState(
            id=node_id,
            title=f"Node {node_id}",
            kind="session_turn",
            status="pending" if number else "ready",
            needs=(ids[number - 1],) if number else (),
            outputs_mode="report",
            session_key=KEY,
            working_memory=working_memory(node_id, kind="session_turn"),
            wait_for=wait,
            ready_at=None if number else at,
        )
        for number, node_id in enumerate(ids)
    }
    definitions = {
        node.id: NodeDefinition(
            id=node.id,
            title=node.title,
            kind=node.kind,
            needs=node.needs,
            prompt=f"{prompt} ({node.id})",
            outputs=Outputs(mode="report"),
            wait_for=wait,
        )
        for node in states.values()
    }
    state = RunState(
        run_id=run_id,
        workflow_id="demo",
        title="A demo",
        status="running",
        source_session_key=KEY,
        source_agent_id="main",
        root_session_key=KEY,
        planner_session_key=KEY,
        driver_session_key=KEY,
        created_at=at,
        updated_at=at,
        last_event="run.created",
        nodes=states,
    )
    refs = Refs(source_session_key=KEY, root_session_key=KEY, planner_session_key=KEY, driver_session_key=KEY)
    plan = Plan(workflow_id="demo", title="A demo", nodes=definitions, body="What this is for.\n")
    return Run(state=state, refs=refs, plan=plan, log=Log(rev=1, state_rev=1, seq=1, last_at=at))


def created(run: Run, *files: FileWrite) -> Decision:
    """The decision that makes a run."""
    event = Event(name="run.created", timestamp=run.log.last_at, actor=AGENT)
    return Decision(run=run, events=(event,), files=files)


def noted(run: Run, text: str = "a note", *, files: tuple[FileWrite, ...] = (), payload: Bag | None = None) -> Decision:
    """A decision that records a note and changes no status."""
    return _advanced(run, lambda state: state, "note.test", files=files, message=text, payload=payload)


def moved(
    run: Run, node_id: str, status: NodeStatus, event: str, *, files: tuple[FileWrite, ...] = (), events: int = 1
) -> Decision:
    """A decision that moves one node, told in one event or more."""

    def step(state: RunState) -> RunState:
        at = iso(T0 + timedelta(seconds=run.log.rev))
        is_over, is_waiting = status in ("completed", "failed", "skipped"), status == "waiting"
        fields = {
            "status": status,
            "attempt": 1,
            "rev": run.log.rev + 1,
            "started_at": at,
            "completed_at": at if is_over else None,
            "wait": Wait(type="manual") if is_waiting else None,
            "waiting_since": at if is_waiting else None,
            "error": "it broke" if status == "failed" else None,
        }
        node = state.nodes[node_id].model_copy(update=fields)
        return state.model_copy(update={"nodes": {**state.nodes, node_id: node}})

    return _advanced(run, step, event, node_id=node_id, files=files, count=events, matters=True)


def completed(run: Run, node_id: str = "n0", *, attempt: int = 1) -> Decision:
    """A decision that completes a node's work, with its attempt on record and a result."""
    decision = moved(run, node_id, "completed", "node.completed")
    over = Attempt(attempt=attempt, ended="completed", at=decision.run.log.last_at)
    fields = {"attempt": attempt, "attempts": (over,), "summary": "it is done", "result": {"found": 3}}
    node = decision.run.node(node_id).model_copy(update=fields)
    state = decision.run.state.model_copy(update={"nodes": {**decision.run.state.nodes, node_id: node}})
    return Decision(run=decision.run.model_copy(update={"state": state}), events=decision.events)


def rebound(run: Run, **bindings: object) -> Decision:
    """A decision that changes bindings."""
    cron = bindings.get("cron_job_id", run.state.cron_job_id)
    decision = _advanced(run, lambda state: state.model_copy(update={"cron_job_id": cron}), "run.bound", matters=True)
    changed = decision.run.model_copy(update={"refs": run.refs.model_copy(update=bindings)})
    return Decision(run=changed, events=decision.events)


def _advanced(
    run: Run,
    step: Callable[[RunState], RunState],
    event: str,
    *,
    node_id: str | None = None,
    files: tuple[FileWrite, ...] = (),
    count: int = 1,
    message: str | None = None,
    payload: Bag | None = None,
    matters: bool = False,
) -> Decision:
    at = iso(T0 + timedelta(seconds=run.log.rev))
    rev = run.log.rev + 1
    state = step(run.state).model_copy(update={"last_event": event, "updated_at": at})
    log = Log(rev=rev, state_rev=rev if matters else run.log.state_rev, seq=run.log.seq + count, last_at=at)
    extra = tuple(Event(name="note.extra", timestamp=at, actor=AGENT) for _ in range(count - 1))
    told = Event(name=event, timestamp=at, actor=AGENT, node_id=node_id, message=message, payload=payload or {})
    return Decision(run=run.model_copy(update={"state": state, "log": log}), events=(*extra, told), files=files)
