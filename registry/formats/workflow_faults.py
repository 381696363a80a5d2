"""Where the faults of a workflow stand: paths and offsets into lines and columns."""

from collections.abc import Iterable
from typing import Final

from ..core.placeholders import Path
from ..core.plan_rules import PlanFault
from ..errors import Fault
from .frontmatter import TextFault
from .placed_yaml import Object, Placed, Scalar, Sequence

FAULTS_MAX: Final = 100
"""Faults looked for in one text. Who made more has one mistake in many places, or none we can help with."""


class EnoughFaults(Exception):
    """The hundredth fault was found; the search ends."""


class FaultList:
    """The faults of one text, and the places of the values they are about."""

    def __init__(self, source: str, text: str) -> None:
        self._source = source
        self._text = text
        self._line_starts: list[int] | None = None
        self._found: dict[Fault, None] = {}
        self._places: dict[Path, Placed] = {}
        self._broken: set[Path] = set()

    def __contains__(self, path: Path) -> bool:
        """Whether the value of a path has a fault of form."""
        return path in self._broken

    def in_order(self) -> tuple[Fault, ...]:
        """All faults from the top of the text to its end."""
        return tuple(sorted(self._found, key=lambda fault: (fault.line, fault.column)))

    def seen(self, path: Path, value: Placed) -> None:
        """Remember where the value of a path stands, under the key it should have."""
        self._places[path] = value

    def mark_broken(self, path: Path) -> None:
        """The value of a path has its fault: rules that look at it say nothing more."""
        self._broken.add(path)

    def add(self, path: Path, at: Placed, message: str, mend: str = "") -> None:
        """A value that has not the form it must have."""
        self.mark_broken(path)
        self._note(at.line, at.column, message, mend)

    def add_text(self, fault: TextFault) -> None:
        """The text could not be taken at all."""
        self._note(fault.line, fault.column, fault.message, fault.mend)

    def add_rules(self, faults: Iterable[PlanFault]) -> None:
        """What the rules found, but for what is only a consequence of a fault of form."""
        for fault in faults:
            if not any(fault.path[:length] in self._broken for length in range(1, len(fault.path) + 1)):
                self._note(*self._place_in(fault), fault.message, fault.mend)

    def place_of(self, path: Path) -> tuple[int, int]:
        """Line and column of the value of a path, or of what is nearest around it."""
        value, _ = self._value_at(path)
        return (value.line, value.column) if value is not None else (1, 1)

    def _note(self, line: int, column: int, message: str, mend: str) -> None:
        self._found[Fault(self._source, line, column, message, mend)] = None
        if len(self._found) >= FAULTS_MAX:
            raise EnoughFaults

    def _place_in(self, fault: PlanFault) -> tuple[int, int]:
        value, is_exact = self._value_at(fault.path)
        if value is None:
            return 1, 1
        if not is_exact or not isinstance(value, Scalar) or not value.line:
            return value.line, value.column
        if fault.offset is not None:
            return self._inside(value, value.text[fault.offset :].split("\n")[0], fault.offset)
        if fault.part:
            return self._inside(value, fault.part, value.text.find(fault.part))
        return value.line, value.column

    def _value_at(self, path: Path) -> tuple[Placed | None, bool]:
        """The value of a path, or of the nearest thing around it that is there."""
        known = next((length for length in range(len(path), -1, -1) if path[:length] in self._places), None)
        if known is None:
            return None, False
        value = self._places[path[:known]]
        for step in path[known:]:
            inner: Placed | None = None
            if isinstance(value, Object):
                inner = value.get(str(step))
            elif isinstance(value, Sequence) and isinstance(step, int) and step < len(value.items):
                inner = value.items[step]
            if inner is None:
                return value, False
            value = inner
        return value, True

    def _inside(self, value: Scalar, part: str, offset: int) -> tuple[int, int]:
        """Where a part of a text stands in the file; the text's begin where it is written otherwise there."""
        if self._line_starts is None:
            self._line_starts = [0]
            for written in self._text.split("\n"):
                self._line_starts.append(self._line_starts[-1] + len(written) + 1)
        start = self._line_starts[value.line - 1] + value.column - 1
        quote = 1 if self._text[start : start + 1] in ("'", '"') else 0
        if self._text.startswith(value.text, start + quote):
            place = start + quote + offset
        else:
            # A block of lines: every line but the first is moved by its indentation.
            place = self._text.find(part, start, start + 2 * len(value.text) + 40 * (value.text.count("\n") + 2))
        if place < start or not part:
            return value.line, value.column
        line = self._text.count("\n", 0, place)
        return line + 1, place - self._line_starts[line] + 1
