"""What may be called now: every answer ends with it, so that no step costs a guess.

Arguments are complete; what only the caller knows stands as `<...>`, and the tool `host` means
something the agent does with its own tools. Texts are our own words, ids, and names that conditions
of the workflow use, never words that somebody put into a run.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

from ..core.claimable import claimable, holding
from ..core.conditions import AwaitedKey
from ..core.names import moment
from ..core.record import Bag
from ..core.refusals import last_heard
from ..core.run import NodeState, Run, RunState
from ..errors import HOST, NextCall
from .acting import agent_of
from .caller import Caller
from .flow_steps import flow_calls
from .node_views import effects_view, messages_view, report_path
from .table import Result

NEXT_MAX: Final = 5
_SILENT_S: Final = 600
"""Workers of long work are heard of every five minutes."""


ToDo = Literal["messages", "effects"]
"""What is confirmed by its id, and so only by who has seen it."""


class NextStep(Result):
    """A call that is legal now."""

    tool: str
    args: Bag
    why: str

    @classmethod
    def of(cls, call: NextCall) -> "NextStep":
        """The same, from an error's next call."""
        return cls(tool=call.tool, args=dict(call.args), why=call.why)


def next_calls(
    run: Run,
    caller: Caller,
    *,
    now: datetime,
    shows: tuple[ToDo, ...] = (),
    may_wait: bool = True,
    limit: int = NEXT_MAX,
) -> tuple[NextStep, ...]:
    """The calls that take the run on, most wanted first; empty when there is nothing to do.

    Args:
        shows: What the answer holds beside these calls; what it does not hold is looked at before it is confirmed.
        may_wait: Waiting for others counts as something to do; not so for who was woken by a
            timer or asks again and again: their turn ends.
    """
    state = run.state
    steps = [] if caller.read_only else _to_do(run, shows)
    if state.flow is not None:
        steps += _of_flow(run, caller, now, may_wait=may_wait)
    elif state.is_ended:
        steps += _of_ended(run)
    elif state.status == "paused":
        steps += [*_held(state, caller), *_people(state), *_resume(state)]
    elif state.status == "draft":
        steps.append(step("request_control", {"run_id": state.run_id, "action": "resume"}, "the run is a draft"))
    else:
        steps += [*_held(state, caller), *_work(state, now), *_due(state, now), *_people(state)]
        if may_wait:
            steps += _others(state, caller, now)
    return tuple(steps[:limit])


def _of_flow(run: Run, caller: Caller, now: datetime, *, may_wait: bool) -> list[NextStep]:
    """A flow is taken on by its controller; work of its own that stands in a queue is done as any other."""
    state = run.state
    steps = [] if state.is_ended else _held(state, caller)
    if state.status == "running":
        steps += [*_work(state, now), *_due(state, now), *_people(state)]
    elif state.status == "paused":
        steps += [*_people(state), *_resume(state)]
    steps += [NextStep.of(call) for call in flow_calls(run)]
    return steps + (_others(state, caller, now) if may_wait and not state.is_ended else [])


def step(tool: str, args: Bag, why: str) -> NextStep:
    """A next step in one line."""
    return NextStep(tool=tool, args=args, why=why)


def finish_step(
    run_id: str, node: NodeState, *, fence: str = "<fence>", awaited: Mapping[str, AwaitedKey] | None = None
) -> NextStep:
    """finish_node ready to fill; with the fence where the caller just got it.

    Args:
        awaited: What conditions will read of the node's result.
    """
    args: Bag = {
        "run_id": run_id,
        "node_id": node.id,
        "fence": fence,
        "outcome": "completed",
        "summary": "<what came of it, in a sentence>",
        "report": "<report in Markdown>",
    }
    why = "hand in the work, with payload if the brief asks for one; or outcome failed with error, waiting, released"
    if awaited:
        args["payload"] = {key: one.placeholder(key) for key, one in awaited.items()}
        why += "; later conditions read these keys of payload"
    return step("finish_node", args, why)


def claim_step(run_id: str, node: NodeState, why: str = "it is ready") -> NextStep:
    """claim_node of one node."""
    return step("claim_node", {"run_id": run_id, "node_id": node.id}, why)


def retry_step(run: Run, node: NodeState) -> NextStep:
    """A retry of a failed node, in the way it is taken: by force once the workflow's limit is reached."""
    args: Bag = {"run_id": run.state.run_id, "action": "retry", "node_id": node.id}
    tried, limit = node.retry_count, run.plan.retry_of(node.id).max_retries
    if tried < limit:
        return step("request_control", args, "it failed")
    why = f"it was retried {tried} times and the limit is {limit}; only when you know why it failed"
    return step("request_control", {**args, "force": True}, why)


def _held(state: RunState, caller: Caller) -> list[NextStep]:
    return [finish_step(state.run_id, node) for node in holding(state.nodes, agent_of(caller))[:2]]


