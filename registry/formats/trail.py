"""What a piece of the trail holds: whole mutations, lines of others, torn ends, damage.

The trail is read line by line. Ours carry a checksum and count on; whatever else lies there is
kept and told apart:

- *foreign*: a whole line that is not ours. It stays where it is and is adopted.
- *torn*: what a kill or a loss of power left: a line cut short, or the last mutation without
  all of its lines. A disk may keep the end of what was not synced and lose the beginning.
- *damage*: a line of ours is missing or broken although later mutations stand.

A line with a wrong checksum is somebody's imitation as long as no number is missing. Where one
is, it is part of the torn mutation at the end of the trail, and damage anywhere else.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from ..core.patch import Document
from ..errors import LimitExceeded
from .event_line import bears_crc, crc_of, number, place_in_mutation, read_object, read_sealed, undressed

_GLUE_BYTES_MAX: Final = 64 << 10
"""How far from the end of a glued line the whole object in it may begin."""
LINE_BYTES_MAX: Final = 128 << 20
"""More than the snapshot of the largest run."""
_ALONE: Final = [1, 1]
"""`txn` of a mutation of one line."""
_OBJECT: Final = re.compile(rb'\{\s*"')


class Line(NamedTuple):
    """Bytes of the trail up to and with a newline; the last may lack it."""

    offset: int
    raw: bytes

    @property
    def end(self) -> int:
        """Offset of the byte after the line."""
        return self.offset + len(self.raw)


class Mutation(NamedTuple):
    """The lines of one whole mutation. `closing` is the text of the last one; empty where it was put together."""

    offset: int
    end: int
    closing: bytes
    lines: tuple[Document, ...]

    @property
    def tip(self) -> str:
        """The checksum that the last line ends with."""
        return crc_of(self.closing) if self.closing else ""

    @property
    def last(self) -> Document:
        """The line that carries the patch or the snapshot."""
        return self.lines[-1]


@dataclass(frozen=True)
class Foreign:
    """A whole line that is not ours. `imitates`: it ends as ours do, but wrongly."""

    line: Line
    imitates: bool = False


@dataclass(frozen=True)
class Torn:
    """Bytes a killed writer left; nothing of them was ever acknowledged."""

    offset: int
    end: int


@dataclass(frozen=True)
class Damage:
    """From here on lines of ours are missing or broken: after `seq`, before `next_seq`."""

    offset: int
    seq: int
    next_seq: int


Piece = Mutation | Foreign | Torn | Damage


def lines_in(chunks: Iterable[bytes], offset: int) -> Iterator[Line]:
    """The lines of a text that comes in chunks and begins at `offset`.

    Raises:
        LimitExceeded: a line is longer than any that was ever written.
    """
    # A line may come in many chunks: joined one by one they would be copied again and again.
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        first, *whole = chunk.split(b"\n")
        parts.append(first)
        size += len(first)
        if size > LINE_BYTES_MAX:
            raise LimitExceeded(
                f"the line at byte {offset:,} of a log",
                limit=LINE_BYTES_MAX,
                size=size,
                hint="no line of a registry is so long; bring the file back from a backup",
            )
        if not whole:
            continue
        for body in (b"".join(parts), *whole[:-1]):
            yield Line(offset, body + b"\n")
            offset += len(body) + 1
        parts, size = [whole[-1]], len(whole[-1])
    rest = b"".join(parts)
    if rest:
        yield Line(offset, rest)


class Scanner:
    """Tells the pieces of a trail apart.

    Args:
        seq: `seq` of the last event before the text; None at the very beginning, where the
            first snapshot says where the count starts.
    """

    def __init__(self, seq: int | None, rev: int) -> None:
        self._seq = seq
        self._rev = rev
        self._group: list[tuple[Line, Document]] = []
        self._suspect: int | None = None
        """Offset of the first line since the last good one that may have been ours."""
        self._doubtful: list[Foreign] = []
        """From the first line since the last good one that ends as ours do: others', or parts of a torn mutation."""
        self._headless: list[tuple[Line, Document]] = []
        """Lines of the next mutation, whose first ones are missing."""

    def pieces(self, lines: Iterable[Line]) -> Iterator[Piece]:
        """The pieces in order of their offsets, except that torn lines come when they are known to be."""
        for line in lines:
            if not line.raw.endswith(b"\n"):
                yield from self._unterminated(line)
            elif (sealed := read_sealed(text := line.raw[:-1])) is None:
                if not line.raw.isspace():
                    yield from self._not_ours(line)
            elif (
                sealed["txn"] == _ALONE
                and self._seq is not None
                and sealed["seq"] == self._seq + 1
                and sealed["rev"] == self._rev + 1
                and not (self._group or self._headless or self._doubtful)
                and self._suspect is None
            ):
                # A whole mutation of one line, behind others that are whole. In a trail of a hundred
                # thousand nearly all are so, and the questions below would take half of its reading.
                self._seq, self._rev = self._seq + 1, self._rev + 1
                yield Mutation(line.offset, line.offset + len(line.raw), text, (sealed,))
            else:
                yield from self._ours(line, sealed)
        yield from self._end()

    def _whole(self, line: Line) -> Iterator[Piece]:
        sealed = read_sealed(_bare(line))
        yield from self._not_ours(line) if sealed is None else self._ours(line, sealed)

    def _not_ours(self, line: Line) -> Iterator[Piece]:
        if read_object(line.raw) is None:
            first, *rest = unglued(line)
            if rest:
                yield from self._whole_or_torn(first)
                for part in rest:
                    yield from self._whole(part)
                return
            at = glued_object(line.raw)
            if at:
                yield Torn(line.offset, line.offset + at)
                yield from self._whole(Line(line.offset + at, line.raw[at:]))
                return
        self._suspect = line.offset if self._suspect is None else self._suspect
        yield from self._foreign(Foreign(line, imitates=bears_crc(_bare(line))))

    def _foreign(self, piece: Foreign) -> Iterator[Piece]:
        if piece.imitates or self._doubtful:
            self._doubtful.append(piece)
        else:
            yield piece

    def _whole_or_torn(self, line: Line) -> Iterator[Piece]:
        sealed = read_sealed(line.raw)
        if sealed is not None:
            yield from self._ours(line, sealed)
        else:
            yield Torn(line.offset, line.end)

    def _unterminated(self, line: Line) -> Iterator[Piece]:
        # A line of ours without its newline was never acknowledged, however whole it looks.
        at = 0 if read_object(line.raw) is not None else glued_object(line.raw)
        body = line.raw[at or 0 :]
        if at is None or bears_crc(body):
            yield Torn(line.offset, line.end)
            return
        if at:
            yield Torn(line.offset, line.offset + at)
        yield from self._foreign(Foreign(Line(line.offset + at, body)))

    def _ours(self, line: Line, sealed: Document) -> Iterator[Piece]:
        if self._headless and _goes_on(self._headless[-1][1], sealed):
            self._headless.append((line, sealed))
            return
        if self._group:
            if self._suspect is None and _goes_on(self._group[-1][1], sealed):
                yield from self._join(line, sealed)
                return
            yield from self._abandon()
        seq, rev = number(sealed, "seq"), number(sealed, "rev")
        index, _ = place_in_mutation(sealed)
        known = 0 if self._seq is None else self._seq
        if self._seq is not None and seq <= known:
            # A copy of an earlier line: `tail -1 events.jsonl >> events.jsonl` is somebody's mistake, not ours.
            yield from self._foreign(Foreign(line, imitates=True))
            return
        if index > 1 and not self._headless and (seq - index, rev) == (known, self._rev + 1):
            # The first lines of the next mutation are missing: torn if it is the last, damage if not.
            self._headless.append((line, sealed))
            return
        yield from self._stands(line, sealed)

    def _stands(self, line: Line, sealed: Document) -> Iterator[Piece]:
        """Take a line of ours that has a later number; what lies before it is not torn."""
        seq, rev = number(sealed, "seq"), number(sealed, "rev")
        index, count = place_in_mutation(sealed)
        yield from self._doubtful
        self._doubtful = []
        counts_on = self._seq is None or (seq, rev) == (self._seq + 1, self._rev + 1) or _restarts(sealed)
        if self._headless or index != 1 or not counts_on:
            first = self._headless[0][0] if self._headless else line
            yield Damage(first.offset if self._suspect is None else self._suspect, self._seq or 0, seq)
            self._seq, self._rev, self._headless = seq - 1, rev - 1, []
            if index != 1:
                self._seq, self._rev, self._suspect = seq + count - index, rev, None
                return
        self._suspect = None
        yield from self._join(line, sealed)

    def _join(self, line: Line, sealed: Document) -> Iterator[Piece]:
        self._group.append((line, sealed))
        index, count = place_in_mutation(sealed)
        if index < count:
            return
        group, self._group = self._group, []
        self._seq, self._rev = number(sealed, "seq"), number(sealed, "rev")
        yield Mutation(
            offset=group[0][0].offset,
            end=line.end,
            closing=_bare(line),
            lines=tuple(document for _, document in group),
        )

    def _abandon(self) -> Iterator[Piece]:
        for line, _ in self._group:
            yield Torn(line.offset, line.end)
        self._group = []

    def _end(self) -> Iterator[Piece]:
        """What is left when nothing comes any more."""
        torn = self._group or self._headless
        rev = number(torn[0][1], "rev") if torn else None
        for line, _ in torn:
            yield Torn(line.offset, line.end)
        for piece in self._doubtful:
            if rev is not None and piece.imitates and _may_be_of(piece.line, rev):
                yield Torn(piece.line.offset, piece.line.end)
            else:
                yield piece


