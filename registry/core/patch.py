"""The difference between two runs as data, and the fold of such differences.

A patch is `{state: ops, refs: ops, plan: ops}` with `["set", [path], value]` and
`["del", [path]]` in order, in the names of the disk. Nodes are addressed by id, their order is
the list `nodeOrder` set whole, and so is every bag. Applying a patch twice is applying it once.
Because a patch is generic there is one function for all events, and replay needs no old rules.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import compress
from operator import is_not, itemgetter
from typing import Final, TypeVar, cast

from pydantic import BaseModel
from pydantic_core import to_json

from .flow import Flow
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
        "state": _diff_state(old.state, new.state),
        "refs": _diff_record([], old.refs, new.refs),
        "plan": _diff_record([], old.plan, new.plan),
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
        whole = document.get(part)
        if not isinstance(whole, dict):
            raise ValueError(f"a patch names the part {part!r}, which a run does not have")
        for op in ops:
            verb, path = op[0], op[1]
            if not isinstance(path, list) or not path:
                raise ValueError("an operation without a path")
            target = whole if len(path) == 1 else _inner(whole, path, make=verb != "del")
            if verb == "set":
                target[str(path[-1])] = op[2]
            elif verb == "del":
                target.pop(str(path[-1]), None)
            else:
                raise ValueError(f"{verb!r} is no operation; a patch has set and del")


def _inner(whole: Document, path: list[Json], *, make: bool) -> Document:
    """The object that holds the last step of a path; an empty one where there is none and none is to be made."""
    target = whole
    for step in map(str, path[:-1]):
        inner = target.get(step)
        if inner is None:
            inner = {}
            if not make:
                return inner
            target[step] = inner
        if not isinstance(inner, dict):
            raise ValueError(f"{step!r} in the path of an operation is not an object")
        target = inner
    return target


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
        plan=_in_order(Plan.model_validate(document["plan"]), ordered),
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
        plan=_in_order(Plan.model_validate(document["plan"]), order) if "plan" in patch else run.plan,
        log=log,
    )


def _in_order(plan: Plan, order: Iterable[Json]) -> Plan:
    """The plan with its nodes in the order of the state's: a patch does not say where a node was put in."""
    known = {str(node_id): plan.nodes[str(node_id)] for node_id in order if str(node_id) in plan.nodes}
    return plan.model_copy(update={"nodes": {**known, **plan.nodes}})


def _touched_nodes(ops: Iterable[Op]) -> set[str]:
    paths = (op[1] for op in ops)
    return {str(path[1]) for path in paths if isinstance(path, list) and len(path) > 1 and path[0] == "nodes"}


@dataclass(frozen=True)
class _Field:
    """What a difference must know of a record's field."""

    name: str
    alias: str
    is_required: bool
    empty: object
    is_keyed: bool


@cache
def _fields(record: type[BaseModel]) -> tuple[tuple[_Field, ...], Callable[[dict[str, object]], tuple[object, ...]]]:
    """The fields of a record, and what takes their values from its `__dict__` in one go, in the same order."""
    keyed = _KEYED.get(record, frozenset())
    fields = tuple(
        _Field(
            name=name,
            alias=field.alias or name,
            is_required=field.is_required(),
            empty=None if field.is_required() else field.get_default(call_default_factory=True),
            is_keyed=name in keyed,
        )
        for name, field in record.model_fields.items()
    )
    return fields, itemgetter(*record.model_fields)


def _diff_record(path: list[Json], old: R, new: R) -> list[Op]:
    if old is new:
        return []
    ops: list[Op] = []
    fields, values = _fields(type(old))
    before, after = values(old.__dict__), values(new.__dict__)
    # Most fields are the very objects they were: there are dozens, and a change touches a few.
    for field, was, now in compress(zip(fields, before, after, strict=True), map(is_not, before, after)):
        where: list[Json] = [*path, field.alias]
        if field.is_keyed and isinstance(was, Mapping) and isinstance(now, Mapping):
            ops += _diff_map(where, was, now)
        elif isinstance(was, Flow) and isinstance(now, Flow):
            # Field by field: a controller's state may be large and is not written anew with each step.
            ops += _diff_record(where, was, now)
        elif not _is_same(was, now):
            ops.append(_field_op(where, new, field, now))
    return ops


def _diff_state(old: RunState, new: RunState) -> list[Op]:
    ops = _diff_record([], old, new)
    nodes, former = new.nodes, old.nodes
    if nodes is not former and (order := list(nodes)) != list(former):
        ops.append(["set", ["nodeOrder"], cast(Json, order)])
    return ops


def _diff_map(path: list[Json], before: Mapping[str, object], after: Mapping[str, object]) -> list[Op]:
    ops: list[Op] = [["del", [*path, key]] for key in before if key not in after]
    for key, value in after.items():
        known = before.get(key)
        if known is value:
            continue
        if isinstance(known, NodeState) and isinstance(value, NodeState):
            ops += _diff_record([*path, key], known, value)
        elif known != value:
            ops.append(["set", [*path, key], _written(value)])
    return ops


def _is_same(was: object, now: object) -> bool:
    """Whether two values are written alike. For Python 1, 1.0 and True are equal; for others they are not."""
    if was != now or type(was) is not type(now):
        return False
    return not isinstance(now, (dict, list, float)) or to_json(was) == to_json(now)


def _field_op(where: list[Json], record: BaseModel, field: _Field, value: object) -> Op:
    """Set one field to what it is now, or take it out where it is empty."""
    if not field.is_required and type(value) is type(field.empty) and value == field.empty:
        return ["del", where]
    if isinstance(value, (str, int, float)):
        return ["set", where, value]
    if isinstance(value, BaseModel):
        return ["set", where, to_document(value)]
    if isinstance(value, tuple):
        return ["set", where, [_written(one) for one in value]]
    document = record.model_dump(mode="json", by_alias=True, exclude_defaults=True, include={field.name})
    return ["set", where, document[field.alias]]


def _written(value: object) -> Json:
    """What stands in a map or a list, as it is on disk."""
    if isinstance(value, BaseModel):
        return to_document(value)
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise TypeError(f"a map or a list holds {type(value).__name__}; only records and plain values are kept")
