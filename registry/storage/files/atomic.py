"""Replacing a file so that readers find the old one or the new one, never half of either.

The new text goes to a temporary file of a unique name in the same folder, which is then renamed
over the old one. A shared temporary name would let two writers mix their texts for ever.
"""

import errno
import itertools
import os
import stat
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Final

from ...core.events import FileWrite
from ...errors import Forbidden, RegistryError
from .. import failpoints
from . import swapping
from .layout import OWN_FILES
from .opening import components, fault, open_file, parent_of, read_at, read_file
from .syncing import sync, sync_bytes

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_TRIES: Final = 1_000
_counter = itertools.count()
_own = os.urandom(4).hex()


def _renew() -> None:
    global _own  # noqa: PLW0603 - a forked child must not make its parent's names
    _own = os.urandom(4).hex()


os.register_at_fork(after_in_child=_renew)


def unique_name(base: str) -> str:
    """A name beside `base` that nobody else makes."""
    return f".{base}.{_own}{next(_counter):x}.tmp"


def write_all(descriptor: int, text: bytes) -> None:
    """Write every byte or raise."""
    written = 0
    while written < len(text):
        written += failpoints.write("file.write", descriptor, text[written:])


def write_new(folder: int, name: str, text: bytes, *, synced: bool, mode: int = 0o644) -> None:
    """Write a file that is not there yet. A failed one is taken away again."""
    failpoints.reach("file.open")
    descriptor = os.open(name, _NEW, mode, dir_fd=folder)
    try:
        write_all(descriptor, text)
        if synced:
            sync(descriptor, step="file.sync")
    except OSError:
        _drop(folder, name)
        raise
    finally:
        os.close(descriptor)


def replace(folder: int, name: str, text: bytes, *, synced: bool = False) -> None:
    """Put a new text in a file's place."""
    temporary = unique_name(name)
    write_new(folder, temporary, text, synced=synced)
    try:
        failpoints.reach("replace.rename")
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        _drop(folder, temporary)
        raise
    if synced:
        sync(folder)


def renew(folder: int, name: str, text: bytes) -> None:
    """The same for a file that is replaced by every change and can be made again: nothing is forced to the disk.

    After a loss of power it may be empty, where one that was put there by `replace` is mostly the old or the new one.
    """
    temporary = unique_name(name)
    write_new(folder, temporary, text, synced=False)
    try:
        failpoints.reach("replace.rename")
        is_swapped = _is_file(folder, name) and swapping.swap(folder, temporary, name)
        if not is_swapped:
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        _drop(folder, temporary)
        raise
    if is_swapped:
        _drop(folder, temporary, step="replace.drop")


def _drop(folder: int, temporary: str, *, step: failpoints.Step = "file.drop") -> None:
    try:
        failpoints.reach(step)
        os.unlink(temporary, dir_fd=folder)
    except OSError:
        return  # It is left over, as after a kill.


