"""Events of a run's trail by number, without reading what lies before them."""

from collections.abc import Iterator

from ...core.events import Event
from ...core.names import shown
from ...core.run import Run
from ...errors import NotFound
from ...formats.event_line import event_of, number, place_in_mutation, read_object, read_sealed
from ...formats.fold import Mark
from ...formats.trail import Line, Mutation, Scanner, unglued
from ..port import LoggedEvent
from .handles import OpenRun
from .telling import damage_in_words
from .walking import Walk, trail_lines

_NEAR_BYTES = 64 << 10


def events_after(entry: OpenRun, *, since_seq: int, limit: int) -> list[LoggedEvent]:
    """Up to `limit` events with a seq later than `since_seq`, oldest first, of whole mutations only.

    Lines of the earlier implementation, before our first, count from 1 in their order; lines of
    others further on are not events before they are adopted.
    """
    end = entry.trail_size
    start = _before(entry, since_seq, end)
    found: list[LoggedEvent] = []
    group: list[LoggedEvent] = []
    count, is_earlier = 0, start == 0
    for line in _whole_lines(entry, start, end):
        if len(found) >= limit:
            break
        sealed = read_sealed(line.raw.removesuffix(b"\n"))
        if sealed is None:
            if is_earlier and line.raw.strip():
                count += 1
                event = _earlier_event(line)
                if event is not None and count > since_seq:
                    found.append(LoggedEvent(event=event, seq=count, rev=0))
            continue
        is_earlier = False
        index, size = place_in_mutation(sealed)
        if index == 1:
            group = []
        seq = number(sealed, "seq")
        group.append(LoggedEvent(event=event_of(sealed), seq=seq, rev=number(sealed, "rev")))
        if index == size and len(group) == size:
            found += [logged for logged in group if logged.seq > since_seq]
            group = []
    return found[:limit]


def _whole_lines(entry: OpenRun, start: int, end: int) -> Iterator[Line]:
    """The lines that end, each by itself where somebody took the newline between two of ours."""
    for line in trail_lines(entry, start, end, chunk=_NEAR_BYTES):
        if not line.raw.endswith(b"\n"):
            return
        if read_sealed(line.raw[:-1]) is not None or read_object(line.raw) is not None:
            yield line
        else:
            yield from unglued(line)


def _earlier_event(line: Line) -> Event | None:
    document = read_object(line.raw)
    if document is None:
        return None
    try:
        return event_of(document)
    except ValueError:
        return None


def _before(entry: OpenRun, since_seq: int, end: int) -> int:
    """An offset at a line's beginning, not far before the event that follows `since_seq`, by halving."""
    low, high = 0, end
    while high - low > _NEAR_BYTES:
        middle = (low + high) // 2
        at = _mutation_from(entry, middle, high)
        if at is not None and at[1] <= since_seq:
            low = at[0]
        else:
            high = middle
    return low


def _mutation_from(entry: OpenRun, start: int, end: int) -> tuple[int, int] | None:
    """Offset and seq of the first whole line of ours that begins a mutation behind `start`."""
    for number_of_line, line in enumerate(trail_lines(entry, start, end, chunk=_NEAR_BYTES // 8)):
        # The first piece is the rest of a line that began earlier.
        if number_of_line == 0 and start > 0:
            continue
        sealed = read_sealed(line.raw[:-1]) if line.raw.endswith(b"\n") else None
        if sealed is not None and place_in_mutation(sealed)[0] == 1:
            return line.offset, number(sealed, "seq")
    return None


def run_at(entry: OpenRun, rev: int | None) -> Run:
    """The run as the trail had it after a mutation; after the last one without a rev.

    Raises:
        NotFound: the trail has no such mutation, or none that can be folded.
    """
    first, last, end = 0, 0, 0
    for piece in Scanner(None, 0).pieces(trail_lines(entry, 0, entry.trail_size)):
        if isinstance(piece, Mutation):
            at = number(piece.last, "rev")
            first = first or at
            if rev is None or at <= rev:
                last, end = at, piece.end
            elif last == rev:
                break
    walk = Walk(entry, None, Mark(), end)
    run = walk.run() if last and rev in (None, last) else None
    if run is not None and walk.damage is None:
        return run
    named = f"revision {rev}" if rev is not None else "its last revision"
    if walk.damage is not None and rev in (None, last):
        why = damage_in_words(walk.damage)
    else:
        why = f"its trail tells {first} to {_last_rev(entry)}" if first else "no change was recorded in it yet"
    raise NotFound(
        f"run {shown(entry.run_id)!r} cannot be shown at {named}: {why}",
        hint="the events of a run name their revisions",
        run_id=entry.run_id,
        rev=rev,
    )


def _last_rev(entry: OpenRun) -> int:
    revs = (
        number(piece.last, "rev")
        for piece in Scanner(None, 0).pieces(trail_lines(entry, 0, entry.trail_size))
        if isinstance(piece, Mutation)
    )
    return max(revs, default=0)
