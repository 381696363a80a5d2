"""What a node's worker is asked to do in its workflow's own words, and whose results it works from."""

import json
from collections import deque
from collections.abc import Mapping
from typing import Final

from .names import NodeId
from .run import NodeState, Plan
from .tasks import params_path
from .workflow import WORK_KINDS

PARAMS_SHOWN_MAX: Final = 2_000
"""Characters of a task's parameters that stand in its assignment; longer ones are named by their file."""


def assignment(plan: Plan, node: NodeState) -> str:
    """The parameters of a task, then the prompt: a long prompt is cut at its end."""
    prompt = plan.nodes[node.id].prompt.strip()
    return "\n\n".join(part for part in (_params(node), prompt or _of_summary(node)) if part)


def _params(node: NodeState) -> str:
    if node.params is None:
        return ""
    said = json.dumps(node.params, ensure_ascii=False)
    if len(said) <= PARAMS_SHOWN_MAX:
        return f"Params: {said}"
    return f"Params: {params_path(node.id)} ({len(said):,} characters of JSON)"


def _of_summary(node: NodeState) -> str:
    """A summary node needs no prompt of its own: what it has to do follows from the plan."""
    if node.kind != "summary":
        return ""
    needs = ", ".join(node.needs) or "the other nodes"
    return f"Sum up the run for the person who asked for it, from what these nodes left: {needs}."


def sources(nodes: Mapping[NodeId, NodeState], node: NodeState) -> tuple[NodeId, ...]:
    """The nodes whose results a node works from, the nearest first.

    They are the ones it needs, and behind each that leaves no report (an approval, a wait, a skipped
    node) what that one needed in its turn. A summary works from all that led to it.
    """
    found: dict[NodeId, None] = {}
    waiting = deque(node.needs)
    while waiting:
        source = nodes.get(waiting.popleft())
        if source is None or source.id in found:
            continue
        found[source.id] = None
        if node.kind == "summary" or source.kind not in WORK_KINDS or source.status == "skipped":
            waiting.extend(source.needs)
    return tuple(found)
