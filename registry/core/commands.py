"""What can be asked of one run: the inputs of `decide`.

A command is made by an operation from a checked request. It carries everything that must not
be made up inside the core: fresh ids, fences, the actor. Lengths and ids are checked already.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .flow import ChildRuntime, Flow
from .names import AgentId, NodeId, RunId, TaskId
from .record import Bag, Json
from .run import Actor, DeliveryContext
from .workflow import NodeDefinition, WaitFor, Workflow

ControlAction = Literal[
    "pause", "resume", "cancel", "retry", "skip", "approve", "reject", "release", "send_message", "patch_cron"
]
CONTROL_ACTIONS: tuple[ControlAction, ...] = (
    "pause", "resume", "cancel", "retry", "skip", "approve", "reject", "release", "send_message", "patch_cron",
)  # fmt: skip
NODE_ACTIONS: frozenset[ControlAction] = frozenset({"retry", "skip", "approve", "reject", "release"})
"""Controls that are about one node."""

FinishOutcome = Literal["completed", "failed", "waiting", "released"]


@dataclass(frozen=True, kw_only=True)
class CreateRun:
    """Begin a run of a workflow whose inputs are filled in."""

    run_id: RunId
    workflow: Workflow
    actor: Actor
    request: str
    """Hash of workflow and inputs."""
    title: str | None = None
    inputs: Bag = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    group: str | None = None
    source_session_key: str | None = None
    source_agent_id: str | None = None
    root_session_key: str | None = None
    planner_session_key: str | None = None
    driver_session_key: str | None = None
    delivery_context: DeliveryContext | None = None
    errand: "Errand | None" = None
    flow: Flow | None = None
    """Set for a run that code plans while it goes; its workflow has no nodes yet."""


@dataclass(frozen=True, kw_only=True)
class Errand:
    """What a run of one task carries beside its workflow; it is kept on the task's node."""

    depends_on: tuple[TaskId, ...] = ()
    """Tasks that exist and must be completed first; never changed later, so no cycle can arise."""
    params: Bag | None = None
    created_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class Command:
    """Base of what changes a run that exists."""

    actor: Actor


@dataclass(frozen=True, kw_only=True)
class ClaimNode(Command):
    """Give one claimable node to an agent.

    Without `node_id` the first in queue order: any ready node of the run, or with
    `assigned_only` those assigned to the agent or to nobody.
    """

    agent_id: AgentId
    node_id: NodeId | None = None
    assigned_only: bool = False
    session_key: str | None = None
    lease_s: int
    min_priority: int = 1
    fence_secret: str
    """8 base32 characters, fresh."""


@dataclass(frozen=True, kw_only=True)
class FinishNode(Command):
    """Say how claimed work ended. `node_id` None means: the node that the fence names."""

    node_id: NodeId | None = None
    fence: str | None = None
    outcome: FinishOutcome
    summary: str | None = None
    report: str | None = None
    payload: Bag = field(default_factory=dict)
    artifacts: tuple[str, ...] = ()
    error: str | None = None
    wait_for: WaitFor | None = None
    accept_missing_outputs: bool = False


@dataclass(frozen=True, kw_only=True)
class HeartbeatNode(Command):
    """Keep a lease alive and say how far the work is."""

    node_id: NodeId | None = None
    fence: str
    message: str | None = None
    percent: int | None = None
    lease_s: int | None = None


@dataclass(frozen=True, kw_only=True)
class AppendEvent(Command):
    """Record an event through the single door; names with rules perform their transition."""

    event: str
    node_id: NodeId | None = None
    message: str | None = None
    payload: Bag = field(default_factory=dict)
    fence: str | None = None


@dataclass(frozen=True, kw_only=True)
class WriteHandoff(Command):
    """Write the brief for whoever works on a node."""

    node_id: NodeId
    content: str


@dataclass(frozen=True, kw_only=True)
class WriteArtifact(Command):
    """Write a file of a node. `path` is run-relative and checked.

    `content` is the whole file as it will be; whoever appends has read what was there under
    the same lock.
    """

    node_id: NodeId
    path: str
    content: bytes
    mode: Literal["replace", "append"]
    fence: str | None = None


@dataclass(frozen=True, kw_only=True)
class Control(Command):
    """Steer a run or a node; from a tool, a screen, or the inbox (`from_inbox`)."""

    action: ControlAction
    control_id: str
    node_id: NodeId | None = None
    message: str | None = None
    patch: Bag | None = None
    force: bool = False
    from_inbox: bool = False


