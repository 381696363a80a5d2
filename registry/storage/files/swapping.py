"""Letting two names of one folder change places, as the Linux system call renameat2(2) does it.

ext4 writes a file out at once when it is renamed onto another (`auto_da_alloc`, ext4(5)), and what
was on the disk costs as much again when it goes. Names that change places force nothing out: a file
that is written again a moment later never reaches the disk at all.
"""

import errno
import os
from collections.abc import Callable
from functools import cache
from typing import Final

_RENAME_EXCHANGE: Final = 2
_IMPOSSIBLE: Final = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.ENOENT})
"""Not in this system, file system or sandbox, or one of the two is not there."""

_Call = Callable[[int, bytes, int, bytes, int], int]


@cache
def _renameat2() -> tuple[_Call, Callable[[], int]] | None:
    """The system's call, and what tells the error number of the last one; None where there is none."""
    try:
        # Who only looks at runs need not wait for this import.
        import ctypes

        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (ImportError, OSError, AttributeError):
        return None
    call.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    call.restype = ctypes.c_int
    return call, ctypes.get_errno


def swap(folder: int, one: str, other: str) -> bool:
    """Let two names of an open folder change places, in one step.

    Returns:
        False where that cannot be done here; nothing was changed.

    Raises:
        OSError: it may or may not have been done.
    """
    found = _renameat2()
    if found is None:
        return False
    call, last_error = found
    if call(folder, os.fsencode(one), folder, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    if (number := last_error()) in _IMPOSSIBLE:
        return False
    raise OSError(number, os.strerror(number), one, None, other)
