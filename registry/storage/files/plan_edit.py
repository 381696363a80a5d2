"""What somebody changed in `workflow.lock.md`.

Titles and prompts may be edited there by people and agents. Ids, needs and kinds may not: the
run has gone on with them, so the call that changes a plan is named instead.
"""

from ...core.names import shown
from ...core.run import Run
from ...core.workflow import NodeDefinition, Workflow
from ..port import PlanEdit
from .layout import PLAN
from .projecting import lock_text


def edit_of(text: bytes, run: Run) -> PlanEdit | None:
    """The difference between a workflow.lock.md and the plan; None where it means the same."""
    if text == lock_text(run):
        return None
    from ...formats.workflow_file import read_workflow

    reading = read_workflow(text, source=PLAN, form="plan")
    if reading.workflow is None:
        why = shown(str(reading.faults[0]), 200)
        return PlanEdit(refused=(f"{PLAN} cannot be read as a workflow ({why}); the plan stands as it was",))
    return _difference(reading.workflow, run)


def _difference(workflow: Workflow, run: Run) -> PlanEdit | None:
    plan = run.plan
    titles: dict[str, str] = {}
    prompts: dict[str, str] = {}
    refused: list[str] = []
    edited = {node.id: node for node in workflow.nodes}
    for node_id, node in plan.nodes.items():
        found = edited.get(node_id)
        if found is None:
            refused.append(_refusal(run, f"node {shown(node_id)!r} was taken out", "remove_node", node_id))
            continue
        if found.title != node.title:
            titles[node_id] = found.title
        if found.prompt != node.prompt:
            prompts[node_id] = found.prompt
        refused += _kept_fields(run, node, found)
    for node_id in edited:
        if node_id not in plan.nodes:
            refused.append(_refusal(run, f"node {shown(node_id)!r} was added", "add_node", node_id))
    title = workflow.title if workflow.title != plan.title else None
    if title is None and not titles and not prompts and not refused:
        return None
    return PlanEdit(title=title, titles=titles, prompts=prompts, refused=tuple(refused))


def _kept_fields(run: Run, node: NodeDefinition, found: NodeDefinition) -> list[str]:
    refused: list[str] = []
    if found.needs != node.needs:
        refused.append(_refusal(run, f"the needs of node {shown(node.id)!r} were changed", "rewire_node", node.id))
    if found.kind != node.kind:
        refused.append(_refusal(run, f"the kind of node {shown(node.id)!r} was changed", "add_node", node.id))
    return refused


def _refusal(run: Run, what: str, action: str, node_id: str) -> str:
    run_id = shown(run.state.run_id)
    return (
        f"in {PLAN} {what}; that is not taken from the file. "
        f"Use change_plan run_id={run_id!r} action={action!r} node_id={shown(node_id)!r}"
    )
