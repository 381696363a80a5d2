"""Whether the steps that a trail tells are steps that the lifecycle table has.

A patch says where a mutation led; its events say how. For each mutation the events of a node
are walked through the table, and where they may have led must include where the patch did.
"""

from collections.abc import Iterable, Iterator
from typing import Final, cast

from ...core.lifecycle import NODE_TRANSITIONS, Transition
from ...core.names import NodeId, RunId, shown
from ...core.patch import Document, Op
from ...core.record import Json
from ...formats.event_line import number
from ...formats.trail import Mutation, is_repair
from ..port import Problem
from .layout import TRAIL

_STEPS: Final[dict[str, tuple[Transition, ...]]] = {
    name: tuple(step for step in NODE_TRANSITIONS.values() if name in step.events)
    for name in sorted({name for step in NODE_TRANSITIONS.values() for name in step.events})
}
_MAY_CHANGE_NOTHING: Final = frozenset({"node.rewired", "node.blocked"})
_FOLLOWED_BY_READY: Final = frozenset({"node.failed", "node.lost"})
_FOUND_MAX: Final = 50


class Proof:
    """Follows a trail from its first snapshot and collects what does not hold."""

    def __init__(self, run_id: RunId) -> None:
        self._run_id = run_id
        self._statuses: dict[NodeId, str] = {}
        self._last_at = ""
        self.problems: list[Problem] = []

    def follow(self, mutation: Mutation) -> None:
        """Judge one mutation and go on from where it led."""
        if is_repair(mutation):
            # A repair says aloud what it could not save; what comes after it must hold again.
            self.problems, self._last_at = [], ""
        for line in mutation.lines:
            self._judge_line(line)
        snapshot = mutation.last.get("snapshot")
        if isinstance(snapshot, dict) and "patch" not in mutation.last:
            self._statuses = _statuses_in(snapshot)
            return
        before = dict(self._statuses)
        self._carry_out(mutation.last.get("patch"))
        told = _by_node(mutation.lines)
        for node_id in {**before, **self._statuses}:
            if node_id in before and node_id in self._statuses:
                events = told.get(node_id, [])
                if events or before[node_id] != self._statuses[node_id]:
                    self._judge_steps(mutation, node_id, before[node_id], events)

    def _judge_line(self, line: Document) -> None:
        where = f"{TRAIL} seq {number(line, 'seq')}"
        if line.get("runId") != self._run_id:
            self._find_renamed(str(line.get("runId")), where)
        at = line.get("timestamp")
        if not isinstance(at, str) or at < self._last_at:
            self._find("time_order", f"an event is dated {at!r}, before the one that precedes it", where, "warning")
        if isinstance(at, str):
            self._last_at = at

    def _find_renamed(self, named: str, where: str) -> None:
        if not any(problem.code == "run_renamed" for problem in self.problems):
            self._find(
                "run_renamed",
                f"the folder is {shown(self._run_id)!r} and its trail tells of run {shown(named)!r}: it was renamed or "
                "copied. It goes on as the run of its folder; a copy shares sessions and cron job with the other run",
                where,
                "warning",
            )

    def _judge_steps(self, mutation: Mutation, node_id: NodeId, before: str, events: list[str]) -> None:
        now = self._statuses[node_id]
        where = f"{TRAIL} seq {number(mutation.last, 'seq')}"
        possible, former = {before}, ""
        for name in events:
            following = _after(possible, name, former)
            if not following:
                self._find(
                    "illegal_transition",
                    f"node {shown(node_id)!r} was {' or '.join(sorted(possible))} when {name} was recorded",
                    where,
                )
                return
            possible, former = following, name
        if now not in possible:
            told = ", ".join(events) or "no event"
            self._find(
                "illegal_transition",
                f"node {shown(node_id)!r} went from {before} to {now}, but the trail tells {told}",
                where,
            )

    def _carry_out(self, patch: Json) -> None:
        if not isinstance(patch, dict):
            return
        for verb, path, *value in cast("list[Op]", patch.get("state", [])):
            if not isinstance(path, list) or len(path) < 2 or path[0] != "nodes":
                continue
            node_id = str(path[1])
            if len(path) == 2 and verb == "del":
                self._statuses.pop(node_id, None)
            elif len(path) == 2 and isinstance(value[0], dict):
                self._statuses[node_id] = str(value[0].get("status"))
            elif path[2:] == ["status"] and value:
                self._statuses[node_id] = str(value[0])

    def _find(self, code: str, message: str, where: str, severity: str = "error") -> None:
        if len(self.problems) < _FOUND_MAX:
            self.problems.append(Problem(code, message, severity, where))


def _after(possible: set[str], event: str, former: str) -> set[str]:
    """Where a node may stand after an event, from where it may have stood."""
    led: set[str] = {target for step in _STEPS[event] if step.sources & possible for target in step.targets}
    if event == "node.ready":
        # It tells the same step as the failure before it; a failed node is not promoted.
        led = {"ready", "pending"} if led else set()
        if former in _FOLLOWED_BY_READY and "ready" in possible:
            led = {"ready"}
    return led | possible if event in _MAY_CHANGE_NOTHING else led


def _by_node(lines: Iterable[Document]) -> dict[NodeId, list[str]]:
    told: dict[NodeId, list[str]] = {}
    for line in lines:
        name, node_id = line.get("event"), line.get("nodeId")
        if isinstance(name, str) and isinstance(node_id, str) and name in _STEPS:
            told.setdefault(node_id, []).append(name)
    return told


def _statuses_in(snapshot: Document) -> dict[NodeId, str]:
    state = snapshot.get("state")
    nodes = state.get("nodes") if isinstance(state, dict) else None
    found: Iterator[tuple[NodeId, Json]] = iter(nodes.items()) if isinstance(nodes, dict) else iter(())
    return {node_id: str(node.get("status")) for node_id, node in found if isinstance(node, dict)}