@dataclass(frozen=True, kw_only=True)
class Bind(Command):
    """Tie a run or node to the outside; what is None stays as it is. `payload` is the caller's own, for the event."""

    node_id: NodeId | None = None
    cron_job_id: str | None = None
    session_key: str | None = None
    child_session_key: str | None = None
    worker_run_id: str | None = None
    driver_run_id: str | None = None
    source_session_key: str | None = None
    source_agent_id: str | None = None
    root_session_key: str | None = None
    planner_session_key: str | None = None
    driver_session_key: str | None = None
    delivery_context: DeliveryContext | None = None
    message: str | None = None
    payload: Bag = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AddNode(Command):
    """Add a node; nodes in `needed_by` will need it."""

    node: NodeDefinition
    needed_by: tuple[NodeId, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RewireNode(Command):
    """Change what a node that has not started needs, or who needs it. None keeps."""

    node_id: NodeId
    needs: tuple[NodeId, ...] | None = None
    needed_by: tuple[NodeId, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class RemoveNode(Command):
    """Take out a node that has not started; its dependants inherit its needs."""

    node_id: NodeId


@dataclass(frozen=True, kw_only=True)
class EditPlan(Command):
    """Take over titles and prompts that were edited in `workflow.lock.md`."""

    titles: dict[NodeId, str] = field(default_factory=dict)
    prompts: dict[NodeId, str] = field(default_factory=dict)
    title: str | None = None


@dataclass(frozen=True, kw_only=True)
class Tick(Command):
    """Advance whatever time and facts allow, after taking note of effects carried out."""

    effects_done: tuple[str, ...] = ()
    effects_failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CancelTask(Command):
    """End one task for good: its node is skipped as cancelled; an errand takes its run with it."""

    node_id: NodeId
    message: str | None = None


@dataclass(frozen=True, kw_only=True)
class InboxLine:
    """One line of `control.jsonl`: a control, or why it cannot be one."""

    control_id: str
    control: Control | None
    refusal: str = ""


@dataclass(frozen=True, kw_only=True)
class ApplyInbox(Command):
    """Judge pending lines of the inbox, each applied once or refused once."""

    lines: tuple[InboxLine, ...]


@dataclass(frozen=True, kw_only=True)
class ForeignLine:
    """A line of the trail that we did not write: as an event for the door, or why it cannot be one."""

    event: AppendEvent | None
    refusal: str = ""


@dataclass(frozen=True, kw_only=True)
class AdoptLines(Command):
    """Take note of lines that others appended to the trail, each put through the event door.

    The bytes stay where they are; `offset`, `size` and `sha256` say which they were.
    """

    offset: int
    size: int
    sha256: str
    lines: tuple[ForeignLine, ...]


FlowChanges = Mapping[str, Json]
"""Values by `FlowField`."""
FlowAction = Literal["set_waiting", "resume", "finish", "fail", "request_cancel"]


@dataclass(frozen=True, kw_only=True)
class LinkTask(Command):
    """Link work that somebody outside carries to a flow, as a node; this does not start it.

    Args:
        owner_key: The session that asks; of another session's flow nothing is told. None asks for any.
        title: What lists call it; `prompt` is the task in full.
    """

    owner_key: str | None = None
    runtime: ChildRuntime
    title: str
    prompt: str
    child_session_key: str | None = None
    worker_run_id: str | None = None
    parent: TaskId | None = None
    agent_id: AgentId | None = None
    label: str | None = None
    status: Literal["queued", "running"] = "queued"
    started_at: str | None = None
    last_event_at: str | None = None
    progress: str | None = None


@dataclass(frozen=True, kw_only=True)
class UpdateFlow(Command):
    """Change a flow at the revision its controller knows.

    Args:
        changes: Fields to set, None to clear; what is not in it stays.
        status: What a resumed flow is.
        reopen: A resume may open an ended flow again.
    """

    action: FlowAction
    expected_revision: int
    owner_key: str | None = None
    changes: FlowChanges = field(default_factory=dict)
    status: Literal["queued", "running"] = "queued"
    reopen: bool = False


@dataclass(frozen=True, kw_only=True)
class CancelFlow(Command):
    """Cancel a flow: its active children are asked to stop, and the end of the last one ends it."""

    owner_key: str | None = None
    message: str | None = None


AnyCommand = (
    ClaimNode | FinishNode | HeartbeatNode | AppendEvent | WriteHandoff | WriteArtifact | Control | Bind
    | AddNode | RewireNode | RemoveNode | EditPlan | Tick | ApplyInbox | AdoptLines
    | CancelTask | LinkTask | UpdateFlow | CancelFlow
)  # fmt: skip
