"""The difference between two runs as data, and the fold of such differences.

A patch is `{state: ops, refs: ops, plan: ops}` with `["set", [path], value]` and
`["del", [path]]` in order, in the names of the disk. Nodes are addressed by id, their order is
the list `nodeOrder` set whole, and so is every bag. Applying a patch twice is applying it once.
Because a patch is generic there is one function for all events, and replay needs no old rules.
"""

from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

from pydantic import BaseModel

from .record import Json
from .run import Log, NodeState, Plan, Refs, Run, RunState

Document = dict[str, Json]
Op = list[Json]
Patch = dict[str, list[Op]]

R = TypeVar("R", bound=BaseModel)

_KEYED: Final[Mapping[type[BaseModel], frozenset[str]]] = {
    RunState: frozenset({"nodes"}),
    Plan: frozenset({"nodes"}),
    Refs: frozenset(
        {"node_sessions", "child_sessions", "node_run_ids", "applied_control_ids", "pending_effects", "operations"}
    ),
}
"""Fields that are maps with a life of their own: changed entry by entry, never whole."""


def to_document(record: BaseModel) -> Document:
    """A record as it stands on disk: camelCase, absent where empty."""
    return record.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def diff(old: Run, new: Run) -> Patch:
    """The operations that lead from one run to another; parts without change are absent."""
    parts = {
        "state": _diff_record(old.state, new.state),
        "refs": _diff_record(old.refs, new.refs),
        "plan": _diff_record(old.plan, new.plan),
    }
    return {name: ops for name, ops in parts.items() if ops}


def snapshot(run: Run) -> Document:
    """A whole run as one document, from which `Run` can be read back."""
    state = to_document(run.state)
    state["nodeOrder"] = list(run.state.nodes)
    return {"state": state, "refs": to_document(run.refs), "plan": to_document(run.plan)}


def apply(document: Document, patch: Mapping[str, Iterable[Op]]) -> None:
    """Carry a patch out on a snapshot, in place.

    Raises:
        ValueError: an operation does not fit the document.
    """
    for part, ops in patch.items():
        target = document.get(part)
        if not isinstance(target, dict):
            raise ValueError(f"a patch names the part {part!r}, which a run does not have")
        for op in ops:
            _apply_op(target, op)


def run_of(document: Document, log: Log) -> Run:
    """The run that a snapshot describes.

    Raises:
        ValueError: the document is not a run (pydantic's ValidationError is one).
    """
    state = document["state"]
    if not isinstance(state, dict):
        raise ValueError("state is not an object")
    nodes, order = state.get("nodes", {}), state.get("nodeOrder", [])
    if not isinstance(nodes, dict) or not isinstance(order, list):
        raise ValueError("nodes is not an object or nodeOrder not a list")
    ordered = {str(node_id): nodes[str(node_id)] for node_id in order}
    fields = {name: value for name, value in state.items() if name not in ("nodes", "nodeOrder")}
    return Run(
        state=RunState.model_validate({**fields, "nodes": ordered}),
        refs=Refs.model_validate(document["refs"]),
        plan=Plan.model_validate(document["plan"]),
        log=log,
    )


def advance(run: Run, patch: Mapping[str, Iterable[Op]], log: Log) -> Run:
    """Carry a patch out on a run, at the cost of what it touches and not of the whole run."""
    touched = _touched_nodes(patch.get("state", ()))
    state = to_document(run.state.model_copy(update={"nodes": {}}))
    state["nodes"] = {i: to_document(run.state.nodes[i]) for i in touched if i in run.state.nodes}
    state["nodeOrder"] = list(run.state.nodes)
    document: Document = {"state": state, "refs": {}, "plan": {}}
    if "refs" in patch:
        document["refs"] = to_document(run.refs)
    if "plan" in patch:
        document["plan"] = to_document(run.plan)
    apply(document, patch)
    nodes, order = state["nodes"], state["nodeOrder"]
    if not isinstance(nodes, dict) or not isinstance(order, list):
        raise ValueError("nodes is not an object or nodeOrder not a list")
    changed = {node_id: NodeState.model_validate(node) for node_id, node in nodes.items()}
    fields = {name: value for name, value in state.items() if name not in ("nodes", "nodeOrder")}
    bare = RunState.model_validate({**fields, "nodes": {}})
    every = {**run.state.nodes, **changed}
    return Run.model_construct(
        state=bare.model_copy(update={"nodes": {str(i): every[str(i)] for i in order}}),
        refs=Refs.model_validate(document["refs"]) if "refs" in patch else run.refs,
        plan=Plan.model_validate(document["plan"]) if "plan" in patch else run.plan,
        log=log,
    )


