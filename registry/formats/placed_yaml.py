"""YAML as plain values that know their place in the text.

Built from the parser's events, so that a hostile text meets a limit before anything is built: depth
is bounded, and what aliases repeat counts as if it were written out. Tags build no objects.

Plain words mean what YAML 1.2 says, not 1.1: `yes`, `on`, `12:30` and `2026-01-31` are text. Every
scalar keeps the text as written, so that a title `1.10` need not become a number.
"""

import math
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from ..core.record import Json
from .frontmatter import TextFault

DEPTH_MAX: Final = 40
ALIASED_MAX: Final = 256 << 10
"""Characters that aliases may add: as many as a workflow may have."""

_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_RADIX: Final = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS: Final = {
    word: value
    for value, words in ((True, ("true", "True", "TRUE")), (False, ("false", "False", "FALSE")))
    for word in words
}
_CORE: Final = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class Scalar:
    """A text, number, truth value or null; `text` is what was written."""

    line: int
    column: int
    text: str
    value: str | int | float | bool | None


@dataclass(frozen=True)
class Sequence:
    """A list."""

    line: int
    column: int
    items: tuple["Placed", ...]


@dataclass(frozen=True)
class Object:
    """Keys and values in their order; a key that came again is in `repeated`, its value dropped."""

    line: int
    column: int
    entries: tuple[tuple[Scalar, "Placed"], ...]
    repeated: tuple[Scalar, ...] = ()

    def get(self, key: str) -> "Placed | None":
        """The value of a key."""
        return next((value for name, value in self.entries if name.text == key), None)


Placed = Scalar | Sequence | Object


