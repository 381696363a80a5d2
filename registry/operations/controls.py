"""Steering a run or a node, with a person's word where one is needed."""

from dataclasses import replace
from typing import Final, Literal

from .. import clock
from ..core.commands import NODE_ACTIONS, Control, ControlAction
from ..core.record import Bag
from ..core.run import Run
from ..errors import InvalidRequest, NextCall, RevisionConflict
from ..registry import Outcome
from . import fields
from .acting import acting, request_key
from .answers import (
    EffectRow,
    Mutated,
    NodeRow,
    PausedRow,
    WaitingRow,
    effects_view,
    mutated,
    next_calls,
    node_row,
    paused_view,
    waiting_for,
)
from .approvals import JUDGED_AGAIN_MAX, Consent, consent, question_of
from .caller import Caller, Question
from .lookup import change_run, open_run
from .table import Operation, Request

Decision = Literal["approved", "rejected", "unanswered"]
_FOR_PEOPLE: Final[frozenset[ControlAction]] = frozenset({"approve", "reject", "resume", "skip"})
"""Actions that may need a person, depending on the run."""

_TAKES_NODE: Final = NODE_ACTIONS | {"send_message"}


class RequestControlRequest(Request):
    """Steer a run or node: pause (nothing new starts), resume, cancel (ends the run for good), retry a failed node,
    skip a node so that the run goes on without it, approve, reject, release a dead worker's node, send_message,
    patch_cron. approve and reject, and resume of what a person paused, are a person's decision: the person is asked,
    or you pass on what they said, in message. Never approve on your own. retry, skip, approve, reject and release need
    node_id; send_message needs message; patch_cron needs patch; force retries beyond the limit.
    """

    run_id: fields.RunId
    action: ControlAction
    node_id: fields.NodeId | None = None
    message: fields.Message | None = None
    patch: fields.Payload | None = None
    force: bool = False
    request_id: fields.RequestId | None = None


class RequestControlResult(Mutated):
    """What was applied, on whose word, and what the outside still has to do."""

    run_id: str
    action: str
    applied: bool
    control_id: str | None = None
    decision: Decision | None = None
    decided_by: str | None = None
    relayed: bool | None = None
    comment: str | None = None
    node: NodeRow | None = None
    waiting_for: tuple[WaitingRow, ...] | None = None
    paused: PausedRow | None = None
    effects: tuple[EffectRow, ...]
    repeated: bool


def _request_control(caller: Caller, request: RequestControlRequest) -> RequestControlResult:
    command = Control(
        actor=acting(caller),
        action=request.action,
        control_id=clock.fresh_id("control"),
        node_id=request.node_id,
        message=request.message,
        patch=request.patch,
        force=request.force,
    )
    run = open_run(caller, request.run_id).run
    _check(request, run)
    if request.action not in _FOR_PEOPLE or _was_answered(request, run):
        key = request_key(request, request.request_id)
        outcome = change_run(caller, request.run_id, command, request=key)
        return _applied(caller, request, outcome, Consent(command.actor, command.message))
    return _with_consent(caller, request, command, run)


def _with_consent(caller: Caller, request: RequestControlRequest, command: Control, run: Run) -> RequestControlResult:
    """Judge whether a person is needed, and apply it to the very revision that was judged."""
    key = request_key(request, request.request_id)
    for judged in range(1, JUDGED_AGAIN_MAX + 1):
        given = consent(caller, run, command, _question(request, run), message=request.message)
        decided = _as_decided(command, given)
        if decided is None:
            return _not_applied(caller, request, run, given)
        try:
            outcome = change_run(caller, request.run_id, decided, request=key, expected_rev=run.log.state_rev)
        except RevisionConflict:
            if judged == JUDGED_AGAIN_MAX:
                raise
            run = open_run(caller, request.run_id).run
            continue
        return _applied(caller, request, outcome, given)
    raise AssertionError("the loop returns or raises")


def _was_answered(request: RequestControlRequest, run: Run) -> bool:
    return request.request_id is not None and request.request_id in run.refs.operations


def _as_decided(command: Control, given: Consent) -> Control | None:
    """The command as the person wants it; None when nothing is to change.

    Asked about an approval a person may say yes or no, whichever the agent had asked for.
    """
    action = command.action
    if given.answer is not None:
        if given.answer.decision == "declined":
            return None
        if action in ("approve", "reject"):
            action = "approve" if given.answer.decision == "approve" else "reject"
        elif not given.is_given:
            return None
    return replace(command, action=action, actor=given.actor, message=given.message)


