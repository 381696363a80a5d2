"""Changes of the plan of a run that goes: nodes added, rewired, removed, texts edited."""

from typing import Final

from ...errors import Conflict, IllegalTransition, InvalidRequest, LimitExceeded, NextCall
from ..commands import AddNode, EditPlan, RemoveNode, RewireNode
from ..draft import Draft
from ..graph import dependants, depth, descendants, find_cycle, leaves
from ..limits import GRAPH_DEPTH_MAX, NODES_MAX
from ..names import NodeId
from ..plan_rules import cycle_text
from ..refusals import run_is_over, situation
from ..run import NodeState, working_memory
from ..workflow import NodeDefinition, Retry
from . import steps
from .children import is_cancelling

AUTOMATIC: Final = "opentask:summary"
"""`createdBy` of the summary that a run was given because its workflow has none; no agent's id has a colon."""

_NODE_BINDINGS: Final = ("node_sessions", "child_sessions", "node_run_ids")


def fresh_node(draft: Draft, node: NodeDefinition, *, created_by: str | None = None) -> NodeState:
    """The state a node begins with."""
    defaults = draft.plan.defaults
    agent_id = node.agent_id or defaults.agent_id
    session_agent = agent_id or draft.state.source_agent_id
    return NodeState(
        id=node.id,
        title=node.title,
        kind=node.kind,
        status="pending",
        needs=node.needs,
        outputs_mode=node.outputs.mode,
        agent_id=agent_id,
        priority=node.priority,
        session_key=node.session_key or f"agent:{session_agent}:opentask:{draft.state.run_id}:{node.id}",
        working_memory=working_memory(node.id, kind=node.kind),
        max_attempts=(node.retry or defaults.retry or Retry()).max_attempts,
        tags=node.tags,
        created_by=created_by,
        created_at=draft.at if draft.before.log.rev else None,
    )


def add_node(draft: Draft, command: AddNode) -> None:
    """Add a node, and make others need it."""
    node = command.node
    _require_open(draft, asked="change_plan add_node")
    _require_wanted(draft)
    if any(known.lower() == node.id.lower() for known in draft.nodes):
        raise Conflict(
            f"node {node.id!r} exists already",
            hint="choose another id; rewire_node changes what a node needs",
            next=(NextCall("get_run", {"run_id": draft.state.run_id}, "shows the nodes"),),
        )
    if len(draft.nodes) >= NODES_MAX:
        raise LimitExceeded("the plan", limit=NODES_MAX, size=len(draft.nodes) + 1, unit="nodes")
    for need in node.needs:
        draft.node(need)
    needs = {**_needs(draft), node.id: node.needs}
    needed_by = tuple(dict.fromkeys(command.needed_by))
    for dependant in needed_by:
        _require_unstarted(draft, dependant, asked="change_plan add_node needed_by")
        needs[dependant] = (*needs[dependant], node.id)
    _require_sound(draft, needs)
    _require_heeded(draft, needs, asked="change_plan add_node needed_by")
    node = node.model_copy(update={"needs": tuple(dict.fromkeys(node.needs))})
    draft.set_plan(nodes={**draft.plan.nodes, node.id: node})
    draft.nodes[node.id] = fresh_node(draft, node, created_by=draft.actor.id)
    draft.tell("node.added", node.id, kind=node.kind, needs=list(node.needs), neededBy=list(needed_by) or None)
    for dependant in needed_by:
        _rewire(draft, dependant, needs[dependant])
    keep_summary_last(draft)
    draft.answer = {"nodeId": node.id}


