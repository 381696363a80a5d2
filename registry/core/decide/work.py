"""Claim, heartbeat and finish: what workers do, guarded by fences."""

from datetime import timedelta

from ...errors import IllegalTransition, InvalidRequest, LeaseLost, NextCall
from ..claimable import claimable, held_by, is_ripe, ready_work
from ..commands import ClaimNode, FinishNode, HeartbeatNode
from ..draft import Draft
from ..flow_refusals import carried_elsewhere
from ..names import iso, shown
from ..record import Bag
from ..refusals import (
    fence_missing,
    fence_mistaken,
    illegal_step,
    lease_lost,
    node_held,
    not_a_persons_place,
    not_urgent,
    outputs_missing,
    run_is_over,
    run_paused,
)
from ..run import Lease, NodeState
from ..workflow import WORK_KINDS
from . import steps
from .children import heard
from .results import heed_conditions, leave_result, small_result, write_failure
from .tick import next_backoff, wait_is_over


def claim(draft: Draft, command: ClaimNode) -> None:
    """Give one node to an agent, or answer why there is none."""
    if command.node_id is not None:
        named = _named(draft, command.node_id)
        if named.priority < command.min_priority:
            raise not_urgent(draft.state, named, command.min_priority)
        _take(draft, named, command)
        return
    found = claimable(
        draft.state.model_copy(update={"nodes": draft.nodes}),
        now=draft.now,
        tasks=draft.facts.tasks,
        agent_id=command.agent_id if command.assigned_only else None,
        min_priority=command.min_priority,
    )
    if found:
        _take(draft, found[0], command)
        return
    not_before = next_backoff(draft.before, draft.now)
    draft.answer = {"claimed": False, "reason": _why_nothing(draft, command)}
    if not_before is not None:
        draft.answer["notBefore"] = not_before


def _why_nothing(draft: Draft, command: ClaimNode) -> str:
    """The reason of `claimed: false`: paused, backoff, held, low_priority, waiting or empty."""
    if draft.is_paused:
        return "paused"
    state = draft.state.model_copy(update={"nodes": draft.nodes})
    ready = list(ready_work(state))
    if any(not is_ripe(node, draft.now) for node in ready):
        return "backoff"
    if any(held_by(node, draft.facts.tasks) for node in ready):
        return "held"
    mine = (node for node in ready if not command.assigned_only or node.agent_id in (None, command.agent_id))
    if any(node.priority < command.min_priority for node in mine):
        return "low_priority"
    statuses = {node.status for node in draft.nodes.values()}
    if "running" in statuses:
        return "held"
    return "waiting" if "waiting" in statuses else "empty"


def _named(draft: Draft, node_id: str) -> NodeState:
    node = draft.node(node_id)
    if draft.state.is_ended:
        raise run_is_over(draft.state, asked="claim_node")
    if node.kind not in WORK_KINDS:
        raise not_a_persons_place(draft.state, node, asked="claim_node")
    if node.managed:
        raise carried_elsewhere(draft.state, node, asked="claim_node")
    if node.status == "running":
        raise node_held(draft.state, node, draft.now)
    if draft.is_paused:
        raise run_paused(draft.state, asked="claim_node")
    if node.status != "ready":
        raise illegal_step(draft.state, draft.nodes, node, verb="start", asked="claim_node", needed="ready")
    require_its_time(draft, node)
    return node


def require_its_time(draft: Draft, node: NodeState) -> None:
    """Refuse to begin a ready node in a draft, before its back-off is over, or while other tasks hold it."""
    node_id = node.id
    if draft.state.status == "draft":
        raise IllegalTransition(
            f"run {draft.state.run_id!r} is a draft; nothing in it starts",
            hint="request_control resume lets it go",
            next=(NextCall("request_control", {"run_id": draft.state.run_id, "action": "resume"}),),
        )
    if held := held_by(node, draft.facts.tasks):
        listed = ", ".join(f"{task!r} ({draft.facts.tasks.get(task, 'unknown')})" for task in held[:5])
        raise IllegalTransition(
            f"node {node_id!r} is held: it depends on {listed}",
            hint="it can be claimed when they are completed",
            next=(NextCall("claim_node", {"run_id": draft.state.run_id}, "takes another ready node"),),
        )
    if not is_ripe(node, draft.now):
        raise IllegalTransition(
            f"node {node_id!r} is to be tried again at {node.not_before}, not before",
            hint="claim another node, or end the turn and come back then",
            next=(NextCall("claim_node", {"run_id": draft.state.run_id}, "takes another ready node"),),
            not_before=node.not_before,
        )


