"""Children of a flow: work that somebody outside carries and its controller reports.

The registry does not start such work, holds no lease on it and cannot see it. It is lost only
when its session is known to be gone, which somebody has to say, and stays so for a while; any
later sign of life takes that back.
"""

from datetime import timedelta

from ..draft import Draft
from ..names import NodeId, iso
from ..record import Bag
from ..run import NodeState
from . import effects, steps


def ask_to_stop(draft: Draft, node: NodeState) -> None:
    """Have the outside stop a child; asked once, until somebody says that it was done."""
    target = effects.stop_target(node)
    if any(effect.target == target for effect in draft.refs.pending_effects.values()):
        return
    params: Bag = {"nodeId": node.id}
    known = {"runtime": node.runtime, "sessionKey": node.child_session_key, "workerRunId": node.run_id}
    params |= {name: value for name, value in known.items() if value}
    effects.ask_for(draft, "session.abort", "stop this child: its flow was cancelled", params, target=target)


def confirm(draft: Draft, effect_id: str) -> bool:
    """Take note that an effect was carried out. A child that was stopped for a cancelled flow has ended by that.

    Returns:
        False when no such effect is pending.
    """
    effect = draft.refs.pending_effects.get(effect_id)
    if not effects.confirm(draft, effect_id) or effect is None:
        return False
    if effect.kind == "session.abort" and is_cancelling(draft):
        for node in list(draft.nodes.values()):
            if node.managed and node.is_open and effects.stop_target(node) == effect.target:
                steps.skip(draft, node.id, outcome="cancelled", message="it was stopped", asks_to_stop=False)
    return True


def is_cancelling(draft: Draft) -> bool:
    """Whether the run is a flow that somebody wants cancelled and that has not ended yet."""
    flow = draft.state.flow
    return flow is not None and flow.cancel_requested_at is not None and not flow.is_ended


def heard(draft: Draft, node_id: NodeId | None) -> None:
    """Take whatever is said about a child as a sign of its life."""
    node = draft.nodes.get(node_id or "")
    if node is None or not node.managed:
        return
    if node.is_open:
        draft.change(node.id, heard_at=draft.at, lost_at=None)
    elif (before := draft.before.state.nodes.get(node.id)) is not None and before.is_open:
        _withdraw_stop(draft, node)


def _withdraw_stop(draft: Draft, ended: NodeState) -> None:
    """A child that has ended without being stopped need not be, unless its session carries another."""
    target = effects.stop_target(ended)
    if not any(node.managed and node.is_open and effects.stop_target(node) == target for node in draft.nodes.values()):
        effects.withdraw(draft, target)


def session_gone(draft: Draft, session_key: str, *, node_id: NodeId | None = None) -> list[NodeId]:
    """Take note that a session is known to be gone, for the open children it carries.

    Args:
        node_id: Only this one.

    Returns:
        The children it concerns; what was known before stays known since then.
    """
    found = [
        node
        for node in draft.nodes.values()
        if node.managed
        and node.is_open
        and node.child_session_key == session_key
        and (node_id is None or node.id == node_id)
    ]
    for node in found:
        if node.lost_at is None:
            draft.change(node.id, lost_at=iso(draft.now + timedelta(seconds=draft.facts.lost_grace_s)))
    return [node.id for node in found]


def give_up(draft: Draft, node: NodeState) -> None:
    """The child is lost: nobody has heard of it for the whole grace period. What is gone need not be stopped."""
    error = "lost: its session is known to be gone, and there was no sign of life since"
    _withdraw_stop(draft, steps.fail(draft, node.id, error, outcome="lost", final=True, by=draft.system))