def rewire_node(draft: Draft, command: RewireNode) -> None:
    """Change what a node needs, and who needs it."""
    _require_open(draft, asked="change_plan rewire_node")
    node = draft.node(command.node_id)
    needs = _needs(draft)
    if command.needs is not None and tuple(command.needs) != node.needs:
        _require_unstarted(draft, node.id, asked="change_plan rewire_node")
        for need in command.needs:
            draft.node(need)
        needs[node.id] = tuple(dict.fromkeys(command.needs))
    if command.needed_by is not None:
        for wanted in command.needed_by:
            draft.node(wanted)
        for other in draft.nodes.values():
            if (other.id in command.needed_by) == (node.id in other.needs):
                continue
            _require_unstarted(draft, other.id, asked="change_plan rewire_node needed_by")
            rest = tuple(need for need in needs[other.id] if need != node.id)
            needs[other.id] = (*rest, node.id) if other.id in command.needed_by else rest
    _require_sound(draft, needs)
    _require_heeded(draft, needs, asked="change_plan rewire_node")
    if node.created_by == AUTOMATIC and needs[node.id] != node.needs:
        # Whoever says what it needs has taken it over; it must not be wired back.
        draft.change(node.id, created_by=draft.actor.id)
    for node_id, wanted_needs in needs.items():
        if wanted_needs != draft.nodes[node_id].needs:
            _rewire(draft, node_id, wanted_needs)
    keep_summary_last(draft)
    draft.answer = {"nodeId": node.id}


def remove_node(draft: Draft, command: RemoveNode) -> None:
    """Take a node out; whoever needed it needs what it needed."""
    _require_open(draft, asked="change_plan remove_node")
    node = draft.node(command.node_id)
    _require_unstarted(draft, node.id, asked="change_plan remove_node")
    if len(draft.nodes) == 1 and draft.state.flow is None:
        raise IllegalTransition(
            f"node {node.id!r} is the only one of the run",
            hint="request_control skip or cancel ends the run",
            next=(NextCall("get_run", {"run_id": draft.state.run_id}),),
        )
    after = [other.id for other in draft.nodes.values() if node.id in other.needs]
    for dependant in after:
        _require_unstarted(draft, dependant, asked="change_plan remove_node")
    for dependant in after:
        inherited = (need for need in (*draft.nodes[dependant].needs, *node.needs) if need != node.id)
        _rewire(draft, dependant, tuple(dict.fromkeys(inherited)))
    del draft.nodes[node.id]
    draft.set_plan(nodes={key: plan for key, plan in draft.plan.nodes.items() if key != node.id})
    bindings = {name: getattr(draft.refs, name) for name in _NODE_BINDINGS}
    if any(node.id in bound for bound in bindings.values()):
        rest = {name: {key: bound[key] for key in bound if key != node.id} for name, bound in bindings.items()}
        draft.set_refs(**rest)
    draft.tell("node.removed", node.id, kind=node.kind, needs=list(node.needs))
    keep_summary_last(draft)
    draft.answer = {"nodeId": node.id}


def edit_plan(draft: Draft, command: EditPlan) -> None:
    """Take over titles and prompts of nodes that have not started; the rest is refused in words."""
    changed: list[str] = []
    if command.title and command.title != draft.state.title:
        draft.set_state(title=command.title)
        draft.set_plan(title=command.title)
        changed.append("title")
    for node_id in dict.fromkeys((*command.titles, *command.prompts)):
        node = draft.nodes.get(node_id)
        if node is None:
            continue
        if node.status not in ("pending", "ready"):
            draft.warnings.append(f"plan_edit_refused: node {node_id!r} is {node.status}; its text stays as it was")
            continue
        title = command.titles.get(node_id, node.title)
        plan = draft.plan.nodes[node_id]
        prompt = command.prompts.get(node_id, plan.prompt)
        if (title, prompt) == (plan.title, plan.prompt):
            continue
        edited = plan.model_copy(update={"title": title, "prompt": prompt})
        draft.set_plan(nodes={**draft.plan.nodes, node_id: edited})
        if title != node.title:
            draft.change(node_id, title=title)
        changed.append(node_id)
    if changed:
        draft.tell("run.plan_edited", changed=list(changed), file="workflow.lock.md")
    draft.answer = {"changed": list(changed)}


def add_summary(draft: Draft) -> None:
    """Give a run of two or more nodes without a summary one that needs every leaf."""
    if len(draft.nodes) < 2 or any(node.kind == "summary" for node in draft.nodes.values()):
        return
    node_id = next(
        name for name in ("summary", *(f"summary-{n}" for n in range(2, NODES_MAX + 2))) if name not in draft.nodes
    )
    node = NodeDefinition(
        id=node_id,
        title="Summary",
        kind="summary",
        needs=leaves(_needs(draft)),
        prompt="Sum up what the run did and found, for whoever asked for it, from the reports of the nodes before.",
    )
    draft.set_plan(nodes={**draft.plan.nodes, node.id: node})
    draft.nodes[node.id] = fresh_node(draft, node, created_by=AUTOMATIC)
    draft.tell("node.added", node.id, by=draft.system, kind=node.kind, needs=list(node.needs))


