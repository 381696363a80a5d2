"""Whatever is said of a flow and its children, in whatever order and at whatever time: what must stay true."""

import json
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from registry.core.commands import AddNode, AnyCommand, CancelFlow, Control, CreateRun, LinkTask, RemoveNode, UpdateFlow
from registry.core.decide import decide, decide_creation, reconcile
from registry.core.events import Decision, Facts
from registry.core.flow import RUN_END, Flow
from registry.core.names import moment
from registry.core.patch import Document, Patch, apply, diff, run_of, snapshot
from registry.core.run import Run
from registry.core.workflow import NodeDefinition, Workflow
from registry.errors import RegistryError
from tests.core.given import AGENT, PERSON, T0, claim, control, event, finish, hold_to_promises, tick

OWNERS = ("agent:main:main", "agent:other:main")
SESSIONS = ("agent:w:1", "agent:w:2", None)
nodes = st.sampled_from(("task-1", "task-2", "task-3", "own"))
maybe = st.booleans()
ENDED = frozenset({"completed", "failed", "skipped"})


class Histories(RuleBasedStateMachine):
    """One flow, its controller, others who think they are, its children, a person, and the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = T0
        self.asked = 0
        self.fence: str | None = None

    @initialize(policy=st.sampled_from(("done_only", "state_changes", "silent")))
    def begin(self, policy: Any) -> None:
        flow = Flow(revision=0, status="queued", owner_key=OWNERS[0], controller_id="c", goal="g", notify_policy=policy)
        workflow = Workflow(workflow_id="flow", title="g", nodes=())
        command = CreateRun(run_id="flow-1", workflow=workflow, actor=AGENT, request="x", flow=flow)
        self.run = decide_creation(command, Facts(now=self.now)).run
        self.document: Document = json.loads(json.dumps(snapshot(self.run)))

    @property
    def flow(self) -> Flow:
        assert self.run.state.flow is not None
        return self.run.state.flow

    def ask(self, command: AnyCommand) -> Decision | None:
        """Ask for something; a refusal changes nothing, a decision keeps every promise."""
        self.asked += 1
        before = self.run
        try:
            decision = decide(before, command, Facts(now=self.now, lost_grace_s=300))
        except RegistryError as error:
            assert error.message
            return None
        hold_to_promises(before, decision)
        hold_to_flows(before, decision)
        patch: Patch = json.loads(json.dumps(diff(before, decision.run)))
        apply(self.document, patch)
        self.run = decision.run
        assert run_of(json.loads(json.dumps(self.document)), self.run.log) == self.run
        return decision

    @rule(seconds=st.sampled_from((1, 150, 299, 300, 4000)))
    def let_time_pass(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.ask(tick())

    @rule(
        action=st.sampled_from(("set_waiting", "resume", "resume", "finish", "fail", "request_cancel")),
        off=st.sampled_from((0, 0, 0, 0, -1, 1)),
        owner=st.sampled_from((None, OWNERS[0], OWNERS[0], OWNERS[1])),
        changes=st.dictionaries(
            st.sampled_from(("current_step", "state_json", "wait_json", "blocked_summary")),
            st.sampled_from((None, "x", "y")),
            max_size=3,
        ),
        reopen=maybe,
    )
    def update(self, action: Any, off: int, owner: str | None, changes: Any, reopen: bool) -> None:
        if action in ("finish", "fail", "request_cancel") and self.asked % 3:
            return
        before = self.flow
        given = before.revision + off
        command = UpdateFlow(
            actor=AGENT, action=action, expected_revision=given, owner_key=owner, changes=changes, reopen=reopen
        )
        decision = self.ask(command)
        if decision is None:
            assert action == "resume" and self.run.state.status == "paused"
            return
        if owner == OWNERS[1]:
            assert decision.answer == {"applied": False, "code": "not_found"}
        elif before.is_ended and not (action == "resume" and reopen and before.status != "cancelled"):
            assert decision.answer["code"] == "already_terminal"
        elif off:
            assert decision.answer["code"] == "revision_conflict"
        else:
            assert decision.answer == {"applied": True}
            assert self.flow.revision == before.revision + 1
            assert all(getattr(self.flow, name) == value for name, value in changes.items()) or action != "set_waiting"

    @rule(owner=st.sampled_from((None, OWNERS[1])))
    def cancel(self, owner: str | None) -> None:
        if self.asked % 4:
            return
        active = any(node.is_open and node.managed for node in self.run.state.nodes.values())
        ended = self.flow.is_ended
        decision = self.ask(CancelFlow(actor=PERSON, owner_key=owner))
        assert decision is not None
        if owner is None and not ended:
            assert decision.answer["cancelled"] is (self.flow.status == "cancelled")
            assert active or decision.answer["cancelled"]

    @rule(session=st.sampled_from(SESSIONS), status=st.sampled_from(("queued", "running")), task=st.sampled_from("ab"))
    def link(self, session: str | None, status: Any, task: str) -> None:
        before = self.flow
        command = LinkTask(
            actor=AGENT, runtime="subagent", title=task, prompt=task, child_session_key=session, status=status
        )
        decision = self.ask(command)
        assert decision is not None
        if decision.answer["created"]:
            assert not before.is_ended and before.cancel_requested_at is None
            assert self.run.node(str(decision.answer["nodeId"])).managed
        assert self.flow == before

    @rule(
        name=st.sampled_from(
            ("node.started", "node.waiting", "node.completed", "node.failed", "node.skipped", "node.ready",
             "node.heartbeat", "session.gone", "note.seen", "run.paused", "run.resumed")
        ),
        node_id=nodes,
        outcome=st.sampled_from((None, "lost", "timed_out", "cancelled")),
    )  # fmt: skip
    def report(self, name: str, node_id: str, outcome: str | None) -> None:
        about = None if name.startswith("run.") else node_id
        payload = {"outcome": outcome} if outcome else {}
        self.ask(event(name, about, payload=payload, message="so"))

    @rule(action=st.sampled_from(("retry", "skip", "release", "approve", "cancel")), node_id=nodes)
    def steer(self, action: Any, node_id: str) -> None:
        if action == "cancel" and self.asked % 4:
            return
        about = node_id if action != "cancel" else None
        request: Control = control(action, about, message="so", control_id=f"c{self.asked}")
        self.ask(request)

    @rule()
    def plan_own_work(self) -> None:
        node = NodeDefinition(id="own", title="own", kind="session_turn", prompt="do it")
        self.ask(AddNode(actor=AGENT, node=node))

    @rule(node_id=nodes)
    def take_out(self, node_id: str) -> None:
        self.ask(RemoveNode(actor=AGENT, node_id=node_id))

    @rule()
    def claim_own_work(self) -> None:
        decision = self.ask(claim(secret=f"{self.asked:08d}"))
        if decision is not None and decision.answer["claimed"]:
            assert decision.answer["nodeId"] == "own", "children are nobody's to take"
            self.fence = str(decision.answer["fence"])

    @rule()
    def finish_own_work(self) -> None:
        if self.fence is not None:
            self.ask(finish(None, with_fence=self.fence))

    @rule()
    def confirm_effects(self) -> None:
        self.ask(tick(*self.run.refs.pending_effects))
        assert self.flow.is_ended or not any(
            effect.kind == "session.abort" for effect in self.run.refs.pending_effects.values()
        )

    @invariant()
    def who_sleeps_until_wake_at_misses_nothing(self) -> None:
        wake_at = self.run.state.wake_at
        if wake_at is None or moment(wake_at) > self.now:
            assert decide(self.run, tick(), Facts(now=self.now)).events == ()

    @invariant()
    def readers_see_no_child_that_is_given_up_at_work(self) -> None:
        seen, _ = reconcile(self.run, Facts(now=self.now))
        assert not any(node.is_given_up(self.now) for node in seen.state.nodes.values())


def hold_to_flows(before: Run, decision: Decision) -> None:
    """The run goes with its flow; ends stand; the revision counts the flow's changes and nothing else."""
    old, new = before.state.flow, decision.run.state.flow
    assert old is not None and new is not None
    assert new.revision - old.revision == (1 if new != old else 0)
    state = decision.run.state
    assert state.status == RUN_END[new.status] if new.is_ended else state.status in ("running", "paused")  # type: ignore[index]
    if old.is_ended and not new.is_ended:
        assert "run.reopened" in decision.event_names and old.status != "cancelled"
    if old.status == "cancelled":
        assert new == old
    if old.cancel_requested_at is not None and not old.is_ended:
        assert new.cancel_requested_at == old.cancel_requested_at, "the intent lasts"
    if new.cancel_requested_at is not None and not new.is_ended and "node.completed" in decision.event_names:
        assert any(node.is_open for node in state.nodes.values()), "the last end would have ended it"
    by_hand = {one.node_id for one in decision.events if one.name in ("node.ready", "node.removed")}
    for node_id, node in before.state.nodes.items():
        if node.managed and node.status in ENDED and node_id not in by_hand:
            now = state.nodes[node_id]
            assert now.status == node.status or (node.status, now.status) == ("failed", "skipped")
    notices = [one for one in decision.run.refs.pending_effects.values() if one.kind == "message.send"]
    assert len(notices) <= 1
    assert all(one.params["status"] == new.status for one in notices), "nobody is told what is no longer so"


TestHistories = Histories.TestCase
