"""A run while a command is being decided: changes and the events that tell them.

The functions of `core/decide/` write to a draft; `Draft.decision` freezes what they wrote. A
draft does no I/O and reads no clock: `Facts` carry all that.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from operator import is_
from types import MappingProxyType
from typing import Final

from pydantic_core import to_json

from .events import Decision, Event, Facts, FileWrite
from .lifecycle import NodeVerb, is_legal
from .limits import ANSWER_BYTES_MAX, CLOCK_AHEAD_S_MAX, OPERATIONS_KEPT, OPERATIONS_KEPT_S
from .names import NodeId, iso, moment
from .record import Bag, Json
from .refusals import illegal_step, node_not_found
from .revision import node_matters, refs_matter, run_matters
from .run import Actor, KeptOperation, NodeState, NodeStatus, Plan, Refs, Run, RunState

RUN_ENDS: Final = frozenset({"run.completed", "run.failed", "run.cancelled"})
"""Events that end a run."""


class Draft:
    """Collects what a command changes.

    Attributes:
        state: The run's own fields; its `nodes` are stale, `nodes` below are the true ones.
        now: The plain clock, which leases and deadlines go by.
        at: The timestamp of every event of this mutation.
        rev: The number this mutation will have.
    """

    def __init__(self, run: Run, facts: Facts, actor: Actor) -> None:
        self.before = run
        self.facts = facts
        self.actor = actor
        self.state: RunState = run.state
        self.refs: Refs = run.refs
        self.plan: Plan = run.plan
        self.nodes: dict[NodeId, NodeState] = dict(run.state.nodes)
        self.events: list[Event] = []
        self.files: list[FileWrite] = []
        self.projected: list[str] = []
        self.answer: Bag = {}
        self.warnings: list[str] = []
        self.now = facts.now
        self.at = monotone(facts.now, run.log.last_at)
        self.rev = run.log.rev + 1

    @property
    def system(self) -> Actor:
        """The registry itself, for what follows by rule."""
        return Actor(kind="system", id="registry", via=self.actor.via)

    @property
    def is_paused(self) -> bool:
        """Whether new work is held back."""
        return self.state.status == "paused"

    def node(self, node_id: NodeId) -> NodeState:
        """A node by id.

        Raises:
            NotFound: with the nearest id and all ids.
        """
        found = self.nodes.get(node_id)
        if found is None:
            raise node_not_found(self.state.run_id, node_id, list(self.nodes))
        return found

    def change(self, node_id: NodeId, **fields: object) -> NodeState:
        """Give a node new field values."""
        changed = self.nodes[node_id].model_copy(update=fields)
        self.nodes[node_id] = changed
        return changed

    def step(
        self,
        verb: NodeVerb,
        node_id: NodeId,
        to: NodeStatus,
        *,
        asked: str = "",
        fields: Mapping[str, object] = MappingProxyType({}),
        **more: object,
    ) -> NodeState:
        """Move a node along the lifecycle table.

        Args:
            asked: What the caller asked for, for the refusal.
            fields: New values of the node, beside those given by keyword.

        Raises:
            IllegalTransition: the table has no such step from where the node stands.
        """
        node = self.node(node_id)
        if not is_legal(verb, node.status):
            raise illegal_step(self.state, self.nodes, node, verb=verb, asked=asked or verb)
        return self.change(node_id, **{**fields, **more, "status": to})

    def set_state(self, **fields: object) -> None:
        """Give the run itself new field values."""
        self.state = self.state.model_copy(update=fields)

    def set_refs(self, **fields: object) -> None:
        """Give the bindings new values."""
        self.refs = self.refs.model_copy(update=fields)

    def set_plan(self, **fields: object) -> None:
        """Give the plan new values."""
        self.plan = self.plan.model_copy(update=fields)

    def tell(
        self,
        name: str,
        node_id: NodeId | None = None,
        *,
        message: str | None = None,
        by: Actor | None = None,
        payload: Bag | None = None,
        **fields: Json,
    ) -> None:
        """Add an event.

        Args:
            payload: Somebody's own fields, kept as they are.
            fields: Our fields; those that are None are left out.
        """
        kept: Bag = {**(payload or {}), **{key: value for key, value in fields.items() if value is not None}}
        self.events.append(Event(name, self.at, by or self.actor, node_id, message or None, kept))

    def write(self, path: str, content: str | bytes) -> None:
        """Have a file on disk before the events of this mutation."""
        self.files.append(FileWrite(path, content.encode() if isinstance(content, str) else content))

    def project(self, path: str) -> None:
        """Count on a file that storage makes from the state as soon as this mutation is on disk."""
        self.projected.append(path)

    def has_file(self, path: str) -> bool:
        """Whether a file of the run exists or will with this mutation."""
        return path in self.facts.files or path in self.projected or any(file.path == path for file in self.files)

    def size_of(self, path: str) -> int | None:
        """Size in bytes of a file as it is or will be."""
        for file in self.files:
            if file.path == path:
                return len(file.content)
        return self.facts.files.get(path)

    def keep_answer(self, op_id: str, request: str) -> None:
        """Remember the answer under a request id; the oldest and those over a day old go."""
        kept = dict(self.refs.operations)
        kept.pop(op_id, None)
        if kept:
            oldest = iso(self.now - timedelta(seconds=OPERATIONS_KEPT_S))
            kept = {key: known for key, known in kept.items() if known.at > oldest}
        for key in list(kept)[: max(0, len(kept) - OPERATIONS_KEPT + 1)]:
            del kept[key]
        answer = self.answer
        if len(to_json(answer)) > ANSWER_BYTES_MAX:
            # Lists can be made anew from the run; ids, fences and decisions cannot.
            answer = {key: value for key, value in answer.items() if not isinstance(value, list | dict)}
        kept[op_id] = KeptOperation(request=request, at=self.at, rev=self.rev, answer=answer)
        self.set_refs(operations=kept)

    def saved(self) -> Callable[[], None]:
        """A way back to the draft as it is now, for one bad line among many."""
        state, refs, plan, nodes = self.state, self.refs, self.plan, dict(self.nodes)
        events, files, answer, warnings = list(self.events), list(self.files), dict(self.answer), list(self.warnings)
        projected = list(self.projected)

        def restore() -> None:
            self.state, self.refs, self.plan, self.nodes = state, refs, plan, nodes
            self.events, self.files, self.answer, self.warnings = events, files, answer, warnings
            self.projected = projected

        return restore

    def put_end_last(self) -> None:
        """Make the run's end the last event: who reads a trail up to it has read all of the mutation."""
        ends = [event for event in self.events if event.name in RUN_ENDS]
        if self.state.is_ended and ends and self.events[-1] is not ends[-1]:
            self.events = [event for event in self.events if event is not ends[-1]] + [ends[-1]]

    def decision(self, *, wake_at: str | None) -> Decision:
        """Freeze the draft. Without events nothing has changed and the run is what it was."""
        if not self.events:
            return Decision(self.before, (), tuple(self.files), self.answer, tuple(self.warnings))
        self.put_end_last()
        before, log = self.before, self.before.log
        matters = log.rev == 0  # a run's beginning is the first thing that decisions rest on
        nodes, former = self.nodes, before.state.nodes
        if len(nodes) == len(former) and all(map(is_, nodes.values(), former.values())):
            nodes = former  # shared, so that whoever compares the runs need not look at a single node
        else:
            for node_id, node in nodes.items():
                if node is not (old := former.get(node_id)) and node_matters(old, node):
                    nodes[node_id] = node.model_copy(update={"rev": self.rev})
                    matters = True
        matters = (
            matters
            or len(nodes) != len(former)
            or self.plan is not before.plan
            or run_matters(before.state, self.state)
            or refs_matter(before.refs, self.refs)
        )
        last = self.events[-1].name
        self.set_state(nodes=nodes, updated_at=self.at, last_event=last, wake_at=wake_at)
        advanced = log.model_copy(
            update={
                "rev": self.rev,
                "state_rev": self.rev if matters else log.state_rev,
                "seq": log.seq + len(self.events),
                "last_at": self.at,
            }
        )
        run = before.model_copy(update={"state": self.state, "refs": self.refs, "plan": self.plan, "log": advanced})
        return Decision(run, tuple(self.events), tuple(self.files), self.answer, tuple(self.warnings))


def monotone(now: datetime, last_at: str) -> str:
    """The later of now and the trail's last timestamp, unless that lies over a day ahead."""
    if not last_at:
        return iso(now)
    ahead_s = (moment(last_at) - now).total_seconds()
    return last_at if 0 < ahead_s < CLOCK_AHEAD_S_MAX else iso(now)
