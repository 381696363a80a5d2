"""What a caller may wait for: `wait_for` of finish_node, and the wait that node.waiting tells.

Accepted are an object or the bare type. Times come out in the one form that the core compares.
"""

from collections.abc import Mapping
from typing import Annotated, Final, get_args

from pydantic import BeforeValidator, ValidationError, WithJsonSchema

from ..core.names import nearest, shown
from ..core.wait_rules import settled, wait_faults
from ..core.workflow import WaitFor, WaitType

_TYPES: Final[tuple[WaitType, ...]] = get_args(WaitType)
_KEYS: Final = tuple(WaitFor.model_fields)


def wait_for(value: object) -> WaitFor:
    """A wait from what a caller sent.

    Raises:
        ValueError: with everything that is wrong in one sentence.
    """
    if isinstance(value, WaitFor):
        return value
    given = {"type": value} if isinstance(value, str) else value
    if not isinstance(given, Mapping):
        raise ValueError(
            'wait_for must be an object or the name of a type; for example {"type": "until", "seconds": 600}'
        )
    faults = []
    kind = given.get("type", "manual")
    if kind not in _TYPES:
        faults.append(f"wait_for.type is {shown(repr(kind), 40)}; it must be {', '.join(_TYPES[:-1])} or {_TYPES[-1]}")
    for name in given:
        if name not in _KEYS:
            near = nearest(str(name), _KEYS)
            faults.append(f"wait_for has no key {shown(str(name))!r}" + (f"; did you mean {near!r}?" if near else ""))
    if not faults:
        try:
            wait = WaitFor.model_validate(given)
        except ValidationError as error:
            faults = [
                f"wait_for.{fault['loc'][0]} is {shown(repr(fault['input']), 40)}: {fault['msg'].lower()}"
                for fault in error.errors(include_url=False)
            ]
        else:
            faults = [_in_our_case(message) for _, message, _ in wait_faults(wait)]
    if faults:
        raise ValueError("; ".join(faults))
    return settled(wait)


def _in_our_case(message: str) -> str:
    """The rules are worded for workflow files, where the key is waitFor."""
    return message.replace("waitFor", "wait_for")


WaitForField = Annotated[WaitFor, BeforeValidator(wait_for), WithJsonSchema({"type": "object"})]
