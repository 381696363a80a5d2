"""The locks of agents: one file each below `.locks/`, taken before any run's lock and never after.

Who claims from an agent's queue holds the agent's lock meanwhile, so the order of the queue and
`exclusive` hold across processes. The files are never deleted; see `locks.py`.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from ...core.names import AgentId
from ...errors import AgentLockTimeout, LockTimeout
from .. import failpoints
from .layout import LOCKS, agent_lock
from .locks import RunLock
from .opening import FOLDER, fault, inode_at

_OPEN_MAX: Final = 256
_REOPENINGS_MAX: Final = 8
_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class AgentLocks:
    """The agents' locks of one registry, open as long as they are used again and again."""

    def __init__(self, *, now_text: Callable[[], str]) -> None:
        self._guard = threading.Lock()
        self._pid = os.getpid()
        self._open: dict[AgentId, RunLock] = {}
        self._users: dict[AgentId, int] = {}
        self._deleted: list[RunLock] = []
        """Locks whose file is gone; other threads may still be waiting for them."""
        self._now_text = now_text

    @contextmanager
    def locked(self, root: int, agent_id: AgentId, *, wait_s: float, op: str) -> Iterator[None]:
        """Hold an agent's lock.

        Args:
            root: The registry's folder, open.

        Raises:
            AgentLockTimeout: another claim of the same agent kept it that long.
        """
        for _ in range(_REOPENINGS_MAX):
            lock = self._enter(root, agent_id)
            try:
                _acquire(lock, agent_id, wait_s=wait_s, op=op)
                try:
                    if _is_current(root, agent_id, lock):
                        yield
                        return
                finally:
                    lock.release()
                # Somebody deleted the file: whoever comes now would lock another.
                self._forget(agent_id, lock)
            finally:
                self._leave(agent_id)
        raise AgentLockTimeout(agent_id=agent_id, waited_s=0.0, holder="somebody who deletes the lock's file")

    def _enter(self, root: int, agent_id: AgentId) -> RunLock:
        with self._guard:
            if self._pid != os.getpid():
                # A lock is held by an open file description, which a child shares with its parent.
                self._close()
                self._pid = os.getpid()
            lock = self._open.get(agent_id)
            if lock is None:
                self._make_room()
                lock = self._open[agent_id] = RunLock(_opened(root, agent_id), now_text=self._now_text)
            self._users[agent_id] = self._users.get(agent_id, 0) + 1
            return lock

    def _leave(self, agent_id: AgentId) -> None:
        with self._guard:
            self._users[agent_id] -= 1
            if not self._users[agent_id]:
                del self._users[agent_id]

    def _forget(self, agent_id: AgentId, lock: RunLock) -> None:
        with self._guard:
            if self._open.get(agent_id) is lock:
                del self._open[agent_id]
                self._deleted.append(lock)

    def _make_room(self) -> None:
        idle = [agent_id for agent_id in self._open if agent_id not in self._users]
        for agent_id in idle[: max(0, len(self._open) - _OPEN_MAX + 1)]:
            os.close(self._open.pop(agent_id).descriptor)

    def close(self) -> None:
        """Close what nobody uses; the locks may be used again."""
        with self._guard:
            for agent_id in [agent_id for agent_id in self._open if agent_id not in self._users]:
                os.close(self._open.pop(agent_id).descriptor)

    def _close(self) -> None:
        for lock in (*self._open.values(), *self._deleted):
            os.close(lock.descriptor)
        self._open.clear()
        self._deleted.clear()
        self._users.clear()


def _acquire(lock: RunLock, agent_id: AgentId, *, wait_s: float, op: str) -> None:
    try:
        lock.acquire(agent_id, wait_s=wait_s, op=op)
    except LockTimeout as late:
        raise AgentLockTimeout(
            agent_id=agent_id, waited_s=float(str(late.details["waited_s"])), holder=str(late.details["holder"])
        ) from None


def _is_current(root: int, agent_id: AgentId, lock: RunLock) -> bool:
    """Whether the name on disk still means the file that is locked."""
    return inode_at(f"{LOCKS}/{agent_lock(agent_id)}", root) == lock.inode


def _opened(root: int, agent_id: AgentId) -> int:
    try:
        failpoints.reach("lock.open")
        with suppress(FileExistsError):
            os.mkdir(LOCKS, 0o755, dir_fd=root)
        folder = os.open(LOCKS, FOLDER, dir_fd=root)
        try:
            return os.open(agent_lock(agent_id), _FLAGS, 0o644, dir_fd=folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise fault(error, f"opening the lock of agent {agent_id!r}") from error