def _touched_nodes(ops: Iterable[Op]) -> set[str]:
    paths = (op[1] for op in ops)
    return {str(path[1]) for path in paths if isinstance(path, list) and len(path) > 1 and path[0] == "nodes"}


def _alias(record: type[BaseModel], name: str) -> str:
    return record.model_fields[name].alias or name


def _diff_record(old: R, new: R) -> list[Op]:
    if old is new:
        return []
    ops: list[Op] = []
    keyed = _KEYED.get(type(old), frozenset())
    for name in type(old).model_fields:
        before, after = getattr(old, name), getattr(new, name)
        if before is after:
            continue
        if name in keyed:
            ops += _diff_map([_alias(type(old), name)], before, after)
        elif before != after:
            ops.append(_field_op([], new, name))
    if isinstance(old, RunState) and isinstance(new, RunState) and list(old.nodes) != list(new.nodes):
        ops.append(["set", ["nodeOrder"], list(new.nodes)])
    return ops


def _diff_map(path: list[Json], before: Mapping[str, object], after: Mapping[str, object]) -> list[Op]:
    ops: list[Op] = [["del", [*path, key]] for key in before if key not in after]
    for key, value in after.items():
        known = before.get(key)
        if known is value:
            continue
        if isinstance(known, NodeState) and isinstance(value, NodeState):
            ops += _diff_node([*path, key], known, value)
        elif known != value:
            ops.append(["set", [*path, key], to_document(value) if isinstance(value, BaseModel) else _plain(value)])
    return ops


def _diff_node(path: list[Json], old: NodeState, new: NodeState) -> list[Op]:
    return [
        _field_op(path, new, name)
        for name in NodeState.model_fields
        if getattr(old, name) is not getattr(new, name) and getattr(old, name) != getattr(new, name)
    ]


def _field_op(path: list[Json], record: BaseModel, name: str) -> Op:
    """Set one field to what it is now, or take it out where it is empty."""
    field = type(record).model_fields[name]
    where: list[Json] = [*path, field.alias or name]
    value = getattr(record, name)
    if not field.is_required() and value == field.get_default(call_default_factory=True):
        return ["del", where]
    document = record.model_dump(mode="json", by_alias=True, exclude_defaults=True, include={name})
    return ["set", where, document[field.alias or name]]


def _plain(value: object) -> Json:
    if isinstance(value, str | bool | int | float) or value is None:
        return value
    raise TypeError(f"a map holds {type(value).__name__}; only records and plain values are kept")


def _apply_op(target: dict[str, Json], op: Op) -> None:
    verb, path = op[0], op[1]
    if not isinstance(path, list) or not path:
        raise ValueError("an operation without a path")
    *parents, last = (str(step) for step in path)
    for step in parents:
        inner = target.get(step)
        if inner is None and verb == "del":
            return
        if inner is None:
            inner = target[step] = {}
        if not isinstance(inner, dict):
            raise ValueError(f"{step!r} in the path of an operation is not an object")
        target = inner
    if verb == "set":
        target[last] = op[2]
    elif verb == "del":
        target.pop(last, None)
    else:
        raise ValueError(f"{verb!r} is no operation; a patch has set and del")
