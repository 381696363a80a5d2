"""The index's file: opened when first needed, made when it is not there, set aside when it is broken.

Any number of processes use it at once. A connection belongs to one process and is used by one
thread at a time. Before every transaction the name on disk is compared with what is open, since
a person may delete the file while we hold it: whoever then wrote on into the old one would be
heard by nobody.
"""

import os
import sqlite3
import stat
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Final

from ..files.layout import PRIVATE
from . import schema

FILE: Final = f"{PRIVATE}/index.sqlite3"
BROKEN: Final = f"{PRIVATE}/index.broken.sqlite3"
"""Where the last broken index is kept, for whoever wants to know what broke it."""

_CACHE_KIB: Final = 4 << 10
_PAGE_BYTES: Final = 2 << 10
"""A change writes few bytes on many pages, and every page of it is summed up and written as a whole."""
_POLL_S: Final = 0.0003
_POLL_S_MAX: Final = 0.002
_READERS_WAIT_MS: Final = 1_000
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_BROKEN: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
"""The last one: a statement does not fit, so the tables are not those we made."""

_orphans: list[sqlite3.Connection] = []
"""Connections of a parent process. Closing one in a child would disturb the parent's locks."""

Identity = tuple[int, int]


class _Unsound(sqlite3.DatabaseError):
    """A value is none that we wrote."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


class IndexUnusable(Exception):
    """The index cannot be used now; the run folders can. No user ever sees this."""


class _Connection(sqlite3.Connection):
    """A connection that knows whether SQLite itself waits for other processes: a reader lets it, a writer does not.

    SQLite's own waiting sleeps a millisecond at least, which is twenty times what a transaction takes. Asked of every
    transaction, the two ways of waiting would cost more than some transactions do.
    """

    waits = False

    def let_wait(self, waits: bool) -> None:
        """Have SQLite wait from now on, or give up at once."""
        if self.waits != waits:
            self.execute(f"PRAGMA busy_timeout = {_READERS_WAIT_MS if waits else 0}")
            self.waits = waits

    def execute_when_free(self, wait_s: float, sql: str, values: Sequence[object] = ()) -> None:
        """Carry out a statement that others may have to make way for."""
        self.let_wait(False)
        until, pause_s = time.monotonic() + wait_s, _POLL_S
        while True:
            try:
                self.execute(sql, values)
                return
            except sqlite3.OperationalError as error:
                if _code(error) not in _BUSY or time.monotonic() >= until:
                    raise
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.3, _POLL_S_MAX)


class _Held:
    """The connection that is open, if one is. It outlives its `Database` by as much as closing it takes."""

    def __init__(self) -> None:
        self.open: tuple[int, _Connection, Identity] | None = None

    def drop(self) -> None:
        """Close it, where it is this process's own."""
        if self.open is None:
            return
        pid, connection, _ = self.open
        self.open = None
        if pid != os.getpid():
            _orphans.append(connection)
            return
        with suppress(sqlite3.Error):
            connection.close()


class _Transaction:
    """The connection in the hands of one thread, from BEGIN to what the end of the block makes of it."""

    def __init__(self, database: "Database", wait_s: float, *, writes: bool) -> None:
        self._database = database
        self._wait_s = wait_s
        self._writes = writes

    def __enter__(self) -> sqlite3.Connection:
        connection = self._connection = self._database.take(self._wait_s)
        try:
            if self._writes:
                connection.execute_when_free(self._wait_s, "BEGIN IMMEDIATE")
            else:
                connection.let_wait(True)
                connection.execute("BEGIN")
        except BaseException as failure:
            self._database.give_back(failure)
            raise
        return connection

    def __exit__(self, kind: object, failure: BaseException | None, trace: object) -> None:
        try:
            if self._writes and failure is None:
                self._connection.execute_when_free(self._wait_s, "COMMIT")
        except BaseException as unfinished:
            failure = unfinished
            raise
        finally:
            self._end(failure)

    def _end(self, failure: BaseException | None) -> None:
        try:
            self._connection.rollback()  # of what is not committed
        except sqlite3.Error as unfinished:
            failure = failure or unfinished
        if not self._writes and isinstance(failure, (ValueError, TypeError)):
            # SQLite has no checksums: damage inside of a value shows only in what reads it.
            failure = _Unsound(str(failure))
        self._database.give_back(failure)


