"""The lock of one run: threads queue, processes poll.

Promised: at most one thread of one process on this machine holds it; a process that is killed
lets go of it at once; who waits too long learns who held it. Not promised: an order among
processes, or anything at all over a network file system.

The lock file is never deleted: unlinking it would let two waiters lock two different inodes.
It says who holds it for whoever must tell a person; what it says is true only while it is held.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import Final

from pydantic_core import from_json, to_json

from ...core.names import RunId, shown
from ...errors import LockTimeout
from .. import failpoints
from .opening import inode_of

_POLL_S: Final = 0.001
_POLL_S_MAX: Final = 0.002
_NOTE_BYTES: Final = 160
"""Every holder writes as much, so that nothing of an earlier one is left and no truncation is needed."""


class RunLock:
    """The lock of one run in this process, over an open lock file."""

    def __init__(self, descriptor: int, *, now_text: Callable[[], str]) -> None:
        self.descriptor = descriptor
        self.inode = inode_of(descriptor)
        self._threads = threading.Lock()
        self._now_text = now_text

    def acquire(self, run_id: RunId, *, wait_s: float, op: str) -> None:
        """Take the lock.

        Args:
            wait_s: How long to wait for other threads and processes together; 0 tries once.
            op: The operation, for those who wait.

        Raises:
            LockTimeout: somebody else kept it that long.
        """
        # Importing it takes as long as a hundred mutations; readers never need it.
        import filelock

        began = time.monotonic()
        if not self._threads.acquire(timeout=wait_s) if wait_s > 0 else not self._threads.acquire(blocking=False):
            raise LockTimeout(run_id=run_id, waited_s=time.monotonic() - began, holder=self.holder())
        try:
            pause_s = _POLL_S
            while not filelock.lock_descriptor(self.descriptor, blocking=False):
                waited_s = time.monotonic() - began
                if waited_s >= wait_s:
                    raise LockTimeout(run_id=run_id, waited_s=waited_s, holder=self.holder())
                # A longer pause would starve one process among several busy ones.
                time.sleep(pause_s)
                pause_s = min(pause_s * 1.2, _POLL_S_MAX)
        except BaseException:
            self._threads.release()
            raise
        note = to_json({"pid": os.getpid(), "since": self._now_text(), "op": op[:60]})
        try:
            failpoints.reach("lock.note")
            os.pwrite(self.descriptor, note[: _NOTE_BYTES - 1].ljust(_NOTE_BYTES - 1) + b"\n", 0)
        except OSError:
            return  # A full disk must not keep anybody from the lock; the note is a courtesy.

    def release(self) -> None:
        """Let go of the lock."""
        import filelock

        try:
            filelock.unlock_descriptor(self.descriptor)
        finally:
            self._threads.release()

    def holder(self) -> str:
        """Who holds the lock, in words, as far as the lock file says."""
        try:
            note = from_json(os.pread(self.descriptor, _NOTE_BYTES, 0))
            return f"process {int(note['pid'])} ({shown(str(note['op']))} since {shown(str(note['since']))})"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"
