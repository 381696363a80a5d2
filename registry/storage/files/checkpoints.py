"""Snapshots in the middle of a trail, so that reading a run anew costs what the run is and not what it went through.

Now and then a mutation carries, beside its patch, the whole run as a snapshot. Whoever folds from
earlier goes by the patch, and `validate` proves that the snapshot says the same. Whoever has
nothing but the trail looks for the newest snapshot from its end and begins there.
"""

from typing import Final

from pydantic_core import to_json

from ...core.events import Decision
from ...core.limits import MUTATION_BYTES_MAX
from ...core.names import RunId
from ...core.patch import Document, run_of, snapshot
from ...core.run import Run
from ...formats.event_line import read_sealed
from ...formats.fold import Fold, Mark, is_checkpoint
from .handles import OpenRun
from .opening import read_at
from .vouching import of_folder

EVERY_BYTES: Final = 1 << 20
"""So much trail is read in some forty milliseconds."""
TIMES_SNAPSHOT: Final = 16
"""A snapshot follows so many times its own size of trail, which it makes longer by a sixteenth at most."""

_KEY: Final = b',"snapshot":{'
_BLOCK_BYTES: Final = 1 << 20
_NEAR_BYTES: Final = 4 << 10


def restart_body(run: Run, *, control: int) -> Document:
    """What the last line of a mutation carries when the fold begins with it anew.

    Args:
        control: Bytes of the inbox that were judged.
    """
    return {"snapshot": {**snapshot(run), "log": {"stateRev": run.log.state_rev, "control": control}}}


def checkpoint_body(
    entry: OpenRun, mark: Mark, decision: Decision, *, control: int, offset: int, room: int
) -> Document:
    """What a mutation carries beside its patch, which stands before it; empty unless a snapshot is due.

    Args:
        mark: How far the run was folded before it.
        offset: Where its lines are to begin. A copy of them elsewhere is no checkpoint.
        room: Bytes that it may take.
    """
    grown = offset - mark.snapshot
    # What others wrote and nobody adopted yet would be forgotten by whoever begins behind it.
    if grown < EVERY_BYTES or offset < entry.checkpoint_from or mark.unadopted or len(decision.events) > 1:
        return {}
    run = decision.run
    log: Document = {"stateRev": run.log.state_rev, "control": control, "offset": offset}
    body: Document = {"snapshot": {**snapshot(run), "log": log}}
    size = len(to_json(body))
    if size > room or size * TIMES_SNAPSHOT > grown:
        # A large run is not to be written out with every change to see that it is large.
        entry.checkpoint_from = max(mark.snapshot + size * TIMES_SNAPSHOT, offset + EVERY_BYTES)
        return {}
    return body


def holds(run_id: RunId, fold: Fold, last: Document) -> bool:
    """Whether a snapshot beside a patch says what the fold came to; true of a line that has none.

    Raises:
        ValueError: the fold gives no run, or the snapshot is none.
        KeyError: a part of the snapshot is missing.
    """
    told = last.get("snapshot")
    if "patch" not in last or not isinstance(told, dict):
        return True
    folded, said = fold.run(), run_of(told, fold.log)
    same_state = of_folder(run_id, folded.state) == of_folder(run_id, said.state)
    return same_state and (folded.refs, folded.plan) == (said.refs, said.plan)


def newest_checkpoint(entry: OpenRun, end: int) -> int:
    """Offset of the newest line that a fold may begin with; 0, the beginning, where there is none."""
    top = end
    while entry.trail is not None and top > 0:
        start = max(0, top - _BLOCK_BYTES)
        text = read_at(entry.trail, start, top - start)
        at = len(text)
        while (at := text.rfind(_KEY, 0, at)) >= 0:
            begin, line = _line_around(entry.trail, start + at, end)
            if (sealed := read_sealed(line)) is not None and is_checkpoint(sealed, begin):
                return begin
            # What a payload says is no snapshot of ours, however often it says it.
            at = max(0, begin - start)
        # The key may lie across the border to the block before.
        top = start + len(_KEY) - 1 if start else 0
    return 0


def _line_around(trail: int, at: int, end: int) -> tuple[int, bytes]:
    """Where the line begins that an offset lies in, and its bytes without the newline.

    Empty where it has no newline, for then it was never acknowledged, and where it is too long to be a checkpoint.
    """
    reach = _NEAR_BYTES
    while True:
        start = max(0, at - reach)
        text = read_at(trail, start, min(end, at + reach) - start)
        begin, newline = text.rfind(b"\n", 0, at - start) + 1, text.find(b"\n", at - start)
        if (begin or not start) and newline >= 0:
            return start + begin, text[begin:newline]
        if reach > MUTATION_BYTES_MAX or (start == 0 and at + reach >= end):
            return start + begin, b""
        reach *= 8
