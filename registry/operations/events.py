"""The single door for events: progress, notes, and steps without a lease."""

from typing import Literal

from pydantic import Field

from ..core.commands import AppendEvent
from ..core.limits import RESULT_BYTES_MAX
from ..core.record import Bag
from ..errors import InvalidRequest, LimitExceeded
from . import fields
from .acting import acting, request_key
from .answers import EffectRow, Mutated, PausedRow, effects_view, mutated, paused_view
from .caller import Caller
from .lookup import change_run
from .table import Operation, Request
from .waits_for import wait_for


class AppendEventRequest(Request):
    """Record an event in the log: a progress line (run.progress with message), a note (any dotted name of your own,
    such as note.decision) or a step of a node without a lease (node.started, node.completed, node.failed) in the run's
    audit trail. A claimed node needs its fence here too; finish_node is the usual end of claimed work.
    """

    run_id: fields.RunId
    event: str
    node_id: fields.NodeId | None = None
    message: fields.Message | None = None
    payload: fields.Payload = Field(default_factory=dict)
    fence: str | None = None
    request_id: fields.RequestId | None = None


class AppendEventResult(Mutated):
    """What the event was taken as: a transition, something the registry records, or a note."""

    run_id: str
    event: str
    kind: Literal["transition", "record", "note"]
    node_id: str | None = None
    status: str | None = None
    paused: PausedRow | None = None
    effects: tuple[EffectRow, ...] | None = None
    repeated: bool


def _append_event(caller: Caller, request: AppendEventRequest) -> AppendEventResult:
    outcome = change_run(
        caller,
        request.run_id,
        AppendEvent(
            actor=acting(caller),
            event=request.event,
            node_id=request.node_id,
            message=request.message,
            payload=_payload(request),
            fence=request.fence,
        ),
        request=request_key(request, request.request_id),
    )
    run = outcome.run
    node = run.state.nodes.get(request.node_id) if request.node_id else None
    return AppendEventResult.model_validate(
        mutated(
            outcome,
            caller,
            run_id=run.state.run_id,
            event=outcome.answer["event"],
            kind=outcome.answer["kind"],
            node_id=request.node_id,
            status=node.status if node is not None else None,
            paused=paused_view(run.state),
            effects=effects_view(run) or None,
            repeated=outcome.repeated,
        )
    )


def _payload(request: AppendEventRequest) -> Bag:
    """The payload as the core compares it; a node's result is smaller than a note may be."""
    payload = request.payload
    if request.event == "node.completed" and (size := fields.bag_bytes(payload, name="payload")) > RESULT_BYTES_MAX:
        raise LimitExceeded(
            "payload of node.completed", limit=RESULT_BYTES_MAX, size=size, hint="put the rest into the report"
        )
    if request.event != "node.waiting" or "waitFor" not in payload:
        return payload
    try:
        wait = wait_for(payload["waitFor"])
    except ValueError as fault:
        raise InvalidRequest(
            f"payload.waitFor: {fault}", hint='for example {"type": "until", "seconds": 600}'
        ) from None
    return {**payload, "waitFor": wait.model_dump(mode="json", exclude_none=True)}


APPEND_EVENT = Operation(
    name="append_event",
    request=AppendEventRequest,
    result=AppendEventResult,
    toolset="core",
    read_only=False,
    run=_append_event,
)
