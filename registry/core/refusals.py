"""Refusals that are worded from a run: what is so, what was asked, and the next legal call."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from ..errors import (
    Conflict,
    IllegalTransition,
    InvalidRequest,
    LeaseLost,
    NextCall,
    NodeHeld,
    NotFound,
    RunPaused,
)
from .conditions import AwaitedKey
from .flow_refusals import REPORTED, flow_is_over, takes_retries
from .lifecycle import NodeVerb, sources_in_words
from .names import NodeId, RunId, moment, nearest, shown
from .record import Bag
from .run import NodeState, RunState
from .workflow import WORK_KINDS

_NAMES_LISTED = 20
_HEARD_S = 60
"""A worker heard within this time is taken to be alive, and nobody is told how to take its node."""


def node_not_found(run_id: RunId, node_id: str, known: list[NodeId]) -> NotFound:
    """No such node; the nearest id and all of them."""
    near = nearest(node_id, known)
    listed = ", ".join(known[:_NAMES_LISTED]) + (
        f" and {len(known) - _NAMES_LISTED} more" if known[_NAMES_LISTED:] else ""
    )
    return NotFound(
        f"run {run_id!r} has no node {shown(node_id)!r}" + (f"; did you mean {near!r}?" if near else ""),
        hint=f"nodes: {listed}",
        next=(NextCall("get_run", {"run_id": run_id}, "shows the nodes and what is ready"),),
        run_id=run_id,
        node_id=shown(node_id),
        nearest=near,
    )


def not_urgent(state: RunState, node: NodeState, min_priority: int) -> IllegalTransition:
    """A node was named that is below the priority that was asked for."""
    asked: Bag = {"run_id": state.run_id, "node_id": node.id}
    return IllegalTransition(
        f"node {node.id!r} has priority {node.priority}, which is below min_priority {min_priority}",
        hint="leave min_priority out to take it all the same",
        next=(NextCall("claim_node", asked, "takes it"),),
        priority=node.priority,
    )


def run_is_over(state: RunState, *, asked: str) -> IllegalTransition:
    """The run has ended."""
    if state.flow is not None:
        return flow_is_over(state, state.flow, asked=asked)
    hint = "a failed run goes on after request_control retry or skip of a failed node"
    return IllegalTransition(
        f"run {state.run_id!r} is {state.status}; {asked} needs an open run",
        hint=hint if state.status == "failed" else "scaffold_run starts a new one",
        next=(NextCall("get_run", {"run_id": state.run_id}, "shows how it ended"),),
        run_id=state.run_id,
        status=state.status,
    )


def run_paused(state: RunState, *, asked: str) -> RunPaused:
    """Nothing new starts while the run is paused; says who paused it and why."""
    paused = state.paused
    who = f" by {shown(paused.actor.id)} ({paused.actor.via}) at {paused.at[11:16]}" if paused else ""
    why = f": {shown(paused.message)!r}" if paused and paused.message else ""
    person = paused is not None and paused.actor.is_person
    return RunPaused(
        f"run {state.run_id!r} was paused{who}{why}; {asked} has to wait. Nothing new starts; running work may finish",
        hint="tell the user; resume only when a person says so" if person else "request_control resume lets it go on",
        next=(
            (NextCall("get_run", {"run_id": state.run_id}, "shows what still runs"),)
            if person
            else (NextCall("request_control", {"run_id": state.run_id, "action": "resume"}, "an agent paused it"),)
        ),
        run_id=state.run_id,
    )


def why_pending(node: NodeState, nodes: Mapping[NodeId, NodeState]) -> str:
    """What a pending node waits for, in words: `it needs 'gate' (waiting for a person's approval)`."""
    unmet = [nodes[need] for need in node.needs if need in nodes and not nodes[need].is_satisfied]
    if not unmet:
        return "what it needs is not settled yet"
    parts = [f"{need.id!r} ({situation(need)})" for need in unmet[:5]]
    return "it needs " + ", ".join(parts) + (f" and {len(unmet) - 5} more" if len(unmet) > 5 else "")


def situation(node: NodeState) -> str:
    """A node's status with what it waits for."""
    if node.status == "waiting" and node.kind == "approval":
        return "waiting for a person's approval"
    if node.status == "waiting" and node.wait is not None:
        return f"waiting: {node.wait.type.replace('_', ' ')}"
    return node.status


def illegal_step(
    state: RunState,
    nodes: Mapping[NodeId, NodeState],
    node: NodeState,
    *,
    verb: NodeVerb,
    asked: str,
    needed: str | None = None,
) -> IllegalTransition:
    """The lifecycle table has no such step; says why and which call is legal.

    Args:
        needed: The statuses in words, where what was asked takes fewer than the table's step.
    """
    if verb == "retry" and node.status == "completed":
        return IllegalTransition(
            f"node {node.id!r} is completed; {asked} needs {sources_in_words('retry')}",
            hint="to do it again: change_plan add_node, or scaffold_run a new run",
            next=(NextCall("get_run", {"run_id": state.run_id, "node_id": node.id}, "shows what it left"),),
            run_id=state.run_id,
            node_id=node.id,
            status=node.status,
        )
    why = f": {why_pending(node, nodes)}" if node.status == "pending" else ""
    return IllegalTransition(
        f"node {node.id!r} is {situation(node)}{why}. {asked} needs {needed or sources_in_words(verb)}",
        hint=_way_on(state, node),
        next=_calls_instead(state, nodes, node),
        run_id=state.run_id,
        node_id=node.id,
        status=node.status,
    )


