"""Seeing where runs stand, and waking one up."""

from typing import Final, Literal

from pydantic import Field

from .. import clock
from ..core.names import shown
from ..core.record import Bag, Json
from ..errors import InvalidRequest, NextCall
from .answers import cut
from .caller import Caller
from .fields import NodeId, RunId, StringList
from .lookup import change_run, node_of, open_run
from .run_rows import RunView
from .run_views import bindings_view, events_fields, node_fields, run_fields
from .table import Operation, Request

_WHY_CHARS: Final = 500


class GetRunRequest(Request):
    """Show where a run stands and what to do next: status, progress, open nodes, approvals,
    messages from people, effects to carry out. Changes nothing; tick_run also advances timers."""

    run_id: RunId
    node_id: NodeId | None = None
    view: Literal["concise", "detailed", "events", "refs"] = "concise"
    since_rev: int | None = None
    cursor: str | None = None


def _get_run(caller: Caller, request: GetRunRequest) -> RunView:
    store = caller.registry.store
    reading = open_run(caller, request.run_id)
    run, now = reading.run, clock.now()
    if request.view == "events":
        before = _seq(request) if request.cursor else None
        return RunView.model_validate(
            events_fields(store, run, node_id=request.node_id, before_seq=before, since_rev=request.since_rev)
        )
    if request.node_id is not None:
        node = node_of(run, request.node_id)
        return RunView.model_validate(
            node_fields(store, run, node, caller, now=now) | {"warnings": reading.notices or None}
        )
    if request.view == "refs":
        return RunView.model_validate(
            {
                "run_id": run.state.run_id,
                "status": run.state.status,
                "rev": run.log.state_rev,
                "bindings": bindings_view(run),
                "warnings": reading.notices or None,
                "next": (),
            }
        )
    after = node_of(run, request.cursor).id if request.cursor else None
    fields = {"reconciled": True if reading.reconciled else None} | run_fields(
        store,
        run,
        caller,
        now=now,
        since_rev=request.since_rev,
        detailed=request.view == "detailed",
        after=after,
        notices=reading.notices,
    )
    if request.since_rev is not None and request.since_rev >= run.log.state_rev and fields["idle_because"]:
        fields["next"] = ()  # whoever asks again and again is to end the turn, not to find something to call
    return RunView.model_validate(fields)


def _seq(request: GetRunRequest) -> int:
    if request.cursor and len(request.cursor) < 19 and request.cursor.isascii() and request.cursor.isdecimal():
        return int(request.cursor)
    raise InvalidRequest(
        "cursor is not one that an answer gave",
        hint="send next_cursor as it came, or start over without cursor",
        next=(NextCall("get_run", {"run_id": request.run_id, "view": "events"}, "the newest events"),),
    )


GET_RUN = Operation(
    name="get_run",
    request=GetRunRequest,
    result=RunView,
    toolset="core",
    read_only=True,
    idempotent=True,
    run=_get_run,
)


class TickRunRequest(Request):
    """Tick: wake up a run on a timer (cron, automations, heartbeat); advances waits and lost
    leases, confirms effects you carried out, returns what get_run returns. Call once per wake."""

    run_id: RunId
    since_rev: int | None = None
    effects_done: StringList = ()
    effects_failed: Bag = Field(default_factory=dict)


class TickedRun(RunView):
    """What get_run answers, and which nodes the tick moved."""

    run_status: str
    advanced: tuple[str, ...]
    became_ready: tuple[str, ...]


def _tick_run(caller: Caller, request: TickRunRequest) -> TickedRun:
    failed = {name: cut(str(why), _WHY_CHARS) for name, why in request.effects_failed.items()}
    from ..core.commands import Tick  # who only looks at runs does not load what changes them

    command = Tick(actor=caller.actor, effects_done=request.effects_done, effects_failed=failed)
    outcome = change_run(caller, request.run_id, command)
    answer = outcome.answer
    advanced = _names(answer.get("advanced"))
    unknown = [f"no effect or message {shown(name)!r} is pending" for name in _names(answer.get("unknownEffects"))]
    fields = run_fields(
        caller.registry.store,
        outcome.run,
        caller,
        now=clock.now(),
        since_rev=request.since_rev,
        woken=True,
        notices=(*outcome.warnings, *unknown),
    )
    if fields["idle_because"] and not advanced and not outcome.became_ready:
        fields["next"] = ()  # woken for nothing: end the turn, nobody is to be asked once more
    return TickedRun.model_validate(
        {
            **fields,
            "run_status": outcome.run.state.status,
            "advanced": advanced,
            "became_ready": outcome.became_ready,
            "warnings": fields["warnings"] or (),
        }
    )


def _names(value: Json) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


TICK_RUN = Operation(
    name="tick_run",
    request=TickRunRequest,
    result=TickedRun,
    toolset="core",
    read_only=False,
    idempotent=True,
    run=_tick_run,
)
