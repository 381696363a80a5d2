"""Changes of the plan of a run that goes."""

from collections import Counter
from dataclasses import replace
from typing import Literal

from pydantic import ValidationError

from .. import clock
from ..core.commands import AddNode, RemoveNode, RewireNode
from ..core.names import nearest, shown
from ..core.plan_rules import workflow_faults
from ..core.record import Bag, Json
from ..core.run import Plan, Run
from ..core.wait_rules import settled
from ..core.wording import worded
from ..core.workflow import NodeDefinition, WaitFor
from ..errors import InvalidRequest, NextCall, RevisionConflict
from . import fields
from .acting import acting
from .answers import Mutated, NodeRow, mutated, next_calls, node_row
from .approvals import JUDGED_AGAIN_MAX, Consent, consent, question_of, tried
from .caller import Caller, Question
from .lookup import change_run, open_run
from .table import Operation, Request

_ALIASES = tuple(field.alias or name for name, field in NodeDefinition.model_fields.items())
_FAULTS_SHOWN = 10
PlanCommand = AddNode | RewireNode | RemoveNode


class ChangePlanRequest(Request):
    """Change the plan of a run: add, rewire or remove nodes that have not started. add_node takes node in the keys of
    a workflow file: {title, kind, prompt, needs, outputs, waitFor, ...}; needed_by lists nodes that shall wait for it.
    Taking an approval away is a person's decision.
    """

    run_id: fields.RunId
    action: Literal["add_node", "rewire_node", "remove_node"]
    node_id: fields.NodeId
    node: fields.Payload | None = None
    needs: fields.StringList | None = None
    needed_by: fields.StringList | None = None
    expected_rev: int | None = None


class ChangePlanResult(Mutated):
    """The node as it stands in the plan now; absent when it was removed."""

    run_id: str
    action: str
    node_id: str
    applied: bool
    decision: Literal["approved", "rejected", "unanswered"] | None = None
    decided_by: str | None = None
    relayed: bool | None = None
    comment: str | None = None
    node: NodeRow | None = None


def _change_plan(caller: Caller, request: ChangePlanRequest) -> ChangePlanResult:
    command = _command(caller, request)
    for judged in range(1, JUDGED_AGAIN_MAX + 1):
        run = open_run(caller, request.run_id).run
        given = Consent(command.actor)
        if not isinstance(command, AddNode):
            given = consent(caller, run, command, _question(request, run))
        if not given.is_given:
            return _not_applied(caller, request, run, given)
        if request.expected_rev in (None, run.log.state_rev):
            _require_sound_plan(caller, run, command)
        try:
            outcome = change_run(
                caller,
                request.run_id,
                replace(command, actor=given.actor),
                expected_rev=run.log.state_rev if request.expected_rev is None else request.expected_rev,
            )
        except RevisionConflict:
            # The caller's own revision is theirs to mend; ours is judged again.
            if request.expected_rev is not None or judged == JUDGED_AGAIN_MAX:
                raise
            continue
        node = outcome.run.state.nodes.get(request.node_id)
        return ChangePlanResult.model_validate(
            mutated(
                outcome,
                caller,
                run_id=request.run_id,
                action=request.action,
                node_id=request.node_id,
                applied=True,
                node=node_row(node) if node is not None else None,
                decision="approved" if given.answer is not None else None,
                decided_by=given.actor.id if given.answer is not None else None,
                relayed=True if given.relayed else None,
                comment=given.answer.comment or None if given.answer is not None else None,
                warnings=(*outcome.warnings, *given.warnings),
            )
        )
    raise AssertionError("the loop returns or raises")


def _command(caller: Caller, request: ChangePlanRequest) -> PlanCommand:
    again: Bag = {"run_id": request.run_id, "action": request.action, "node_id": request.node_id}
    actor = acting(caller)
    if request.action != "add_node" and request.node is not None:
        raise InvalidRequest(
            f"node belongs to add_node; action is {request.action!r}",
            hint="titles and prompts of nodes that have not started can be edited in workflow.lock.md",
            next=(NextCall("change_plan", {**again, "needs": ["<node_id>"]}),),
        )
    if request.action == "add_node":
        return AddNode(actor=actor, node=_definition(request), needed_by=request.needed_by or ())
    if request.action == "remove_node":
        if request.needs is not None or request.needed_by is not None:
            raise InvalidRequest(
                "remove_node takes no needs and no needed_by: dependants inherit what the node needed",
                hint="leave them out",
                next=(NextCall("change_plan", again),),
            )
        return RemoveNode(actor=actor, node_id=request.node_id)
    if request.needs is None and request.needed_by is None:
        raise InvalidRequest(
            "rewire_node needs needs, needed_by or both",
            hint="needs lists all that the node shall need; [] means nothing",
            next=(NextCall("change_plan", {**again, "needs": ["<node_id>"]}),),
        )
    return RewireNode(actor=actor, node_id=request.node_id, needs=request.needs, needed_by=request.needed_by)