def _question(request: RequestControlRequest, run: Run) -> Question:
    if request.action == "resume":
        what, yes, no = "Go on with", "resume", "leave it paused"
    elif request.action == "skip":
        what, yes, no = "Skip the approval at", "skip it", "keep it"
    else:
        what, yes, no = "Decide on", "approve", "reject"
    return question_of(what, run=run, node_id=request.node_id, message=request.message, yes=yes, no=no)


def _check(request: RequestControlRequest, run: Run) -> None:
    """What an action needs, and what it has no use for."""
    again: Bag = {"run_id": request.run_id, "action": request.action}
    if request.message is None and request.action in ("approve", "reject"):
        again["message"] = "<the person's words>"
    if request.action in NODE_ACTIONS and request.node_id is None:
        fitting = _fitting(request.action, run)
        raise InvalidRequest(
            f"{request.action} needs node_id",
            hint=f"nodes it fits: {', '.join(fitting)}"
            if fitting
            else f"nodes: {', '.join(list(run.state.nodes)[:20])}",
            next=tuple(
                NextCall("request_control", {**again, "node_id": node_id}, "if this one is meant")
                for node_id in fitting[:3]
            )
            or (NextCall("get_run", {"run_id": request.run_id}, "shows the nodes"),),
        )
    if request.node_id is not None and request.action not in _TAKES_NODE:
        raise InvalidRequest(
            f"{request.action} is about the whole run; node_id {request.node_id!r} has no meaning here",
            hint="leave node_id out; skip, retry or release are about one node",
            next=(NextCall("request_control", again),),
        )
    if request.patch is not None and request.action != "patch_cron":
        raise InvalidRequest(
            f"patch belongs to patch_cron; action is {request.action!r}", hint="say it in message, or leave it out"
        )


def _fitting(action: ControlAction, run: Run) -> list[str]:
    """Nodes that the action is most likely about."""
    statuses = {
        "approve": {"waiting"},
        "reject": {"waiting"},
        "retry": {"failed"},
        "release": {"running"},
        "skip": {"failed", "ready", "waiting"},
    }[action]
    return [node.id for node in run.state.nodes.values() if node.status in statuses][:10]


def _applied(caller: Caller, request: RequestControlRequest, outcome: Outcome, given: Consent) -> RequestControlResult:
    run, answer = outcome.run, outcome.answer
    node = run.state.nodes.get(request.node_id) if request.node_id else None
    decision = answer.get("decision")
    by_person = given.answer is not None or given.actor.is_person
    return RequestControlResult.model_validate(
        mutated(
            outcome,
            caller,
            run_id=run.state.run_id,
            action=request.action,
            applied=answer["applied"],
            control_id=answer["controlId"],
            decision=decision or ("approved" if given.answer is not None else None),
            decided_by=given.actor.id if by_person and (decision or given.answer) else None,
            relayed=True if given.relayed else None,
            comment=given.answer.comment or None if given.answer is not None else None,
            node=node_row(node) if node is not None else None,
            waiting_for=waiting_for(run, now=clock.now()) or None,
            paused=paused_view(run.state),
            effects=effects_view(run),
            repeated=outcome.repeated or bool(answer.get("repeated")),
            warnings=(*outcome.warnings, *given.warnings),
        )
    )


def _not_applied(caller: Caller, request: RequestControlRequest, run: Run, given: Consent) -> RequestControlResult:
    """The person said no, or nothing: that is an answer, and nothing has changed."""
    answer = given.answer
    refused = answer is not None and answer.decision == "reject"
    node = run.state.nodes.get(request.node_id) if request.node_id else None
    return RequestControlResult(
        run_id=run.state.run_id,
        action=request.action,
        applied=False,
        decision="rejected" if refused else "unanswered",
        decided_by=given.actor.id if refused else None,
        comment=(answer.comment or None) if answer is not None else None,
        node=node_row(node) if node is not None else None,
        run_status=run.state.status,
        rev=run.log.state_rev,
        became_ready=(),
        waiting_for=waiting_for(run, now=clock.now()) or None,
        paused=paused_view(run.state),
        effects=(),
        repeated=False,
        warnings=(),
        next=next_calls(run, caller, now=clock.now()),
    )


REQUEST_CONTROL = Operation(
    name="request_control",
    request=RequestControlRequest,
    result=RequestControlResult,
    toolset="core",
    read_only=False,
    destructive=True,
    run=_request_control,
)
