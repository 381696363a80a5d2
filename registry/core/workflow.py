"""A reusable definition of a job: nodes, what they need and what they leave behind.

The models are the checked form. `formats/workflow_file.py` reads them from a `*.task.md` file
with every fault placed; a run keeps its own copy as its plan, inputs filled in.
"""

from typing import Literal

from pydantic import Field

from .limits import PRIORITY_DEFAULT
from .names import AgentId, NodeId, WorkflowId
from .record import Bag, Json, Record

NodeKind = Literal["session_turn", "subagent", "wait", "approval", "summary"]
WORK_KINDS: frozenset[NodeKind] = frozenset({"session_turn", "subagent", "summary"})
PROMPTED_KINDS: frozenset[NodeKind] = frozenset({"session_turn", "subagent"})

OutputsMode = Literal["notify", "report"]
WaitType = Literal["manual", "next_tick", "file_exists", "until", "event"]
InputType = Literal["string", "integer", "number", "boolean", "choice", "list"]


class Outputs(Record):
    """What a node must leave: `notify` a message, `report` files under the run folder."""

    mode: OutputsMode = "notify"
    path: str | None = None
    required_files: tuple[str, ...] = ()


class WaitFor(Record):
    """What ends a wait.

    `at` is ISO 8601 with offset and `seconds` counts from the wait's beginning (both for
    `until`); `path` is run-relative; `event` is an event's name.
    """

    type: WaitType = "manual"
    path: str | None = None
    at: str | None = None
    seconds: float | None = None
    event: str | None = None


class Retry(Record):
    """How often a node is tried again without anybody asking, and how long between."""

    max_attempts: int = Field(1, ge=1, le=100)
    backoff_seconds: float = Field(0, ge=0, le=86_400)
    factor: float = Field(2, ge=1, le=100)
    max_lost: int = Field(2, ge=0, le=100)
    max_retries: int = Field(3, ge=0, le=100)


class NodeDefinition(Record):
    """One step as its author wrote it."""

    id: NodeId
    title: str
    kind: NodeKind
    needs: tuple[NodeId, ...] = ()
    prompt: str = ""
    outputs: Outputs = Outputs()
    timeout_ms: int | None = Field(None, ge=1)
    session_key: str | None = None
    wait_for: WaitFor | None = None
    metadata: Bag | None = None
    agent_id: AgentId | None = None
    priority: int = PRIORITY_DEFAULT
    retry: Retry | None = None
    deadline_seconds: float | None = Field(None, gt=0)
    when: str | None = None
    tags: tuple[str, ...] = ()

    @property
    def required_files(self) -> tuple[str, ...]:
        """Run-relative files that must exist before the node may complete.

        A report node without files of its own requires `nodes/<id>/report.md`.
        """
        if self.outputs.required_files:
            return self.outputs.required_files
        if self.outputs.mode == "report":
            return (self.outputs.path or f"nodes/{self.id}/report.md",)
        return ()


class Defaults(Record):
    """Values for nodes that name none of their own.

    `timeout_ms` is passed on to whoever dispatches; the registry never ends a node by it.
    """

    agent_id: AgentId | None = None
    model: str | None = None
    thinking: str | None = None
    timeout_ms: int = 30_000
    retry: Retry | None = None


class Driver(Record):
    """How the run is woken: the cron job that its orchestrator makes."""

    cron: str = "*/2 * * * *"
    timeout_ms: int = 45_000
    wake_mode: Literal["now", "next-heartbeat"] = "now"
    session_key_template: str | None = None
    planner_session_key_template: str | None = None


class InputDeclaration(Record):
    """A value the workflow asks for when it is started."""

    type: InputType = "string"
    description: str = ""
    default: Json = None
    required: bool = False
    choices: tuple[str, ...] = ()


class Workflow(Record):
    """A whole definition. `extras` are the author's own `x-*` keys, `body` the Markdown below."""

    workflow_id: WorkflowId
    title: str
    nodes: tuple[NodeDefinition, ...]
    defaults: Defaults = Defaults()
    driver: Driver | None = None
    inputs: dict[str, InputDeclaration] = Field(default_factory=dict)
    extras: Bag = Field(default_factory=dict)
    body: str = ""

    def retry_of(self, node: NodeDefinition) -> Retry:
        """The retry rule in force for a node."""
        return node.retry or self.defaults.retry or Retry()
