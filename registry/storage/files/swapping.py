"""Letting two names of one folder change places, as the Linux system call renameat2(2) does it.

ext4 writes a file out at once when it is renamed onto another (`auto_da_alloc`, ext4(5)), and what
was on the disk costs as much again when it goes. Names that change places force nothing out: a file
that is written again a moment later never reaches the disk at all.
"""

import os
from collections.abc import Callable
from functools import cache
from typing import Final

_RENAME_EXCHANGE: Final = 2


@cache
def _renameat2() -> Callable[[int, bytes, int, bytes, int], int] | None:
    """The system's call; None where there is none."""
    try:
        # Who only looks at runs need not wait for this import.
        import ctypes

        call = ctypes.CDLL(None).renameat2
    except (ImportError, OSError, AttributeError):
        return None
    call.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    call.restype = ctypes.c_int
    return call


def swap(folder: int, one: str, other: str) -> bool:
    """Let two names of an open folder change places, in one step.

    Returns:
        False where that cannot be done: by this system, in this file system, or since either is missing. Then
        nothing was changed.
    """
    call = _renameat2()
    return call is not None and call(folder, os.fsencode(one), folder, os.fsencode(other), _RENAME_EXCHANGE) == 0
