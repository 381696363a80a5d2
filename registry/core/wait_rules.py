"""What a `waitFor` must say: which keys belong to which type, and what they may hold."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Final, Literal

from .names import iso, moment, shown
from .paths import path_fault
from .placeholders import has_placeholder
from .workflow import WaitFor, WaitType

WAIT_S_MAX: Final = 10 * 366 * 86_400

WaitKey = Literal["path", "at", "seconds", "event"]
WAIT_KEYS: Final[Mapping[WaitType, tuple[WaitKey, ...]]] = {
    "manual": (),
    "next_tick": (),
    "file_exists": ("path",),
    "until": ("at", "seconds"),
    "event": ("event",),
}
"""The keys of a type; exactly one of them must be given."""

_ALL: Final[tuple[WaitKey, ...]] = ("path", "at", "seconds", "event")
_EVENT: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,127}")


def wait_faults(wait: WaitFor) -> Iterator[tuple[str, str, str]]:
    """Everything wrong with a wait as `(key, message, mend)`; the key is empty for the whole.

    What an input will still fill in is judged after filling.
    """
    given = [key for key in _ALL if getattr(wait, key) is not None]
    keys = WAIT_KEYS[wait.type]
    for key in given:
        if key not in keys:
            owner = next(kind for kind, belonging in WAIT_KEYS.items() if key in belonging)
            yield key, f"waitFor of type {wait.type} takes no {key}", f"write type: {owner}, or remove {key}"
    own = [key for key in given if key in keys]
    if keys and not own and not given:
        yield "", f"waitFor of type {wait.type} needs {' or '.join(keys)}", f"add {_EXAMPLES[wait.type]}"
    if len(own) > 1:
        yield own[1], f"waitFor has {' and '.join(own)}; one ends the wait", "keep one of them"
    yield from _value_faults(wait)


_EXAMPLES: Final[Mapping[WaitType, str]] = {
    "file_exists": "path: nodes/<id>/report.md",
    "until": "seconds: 600, or at: 2030-01-31T09:00:00+00:00",
    "event": "event: deploy.finished",
}


def _value_faults(wait: WaitFor) -> Iterator[tuple[str, str, str]]:
    if wait.path is not None and not has_placeholder(wait.path) and (wrong := path_fault(wait.path)):
        yield "path", f"waitFor.path is {shown(wait.path)!r}; {wrong}", "write for example nodes/<id>/report.md"
    if wait.seconds is not None and not (math.isfinite(wait.seconds) and 0 <= wait.seconds <= WAIT_S_MAX):
        yield "seconds", f"waitFor.seconds is {wait.seconds:g}; it must be 0 to {WAIT_S_MAX:,}", ""
    if wait.at is not None and not has_placeholder(wait.at) and _moment_of(wait.at) is None:
        yield (
            "at",
            f"waitFor.at is {shown(wait.at)!r}; it must be ISO 8601 with an offset",
            "write for example 2030-01-31T09:00:00+00:00",
        )
    if wait.event is not None and not has_placeholder(wait.event) and not _EVENT.fullmatch(wait.event):
        yield (
            "event",
            f"waitFor.event is {shown(wait.event)!r}, which no event can be called",
            "names are lower case with dots, such as deploy.finished",
        )


def settled(wait: WaitFor) -> WaitFor:
    """The wait with `at` in the one form that the core compares: UTC with its offset."""
    at = _moment_of(wait.at) if wait.at is not None else None
    return wait if at is None or at == wait.at else wait.model_copy(update={"at": at})


def _moment_of(text: str) -> str | None:
    try:
        return iso(moment(text))
    except (ValueError, OverflowError):
        return None
