"""Refusals that are worded from a flow and its children."""

from typing import Final

from ..errors import IllegalTransition, NextCall
from .flow import Flow
from .run import NodeState, RunState

REPORTED: Final = "append_event node.started, node.completed or node.failed reports how it goes; no fence is needed"


def work_is_unwanted(state: RunState, flow: Flow) -> IllegalTransition:
    """Somebody tried to open work again for a flow that has ended or is to be cancelled."""
    hint = "it ends with its last child; create_flow begins another"
    if flow.is_ended:
        may_open = flow.status != "cancelled"
        hint = "update_flow resume with reopen: true opens it again" if may_open else "create_flow begins another"
    return IllegalTransition(
        f"flow {state.run_id!r} is {flow.status if flow.is_ended else 'to be cancelled'}; retry needs one that goes on",
        hint=hint,
        next=(NextCall("get_flow", {"flow_id": state.run_id}, "shows the flow with its revision"),),
        run_id=state.run_id,
        status=flow.status,
    )


def carried_elsewhere(state: RunState, node: NodeState, *, asked: str) -> IllegalTransition:
    """Somebody tried to work as a worker on a child of a flow, which is nobody's to take."""
    return IllegalTransition(
        f"{node.id!r} is a child of a flow: its controller has it carried outside and reports it. "
        f"{asked} needs work that is in a queue",
        hint=REPORTED,
        next=(NextCall("get_flow", {"flow_id": state.run_id}, "shows the flow and its children"),),
        run_id=state.run_id,
        node_id=node.id,
        status=node.status,
    )


def flow_is_over(state: RunState, flow: Flow, *, asked: str) -> IllegalTransition:
    """The flow has ended."""
    may_open = flow.status != "cancelled"
    return IllegalTransition(
        f"flow {state.run_id!r} is {flow.status}; {asked} needs an open one",
        hint="update_flow resume with reopen: true opens it again" if may_open else "create_flow begins another",
        next=(NextCall("get_flow", {"flow_id": state.run_id}, "shows the flow with its revision"),),
        run_id=state.run_id,
        status=state.status,
    )


def takes_retries(state: RunState) -> bool:
    """Whether failed work may be opened again: not for what was cancelled, and a flow has to go on."""
    if state.flow is not None:
        return not state.flow.is_ended and state.flow.cancel_requested_at is None
    return state.status not in ("cancelled", "completed")
