"""What pydantic finds wrong in an argument, in our words."""

from collections.abc import Mapping
from typing import Final

from pydantic_core import ErrorDetails

from .names import shown

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


def worded(detail: ErrorDetails, operation: str) -> str:
    """One fault that pydantic found, in our words; `operation` is what lacks a missing part."""
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