def _work(state: RunState, now: datetime) -> list[NextStep]:
    steps = []
    for node in claimable(state, now=now, tasks={}):
        if node.kind == "subagent":
            steps += _dispatch(state.run_id, node)
        else:
            steps.append(claim_step(state.run_id, node))
    return steps


def _dispatch(run_id: str, node: NodeState) -> list[NextStep]:
    """A sub-agent is briefed, then spawned; it claims and finishes the node itself."""
    if node.child_session_key and not node.attempt:
        return []
    why = "brief a sub-agent, then spawn it with child_prompt from the answer; it claims and finishes the node"
    brief: Bag = {"run_id": run_id, "node_id": node.id, "goal": "<goal>", "context": "<what it must know>"}
    alone = claim_step(run_id, node, "or do it yourself, where you cannot spawn sub-agents")
    return [step("write_handoff", brief, why), alone]


def _due(state: RunState, now: datetime) -> list[NextStep]:
    by_tick = {"file_exists", "next_tick"}
    waits = any(node.status == "waiting" and node.wait and node.wait.type in by_tick for node in state.nodes.values())
    due = state.wake_at is not None and moment(state.wake_at) <= now
    return [step("tick_run", {"run_id": state.run_id}, "a wait or a deadline may be over")] if due or waits else []


def _people(state: RunState) -> list[NextStep]:
    steps = []
    for node in state.nodes.values():
        is_manual = node.kind == "wait" and node.wait is not None and node.wait.type == "manual"
        if node.status == "waiting" and (node.kind == "approval" or is_manual):
            args: Bag = {
                "run_id": state.run_id,
                "action": "approve",
                "node_id": node.id,
                "message": "<the person's own words>",
            }
            why = "only with a person's decision: show them what it asks, pass on what they say (approve or reject)"
            steps.append(step("request_control", args, why if node.kind == "approval" else "when it may go on"))
    return steps


def _resume(state: RunState) -> list[NextStep]:
    args: Bag = {"run_id": state.run_id, "action": "resume"}
    person = state.paused is not None and state.paused.actor.kind != "agent"
    return [step("request_control", args, "only when a person says so" if person else "when work may go on")]


def _others(state: RunState, caller: Caller, now: datetime) -> list[NextStep]:
    own = agent_of(caller)
    running = [node for node in state.nodes.values() if node.status == "running"]
    others = [node for node in running if node.lease is None or node.lease.owner != own]
    if not others:
        return []
    steps = [step("wait_for_run", {"run_id": state.run_id}, "others are at work")]
    for node in others:
        heard_s = last_heard(node, now)
        if node.lease is not None and heard_s is not None and heard_s > _SILENT_S:
            release: Bag = {"run_id": state.run_id, "action": "release", "node_id": node.id}
            why = f"only if you know that {node.lease.owner} is gone: not heard of for {heard_s // 60:.0f} minutes"
            return [*steps, step("request_control", release, why)]
    return steps


def _to_do(run: Run, shows: tuple[ToDo, ...]) -> list[NextStep]:
    """What people wrote and what only the outside can do; whoever only looks can neither follow nor confirm it."""
    state = run.state
    if not state.messages and not run.refs.pending_effects:
        return []
    wanted: dict[ToDo, bool] = {"messages": bool(state.messages), "effects": bool(run.refs.pending_effects)}
    unseen = [name for name, is_there in wanted.items() if is_there and name not in shows]
    steps = [] if "messages" in unseen else _messages(state)
    steps += [] if "effects" in unseen else _effects(run)
    if unseen:
        named = " and ".join(f"`{name}`" for name in unseen)
        steps.append(step("get_run", {"run_id": state.run_id}, f"shows {named}, which are to be carried out"))
    return steps


def _messages(state: RunState) -> list[NextStep]:
    shown = messages_view(state)
    if not shown:
        return []
    ids: Bag = {"run_id": state.run_id, "effects_done": [message.id for message in shown]}
    return [step("tick_run", ids, "when you have read `messages`, which come from people; follow them")]


def _effects(run: Run) -> list[NextStep]:
    effects = effects_view(run)
    if not effects:
        return []
    ids = [effect.effect_id for effect in effects]
    kinds = ", ".join(dict.fromkeys(effect.kind for effect in effects))
    done: Bag = {"run_id": run.state.run_id, "effects_done": list(ids)}
    return [
        step(HOST, {"effect_ids": list(ids)}, f"carry out `effects` with your own tools ({kinds})"),
        step("tick_run", done, "confirm the effects you carried out"),
    ]


def _of_ended(run: Run) -> list[NextStep]:
    state = run.state
    if state.status == "failed":
        return [retry_step(run, node) for node in state.nodes.values() if node.status == "failed"][:2]
    if state.status != "completed":
        return []
    nodes = reversed(state.nodes.values())
    last = next((node for node in nodes if node.kind == "summary" and report_path(node)), None)
    last = last or next((node for node in reversed(state.nodes.values()) if report_path(node)), None)
    path = report_path(last) if last else None
    if path is None:
        return []
    return [step("read_artifact", {"run_id": state.run_id, "path": path}, "the run is completed: its last report")]
