"""One run as the registry knows it: state, bindings and plan, frozen.

`Run` is what `decide` reads and returns. Nodes stand in maps by id, in their order; a changed
run shares every unchanged node with the run it came from, which is what makes patches and
projections cheap (`core/patch.py`).
"""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field

from .flow import Flow, Runtime
from .limits import PRIORITY_DEFAULT
from .names import AgentId, NodeId, RunId, TaskId, WorkflowId, moment
from .record import Bag, Json, Record
from .workflow import (
    Defaults,
    Driver,
    InputDeclaration,
    NodeDefinition,
    NodeKind,
    OutputsMode,
    Retry,
    WaitFor,
    Workflow,
)

RunStatus = Literal["draft", "running", "paused", "completed", "failed", "cancelled"]
NodeStatus = Literal["pending", "ready", "running", "waiting", "completed", "failed", "skipped"]
Outcome = Literal["cancelled", "timed_out", "lost", "condition_false", "rejected"]
ActorKind = Literal["agent", "operator", "system", "unknown"]
Via = Literal["mcp", "cli", "http", "gateway", "file"]
EffectKind = Literal["cron.update", "message.send", "session.abort"]

OPEN_RUN: frozenset[str] = frozenset({"draft", "running", "paused"})
ENDED_RUN: frozenset[str] = frozenset({"completed", "failed", "cancelled"})
OPEN_NODE: frozenset[str] = frozenset({"pending", "ready", "running", "waiting"})
SATISFIED: frozenset[str] = frozenset({"completed", "skipped"})


class Actor(Record):
    """Who made a change and through which door; a claim except where `verified`."""

    kind: ActorKind
    id: str
    via: Via
    verified: bool = False

    @property
    def is_person(self) -> bool:
        """Whether a person acted, verified or said to."""
        return self.kind == "operator"


class Lease(Record):
    """An agent's hold on a node.

    `fence` guards against late and mistaken workers. `expires_at` is absent for a lease without
    end and for one that is over while its fence still counts (waiting, lost). `seconds` is what
    a heartbeat extends it by.
    """

    owner: AgentId
    fence: str
    seconds: int = 0
    expires_at: str | None = None
    heard_at: str | None = None


class Attempt(Record):
    """An attempt that is over."""

    attempt: int
    owner: str | None = None
    ended: str
    """How it ended: completed, failed, lost, released, skipped or retried."""
    at: str
    progress: str | None = None
    error: str | None = None


class Wait(Record):
    """What a waiting node waits for, in all its forms; `approved` once a manual one may go on."""

    type: Literal["manual", "next_tick", "file_exists", "until", "event", "approval"]
    path: str | None = None
    at: str | None = None
    event: str | None = None
    since_seq: int = 0
    """Only an event of a later seq ends an `event` wait."""
    since_rev: int = 0
    """Only a mutation of a later rev ends a `next_tick` wait."""


class WorkingMemory(Record):
    """Run-relative paths of the node's own documents."""

    plan: str
    findings: str
    progress: str
    handoff: str | None = None


def working_memory(node_id: NodeId, *, kind: NodeKind) -> WorkingMemory:
    """The documents a node of this kind keeps."""
    folder = f"nodes/{node_id}"
    return WorkingMemory(
        plan=f"{folder}/plan.md",
        findings=f"{folder}/findings.md",
        progress=f"{folder}/progress.md",
        handoff=f"{folder}/handoff.md" if kind == "subagent" else None,
    )