def _take(draft: Draft, node: NodeState, command: ClaimNode) -> None:
    owner = command.agent_id if command.assigned_only else (node.agent_id or command.agent_id)
    expires = iso(draft.now + timedelta(seconds=command.lease_s)) if command.lease_s else None
    lease = Lease(
        owner=owner,
        fence=f"{node.attempt + 1}-{command.fence_secret}",
        seconds=command.lease_s,
        expires_at=expires,
        heard_at=iso(draft.now),
    )
    begun = steps.start(draft, node.id, lease=lease, session_key=command.session_key, asked="claim_node")
    if command.session_key:
        draft.set_refs(node_sessions={**draft.refs.node_sessions, node.id: command.session_key})
    draft.answer = {"claimed": True, "nodeId": node.id, "attempt": begun.attempt, "fence": lease.fence}
    if expires:
        draft.answer["leaseExpiresAt"] = expires


def find_by_fence(draft: Draft, node_id: str | None, fence: str | None, *, asked: str) -> NodeState:
    """The node a worker means: named, by its fence, or the only one there is to work on."""
    if node_id is not None:
        return draft.node(node_id)
    if fence is not None:
        for node in draft.nodes.values():
            if node.lease is not None and node.lease.fence == fence:
                return node
    work = [node for node in draft.nodes.values() if node.kind in WORK_KINDS]
    if len(work) == 1:
        return work[0]
    running = [node for node in work if node.status == "running"]
    if fence is None and len(running) == 1:
        return running[0]
    if fence is None:
        listed = ", ".join(node.id for node in running[:10]) or "none"
        raise InvalidRequest(
            f"{asked} needs node_id or fence; running nodes: {listed}",
            hint="send the fence that claim_node returned",
            next=(NextCall("get_run", {"run_id": draft.state.run_id}, "shows who works on what"),),
        )
    raise LeaseLost(
        f"no node of run {draft.state.run_id!r} is held with the fence {shown(fence)!r}; {asked} needs one that is",
        hint="send node_id too; if the attempt ended, claim_node gives a new fence",
        next=(NextCall("get_run", {"run_id": draft.state.run_id}, "shows who works on what"),),
    )


def require_fence(draft: Draft, node: NodeState, fence: str | None, *, asked: str) -> None:
    """Refuse whoever does not hold the node: wrong fence, or none where one is needed."""
    lease = node.lease
    if lease is None:
        if fence is not None:
            raise lease_lost(draft.state, node, attempt=_attempt_of(fence))
        return
    if fence is None:
        if node.status in ("running", "waiting"):
            raise fence_missing(draft.state, node, asked=asked, agent_id=draft.actor.id, now=draft.now)
        return
    if fence != lease.fence:
        attempt = _attempt_of(fence)
        is_own = lease.owner == draft.actor.id and node.status in ("running", "waiting")
        if is_own and attempt in (None, node.attempt):
            raise fence_mistaken(draft.state, node)
        raise lease_lost(draft.state, node, attempt=attempt)


def _attempt_of(fence: str) -> int | None:
    number = fence.partition("-")[0]
    return int(number) if number.isdecimal() and len(number) < 6 else None


def take_late(draft: Draft, node: NodeState, fence: str | None) -> bool:
    """Let a worker whose lease ran out hand in what it has, while nobody else began.

    Returns:
        Whether the finish is late.
    """
    if node.status == "running":
        return node.lease_has_expired(draft.now)
    if node.managed and node.status in ("pending", "ready"):
        # Nobody said that it began, but what has ended has begun.
        if node.status == "pending":
            steps.promote(draft, node.id)
        steps.start(draft, node.id, asked="finish_node")
        return False
    if node.status == "ready" and node.lease is not None and fence == node.lease.fence:
        steps.start(draft, node.id, asked="finish_node", late=True)
        return True
    return False


def heartbeat(draft: Draft, command: HeartbeatNode) -> None:
    """Extend a lease and record progress; says whether to stop."""
    node = find_by_fence(draft, command.node_id, command.fence, asked="heartbeat_node")
    if node.managed and node.is_open and draft.state.status != "cancelled":
        raise carried_elsewhere(draft.state, node, asked="heartbeat_node")
    stop_reason = _why_stop(draft, node, command.fence)
    if stop_reason is None and node.status == "ready":
        node = steps.start(draft, node.id, asked="heartbeat_node", late=True)
    if stop_reason is None and node.deadline is not None and node.deadline <= iso(draft.now):
        # What follows from this very mutation is that the attempt is over.
        stop_reason = "its deadline passed"
    if stop_reason is None and node.status == "waiting" and wait_is_over(draft, node):
        stop_reason = "its wait is over: claim_node gives it out anew"
    draft.answer = {"nodeId": node.id, "attempt": node.attempt, "stop": stop_reason is not None}
    if stop_reason is not None:
        draft.answer["stopReason"] = stop_reason
        return
    lease = node.lease
    if lease is None:
        raise illegal_step(draft.state, draft.nodes, node, verb="complete", asked="heartbeat_node")
    seconds = lease.seconds if command.lease_s is None else command.lease_s
    expires = iso(draft.now + timedelta(seconds=seconds)) if seconds and node.status == "running" else None
    text = command.message
    if command.percent is not None:
        text = f"{command.percent} %" + (f": {command.message}" if command.message else "")
    draft.change(
        node.id,
        lease=lease.model_copy(update={"expires_at": expires, "seconds": seconds, "heard_at": iso(draft.now)}),
        progress=text or node.progress,
    )
    if text:
        draft.set_state(last_progress_message=text, last_progress_message_at=draft.at)
    draft.tell("node.heartbeat", node.id, message=command.message, percent=command.percent, attempt=node.attempt)
    if expires:
        draft.answer["leaseExpiresAt"] = expires
    if draft.is_paused:
        draft.answer["stopReason"] = "the run is paused: finish this node, start nothing new"


