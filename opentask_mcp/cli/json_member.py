"""Setting one member of somebody else's JSON file, keeping every other byte as it is.

Parsing and printing the file anew would lose its indentation, its key order's blank lines and its
number forms, and show up as a change of the whole file in the diff of a project.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_DECODER: Final = json.JSONDecoder()


class NotPlainJson(ValueError):
    """The text is no JSON object, or has comments; the message says where."""


@dataclass(frozen=True)
class _Object:
    """Where an object lies: behind its brace, its members, its closing brace."""

    begin: int
    members: tuple[tuple[str, int, int, int], ...]
    """Name; offsets of the name, of the value and behind the value."""
    end: int


def with_member(text: str, path: Sequence[str], value: Any) -> str:
    """The text with the member at a path set; objects on the way are made where they are missing.

    Raises:
        NotPlainJson: the text, or what stands on the way, is not an object.
    """
    if not text.strip():
        return json.dumps(_nested(path, value), indent=2, ensure_ascii=False) + "\n"
    try:
        whole = json.loads(text)
    except ValueError as fault:
        raise NotPlainJson(str(fault)) from None
    at, begin, end, inside = 0, _skip(text, 0), len(text), whole
    for place, name in enumerate(path):
        if not isinstance(inside, dict):
            raise NotPlainJson(f"{'.'.join(path[:place]) or 'the file'} is not an object")
        lying = _lying(text, begin)
        found = [member for member in lying.members if member[0] == name]
        if not found:
            return _added(text, lying, name, _nested(path[place + 1 :], value))
        # Where a name stands twice, readers take the last.
        _, at, begin, end = found[-1]
        inside = inside[name]
    if inside == value:
        return text
    return text[:begin] + _printed(value, _indent(text, at), _step(text)) + text[end:]


def _nested(path: Sequence[str], value: Any) -> Any:
    for name in reversed(path):
        value = {name: value}
    return value


def _lying(text: str, begin: int) -> _Object:
    at = _skip(text, begin + 1)
    members: list[tuple[str, int, int, int]] = []
    while text[at] == '"':
        name, behind = _DECODER.raw_decode(text, at)
        value_at = _skip(text, _skip(text, behind) + 1)
        _, value_end = _DECODER.raw_decode(text, value_at)
        members.append((name, at, value_at, value_end))
        at = _skip(text, value_end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return _Object(begin + 1, tuple(members), at)


def _added(text: str, lying: _Object, name: str, value: Any) -> str:
    if not lying.members and _step(text):
        outer, step = _indent(text, lying.begin), _step(text)
        member = f"{json.dumps(name, ensure_ascii=False)}: {_printed(value, outer + step, step)}"
        return f"{text[: lying.begin]}\n{outer}{step}{member}\n{outer}{text[lying.end :]}"
    if not lying.members:
        return f"{text[: lying.begin]}{json.dumps(name)}: {_printed(value, '', '')}{text[lying.end :]}"
    before = text[lying.begin : lying.members[0][1]]
    behind = lying.members[-1][3]
    if "\n" not in before:
        return f"{text[:behind]}, {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}{text[behind:]}"
    indent = before.rpartition("\n")[2]
    member = f"{json.dumps(name, ensure_ascii=False)}: {_printed(value, indent, _step(text))}"
    return f"{text[:behind]},\n{indent}{member}{text[behind:]}"


def _printed(value: Any, indent: str, step: str) -> str:
    if not step:
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(value, indent=step, ensure_ascii=False).replace("\n", f"\n{indent}")


def _indent(text: str, at: int) -> str:
    """The white space that the line of an offset begins with."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip())]


def _step(text: str) -> str:
    """One level of indentation as the file has it; empty where all of it is one line."""
    found = re.search(r"\n([ \t]+)", text)
    return found[1] if found else "  " if "\n" in text.strip() or text.strip() == "{}" else ""


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()
