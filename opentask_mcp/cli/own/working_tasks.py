"""`task start`, `task complete`, `task fail`: what an agent does that works off its queue.

These commands keep the fence for the agent: it is looked up where the agent holds the task, so
that a shell script needs to remember nothing but its own name.
"""

from typing import TYPE_CHECKING, Final

import click

from ..commands import FORMS
from .task_options import TASK_ID, agent_of, agent_option, answer, done, not_its, session_of, task_command

if TYPE_CHECKING:
    from registry.core.record import Bag
    from registry.core.run import NodeState
    from registry.registry import Registry

    from ..session import Session

_CLAIM: Final = FORMS["node claim"]
_FINISH: Final = FORMS["node finish"]
_SUMMARY_CHARS: Final = 500


def _start(agent_id: str | None, task_id: str | None, *, beside: bool, lease_s: str | None, session_key: str | None,
           request_id: str | None) -> int:  # fmt: skip
    from registry.operations.task_ids import existing_task

    session = session_of()
    agent = agent_of(session, agent_id)
    session.choose("agent", agent)
    asked: dict[str, object] = {"agent_id": agent, "exclusive": not beside}
    more = {"lease_s": lease_s, "session_key": session_key, "request_id": request_id}
    asked |= {name: value for name, value in more.items() if value is not None}
    if task_id is not None:
        asked["run_id"], asked["node_id"] = existing_task(session.registry, task_id)
    claim = _claim(session, asked)
    if not claim["claimed"]:
        nothing: Bag = {"status": "empty", "task_id": None, "message": _why_nothing(agent, claim), **claim}
        return answer(session, "task start", nothing)
    kept = ("title", "attempt", "fence", "lease_expires_at", "brief", "node_dir", "inputs", "outputs", "holding")
    message = f"Task {claim['task_id']} started by {agent}"
    found = {name: claim[name] for name in kept if name in claim}
    return answer(session, "task start", done(str(claim["task_id"]), message, **found))


def _claim(session: "Session", asked: dict[str, object]) -> "Bag":
    from registry.errors import Conflict, NodeHeld

    try:
        return session.ask(_CLAIM, asked).plain()
    except Conflict as refusal:
        # Only what is in hand has to be ended first; other conflicts have hints of their own.
        in_hand = any(call.tool == "finish_node" for call in refusal.next)
        if asked["exclusive"] and in_hand and not isinstance(refusal, NodeHeld):
            refusal.hint = "task complete or task fail ends it; --beside takes another beside it"
        raise


def _why_nothing(agent: str, claim: "Bag") -> str:
    reasons = {
        "empty": "the queue is empty",
        "paused": "what is there is paused",
        "held": "what is there waits for other tasks",
        "backoff": f"what is there is to be tried again at {claim.get('not_before')}",
        "waiting": "what is there waits for other work",
    }
    return f"Nothing for {agent} to start: {reasons.get(str(claim.get('reason')), 'nothing can be claimed')}"


def _complete(agent_id: str | None, task_id: str | None, result: str | None) -> int:
    told: dict[str, object] = {"outcome": "completed"}
    if result is not None:
        is_short = len(result) <= _SUMMARY_CHARS and "\n" not in result.strip()
        told["summary"] = result if is_short else _first_line(result)
        if not is_short:
            told["report"] = result
    return _finish(agent_id, task_id, told, verb="complete")


def _first_line(text: str) -> str:
    from registry.core.names import shown

    return shown(text.strip().partition("\n")[0], _SUMMARY_CHARS)


def _fail(agent_id: str | None, task_id: str | None, error: str) -> int:
    return _finish(agent_id, task_id, {"outcome": "failed", "error": error}, verb="fail")


def _finish(agent_id: str | None, task_id: str | None, told: dict[str, object], *, verb: str) -> int:
    from registry.core.names import task_id as named

    session = session_of()
    agent = agent_of(session, agent_id)
    session.choose("agent", agent)
    run_id, node = _held(session.registry, agent, task_id, verb=verb)
    fence = {"fence": node.lease.fence} if node.lease is not None else {}
    ended = session.ask(_FINISH, {"run_id": run_id, "node_id": node.id, **fence, **told}).plain()
    task = named(run_id, node.id)
    again = ended["status"] == "ready"
    what = f"failed and is tried again at {ended.get('will_retry_at')}" if again else str(ended["status"])
    more = {name: ended[name] for name in ("attempt", "run_status")}
    return answer(session, f"task {verb}", done(task, f"Task {task} {what}", **more))


def _held(registry: "Registry", agent: str, task_id: str | None, *, verb: str) -> "tuple[str, NodeState]":
    """The task that an agent ends: the named one, or the one that it started last."""
    from registry.errors import Conflict, IllegalTransition, NextCall
    from registry.operations.task_ids import existing_task

    if task_id is None:
        held = registry.views.holding(agent)
        if not held:
            raise IllegalTransition(
                f"agent {agent!r} has no task in hand; task {verb} ends what task start began",
                hint="name it with --task-id, or start one",
                next=(NextCall("claim_node", {"agent_id": agent}, "takes the next of its queue"),),
            )
        return held[-1].run.run_id, held[-1].node
    run_id, node_id = existing_task(registry, task_id)
    node = registry.store.state(run_id).nodes[node_id]
    if node.lease is not None and node.lease.owner != agent:
        raise Conflict(
            f"task {task_id!r} is with {node.lease.owner!r} (attempt {node.attempt}), not with {agent!r}",
            hint="only who started it ends it; request_control release takes it from a dead worker",
            next=(NextCall("get_task", {"task_id": task_id}, "shows the task"),),
        )
    if node.lease is None and node.agent_id != agent:
        raise not_its(task_id, node.agent_id, agent)
    if node.status in ("pending", "ready"):
        raise IllegalTransition(
            f"task {task_id!r} was not started; task {verb} ends what task start began",
            hint="start it first; task cancel ends what nobody is to do any more",
            next=(NextCall("claim_node", {"run_id": run_id, "node_id": node_id, "agent_id": agent}, "starts it"),),
        )
    return run_id, node


def _which() -> list[click.Parameter]:
    return [agent_option(), click.Option(TASK_ID, help="The task; the one started last, if nothing is said.")]


start = task_command(
    "start",
    params=[
        agent_option(),
        click.Option(TASK_ID, help="The task; the next of the queue, if nothing is said."),
        click.Option(["--beside"], is_flag=True, help="Take it though the agent has another in hand."),
        click.Option(["--lease-s"], help="Seconds until somebody else may have the task; 0 for no end."),
        click.Option(["--session-key"], help="The session that works on it."),
        click.Option(["--request-id"], help="The same id sent again gives the first answer again."),
    ],
    callback=_start,
    about="Take the next task of an agent's queue, or a named one, under a lease.\n\n"
    "An agent has one task in hand at a time, unless --beside says otherwise.",
)
complete = task_command(
    "complete",
    params=[*_which(), click.Option(["--result"], help="What came of it.")],
    callback=_complete,
    about="Say that an agent's current task, or a named one, is done.",
)
fail = task_command(
    "fail",
    params=[*_which(), click.Option(["--error"], required=True, help="What went wrong, in a sentence.")],
    callback=_fail,
    about="Say that an agent's current task, or a named one, failed.",
)
