"""How a flow looks in answers. What its controller keeps there is left out where there is no room for it.

Then it is read in pieces, as if it were a file of the run: `flow/state.json`.
"""

from typing import TYPE_CHECKING, Final

from pydantic_core import to_json

from ..core.flow import Flow
from ..core.record import Bag, Json
from ..core.run import Run, RunState
from .fit import ANSWER_CHARS_MAX, chars, cut
from .next_calls import NextStep, step
from .node_views import PausedRow, paused_view
from .table import Result

if TYPE_CHECKING:
    from ..flow_answers import FlowSummary, FlowView

GOAL_CHARS: Final = 400
STEP_CHARS: Final = 500
_TAIL_CHARS: Final = 800
_OWN: Final = {"wait": "wait_json", "state": "state_json", "requester_origin": "requester_origin"}
"""What is the controller's own, most wanted first, and the field of a flow that it is."""
OWN_FILES: Final = frozenset(f"flow/{name}.json" for name in _OWN)
"""As files of the run, which no disk has: what an answer had no room for is read there in pieces."""


def own_text(flow: Flow | None, path: str) -> bytes | None:
    """The text of one of `OWN_FILES`; None for another path, and where the flow has nothing there."""
    if flow is None or path not in OWN_FILES:
        return None
    value = getattr(flow, _OWN[path.removeprefix("flow/").removesuffix(".json")])
    return None if value is None else to_json(value, indent=1)


class TaskCounts(Result):
    """A flow's children in numbers: by public status and by what carries them."""

    total: int
    active: int
    terminal: int
    failures: int
    by_status: dict[str, int]
    by_runtime: dict[str, int]


class FlowRow(Result):
    """A flow. `revision` is what the next update_flow must name; `left_out` names what there was no room for."""

    flow_id: str
    status: str
    revision: int
    goal: str
    owner_key: str
    controller_id: str
    current_step: str | None = None
    state: Json = None
    wait: Json = None
    left_out: tuple[str, ...] | None = None
    notify_policy: str
    requester_origin: Bag | None = None
    blocked_task_id: str | None = None
    blocked_summary: str | None = None
    cancel_requested_at: str | None = None
    paused: PausedRow | None = None
    tasks: TaskCounts
    created_at: str
    updated_at: str


def flow_row(view: "FlowView") -> FlowRow:
    """A flow without its controller's own state, for lists and beside other things."""
    flow, state = view.flow, view.state
    return FlowRow(
        flow_id=view.flow_id,
        status=flow.status,
        revision=flow.revision,
        goal=cut(flow.goal, GOAL_CHARS),
        owner_key=flow.owner_key,
        controller_id=flow.controller_id,
        current_step=cut(flow.current_step, STEP_CHARS) if flow.current_step is not None else None,
        notify_policy=flow.notify_policy,
        blocked_task_id=flow.blocked_task_id,
        blocked_summary=cut(flow.blocked_summary, STEP_CHARS) if flow.blocked_summary is not None else None,
        cancel_requested_at=flow.cancel_requested_at,
        paused=paused_view(state),
        tasks=counts_of(view.summary),
        created_at=state.created_at,
        updated_at=state.updated_at,
    )


def counts_of(summary: "FlowSummary") -> TaskCounts:
    """The numbers as an answer has them."""
    return TaskCounts(
        total=summary.total,
        active=summary.active,
        terminal=summary.terminal,
        failures=summary.failures,
        by_status=dict(summary.by_status),
        by_runtime=dict(summary.by_runtime),
    )


def flow_row_of(run: Run | RunState) -> FlowRow | None:
    """The flow that a run is, if it is one."""
    state = run.state if isinstance(run, Run) else run
    if state.flow is None:
        return None
    from ..flow_answers import view_of  # most runs are no flows

    view = view_of(run)
    return flow_row(view) if view is not None else None


def whole_row(view: "FlowView", *, beside: Result) -> tuple[FlowRow, tuple[NextStep, ...]]:
    """A flow with what its controller keeps there, as far as the answer has room, and the calls that give the rest.

    Args:
        beside: The answer with the flow as `flow_row` gives it.
    """
    fields: dict[str, object] = flow_row(view).model_dump()
    room = ANSWER_CHARS_MAX - chars(beside) - _TAIL_CHARS
    left_out = []
    bare = chars(FlowRow.model_validate(fields))
    for name, field in _OWN.items():
        value = getattr(view.flow, field)
        if value is None:
            continue
        tried = FlowRow.model_validate({**fields, name: value})
        # It stands deeper in the answer than here, by a few spaces in each of its lines.
        size = chars(tried) - bare + 4 * tried.model_dump_json(indent=2).count("\n")
        if size > room:
            left_out.append(name)
            continue
        room -= size
        fields[name] = value
    rest = tuple(
        step("read_artifact", {"run_id": view.flow_id, "path": f"flow/{name}.json"}, f"{name}, in pieces")
        for name in left_out
    )
    return FlowRow.model_validate({**fields, "left_out": tuple(left_out) or None}), rest
