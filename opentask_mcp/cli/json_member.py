"""Setting one member of somebody else's JSON file, keeping every other byte as it is.

Parsing and printing the file anew would lose its comments, its indentation, its blank lines and its
number forms, and show up as a change of the whole file in the diff of a project.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from .json5_text import NotReadable, Part, parts_of

Step = str | int
"""A member's name, or the place of a list's item."""


def with_member(text: str, path: Sequence[Step], value: JsonValue) -> str:
    """The text with the value at a path set; what is missing on the way is made.

    A place that is the length of its list adds an item.

    Raises:
        NotReadable: the text is no JSON, or what stands on the way can have no such member.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    if not text.strip("\ufeff \t\r\n"):
        return text.rstrip(" \t\r\n") + _printed(_nested(path, value), _Form("", "  ", newline)) + newline
    part = parts_of(text)
    at = part.begin
    for place, step in enumerate(path):
        inside = _inside(part, step, path[:place])
        if inside is None:
            return _added(text, part, step, _nested(path[place + 1 :], value), newline)
        at, part = inside
    if part.value == value and type(part.value) is type(value):
        return text
    form = _Form(_indent(text, at), _step_of(text), newline)
    return text[: part.begin] + _printed(value, form) + text[part.end :]


def _inside(part: Part, step: Step, way: Sequence[Step]) -> tuple[int, Part] | None:
    """Where a member begins, and its value; None where there is none."""
    named = ".".join(str(name) for name in way) or "the file"
    if isinstance(step, str):
        if not isinstance(part.value, dict):
            raise NotReadable(f"{named} is not an object")
        # Where a name stands twice, readers take the last.
        found = [(begin, value) for name, begin, value in part.members if name == step]
        return found[-1] if found else None
    if not isinstance(part.value, list):
        raise NotReadable(f"{named} is not a list")
    return (part.items[step].begin, part.items[step]) if step < len(part.items) else None


@dataclass(frozen=True)
class _Form:
    """How a file is written: the indentation of a place, one level of it (empty: all in one line), line ends."""

    indent: str
    step: str
    newline: str


def _nested(path: Sequence[Step], value: JsonValue) -> JsonValue:
    for step in reversed(path):
        value = {step: value} if isinstance(step, str) else [value]
    return value


def _added(text: str, part: Part, step: Step, value: JsonValue, newline: str) -> str:
    """The text with one more member, or item, behind the last."""
    name = f"{json.dumps(step, ensure_ascii=False)}: " if isinstance(step, str) else ""
    begins = [begin for _, begin, _ in part.members] + [item.begin for item in part.items]
    ends = [value.end for _, _, value in part.members] + [item.end for item in part.items]
    unit = _step_of(text)
    if begins:
        before = text[part.begin + 1 : begins[-1]] if len(begins) == 1 else text[ends[-2] : begins[-1]]
        is_on_a_line = "\n" in before
        indent = _indent(text, begins[-1])
        member = name + _printed(value, _Form(indent, unit if is_on_a_line else "", newline))
        behind = _behind_comma(text, ends[-1]) if part.has_last_comma else ends[-1]
        # A comment behind the last member stays with it: the comma goes before, the new member after.
        rest = _end_of_line(text, behind) if is_on_a_line else behind
        gap = newline + indent if is_on_a_line else " "
        comma, last = ("", ",") if part.has_last_comma else (",", "")
        return f"{text[:behind]}{comma}{text[behind:rest]}{gap}{member}{last}{text[rest:]}"
    inner = text[part.begin + 1 : part.end - 1]
    if not unit:
        return f"{text[: part.end - 1]}{name}{_printed(value, _Form('', '', newline))}{text[part.end - 1 :]}"
    outer = _indent(text, part.begin)
    member = name + _printed(value, _Form(outer + unit, unit, newline))
    kept = inner.rstrip()
    return f"{text[: part.begin + 1]}{kept}{newline}{outer}{unit}{member}{newline}{outer}{text[part.end - 1 :]}"


def _behind_comma(text: str, at: int) -> int:
    """The offset behind the comma that follows, which may itself stand behind comments."""
    while text[at] != ",":
        if text.startswith("//", at):
            at = text.index("\n", at)
        elif text.startswith("/*", at):
            at = text.index("*/", at) + 2
        else:
            at += 1
    return at + 1


def _end_of_line(text: str, at: int) -> int:
    """Behind a comment that ends the line, else the offset itself."""
    found = re.compile(r"[ \t]*(?://[^\r\n]*|/\*[^\r\n]*?\*/[ \t]*(?=[\r\n]))").match(text, at)
    return found.end() if found else at


def _printed(value: JsonValue, form: _Form) -> str:
    if not form.step:
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(value, indent=form.step, ensure_ascii=False).replace("\n", form.newline + form.indent)


def _indent(text: str, at: int) -> str:
    """The white space that the line of an offset begins with."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _step_of(text: str) -> str:
    """One level of indentation as the file has it; empty where all of it is one line."""
    found = re.search(r"\n([ \t]+)[\"'A-Za-z_$]", text) or re.search(r"\n([ \t]+)(?=[^\s/*])", text)
    return found[1] if found else "  " if "\n" in text.strip() or text.strip("\ufeff \t\r\n") == "{}" else ""
