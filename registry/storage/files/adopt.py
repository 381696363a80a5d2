"""Lines and folders that this registry did not write.

A line that somebody appended to the trail stays where it is: the next mutation takes note of it
and puts it through the event door, without whatever machine part it imitates. A folder of the
earlier implementation goes on with a snapshot of its files: the proof starts there, and what is
replaced is kept beside it.
"""

import hashlib
from typing import Final

from ...core.commands import AdoptLines, AppendEvent, ForeignLine
from ...core.limits import MESSAGE_BYTES_MAX, NESTING_MAX, PAYLOAD_BYTES_MAX
from ...core.names import is_id, shown
from ...core.record import is_shallow
from ...core.run import Actor, Run
from ...formats.event_line import event_of, number, read_object, read_sealed, undressed
from ...formats.fold import Mark, Span
from ...formats.legacy import EarlierFiles, run_of_earlier
from ...formats.trail import Line, Torn, lines_in
from .. import failpoints
from . import atomic
from .handles import Loaded, OpenRun
from .layout import EARLIER_REFS, PLAN, REFS, STATE
from .mutating import mutate
from .opening import read_at, read_file
from .projecting import Place, short_sha
from .repair import keep_torn, restarted
from .syncing import sync
from .walking import trail_lines

_SOMEBODY: Final = Actor(kind="unknown", id="file", via="file")
_LINES_MAX: Final = 256
_BYTES_MAX: Final = 256 << 10
"""Adopted at once, so that a flood of lines cannot outgrow a mutation's limit."""


def lines_of(entry: OpenRun, span: Span) -> AdoptLines:
    """The command that adopts a span of others' lines, or the first part of a long one."""
    start, size = span
    assert entry.trail is not None, "a span lies in a trail"
    text = read_at(entry.trail, start, size)
    taken: list[Line] = []
    for line in lines_in([text], start):
        if taken and (len(taken) == _LINES_MAX or line.end - start > _BYTES_MAX):
            break
        taken.append(line)
    end = taken[-1].end
    return AdoptLines(
        actor=_SOMEBODY,
        offset=start,
        size=end - start,
        sha256=hashlib.sha256(text[: end - start]).hexdigest(),
        lines=tuple(_foreign(line.raw) for line in taken if line.raw.strip()),
    )


def _foreign(raw: bytes) -> ForeignLine:
    document = read_object(raw)
    if document is None:
        return ForeignLine(event=None, refusal=f"it is not a JSON object: {shown(raw.decode(errors='replace'))!r}")
    if read_sealed(undressed(raw.removesuffix(b"\n"))) is not None:
        named = shown(str(document.get("runId")))
        # Put through the door it would be done or said a second time.
        return ForeignLine(event=None, refusal=f"it is a copy of event {number(document, 'seq')} of run {named!r}")
    try:
        event = event_of(document)
    except ValueError as error:
        return ForeignLine(event=None, refusal=str(error))
    if event.node_id is not None and not is_id(event.node_id):
        return ForeignLine(event=None, refusal=f"nodeId {shown(event.node_id)!r} is no id")
    if event.message is not None and len(event.message.encode()) > MESSAGE_BYTES_MAX:
        return ForeignLine(event=None, refusal=f"message is longer than {MESSAGE_BYTES_MAX:,} bytes")
    if len(raw) > PAYLOAD_BYTES_MAX:
        return ForeignLine(event=None, refusal=f"the line is longer than {PAYLOAD_BYTES_MAX:,} bytes")
    if not is_shallow(event.payload):
        return ForeignLine(event=None, refusal=f"payload is nested more than {NESTING_MAX} deep")
    return ForeignLine(
        event=AppendEvent(
            actor=_SOMEBODY,
            event=event.name,
            node_id=event.node_id,
            message=event.message,
            payload=event.payload,
        )
    )


def earlier_run(entry: OpenRun) -> tuple[Run, int] | None:
    """The run in a folder of the earlier implementation and the count of its trail's lines; None where it is none."""
    state = read_file(entry.folder, STATE)
    if state is None:
        return None
    refs = read_file(entry.folder, REFS)
    if refs is None:
        refs = read_file(entry.folder, EARLIER_REFS)
    files = EarlierFiles(state=state, refs=refs or b"", plan=read_file(entry.folder, PLAN) or b"")
    count = sum(1 for line in trail_lines(entry, 0, entry.trail_size) if line.raw.strip())
    run = run_of_earlier(files, run_id=entry.run_id, events=count)
    return None if run is None else (run, count)


def adopt_earlier(place: Place, entry: OpenRun, run: Run, count: int) -> tuple[Loaded, tuple[str, ...]]:
    """Take over a folder of the earlier implementation. Its files are kept beside ours."""
    told: list[str] = []
    size = _whole_end(place, entry, told)
    kept: list[str] = []
    for name in (STATE, REFS):
        text = read_file(entry.folder, name)
        if text is not None:
            copy = f".{name}.earlier"
            # A copy that is there may be half of one, left by an adoption that was killed.
            kept.append(copy if read_file(entry.folder, copy) == text else atomic.keep(entry.folder, copy, text))
    sync(entry.folder)
    digest = hashlib.sha256()
    for line in trail_lines(entry, 0, size):
        digest.update(line.raw)
    plan = read_file(entry.folder, PLAN)
    loaded = Loaded(
        run,
        Mark(),
        lock=short_sha(plan) if plan is not None else "",
        seen={PLAN: entry.identity(PLAN)},
    )
    decision = restarted(
        place,
        run,
        "log.adopted",
        {"offset": 0, "bytes": size, "lines": count, "sha256": digest.hexdigest()},
        message="a run of the earlier implementation goes on here",
    )
    loaded, _ = mutate(place, entry, loaded, decision, restart=True, end=size)
    told.append(
        "log_adopted: this run was made by the earlier implementation; "
        f"its {count} events stand and what is replaced is kept as {' and '.join(kept)}"
    )
    return loaded, tuple(told)


def _whole_end(place: Place, entry: OpenRun, told: list[str]) -> int:
    """See to it that the trail ends with a whole line, and give its size."""
    size = entry.trail_size
    last: Line | None = None
    for line in trail_lines(entry, 0, size):
        last = line
    if last is None or last.raw.endswith(b"\n"):
        return size
    if read_object(last.raw) is None:
        return keep_torn(place, entry, (Torn(last.offset, last.end),), size, told)
    return size + failpoints.write("repair.newline", entry.writable_trail(), b"\n")
