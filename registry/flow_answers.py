"""What the methods of `flows.Flows` answer: a flow as it stands, and what became of what was asked."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from .core.flow import Flow, FlowCode
from .core.names import RunId
from .core.record import Json
from .core.run import NodeState, Run, RunState
from .core.tasks import public_status, runtime_of
from .registry import Outcome


class Keep(Enum):
    """Stands for a field that a change leaves as it is, because None clears it."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP
Text = str | None | Literal[Keep.KEEP]
Value = Json | Literal[Keep.KEEP]


@dataclass(frozen=True)
class FlowSummary:
    """How many children there are, by public status and by what carries them."""

    total: int
    active: int
    terminal: int
    failures: int
    by_status: Mapping[str, int]
    by_runtime: Mapping[str, int]


@dataclass(frozen=True)
class FlowView:
    """A flow as it stands. `state` is its run's; the children are its nodes."""

    state: RunState
    flow: Flow

    @property
    def flow_id(self) -> RunId:
        """The flow's id, which is its run's."""
        return self.state.run_id

    @property
    def tasks(self) -> tuple[NodeState, ...]:
        """The children, in the order in which they were linked."""
        return tuple(self.state.nodes.values())

    @property
    def summary(self) -> FlowSummary:
        """The children in numbers."""
        statuses = Counter(public_status(node) for node in self.tasks)
        active = statuses["queued"] + statuses["running"]
        return FlowSummary(
            total=len(self.tasks),
            active=active,
            terminal=len(self.tasks) - active,
            failures=statuses["failed"] + statuses["timed_out"],
            by_status={name: number for name, number in sorted(statuses.items()) if number},
            by_runtime=dict(sorted(Counter(runtime_of(node) for node in self.tasks).items())),
        )


@dataclass(frozen=True)
class FlowCreated:
    """A flow that was begun, or that the same request began before (`created` false)."""

    created: bool
    flow: FlowView
    outcome: Outcome


@dataclass(frozen=True)
class FlowUpdated:
    """What became of a change: applied with the flow as it is now, or why not, with the flow as it stands."""

    applied: bool
    flow: FlowView | None = None
    code: FlowCode | None = None
    current: FlowView | None = None
    reason: str | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True)
class TaskLinked:
    """A child that was linked; or why not, with the one that was linked before where it is the same."""

    created: bool
    found: bool
    reason: str | None = None
    flow: FlowView | None = None
    task: NodeState | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True)
class FlowCancelled:
    """Whether the flow is cancelled now; `tasks` are the children that the cancel was about."""

    found: bool
    cancelled: bool
    reason: str | None = None
    flow: FlowView | None = None
    tasks: tuple[NodeState, ...] = ()
    outcome: Outcome | None = None


def view_of(run: Run | RunState) -> FlowView | None:
    """The flow that a run is; None for a run that is none."""
    state = run.state if isinstance(run, Run) else run
    return FlowView(state, state.flow) if state.flow is not None else None
