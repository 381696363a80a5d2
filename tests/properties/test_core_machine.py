"""Whatever is asked of a run, in whatever order and at whatever time: what must stay true of it."""

import json
import string
from datetime import timedelta
from typing import Any, cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from registry.core.check import check_all
from registry.core.commands import (
    AddNode,
    AdoptLines,
    AnyCommand,
    Bind,
    Control,
    ControlAction,
    EditPlan,
    FinishOutcome,
    ForeignLine,
    RemoveNode,
    RewireNode,
)
from registry.core.decide import decide, reconcile
from registry.core.decide.door import DOOR_EVENTS
from registry.core.events import Decision, Event, Facts
from registry.core.lifecycle import NODE_TRANSITIONS, NodeVerb
from registry.core.names import moment
from registry.core.patch import Document, Patch, apply, diff, run_of, snapshot
from registry.core.run import NodeStatus, Run
from registry.core.workflow import NodeDefinition, NodeKind, Retry, WaitFor
from registry.errors import RegistryError
from tests.core.given import (
    AGENT,
    PERSON,
    T0,
    UNKNOWN,
    claim,
    control,
    created,
    event,
    finish,
    heartbeat,
    hold_to_promises,
    inbox,
    tick,
)

NAMES = tuple(string.ascii_lowercase[:7])
KINDS: tuple[NodeKind, ...] = ("session_turn", "session_turn", "subagent", "wait", "approval", "summary")
ACTIONS: tuple[ControlAction, ...] = (
    "pause", "resume", "retry", "retry", "skip", "approve", "reject", "release", "send_message", "patch_cron",
)  # fmt: skip
OUTCOMES: tuple[FinishOutcome, ...] = ("completed", "completed", "failed", "waiting", "released")
FILE = "nodes/a/report.md"
WAITS = (
    WaitFor(type="manual"),
    WaitFor(type="next_tick"),
    WaitFor(type="until", seconds=120),
    WaitFor(type="file_exists", path=FILE),
    WaitFor(type="event", event="note.go"),
    WaitFor(type="event", event="node.completed"),
)
CONDITIONS = (None, None, None, 'nodes.a.status == "completed"', "nodes.a.result.n > 1", "inputs.deep")
QUIET = frozenset({"node.heartbeat", "run.progress", "note.go", "note.decision", "control.rejected"})
"""Events after which nobody has to decide anew."""

node_ids = st.sampled_from(NAMES)
actors = st.sampled_from((AGENT, PERSON))


@st.composite
def definitions(draw: st.DrawFn, node_id: str, known: tuple[str, ...]) -> NodeDefinition:
    """A node that needs some of the nodes before it."""
    kind = draw(st.sampled_from(KINDS))
    return NodeDefinition(
        id=node_id,
        title=node_id,
        kind=kind,
        prompt="do it",
        needs=tuple(draw(st.lists(st.sampled_from(known), unique=True, max_size=3))) if known else (),
        wait_for=draw(st.sampled_from(WAITS)) if kind == "wait" else None,
        retry=draw(st.sampled_from((None, Retry(max_attempts=2, backoff_seconds=30, max_lost=1)))),
        deadline_seconds=draw(st.sampled_from((None, None, 200))),
        when=draw(st.sampled_from(CONDITIONS)) if "a" in known else None,
    )


