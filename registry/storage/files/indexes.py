"""The index of one store: opened when it is first needed, left alone where nothing may be written."""

import os
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from ...errors import RegistryError, StorageFault
from ..port import Store
from .layout import RUNS
from .run_folders import FileFolders

if TYPE_CHECKING:
    from ..index.reading import IndexReader
    from ..index.writing import IndexWriter
    from ..listing import RunLists
    from ..views import TaskViews


class Indexes:
    """What a store writes to the index and reads from it.

    Args:
        root: Absolute path of the registry.
        is_kept: Whether there is to be an index at all; without one, lists read every run.
        require_writable: Raises where the registry may not be written.
    """

    def __init__(
        self,
        root: str,
        store: Store,
        folders: FileFolders,
        *,
        is_kept: bool,
        now: Callable[[], datetime],
        require_writable: Callable[[], None],
    ) -> None:
        self._root = root
        self._store = store
        self._folders = folders
        self._is_kept = is_kept
        self._now = now
        self._require_writable = require_writable
        self._writer: IndexWriter | None = None
        self._reader: IndexReader | None = None

    def writer(self) -> "IndexWriter | None":
        """The side of those who change runs."""
        if self._writer is None and self._is_kept:
            # Whoever only reads a run needs no SQLite.
            from ..index.writing import IndexWriter

            self._writer = IndexWriter(self._root)
        return self._writer

    def _readable(self) -> "IndexReader | None":
        """The side of lists. A list must not make a registry of a folder that is none."""
        if not self._is_kept or not os.path.isdir(f"{self._root}/{RUNS}"):
            return None
        try:
            self._require_writable()
        except RegistryError:
            return None
        if self._reader is None:
            from ..index.reading import IndexReader

            self._reader = IndexReader(self._root, self._store, self._folders, now=self._now)
        return self._reader

    def lists(self) -> "RunLists":
        """Lists of runs."""
        from ..listing import ScannedRuns

        reader = self._readable()
        return ScannedRuns(self._store) if reader is None else reader.runs

    def views(self) -> "TaskViews":
        """Queues and the ledger."""
        from ..views import ScannedViews

        reader = self._readable()
        return ScannedViews(self._store) if reader is None else reader.tasks

    def rebuild(self, progress: Callable[[int, int], None]) -> int:
        """Read every run again; gives how many.

        Raises:
            Forbidden: the registry may not be written.
            StorageFault: the index cannot be.
        """
        self._require_writable()
        reader = self._readable()
        if reader is None:
            return 0
        from ..index.database import IndexUnusable

        try:
            return reader.rebuild(progress)
        except IndexUnusable as unusable:
            raise StorageFault(
                f"the index cannot be written ({unusable}); until it can be, lists read the runs themselves",
                hint="look at the permissions of .opentask/ and at the room on its disk",
            ) from unusable

    def close(self) -> None:
        """Close what is open; it is opened again when it is needed."""
        if self._writer is not None:
            self._writer.close()
        if self._reader is not None:
            self._reader.close()