def _why_stop(draft: Draft, node: NodeState, fence: str) -> str | None:
    if draft.state.status == "cancelled":
        return "the run was cancelled"
    if node.lease is not None and node.lease.fence == fence and node.status in ("running", "waiting", "ready"):
        return None if node.status != "ready" or not draft.state.is_ended else "the run has ended"
    if node.lease is None:
        return f"the node is {node.status}: this attempt is over"
    return f"the node is with {shown(node.lease.owner)} (attempt {node.attempt}) now"


def finish(draft: Draft, command: FinishNode) -> None:
    """End, pause or give back claimed work."""
    node = find_by_fence(draft, command.node_id, command.fence, asked="finish_node")
    if node.kind not in WORK_KINDS:
        raise not_a_persons_place(draft.state, node, asked="finish_node")
    require_fence(draft, node, command.fence, asked="finish_node")
    if draft.state.status == "cancelled":
        raise lease_lost(draft.state, node, attempt=node.attempt)
    draft.answer = {"nodeId": node.id}
    if take_late(draft, node, command.fence):
        draft.answer["late"] = True
    node = draft.nodes[node.id]
    draft.answer["attempt"] = node.attempt
    if command.outcome == "completed":
        _complete(draft, node, command)
    elif command.outcome == "failed":
        _fail(draft, node, command)
    elif command.outcome == "waiting":
        steps.begin_wait(draft, node.id, command.wait_for, asked="finish_node waiting")
    else:
        steps.release(draft, node.id, message=command.summary, asked="finish_node released")
    heard(draft, node.id)
    draft.answer["written"] = [*(file.path for file in draft.files), *draft.projected]


def _complete(draft: Draft, node: NodeState, command: FinishNode) -> None:
    definition = draft.plan.nodes[node.id]
    report = definition.outputs.path or f"nodes/{node.id}/report.md"
    if command.report is not None:
        draft.write(report, command.report)
    missing = [path for path in definition.required_files if not draft.has_file(path)]
    if missing and not command.accept_missing_outputs:
        # The lifecycle's refusal comes first: a pending node has worse trouble than a missing report.
        if node.status not in ("running", "waiting"):
            raise illegal_step(draft.state, draft.nodes, node, verb="complete", asked="finish_node completed")
        raise outputs_missing(draft.state, node, missing, fence=command.fence)
    if missing:
        draft.warnings.append(f"missing_outputs: {', '.join(missing)}")
    present = [path for path in (report, *definition.required_files) if draft.has_file(path)]
    done = steps.complete(
        draft,
        node.id,
        summary=command.summary,
        payload=small_result(command.payload),
        artifacts=tuple(dict.fromkeys((*command.artifacts, *present))),
        asked="finish_node completed",
        noted=noted(late="late" in draft.answer, missing=missing),
    )
    leave_result(draft, done)
    heed_conditions(draft, done.id, command.payload)


def noted(*, late: bool, missing: list[str]) -> Bag:
    """What a completion's event says beside its result."""
    fields: Bag = {"late": True} if late else {}
    if missing:
        fields["missingOutputs"] = list(missing)
    return fields


def _fail(draft: Draft, node: NodeState, command: FinishNode) -> None:
    if command.report is not None:
        draft.write(draft.plan.nodes[node.id].outputs.path or f"nodes/{node.id}/report.md", command.report)
    error = command.error or command.summary or "failed, without a reason given"
    failed = steps.fail(draft, node.id, error, asked="finish_node failed", late="late" in draft.answer)
    if failed.status == "ready":
        # Where a need was retried meanwhile, its end decides when.
        if draft.nodes[node.id].status == "ready":
            draft.answer["willRetryAt"] = failed.not_before or draft.at
    else:
        write_failure(draft, failed, payload=command.payload, summary=command.summary or error)
