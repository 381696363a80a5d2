"""From a caller's arguments to a request, or one refusal that names every fault.

Models send nulls for what they leave out, one string where a list is meant, and placeholders
they forgot to replace. The first two mean what they say; the third is refused.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Final, Literal, NamedTuple, TypeVar, Union, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import ErrorDetails, PydanticSerializationError, from_json, to_json

from ..core.limits import NESTING_MAX, REQUEST_BYTES_MAX
from ..core.names import shown
from ..core.record import Json, is_shallow
from ..core.wording import worded
from ..errors import InvalidRequest, LimitExceeded, NextCall
from .guesses import meant_field, meant_value
from .table import Operation, Request, Result

Q = TypeVar("Q", bound=Request)
A = TypeVar("A", bound=Result)

FAULTS_SHOWN: Final = 12
ECHO_MAX: Final = 80
_LEFT_OUT: Final = cast(type, SkipJsonSchema)  # type checkers are shown a generic alias in its place
_PLACEHOLDER: Final = re.compile(r"<[^<>\n]{1,60}>")
_TASK_ID: Final = re.compile(r"(?P<run_id>[A-Za-z0-9][A-Za-z0-9._-]*):(?P<node_id>[A-Za-z0-9][A-Za-z0-9._-]*)")


def parse_request(operation: Operation[Q, A], arguments: Mapping[str, object]) -> Q:
    """The request that the arguments make.

    Raises:
        InvalidRequest: unknown, missing or wrong arguments; all of them in one message.
        LimitExceeded: the arguments are larger than a request may be.
    """
    size = len(_as_json(operation.name, arguments))
    if size > REQUEST_BYTES_MAX:
        raise LimitExceeded(f"the request to {operation.name}", limit=REQUEST_BYTES_MAX, size=size)
    taken = _taken(operation.request)
    given: dict[str, object] = {}
    unknown: list[str] = []
    left_open: dict[str, str] = {}
    for name, value in arguments.items():
        if name not in taken:
            unknown.append(name)
        elif value is not None or taken[name].null:
            given[name] = meant = _as_meant(value, taken[name])
            if fault := _left_open(name, meant):
                left_open[name] = fault
    details: list[ErrorDetails] = []
    try:
        request = operation.request.model_validate(given)
        if not unknown and not left_open:
            return request
    except ValidationError as error:
        details = error.errors(include_url=False)
    fields = operation.request.model_fields
    faults = {name: _unknown(operation.name, name, fields) for name in unknown} | left_open
    # A missing argument that was sent under another name is one mistake, not two.
    sent = {meant_field(name, fields) for name in unknown}
    mended: dict[str, Json] = {}
    for detail in details:
        name = str(detail["loc"][0]) if detail["loc"] else ""
        if detail["type"] == "missing" and name in sent:
            continue
        if name not in faults:
            faults[f"{name} {len(faults)}"] = worded(detail, operation.name)
        mended |= _mended_value(name, detail)
    raise _refusal(operation, faults.values(), arguments, mended)


def _as_json(operation: str, arguments: Mapping[str, object]) -> bytes:
    for name, value in arguments.items():
        if not isinstance(value, str) and not is_shallow(value):
            raise InvalidRequest(
                f"{shown(name)} of {operation} is nested more than {NESTING_MAX} deep",
                hint="write what is so deep into a file of the node",
            )
    try:
        return to_json(dict(arguments), serialize_unknown=True, inf_nan_mode="constants")
    except ValueError:
        for name, value in arguments.items():
            _require_json(operation, name, value)
        raise


def _require_json(operation: str, name: str, value: object) -> None:
    try:
        to_json(value, serialize_unknown=True, inf_nan_mode="constants")
    except PydanticSerializationError:
        raise InvalidRequest(
            f"{shown(name)} of {operation} holds half a character (a lone surrogate), which no file can hold",
            hint="send the text again with whole characters",
        ) from None
    except ValueError as fault:
        raise InvalidRequest(f"{shown(name)} of {operation} is nested too deep: {fault}") from None


def _refusal(
    operation: Operation[Q, A],
    faults: Iterable[str],
    arguments: Mapping[str, object],
    mended: Mapping[str, Json],
) -> InvalidRequest:
    fields = operation.request.model_fields
    told = {name: field for name, field in fields.items() if not _is_for_scripts(field)}
    takes = ", ".join(f"{name}*" if field.is_required() else name for name, field in told.items())
    said = list(dict.fromkeys(faults))
    return InvalidRequest(
        "; ".join(said[:FAULTS_SHOWN]) + (f"; and {len(said) - FAULTS_SHOWN} more" if len(said) > FAULTS_SHOWN else ""),
        hint=f"{operation.name} takes: {takes}" + (" (* required)" if "*" in takes else ""),
        next=(NextCall(operation.name, _mended(fields, arguments, mended)),),
        faults=list(said[:FAULTS_SHOWN]),
    )


def _mended(
    fields: Mapping[str, FieldInfo], arguments: Mapping[str, object], mended: Mapping[str, Json]
) -> dict[str, Json]:
    """The caller's call as it probably was meant; what stays unknown is a placeholder."""
    call: dict[str, Json] = {}
    for name, value in arguments.items():
        known = name if name in fields else meant_field(name, fields)
        if known is None or value is None or (known != name and known in arguments):
            continue
        call[known] = mended.get(known) or _allowed(known, _repeated(known, value), fields[known])
    call |= {name: value for name, value in mended.items() if name in fields and name not in call}
    call |= {name: f"<{name}>" for name, field in fields.items() if field.is_required() and name not in call}
    return call