def _way_on(state: RunState, node: NodeState) -> str:
    if node.managed and node.is_open:
        return REPORTED
    if node.status == "ready" and node.kind in WORK_KINDS:
        return "claim_node gives it to you first"
    if node.status == "failed":
        return "request_control retry queues it again" if takes_retries(state) else "it stays as it ended"
    return "get_run shows what is ready"


def _calls_instead(state: RunState, nodes: Mapping[NodeId, NodeState], node: NodeState) -> tuple[NextCall, ...]:
    run_id = state.run_id
    if node.status == "failed" and takes_retries(state):
        return (
            NextCall("request_control", {"run_id": run_id, "action": "retry", "node_id": node.id}, "queue it again"),
        )
    if node.managed:
        return (NextCall("get_flow", {"flow_id": run_id}, "shows the flow and its children"),)
    ready = [
        other for other in nodes.values() if other.status == "ready" and other.kind in WORK_KINDS and not other.managed
    ]
    if node in ready:
        ready = [node]
    if ready and state.status == "running":
        return (NextCall("claim_node", {"run_id": run_id, "node_id": ready[0].id}, "this one is ready"),)
    return (NextCall("get_run", {"run_id": run_id}, "shows what is ready"),)


def not_a_persons_place(state: RunState, node: NodeState, *, asked: str) -> IllegalTransition:
    """Somebody tried to work on a node that ends by a decision or a condition."""
    run_id = state.run_id
    if node.kind == "approval":
        approve = NextCall(
            "request_control",
            {"run_id": run_id, "action": "approve", "node_id": node.id, "message": "<the person's words>"},
            "asks the person, or passes on what they said",
        )
        return IllegalTransition(
            f"{node.id!r} is an approval: a person decides. {asked} cannot end it",
            hint="request_control approve asks them",
            next=(approve,) if node.status in ("ready", "waiting") else (NextCall("get_run", {"run_id": run_id}),),
            run_id=run_id,
            node_id=node.id,
        )
    return IllegalTransition(
        f"{node.id!r} is a wait: it ends by its condition. {asked} cannot end it",
        hint="tick_run looks whether the condition holds; request_control approve or skip ends it by hand",
        next=(NextCall("tick_run", {"run_id": run_id}, "looks whether it is over"),),
        run_id=run_id,
        node_id=node.id,
    )


def last_heard(node: NodeState, now: datetime) -> float | None:
    """Seconds since the node's worker was heard; None when it never was."""
    lease = node.lease
    return (now - moment(lease.heard_at)).total_seconds() if lease and lease.heard_at else None


def fence_missing(
    state: RunState, node: NodeState, *, asked: str, agent_id: str | None, now: datetime
) -> InvalidRequest:
    """A leased node was touched without its fence."""
    lease = node.lease
    heard_s = last_heard(node, now)
    hint = "send the fence that claim_node returned"
    calls: tuple[NextCall, ...] = (NextCall("get_run", {"run_id": state.run_id, "node_id": node.id}),)
    if lease is not None and (lease.owner == agent_id or heard_s is None or heard_s >= _HEARD_S):
        hint = "If you lost it: request_control release, then claim_node"
        calls = (
            NextCall(
                "request_control",
                {
                    "run_id": state.run_id,
                    "action": "release",
                    "node_id": node.id,
                    "message": "<why its worker is gone>",
                },
                "only when nobody works on it any more",
            ),
        )
    elif lease is not None:
        hint = f"it belongs to {lease.owner!r}{_until(lease.expires_at)}"
    return InvalidRequest(
        f"node {node.id!r} was claimed with a lease; {asked} needs the fence that claim_node returned",
        hint=hint,
        next=calls,
        run_id=state.run_id,
        node_id=node.id,
    )


def lease_lost(state: RunState, node: NodeState, *, attempt: int | None) -> LeaseLost:
    """The caller's attempt is over."""
    lease = node.lease
    ended = next((past for past in reversed(node.attempts) if past.attempt == attempt), None)
    past = f"; attempt {attempt} ended ({ended.ended}) at {ended.at[11:16]}" if ended else ""
    if node.status == "running" and lease is not None:
        what = f"node {node.id!r} is now with {lease.owner!r} (attempt {node.attempt}){_until(lease.expires_at)}{past}"
    else:
        what = f"node {node.id!r} is {situation(node)} and this fence no longer holds{past}"
    keep = NextCall(
        "write_artifact",
        {
            "run_id": state.run_id,
            "node_id": node.id,
            "path": f"late-{attempt or node.attempt}.md",
            "content": "<your findings>",
        },
        "keeps late findings",
    )
    return LeaseLost(
        what,
        hint="keep late findings with write_artifact in a file of another name",
        next=(keep,),
        run_id=state.run_id,
        node_id=node.id,
        current_attempt=node.attempt,
        owner=lease.owner if lease else None,
    )


