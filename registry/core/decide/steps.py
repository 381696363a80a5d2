"""The steps of the lifecycle table, each with everything that belongs to it.

Commands, controls, the event door and the tick all move nodes by these functions alone, so a
node that failed by a deadline and one that failed by its worker's word end up alike.
"""

from datetime import timedelta

from ..draft import Draft
from ..limits import ATTEMPTS_KEPT
from ..names import NodeId, iso, moment
from ..record import Bag, Json
from ..run import SATISFIED, Actor, Attempt, Lease, NodeState, NodeStatus, Outcome, Wait
from ..workflow import WaitFor
from .effects import abort_child


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
    """ready or waiting -> running. A waiting node goes on with its attempt, a ready one begins a new one."""
    node = draft.node(node_id)
    same_attempt = late or node.status == "waiting"
    begun = draft.step(
        "start",
        node_id,
        "running",
        asked=asked,
        attempt=node.attempt if same_attempt else node.attempt + 1,
        lease=lease if lease is not None or not same_attempt else node.lease,
        started_at=draft.at if not same_attempt or node.started_at is None else node.started_at,
        deadline=node.deadline if node.status == "waiting" else _deadline(draft, node_id),
        session_key=session_key or node.session_key,
        not_before=None,
        wait=None,
        wait_for=None,
        waiting_since=None,
        progress=node.progress if same_attempt else None,
        error=None,
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


def begin_wait(draft: Draft, node_id: NodeId, wait_for: WaitFor | None, *, by: Actor | None = None) -> NodeState:
    """ready or running -> waiting. The lease ends, its fence still counts."""
    node = draft.node(node_id)
    kept = node.lease.model_copy(update={"expires_at": None}) if node.lease else None
    wait = _wait(draft, node, wait_for)
    is_work = node.kind not in ("wait", "approval")
    begun = draft.step(
        "wait",
        node_id,
        "waiting",
        asked="node.waiting",
        lease=kept,
        wait=wait,
        wait_for=_shown_wait(wait),
        waiting_since=draft.at,
        deadline=node.deadline if is_work else _deadline(draft, node_id),
    )
    details: dict[str, Json] = {"type": wait.type, "path": wait.path, "at": wait.at, "event": wait.event}
    draft.tell("node.waiting", node_id, by=by, waitFor={key: value for key, value in details.items() if value})
    return begun


def _shown_wait(wait: Wait) -> WaitFor:
    """The wait as readers of the earlier implementation know waits: other types look manual to them."""
    if wait.type == "file_exists":
        return WaitFor(type="file_exists", path=wait.path)
    return WaitFor(type="next_tick" if wait.type == "next_tick" else "manual")


def _wait(draft: Draft, node: NodeState, wait_for: WaitFor | None) -> Wait:
    if node.kind == "approval":
        return Wait(type="approval")
    asked = wait_for or WaitFor()
    at = None
    if asked.type == "until":
        # One spelling of all moments, so that they compare as text.
        at = iso(moment(asked.at) if asked.at else draft.now + timedelta(seconds=asked.seconds or 0))
    return Wait(
        type=asked.type,
        path=asked.path,
        at=at,
        event=asked.event,
        # The node.waiting event itself is the next one; only what comes after it ends the wait.
        since_seq=draft.before.log.seq + len(draft.events) + 1,
        since_rev=draft.rev,
    )


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
        fields=_ended(draft, node, "completed"),
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
    # Losses and retries by hand have budgets of their own.
    failures = node.attempt - node.lost_count - node.retry_count
    will_retry = not final and node.status in ("running", "waiting", "ready") and 0 < failures < rule.max_attempts
    not_before = None
    if will_retry and rule.backoff_seconds > 0:
        wait_s = rule.backoff_seconds * rule.factor ** (failures - 1)
        not_before = iso(draft.now + timedelta(seconds=min(wait_s, 86_400.0)))
    changes = _ended(draft, node, "failed", error=error)
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
    return failed


def lose(draft: Draft, node_id: NodeId) -> None:
    """running -> ready, or failed when lost too often. The fence lives on until somebody starts the node."""
    node = draft.node(node_id)
    rule = draft.plan.retry_of(node_id)
    lost_count = node.lost_count + 1
    again = lost_count <= rule.max_lost
    changes = _ended(draft, node, "lost") | {"lost_count": lost_count}
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


def skip(
    draft: Draft,
    node_id: NodeId,
    *,
    outcome: Outcome | None = None,
    message: str | None = None,
    by: Actor | None = None,
    asked: str = "skip",
) -> NodeState:
    """Any open status or failed -> skipped; what needs it may go on."""
    node = draft.node(node_id)
    skipped = draft.step(
        "skip", node_id, "skipped", asked=asked, fields=_ended(draft, node, "skipped"), outcome=outcome
    )
    if node.status == "running":
        abort_child(draft, node)
    draft.tell("node.skipped", node_id, message=message, by=by, outcome=outcome)
    return skipped


def release(
    draft: Draft, node_id: NodeId, *, message: str | None = None, by: Actor | None = None, asked: str = "release"
) -> NodeState:
    """running or waiting -> ready. The attempt does not count and its fence is void."""
    node = draft.node(node_id)
    changes = _ended(draft, node, "released") | {
        "completed_at": None,
        "attempt": max(0, node.attempt - 1),
        "ready_at": draft.at,
    }
    released = draft.step("release", node_id, "ready", asked=asked, fields=changes)
    owner = node.lease.owner if node.lease else None
    draft.tell("node.released", node_id, message=message, by=by, attempt=node.attempt or None, owner=owner)
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
        # A node that never started has used up no attempt, so its retry gives none back.
        retry_count=node.retry_count + (1 if node.attempt else 0),
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


def demote(draft: Draft, node_id: NodeId, *, because: NodeId) -> None:
    """ready -> pending, because something it needs is open again."""
    draft.step("demote", node_id, "pending", ready_at=None, lease=None)
    draft.tell("node.blocked", node_id, by=draft.system, need=because)


def _ended(draft: Draft, node: NodeState, how: str, *, error: str | None = None) -> dict[str, object]:
    """The fields of a node whose attempt is over, with the attempt on record."""
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
        "deadline": None,
        "deadline_left_s": None,
        "not_before": None,
        "wait": None,
        "wait_for": None,
        "waiting_since": None,
        "completed_at": draft.at,
    }


def _deadline(draft: Draft, node_id: NodeId) -> str | None:
    seconds = draft.plan.nodes[node_id].deadline_seconds
    return iso(draft.now + timedelta(seconds=seconds)) if seconds else None
