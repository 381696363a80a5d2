"""`control.jsonl` of one run: lines to be judged, and lines that tell of what is done."""

import os
from collections.abc import Collection, Iterator
from typing import NamedTuple

from ...core.commands import InboxLine
from ...core.names import RunId
from ...core.record import Bag
from ...errors import Forbidden
from ...formats.control_line import read_control, write_control
from ...formats.event_line import read_object
from ...formats.trail import glued_object, lines_in
from .. import failpoints
from .handles import OpenRun
from .layout import CONTROL
from .opening import open_file, read_at, read_file
from .syncing import sync_bytes

LINES_MAX = 256
"""Lines judged in one mutation, so that a flooded inbox cannot outgrow a mutation's limit."""
_BYTES_MAX = 1 << 20
_LINE_BYTES_MAX = 16 << 20
"""A line that is longer is never judged; those behind it are not either."""
_BLANK = b"\0 \t\r\n"
"""What may stand around a line; a power loss can leave zeros where a line was to be."""


class Judgeable(NamedTuple):
    """Lines to be judged, and the offset in the inbox up to which they reach."""

    lines: tuple[InboxLine, ...]
    end: int


def pending(entry: OpenRun, *, judged: int, known: Collection[str], synced: bool = False) -> Judgeable:
    """The lines behind `judged` whose ids are not `known`, at most `LINES_MAX`.

    A file that became shorter was written anew and is read from its beginning.

    Args:
        synced: Have on disk what is going to be judged. Were it lost with the power afterwards, later requests
            would stand where judged ones did, and never be heard.
    """
    identity = entry.identity(CONTROL)
    size = identity[1] if identity is not None else 0
    if size == judged or identity is None:
        return Judgeable((), judged)
    start = judged if size > judged else 0
    try:
        descriptor = open_file(entry.folder, CONTROL)
    except (Forbidden, PermissionError):
        # What stands in the inbox's place must not keep the run from going on; doctor names it.
        return Judgeable((), judged)
    try:
        text = read_at(descriptor, start, min(size - start, _BYTES_MAX))
        if b"\n" not in text and start + len(text) < size:
            text = read_at(descriptor, start, min(size - start, _LINE_BYTES_MAX))
        if synced:
            sync_bytes(descriptor, step="inbox.sync")
    finally:
        os.close(descriptor)
    return _judgeable(text, start, size, run_id=entry.run_id, known=known)


def _judgeable(text: bytes, start: int, size: int, *, run_id: RunId, known: Collection[str]) -> Judgeable:
    found: dict[str, InboxLine] = {}
    end = start
    for line in lines_in([text], start):
        is_open = not line.raw.endswith(b"\n")
        # An open line that is no whole object is still being written, or goes on behind what was read.
        if is_open and (line.end < size or read_object(line.raw) is None):
            break
        for text_of_one in _requests(line.raw):
            control = read_control(text_of_one, run_id=run_id)
            if control.control_id not in known:
                found.setdefault(control.control_id, control)
        end = line.end
        if len(found) == LINES_MAX:
            break
    return Judgeable(tuple(found.values()), end)


def _requests(raw: bytes) -> Iterator[bytes]:
    """The requests on one line: two where somebody's was appended to one that a kill or a power loss cut short."""
    raw = raw.strip(_BLANK)
    at = glued_object(raw) if read_object(raw) is None else None
    if at and "action" in (read_object(raw[at:]) or {}):
        yield from (part for part in (raw[:at].strip(_BLANK), raw[at:]) if part)
    elif raw:
        yield raw


def append_applied(entry: OpenRun, line: Bag, *, judged: int, synced: bool) -> int:
    """Add a line for a control that was applied already, where earlier readers know its action.

    Returns:
        Up to where the inbox is judged now: behind the line, unless others wait before it.
    """
    text = write_control(line)
    if text is None:
        return judged
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
    try:
        descriptor = open_file(entry.folder, CONTROL, flags)
    except FileNotFoundError:
        return judged
    try:
        size = os.fstat(descriptor).st_size
        if size and read_at(descriptor, size - 1, 1) != b"\n":
            text = b"\n" + text
        failpoints.write("inbox.write", descriptor, text)
        if synced:
            sync_bytes(descriptor, step="inbox.sync")
        end = os.lseek(descriptor, 0, os.SEEK_CUR)
    finally:
        os.close(descriptor)
    return end if end - len(text) == judged else judged


def all_lines(entry: OpenRun) -> list[Bag]:
    """Every line of the inbox that is a JSON object."""
    text = read_file(entry.folder, CONTROL) or b""
    return [line for raw in text.split(b"\n") if raw.strip() and (line := read_object(raw)) is not None]
