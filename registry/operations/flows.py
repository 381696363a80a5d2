"""Beginning and finding flows."""

import json
from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, WithJsonSchema

from .. import clock
from ..core.flow import FlowStatus, NotifyPolicy
from ..core.names import NodeId, nearest, short_hash, shown
from ..errors import InvalidRequest, NextCall, NotFound
from ..flow_answers import FlowView
from ..flows import Flows
from ..registry import Outcome
from . import fields
from .acting import acting
from .answers import NextStep, fit, next_calls, step
from .caller import Caller
from .cursors import cursor_place, cursor_text
from .flow_fields import ControllerId, Goal, Own
from .flow_rows import FlowRow, flow_row, whole_row
from .status_words import ONE_OR_MORE, require_known
from .table import Operation, Request, Result

_STATUSES: Final[tuple[FlowStatus, ...]] = get_args(FlowStatus)
_WORDS: Final = (*_STATUSES, "open", "all")
_OPEN: Final[frozenset[FlowStatus]] = frozenset({"queued", "running", "waiting", "blocked"})


def _known(value: tuple[str, ...]) -> tuple[str, ...]:
    return require_known(value, _WORDS, rule=f"a flow is {', '.join(_STATUSES)}; open is all but the last three")


FlowStatuses = Annotated[tuple[str, ...], AfterValidator(_known), WithJsonSchema(ONE_OR_MORE)]


def flows_of(caller: Caller, owner_key: str | None) -> Flows:
    """The flows as this call sees them."""
    return Flows(caller.registry, actor=acting(caller), owner_key=owner_key)


def claimable_of(outcome: Outcome) -> tuple[NodeId, ...]:
    """What a change made ready for a queue; a flow's children stand in none."""
    nodes = outcome.run.state.nodes
    return tuple(node_id for node_id in outcome.became_ready if not nodes[node_id].managed)


class CreateFlowRequest(Request):
    """Start a flow: a run that a controller (your code) plans as it goes, guarded by a revision. flow_id is its
    run_id: wait_for_run and append_event work on it. The same request_id gives the same flow."""

    controller_id: ControllerId
    goal: Goal
    owner_key: fields.SessionKey
    requester_origin: fields.Payload | None = None
    status: Literal["queued", "running"] = "queued"
    current_step: fields.Message | None = None
    state: Own | None = None
    wait: Own | None = None
    notify_policy: NotifyPolicy = "done_only"
    request_id: fields.RequestId | None = None


class CreateFlowResult(Result):
    """The flow as it begins, or as it stands where it was there already (`created` false)."""

    flow_id: str
    created: bool
    flow: FlowRow
    run_status: str
    rev: int
    became_ready: tuple[str, ...]
    warnings: tuple[str, ...]
    next: tuple[NextStep, ...]


def _create_flow(caller: Caller, request: CreateFlowRequest) -> CreateFlowResult:
    made = flows_of(caller, request.owner_key).create(
        controller_id=request.controller_id,
        goal=request.goal,
        requester_origin=request.requester_origin,
        status=request.status,
        current_step=request.current_step,
        state_json=request.state,
        wait_json=request.wait,
        notify_policy=request.notify_policy,
        request_id=request.request_id,
    )
    run = made.outcome.run
    beside = CreateFlowResult(
        flow_id=made.flow.flow_id,
        created=made.created,
        flow=flow_row(made.flow),
        run_status=run.state.status,
        rev=made.outcome.rev,
        became_ready=(),
        warnings=made.outcome.warnings,
        next=next_calls(run, caller, now=clock.now()),
    )
    row, rest = whole_row(made.flow, beside=beside)
    return beside.model_copy(update={"flow": row, "next": (*rest, *beside.next)})


class GetFlowRequest(Request):
    """Get a flow with its revision and child counts, by id, token (id, or an owner's key), or the owner's latest."""

    flow_id: fields.RunId | None = None
    token: fields.OutsideId | None = None
    owner_key: fields.SessionKey | None = None
    latest: bool = False


class GetFlowResult(Result):
    """A flow, with what its controller keeps in it."""

    flow: FlowRow
    run_status: str
    rev: int
    warnings: tuple[str, ...] | None = None
    next: tuple[NextStep, ...]


def _get_flow(caller: Caller, request: GetFlowRequest) -> GetFlowResult:
    given = sum((request.flow_id is not None, request.token is not None, request.latest))
    if given != 1:
        raise InvalidRequest(
            f"get_flow takes exactly one of flow_id, token, latest; you gave {given or 'none'}",
            hint="latest: true with owner_key finds the flow that an owner began last",
            next=(NextCall("list_flows", {}, "all flows"),),
        )
    flows = flows_of(caller, request.owner_key)
    if request.flow_id is not None:
        view = flows.get(request.flow_id)
    elif request.token is not None:
        view = flows.resolve(request.token)
    else:
        view = flows.find_latest()
    if view is None:
        raise _no_flow(caller, flows, request)
    reading = caller.registry.read(view.flow_id)
    beside = GetFlowResult(
        flow=flow_row(view),
        run_status=view.state.status,
        rev=reading.run.log.state_rev,
        warnings=(*reading.notices, *flows.unreadable[:10]) or None,
        next=next_calls(reading.run, caller, now=clock.now()),
    )
    row, rest = whole_row(view, beside=beside)
    return beside.model_copy(update={"flow": row, "next": (*rest, *beside.next)})


