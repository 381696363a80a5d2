"""Flows from Python: for code that plans a job while it goes and keeps the plan's state here.

    flows = Flows(registry, actor=actor, owner_key="agent:main:main")
    made = flows.create(controller_id="release", goal="ship 2.1", request_id="ship-2.1")
    linked = flows.run_task(made.flow.flow_id, runtime="subagent", task="write the notes")
    moved = flows.set_waiting(made.flow.flow_id, expected_revision=0, current_step="notes")

What a controller has to expect is an answer: a stale revision, a flow that has ended, another
session's, a full disk. What it cannot expect (a wrong argument, a busy or damaged run, an
outcome that nobody knows) is a `RegistryError`.
"""

from collections.abc import Collection, Mapping
from typing import Final, Literal

from pydantic_core import to_json

from . import clock
from .core.commands import CancelFlow, CreateRun, FlowAction, LinkTask, UpdateFlow
from .core.flow import ChildRuntime, Flow, FlowCode, FlowStatus, NotifyPolicy
from .core.names import TaskId, is_id, short_hash, shown
from .core.record import Bag, Json
from .core.run import Actor, RunState
from .core.workflow import Workflow
from .errors import Conflict, NotFound, RegistryError, StorageFault, StorageFull
from .flow_answers import (
    KEEP,
    FlowCancelled,
    FlowCreated,
    FlowSummary,
    FlowUpdated,
    FlowView,
    TaskLinked,
    Text,
    Value,
    view_of,
)
from .flow_arguments import TITLE_CHARS, Asked, Cancel, Change, NewChild, NewFlow, Wanted, checked, given
from .registry import Outcome, Registry, RequestKey

FLOW: Final = "flow"
"""The workflow id of every flow, and what the ids of flows begin with."""

NOT_FOUND: Final = "Flow not found."