def _allowed(name: str, value: Json, field: FieldInfo) -> Json:
    """The value, or the word it stands for where the field takes only some words."""
    words = [word for arm in _arms(field.annotation) if get_origin(arm) is Literal for word in get_args(arm)]
    return value if not words or value in words else meant_value(value, words) or f"<{name}>"


def _repeated(name: str, value: object) -> Json:
    """A value of the caller, said again where it is short."""
    said = to_json(value, serialize_unknown=True)
    return from_json(said) if len(said) <= ECHO_MAX and not _left_open(name, value) else f"<{name}>"


def _mended_value(name: str, detail: ErrorDetails) -> dict[str, Json]:
    """What the argument, and perhaps another, probably was meant to be."""
    if detail["type"] == "literal_error" and len(detail["loc"]) == 1:
        words = re.findall(r"'([^']*)'", str(detail["ctx"]["expected"]))
        return {name: meant_value(detail["input"], words) or f"<{name}>"}
    task = _TASK_ID.fullmatch(str(detail["input"]))
    if detail["type"] == "value_error" and task is not None and name == "flow_id":
        return {"flow_id": task["run_id"]}
    if detail["type"] == "value_error" and task is not None and name in ("run_id", "node_id"):
        return {"run_id": task["run_id"], "node_id": task["node_id"]}
    return {name: f"<{name}>"}


def _unknown(operation: str, name: str, fields: Mapping[str, FieldInfo]) -> str:
    near = meant_field(name, fields)
    return f"{operation} has no argument {shown(name)!r}" + (f"; did you mean {near!r}?" if near else "")


def _left_open(name: str, value: object) -> str | None:
    """The fault of a value that is still a placeholder, or of a list or object with one."""
    if isinstance(value, str):
        parts: Iterable[object] = (value,)
    elif isinstance(value, Mapping):
        # A caller's own object may hold such a text; only its own key in brackets is surely one of ours.
        left = next((key for key, part in value.items() if _is_placeholder_of(key, part)), None)
        return None if left is None else f"{name}.{shown(left)} is still the placeholder; {_where_from(left)}"
    else:
        parts = value if isinstance(value, list | tuple) else ()
    for part in parts:
        if isinstance(part, str) and _PLACEHOLDER.fullmatch(part):
            return f"{name} is still the placeholder {part!r}; {_where_from(name)}"
    return None


def _is_placeholder_of(key: object, part: object) -> bool:
    """Whether it is `<key>`, or `<key: what belongs there>`."""
    return isinstance(part, str) and (part == f"<{key}>" or (part.startswith(f"<{key}: ") and part.endswith(">")))


def _is_for_scripts(field: FieldInfo) -> bool:
    """Whether the field stands in no schema, so that a model is not told of it."""
    return any(isinstance(mark, _LEFT_OUT) for mark in field.metadata)


def _takes_null(field: FieldInfo) -> bool:
    return bool(isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("nullable"))


def _as_meant(value: object, takes: "_Takes") -> object:
    """A string where a list is asked is a list of one; JSON in a string is what it says."""
    if not isinstance(value, str):
        return value
    if (takes.a_list and value.startswith("[")) or (takes.an_object and value.startswith("{")):
        try:
            said = from_json(value)
        except ValueError:
            said = None
        if isinstance(said, list if takes.a_list else dict):
            return said
    return (value,) if takes.a_list else value


class _Takes(NamedTuple):
    """What a field takes: a list and no string, an object, null with a meaning of its own."""

    a_list: bool
    an_object: bool
    null: bool


@cache
def _taken(request: type[BaseModel]) -> Mapping[str, _Takes]:
    return {name: _Takes(*_takes(field.annotation), _takes_null(field)) for name, field in request.model_fields.items()}


def _takes(annotation: object) -> tuple[bool, bool]:
    arms = _arms(annotation)
    takes_list = str not in arms and any(get_origin(arm) in (tuple, list) for arm in arms)
    takes_object = any(
        get_origin(arm) is dict or (isinstance(arm, type) and issubclass(arm, BaseModel)) for arm in arms
    )
    return takes_list, takes_object


def _arms(annotation: object) -> list[object]:
    """The types a field may have, without None and annotations."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _arms(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [arm for member in get_args(annotation) for arm in _arms(member)]
    return [] if annotation is type(None) else [annotation]


def _where_from(name: str) -> str:
    return "use the value from claim_node" if name == "fence" else "put the real value in its place"