class Core(RuleBasedStateMachine):
    """One run, a clock, and everybody who may want something of it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = T0
        self.files: dict[str, int] = {}
        self.fences: list[tuple[str, str]] = []
        self.asked = 0

    @initialize(data=st.data(), size=st.integers(1, 5))
    def begin(self, data: st.DataObject, size: int) -> None:
        nodes = [data.draw(definitions(name, NAMES[:place])) for place, name in enumerate(NAMES[:size])]
        decision = created(*nodes, inputs={"deep": data.draw(st.booleans())}, cron=True)
        self.run = decision.run
        self.document: Document = json.loads(json.dumps(snapshot(self.run)))

    def ask(self, command: AnyCommand) -> Decision | None:
        """Ask for something; a refusal must change nothing, a decision must keep every promise."""
        self.asked += 1
        before = self.run
        facts = Facts(now=self.now, files=self.files, run_dir="/runs/demo-1")
        try:
            decision = decide(before, command, facts)
        except RegistryError as error:
            assert error.message
            return None
        hold_to_promises(before, decision)
        hold_to_the_table(before, decision)
        hold_to_the_revision(before, decision)
        patch: Patch = json.loads(json.dumps(diff(before, decision.run)))
        apply(self.document, patch)
        self.run = decision.run
        assert run_of(json.loads(json.dumps(self.document)), self.run.log) == self.run
        return decision

    @rule(seconds=st.sampled_from((1, 31, 61, 130, 1000)))
    def let_time_pass(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.ask(tick())

    @rule()
    def leave_a_file(self) -> None:
        self.files[FILE] = 1

    @rule(node_id=st.none() | node_ids, lease_s=st.sampled_from((0, 60, 900)))
    def claim(self, node_id: str | None, lease_s: int) -> None:
        decision = self.ask(claim(node_id, lease_s=lease_s, secret=f"{self.asked:08d}"))
        if decision is not None and decision.answer["claimed"]:
            self.fences.append((str(decision.answer["nodeId"]), str(decision.answer["fence"])))

    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES), wait=st.sampled_from(WAITS), n=st.integers(0, 3))
    def finish(self, data: st.DataObject, outcome: FinishOutcome, wait: WaitFor, n: int) -> None:
        if not self.fences:
            return
        node_id, held = data.draw(st.sampled_from(self.fences))
        alive = self.run.state.nodes.get(node_id)
        is_held = alive is not None and alive.lease is not None and alive.lease.fence == held
        decision = self.ask(
            finish(
                node_id if n else None,
                outcome,
                with_fence=held,
                wait_for=wait if outcome == "waiting" else None,
                payload={"n": n},
                accept_missing_outputs=True,
            )
        )
        assert decision is None or is_held, "only who holds a node may end it"

    @rule(data=st.data())
    def heartbeat(self, data: st.DataObject) -> None:
        if not self.fences:
            return
        node_id, held = data.draw(st.sampled_from(self.fences))
        decision = self.ask(heartbeat(node_id, with_fence=held, message="half way"))
        if decision is not None and not decision.answer["stop"]:
            lease = decision.run.node(node_id).lease
            assert lease is not None and lease.fence == held

    @rule(
        name=st.sampled_from((*DOOR_EVENTS, "note.go", "note.decision")),
        node_id=st.none() | node_ids,
        with_fence=st.booleans(),
        actor=actors,
        wait=st.sampled_from(("manual", "next_tick", {"type": "until", "seconds": 60}, {"type": "until"})),
    )
    def append(self, name: str, node_id: str | None, with_fence: bool, actor: Any, wait: Any) -> None:
        if name == "run.cancelled" and self.asked % 4:
            return
        lease = self.run.state.nodes[node_id].lease if node_id in self.run.state.nodes else None
        payload = {"n": 2, "value": "agent:x:y", "waitFor": wait} if name != "node.completed" else {"n": 2}
        effects = list(self.run.refs.pending_effects)
        if name in ("cron.patched", "run.message.sent") and effects:
            payload = {"effectId": effects[0]}
        held = lease.fence if lease is not None and with_fence else None
        self.ask(event(name, node_id, actor=actor, payload=payload, message="so", fence=held))

    @rule(action=st.sampled_from(ACTIONS), node_id=node_ids, actor=actors, force=st.booleans())
    def steer(self, action: ControlAction, node_id: str, actor: Any, force: bool) -> None:
        self.ask(self._control(action, node_id, actor, force))

    @rule(actor=actors)
    def cancel(self, actor: Any) -> None:
        if self.asked % 4 == 0:
            self.ask(control("cancel", actor=actor))

    def _control(self, action: ControlAction, node_id: str, actor: Any, force: bool) -> Control:
        about = node_id if action not in ("pause", "resume", "cancel", "patch_cron") else None
        patch = {"schedule": "*/9 * * * *"} if action == "patch_cron" else None
        self.asked += 1
        return control(
            action, about, actor=actor, message="so", force=force, patch=patch, control_id=f"control-{self.asked}"
        )

    @rule(lines=st.lists(st.tuples(st.sampled_from((*ACTIONS, "cancel")), node_ids), min_size=1, max_size=4))
    def drain_inbox(self, lines: list[tuple[ControlAction, str]]) -> None:
        asked = [self._control(action, node_id, PERSON, False) for action, node_id in lines]
        if self.asked % 3:
            asked = [line for line in asked if line.action != "cancel"]
        decision = self.ask(inbox(*(_from_inbox(line) for line in asked), ("sha256:0123", "not JSON")))
        assert decision is None or all(line.control_id in self.run.refs.applied_control_ids for line in asked)

    @rule(names=st.lists(st.tuples(st.sampled_from(DOOR_EVENTS), node_ids), min_size=1, max_size=3))
    def adopt(self, names: list[tuple[str, str]]) -> None:
        if self.asked % 2:
            names = [(name, node_id) for name, node_id in names if name != "run.cancelled"]
        lines = tuple(ForeignLine(event=event(name, node_id, actor=UNKNOWN)) for name, node_id in names)
        gates = {key for key, node in self.run.state.nodes.items() if node.kind == "approval" and not node.is_satisfied}
        decision = self.ask(AdoptLines(actor=UNKNOWN, offset=0, size=9, sha256="0", lines=lines))
        assert decision is not None, "a foreign line never blocks anything"
        if self.run.state.status != "cancelled":
            assert not [
                key for key in gates if self.run.node(key).is_satisfied and self.run.plan.nodes[key].when is None
            ]

    @rule(data=st.data(), node_id=node_ids, needed_by=st.lists(node_ids, max_size=2))
    def add(self, data: st.DataObject, node_id: str, needed_by: list[str]) -> None:
        known = tuple(self.run.state.nodes)
        self.ask(AddNode(actor=AGENT, node=data.draw(definitions(node_id, known)), needed_by=tuple(needed_by)))

    @rule(
        node_id=node_ids,
        needs=st.none() | st.lists(node_ids, max_size=3),
        needed_by=st.none() | st.lists(node_ids, max_size=2),
    )
    def rewire(self, node_id: str, needs: list[str] | None, needed_by: list[str] | None) -> None:
        wanted = None if needs is None else tuple(needs)
        self.ask(
            RewireNode(
                actor=AGENT, node_id=node_id, needs=wanted, needed_by=None if needed_by is None else tuple(needed_by)
            )
        )

    @rule(node_id=st.sampled_from((*NAMES, "summary")))
    def remove(self, node_id: str) -> None:
        self.ask(RemoveNode(actor=PERSON, node_id=node_id))

    @rule(node_id=node_ids, name=st.sampled_from(("session_key", "child_session_key", "worker_run_id", "cron_job_id")))
    def bind(self, node_id: str, name: str) -> None:
        fields: dict[str, Any] = {name: f"agent:{name}:{self.asked}"}
        self.ask(Bind(actor=AGENT, node_id=node_id, **fields))

    @rule(node_id=node_ids)
    def edit(self, node_id: str) -> None:
        self.ask(EditPlan(actor=UNKNOWN, titles={node_id: "Better"}, prompts={node_id: f"try {self.asked}"}))

    @rule()
    def confirm_effects(self) -> None:
        pending = [*self.run.refs.pending_effects, *(message.id for message in self.run.state.messages)]
        decision = self.ask(tick(*pending, "effect-0-0"))
        assert decision is not None and decision.answer["unknownEffects"] == ["effect-0-0"]
        assert not set(pending) & set(self.run.refs.pending_effects)

    @invariant()
    def nothing_happens_before_it_is_said_to(self) -> None:
        """Whoever sleeps until wake_at must miss nothing."""
        wake_at = self.run.state.wake_at
        if wake_at is None or moment(wake_at) > self.now:
            assert decide(self.run, tick(), Facts(now=self.now)).events == ()

    @invariant()
    def readers_never_see_a_dead_worker_at_work(self) -> None:
        seen, _ = reconcile(self.run, Facts(now=self.now))
        assert not [
            node for node in seen.state.nodes.values() if node.status == "running" and node.lease_has_expired(self.now)
        ]


def _from_inbox(line: Control) -> Control:
    return Control(**{**line.__dict__, "from_inbox": True})


_VERBS: dict[str, tuple[NodeVerb, ...]] = {
    "node.ready": ("promote", "retry"),
    "node.started": ("start",),
    "node.waiting": ("wait",),
    "node.completed": ("complete",),
    "node.failed": ("fail",),
    "node.lost": ("lose",),
    "node.skipped": ("skip",),
    "node.released": ("release",),
    "node.blocked": ("demote",),
}


def hold_to_the_table(before: Run, decision: Decision) -> None:
    """Every event of a node is a step the table has, and the steps lead to where the node stands."""
    cancelled = before.state.status == "cancelled"
    where: dict[str, NodeStatus] = {key: node.status for key, node in before.state.nodes.items()}
    for index, told in enumerate(decision.events):
        if told.name == "node.added":
            where[str(told.node_id)] = "pending"
        elif told.name == "node.removed":
            del where[str(told.node_id)]
        elif told.name == "node.rewired":
            rest = decision.events[index + 1 :]
            where[str(told.node_id)] = _after_rewiring(where[str(told.node_id)], told, rest, decision.run)
        elif told.name in _VERBS:
            node_id = str(told.node_id)
            assert not cancelled, "nothing leaves cancelled"
            where[node_id] = _step(told, where[node_id], decision.events[:index])
    assert where == {key: node.status for key, node in decision.run.state.nodes.items()}


def _after_rewiring(status: NodeStatus, told: Event, rest: tuple[Event, ...], run: Run) -> NodeStatus:
    """A ready node that was rewired is pending where something later makes it ready, or where it ends so."""
    if status != "ready":
        return status
    for later in rest:
        if later.node_id == told.node_id and later.name in _VERBS:
            return "pending" if later.name == "node.ready" or later.payload.get("outcome") else "ready"
    node = run.state.nodes.get(str(told.node_id))
    return node.status if node is not None else status


def _step(told: Event, status: NodeStatus, earlier: tuple[Event, ...]) -> NodeStatus:
    again = [past for past in earlier if past.node_id == told.node_id and past.payload.get("willRetry")]
    if told.name == "node.ready" and status == "ready" and again:
        return "ready"
    if told.name == "node.released" and status == "ready":
        return "ready"  # a lost worker's fence is made void
    verbs = _VERBS[told.name]
    legal = [verb for verb in verbs if status in NODE_TRANSITIONS[verb].sources]
    assert legal, f"{told.name} from {status}"
    if told.payload.get("willRetry"):
        return "ready"
    if told.payload.get("retry"):
        return cast(NodeStatus, told.payload["status"])
    targets = NODE_TRANSITIONS[legal[0]].targets
    return "failed" if "failed" in targets else targets[0]


def hold_to_the_revision(before: Run, decision: Decision) -> None:
    """The revision that callers guard their decisions with moves with what they rest on, and only then."""
    if not decision.events:
        return
    run = decision.run
    rests_on = [_rests_on(before), _rests_on(run)]
    if rests_on[0] != rests_on[1]:
        assert run.log.state_rev == run.log.rev
    if set(decision.event_names) <= QUIET:
        assert run.log.state_rev == before.log.state_rev
    for key, node in run.state.nodes.items():
        old = before.state.nodes.get(key)
        assert node.rev in ((run.log.rev,) if old is None else (old.rev, run.log.rev))


def _rests_on(run: Run) -> object:
    refs = run.refs
    return (
        run.state.status,
        [(node.id, node.status, node.attempt) for node in run.state.nodes.values()],
        run.plan,
        (refs.node_sessions, refs.child_sessions, refs.node_run_ids, refs.cron_job_id, refs.driver_run_id),
    )


def test_an_unsound_run_is_found_out() -> None:
    """The machine below proves nothing if the checks it rests on find nothing."""
    run = created(NodeDefinition(id="a", title="a", kind="session_turn", prompt="x")).run
    broken = run.model_copy(update={"state": run.state.model_copy(update={"status": "completed"})})
    assert check_all(broken) == ["the run is completed with nodes that are ready"]


TestCore = Core.TestCase
TestCore.settings = settings(max_examples=250, stateful_step_count=40)