def keep_summary_last(draft: Draft) -> None:
    """An automatic summary that has not started keeps needing every leaf."""
    summary = next((node for node in draft.nodes.values() if node.created_by == AUTOMATIC), None)
    if summary is None or summary.status not in ("pending", "ready"):
        return
    every = _needs(draft)
    after = descendants(dependants(every), summary.id)
    wanted = leaves({key: needs for key, needs in every.items() if key != summary.id and key not in after})
    if set(wanted) != set(summary.needs):
        _rewire(draft, summary.id, tuple(wanted))


def _needs(draft: Draft) -> dict[NodeId, tuple[NodeId, ...]]:
    return {node.id: node.needs for node in draft.nodes.values()}


def _require_open(draft: Draft, *, asked: str) -> None:
    if draft.state.is_ended:
        raise run_is_over(draft.state, asked=asked)


def _require_wanted(draft: Draft) -> None:
    if is_cancelling(draft):
        raise IllegalTransition(
            f"flow {draft.state.run_id!r} is to be cancelled; change_plan add_node needs one that goes on",
            hint="no work is added to it from now on; create_flow begins another",
            next=(NextCall("get_flow", {"flow_id": draft.state.run_id}, "shows what is still active"),),
        )


def _require_unstarted(draft: Draft, node_id: NodeId, *, asked: str) -> None:
    node = draft.node(node_id)
    if node.status in ("pending", "ready") or (node.status == "waiting" and node.kind in ("wait", "approval")):
        return
    raise IllegalTransition(
        f"node {node_id!r} is {situation(node)}; {asked} changes only nodes that have not started",
        hint="add_node puts new work after it",
        next=(NextCall("get_run", {"run_id": draft.state.run_id}, "shows what has not started"),),
        node_id=node_id,
        status=node.status,
    )


def _require_heeded(draft: Draft, needs: dict[NodeId, tuple[NodeId, ...]], *, asked: str) -> None:
    """Refuse a new need of a node that waits already: it would be approved or over without regard to it."""
    for node in draft.nodes.values():
        added = [need for need in needs[node.id] if need not in node.needs] if node.status == "waiting" else []
        unheeded = [need for need in added if need not in draft.nodes or not draft.nodes[need].is_satisfied]
        if unheeded:
            raise IllegalTransition(
                f"node {node.id!r} is {situation(node)}; {asked} cannot make it wait for {', '.join(unheeded)} too",
                hint="needs count before a node begins to wait; add_node puts new work after it",
                next=(NextCall("get_run", {"run_id": draft.state.run_id}, "shows what has not started"),),
                node_id=node.id,
                status=node.status,
            )


def _require_sound(draft: Draft, needs: dict[NodeId, tuple[NodeId, ...]]) -> None:
    cycle = find_cycle(needs)
    if cycle:
        raise InvalidRequest(
            f"this would make a cycle: {cycle_text(cycle)}",
            hint="leave out one of these needs",
            cycle=list(cycle),
        )
    # The summary that we added ourselves must not make a plan too deep that was not.
    written = {key: needs[key] for key in needs if key not in draft.nodes or draft.nodes[key].created_by != AUTOMATIC}
    if (deep := depth(written)) > GRAPH_DEPTH_MAX:
        raise LimitExceeded("the plan's longest chain", limit=GRAPH_DEPTH_MAX, size=deep, unit="nodes")


def _rewire(draft: Draft, node_id: NodeId, needs: tuple[NodeId, ...]) -> None:
    """Give a node new needs; one that was ready and now needs open work is pending again."""
    node = draft.change(node_id, needs=needs)
    plan = draft.plan.nodes[node_id].model_copy(update={"needs": needs})
    draft.set_plan(nodes={**draft.plan.nodes, node_id: plan})
    fields: dict[str, object] = {"ready_at": None, "not_before": None, "lease": None}
    if node.status == "ready" and not steps.needs_are_satisfied(draft, node):
        draft.step("demote", node_id, "pending", fields=fields)
    draft.tell("node.rewired", node_id, needs=list(needs))
