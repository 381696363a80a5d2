"""The steps of the lifecycle table, each with everything that belongs to it.

Commands, controls, the event door and the tick all move nodes by these functions alone, so a
node that failed by a deadline and one that failed by its worker's word end up alike.
"""

from datetime import timedelta

from ..draft import Draft
from ..names import NodeId, iso
from ..record import Bag, Json
from ..refusals import run_paused
from ..run import SATISFIED, Actor, Lease, NodeState, NodeStatus, Outcome
from ..workflow import WORK_KINDS, WaitFor
from .attempts import deadline, ended, found_again, new_attempt, renewed
from .effects import abort_child
from .waits import shown_wait, wait_of


def needs_are_satisfied(draft: Draft, node: NodeState) -> bool:
    """Whether everything the node needs is completed or skipped."""
    nodes = draft.nodes
    # A tick asks this of every pending node, up to a thousand times a mutation.
    for need in node.needs:  # noqa: SIM110 - all() with a generator takes twice as long
        if need not in nodes or nodes[need].status not in SATISFIED:
            return False
    return True


def promote(draft: Draft, node_id: NodeId) -> None:
    """pending -> ready, because what it needs is there."""
    draft.step("promote", node_id, "ready", ready_at=draft.at)
    draft.tell("node.ready", node_id, by=draft.system)


def start(
    draft: Draft,
    node_id: NodeId,
    *,
    lease: Lease | None = None,
    session_key: str | None = None,
    asked: str = "node.started",
    late: bool = False,
) -> NodeState:
    """ready or waiting -> running. A waiting node goes on with its attempt, a ready one begins a new one.

    Args:
        late: The worker whose lease ran out is there after all, and goes on with its attempt.
    """
    node = draft.node(node_id)
    changes: dict[str, object] = {"error": None, "not_before": None, "wait": None, "wait_for": None}
    if late:
        changes |= found_again(draft, node)
    elif node.status == "waiting":
        changes["lease"] = renewed(draft, node.lease)
    else:
        changes |= new_attempt(draft, node) | {"lease": lease}
    begun = draft.step(
        "start",
        node_id,
        "running",
        asked=asked,
        fields=changes,
        session_key=session_key or node.session_key,
        waiting_since=None,
    )
    draft.tell(
        "node.started",
        node_id,
        attempt=begun.attempt,
        owner=begun.lease.owner if begun.lease else None,
        leaseSeconds=begun.lease.seconds if begun.lease else None,
        sessionKey=session_key,
        late=late or None,
    )
    return begun


def begin_wait(
    draft: Draft, node_id: NodeId, wait_for: WaitFor | None, *, by: Actor | None = None, asked: str = "node.waiting"
) -> NodeState:
    """ready or running -> waiting. The lease ends, its fence still counts.

    Work that waits before anybody ran it has begun its attempt by that, and its deadline runs.
    """
    node = draft.node(node_id)
    changes: dict[str, object] = {"lease": node.lease.model_copy(update={"expires_at": None}) if node.lease else None}
    if node.kind not in WORK_KINDS:
        changes |= deadline(draft, node_id, since=draft.now)
    elif node.status == "ready":
        if draft.is_paused:
            raise run_paused(draft.state, asked=asked)
        # A lost worker's fence ends with whatever begins next.
        changes |= new_attempt(draft, node) | {"lease": None, "not_before": None, "error": None}
    wait = wait_of(draft, node, wait_for)
    begun = draft.step(
        "wait",
        node_id,
        "waiting",
        asked=asked,
        fields=changes,
        wait=wait,
        wait_for=shown_wait(wait),
        waiting_since=draft.at,
    )
    details: dict[str, Json] = {"type": wait.type, "path": wait.path, "at": wait.at, "event": wait.event}
    draft.tell("node.waiting", node_id, by=by, waitFor={key: value for key, value in details.items() if value})
    return begun


def complete(
    draft: Draft,
    node_id: NodeId,
    *,
    summary: str | None = None,
    payload: Bag | None = None,
    artifacts: tuple[str, ...] = (),
    by: Actor | None = None,
    asked: str = "node.completed",
    noted: Bag | None = None,
) -> NodeState:
    """running or waiting -> completed. `noted` are further fields of the event's payload."""
    node = draft.node(node_id)
    done = draft.step(
        "complete",
        node_id,
        "completed",
        asked=asked,
        fields=ended(draft, node, "completed"),
        summary=summary or node.summary,
        result=payload or None,
        artifact_paths=tuple(dict.fromkeys((*node.artifact_paths, *artifacts))),
        error=None,
    )
    draft.tell(
        "node.completed",
        node_id,
        message=summary,
        by=by,
        attempt=done.attempt or None,
        payload=noted,
        result=payload or None,
        artifacts=list(artifacts) or None,
    )
    return done