def _is_file(folder: int, name: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def require_plain(folder: int, name: str, path: str) -> None:
    """Refuse to put a file in the place of what is none.

    Raises:
        Forbidden: a link, a folder, a pipe or a device has the name.
    """
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        raise Forbidden(
            f"{path!r} is a link, folder, pipe or device; a file was to be written there",
            hint="choose another name",
            path=path,
        )


def keep(folder: int, name: str, text: bytes) -> str:
    """Write bytes that are about to be replaced under a name nobody has, durably, and give it.

    `-2`, `-3` ... follow where the name is taken.
    """
    for number in range(1, _TRIES):
        chosen = name if number == 1 else f"{name}-{number}"
        try:
            write_new(folder, chosen, text, synced=True)
        except FileExistsError:
            continue
        sync(folder)
        return chosen
    raise FileExistsError(f"{name} and {_TRIES} more names are taken")


@dataclass
class _Placed:
    folder: int
    name: str
    temporary: str
    backup: str | None = None
    is_there: bool = False


class Placement:
    """Files put in place before the events that name them, and taken back when these fail.

    All are written and synced beside their places first; then they are renamed, and their folders
    synced, each once. Until `settle` or `undo` the folders are open, and a file that was there
    before is held by a second name.
    """

    def __init__(self, folder: int, *, synced: bool) -> None:
        self._folder = folder
        self._synced = synced
        self._files: list[_Placed] = []
        self._folders: dict[str, int] = {}
        self._open = ExitStack()

    def put(self, files: Sequence[FileWrite]) -> None:
        """Put all files in place, or none.

        Raises:
            StorageFull, StorageFault, Forbidden: nothing was changed.
        """
        try:
            for file in files:
                self._write(file)
            for placed in self._files:
                self._rename(placed)
            if self._synced:
                for folder in self._folders.values():
                    sync(folder)
        except OSError as error:
            self.undo()
            raise fault(error, "writing the node's files") from error
        except RegistryError:
            self.undo()
            raise

    def _write(self, file: FileWrite) -> None:
        first = components(file.path)[0]
        if first in OWN_FILES or first.startswith("."):
            raise Forbidden(
                f"{file.path!r} is the registry's own file; an artifact was to be written there",
                hint="write below nodes/<node_id>/",
                path=file.path,
            )
        folder, name = self._parent(file.path)
        require_plain(folder, name, file.path)
        temporary = unique_name(name)
        write_new(folder, temporary, file.content, synced=self._synced)
        self._files.append(_Placed(folder, name, temporary))

    def _parent(self, path: str) -> tuple[int, str]:
        above, _, name = path.rpartition("/")
        if above not in self._folders:
            parent = parent_of(self._folder, path, make=True, synced=self._synced)
            self._folders[above], name = self._open.enter_context(parent)
        return self._folders[above], name

    @staticmethod
    def _rename(placed: _Placed) -> None:
        backup = unique_name(placed.name)
        with suppress(FileNotFoundError):
            _hold(placed.folder, placed.name, backup)
            placed.backup = backup
        failpoints.reach("place.rename")
        os.rename(placed.temporary, placed.name, src_dir_fd=placed.folder, dst_dir_fd=placed.folder)
        placed.is_there = True

    def settle(self) -> None:
        """Let go of what was there before."""
        for placed in self._files:
            if placed.backup is not None:
                with suppress(OSError):
                    failpoints.reach("place.drop")
                    os.unlink(placed.backup, dir_fd=placed.folder)
        self._leave()

    def undo(self) -> None:
        """Put back what was there before."""
        for placed in reversed(self._files):
            with suppress(OSError):
                failpoints.reach("place.restore")
                if placed.backup is not None:
                    os.rename(placed.backup, placed.name, src_dir_fd=placed.folder, dst_dir_fd=placed.folder)
                elif placed.is_there:
                    os.unlink(placed.name, dir_fd=placed.folder)
                if not placed.is_there:
                    os.unlink(placed.temporary, dir_fd=placed.folder)
        self._leave()

    def _leave(self) -> None:
        self._files, self._folders = [], {}
        with suppress(OSError):
            self._open.close()


def _hold(folder: int, name: str, second: str) -> None:
    """Give a file a second name; where the file system has no such thing, a copy."""
    try:
        failpoints.reach("place.hold")
        os.link(name, second, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
            raise
        write_new(folder, second, read_file(folder, name) or b"", synced=False)


def blank(folder: int, name: str, offset: int, size: int) -> None:
    """Overwrite bytes of a file with an empty line, where others stand behind them."""
    descriptor = open_file(folder, name, os.O_WRONLY)
    try:
        failpoints.reach("blank.write")
        os.pwrite(descriptor, b" " * (size - 1) + b"\n", offset)
        sync_bytes(descriptor, step="blank.sync")
    finally:
        os.close(descriptor)


def read_slice(folder: int, path: str, offset: int, limit: int) -> tuple[bytes, int]:
    """A slice of a file below an open folder and the file's whole size."""
    descriptor = open_file(folder, path)
    try:
        return read_at(descriptor, offset, limit), os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
