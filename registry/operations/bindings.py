"""Bindings: which jobs, sessions and chats outside belong to a run and its nodes."""

from pydantic.json_schema import SkipJsonSchema

from ..core.commands import Bind
from ..core.run import DeliveryContext
from . import fields
from .acting import acting
from .answers import Mutated, mutated
from .caller import Caller
from .lookup import change_run
from .table import Operation, Request


class BindSessionRequest(Request):
    """Bind (link) a run or node to the outside: cron job, child session, worker run, driver, source session. Give what
    you know, several at once; session_key, child_session_key and worker_run_id belong to a node (node_id).
    """

    run_id: fields.RunId
    node_id: fields.NodeId | None = None
    cron_job_id: fields.OutsideId | None = None
    session_key: fields.SessionKey | None = None
    child_session_key: fields.SessionKey | None = None
    worker_run_id: fields.OutsideId | None = None
    driver_run_id: fields.OutsideId | None = None
    source_session_key: fields.SessionKey | None = None
    delivery_context: fields.Delivery | None = None
    # For scripts: models have no use for these, and every word of a schema is paid for in each session.
    source_agent_id: SkipJsonSchema[fields.AgentId | None] = None
    root_session_key: SkipJsonSchema[fields.SessionKey | None] = None
    planner_session_key: SkipJsonSchema[fields.SessionKey | None] = None
    driver_session_key: SkipJsonSchema[fields.SessionKey | None] = None
    message: SkipJsonSchema[fields.Message | None] = None
    payload: SkipJsonSchema[fields.Payload | None] = None


class BindSessionResult(Mutated):
    """What was bound, by the names of the arguments."""

    run_id: str
    node_id: str | None = None
    bound: tuple[str, ...]


def _bind_session(caller: Caller, request: BindSessionRequest) -> BindSessionResult:
    where = request.delivery_context
    outcome = change_run(
        caller,
        request.run_id,
        Bind(
            actor=acting(caller),
            node_id=request.node_id,
            cron_job_id=request.cron_job_id,
            session_key=request.session_key,
            child_session_key=request.child_session_key,
            worker_run_id=request.worker_run_id,
            driver_run_id=request.driver_run_id,
            source_session_key=request.source_session_key,
            source_agent_id=request.source_agent_id,
            root_session_key=request.root_session_key,
            planner_session_key=request.planner_session_key,
            driver_session_key=request.driver_session_key,
            message=request.message,
            payload=request.payload or {},
            delivery_context=DeliveryContext.model_validate(where) if where is not None else None,
        ),
    )
    return BindSessionResult.model_validate(
        mutated(
            outcome,
            caller,
            run_id=request.run_id,
            node_id=request.node_id,
            bound=outcome.answer["bound"],
        )
    )


BIND_SESSION = Operation(
    name="bind_session",
    request=BindSessionRequest,
    result=BindSessionResult,
    toolset="core",
    read_only=False,
    idempotent=True,
    run=_bind_session,
)