def _definition(request: ChangePlanRequest) -> NodeDefinition:
    """The node as a workflow file would have it; every fault of its form at once."""
    given: dict[str, Json] = dict(request.node or {})
    faults = []
    if "id" in given and given["id"] != request.node_id:
        faults.append(f"node.id is {shown(str(given['id']))!r}, but node_id is {request.node_id!r}")
    given["id"] = request.node_id
    if request.needs is not None:
        given["needs"] = list(request.needs)
    elif isinstance(given.get("needs"), str):
        given["needs"] = [given["needs"]]
    if isinstance(given.get("waitFor"), str):
        given["waitFor"] = {"type": given["waitFor"]}
    for name in given:
        if name not in _ALIASES and name not in NodeDefinition.model_fields:
            near = nearest(name, _ALIASES)
            faults.append(f"node has no key {shown(name)!r}" + (f"; did you mean {near!r}?" if near else ""))
    known = {name: value for name, value in given.items() if name in _ALIASES or name in NodeDefinition.model_fields}
    try:
        definition = NodeDefinition.model_validate(known)
    except ValidationError as error:
        faults += [_at_node(worded(detail, "node")) for detail in error.errors(include_url=False)]
    else:
        if not faults:
            wait = definition.wait_for
            return (
                definition.model_copy(update={"wait_for": settled(wait)}) if isinstance(wait, WaitFor) else definition
            )
    raise _bad_node(request, faults)


def _at_node(fault: str) -> str:
    return fault if fault.startswith("node needs ") else f"node.{fault}"


def _bad_node(request: ChangePlanRequest, faults: list[str]) -> InvalidRequest:
    example: Bag = {"title": "<title>", "kind": "session_turn", "prompt": "<what to do>", "needs": ["<node_id>"]}
    return InvalidRequest(
        "; ".join(faults[:_FAULTS_SHOWN])
        + (f"; and {len(faults) - _FAULTS_SHOWN} more" if faults[_FAULTS_SHOWN:] else ""),
        hint=f"node has the keys of a workflow file: {', '.join(_ALIASES)}",
        next=(
            NextCall(
                "change_plan",
                {"run_id": request.run_id, "action": "add_node", "node_id": request.node_id, "node": example},
            ),
        ),
        faults=list(faults[:_FAULTS_SHOWN]),
    )


def _require_sound_plan(caller: Caller, run: Run, command: PlanCommand) -> None:
    """Refuse a plan with a fault it did not have: a condition on a node that is gone, say."""
    after = tried(caller, run, command).run.plan
    before = Counter(_faults(run.plan))
    fresh = [fault for fault in _faults(after) if not before[fault]]
    if fresh:
        raise InvalidRequest(
            "; ".join(fresh[:_FAULTS_SHOWN]),
            hint="nothing was changed; get_run view detailed shows the plan",
            next=(NextCall("get_run", {"run_id": run.state.run_id, "view": "detailed"}, "shows the plan"),),
            faults=list(fresh[:_FAULTS_SHOWN]),
        )


def _faults(plan: Plan) -> list[str]:
    return [
        fault.message + (f" ({fault.mend})" if fault.mend else "")
        for fault in workflow_faults(plan.workflow(), is_plan=True)
    ]


def _question(request: ChangePlanRequest, run: Run) -> Question:
    if request.action == "remove_node":
        what, yes = "Take out of the plan, with any approval that goes with it,", "remove it"
    else:
        what, yes = "Change what waits for what, around an approval, at", "change it"
    return question_of(what, run=run, node_id=request.node_id, message=None, yes=yes, no="keep it")


def _not_applied(caller: Caller, request: ChangePlanRequest, run: Run, given: Consent) -> ChangePlanResult:
    answer = given.answer
    refused = answer is not None and answer.decision == "reject"
    node = run.state.nodes.get(request.node_id)
    return ChangePlanResult(
        run_id=request.run_id,
        action=request.action,
        node_id=request.node_id,
        applied=False,
        decision="rejected" if refused else "unanswered",
        decided_by=given.actor.id if refused else None,
        comment=(answer.comment or None) if answer is not None else None,
        node=node_row(node) if node is not None else None,
        run_status=run.state.status,
        rev=run.log.state_rev,
        became_ready=(),
        warnings=(),
        next=next_calls(run, caller, now=clock.now()),
    )


CHANGE_PLAN = Operation(
    name="change_plan",
    request=ChangePlanRequest,
    result=ChangePlanResult,
    toolset="core",
    read_only=False,
    destructive=True,
    run=_change_plan,
)
