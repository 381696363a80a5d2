"""A flow: what a run is to the code that plans it while it goes.

The run's nodes are the flow's children, linked one by one. The flow has a status of its own,
which only its controller's words change, and a revision of its own, which only those changes
raise: a child's heartbeat must not make a controller stale.
"""

from collections.abc import Mapping
from typing import Final, Literal

from .names import TaskId
from .record import Bag, Json, Record

FlowStatus = Literal["queued", "running", "waiting", "blocked", "succeeded", "failed", "cancelled"]
FlowEnd = Literal["succeeded", "failed", "cancelled"]
NotifyPolicy = Literal["done_only", "state_changes", "silent"]
Runtime = Literal["subagent", "session", "acp", "cli", "cron", "wait", "approval"]
ChildRuntime = Literal["subagent", "acp", "cli", "cron"]
"""What may carry a flow's child; the other runtimes are nodes of the registry's own kinds."""

FlowField = Literal["current_step", "state_json", "wait_json", "blocked_task_id", "blocked_summary"]
"""What a controller may set and clear with a change: omitted keeps, null clears."""

FlowCode = Literal["not_found", "not_managed", "revision_conflict", "already_terminal", "persist_failed"]
"""Why a change was not applied. None of these is an error: a controller has to expect them."""

ENDED_FLOW: Final[frozenset[str]] = frozenset({"succeeded", "failed", "cancelled"})
RUN_END: Final[Mapping[FlowEnd, Literal["completed", "failed", "cancelled"]]] = {
    "succeeded": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}
"""The status of a run whose flow ended so; while the flow is open, its run is running or paused."""


class Flow(Record):
    """A flow's own record.

    `owner_key` is the session it belongs to, `controller_id` the code that plans it, `revision`
    what its next change must name. `state_json` and `wait_json` are the controller's own.
    """

    revision: int
    status: FlowStatus
    owner_key: str
    controller_id: str
    goal: str
    notify_policy: NotifyPolicy
    requester_origin: Bag | None = None
    current_step: str | None = None
    state_json: Json = None
    wait_json: Json = None
    blocked_task_id: TaskId | None = None
    blocked_summary: str | None = None
    cancel_requested_at: str | None = None
    """When somebody wanted it cancelled; no child is linked from then on."""

    @property
    def is_ended(self) -> bool:
        """Whether its owner, or a cancel, has ended it."""
        return self.status in ENDED_FLOW
