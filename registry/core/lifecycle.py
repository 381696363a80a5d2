"""The one table of what a node may do, and what each step is called in the trail.

Code, tests, reference pages and error texts are made from it. Statuses and outcomes are
defined in `core/run.py`; why a step is wanted is decided in `core/decide/`.
"""

from dataclasses import dataclass
from typing import Final, Literal

from .run import NodeStatus

NodeVerb = Literal["promote", "demote", "start", "wait", "complete", "fail", "lose", "skip", "retry", "release"]


@dataclass(frozen=True)
class Transition:
    """A step: from which statuses, to which, and the events that record it."""

    sources: frozenset[NodeStatus]
    targets: tuple[NodeStatus, ...]
    events: tuple[str, ...]
    automatic: bool = False


def _step(
    sources: tuple[NodeStatus, ...],
    targets: tuple[NodeStatus, ...],
    *events: str,
    automatic: bool = False,
) -> Transition:
    return Transition(frozenset(sources), targets, events, automatic)


NODE_TRANSITIONS: Final[dict[NodeVerb, Transition]] = {
    "promote": _step(("pending",), ("ready",), "node.ready", automatic=True),
    "demote": _step(("ready",), ("pending",), "node.rewired", "node.blocked", automatic=True),
    "start": _step(("ready", "waiting"), ("running",), "node.started"),
    "wait": _step(("ready", "running"), ("waiting",), "node.waiting"),
    "complete": _step(("running", "waiting"), ("completed",), "node.completed"),
    "fail": _step(("pending", "ready", "running", "waiting"), ("failed", "ready"), "node.failed", "node.ready"),
    "lose": _step(("running",), ("ready", "failed"), "node.lost", "node.ready", automatic=True),
    "skip": _step(("pending", "ready", "running", "waiting", "failed"), ("skipped",), "node.skipped"),
    "retry": _step(("failed", "skipped"), ("ready", "pending"), "node.ready"),
    "release": _step(("running", "waiting"), ("ready",), "node.released"),
}


def is_legal(verb: NodeVerb, status: NodeStatus) -> bool:
    """Whether the table has this step from this status."""
    return status in NODE_TRANSITIONS[verb].sources


def sources_in_words(verb: NodeVerb) -> str:
    """The statuses a step may start from, for a sentence: `running or waiting`."""
    order: tuple[NodeStatus, ...] = ("pending", "ready", "running", "waiting", "completed", "failed", "skipped")
    names = [status for status in order if status in NODE_TRANSITIONS[verb].sources]
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
