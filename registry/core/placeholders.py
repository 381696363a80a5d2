"""`{{ inputs.name }}` in the texts of a workflow: found, and filled once.

Only braces that begin with `inputs.` are ours; any other double braces in a prompt belong to
whatever the prompt is about and stay as they are.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel

from .record import Json

INPUT_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
INPUT_NAME_RULE: Final = "letters, digits, '_' and '-', beginning with a letter or '_', at most 64"

_PLACEHOLDER: Final = re.compile(r"\{\{[ \t]*inputs\.([^{}\n]{0,200}?)[ \t]*\}\}")

NEVER_FILLED: Final = frozenset({"id", "kind", "needs", "when", "workflow_id", "inputs", "extras", "body"})
"""Fields that keep their braces: what names things, what has a way of its own to inputs, what is free."""


@dataclass(frozen=True)
class Placeholder:
    """One `{{ inputs.<name> }}`; `text` is all of it, braces included."""

    name: str
    text: str


def placeholders(text: str) -> Iterator[Placeholder]:
    """Every placeholder of a text in its order, also those whose name could be no input's."""
    if "{{" in text:
        for found in _PLACEHOLDER.finditer(text):
            yield Placeholder(found[1], found[0])


def has_placeholder(text: str) -> bool:
    """Whether a text only gets its final form when inputs are filled in."""
    return next(placeholders(text), None) is not None


def filled_text(text: str, inputs: Mapping[str, Json]) -> str:
    """The text with every input in its place; a value's own braces are not looked at again.

    Text stands as it is, true, false and numbers as in JSON, a list as its items with `, `
    between, null as nothing. A placeholder without an input of its name stays.
    """
    if "{{" not in text:
        return text
    return _PLACEHOLDER.sub(lambda found: _as_text(inputs[found[1]]) if found[1] in inputs else found[0], text)


def _as_text(value: Json) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(_as_text(item) for item in value)
    return repr(value)


Path = tuple[str | int, ...]


def fillable_texts(record: BaseModel, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text of a record that inputs are filled into, with its path in a workflow file's own keys."""
    for name, field in type(record).model_fields.items():
        if name not in NEVER_FILLED:
            yield from _texts(getattr(record, name, None), (*path, field.alias or name))


def _texts(value: object, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, BaseModel):
        yield from fillable_texts(value, path)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*path, key))


def map_texts(value: object, change: Callable[[str], str]) -> object:
    """A copy of a record or JSON value with every fillable text changed; the value itself when none was."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, BaseModel):
        changed = {
            name: new
            for name in type(value).model_fields
            if name not in NEVER_FILLED and (new := map_texts(old := getattr(value, name), change)) is not old
        }
        return value.model_copy(update=changed) if changed else value
    if isinstance(value, list | tuple):
        items = [map_texts(item, change) for item in value]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, dict):
        return {key: map_texts(item, change) for key, item in value.items()}
    return value
