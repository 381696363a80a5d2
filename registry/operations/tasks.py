"""Creating tasks: a run with one node, in an agent's queue."""

from pydantic.json_schema import SkipJsonSchema
from pydantic_core import to_json

from .. import clock
from ..core.claimable import queue_key
from ..core.commands import CreateRun, Errand
from ..core.limits import DEPENDS_ON_MAX, PRIORITY_DEFAULT, PROMPT_BYTES_MAX
from ..core.names import short_hash, shown, task_id
from ..core.run import NodeState
from ..core.tasks import TASK_NODE, TASK_WORKFLOW, public_status
from ..core.workflow import NodeDefinition, Retry, Workflow
from ..errors import Conflict, InvalidRequest, LimitExceeded, NextCall
from ..registry import Outcome
from . import fields
from .acting import agent_of, request_key
from .answers import Mutated, NextStep, mutated, priority_label, step
from .caller import Caller
from .table import Operation, Request
from .task_fields import Attempts, Group, TaskName
from .task_ids import TaskIdField, full_task_id


class CreateTaskRequest(Request):
    """Create (add, assign) one task, errand or to-do in an agent's queue; the agent takes it with claim_node
    {agent_id}. It is a run of its own: wait_for_run and get_run work on its run_id. priority 1 to 10 with 10 most
    urgent, or P0, P1, P2; depends_on: task_ids that must be completed first. The same request_id gives the same
    task again.
    """

    name: TaskName
    agent_id: fields.AgentId
    description: fields.Content | None = None
    priority: fields.Priority = PRIORITY_DEFAULT
    depends_on: tuple[TaskIdField, ...] = ()
    group: Group | None = None
    tags: fields.Tags = ()
    params: fields.Payload | None = None
    max_attempts: Attempts = 1
    request_id: fields.RequestId | None = None
    # For scripts that create in another's name.
    created_by: SkipJsonSchema[fields.OutsideId | None] = None


class CreateTaskResult(Mutated):
    """The task as it begins, or as it stands where it was there already (`created` false)."""

    task_id: str
    run_id: str
    node_id: str
    created: bool
    repeated: bool | None = None
    status: str
    agent_id: str
    priority: int
    priority_label: str
    queue_position: int | None = None
    held_by: tuple[str, ...]


def _create_task(caller: Caller, request: CreateTaskRequest) -> CreateTaskResult:
    outcome = _created(caller, request)
    run = outcome.run
    node = run.node(TASK_NODE)
    held = tuple(task for task in node.depends_on if caller.registry.task_status(task) != "completed")
    created = outcome.answer.get("created") is True
    return CreateTaskResult.model_validate(
        mutated(
            outcome,
            caller,
            task_id=task_id(run.state.run_id, node.id),
            run_id=run.state.run_id,
            node_id=node.id,
            created=created,
            repeated=True if outcome.repeated else None,
            status=public_status(node),
            agent_id=node.agent_id,
            priority=node.priority,
            priority_label=priority_label(node.priority),
            queue_position=_position(caller, outcome) if node.status == "ready" else None,
            held_by=held,
            became_ready=(node.id,) if created and node.status == "ready" and not held else (),
            next=_next(run.state.run_id, node),
        )
    )


def _next(run_id: str, node: NodeState) -> tuple[NextStep, ...]:
    """What fits the task as it stands: a repeat may find it in somebody's hands, or ended."""
    if not node.is_open:
        return (step("get_run", {"run_id": run_id}, "shows how it ended"),)
    wait = step("wait_for_run", {"run_id": run_id}, "waits for its end")
    if public_status(node) != "queued":
        return (wait,)
    return (step("claim_node", {"agent_id": node.agent_id}, "what its agent calls to take it"), wait)


def _created(caller: Caller, request: CreateTaskRequest) -> Outcome:
    registry = caller.registry
    prompt = request.description or request.name
    if (size := len(prompt.encode())) > PROMPT_BYTES_MAX:
        raise LimitExceeded("description", limit=PROMPT_BYTES_MAX, size=size)
    if len(request.depends_on) > DEPENDS_ON_MAX:
        raise LimitExceeded("depends_on", limit=DEPENDS_ON_MAX, size=len(request.depends_on), unit="tasks")
    depends_on = tuple(dict.fromkeys(full_task_id(registry, task, name="depends_on") for task in request.depends_on))
    # The short and the full name of a task are the same request.
    key = request_key(request.model_copy(update={"depends_on": depends_on}), request.request_id)
    # The same request makes the same id in every process, so that the folder's rename settles who was first.
    run_id = f"{TASK_WORKFLOW}-{short_hash(key.id)}" if key is not None else clock.fresh_id(TASK_WORKFLOW)
    maker = request.created_by or agent_of(caller)
    node = NodeDefinition(
        id=TASK_NODE,
        title=request.name,
        kind="session_turn",
        prompt=prompt,
        agent_id=request.agent_id,
        priority=request.priority,
        retry=Retry(max_attempts=request.max_attempts) if request.max_attempts > 1 else None,
    )
    command = CreateRun(
        run_id=run_id,
        workflow=Workflow(workflow_id=TASK_WORKFLOW, title=request.name, nodes=(node,)),
        actor=caller.actor,
        request=key.hash if key is not None else short_hash(to_json(request.model_dump(mode="json")).decode(), 32),
        tags=request.tags,
        group=request.group,
        source_agent_id=agent_of(caller),
        errand=Errand(depends_on=depends_on, params=request.params, created_by=maker),
    )
    try:
        return registry.create(command, request=key)
    except Conflict as taken:
        if key is None:
            raise
        raise Conflict(
            f"request_id {shown(key.id)!r} was used for another task, {task_id(run_id, TASK_NODE)!r}",
            hint="use a fresh request_id for a new task",
            next=(NextCall("get_run", {"run_id": run_id}, "shows the task that is there"),),
            run_id=run_id,
        ) from taken


def _position(caller: Caller, outcome: Outcome) -> int:
    node = outcome.run.node(TASK_NODE)
    assert node.agent_id is not None, "a task is made for an agent"
    return caller.registry.views.ahead(node.agent_id, queue_key(outcome.run.state.run_id, node)) + 1


def require_agent(agent_id: str | None, *, asked: str) -> str:
    """The agent whose queue is meant.

    Raises:
        InvalidRequest: none was named.
    """
    if agent_id is None:
        raise InvalidRequest(f"{asked} needs agent_id: a queue is one agent's", hint="say whose queue")
    return agent_id


CREATE_TASK = Operation(
    name="create_task",
    request=CreateTaskRequest,
    result=CreateTaskResult,
    toolset="core",
    read_only=False,
    run=_create_task,
)
