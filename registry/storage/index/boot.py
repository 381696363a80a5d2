"""Which start of the system this is."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Final

_BOOT_ID: Final = "/proc/sys/kernel/random/boot_id"


def boot_mark(now: Callable[[], datetime]) -> str:
    """A text that differs between two starts of the system; it may differ within one, which only costs time."""
    return _boot_id() or f"{now() - timedelta(seconds=time.monotonic()):%Y-%m-%dT%H:%M}"


@cache
def _boot_id() -> str:
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