def plain_value(text: str) -> str | int | float | bool | None:
    """What a word without quotes means: YAML 1.2's core schema, without what JSON cannot hold."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    try:
        if _INTEGER.fullmatch(text):
            return int(text)
        if _RADIX.fullmatch(text):
            return int(text, 0)
        if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
            return number
    except ValueError:
        # More digits than Python turns into a number: it stays what was written.
        return text
    return text


def as_json(value: Placed) -> Json:
    """The value without its places."""
    if isinstance(value, Scalar):
        return value.value
    if isinstance(value, Sequence):
        return [as_json(item) for item in value.items]
    return {key.text: as_json(item) for key, item in value.entries}


def placed_json(value: Json) -> Placed:
    """A JSON value as if it had been read, on line 0."""
    if isinstance(value, list):
        return Sequence(0, 0, tuple(placed_json(item) for item in value))
    if isinstance(value, Mapping):
        return Object(0, 0, tuple((Scalar(0, 0, key, key), placed_json(item)) for key, item in value.items()))
    if value is None or isinstance(value, bool):
        return Scalar(0, 0, {None: "null", True: "true", False: "false"}[value], value)
    return Scalar(0, 0, str(value), value)


def read_yaml(text: str, *, first_line: int = 1) -> Placed | None:
    """The one document of a text; None when there is nothing in it.

    Raises:
        TextFault: the first fault of the syntax, a tag that builds objects, too deep, too much aliased.
    """
    import yaml

    try:
        try:
            return _Builder(text, first_line, loader=_loader()).document()
        except yaml.MarkedYAMLError as fault:
            if "nesting depth" not in str(fault.problem):
                raise
            # The C scanner runs ahead of its events into a limit of its own; the slow one leads to the place of ours.
            return _Builder(text, first_line, loader=yaml.SafeLoader).document()
    except yaml.MarkedYAMLError as fault:
        raise _syntax_fault(fault, text, first_line) from None
    except yaml.reader.ReaderError as fault:
        raise _character_fault(fault, text, first_line) from None


@cache
def _loader() -> Any:
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Builder:
    """Events to values, one document, with the budgets counted as it goes."""

    def __init__(self, text: str, first_line: int, *, loader: Any) -> None:
        import yaml

        self._text = text
        self._first_line = first_line
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._events: Iterator[Any] = yaml.parse(text, Loader=loader)
        self._anchors: dict[str, tuple[Placed, int]] = {}
        self._weight = 0
        self._aliased = 0

    def document(self) -> Placed | None:
        root: Placed | None = None
        for event in self._events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                if root is not None:
                    raise self._fault(event, "a second document begins here", "a file holds one; remove this line")
                root = self._value(next(self._events), depth=1)
        return root

    def _place(self, event: Any) -> tuple[int, int]:
        # Lines are counted by \n alone, as editors do; the parser also counts other separators.
        index = event.start_mark.index
        line = bisect_right(self._line_starts, index) - 1
        return line + self._first_line, index - self._line_starts[line] + 1

    def _fault(self, event: Any, message: str, mend: str = "") -> TextFault:
        line, column = self._place(event)
        return TextFault(message, line=line, column=column, mend=mend)

    def _value(self, event: Any, *, depth: int) -> Placed:
        if depth > DEPTH_MAX:
            raise self._fault(event, f"the front matter is nested over {DEPTH_MAX} deep", "a workflow is nearly flat")
        kind = type(event).__name__
        if kind == "AliasEvent":
            return self._alias(event)
        before = self._weight
        self._weight += 1
        value: Placed
        if kind == "ScalarEvent":
            self._weight += len(event.value)
            value = self._scalar(event)
        elif kind == "SequenceStartEvent":
            self._check_tag(event, "seq")
            value = self._sequence(event, depth)
        else:
            self._check_tag(event, "map")
            value = self._object(event, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._weight - before)
        return value

    def _alias(self, event: Any) -> Placed:
        if event.anchor not in self._anchors:
            raise self._fault(
                event,
                f"alias *{event.anchor[:40]} has no finished anchor before it",
                f"put &{event.anchor[:40]} on an earlier value, or quote the text if it begins with *",
            )
        value, weight = self._anchors[event.anchor]
        self._weight += weight
        self._aliased += weight
        if self._aliased > ALIASED_MAX:
            raise self._fault(
                event, f"aliases repeat over {ALIASED_MAX:,} characters", "write the values out where they are needed"
            )
        return value

    def _sequence(self, start: Any, depth: int) -> Sequence:
        items: list[Placed] = []
        while type(event := next(self._events)).__name__ != "SequenceEndEvent":
            items.append(self._value(event, depth=depth + 1))
        return Sequence(*self._place(start), tuple(items))

    def _object(self, start: Any, depth: int) -> Object:
        entries: dict[str, tuple[Scalar, Placed]] = {}
        repeated: list[Scalar] = []
        while type(event := next(self._events)).__name__ != "MappingEndEvent":
            key = self._value(event, depth=depth + 1)
            if not isinstance(key, Scalar):
                line, column = self._place(event)
                braces = self._text.startswith("{", max(event.start_mark.index - 1, 0))
                mend = 'quote a text that begins with a brace: "{{ inputs.name }}"' if braces else "write key: value"
                raise TextFault("a key is a list or an object, not a word", line=line, column=column, mend=mend)
            if key.text == "<<" and event.implicit[0]:
                raise self._fault(event, "merge keys (<<) are not taken", "write the keys out, or use defaults")
            value = self._value(next(self._events), depth=depth + 1)
            if key.text in entries:
                repeated.append(key)
            else:
                entries[key.text] = (key, value)
        return Object(*self._place(start), tuple(entries.values()), tuple(repeated))

    def _scalar(self, event: Any) -> Scalar:
        line, column = self._place(event)
        text: str = event.value
        if "\0" in text:
            raise self._fault(event, "a text holds a NUL character", "remove \\0")
        if event.tag is None or event.tag == "!":
            plain = event.implicit[0] and event.tag is None
            return Scalar(line, column, text, plain_value(text) if plain else text)
        self._check_tag(event, "str", "int", "float", "bool", "null")
        wanted = {"str": (str,), "int": (int,), "float": (float, int), "bool": (bool,), "null": (type(None),)}
        kinds = wanted[event.tag.removeprefix(_CORE)]
        value = text if kinds == (str,) else plain_value(text)
        if not isinstance(value, kinds) or (isinstance(value, bool) and kinds != (bool,)):
            raise self._fault(event, f"{text[:40]!r} is not what its tag says", "remove the tag")
        return Scalar(line, column, text, value)

    def _check_tag(self, event: Any, *names: str) -> None:
        if event.tag is None or event.tag == "!" or event.tag.removeprefix(_CORE) in names:
            return
        tag = event.tag.replace(_CORE, "!!", 1)
        raise self._fault(
            event, f"the tag {tag[:60]} is refused; a workflow holds only text, numbers, lists and objects", "remove it"
        )


_MENDS: Final = (
    ("mapping values are not allowed", "put quotes around a text that holds ': '"),
    ("found unexpected end of stream", "close it with the same quote"),
    ("could not find expected ':'", "write key: value, with a space after the colon; indent long texts below key: |"),
    ("did not find expected key", "indent the keys of one object alike; quote a text that holds quotes or braces"),
    ("did not find expected '-' indicator", "indent the items of one list alike, each with '- '"),
    ("did not find expected ',' or", "close the bracket, or quote a text that begins with one"),
    ("did not find expected node content", "quote a text that begins with one of { [ * & ! % @ `"),
    ("found character that cannot start any token", "quote a text that begins with one of @ ` %"),
    ("block sequence entries are not allowed", "begin the list on a line of its own"),
)


def _syntax_fault(fault: Any, text: str, first_line: int) -> TextFault:
    problem = str(fault.problem or fault.context or "it cannot be read")
    mark = fault.problem_mark or fault.context_mark
    opened = fault.context_mark
    mend = next((mend for sign, mend in _MENDS if sign in problem), "")
    if mark is not None and text[mark.index : mark.index + 1] == "\t":
        problem, mend = "a tab stands where spaces must", "indent with spaces, never with tabs"
    elif opened is not None and "end of stream" in problem:
        # The end of the text is where the parser noticed; the quote is what its author looks for.
        problem, mark = "a quote is opened here and not closed", opened
    elif opened is not None and mark is not None and opened.line != mark.line and "while" in str(fault.context):
        problem += f" ({fault.context}, begun on line {opened.line + first_line})"
    line, column = (mark.line, mark.column) if mark is not None else (0, 0)
    return TextFault(f"YAML: {problem}", line=line + first_line, column=column + 1, mend=mend)


def _character_fault(fault: Any, text: str, first_line: int) -> TextFault:
    code = fault.character if isinstance(fault.character, int) else ord(fault.character[0])
    place = max(text.find(chr(code)), 0)
    line = text.count("\n", 0, place)
    return TextFault(
        f"YAML: the control character 0x{code:02x} is not allowed",
        line=line + first_line,
        column=place - (text.rfind("\n", 0, place) + 1) + 1,
        mend="remove it",
    )
