"""What must hold between the parts of a workflow once each part has its right form.

The rules look at a `Workflow` whose values may still be wrong and say everything that is, each
fault with its path in the file's own keys; `formats/workflow_file.py` turns paths into lines.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, get_args

from .expressions import Expression, ExpressionFault, NodeReference, parse_when
from .graph import ancestors, depths, find_cycles
from .inputs import declaration_faults
from .limits import (
    GRAPH_DEPTH_MAX,
    NODES_MAX,
    PRIORITY_MAX,
    PRIORITY_MIN,
    PROMPT_BYTES_MAX,
    TAGS_MAX,
)
from .names import ID_RULE, NodeId, is_id, legal_id, nearest, shown
from .paths import path_fault
from .placeholders import INPUT_NAME, Path, fillable_texts, has_placeholder, placeholders
from .run import NodeStatus
from .wait_rules import wait_faults
from .workflow import PROMPTED_KINDS, NodeDefinition, Workflow

STATUSES: Final[tuple[NodeStatus, ...]] = get_args(NodeStatus)
CYCLE_SHOWN_MAX: Final = 50
_LOOKS_LIKE_INPUT: Final = re.compile(r"inputs\W{1,3}([A-Za-z_][A-Za-z0-9_-]*)")


@dataclass(frozen=True)
class PlanFault:
    """One thing that is wrong, and where.

    Args:
        path: Keys and indexes from the top of the file.
        mend: What to do about it; empty when the message says it.
        offset: The character of the value at `path`, from 0, where the fault begins; None for its begin.
        part: The piece of the value that is wrong, to be looked for where the offset is not known.
    """

    path: Path
    message: str
    mend: str = ""
    offset: int | None = None
    part: str = ""


def cycle_text(cycle: tuple[NodeId, ...]) -> str:
    """A cycle as people read it: `a -> b -> a`, each node needing the next."""
    names = [shown(node) for node in (*cycle, cycle[0])]
    if len(names) > CYCLE_SHOWN_MAX:
        names = [*names[: CYCLE_SHOWN_MAX - 1], f"({len(names) - CYCLE_SHOWN_MAX} more)", names[-1]]
    return " -> ".join(names)


def workflow_faults(workflow: Workflow, *, is_plan: bool = False) -> Iterator[PlanFault]:
    """Everything wrong with a workflow, in no promised order.

    Args:
        is_plan: It is a run's own copy: inputs are filled in already, so braces are just text,
            inputs may be unused, and there may be no nodes yet.
    """
    if not is_id(workflow.workflow_id):
        yield _id_fault(("workflowId",), "workflowId", workflow.workflow_id)
    if not workflow.title.strip():
        yield PlanFault(("title",), "title is empty", "say in a few words what the workflow does")
    agent = workflow.defaults.agent_id
    if agent is not None and not is_id(agent) and (is_plan or not has_placeholder(agent)):
        yield _id_fault(("defaults", "agentId"), "defaults.agentId", agent)
    if not workflow.nodes and not is_plan:
        yield PlanFault(("nodes",), "nodes is empty; a workflow has at least one", "add a node with id, title and kind")
    if len(workflow.nodes) > NODES_MAX:
        yield PlanFault(
            ("nodes", NODES_MAX),
            f"the workflow has {len(workflow.nodes):,} nodes; the limit is {NODES_MAX:,}",
            "split it into several workflows",
        )
        return
    for index, node in enumerate(workflow.nodes):
        yield from node_faults(node, ("nodes", index), is_plan=is_plan)
    yield from _graph_faults(workflow)
    yield from _when_faults(workflow)
    if not is_plan:
        yield from _input_faults(workflow)


def node_faults(node: NodeDefinition, at: Path, *, is_plan: bool = False) -> Iterator[PlanFault]:
    """What is wrong with one node by itself."""
    who = f"node {shown(node.id)!r}"
    if not is_id(node.id):
        yield _id_fault((*at, "id"), "node id", node.id)
    if not node.title.strip():
        yield PlanFault((*at, "title"), f"{who} has an empty title", "say in a few words what the node does")
    if node.kind in PROMPTED_KINDS and not node.prompt.strip():
        yield PlanFault(
            (*at, "prompt"), f"{who} of kind {node.kind} has no prompt", "add prompt: with what the agent shall do"
        )
    if (size := len(node.prompt.encode())) > PROMPT_BYTES_MAX:
        yield PlanFault(
            (*at, "prompt"),
            f"the prompt of {who} is {size:,} bytes; the limit is {PROMPT_BYTES_MAX:,}",
            "keep the long part in a file and name it in the prompt",
        )
    if not PRIORITY_MIN <= node.priority <= PRIORITY_MAX:
        yield PlanFault(
            (*at, "priority"), f"{who} has priority {node.priority}; it must be {PRIORITY_MIN} to {PRIORITY_MAX}"
        )
    if len(node.tags) > TAGS_MAX:
        yield PlanFault((*at, "tags"), f"{who} has {len(node.tags)} tags; the limit is {TAGS_MAX}", "keep the best")
    if node.agent_id is not None and not is_id(node.agent_id) and (is_plan or not has_placeholder(node.agent_id)):
        yield _id_fault((*at, "agentId"), f"agentId of {who}", node.agent_id)
    yield from _path_faults(node, at, is_plan=is_plan)
    if node.wait_for is not None:
        for key, message, mend in wait_faults(node.wait_for):
            yield PlanFault((*at, "waitFor", *((key,) if key else ())), f"{who}: {message}", mend)


def _id_fault(path: Path, what: str, text: str) -> PlanFault:
    guess = legal_id(text)
    return PlanFault(path, f"{what} is {shown(text)!r}; ids are {ID_RULE}", f"write {guess}" if guess else "")


def _path_faults(node: NodeDefinition, at: Path, *, is_plan: bool) -> Iterator[PlanFault]:
    named: list[tuple[Path, str]] = [
        ((*at, "outputs", "requiredFiles", index), path) for index, path in enumerate(node.outputs.required_files)
    ]
    if node.outputs.path is not None:
        named.append(((*at, "outputs", "path"), node.outputs.path))
    for path, text in named:
        if (is_plan or not has_placeholder(text)) and (wrong := path_fault(text)):
            yield PlanFault(
                path,
                f"node {shown(node.id)!r} names the file {shown(text)!r}; {wrong}",
                f"write for example nodes/{shown(node.id)}/report.md",
            )


def _graph_faults(workflow: Workflow) -> Iterator[PlanFault]:
    first: dict[NodeId, int] = {}
    folded: dict[str, NodeId] = {}
    for index, node in enumerate(workflow.nodes):
        other = folded.setdefault(node.id.lower(), node.id)
        if node.id in first:
            yield PlanFault(
                ("nodes", index, "id"),
                f"node id {shown(node.id)!r} is used twice, first by node {first[node.id] + 1}",
                "give one of them another id",
            )
        elif other != node.id:
            yield PlanFault(
                ("nodes", index, "id"),
                f"node ids {shown(other)!r} and {shown(node.id)!r} differ only in case, which some disks do not see",
                "give one of them another id",
            )
        first.setdefault(node.id, index)
    for index, node in enumerate(workflow.nodes):
        yield from _need_faults(node, index, first)
    needs = {node.id: node.needs for node in reversed(workflow.nodes)}
    needs = {node.id: needs[node.id] for node in workflow.nodes}
    for cycle in find_cycles(needs):
        yield _cycle_fault(cycle, workflow.nodes[first[cycle[0]]], first[cycle[0]])
    deepest = next((node for node, deep in depths(needs).items() if deep > GRAPH_DEPTH_MAX), None)
    if deepest is not None:
        deep = max(depths(needs).values())
        yield PlanFault(
            ("nodes", first[deepest], "needs"),
            f"the longest chain of needs is {deep} nodes; the limit is {GRAPH_DEPTH_MAX}, passed at {shown(deepest)!r}",
            "let nodes that do not need each other stand side by side",
        )


def _need_faults(node: NodeDefinition, index: int, known: Mapping[NodeId, int]) -> Iterator[PlanFault]:
    counts = Counter(node.needs)
    for place, need in enumerate(node.needs):
        path: Path = ("nodes", index, "needs", place)
        if need not in known:
            guess = nearest(need[:128], known)
            yield PlanFault(
                path,
                f"node {shown(node.id)!r} needs {shown(need)!r}, which does not exist",
                f"did you mean {shown(guess)!r}?" if guess else f"the nodes are {_listed(known)}",
            )
        elif counts[need] > 1 and need in node.needs[:place]:
            yield PlanFault(path, f"node {shown(node.id)!r} needs {shown(need)!r} twice", "remove one")


def _cycle_fault(cycle: tuple[NodeId, ...], node: NodeDefinition, index: int) -> PlanFault:
    path: Path = ("nodes", index, "needs", node.needs.index(cycle[1 % len(cycle)]))
    if len(cycle) == 1:
        return PlanFault(path, f"node {shown(node.id)!r} needs itself", "remove this need")
    return PlanFault(path, f"nodes need each other in a circle: {cycle_text(cycle)}", "remove one of these needs")


def _listed(names: Mapping[str, object]) -> str:
    some = [shown(name, 40) for name in list(names)[:10]]
    return ", ".join(some) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _when_faults(workflow: Workflow) -> Iterator[PlanFault]:
    needs = {node.id: node.needs for node in workflow.nodes}
    for index, node in enumerate(workflow.nodes):
        if node.when is None:
            continue
        path: Path = ("nodes", index, "when")
        try:
            expression = parse_when(node.when)
        except ExpressionFault as fault:
            yield PlanFault(path, f"when of node {shown(node.id)!r}: {fault.message}", fault.mend, fault.offset)
            continue
        within = ancestors(needs, node.id)
        for reference in expression.references().nodes:
            if reference.node_id not in within or reference.node_id == node.id:
                yield _stranger(node, reference, path, needs)
        for name in expression.references().inputs:
            if name.name not in workflow.inputs:
                yield _undeclared(path, name.name, workflow, offset=name.offset)
        yield from _status_faults(expression, path)


def _stranger(node: NodeDefinition, reference: NodeReference, path: Path, needs: Mapping[NodeId, object]) -> PlanFault:
    named = shown(reference.node_id)
    who = f"when of node {shown(node.id)!r}"
    if reference.node_id == node.id:
        return PlanFault(path, f"{who} asks about the node itself, which has not run", "", reference.offset)
    if reference.node_id in needs:
        message = f"{who} asks about {named!r}, which it does not need"
        return PlanFault(path, message, f"add {named} to its needs", reference.offset)
    guess = nearest(reference.node_id, needs)
    mend = f"did you mean {shown(guess)!r}?" if guess else f"the nodes are {_listed(needs)}"
    return PlanFault(path, f"{who} asks about {named!r}, which does not exist", mend, reference.offset)


def _status_faults(expression: Expression, path: Path) -> Iterator[PlanFault]:
    """A condition on a status that no node ever has would quietly skip its node."""
    for reference, asked in expression.statuses_asked():
        for status in asked.value if isinstance(asked.value, list) else [asked.value]:
            if status is not None and status not in STATUSES:
                guess = nearest(str(status), STATUSES)
                yield PlanFault(
                    path,
                    f"{shown(str(reference))} is compared with {shown(str(status))!r}, which is no status of a node",
                    f"did you mean {guess!r}?" if guess else f"they are {', '.join(STATUSES)}",
                    asked.offset,
                )


def _undeclared(path: Path, name: str, workflow: Workflow, *, part: str = "", offset: int | None = None) -> PlanFault:
    guess = nearest(name[:128], workflow.inputs)
    if not INPUT_NAME.fullmatch(name):
        return PlanFault(path, f"{shown(part)} names no input", "write {{ inputs.name }}", offset, part)
    return PlanFault(
        path,
        f"input {shown(name)!r} is used and not declared",
        f"did you mean {shown(guess)!r}?" if guess else f"declare it under inputs, or remove {shown(part or name)}",
        offset,
        part,
    )


def _input_faults(workflow: Workflow) -> Iterator[PlanFault]:
    used: set[str] = set()
    for path, text in fillable_texts(workflow):
        for placeholder in placeholders(text):
            used.add(placeholder.name)
            if placeholder.name not in workflow.inputs:
                yield _undeclared(path, placeholder.name, workflow, part=placeholder.text)
    for node in workflow.nodes:
        used |= _inputs_of_condition(node.when)
    for name, declaration in workflow.inputs.items():
        for fault in declaration_faults(name, declaration):
            key = (fault.key,) if fault.key else ()
            yield PlanFault(("inputs", name, *key), fault.message, fault.mend)
        if name not in used and INPUT_NAME.fullmatch(name):
            yield PlanFault(
                ("inputs", name),
                f"input {shown(name)!r} is declared and never used",
                f"write {{{{ inputs.{shown(name)} }}}} in a prompt or title, or remove it",
            )


def _inputs_of_condition(when: str | None) -> frozenset[str]:
    if when is None:
        return frozenset()
    try:
        return frozenset(reference.name for reference in parse_when(when).references().inputs)
    except ExpressionFault:
        # The condition has its own fault; its inputs are not unused on top of that.
        return frozenset(_LOOKS_LIKE_INPUT.findall(when))
