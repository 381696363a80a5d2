"""Where everything lies in a JSON file that people write: JSON, with the comments and liberties of JSON5.

Configuration files of MCP clients have comments, commas behind the last member and names without quotes. To
change one member and no other byte, it must be known where each value begins and ends; what a value
means is read only as far as comparing it needs.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import JsonValue

DEPTH_MAX: Final = 100

_GAP: Final = re.compile(r"(?:[\s\ufeff]|//[^\n\r\u2028\u2029]*|/\*.*?\*/)*", re.DOTALL)
_STRING: Final = re.compile(
    r'"(?:[^"\\\n\r]|\\(?:\r\n|[\s\S]))*"' + r"|'(?:[^'\\\n\r]|\\(?:\r\n|[\s\S]))*'"
)  # fmt: skip
_NAME: Final = re.compile(r"[A-Za-z_$\u00aa-\uffff][\w$\u200c\u200d]*")
_NUMBER: Final = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|Infinity|NaN|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)")
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|\r\n|[\s\S])")
_ESCAPED: Final[Mapping[str, str]] = {
    "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "0": "\0",
    "\n": "", "\r": "", "\r\n": "", "\u2028": "", "\u2029": "",
}  # fmt: skip
_WORDS: Final[Mapping[str, JsonValue]] = {"true": True, "false": False, "null": None}


class NotReadable(ValueError):
    """The text is no JSON of any kind; the message says where and why."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A value and where it lies.

    Attributes:
        begin: Offset of its first character.
        end: Offset behind its last.
        value: What it means.
        members: Of an object: each name with where the name begins, and its value. A name may stand twice.
        items: Of a list.
        has_last_comma: Behind the last member or item stands a comma.
    """

    begin: int
    end: int
    value: Any
    members: tuple[tuple[str, int, "Part"], ...] = ()
    items: tuple["Part", ...] = field(default=())
    has_last_comma: bool = False


def parts_of(text: str) -> Part:
    """The whole value of a text.

    Raises:
        NotReadable: with the line and column of the first fault.
    """
    whole, behind = _value(text, _gap(text, 0), 0)
    if behind < len(text):
        raise _fault(text, behind, "something stands behind the end")
    return whole


def _value(text: str, at: int, depth: int) -> tuple[Part, int]:
    """The value at an offset, and the offset of what follows it."""
    if depth > DEPTH_MAX:
        raise _fault(text, at, f"it is nested more than {DEPTH_MAX} deep")
    if text.startswith("{", at):
        part = _object(text, at, depth)
    elif text.startswith("[", at):
        part = _list(text, at, depth)
    else:
        part = _scalar(text, at)
    return part, _gap(text, part.end)


def _object(text: str, begin: int, depth: int) -> Part:
    members: list[tuple[str, int, Part]] = []
    at, has_comma = _gap(text, begin + 1), False
    while not text.startswith("}", at):
        if members and not has_comma:
            raise _fault(text, at, "expected a comma or }")
        name, behind = _name(text, at)
        colon = _gap(text, behind)
        if not text.startswith(":", colon):
            raise _fault(text, colon, "expected a colon")
        part, behind = _value(text, _gap(text, colon + 1), depth + 1)
        members.append((name, at, part))
        at, has_comma = _behind_comma(text, behind)
    value = {name: part.value for name, _, part in members}
    return Part(begin=begin, end=at + 1, value=value, members=tuple(members), has_last_comma=has_comma)


def _list(text: str, begin: int, depth: int) -> Part:
    items: list[Part] = []
    at, has_comma = _gap(text, begin + 1), False
    while not text.startswith("]", at):
        if items and not has_comma:
            raise _fault(text, at, "expected a comma or ]")
        part, behind = _value(text, at, depth + 1)
        items.append(part)
        at, has_comma = _behind_comma(text, behind)
    value = [part.value for part in items]
    return Part(begin=begin, end=at + 1, value=value, items=tuple(items), has_last_comma=has_comma)


def _behind_comma(text: str, at: int) -> tuple[int, bool]:
    return (_gap(text, at + 1), True) if text.startswith(",", at) else (at, False)


def _name(text: str, at: int) -> tuple[str, int]:
    if found := _STRING.match(text, at):
        return _meaning(found[0]), found.end()
    if found := _NAME.match(text, at):
        return found[0], found.end()
    raise _fault(text, at, "expected the name of a member")


def _scalar(text: str, at: int) -> Part:
    if found := _STRING.match(text, at):
        return Part(begin=at, end=found.end(), value=_meaning(found[0]))
    if found := _NUMBER.match(text, at):
        return Part(begin=at, end=found.end(), value=_number(found[0]))
    if (found := _NAME.match(text, at)) and found[0] in _WORDS:
        return Part(begin=at, end=found.end(), value=_WORDS[found[0]])
    raise _fault(text, at, "expected a value")


def _meaning(quoted: str) -> str:
    if quoted[0] == '"':
        try:
            return str(json.loads(quoted))
        except ValueError:
            pass  # an escape that only JSON5 has
    return _ESCAPE.sub(lambda found: _escaped(found[1]), quoted[1:-1])


def _escaped(one: str) -> str:
    return chr(int(one[1:], 16)) if len(one) > 2 else _ESCAPED.get(one, one)


def _number(word: str) -> JsonValue:
    bare = word.lstrip("+-")
    if bare[:2].lower() == "0x":
        return int(bare, 16) * (-1 if word[0] == "-" else 1)
    return int(word) if bare.isdecimal() else float(word.replace("Infinity", "inf"))


def _gap(text: str, at: int) -> int:
    """The offset behind white space and comments."""
    found = _GAP.match(text, at)
    assert found is not None
    if text.startswith("/*", found.end()):
        raise _fault(text, found.end(), "a comment does not end")
    return found.end()


def _fault(text: str, at: int, what: str) -> NotReadable:
    line = text.count("\n", 0, at) + 1
    column = at - text.rfind("\n", 0, at)
    return NotReadable(f"line {line}, column {column}: {what}" + ("" if at < len(text) else "; the file ends here"))
