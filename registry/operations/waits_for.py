"""What a caller may wait for: `wait_for` of finish_node and of a node's own event.

Accepted are an object or the bare type. Times come out in the one form that the core compares.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Final, get_args

from pydantic import BeforeValidator, WithJsonSchema

from ..core.names import iso, moment, nearest, shown
from ..core.workflow import WaitFor, WaitType
from .paths import path_fault

WAIT_S_MAX: Final = 10 * 366 * 86_400
_TYPES: Final[tuple[WaitType, ...]] = get_args(WaitType)
_KEYS: Final[Mapping[WaitType, tuple[str, ...]]] = {
    "manual": (),
    "next_tick": (),
    "file_exists": ("path",),
    "until": ("at", "seconds"),
    "event": ("event",),
}
_EXAMPLE: Final = 'for example {"type": "until", "seconds": 600}'


def wait_for(value: object) -> WaitFor:
    """A wait from what a caller sent.

    Raises:
        ValueError: with one sentence saying what a wait is.
    """
    given = {"type": value} if isinstance(value, str) else value
    if isinstance(value, WaitFor):
        return value
    if not isinstance(given, Mapping):
        raise ValueError(f"wait_for must be an object or a type's name; {_EXAMPLE}")
    kind = given.get("type", "manual")
    known = next((name for name in _TYPES if name == kind), None)
    if known is None:
        raise ValueError(
            f"wait_for.type is {shown(repr(kind), 40)}; it must be {', '.join(_TYPES[:-1])} or {_TYPES[-1]}"
        )
    keys = _KEYS[known]
    for name in given:
        if name != "type" and name not in keys:
            near = nearest(str(name), keys)
            raise ValueError(
                f"wait_for of type {known} has no key {shown(str(name))!r}"
                + (f"; did you mean {near!r}?" if near else "")
            )
    if keys and not any(given.get(name) is not None for name in keys):
        raise ValueError(f"wait_for of type {known} needs {' or '.join(keys)}")
    return WaitFor(
        type=known,
        path=_path(given.get("path")),
        at=_at(given.get("at")),
        seconds=_seconds(given.get("seconds")),
        event=_event(given.get("event")),
    )


def _path(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value or (fault := path_fault(value)):
        reason = fault if isinstance(value, str) and value else "it must be a path relative to the run's folder"
        raise ValueError(f"wait_for.path is {shown(repr(value), 40)}; {reason}")
    return value


def _at(value: object) -> str | None:
    if value is None:
        return None
    try:
        return iso(moment(value if isinstance(value, str) else ""))
    except ValueError:
        raise ValueError(
            f"wait_for.at is {shown(repr(value), 40)}; it must be ISO 8601 with an offset, "
            "such as 2026-01-31T09:00:00+00:00"
        ) from None


def _seconds(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"wait_for.seconds is {shown(repr(value), 40)}; it must be a number")
    if not 0 <= value <= WAIT_S_MAX:
        raise ValueError(f"wait_for.seconds is {value}; it must be 0 to {WAIT_S_MAX:,}")
    return float(value)


def _event(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise ValueError("wait_for.event must be the name of an event")
    return value.strip()


WaitForField = Annotated[WaitFor, BeforeValidator(wait_for), WithJsonSchema({"type": "object"})]