class Flows:
    """The flows of a registry, as one caller sees them.

    Args:
        owner_key: The session that asks. Flows of others are not found; None asks for any.
    """

    def __init__(self, registry: Registry, *, actor: Actor, owner_key: str | None = None) -> None:
        self.registry = registry
        self.actor = actor
        self.owner_key = owner_key
        self.unreadable: list[str] = []
        """A sentence for each run that a list could not read; one damaged run must not hide the others."""

    # Finding

    def get(self, flow_id: str) -> FlowView | None:
        """A flow by its id."""
        checked(Asked, "get_flow", flow_id=flow_id)
        if not is_id(flow_id):
            return None
        try:
            run = self.registry.read(flow_id).run
        except NotFound:
            if self.registry.log_mark(flow_id) is not None:
                raise
            return None
        return self._mine(run.state)

    def list(
        self, *, controller_id: str | None = None, statuses: Collection[FlowStatus] | None = None
    ) -> tuple[FlowView, ...]:
        """Flows, changed last first."""
        wanted = checked(Wanted, "list_flows", controller_id=controller_id, statuses=statuses)
        found = [
            view
            for view in self._all()
            if wanted.controller_id in (None, view.flow.controller_id)
            and (wanted.statuses is None or view.flow.status in wanted.statuses)
        ]
        return tuple(sorted(found, key=lambda view: (view.state.updated_at, view.flow_id), reverse=True))

    def find_latest(self, owner_key: str | None = None) -> FlowView | None:
        """The flow that an owner began last."""
        checked(Asked, "get_flow", owner_key=owner_key)
        owner = owner_key or self.owner_key
        found = [view for view in self._all() if owner is None or view.flow.owner_key == owner]
        latest = max(found, key=lambda view: (view.state.created_at, view.flow_id), default=None)
        return self.get(latest.flow_id) if latest is not None else None

    def resolve(self, token: str) -> FlowView | None:
        """The flow that somebody means: by its id, else the latest of the owner of that key."""
        checked(Asked, "get_flow", token=token)
        return self.get(token.strip()) or self.find_latest(token.strip() or None)

    def summary(self, flow_id: str) -> FlowSummary | None:
        """A flow's children in numbers."""
        view = self.get(flow_id)
        return view.summary if view is not None else None

    def _all(self) -> tuple[FlowView, ...]:
        views, now = [], clock.now()
        for run_id in tuple(self.registry.store.run_ids()):
            try:
                view = self._mine(self.registry.store.state(run_id))
                if view is not None and any(node.is_overdue(now) for node in view.tasks):
                    view = self._mine(self.registry.read(run_id).run.state)
            except NotFound:
                continue  # archived while we looked
            except RegistryError as failure:
                self.unreadable.append(f"run {run_id!r} cannot be read ({failure.code}); validate_run tells more")
                continue
            if view is not None:
                views.append(view)
        return tuple(views)

    def _mine(self, state: RunState) -> FlowView | None:
        view = view_of(state)
        return view if view is not None and self.owner_key in (None, view.flow.owner_key) else None

    # Changing

    def create(
        self,
        *,
        controller_id: str,
        goal: str,
        owner_key: str | None = None,
        requester_origin: Bag | None = None,
        status: Literal["queued", "running"] = "queued",
        current_step: str | None = None,
        state_json: Json = None,
        wait_json: Json = None,
        notify_policy: NotifyPolicy = "done_only",
        request_id: str | None = None,
    ) -> FlowCreated:
        """Begin a flow at revision 0. Asking again with the same request_id gives the same flow.

        Raises:
            InvalidRequest: there is no goal, controller or owner, or another argument is wrong.
            LimitExceeded: one is too large.
            Conflict: the request_id began another flow.
        """
        new = checked(
            NewFlow,
            "create_flow",
            controller_id=controller_id,
            goal=goal,
            owner_key=owner_key or self.owner_key or "",
            requester_origin=requester_origin,
            status=status,
            current_step=current_step,
            state_json=state_json,
            wait_json=wait_json,
            notify_policy=notify_policy,
            request_id=request_id,
        )
        flow = Flow(revision=0, **new.model_dump(exclude={"request_id"}))
        command = self._creation(flow, request_id)
        key = RequestKey(id=request_id, hash=command.request) if request_id is not None else None
        try:
            outcome = self.registry.create(command, request=key)
        except Conflict as taken:
            if request_id is None:
                raise
            raise Conflict(
                f"request_id {shown(request_id)!r} began another flow before",
                hint="use a fresh request_id for a new flow",
            ) from taken
        view = view_of(outcome.run)
        assert view is not None, "what was created as a flow is one"
        return FlowCreated(outcome.answer.get("created") is True, view, outcome)

    def _creation(self, flow: Flow, request_id: str | None) -> CreateRun:
        """The run of a flow; the same request makes the same id in every process."""
        title = shown(flow.goal, TITLE_CHARS) or FLOW
        return CreateRun(
            run_id=f"{FLOW}-{short_hash(request_id)}" if request_id is not None else clock.fresh_id(FLOW),
            workflow=Workflow(workflow_id=FLOW, title=title, nodes=()),
            actor=self.actor,
            request=short_hash(to_json(flow.model_dump(mode="json")).decode(), 32),
            title=title,
            source_session_key=flow.owner_key,
            flow=flow,
        )

    def run_task(
        self,
        flow_id: str,
        *,
        runtime: ChildRuntime,
        task: str,
        child_session_key: str | None = None,
        parent_task_id: TaskId | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        label: str | None = None,
        status: Literal["queued", "running"] = "queued",
        started_at: str | None = None,
        last_event_at: str | None = None,
        progress_summary: str | None = None,
    ) -> TaskLinked:
        """Link work that is carried outside; this does not start it.

        Args:
            run_id: What the worker's host calls its run. The same run is the same child, whatever session is bound
                to it or named with it; without it the same words in the same session are, while it is open.
            started_at: ISO 8601 with offset and not to come, as is `last_event_at`; only of one that is running.

        Raises:
            InvalidRequest: there is no task, a time is none, or another argument is wrong.
            LimitExceeded: one is too large.
        """
        new = checked(
            NewChild,
            "run_flow_task",
            flow_id=flow_id,
            runtime=runtime,
            task=task,
            child_session_key=child_session_key,
            parent_task_id=parent_task_id,
            agent_id=agent_id,
            run_id=run_id,
            label=label,
            status=status,
            started_at=started_at,
            last_event_at=last_event_at,
            progress_summary=progress_summary,
        )
        outcome = self._change(flow_id, new.command(self.actor, self.owner_key))
        if outcome is None:
            return TaskLinked(False, False, NOT_FOUND)
        answer = outcome.answer
        node_id = answer.get("nodeId")
        return TaskLinked(
            created=answer["created"] is True,
            found=answer["found"] is True,
            reason=_text(answer, "reason"),
            flow=view_of(outcome.run) if answer["found"] else None,
            task=outcome.run.state.nodes[node_id] if isinstance(node_id, str) else None,
            outcome=outcome,
        )

    def set_waiting(
        self,
        flow_id: str,
        *,
        expected_revision: int,
        current_step: Text = KEEP,
        state_json: Value = KEEP,
        wait_json: Value = KEEP,
        blocked_task_id: Text = KEEP,
        blocked_summary: Text = KEEP,
    ) -> FlowUpdated:
        """The flow waits; with a blocked field it is blocked."""
        changes = given(
            current_step=current_step,
            state_json=state_json,
            wait_json=wait_json,
            blocked_task_id=blocked_task_id,
            blocked_summary=blocked_summary,
        )
        return self.update(flow_id, "set_waiting", expected_revision=expected_revision, changes=changes)

    def resume(
        self,
        flow_id: str,
        *,
        expected_revision: int,
        status: Literal["queued", "running"] = "queued",
        current_step: Text = KEEP,
        state_json: Value = KEEP,
        reopen: bool = False,
    ) -> FlowUpdated:
        """The flow goes on; what it waited for is cleared. With `reopen` also one that succeeded or failed."""
        changes = given(current_step=current_step, state_json=state_json)
        return self.update(
            flow_id, "resume", expected_revision=expected_revision, changes=changes, status=status, reopen=reopen
        )

    def finish(self, flow_id: str, *, expected_revision: int, state_json: Value = KEEP) -> FlowUpdated:
        """The flow has succeeded."""
        changes = given(state_json=state_json)
        return self.update(flow_id, "finish", expected_revision=expected_revision, changes=changes)

    def fail(
        self,
        flow_id: str,
        *,
        expected_revision: int,
        state_json: Value = KEEP,
        blocked_task_id: Text = KEEP,
        blocked_summary: Text = KEEP,
    ) -> FlowUpdated:
        """The flow has failed."""
        changes = given(state_json=state_json, blocked_task_id=blocked_task_id, blocked_summary=blocked_summary)
        return self.update(flow_id, "fail", expected_revision=expected_revision, changes=changes)

    def request_cancel(self, flow_id: str, *, expected_revision: int) -> FlowUpdated:
        """Note for good that the flow is to be cancelled: no child is linked any more, its status stays."""
        return self.update(flow_id, "request_cancel", expected_revision=expected_revision, changes={})

    def update(
        self,
        flow_id: str,
        action: FlowAction,
        *,
        expected_revision: int,
        changes: Mapping[str, Json],
        status: Literal["queued", "running"] = "queued",
        reopen: bool = False,
    ) -> FlowUpdated:
        """Any of the changes above by its name. `changes` are by `FlowField`; None clears, what is not in it stays."""
        change = checked(
            Change,
            "update_flow",
            flow_id=flow_id,
            action=action,
            expected_revision=expected_revision,
            changes=changes,
            status=status,
            reopen=reopen,
        )
        command = UpdateFlow(
            actor=self.actor,
            action=change.action,
            expected_revision=change.expected_revision,
            owner_key=self.owner_key,
            changes=change.changes.given,
            status=change.status,
            reopen=change.reopen,
        )
        try:
            outcome = self._change(flow_id, command)
        except (StorageFull, StorageFault) as failure:
            return FlowUpdated(False, code="persist_failed", current=self.get(flow_id), reason=failure.message)
        if outcome is None:
            return FlowUpdated(False, code="not_found")
        code = outcome.answer.get("code")
        if code is None:
            return FlowUpdated(True, flow=view_of(outcome.run), outcome=outcome)
        known: FlowCode = next(one for one in _CODES if one == code)
        current = view_of(outcome.run) if known != "not_found" else None
        return FlowUpdated(False, code=known, current=current, outcome=outcome)

    def cancel(self, flow_id: str, *, message: str | None = None) -> FlowCancelled:
        """Have a flow cancelled: what runs is asked to stop, and the end of the last child ends the flow."""
        checked(Cancel, "cancel_flow", flow_id=flow_id, message=message)
        before = self.get(flow_id)
        active = [node.id for node in before.tasks if node.is_open] if before is not None else []
        outcome = self._change(flow_id, CancelFlow(actor=self.actor, owner_key=self.owner_key, message=message))
        if outcome is None or outcome.answer["found"] is not True:
            return FlowCancelled(False, False, NOT_FOUND)
        nodes = outcome.run.state.nodes
        return FlowCancelled(
            found=True,
            cancelled=outcome.answer["cancelled"] is True,
            reason=_text(outcome.answer, "reason"),
            flow=view_of(outcome.run),
            tasks=tuple(nodes[node_id] for node_id in active if node_id in nodes),
            outcome=outcome,
        )

    def _change(self, flow_id: str, command: LinkTask | UpdateFlow | CancelFlow) -> Outcome | None:
        """Have a command decided; None where there is no such run."""
        if not is_id(flow_id):
            return None
        try:
            return self.registry.transact(flow_id, command)
        except NotFound:
            if self.registry.log_mark(flow_id) is not None:
                raise
            return None


_CODES: Final[tuple[FlowCode, ...]] = ("not_found", "not_managed", "revision_conflict", "already_terminal")


def _text(answer: Bag, name: str) -> str | None:
    value = answer.get(name)
    return value if isinstance(value, str) else None