class NodeState(Record):
    """Where one node stands. Fields without a default are always written."""

    id: NodeId
    title: str
    kind: NodeKind
    status: NodeStatus
    outcome: Outcome | None = None
    needs: tuple[NodeId, ...]
    outputs_mode: OutputsMode = Field(repr=False)
    agent_id: AgentId | None = None
    priority: int = PRIORITY_DEFAULT
    session_key: str
    child_session_key: str = ""
    run_id: str = ""
    """The worker's own run id in its host, not this run's."""
    artifact_paths: tuple[str, ...] = ()
    working_memory: WorkingMemory
    notes: str = ""
    attempt: int = 0
    max_attempts: int = 1
    retry_count: int = 0
    ready_at: str | None = None
    not_before: str | None = None
    deadline: str | None = None
    deadline_left_s: float | None = None
    """Seconds left of a deadline while the run is paused; the clock of the deadline stands then."""
    lease: Lease | None = None
    lost_count: int = 0
    failed_count: int = 0
    """Attempts that ended by a failure; automatic ones remain while it is less than `max_attempts`."""
    attempts: tuple[Attempt, ...] = ()
    rev: int = 0
    started_at: str | None = None
    completed_at: str | None = None
    wait_for: WaitFor | None = None
    wait: Wait | None = None
    waiting_since: str | None = None
    summary: str | None = None
    result: Bag | None = None
    error: str | None = None
    progress: str | None = None
    depends_on: tuple[TaskId, ...] = ()
    params: Json = None
    tags: tuple[str, ...] = ()
    label: str | None = None
    created_by: str | None = None
    created_at: str | None = None
    parent: TaskId | None = None
    managed: bool = False
    """A child of a flow: somebody outside carries it and its controller reports it; it is in no queue."""
    runtime: Runtime | None = None
    """What carries a managed node; for others it follows from the kind."""
    heard_at: str | None = None
    """When a managed node was last heard of; others are heard through their lease."""
    lost_at: str | None = None
    """Its session is known to be gone: without a sign of life before this moment the node is lost."""
    hidden: bool = False
    notify_policy: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether the node can still change by itself or by work."""
        return self.status in OPEN_NODE

    @property
    def is_satisfied(self) -> bool:
        """Whether nodes that need this one may go on."""
        return self.status in SATISFIED

    def is_given_up(self, now: datetime) -> bool:
        """Whether its session was known to be gone for the whole grace period, recorded or not."""
        return self.lost_at is not None and self.is_open and moment(self.lost_at) <= now

    @property
    def overdue_at(self) -> str | None:
        """When its worker's time runs out if nothing is heard: the end of its lease, or of a lost child's grace."""
        if self.lost_at is not None and self.is_open:
            return self.lost_at
        lease = self.lease
        is_held = lease is not None and self.status == "running" and not self.managed
        return lease.expires_at if lease is not None and is_held else None

    def is_overdue(self, now: datetime) -> bool:
        """Whether its worker's time has run out by this moment, recorded or not."""
        return self.overdue_at is not None and moment(self.overdue_at) <= now

    def lease_has_expired(self, now: datetime) -> bool:
        """Whether the lease ran out by this moment, recorded or not."""
        expires_at = self.lease.expires_at if self.lease is not None else None
        return expires_at is not None and moment(expires_at) <= now


class DeliveryContext(Record):
    """The chat a run reports to."""

    channel: str
    to: str
    account_id: str | None = None
    thread_id: str | int | None = None


class Paused(Record):
    """Who paused the run, when and with which words."""

    at: str
    actor: Actor
    message: str = ""


class Message(Record):
    """Words of a person to whoever works on the run, until somebody says they were read."""

    id: str
    at: str
    by: str
    node_id: NodeId | None = None
    message: str


class RunState(Record):
    """The run's projection for people and screens."""

    run_id: RunId
    workflow_id: WorkflowId
    title: str
    status: RunStatus
    source_session_key: str
    source_agent_id: str
    delivery_context: DeliveryContext | None = None
    root_session_key: str
    planner_session_key: str
    driver_session_key: str
    cron_job_id: str = ""
    created_at: str
    updated_at: str
    last_event: str
    last_progress_message: str = ""
    last_progress_message_at: str = ""
    inputs: Bag = Field(default_factory=dict)
    tags: tuple[str, ...] = ()
    group: str | None = None
    wake_at: str | None = None
    paused: Paused | None = None
    cancelled_by: Actor | None = None
    messages: tuple[Message, ...] = ()
    flow: Flow | None = None
    """Set for a run that code plans while it goes; such a run ends by its flow alone."""
    request: str = ""
    """Hash of the request that made the run, so that asking again gives it back."""
    nodes: dict[NodeId, NodeState]

    @property
    def is_ended(self) -> bool:
        """Whether the run is over; a failed one may be reopened by a retry or a skip."""
        return self.status in ENDED_RUN

    def changed_since(self, before: Self) -> list[NodeState]:
        """Nodes that are not those of an earlier state: most changes share the whole map with it."""
        nodes, former = self.nodes, before.nodes
        if nodes is former:
            return []
        return [node for node_id, node in nodes.items() if node is not former.get(node_id)]


