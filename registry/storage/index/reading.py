"""The readers' side of the index: one connection, what refreshes it, and the lists made from it."""

from collections.abc import Callable
from datetime import datetime

from ..listing import ScannedRuns
from ..port import Store
from ..views import ScannedViews
from .database import Database
from .folders import RunFolders
from .refreshing import Refresher
from .run_lists import IndexedRuns
from .task_views import IndexedTasks

_PATIENCE_S = 60.0
"""A list waits for another thread's list rather than read a hundred thousand runs by itself."""


class IndexReader:
    """Lists over all runs of a registry.

    Args:
        root: Absolute path of the registry.
        store: Where the runs are read.
        folders: Where they lie.
        now: The clock, aware UTC.
    """

    def __init__(self, root: str, store: Store, folders: RunFolders, *, now: Callable[[], datetime]) -> None:
        self._database = Database(root, patience_s=_PATIENCE_S)
        self._refresher = Refresher(root, self._database, folders, now=now)
        self.runs = IndexedRuns(self._database, self._refresher, folders, ScannedRuns(store))
        self.tasks = IndexedTasks(
            self._database,
            self._refresher,
            folders,
            state_of=store.state,
            run_of=lambda run_id: store.read(run_id).run.state,
            scanned=ScannedViews(store),
        )

    def rebuild(self, progress: Callable[[int, int], None]) -> int:
        """Read every run again; gives how many.

        Raises:
            IndexUnusable: it cannot be written.
        """
        return self._refresher.rebuild(progress)

    def close(self) -> None:
        """Close the index; it is opened again when it is needed."""
        self._database.close()
