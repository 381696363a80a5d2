"""The one renaming between answers (snake_case) and what scripts and screens read (camelCase).

Only our own keys are renamed. A caller's own objects come back as they were given, keys and all.
"""

import re
from collections.abc import Mapping
from typing import Final

from ..core.record import Json

OPAQUE: Final = frozenset(
    {
        "args", "inputs", "params", "state", "wait", "payload", "result", "patch", "metadata",
        "delivery_context", "requester_origin", "details", "value", "by_status", "by_runtime",
    }
)  # fmt: skip
"""Keys (snake_case) whose value, where it is an object, belongs to somebody else."""


def camelize(answer: Json) -> Json:
    """An answer with the key names of disk and REST."""
    if isinstance(answer, Mapping):
        return {_camel(key): value if _is_opaque(key, value) else camelize(value) for key, value in answer.items()}
    if isinstance(answer, list):
        return [camelize(value) for value in answer]
    return answer


def snakeize(document: Json) -> Json:
    """What `camelize` made, with the key names of requests and answers again."""
    if isinstance(document, Mapping):
        named = [(_snake(key), value) for key, value in document.items()]
        return {key: value if _is_opaque(key, value) else snakeize(value) for key, value in named}
    if isinstance(document, list):
        return [snakeize(value) for value in document]
    return document


def _is_opaque(key: str, value: Json) -> bool:
    """`inputs` is also the name of our own list of rows, whose keys are ours."""
    return key in OPAQUE and not (key == "inputs" and isinstance(value, list))


def _camel(key: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), key)


def _snake(key: str) -> str:
    return re.sub(r"[A-Z]", lambda found: "_" + found[0].lower(), key)
