"""The kinds of field that only requests about tasks have."""

from typing import Annotated, Final

from pydantic import AfterValidator, ValidationInfo

from ..core.names import shown
from ..errors import LimitExceeded

NAME_MAX: Final = 200
GROUP_MAX: Final = 128
ATTEMPTS_MAX: Final = 100
TASKS_MAX: Final = 500


def _line(limit: int, value: str, info: ValidationInfo) -> str:
    name = info.field_name or "the value"
    text = shown(value, len(value))
    if not text:
        raise ValueError(f"{name} is empty")
    if len(text) > limit:
        raise LimitExceeded(name, limit=limit, size=len(text), unit="characters", hint="put the rest into description")
    return text


def _within(lowest: int, highest: int, value: int, info: ValidationInfo) -> int:
    if lowest <= value <= highest:
        return value
    raise ValueError(f"{info.field_name} is {value}; it must be {lowest} to {highest}")


def _name(value: str, info: ValidationInfo) -> str:
    return _line(NAME_MAX, value, info)


def _group(value: str, info: ValidationInfo) -> str:
    return _line(GROUP_MAX, value, info)


def _attempts(value: int, info: ValidationInfo) -> int:
    return _within(1, ATTEMPTS_MAX, value, info)


def _limit(value: int, info: ValidationInfo) -> int:
    return _within(1, TASKS_MAX, value, info)


TaskName = Annotated[str, AfterValidator(_name)]
"""What a task is called, on one line."""

Group = Annotated[str, AfterValidator(_group)]
"""What tasks that belong together have in common."""

Attempts = Annotated[int, AfterValidator(_attempts)]
"""How often a task is tried without anybody asking."""

TaskLimit = Annotated[int, AfterValidator(_limit)]
"""Rows of a page of the ledger."""
