"""Stores to test: the same promises in memory and on the disk."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from registry.storage.files.store import FileStore
from registry.storage.memory import MemoryStore
from registry.storage.port import Store
from tests.storage.given import Clock


class Bench(Protocol):
    """A store under test, and what a person or another process could do to it."""

    store: Store

    def another(self) -> Store:
        """The same runs as another process sees them."""
        ...

    def put_control(self, run_id: str, raw: bytes) -> None: ...


class MemoryBench:
    def __init__(self) -> None:
        self._store = MemoryStore()
        self.store: Store = self._store

    def another(self) -> Store:
        return self._store

    def put_control(self, run_id: str, raw: bytes) -> None:
        self._store.put_control(run_id, raw)


class FileBench:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: list[FileStore] = []
        self.store: Store = self.another()

    def another(self) -> Store:
        store = FileStore(str(self._root), now=Clock(), durability="process")
        self._open.append(store)
        return store

    def put_control(self, run_id: str, raw: bytes) -> None:
        with open(self._root / "runs" / run_id / "control.jsonl", "ab") as inbox:
            inbox.write(raw + b"\n")

    def close(self) -> None:
        for store in self._open:
            store.close()


@pytest.fixture(params=["memory", "files"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "memory":
        yield MemoryBench()
        return
    files = FileBench(tmp_path)
    yield files
    files.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FileStore]:
    """A store of files that syncs as users' stores do."""
    made = FileStore(str(tmp_path), now=Clock())
    yield made
    made.close()


@pytest.fixture
def again(tmp_path: Path) -> Iterator[FileStore]:
    """The same files as a process sees them that starts anew."""
    made = FileStore(str(tmp_path), now=Clock())
    yield made
    made.close()


def open_descriptors() -> int:
    """How many files this process holds open."""
    return len(os.listdir("/proc/self/fd"))
