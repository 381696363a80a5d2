"""The end of claimed work, handed in with its report."""

import json
from dataclasses import replace
from typing import Final, Literal

from pydantic import Field

from .. import clock
from ..core.commands import FinishNode
from ..core.names import short_hash, shown
from ..core.record import Bag
from ..core.run import NodeState
from ..core.tasks import is_task_run
from ..core.workflow import WaitFor
from ..errors import IllegalTransition, InvalidRequest, LeaseLost, LimitExceeded, NextCall, RegistryError
from ..registry import Outcome, RequestKey
from . import fields
from .acting import acting, agent_of
from .answers import (
    EffectRow,
    Mutated,
    NextStep,
    PausedRow,
    WaitingRow,
    effects_view,
    mutated,
    next_calls,
    paused_view,
    step,
    waiting_for,
)
from .caller import Caller
from .lookup import change_run, open_run
from .paths import run_path
from .table import Operation, Request
from .waits_for import WaitForField

ARTIFACTS_MAX: Final = 100
_ECHO_CHARS: Final = 200


class FinishNodeRequest(Request):
    """Finish (complete, end, fail) work you claimed and hand in its report. outcome: completed (give summary, one
    sentence, and report, Markdown), failed (give error; it may be tried again by itself), waiting (give wait_for:
    {type: manual|next_tick|until|file_exists|event, seconds|at, path, event}), or released back to the queue. fence is
    the one claim_node gave you. Writes report.md and result.json; returns what became ready. payload is a small result
    that conditions of later nodes read. Sending it again with the same fence and outcome gives the first answer.
    """

    run_id: fields.RunId
    node_id: fields.NodeId | None = None
    fence: str | None = None
    outcome: Literal["completed", "failed", "waiting", "released"]
    summary: fields.Message | None = None
    report: fields.Content | None = None
    payload: fields.ResultBag = Field(default_factory=dict)
    artifacts: fields.StringList = ()
    error: fields.Message | None = None
    wait_for: WaitForField | None = None
    accept_missing_outputs: bool = False


class FinishNodeResult(Mutated):
    """Where the node and the run stand after it."""

    run_id: str
    node_id: str
    status: str
    attempt: int
    written: tuple[str, ...]
    waiting_for: tuple[WaitingRow, ...] | None = None
    paused: PausedRow | None = None
    effects: tuple[EffectRow, ...] | None = None
    late: bool | None = None
    repeated: bool
    will_retry_at: str | None = None


def _finish_node(caller: Caller, request: FinishNodeRequest) -> FinishNodeResult:
    _check(request)
    command = FinishNode(
        actor=acting(caller),
        node_id=request.node_id,
        fence=request.fence,
        outcome=request.outcome,
        summary=request.summary,
        report=request.report,
        payload=request.payload,
        artifacts=_artifacts(caller, request),
        error=request.error,
        wait_for=request.wait_for,
        accept_missing_outputs=request.accept_missing_outputs,
    )
    try:
        outcome = change_run(caller, request.run_id, command, request=_finish_key(caller, request))
    except (InvalidRequest, LeaseLost, IllegalTransition) as refusal:
        raise _finished_before(caller, request) or _with_what_was_sent(request, refusal) from None
    run, answer = outcome.run, outcome.answer
    node = run.node(str(answer["nodeId"]))
    return FinishNodeResult.model_validate(
        mutated(
            outcome,
            caller,
            run_id=run.state.run_id,
            node_id=node.id,
            status=node.status,
            attempt=answer["attempt"],
            written=answer["written"],
            waiting_for=waiting_for(run, now=clock.now()) or None,
            paused=paused_view(run.state),
            effects=effects_view(run) or None,
            late=answer.get("late"),
            repeated=outcome.repeated,
            will_retry_at=answer.get("willRetryAt"),
            next=_next(caller, outcome, node),
        )
    )