class Database:
    """One connection to the index, closed at the latest when nobody has the object any more.

    Args:
        root: Absolute path of the registry.
        patience_s: How long to wait for other threads that use the same connection.
    """

    def __init__(self, root: str, *, patience_s: float) -> None:
        self._root = root
        self._patience_s = patience_s
        self._path = os.path.join(root, FILE)
        self._guard = threading.Lock()
        self._held = _Held()
        weakref.finalize(self, self._held.drop)
        _databases.add(self)

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """A connection that sees the index as it is at one moment.

        Raises:
            IndexUnusable: the run folders have to be read instead.
        """
        return _Transaction(self, _READERS_WAIT_MS / 1e3, writes=False)

    def writing(self, *, wait_s: float) -> AbstractContextManager[sqlite3.Connection]:
        """A transaction: whole when the block ends, absent when it raises.

        Args:
            wait_s: How long to wait for other processes.

        Raises:
            IndexUnusable: nothing was written.
        """
        return _Transaction(self, wait_s, writes=True)

    def write(self, sql: str, values: Sequence[object], *, wait_s: float) -> None:
        """One statement that is a transaction by itself, which costs a fifth of one that is begun and ended.

        Raises:
            IndexUnusable: nothing was written.
        """
        connection = self.take(wait_s)
        try:
            connection.execute_when_free(wait_s, sql, values)
        except BaseException as failure:
            self.give_back(failure)
            raise
        self.give_back()

    def take(self, wait_s: float) -> _Connection:
        """The connection, which is this thread's until it gives it back.

        Raises:
            IndexUnusable: there is none to be had.
        """
        if not self._guard.acquire(timeout=self._patience_s):
            raise IndexUnusable("another thread of this process uses it")
        try:
            return self._connection(wait_s)
        except BaseException as failure:
            self.give_back(failure)
            raise

    def give_back(self, failure: BaseException | None = None) -> None:
        """Let other threads have the connection, or whoever needs one next a new one.

        Args:
            failure: What came of the use of it.

        Raises:
            IndexUnusable: the failure is one of the index, and not of whoever used it.
        """
        try:
            if failure is None:
                return
            if isinstance(failure, sqlite3.Error):
                if _code(failure) in _BROKEN or _is_of_bytes(failure):
                    self._set_aside(self._held.open[2] if self._held.open is not None else None)
                elif _code(failure) not in _BUSY:
                    self._held.drop()
            elif isinstance(failure, UnicodeDecodeError):
                # What SQLite says of a broken schema quotes it, and Python refuses the quotation.
                self._set_aside(self._held.open[2] if self._held.open is not None else None)
            elif isinstance(failure, OSError):
                self._held.drop()
            else:
                return
        finally:
            self._guard.release()
        raise IndexUnusable(str(failure)) from failure

    def _connection(self, wait_s: float) -> _Connection:
        pid, identity = os.getpid(), _identity(self._path)
        if (held := self._held.open) is not None:
            if held[0] == pid and held[2] == identity:
                return held[1]
            self._held.drop()
        try:
            connection = self._opened(wait_s)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if isinstance(error, sqlite3.Error) and _code(error) not in _BROKEN:
                raise
            # A broken index must not cost the user even one answer.
            self._set_aside(identity)
            connection = self._opened(wait_s)
        now = _identity(self._path)
        if now is None:
            connection.close()
            raise IndexUnusable("it was deleted a moment ago")
        self._held.open = (pid, connection, now)
        return connection

    def _opened(self, wait_s: float) -> _Connection:
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        _require_own(os.path.dirname(self._path), stat.S_ISDIR)
        # SQLite follows links and would write wherever they lead.
        for beside in ("-wal", "-shm", ""):
            _make_way(self._path + beside, os.path.join(self._root, BROKEN) + beside)
        connection = sqlite3.connect(
            self._path, timeout=wait_s, isolation_level=None, check_same_thread=False, factory=_Connection
        )
        try:
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            if connection.execute("PRAGMA user_version").fetchone()[0] != schema.VERSION:
                connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
                connection.execute("PRAGMA journal_mode = WAL")
                _make_tables(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.let_wait(True)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_aside(self, broken: Identity | None) -> None:
        """Keep a broken index under another name; the next use makes a new one."""
        self._held.drop()
        if broken is None or _identity(self._path) != broken:
            return  # somebody else did
        # The file itself goes last: a new one must not be made while its neighbours are still to be moved.
        for beside in ("-wal", "-shm", ""):
            with suppress(OSError):
                os.replace(self._path + beside, os.path.join(self._root, BROKEN) + beside)

    def tick_ns(self) -> int:
        """The time of the file system's clock, which is coarse and need not be ours."""
        try:
            os.utime(self._path)
            return os.stat(self._path).st_mtime_ns
        except OSError as error:
            raise IndexUnusable(str(error)) from error

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        with self._guard:
            self._held.drop()

    def forget(self) -> None:
        """Begin anew in a forked child: a thread that held the guard is not there."""
        self._guard = threading.Lock()
        self._held.drop()


_databases: "weakref.WeakSet[Database]" = weakref.WeakSet()


def _forget_in_child() -> None:
    for database in list(_databases):
        database.forget()


os.register_at_fork(after_in_child=_forget_in_child)


def are_own_folders(*paths: str) -> bool:
    """Whether these are folders themselves and no links, through which we would write and take away elsewhere."""
    try:
        return all(stat.S_ISDIR(os.lstat(path).st_mode) for path in paths)
    except OSError:
        return False


def _require_own(path: str, wanted: Callable[[int], bool]) -> None:
    """Make sure that a name is ours to use.

    Raises:
        IndexUnusable: it is a link, a pipe or something else in the place of a file or folder.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not wanted(mode):
        raise IndexUnusable(f"{os.path.basename(path)} is not what it should be")


def _make_way(path: str, aside: str) -> None:
    """Move what stands in the place of a file of ours, as a folder or a link does, out of it.

    Raises:
        IndexUnusable: it cannot be moved, or something is kept there already.
    """
    try:
        _require_own(path, stat.S_ISREG)
    except IndexUnusable:
        with suppress(OSError):
            # A link moves by itself, whatever it leads to.
            if not os.path.lexists(f"{aside}.odd"):
                os.rename(path, f"{aside}.odd")
                return
        raise


def _make_tables(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN EXCLUSIVE")
    if connection.execute("PRAGMA user_version").fetchone()[0] != schema.VERSION:
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        for (name,) in connection.execute(tables).fetchall():
            connection.execute(f'DROP TABLE "{name}"')
        for statement in schema.TABLES.split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {schema.VERSION}")
    connection.execute("COMMIT")


def _code(error: sqlite3.Error) -> int:
    """SQLite's own code of an error, without its refinements."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def _is_of_bytes(error: sqlite3.Error) -> bool:
    """Whether Python refused a text that SQLite had: there is no code for that."""
    return isinstance(error, sqlite3.OperationalError) and not hasattr(error, "sqlite_errorcode")


def _identity(path: str) -> Identity | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
