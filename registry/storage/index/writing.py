"""The writers' side of the index: a mark before a run is touched, its rows and no mark afterwards.

Nothing here ever fails a change. Where the index is busy for longer than a change may wait, or
broken, an empty file named after the run is the mark, which is put there before the trail is
touched and taken away by whoever reads the run again.
"""

import os
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from typing import Final

from ...core.names import RunId, task_id
from ...core.run import RunState
from ..files.layout import PRIVATE
from . import rows, schema
from .database import Database, IndexUnusable, are_own_folders
from .rows import Files, Indexed, Row

STALE: Final = f"{PRIVATE}/stale"
"""Folder of the marks of runs whose writers could not use the index."""

WAIT_S: Final = 0.05
"""How long a change waits for the index."""


class IndexWriter:
    """Keeps the index up to the changes that one store makes.

    Args:
        root: Absolute path of the registry.
    """

    def __init__(self, root: str) -> None:
        self._stale = os.path.join(root, STALE)
        self._database = Database(root, patience_s=WAIT_S)

    def mark(self, run_id: RunId) -> bool:
        """Say that a run is about to change; whether anything says so now."""
        try:
            self._database.write(schema.MARK_DIRTY, (run_id, os.getpid()), wait_s=WAIT_S)
            return True
        except IndexUnusable:
            return self._mark_by_file(run_id)

    def _mark_by_file(self, run_id: RunId) -> bool:
        try:
            for folder in (os.path.dirname(self._stale), self._stale):
                os.makedirs(folder, exist_ok=True)
                if not are_own_folders(folder):
                    return False
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            os.close(os.open(os.path.join(self._stale, run_id), flags, 0o644))
        except OSError:
            return False
        return True

    def unmark(self, run_id: RunId) -> None:
        """Take a mark off: the run did not change after all."""
        with suppress(IndexUnusable):
            self._database.write(schema.TAKE_MARK_OFF, (run_id,), wait_s=WAIT_S)

    def changed(self, before: RunState, after: RunState, files: tuple[int, int, int], *, base_size: int) -> bool:
        """Write what changed of a run and take its mark off.

        Args:
            files: The run's files as they are now.
            base_size: Bytes of the trail before the change.

        Returns:
            False when the index could not be written; the mark stays.
        """
        try:
            with self._database.writing(wait_s=WAIT_S) as connection:
                if not _put_difference(connection, before, after, Files(*files), base_size=base_size):
                    put(connection, Indexed(after.run_id, rows.RUNS, Files(*files), after))
                connection.execute(schema.TAKE_MARK_OFF, (after.run_id,))
            return True
        except IndexUnusable:
            self._mark_by_file(after.run_id)
            return False

    def created(
        self, run: RunState, files: tuple[int, int, int], *, folder_before: tuple[int, int], folder: tuple[int, int]
    ) -> bool:
        """Write a new run.

        Args:
            folder_before: Time and links of the folder of runs before the new one was begun.
            folder: And now. Where only this run was added to it, the names need not be read again.
        """
        try:
            with self._database.writing(wait_s=WAIT_S) as connection:
                put(connection, Indexed(run.run_id, rows.RUNS, Files(*files), run))
                if folder[1] in (folder_before[1] + 1, 1):
                    connection.execute(schema.FOLDER_WENT_ON, (*folder, rows.RUNS, *folder_before))
                connection.execute(schema.TAKE_MARK_OFF, (run.run_id,))
            return True
        except IndexUnusable:
            self._mark_by_file(run.run_id)
            return False

    def moved(self, run: RunState, place: str, files: tuple[int, int, int]) -> bool:
        """Write that a run is elsewhere now: in a month's folder of the archive, or back in `runs`."""
        try:
            with self._database.writing(wait_s=WAIT_S) as connection:
                put(connection, Indexed(run.run_id, place, Files(*files), run))
                connection.execute(schema.TAKE_MARK_OFF, (run.run_id,))
            return True
        except IndexUnusable:
            self._mark_by_file(run.run_id)
            return False

    def close(self) -> None:
        """Close the index."""
        self._database.close()