def _check(request: FinishNodeRequest) -> None:
    """What belongs together; the node itself is judged by the core, under the run's lock."""
    again = {"run_id": request.run_id, **({"fence": request.fence} if request.fence else {})}
    if request.outcome == "failed" and not (request.error or request.summary):
        raise InvalidRequest(
            "outcome failed needs error",
            hint="say in a sentence what went wrong; the next attempt reads it",
            next=(NextCall("finish_node", {**again, "outcome": "failed", "error": "<what went wrong>"}),),
        )
    if request.wait_for is not None and request.outcome != "waiting":
        raise InvalidRequest(
            f"wait_for belongs to outcome waiting; outcome is {request.outcome!r}",
            hint="send outcome waiting, or leave wait_for out",
            next=(NextCall("finish_node", {**again, "outcome": "waiting", "wait_for": _echo(request.wait_for)}),),
        )
    if len(request.artifacts) > ARTIFACTS_MAX:
        raise LimitExceeded(
            "artifacts", limit=ARTIFACTS_MAX, size=len(request.artifacts), unit="paths", hint="name the folder's index"
        )


def _echo(wait: WaitFor) -> Bag:
    return wait.model_dump(mode="json", exclude_none=True)


def _artifacts(caller: Caller, request: FinishNodeRequest) -> tuple[str, ...]:
    """Reported paths as run-relative ones. A web address is kept as it is: it names no file of ours."""
    if not request.artifacts:
        return ()
    run_dir = caller.registry.store.run_dir(request.run_id)
    return tuple(
        shown(path, 500) if "://" in path else run_path(path, node_id=request.node_id, run_dir=run_dir)
        for path in request.artifacts
    )


def _finish_key(caller: Caller, request: FinishNodeRequest) -> RequestKey | None:
    """A fence and an outcome name one end of one attempt, so the same call twice is one change.

    Waiting is the outcome that one fence may have more than once: its holder may start the node
    again and wait anew. Each such wait has its own number, counted while the node runs.
    """
    if request.fence is None:
        return None
    key = _key(request.fence, request.outcome)
    if request.outcome == "waiting":
        run = open_run(caller, request.run_id).run
        earlier = sum(1 for known in run.refs.operations if known.startswith(f"{key}:"))
        holds = (node.lease is not None and node.lease.fence == request.fence for node in run.state.nodes.values())
        waits = any(
            held and node.status == "waiting" for held, node in zip(holds, run.state.nodes.values(), strict=True)
        )
        key = f"{key}:{max(1, earlier if waits else earlier + 1)}"
    return RequestKey(id=key, hash=key)


def _with_what_was_sent(request: FinishNodeRequest, refusal: RegistryError) -> RegistryError:
    """The refusal, whose next call says again all that was right; long texts as placeholders."""
    sent: Bag = request.model_dump(mode="json", exclude_defaults=True)
    again = {
        name: value if len(json.dumps(value)) <= _ECHO_CHARS else f"<{name}: as before>" for name, value in sent.items()
    }
    refusal.next = tuple(
        replace(call, args={**again, **call.args}) if call.tool == "finish_node" else call for call in refusal.next
    )
    return refusal


def _next(caller: Caller, outcome: Outcome, node: NodeState) -> tuple[NextStep, ...]:
    """What may be called now; who ended an errand may have another in the queue."""
    calls = next_calls(outcome.run, caller, now=clock.now(), shows=("effects",))
    agent_id = agent_of(caller)
    if node.is_open or node.agent_id != agent_id or not is_task_run(outcome.run.state):
        return calls
    return (step("claim_node", {"agent_id": agent_id}, "the next of your queue, if there is one"), *calls)


def _key(fence: str, outcome: str) -> str:
    """Request ids are shown to readers, so the fence is not in it as it is."""
    return f"finish:{short_hash(fence)}:{outcome}"


def _finished_before(caller: Caller, request: FinishNodeRequest) -> IllegalTransition | None:
    """Say that the attempt is over by its own worker's word, where that is why it cannot end again."""
    if request.fence is None:
        return None
    run = open_run(caller, request.run_id).run
    for outcome in ("completed", "failed", "released"):
        known = run.refs.operations.get(_key(request.fence, outcome))
        if known is not None and outcome != request.outcome:
            node_id = str(known.answer["nodeId"])
            return IllegalTransition(
                f"this attempt of node {node_id!r} was finished already, as {outcome}; "
                f"it cannot become {request.outcome}",
                hint="keep what is new with write_artifact in a file of another name",
                next=(NextCall("get_run", {"run_id": request.run_id, "node_id": node_id}, "shows how it ended"),),
                run_id=request.run_id,
                node_id=node_id,
            )
    return None


FINISH_NODE = Operation(
    name="finish_node",
    request=FinishNodeRequest,
    result=FinishNodeResult,
    toolset="core",
    read_only=False,
    idempotent=True,
    run=_finish_node,
)
