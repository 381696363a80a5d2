"""Workflow files (`*.task.md`) read with every fault placed.

A text passes three doors: it must be a text of bearable size with one YAML document in its front
matter (`frontmatter`, `placed_yaml`: the first fault ends the reading); its values must have the
models' keys and types (`workflow_shape`); its parts must fit together (`core/plan_rules`). The
last two name everything they find, up to 100 faults. `workflow_writer` makes the text again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from ..core.limits import MUTATION_BYTES_MAX, WORKFLOW_BYTES_MAX
from ..core.plan_rules import node_faults, workflow_faults
from ..core.record import Json
from ..core.workflow import NodeDefinition, Workflow
from ..errors import Fault, WorkflowInvalid
from .frontmatter import TextFault, decoded, split_front_matter
from .placed_yaml import Object, placed_json, read_yaml
from .workflow_faults import EnoughFaults, FaultList
from .workflow_shape import ShapeReader
from .workflow_warnings import workflow_warnings

Form = Literal["definition", "plan"]
"""`definition`: a reusable file. `plan`: a run's own copy, inputs filled in, as long as a mutation may be."""

__all__ = ["Fault", "Form", "WorkflowReading", "read_workflow", "require_node", "require_workflow"]


@dataclass(frozen=True)
class WorkflowReading:
    """What a text says: the workflow, or its faults; and what its author should look at, from top to end."""

    workflow: Workflow | None
    faults: tuple[Fault, ...] = ()
    warnings: tuple[Fault, ...] = ()


def read_workflow(
    text: str | bytes,
    *,
    source: str = "workflow",
    existing_runs: Callable[[str], bool] | None = None,
    root: str | None = None,
    form: Form = "definition",
) -> WorkflowReading:
    """Read a workflow and everything that is wrong with it.

    Args:
        source: What faults call the text: its path, or `workflow`.
        existing_runs: Says whether there is a run of an id, for warnings; without it none are looked for.
        root: The registry's root as an absolute path, for warnings.
    """
    bytes_max = MUTATION_BYTES_MAX if form == "plan" else WORKFLOW_BYTES_MAX
    try:
        whole = decoded(text, bytes_max=bytes_max)
        parts = split_front_matter(whole)
        top = read_yaml(parts.yaml, first_line=parts.first_line)
        if not isinstance(top, Object):
            raise TextFault(
                "the front matter is empty" if top is None else "the front matter is not keys with values",
                line=parts.first_line if top is None else top.line,
                mend="it has at least workflowId, title and nodes",
            )
    except TextFault as fault:
        return WorkflowReading(None, (Fault(source, fault.line, fault.column, fault.message, fault.mend),))
    faults = FaultList(source, whole)
    try:
        workflow = ShapeReader(faults).workflow(top, body=parts.body)
        faults.add_rules(workflow_faults(workflow, is_plan=form == "plan"))
    except EnoughFaults:
        return WorkflowReading(None, faults.in_order())
    if found := faults.in_order():
        return WorkflowReading(None, found)
    if form == "plan":
        return WorkflowReading(workflow)
    return WorkflowReading(
        workflow,
        warnings=workflow_warnings(workflow, whole, faults, source=source, existing_runs=existing_runs, root=root),
    )


def require_workflow(
    text: str | bytes,
    *,
    source: str = "workflow",
    existing_runs: Callable[[str], bool] | None = None,
    root: str | None = None,
    form: Form = "definition",
) -> Workflow:
    """The workflow of a text.

    Raises:
        WorkflowInvalid: with every fault.
    """
    reading = read_workflow(text, source=source, existing_runs=existing_runs, root=root, form=form)
    if reading.workflow is None:
        raise WorkflowInvalid(reading.faults)
    return reading.workflow


def require_node(value: Mapping[str, Json], *, source: str = "node") -> NodeDefinition:
    """One node from an object with the workflow file's own keys.

    Whether what it needs exists, and its condition, is the plan's matter and not looked at.

    Raises:
        WorkflowInvalid: with every fault.
    """
    faults = FaultList(source, "")
    try:
        placed = placed_json(dict(value))
        assert isinstance(placed, Object)
        node = ShapeReader(faults).node(placed, ())
        faults.add_rules(node_faults(node, (), is_plan=True))
    except EnoughFaults:
        raise WorkflowInvalid(faults.in_order()) from None
    if found := faults.in_order():
        raise WorkflowInvalid(found)
    return node
