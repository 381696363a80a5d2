"""From a caller's arguments to a request, or one refusal that names every fault.

Models send nulls for what they leave out, one string where a list is meant, and placeholders
they forgot to replace. The first two mean what they say; the third is refused.
"""

import re
from collections.abc import Mapping
from typing import Final, TypeVar, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, to_json

from ..core.limits import REQUEST_BYTES_MAX
from ..core.names import nearest, shown
from ..core.record import Json
from ..errors import InvalidRequest, LimitExceeded, NextCall
from .table import Operation, Request, Result

Q = TypeVar("Q", bound=Request)
A = TypeVar("A", bound=Result)

_PLACEHOLDER: Final = re.compile(r"<[^<>\n]{1,60}>")
_TYPES: Final = {
    "string_type": "a string",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "an object",
    "list_type": "a list",
    "tuple_type": "a list",
    "model_type": "an object",
    "model_attributes_type": "an object",
}


def parse_request(operation: Operation[Q, A], arguments: Mapping[str, object]) -> Q:
    """The request that the arguments make.

    Raises:
        InvalidRequest: unknown, missing or wrong arguments; all of them in one message.
        LimitExceeded: the arguments are larger than a request may be.
    """
    size = len(to_json(dict(arguments), serialize_unknown=True, inf_nan_mode="constants"))
    if size > REQUEST_BYTES_MAX:
        raise LimitExceeded(f"the request to {operation.name}", limit=REQUEST_BYTES_MAX, size=size)
    fields = operation.request.model_fields
    faults = [_unknown(operation.name, name, fields) for name in arguments if name not in fields]
    given = {
        name: _as_meant(value, fields[name])
        for name, value in arguments.items()
        if name in fields and (value is not None or _takes_null(fields[name]))
    }
    faults += [
        f"{name} is still the placeholder {value!r}; {_where_from(name)}"
        for name, value in given.items()
        if isinstance(value, str) and _PLACEHOLDER.fullmatch(value)
    ]
    try:
        request = operation.request.model_validate(given)
    except ValidationError as error:
        faults += [_worded(detail, operation.name) for detail in error.errors(include_url=False)]
    if faults:
        raise _refusal(operation, fields, faults, arguments)
    return request


def _refusal(
    operation: Operation[Q, A], fields: Mapping[str, FieldInfo], faults: list[str], arguments: Mapping[str, object]
) -> InvalidRequest:
    takes = ", ".join(f"{name}*" if field.is_required() else name for name, field in fields.items())
    faults = list(dict.fromkeys(faults))
    return InvalidRequest(
        "; ".join(faults),
        hint=f"{operation.name} takes: {takes}" + (" (* required)" if "*" in takes else ""),
        next=(NextCall(operation.name, _mended(operation, arguments)),),
        faults=list(faults),
    )


def _mended(operation: Operation[Q, A], arguments: Mapping[str, object]) -> dict[str, Json]:
    """The caller's call as it probably was meant; what stays unknown is a placeholder."""
    fields = operation.request.model_fields
    mended: dict[str, Json] = {}
    for name, value in arguments.items():
        known = name if name in fields else nearest(name, fields)
        if known and isinstance(value, str | int | float | bool) and len(str(value)) <= 80:
            mended[known] = value
    for name, field in fields.items():
        if field.is_required() and name not in mended:
            mended[name] = f"<{name}>"
    return mended


def _unknown(operation: str, name: str, fields: Mapping[str, FieldInfo]) -> str:
    near = nearest(name, fields) or next((field for field in fields if field.startswith(name)), None)
    return f"{operation} has no argument {shown(name)!r}" + (f"; did you mean {near!r}?" if near else "")


def _takes_null(field: FieldInfo) -> bool:
    return bool(isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("nullable"))


def _as_meant(value: object, field: FieldInfo) -> object:
    """A single string where a list of strings is asked is a list of one."""
    if isinstance(value, str) and _is_list(field.annotation):
        return (value,)
    return value


def _is_list(annotation: object) -> bool:
    if get_origin(annotation) in (tuple, list):
        return True
    members = [member for member in get_args(annotation) if member is not type(None)]
    return bool(members) and get_origin(members[0]) in (tuple, list) and str not in members


def _where_from(name: str) -> str:
    return "use the value from claim_node" if name == "fence" else "put the real value in its place"


def _worded(detail: ErrorDetails, operation: str) -> str:
    place = ".".join(str(step) for step in detail["loc"] if not str(step).startswith(("function-", "tuple[", "list[")))
    kind, given = detail["type"], detail["input"]
    if kind == "missing":
        return f"{operation} needs {place}"
    if kind == "extra_forbidden":
        return f"{place} is not a known key"
    if kind == "literal_error":
        return f"{place} is {shown(repr(given))}; it must be {_listed(str(detail['ctx']['expected']))}"
    if kind in _TYPES:
        return f"{place} is {_kind_of(given)}; it must be {_TYPES[kind]}"
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    return f"{place} is {shown(repr(given))}: {detail['msg'][:1].lower()}{detail['msg'][1:]}"


def _listed(expected: str) -> str:
    return expected.replace("'", "")


def _kind_of(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return f"the string {shown(repr(value), 40)}"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    return f"the number {value}" if isinstance(value, int | float) else "null"