def _goes_on(before: Document, sealed: Document) -> bool:
    """Whether a line is the next one of the same mutation."""
    index, count = place_in_mutation(sealed)
    return (
        number(sealed, "seq") == number(before, "seq") + 1
        and number(sealed, "rev") == number(before, "rev")
        and (index - 1, count) == place_in_mutation(before)
    )


def _may_be_of(line: Line, rev: int) -> bool:
    """Whether a broken line may be one of a mutation's: it is no object, or says so."""
    document = read_object(line.raw)
    return document is None or document.get("rev") == rev


def _restarts(sealed: Document) -> bool:
    """Whether a line begins a mutation with a snapshot, which may count on from anywhere."""
    return sealed.get("event") in ("log.repaired", "log.adopted") and sealed.get("txn") == [1, 1]


def unglued(line: Line) -> list[Line]:
    """The parts of a line on which lines of ours stand without the newlines between them.

    All but the first part are whole lines of ours, the last with the newline if there is one; a line
    of one part is given as it is.
    """
    parts: list[Line] = []
    rest = line
    while (at := glued_object(rest.raw)) and read_sealed(_bare(Line(0, rest.raw[at:]))) is not None:
        parts.insert(0, Line(rest.offset + at, rest.raw[at:]))
        rest = Line(rest.offset, rest.raw[:at])
    return [rest, *parts]


def _bare(line: Line) -> bytes:
    """A line without its newline and what an editor put around it."""
    return undressed(line.raw.removesuffix(b"\n"))


def is_repair(mutation: Mutation) -> bool:
    """Whether a mutation begins the proof anew after something was lost or damaged."""
    return mutation.last.get("event") == "log.repaired" and "snapshot" in mutation.last


def glued_object(raw: bytes) -> int | None:
    """Where a whole JSON object begins that was appended to a line cut short, or None."""
    start = max(0, len(raw) - _GLUE_BYTES_MAX)
    for found in _OBJECT.finditer(raw, start):
        if found.start() and read_object(raw[found.start() :]) is not None:
            return found.start()
    return None