def fence_mistaken(state: RunState, node: NodeState) -> LeaseLost:
    """The caller holds the node and sends another fence than it was given."""
    until = _until(node.lease.expires_at) if node.lease is not None else ""
    named: Bag = {"run_id": state.run_id, "node_id": node.id}
    return LeaseLost(
        f"that is not the fence of attempt {node.attempt} of node {node.id!r}, which you hold{until}",
        hint="send the fence that claim_node answered; if it is gone, release the node and claim it again",
        next=(
            NextCall("request_control", {**named, "action": "release"}, "gives the node back"),
            NextCall("claim_node", named, "then gives a new fence"),
        ),
        run_id=state.run_id,
        node_id=node.id,
        current_attempt=node.attempt,
    )


def node_held(state: RunState, node: NodeState, now: datetime) -> NodeHeld:
    """Another worker has the node."""
    lease = node.lease
    heard_s = last_heard(node, now)
    heard = f", last heard {heard_s:.0f} s ago" if heard_s is not None else ""
    who = f"with {lease.owner!r} (attempt {node.attempt}{heard}){_until(lease.expires_at)}" if lease else "at work"
    return NodeHeld(
        f"node {node.id!r} is {who}",
        hint="wait_for_run, or take another: claim_node {run_id}",
        next=(
            NextCall("claim_node", {"run_id": state.run_id}, "takes another ready node"),
            NextCall("wait_for_run", {"run_id": state.run_id, "node_id": node.id}, "waits until it ends"),
        ),
        run_id=state.run_id,
        node_id=node.id,
        owner=lease.owner if lease else None,
        attempt=node.attempt,
    )


def _until(expires_at: str | None) -> str:
    return f" until {expires_at[11:16]}" if expires_at else ""


def outputs_missing(state: RunState, node: NodeState, missing: Iterable[str], *, fence: str | None) -> InvalidRequest:
    """A completion without the files the node must leave."""
    paths = list(missing)
    args = {"run_id": state.run_id, "node_id": node.id, "outcome": "completed", "report": "<Markdown>"}
    listed = ", ".join(shown(path) for path in paths)
    report = f"nodes/{node.id}/report.md"
    first = (
        NextCall("finish_node", {**args, **({"fence": fence} if fence else {})}, "hands in the report")
        if report in paths
        else NextCall(
            "write_artifact",
            {"run_id": state.run_id, "node_id": node.id, "path": paths[0], "content": "<text>"},
            "writes what is missing",
        )
    )
    return InvalidRequest(
        f"node {node.id!r} must leave {listed}; {'it is' if len(paths) == 1 else 'they are'} not there",
        hint=(
            "send report in finish_node, or write_artifact first, "
            "or accept_missing_outputs: true if there is truly nothing"
        ),
        next=(first,),
        run_id=state.run_id,
        node_id=node.id,
        missing=list(paths),
    )


def result_in_quotes(state: RunState, node_id: NodeId, payload: Bag, key: str, *, wanted: AwaitedKey) -> InvalidRequest:
    """A text in a result where a condition will want a number, or true or false."""
    return InvalidRequest(
        f"payload.{shown(key)} is the text {shown(str(payload[key]), 40)!r}; the condition of node "
        f"{wanted.readers[0]!r} needs {'a number' if wanted.kind == 'number' else 'true or false'} there",
        hint="send it without quotes; all else as before",
        next=(_finished_with(state, node_id, {**payload, key: wanted.placeholder(key)}),),
        run_id=state.run_id,
        node_id=node_id,
    )


def result_missing(
    state: RunState, node_id: NodeId, payload: Bag, key: str, *, wanted: AwaitedKey, approval: NodeId
) -> InvalidRequest:
    """A result without what decides whether a person is asked."""
    return InvalidRequest(
        f"payload has no {shown(key)!r}; by it the approval {approval!r} is asked of a person or not",
        hint="send it; null if there is truly none",
        next=(_finished_with(state, node_id, {**payload, key: wanted.placeholder(key)}),),
        run_id=state.run_id,
        node_id=node_id,
    )


def _finished_with(state: RunState, node_id: NodeId, payload: Bag) -> NextCall:
    args: Bag = {"run_id": state.run_id, "node_id": node_id, "outcome": "completed", "payload": payload}
    return NextCall("finish_node", args, "hands in the work")


def retries_used_up(state: RunState, node: NodeState, *, limit: int) -> Conflict:
    """Retried by hand as often as the workflow allows."""
    args = {"run_id": state.run_id, "action": "retry", "node_id": node.id}
    return Conflict(
        f"node {node.id!r} was retried {node.retry_count} times by hand; the limit is {limit}",
        hint="look at why it fails; force: true tries once more",
        next=(
            NextCall("get_run", {"run_id": state.run_id, "node_id": node.id}, "shows its attempts and errors"),
            NextCall("request_control", {**args, "force": True}, "tries once more all the same"),
        ),
        run_id=state.run_id,
        node_id=node.id,
        retry_count=node.retry_count,
        limit=limit,
    )