def _no_flow(caller: Caller, flows: Flows, request: GetFlowRequest) -> NotFound:
    named = request.flow_id or request.token
    if request.flow_id is not None and caller.registry.log_mark(request.flow_id) is not None:
        run = caller.registry.read(request.flow_id).run
        if run.state.flow is None:
            return NotFound(
                f"run {request.flow_id!r} is no flow: no controller plans it",
                next=(NextCall("get_run", {"run_id": request.flow_id}, "shows the run"),),
            )
    known = [view.flow_id for view in flows.list()]
    near = nearest(named, known) if named is not None else None
    what = f"no flow {shown(named)!r}" if named is not None else "no flow at all"
    of = f" of owner {shown(request.owner_key)!r}" if request.owner_key is not None else ""
    calls = [NextCall("get_flow", {"flow_id": near}, "if that was meant")] if near is not None else []
    return NotFound(
        what + of + (f"; did you mean {near!r}?" if near is not None else ""),
        hint="list_flows shows those there are",
        next=(*calls, NextCall("list_flows", {}, "all flows")),
    )


class ListFlowsRequest(Request):
    """List flows, an owner's or a controller's, changed last first; status open = not ended."""

    owner_key: fields.SessionKey | None = None
    controller_id: ControllerId | None = None
    status: FlowStatuses = ()
    limit: fields.Limit = 20
    cursor: str | None = None


class ListFlowsResult(Result):
    """A page of flows, without what their controllers keep in them."""

    flows: tuple[FlowRow, ...]
    next_cursor: str | None = None
    warnings: tuple[str, ...] | None = None
    next: tuple[NextStep, ...]


def _list_flows(caller: Caller, request: ListFlowsRequest) -> ListFlowsResult:
    flows = flows_of(caller, request.owner_key)
    after = _place(request) if request.cursor is not None else None
    found = flows.list(controller_id=request.controller_id, statuses=_wanted(request.status))
    rest = [view for view in found if after is None or _key(view) < after]
    rows = [flow_row(view) for view in rest[: request.limit]]
    calls = tuple(
        step("get_flow", {"flow_id": row.flow_id}, f"it is {row.status}") for row in rows if row.status in _OPEN
    )[:3]
    beside = ListFlowsResult(flows=(), warnings=tuple(flows.unreadable[:10]) or None, next=calls)
    kept = fit(rows, beside=beside, limit=request.limit, keep=200)
    cursor = _cursor(rest[len(kept) - 1], request) if len(kept) < len(rest) else None
    return beside.model_copy(update={"flows": kept, "next_cursor": cursor})


def _wanted(words: tuple[str, ...]) -> frozenset[FlowStatus] | None:
    if not words or "all" in words:
        return None
    named = frozenset(status for status in _STATUSES if status in words)
    return named | _OPEN if "open" in words else named


def _key(view: FlowView) -> tuple[str, str]:
    return (view.state.updated_at, view.flow_id)


def _filters(request: ListFlowsRequest) -> str:
    return short_hash(json.dumps([request.owner_key, request.controller_id, sorted(request.status)]), 8)


def _cursor(view: FlowView, request: ListFlowsRequest) -> str:
    return cursor_text([*_key(view), _filters(request)])


def _place(request: ListFlowsRequest) -> tuple[str, str]:
    again = (NextCall("list_flows", {}, "starts over, changed last first"),)
    place = cursor_place(request.cursor or "", length=3)
    if place is None:
        raise InvalidRequest("cursor is not one that an answer gave", hint="send next_cursor as it came", next=again)
    updated_at, flow_id, made_with = place
    if made_with != _filters(request):
        raise InvalidRequest(
            "cursor belongs to a list with other filters",
            hint="send the same filters as before, or start over without cursor",
            next=again,
        )
    return (str(updated_at), str(flow_id))


CREATE_FLOW = Operation(
    name="create_flow",
    request=CreateFlowRequest,
    result=CreateFlowResult,
    toolset="flows",
    read_only=False,
    run=_create_flow,
)
GET_FLOW = Operation(
    name="get_flow",
    request=GetFlowRequest,
    result=GetFlowResult,
    toolset="flows",
    read_only=True,
    idempotent=True,
    run=_get_flow,
)
LIST_FLOWS = Operation(
    name="list_flows",
    request=ListFlowsRequest,
    result=ListFlowsResult,
    toolset="flows",
    read_only=True,
    idempotent=True,
    run=_list_flows,
)