def _put_difference(
    connection: sqlite3.Connection, before: RunState, after: RunState, files: Files, *, base_size: int
) -> bool:
    """Write what a change touched; False where the rows there are not those of the run before it."""
    if before.source_session_key != after.source_session_key:
        return False  # rows of nodes leave the run's own session out
    columns = {**rows.state_row(after), **files._asdict()}
    if columns["wake_at"] == rows.wake_at(before):
        del columns["wake_at"]  # it has an index of its own, which SQLite writes whenever the column is named
    update = _updating("runs", "run_id = ? AND place = ? AND log_size = ?", tuple(columns))
    written = connection.execute(update, (*columns.values(), after.run_id, rows.RUNS, base_size))
    if written.rowcount != 1:
        return False
    changed = [(before.nodes.get(node.id), node) for node in after.changed_since(before)]
    if rows.links(before) != rows.links(after):
        _put_links(connection, _number(connection, after.run_id), after)
    if not rows.has_same_parts(before, after, changed):
        _put_parts(connection, _number(connection, after.run_id), after)
    elif (before.status, before.updated_at) != (after.status, after.updated_at):
        connection.execute(schema.PARTS_WENT_ON, (after.status, after.updated_at, after.run_id))
    if not rows.has_same_titles(before, after, changed):
        connection.execute(schema.PUT_TITLES, (after.run_id, rows.titles(after)))
    _put_changed_nodes(connection, before, after, changed)
    return True


def _put_changed_nodes(
    connection: sqlite3.Connection, before: RunState, after: RunState, changed: Iterable[rows.Change]
) -> None:
    for former, node in changed:
        key, row = task_id(after.run_id, node.id), rows.node_row(after, node)
        if former is None:
            _insert(connection, "nodes", {"task_id": key, "run": _number(connection, after.run_id), **row})
        else:
            _update(connection, "nodes", "task_id", key, rows.differences(rows.node_row(before, former), row))
    if before.nodes is not after.nodes and before.nodes.keys() != after.nodes.keys():
        gone = before.nodes.keys() - after.nodes.keys()
        connection.executemany(schema.DROP_NODE, [(task_id(after.run_id, node_id),) for node_id in gone])


def _number(connection: sqlite3.Connection, run_id: RunId) -> int:
    """The key of a run that has a row."""
    return int(connection.execute(schema.RUN_HELD, (run_id,)).fetchone()[0])


def put(connection: sqlite3.Connection, run: Indexed) -> None:
    """Write all rows of a run in place of those that are there. Its mark stays as it is."""
    row = {"run_id": run.run_id, **rows.run_row(run)}
    held = connection.execute(schema.RUN_HELD, (run.run_id,)).fetchone()
    if held is None:
        number = _insert(connection, "runs", row)
    else:
        number = int(held[0])
        _update(connection, "runs", "id", number, row)
        connection.execute(schema.DROP_NODES, (run.run_id, run.run_id))
    connection.execute(schema.FORGET_UNREAD, (run.run_id,))
    if run.state is None:
        connection.execute(schema.DROP_LINKS, (number,))
        connection.execute(schema.DROP_PARTS, (number,))
        connection.execute(schema.DROP_TITLES, (run.run_id,))
        return
    _put_links(connection, number, run.state)
    _put_parts(connection, number, run.state)
    connection.execute(schema.PUT_TITLES, (run.run_id, rows.titles(run.state)))
    for node in rows.node_rows(run.state):
        _insert(connection, "nodes", {**node, "run": number})


def forget(connection: sqlite3.Connection, run_id: RunId) -> None:
    """Take a run out of the index that is no longer there."""
    for statement in schema.FORGET_RUN:
        connection.execute(statement, {"run_id": run_id})


def _put_links(connection: sqlite3.Connection, run: int, state: RunState) -> None:
    connection.execute(schema.DROP_LINKS, (run,))
    connection.executemany(schema.PUT_LINK, [(name, run) for name in rows.links(state)])


def _put_parts(connection: sqlite3.Connection, run: int, state: RunState) -> None:
    """Write whose run it is; its row is there already."""
    connection.execute(schema.DROP_PARTS, (run,))
    connection.executemany(schema.PUT_PART, [(kind, name, run) for kind, name in rows.parts(state)])


def _insert(connection: sqlite3.Connection, table: str, row: Row) -> int:
    columns, places = ", ".join(row), ", ".join("?" * len(row))
    number = connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})", tuple(row.values())).lastrowid
    return number or 0


def _update(connection: sqlite3.Connection, table: str, key: str, value: object, row: Row) -> None:
    if row:
        connection.execute(_updating(table, f"{key} = ?", tuple(row)), (*row.values(), value))


@lru_cache(maxsize=64)
def _updating(table: str, which: str, columns: tuple[str, ...]) -> str:
    """The statement that gives some columns new values; changes are of few kinds, each with columns of its own."""
    sets = ", ".join(f"{column} = ?" for column in columns)
    return f"UPDATE {table} SET {sets} WHERE {which}"
