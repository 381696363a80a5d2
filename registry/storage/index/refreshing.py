"""What a reader does before it trusts the index: read again whatever may have changed.

Reading is bounded in time, so that the first list over a hundred thousand runs nobody indexed
yet is an answer about the newest of them and a sentence on the rest, not a minute of silence.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

from ...core.names import RunId, is_id
from ...errors import NotFound, RegistryError
from ..listing import NOTICES_MAX, unreadable
from . import schema, writing
from .boot import boot_mark
from .database import Database, are_own_folders
from .folders import RunFolders, Stamp
from .rows import RUNS, Files, Indexed

SLICE_S: Final = 1.0
SLICE_RUNS_MIN: Final = 200
"""However slow the disk is, a list reads so many runs that are not indexed yet."""

_BATCH_RUNS: Final = 50
_WAIT_S: Final = 1.0
_FRESH_BATCH: Final = 5_000

Answer = TypeVar("Answer")
Held = tuple[str, Files] | None
"""Where a run was and which files its row was made from; None where it has no row."""


class Refresher:
    """Brings the index up to the run folders.

    Args:
        root: Absolute path of the registry.
        now: The clock, aware UTC.
    """

    def __init__(self, root: str, database: Database, folders: RunFolders, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._folders = folders
        self._now = now
        self._stale = os.path.join(root, writing.STALE)

    def refresh(self, *, slice_s: float = SLICE_S) -> tuple[str, ...]:
        """Read again what may have changed, for about so long.

        Returns:
            What the reader of a list should know: runs that cannot be read, and how many were not read yet.

        Raises:
            IndexUnusable: the run folders have to be read instead.
        """
        with self._database.reading() as connection:
            seen = _seen(connection)
        if self._stands(seen):
            return _notices(seen)
        self._bring_up(seen, slice_s)
        with self._database.reading() as connection:
            return _notices(_seen(connection))

    def fresh(self, ask: Callable[[sqlite3.Connection], Answer], *, slice_s: float) -> Answer:
        """What a question finds in the index brought up: nearly always there is nothing to bring up.

        Raises:
            IndexUnusable: the run folders have to be read instead.
        """
        with self._database.reading() as connection:
            seen = _seen(connection)
            if self._stands(seen):
                return ask(connection)
        self._bring_up(seen, slice_s)
        with self._database.reading() as connection:
            return ask(connection)

    def _stands(self, seen: "_Seen") -> bool:
        """Whether everything is in the index that the run folders have."""
        return (
            not (seen.marked or seen.unread)
            and seen.boot == boot_mark(self._now)
            and not self._marked_by_file()
            and not self._changed_since(seen)
            and self._stamps() == seen.stamps
        )

    def _bring_up(self, seen: "_Seen", slice_s: float) -> None:
        self._take_in_marked(seen.marked, self._marked_by_file())
        if seen.boot != boot_mark(self._now):
            self._compare_all()
        self._find_names(seen.stamps)
        self.reread(self._changed_since(seen))
        self._read_unread(slice_s)

    def _changed_since(self, seen: "_Seen") -> list[tuple[RunId, Held]]:
        """Runs that could not be read, whose files are others now."""
        return [(run_id, row) for run_id, row, _ in seen.faulty if self._folders.files(run_id, row[0]) != row[1]]

    def _marked_by_file(self) -> set[RunId]:
        """Runs whose writers could not mark them in the index."""
        if not os.access(self._stale, os.F_OK):
            return set()
        return _names_in(self._stale) if are_own_folders(os.path.dirname(self._stale), self._stale) else set()

    def _stamps(self) -> dict[str, Stamp]:
        return {place: stamp for place in self._folders.places() if (stamp := self._folders.stamp(place)) is not None}

    def _take_in_marked(self, marked: dict[RunId, int], by_file: set[RunId]) -> None:
        """Read runs again whose writers had begun; where none is at work any more, take the mark off."""
        for run_id in {**marked, **dict.fromkeys(by_file)}:
            held = self._held(run_id)
            with self._folders.held(run_id) as is_free:
                run = self._look(run_id)
                # A run that is being made has no folder yet: its maker takes the mark off, or the name tells of it.
                is_over = is_free or (run is None and not _is_alive(marked.get(run_id)))
                is_over = is_over or (run is not None and run.place != RUNS)
                with self._database.writing(wait_s=_WAIT_S) as connection:
                    if run is not None:
                        _put_if(connection, run, held)
                    elif is_over:
                        writing.forget(connection, run_id)
                    if is_over:
                        connection.execute(schema.TAKE_MARK_OFF, (run_id,))
                if is_over and run_id in by_file:
                    with suppress(OSError):
                        os.unlink(os.path.join(self._stale, run_id))

    def reread(self, runs: Sequence[tuple[RunId, Held]]) -> None:
        """Make rows anew, each unless somebody did since it was as given."""
        looked = [(run_id, self._look(run_id), held) for run_id, held in runs]
        if not looked:
            return
        with self._database.writing(wait_s=_WAIT_S) as connection:
            for run_id, run, held in looked:
                if run is not None:
                    _put_if(connection, run, held)
                elif self._folders.place_of(run_id) is None:
                    writing.forget(connection, run_id)

    def _held(self, run_id: RunId) -> Held:
        with self._database.reading() as connection:
            return _held(connection, run_id)

    def _look(self, run_id: RunId) -> Indexed | None:
        """A run as its files are now; None where it is nowhere."""
        place = self._folders.place_of(run_id)
        files = self._folders.files(run_id, place) if place is not None else None
        if place is None or files is None:
            return None
        try:
            return Indexed(run_id, place, files, self._folders.state(run_id, place))
        except RegistryError as failure:
            return Indexed(run_id, place, files, None, failure.code)

    def _compare_all(self) -> None:
        """After a boot: what the index heard last may not have reached the disk, what the runs were told did."""
        changed: list[tuple[RunId, str, int]] = []
        with self._database.reading() as connection:
            for run_id, place, *files in connection.execute(schema.ALL_FILES):
                if self._folders.files(run_id, place) != Files(*files):
                    changed.append((run_id, place, self._folders.changed_ns(run_id, place)))
        with self._database.writing(wait_s=_WAIT_S) as connection:
            connection.executemany(schema.PUT_UNREAD, changed)
            connection.execute("DELETE FROM boot")
            connection.execute("INSERT INTO boot (mark) VALUES (?)", (boot_mark(self._now),))

    def _find_names(self, known: dict[str, Stamp], *, anyway: bool = False) -> None:
        """Compare the names on disk with those in the index, where a folder changed by another hand."""
        stamps = self._stamps()
        if stamps == known and not anyway:
            return
        # A change in the same tick of the file system's clock as our look would leave the same time behind.
        tick = self._database.tick_ns()
        with self._database.reading() as connection:
            connection.execute(schema.NAMES)
            for place in stamps:
                connection.executemany(schema.PUT_NAME, ((name, place) for name in self._folders.names(place)))
            fresh = connection.execute(schema.FRESH_NAMES).fetchall()
            gone = [run_id for (run_id,) in connection.execute(schema.GONE_NAMES)]
            moved = [run_id for (run_id,) in connection.execute(schema.MOVED_NAMES)]
        for start in range(0, len(fresh), _FRESH_BATCH):
            some = fresh[start : start + _FRESH_BATCH]
            timed = [(run_id, place, self._folders.changed_ns(run_id, place)) for run_id, place in some]
            with self._database.writing(wait_s=_WAIT_S) as connection:
                connection.executemany(schema.PUT_UNREAD, timed)
        self.reread([(run_id, self._held(run_id)) for run_id in (*moved, *gone)])
        kept = [(place, at if at < tick else 0, links) for place, (at, links) in stamps.items()]
        with self._database.writing(wait_s=_WAIT_S) as connection:
            connection.execute("DELETE FROM folders")
            connection.executemany("INSERT INTO folders (place, mtime_ns, links) VALUES (?, ?, ?)", kept)

    def _read_unread(self, slice_s: float) -> None:
        """Read runs that are in no list yet, the newest first."""
        until, done = time.monotonic() + slice_s, 0
        while done < SLICE_RUNS_MIN or time.monotonic() < until:
            with self._database.reading() as connection:
                unread = [run_id for run_id, _ in connection.execute(schema.NEWEST_UNREAD, (_BATCH_RUNS,))]
                held = [(run_id, _held(connection, run_id)) for run_id in unread]
            if not held:
                return
            self._put_all(held)
            done += len(held)

    def _put_all(self, runs: Sequence[tuple[RunId, Held]]) -> None:
        looked = [(run_id, self._look(run_id), held) for run_id, held in runs]
        with self._database.writing(wait_s=_WAIT_S) as connection:
            for run_id, run, held in looked:
                if run is not None:
                    _put_if(connection, run, held)
                connection.execute(schema.FORGET_UNREAD, (run_id,))

    def rebuild(self, progress: Callable[[int, int], None]) -> int:
        """Read every run again, whatever the index says; gives how many.

        Args:
            progress: Told how many are read, of how many.
        """
        with self._database.reading() as connection:
            marked = dict(connection.execute(schema.MARKED).fetchall())
        self._take_in_marked(marked, self._marked_by_file())
        self._find_names({}, anyway=True)
        with self._database.reading() as connection:
            runs = connection.execute(schema.EVERY_NAME).fetchall()
        progress(0, len(runs))
        for start in range(0, len(runs), _BATCH_RUNS):
            some = runs[start : start + _BATCH_RUNS]
            with self._database.reading() as connection:
                held = [(run_id, _held(connection, run_id)) for run_id, _ in some]
            self._put_all(held)
            progress(min(start + _BATCH_RUNS, len(runs)), len(runs))
        return len(runs)


@dataclass(frozen=True)
class _Seen:
    """What the index says of itself, at one moment.

    Attributes:
        stamps: The folders of runs as they were when their names were compared.
        marked: Runs whose writers had begun, with the process of each.
        faulty: Runs that could not be read, with the files they had then and the code of the fault.
        unread: How many runs are in no list yet.
        read: How many are, where any is not.
    """

    boot: str | None
    stamps: dict[str, Stamp]
    marked: dict[RunId, int] = field(default_factory=dict)
    faulty: tuple[tuple[RunId, tuple[str, Files], str], ...] = ()
    unread: int = 0
    read: int = 0


def _seen(connection: sqlite3.Connection) -> _Seen:
    looked = connection.execute(schema.LOOK).fetchall()
    if looked and not any(looked[0][4:]):
        # The common case in one question: each costs as much as its answer.
        return _Seen(boot=looked[0][3], stamps={place: Stamp(*stamp) for place, *stamp in (row[:3] for row in looked)})
    boot = connection.execute("SELECT mark FROM boot").fetchone()
    (unread,) = connection.execute("SELECT count(*) FROM unread").fetchone()
    return _Seen(
        marked=dict(connection.execute(schema.MARKED).fetchall()),
        boot=boot[0] if boot is not None else None,
        stamps={place: Stamp(*stamp) for place, *stamp in connection.execute(schema.FOLDERS)},
        faulty=tuple(
            (run_id, (place, Files(*files)), fault)
            for run_id, place, fault, *files in connection.execute(schema.FAULTY)
        ),
        unread=unread,
        read=connection.execute("SELECT count(*) FROM runs").fetchone()[0] if unread else 0,
    )


def _notices(seen: _Seen) -> tuple[str, ...]:
    told = [unreadable(run_id, fault) for run_id, _, fault in seen.faulty if fault != NotFound.code]
    if seen.unread:
        told.insert(
            0,
            f"{seen.read:,} of {seen.read + seen.unread:,} runs are indexed so far, the newest first; "
            "each list goes on with it, `opentask reindex` does all of it",
        )
    return tuple(told[:NOTICES_MAX])


def _put_if(connection: sqlite3.Connection, run: Indexed, held: Held) -> None:
    """Put rows unless a writer put newer ones since we looked at the files."""
    if _held(connection, run.run_id) == held:
        writing.put(connection, run)


def _held(connection: sqlite3.Connection, run_id: RunId) -> Held:
    row = connection.execute(schema.RUN_HELD, (run_id,)).fetchone()
    return None if row is None else (row[1], Files(*row[2:]))


def _names_in(folder: str) -> set[RunId]:
    try:
        return {name for name in os.listdir(folder) if is_id(name)}
    except OSError:
        return set()


def _is_alive(pid: int | None) -> bool:
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
