"""Putting right, under the lock, what a crash or a hand left behind. Every byte replaced is kept.

- torn end: to `.torn/`, then cut off; with others' lines behind it, blanked where it lies;
- a whole line without its newline: given one;
- edited projections: kept under another name, made again from the trail;
- a completed node's result that is missing: made from the node's state;
- a trail shorter than the state: recorded again with a snapshot, since what was acknowledged
  is never rolled back;
- damage in the middle: refused, for `repair` to be asked for.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from ...core.events import Decision, Event
from ...core.limits import CLOCK_AHEAD_S_MAX
from ...core.names import iso, moment
from ...core.record import Bag
from ...core.run import Actor, Log, Run
from ...formats.fold import joined
from ...formats.trail import Torn
from .. import failpoints
from . import atomic, results
from .finding import Found, make_durable
from .handles import Loaded, OpenRun
from .layout import TORN, TRAIL
from .mutating import mutate
from .opening import fault, folder_at, make_folder, read_at
from .projecting import Place, project
from .telling import BINDINGS_LOST, blank, corrupt, edited, no_run_left

STORAGE: Actor = Actor(kind="system", id="opentask", via="file")


def mend(place: Place, entry: OpenRun, found: Found) -> tuple[Loaded, int, tuple[str, ...]]:
    """Make a run fit to be written.

    Returns:
        The run, where its trail ends, and what was put right, in words.

    Raises:
        LogCorrupt: the trail is damaged in the middle.
        StorageFull, StorageFault: nothing was changed.
    """
    if found.loaded is None:
        raise no_run_left(entry.run_id)
    if found.damage is not None:
        raise corrupt(entry.run_id, found.damage)
    try:
        return _mended(place, entry, found, found.loaded)
    except OSError as error:
        raise fault(error, "putting the run's files right") from error


def _mended(place: Place, entry: OpenRun, found: Found, loaded: Loaded) -> tuple[Loaded, int, tuple[str, ...]]:
    told: list[str] = []
    size = found.size
    if found.torn:
        size = keep_torn(place, entry, found.torn, size, told)
    if found.open_line:
        spans = joined(loaded.mark.unadopted, (size, failpoints.write("repair.newline", entry.writable_trail(), b"\n")))
        size, loaded = size + 1, loaded._replace(mark=replace(loaded.mark, unadopted=spans))
    for name, text in found.edited:
        if not text:
            told.append(f"{blank(name)}; it is written again")
            continue
        kept = atomic.keep(entry.folder, f".{name}.edited-{place.stamp()}", text)
        told.append(edited(entry, name, text, loaded.run, kept=kept))
    if loaded.unwritten:
        loaded = _with_results(place, entry, loaded, told)
    if found.lost:
        loaded = _record_again(place, entry, loaded, lost=found.lost, size=size)
        size = loaded.mark.offset
        told.append(
            f"log_repaired: {TRAIL} had lost its last {found.lost} mutations; the state had them and stands, "
            "recorded again as a snapshot" + ("" if found.has_bindings else f"; {BINDINGS_LOST}")
        )
    elif found.is_behind:
        if place.synced:
            # Whoever finds the projections even with the trail takes it to be on the disk.
            make_durable(entry)
        # Nothing may be shared with what was cached: a file that vanished must be written even when nothing changed.
        loaded, _ = project(place, entry, loaded._replace(refs="", texts=None), loaded.run, loaded.mark)
    entry.loaded = loaded
    return loaded, size, tuple(told)


def _with_results(place: Place, entry: OpenRun, loaded: Loaded, told: list[str]) -> Loaded:
    """Make every result.json that whoever completed its node did not live to write."""
    found = list(results.wanting(entry, loaded.run, loaded.unwritten))
    if found and place.synced:
        # Nobody may read the result of what a loss of power takes back.
        make_durable(entry)
    failed, said = results.restore(entry, loaded.run, found, stamp=place.stamp())
    told += said
    return loaded._replace(unwritten=failed)


def keep_torn(place: Place, entry: OpenRun, torn: Sequence[Torn], size: int, told: list[str]) -> int:
    """Keep torn bytes and take them out of the trail; give its new size."""
    trail = entry.writable_trail()
    make_folder(entry.folder, TORN, synced=True)
    folder = folder_at(entry.folder, TORN)
    total = 0
    try:
        for piece in torn:
            text = read_at(trail, piece.offset, piece.end - piece.offset)
            atomic.keep(folder, f"{place.stamp()}-{piece.offset}", text)
            total += len(text)
    finally:
        os.close(folder)
    end = size
    for piece in sorted(torn, key=lambda piece: piece.offset, reverse=True):
        # What somebody appends at this very moment must not be cut off with it.
        if piece.end == end and os.fstat(trail).st_size == end:
            failpoints.reach("repair.cut")
            os.ftruncate(trail, piece.offset)
            end = piece.offset
        else:
            atomic.blank(entry.folder, TRAIL, piece.offset, piece.end - piece.offset)
    told.append(
        f"torn_tail: a writer was killed in the middle of a change, which was never acknowledged; "
        f"its {total:,} bytes are kept in {TORN}/ and everything before them stands"
    )
    return end


def _record_again(place: Place, entry: OpenRun, loaded: Loaded, *, lost: int, size: int) -> Loaded:
    payload: Bag = {"lost": lost, "bytes": size, "rev": loaded.run.log.rev}
    message = f"{TRAIL} was shorter than the state"
    decision = restarted(place, loaded.run, "log.repaired", payload, message=message)
    now, _ = mutate(place, entry, loaded._replace(refs="", texts=None), decision, restart=True, end=size)
    return now


def restarted(place: Place, run: Run, name: str, payload: Bag, *, message: str) -> Decision:
    """A mutation of storage's own: the run as it is, as a new beginning for the fold."""
    timestamp = _timestamp(place, run.log.last_at)
    log = Log(rev=run.log.rev + 1, state_rev=run.log.state_rev, seq=run.log.seq + 1, last_at=timestamp)
    state = run.state.model_copy(update={"last_event": name, "updated_at": timestamp})
    event = Event(name=name, timestamp=timestamp, actor=STORAGE, message=message, payload=payload)
    return Decision(run=run.model_copy(update={"state": state, "log": log}), events=(event,))


def _timestamp(place: Place, last_at: str) -> str:
    """Now, or the last event's time where that is later, unless it is absurdly far ahead."""
    now = place.now()
    with suppress(ValueError):
        last = moment(last_at)
        if now < last and (last - now).total_seconds() <= CLOCK_AHEAD_S_MAX:
            return iso(last)
    return iso(now)
