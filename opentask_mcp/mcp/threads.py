"""Worker threads of our own, so that callers who wait never stall the server.

The SDK reads stdin and writes stdout in the threads that `anyio.to_thread` gives everybody: forty.
Thirty-nine calls blocked on a run's lock would leave the server deaf. Here blocking work has lanes
of its own, apart by how long it may block: a read takes no lock and is never behind a write, and a
look of a waiting caller (which may tick, so lock) is behind neither.

Work that has begun is finished, whatever becomes of the request: cancelling a call, or the client
going away, waits for the thread. So a change is made whole or not begun.
"""

from collections.abc import Callable
from typing import Final, Literal, TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")
Lane = Literal["read", "write", "wait"]

_THREADS: Final[dict[Lane, int]] = {"read": 8, "write": 32, "wait": 8}


class Threads:
    """The lanes of one server. Made anywhere, used within one event loop."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, anyio.CapacityLimiter] = {}

    async def run(self, lane: Lane, work: Callable[[], T]) -> T:
        """Do blocking work in a thread of the lane; cancellation waits until it is done."""
        limiter = self._lanes.get(lane)
        if limiter is None:
            limiter = self._lanes[lane] = anyio.CapacityLimiter(_THREADS[lane])
        return await anyio.to_thread.run_sync(work, abandon_on_cancel=False, limiter=limiter)
