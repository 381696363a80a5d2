"""Statuses as arguments: one or many, and a refusal that lists the right ones."""

from collections.abc import Iterable
from typing import Final

from ..core.names import nearest, shown
from ..core.record import Json

ONE_OR_MORE: Final[dict[str, Json]] = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
"""The schema of a list that may be sent as a single string."""


def require_known(given: tuple[str, ...], known: Iterable[str], *, rule: str) -> tuple[str, ...]:
    """The same statuses.

    Args:
        rule: What a status may be, as the end of the refusal.

    Raises:
        ValueError: one of them is unknown.
    """
    words = list(known)
    for status in given:
        if status not in words:
            near = nearest(status, words)
            raise ValueError(f"status is {shown(status)!r}; " + (f"did you mean {near!r}? " if near else "") + rule)
    return given