def fail(
    draft: Draft,
    node_id: NodeId,
    error: str,
    *,
    outcome: Outcome | None = None,
    final: bool = False,
    by: Actor | None = None,
    asked: str = "node.failed",
    late: bool = False,
) -> NodeState:
    """To failed, or back to ready when automatic attempts remain; one mutation either way.

    Args:
        final: No attempt is left to give, whatever the retry rule says.
    """
    node = draft.node(node_id)
    rule = draft.plan.retry_of(node_id)
    # Only an attempt can fail and be made again; losses and retries by hand have budgets of their own.
    was_tried = node.status in ("running", "waiting") and node.kind in WORK_KINDS
    failures = node.failed_count + (1 if was_tried else 0)
    will_retry = was_tried and not final and failures < rule.max_attempts
    not_before = None
    if will_retry and rule.backoff_seconds > 0:
        wait_s = rule.backoff_seconds * rule.factor ** (failures - 1)
        not_before = iso(draft.now + timedelta(seconds=min(wait_s, 86_400.0)))
    changes = ended(draft, node, "failed", error=error) | {"failed_count": failures}
    if will_retry:
        changes |= {"completed_at": None, "not_before": not_before, "ready_at": draft.at}
    failed = draft.step(
        "fail",
        node_id,
        "ready" if will_retry else "failed",
        asked=asked,
        fields=changes,
        error=error,
        outcome=None if will_retry else outcome,
    )
    draft.tell(
        "node.failed",
        node_id,
        message=error,
        by=by,
        attempt=node.attempt or None,
        error=error,
        outcome=outcome,
        willRetry=will_retry,
        notBefore=not_before,
        late=late or None,
    )
    if will_retry:
        draft.tell("node.ready", node_id, by=draft.system, attempt=node.attempt)
        hold_for_needs(draft, node_id)
    return failed


def lose(draft: Draft, node_id: NodeId) -> None:
    """running -> ready, or failed when lost too often. The fence lives on until somebody starts the node."""
    node = draft.node(node_id)
    rule = draft.plan.retry_of(node_id)
    lost_count = node.lost_count + 1
    again = lost_count <= rule.max_lost
    changes = ended(draft, node, "lost") | {"lost_count": lost_count}
    if again and node.lease is not None:
        changes |= {
            "lease": node.lease.model_copy(update={"expires_at": None}),
            "completed_at": None,
            "ready_at": draft.at,
        }
    else:
        changes |= {"outcome": "lost", "error": "its lease ran out without a word from its worker"}
    draft.step("lose", node_id, "ready" if again else "failed", fields=changes)
    owner = node.lease.owner if node.lease else None
    draft.tell("node.lost", node_id, by=draft.system, attempt=node.attempt, owner=owner, willRetry=again)
    if again:
        draft.tell("node.ready", node_id, by=draft.system, attempt=node.attempt)
        hold_for_needs(draft, node_id)


def skip(
    draft: Draft,
    node_id: NodeId,
    *,
    outcome: Outcome | None = None,
    message: str | None = None,
    by: Actor | None = None,
    asked: str = "skip",
    asks_to_stop: bool = True,
) -> NodeState:
    """Any open status or failed -> skipped; what needs it may go on.

    Args:
        asks_to_stop: Ask for an end of the session that may work on it; not where that was asked or done already.
    """
    node = draft.node(node_id)
    skipped = draft.step("skip", node_id, "skipped", asked=asked, fields=ended(draft, node, "skipped"), outcome=outcome)
    if asks_to_stop and (node.managed or node.lease is not None or node.status in ("running", "waiting")):
        # A waiting or lost worker's session may well be alive still, and whoever carries a queued child about to begin.
        abort_child(draft, node)
    draft.tell("node.skipped", node_id, message=message, by=by, outcome=outcome)
    return skipped


def release(
    draft: Draft, node_id: NodeId, *, message: str | None = None, by: Actor | None = None, asked: str = "release"
) -> NodeState:
    """running or waiting -> ready. The attempt does not count and its fence is void."""
    node = draft.node(node_id)
    changes = ended(draft, node, "released") | {
        "completed_at": None,
        "attempt": max(0, node.attempt - 1),
        "ready_at": draft.at,
    }
    released = draft.step("release", node_id, "ready", asked=asked, fields=changes)
    owner = node.lease.owner if node.lease else None
    draft.tell("node.released", node_id, message=message, by=by, attempt=node.attempt or None, owner=owner)
    hold_for_needs(draft, node_id)
    return released


def retry(draft: Draft, node_id: NodeId, *, message: str | None = None, by: Actor | None = None) -> NodeState:
    """failed or skipped -> ready, or pending when a need is not satisfied. Counted apart from automatic attempts."""
    node = draft.node(node_id)
    to: NodeStatus = "ready" if needs_are_satisfied(draft, node) else "pending"
    again = draft.step(
        "retry",
        node_id,
        to,
        asked="retry",
        retry_count=node.retry_count + 1,
        outcome=None,
        error=None,
        summary=None,
        result=None,
        progress=None,
        lease=None,
        not_before=None,
        completed_at=None,
        started_at=None,
        ready_at=draft.at if to == "ready" else None,
    )
    draft.tell("node.ready", node_id, message=message, by=by, retry=True, attempt=node.attempt, status=to)
    for other in list(draft.nodes.values()):
        if other.status == "ready" and node_id in other.needs:
            demote(draft, other.id, because=node_id)
    return again


def hold_for_needs(draft: Draft, node_id: NodeId) -> None:
    """Send a node back behind its needs: one of them may have been retried while it was worked on."""
    for need in draft.node(node_id).needs:
        if need not in draft.nodes or draft.nodes[need].status not in SATISFIED:
            demote(draft, node_id, because=need)
            return


def demote(draft: Draft, node_id: NodeId, *, because: NodeId) -> None:
    """ready -> pending, because something it needs is open again."""
    draft.step("demote", node_id, "pending", ready_at=None, not_before=None, lease=None)
    draft.tell("node.blocked", node_id, by=draft.system, need=because)