class Effect(Record):
    """Something only an agent or the gateway can do; confirmed by its id, safe to repeat."""

    id: str
    kind: EffectKind
    do: str
    """What to do, in words."""
    params: Bag = Field(default_factory=dict)
    tries: int = 0
    target: str = ""
    """A later effect on the same target replaces an unsent earlier one."""


class KeptOperation(Record):
    """The answer to a request id, kept so that a repeat is answered and not done again."""

    request: str
    """Hash of what was asked."""
    at: str
    rev: int
    answer: Bag = Field(default_factory=dict)


class Refs(Record):
    """Bindings to the outside and what it still has to do."""

    cron_job_id: str = ""
    source_session_key: str = ""
    root_session_key: str = ""
    planner_session_key: str = ""
    driver_session_key: str = ""
    driver_run_id: str = ""
    node_sessions: dict[NodeId, str] = Field(default_factory=dict)
    child_sessions: dict[NodeId, str] = Field(default_factory=dict)
    node_run_ids: dict[NodeId, str] = Field(default_factory=dict)
    applied_control_ids: dict[str, bool] = Field(default_factory=dict)
    """In order of application; the value says whether it was applied (else refused)."""
    pending_effects: dict[str, Effect] = Field(default_factory=dict)
    operations: dict[str, KeptOperation] = Field(default_factory=dict)


class Plan(Record):
    """The run's own copy of its workflow, inputs filled in; part of the fold."""

    workflow_id: WorkflowId
    title: str
    defaults: Defaults = Defaults()
    driver: Driver | None = None
    inputs: dict[str, InputDeclaration] = Field(default_factory=dict)
    extras: Bag = Field(default_factory=dict)
    body: str = ""
    nodes: dict[NodeId, NodeDefinition]

    @classmethod
    def of(cls, workflow: Workflow) -> Self:
        """The plan a run of this workflow begins with."""
        return cls(
            workflow_id=workflow.workflow_id,
            title=workflow.title,
            defaults=workflow.defaults,
            driver=workflow.driver,
            inputs=workflow.inputs,
            extras=workflow.extras,
            body=workflow.body,
            nodes={node.id: node for node in workflow.nodes},
        )

    def workflow(self) -> Workflow:
        """The plan as a workflow, for `workflow.lock.md`."""
        return Workflow(
            workflow_id=self.workflow_id,
            title=self.title,
            defaults=self.defaults,
            driver=self.driver,
            inputs=self.inputs,
            extras=self.extras,
            body=self.body,
            nodes=tuple(self.nodes.values()),
        )

    def retry_of(self, node_id: NodeId) -> Retry:
        """The retry rule in force for a node."""
        return self.nodes[node_id].retry or self.defaults.retry or Retry()


class Log(Record):
    """How far the trail goes that this run was folded from.

    `state_rev` is the revision callers see: of the last change of a status, the plan or a
    binding. `offset` counts bytes of `events.jsonl`, `control` bytes of `control.jsonl` that
    were judged. `last_at` keeps timestamps monotone.
    """

    rev: int = 0
    state_rev: int = 0
    seq: int = 0
    last_at: str = ""


class Run(Record):
    """State, bindings and plan at one revision."""

    state: RunState
    refs: Refs
    plan: Plan
    log: Log = Log()

    def node(self, node_id: NodeId) -> NodeState:
        """The state of a node that is known to exist."""
        return self.state.nodes[node_id]
