"""The fields that an attempt's beginning, going on and end give a node."""

from datetime import datetime, timedelta
from typing import Final

from ..draft import Draft
from ..limits import ATTEMPTS_KEPT
from ..names import NodeId, iso, moment
from ..run import Attempt, Lease, NodeState

Fields = dict[str, object]

FAR_S: Final = 10 * 366 * 86_400.0
"""Ten years: what lies further ahead is as good as never, and its date could not be written."""


def new_attempt(draft: Draft, node: NodeState) -> Fields:
    """The node is tried from the beginning; its deadline counts from now."""
    return {
        "attempt": node.attempt + 1,
        "started_at": draft.at,
        "progress": None,
        **deadline(draft, node.id, since=draft.now),
    }


def found_again(draft: Draft, node: NodeState) -> Fields:
    """The worker of a lost node goes on with its attempt, which was not lost after all."""
    began = moment(node.started_at) if node.started_at else draft.now
    return {
        "lease": renewed(draft, node.lease),
        "lost_count": max(0, node.lost_count - 1),
        "attempts": node.attempts[:-1] if node.attempts and node.attempts[-1].ended == "lost" else node.attempts,
        **deadline(draft, node.id, since=began),
    }


def renewed(draft: Draft, lease: Lease | None) -> Lease | None:
    """A lease that counts again from now; its fence stayed alive while its node waited or was lost."""
    if lease is None:
        return None
    expires = iso(draft.now + timedelta(seconds=lease.seconds)) if lease.seconds else None
    return lease.model_copy(update={"expires_at": expires, "heard_at": iso(draft.now)})


def deadline(draft: Draft, node_id: NodeId, *, since: datetime) -> Fields:
    """When the node has to be done; while the run is paused that clock stands."""
    seconds = draft.plan.nodes[node_id].deadline_seconds
    if not seconds:
        return {}
    due = since + timedelta(seconds=min(seconds, FAR_S))
    if draft.is_paused:
        return {"deadline": None, "deadline_left_s": max(0.0, (due - draft.now).total_seconds())}
    return {"deadline": iso(due), "deadline_left_s": None}


def ended(draft: Draft, node: NodeState, how: str, *, error: str | None = None) -> Fields:
    """The attempt is over and on record; its lease, wait and deadline are gone."""
    record = Attempt(
        attempt=node.attempt,
        owner=node.lease.owner if node.lease else None,
        ended=how,
        at=draft.at,
        progress=node.progress,
        error=error,
    )
    worked = node.attempt > 0 and (node.status in ("running", "waiting"))
    return {
        "attempts": (*node.attempts, record)[-ATTEMPTS_KEPT:] if worked else node.attempts,
        "lease": None,
        "lost_at": None,
        "deadline": None,
        "deadline_left_s": None,
        "not_before": None,
        "wait": None,
        "wait_for": None,
        "waiting_since": None,
        "completed_at": draft.at,
    }
