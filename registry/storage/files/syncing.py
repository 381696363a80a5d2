"""Making what was written durable: bytes, sizes and names.

A file's sync says nothing about its name: whoever makes a file or folder that must outlive a
loss of power syncs the folder it is in as well.
"""

import fcntl
import os
from typing import Final

from .. import failpoints

_FULLFSYNC: Final[int | None] = getattr(fcntl, "F_FULLFSYNC", None)


def sync(descriptor: int, *, step: failpoints.Step = "folder.sync") -> None:
    """Make an open file or folder durable. On macOS only F_FULLFSYNC reaches the disk itself."""
    failpoints.reach(step)
    if _FULLFSYNC is not None:
        fcntl.fcntl(descriptor, _FULLFSYNC)
    else:
        os.fsync(descriptor)


def sync_bytes(descriptor: int, *, step: failpoints.Step) -> None:
    """Make a file's bytes and size durable."""
    failpoints.reach(step)
    if _FULLFSYNC is not None:
        fcntl.fcntl(descriptor, _FULLFSYNC)
    else:
        os.fdatasync(descriptor)
