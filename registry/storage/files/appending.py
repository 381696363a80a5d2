"""The one write that makes a mutation: all its lines in one append, then the sync.

Promised: when `append` returns, the lines are in the trail and, with `synced`, on the disk. When
it raises anything but `OutcomeUnknown`, none of them is in the trail. A kill in the middle leaves
a torn end, which the next writer takes away; the lines count only when the last is whole.

The trail is not locked against hands: somebody's `echo >>` may land between our look at the end
and our write. Then our lines stand behind it, and if it lacked its newline they were glued to it
and are taken back.
"""

import errno
import os

from ...core.names import RunId, shown
from ...errors import OutcomeUnknown, StorageFault
from .. import failpoints
from . import atomic
from .handles import OpenRun
from .layout import TRAIL
from .opening import fault, read_at
from .syncing import sync_bytes


def append(entry: OpenRun, chunk: bytes, *, end: int, synced: bool) -> int:
    """Append lines to the trail.

    Args:
        end: Where the trail ends, as far as the caller has read it.

    Returns:
        The offset at which the lines begin; not `end` where somebody appended in between.

    Raises:
        StorageFull, StorageFault: nothing was changed.
        OutcomeUnknown: the lines may or may not be there after a power loss.
    """
    try:
        trail = entry.writable_trail()
    except OSError as error:
        raise fault(error, "opening the trail") from error
    try:
        written = failpoints.write("append.write", trail, chunk)
    except OSError as error:
        raise fault(error, "appending to the trail") from error
    offset = os.lseek(trail, 0, os.SEEK_CUR) - written
    if written < len(chunk):
        _take_back(entry, trail, offset, written, synced=synced)
        # A regular file takes less than it is given when the disk, a quota or a limit is full.
        raise fault(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "appending to the trail")
    if offset != end and not _begins_a_line(trail, offset):
        _take_back(entry, trail, offset, written, synced=synced)
        raise StorageFault(
            f"somebody wrote half a line to {TRAIL} of run {entry.run_id!r} at the same moment; nothing was changed",
            hint="try again",
        )
    if synced:
        try:
            sync_bytes(trail, step="append.sync")
        except OSError as error:
            entry.loaded = None
            raise unknown(entry.run_id, f"the disk did not confirm it ({error.strerror})") from error
    return offset


def unknown(run_id: RunId, why: str, *, what: str = "a change of run") -> OutcomeUnknown:
    """The failure of a change that was written and not confirmed."""
    return OutcomeUnknown(
        f"{what} {shown(run_id)!r} was written, but {why}; it may or may not be there",
        hint="look at the run before asking again; send the same request_id to be safe",
        run_id=run_id,
    )


def _begins_a_line(trail: int, offset: int) -> bool:
    return offset == 0 or read_at(trail, offset - 1, 1) == b"\n"


def _take_back(entry: OpenRun, trail: int, offset: int, size: int, *, synced: bool) -> None:
    """Undo a write: cut it off where it is the end, else blank it."""
    try:
        if os.fstat(trail).st_size == offset + size:
            failpoints.reach("append.cut")
            os.ftruncate(trail, offset)
            if synced:
                # Whole lines that came back after a loss of power would be the change that was said not to be.
                sync_bytes(trail, step="append.sync")
        else:
            atomic.blank(entry.folder, TRAIL, offset, size)
    except OSError as error:
        entry.loaded = None
        raise unknown(entry.run_id, f"a part of it could not be taken back ({error.strerror})") from error
