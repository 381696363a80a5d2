"""Opening files of a run without being led elsewhere.

A path is walked one component at a time from a folder already open, never following a link, so
that nothing can be swapped under the check. What is opened is a regular file below that folder
or an error: links, pipes, devices and folders are refused, and opening a pipe does not block.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from typing import Final

from ...core.names import shown
from ...errors import Forbidden, InvalidRequest, LimitExceeded, RegistryError, StorageFault, StorageFull
from .. import failpoints
from .syncing import sync

_BASE: Final = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
FOLDER: Final = _BASE | os.O_RDONLY | os.O_DIRECTORY
READ: Final = _BASE | os.O_RDONLY

WHOLE_BYTES_MAX: Final = 128 << 20
"""What is read into memory at once."""
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def fault(error: OSError, doing: str) -> RegistryError:
    """What the user reads when the system refused a read or write, nothing having been changed."""
    why = error.strerror or str(error)
    if error.errno in _FULL:
        return StorageFull(
            f"the disk took no more while {doing} ({why}); nothing was changed", hint="make room, then try again"
        )
    return StorageFault(
        f"the system refused {doing} ({why}); nothing was changed",
        hint="check the registry's permissions and disk, then try again",
    )


class Refused:
    """Says in words what the system refused, where nothing was changed by then."""

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            raise fault(error, self._doing) from error


OpenRoot = Callable[[], int]
"""Gives a registry's folder, open. Most changes need only the run's."""

Inode = tuple[int, int]
"""What a name leads to, and what is open for as long as it is: number and device."""


def inode_of(descriptor: int) -> Inode:
    """What is open; it stays the same, so asking once is enough."""
    return inode_in(os.fstat(descriptor))


def inode_in(found: os.stat_result) -> Inode:
    """What was looked at."""
    return found.st_ino, found.st_dev


def inode_at(name: str, folder: int | None = None) -> Inode | None:
    """What a path means now, links followed; or a name in an open folder, which is taken for itself."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=folder is None)
    except OSError:
        return None
    return found.st_ino, found.st_dev


def gone(path: str) -> StorageFault:
    """What the user reads when a registry that was open is no longer where it was."""
    return StorageFault(
        f"the registry's folder {path} was there and is gone; nothing was changed",
        hint="bring it back, or name the registry's place",
    )


@lru_cache(maxsize=256)
def components(path: str) -> tuple[str, ...]:
    """The parts of a run-relative path.

    Raises:
        InvalidRequest: it is absolute, climbs out, or names nothing.
    """
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if path.startswith("/") or ".." in parts:
        raise InvalidRequest(
            f"path {shown(path)!r} leads out of the run; files of a run are named from its folder",
            hint="for example nodes/<node_id>/report.md",
            path=path,
        )
    if not parts or path.endswith("/") or "\0" in path or "\\" in path:
        raise InvalidRequest(f"path {shown(path)!r} does not name a file of a run", path=path)
    return parts


def make_folder(parent: int, name: str, *, synced: bool) -> None:
    """Make a folder in an open one unless it is there."""
    failpoints.reach("folder.make")
    with suppress(FileExistsError):
        os.mkdir(name, 0o755, dir_fd=parent)
        if synced:
            sync(parent)


def make_path(path: str) -> None:
    """Make a folder and those above it, durably. Its own name is synced even where it was there.

    Whoever made it may have been killed before the sync, and what is put into it must be found.
    """
    above, name = os.path.split(path)
    if not os.path.isdir(above):
        make_path(above)
    parent = os.open(above, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        make_folder(parent, name, synced=False)
        sync(parent)
    finally:
        os.close(parent)


def folder_at(parent: int, name: str) -> int:
    """A folder inside an open one, itself open; links are refused."""
    return os.open(name, FOLDER, dir_fd=parent)


class _Parent:
    """What `parent_of` gives: a folder that is closed with the block, unless it is the caller's own."""

    def __init__(self, folder: int, name: str, *, is_own: bool) -> None:
        self._folder = folder
        self._name = name
        self._is_own = is_own

    def __enter__(self) -> tuple[int, str]:
        return self._folder, self._name

    def __exit__(self, *_: object) -> None:
        if self._is_own:
            os.close(self._folder)


def parent_of(folder: int, path: str, *, make: bool = False, synced: bool = False) -> _Parent:
    """The open folder that holds a file, and the file's name in it, for a block.

    Args:
        make: Make folders that are missing; with `synced`, durably.

    Raises:
        FileNotFoundError: a folder on the way is missing and `make` is false.
        Forbidden: something on the way is a link or no folder.
    """
    *folders, name = components(path)
    current = folder
    for part in folders:
        try:
            deeper = _deeper(current, part, path, make=make, synced=synced)
        finally:
            if current != folder:
                os.close(current)
        current = deeper
    return _Parent(current, name, is_own=current != folder)


def _deeper(folder: int, part: str, path: str, *, make: bool, synced: bool) -> int:
    try:
        try:
            return folder_at(folder, part)
        except FileNotFoundError:
            if not make:
                raise
        make_folder(folder, part, synced=synced)
        return folder_at(folder, part)
    except OSError as error:
        raise _refused(error, path) from error


def open_file(folder: int, path: str, flags: int = READ) -> int:
    """A regular file below an open folder, itself open.

    Raises:
        FileNotFoundError: it is not there.
        Forbidden: it is a link, a pipe, a device or a folder.
    """
    return open_with_stat(folder, path, flags)[0]


def open_with_stat(folder: int, path: str, flags: int = READ) -> tuple[int, os.stat_result]:
    """The same, and what the system says of it."""
    if "/" in path:
        with parent_of(folder, path) as (parent, name):
            return _opened(parent, name, flags, path)
    (name,) = components(path)
    return _opened(folder, name, flags, path)


def _opened(folder: int, name: str, flags: int, path: str) -> tuple[int, os.stat_result]:
    try:
        descriptor = os.open(name, flags | _BASE, dir_fd=folder)
    except OSError as error:
        raise _refused(error, path) from error
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode):
        os.close(descriptor)
        raise _not_regular(path)
    return descriptor, about


def size_of(folder: int, path: str) -> int | None:
    """Size in bytes of a regular file below an open folder; None for anything else, and for what we may not read."""
    try:
        descriptor, about = open_with_stat(folder, path)
    except (OSError, RegistryError):
        return None
    os.close(descriptor)
    return about.st_size


def sizes_of(folder: int, paths: Iterable[str]) -> dict[str, int]:
    """Sizes in bytes of those files below an open folder that exist."""
    found = ((path, size_of(folder, path)) for path in paths)
    return {path: size for path, size in found if size is not None}


def is_blank(text: bytes) -> bool:
    """Whether nobody wrote this: a loss of power can leave a file without its bytes, or zeros in their place."""
    return not text.strip(b"\0")


def read_at(descriptor: int, offset: int, size: int) -> bytes:
    """Up to `size` bytes from `offset`; fewer only at the end of the file."""
    chunks = [chunk := os.pread(descriptor, size, offset)]
    while chunk and len(chunk) < size:
        offset, size = offset + len(chunk), size - len(chunk)
        chunks.append(chunk := os.pread(descriptor, size, offset))
    return b"".join(chunks)


def read_file(folder: int, path: str) -> bytes | None:
    """A file below an open folder, whole; None when it is not there.

    Raises:
        LimitExceeded: it would take all memory; no file of a registry is so large.
    """
    found = read_with_stat(folder, path)
    return None if found is None else found[0]


def read_with_stat(folder: int, path: str) -> tuple[bytes, os.stat_result] | None:
    """The same, and what the system said of the file before it was read."""
    try:
        descriptor, about = open_with_stat(folder, path)
    except FileNotFoundError:
        return None
    try:
        if about.st_size > WHOLE_BYTES_MAX:
            raise LimitExceeded(f"the file {shown(path)!r}", limit=WHOLE_BYTES_MAX, size=about.st_size)
        return read_at(descriptor, 0, about.st_size), about
    finally:
        os.close(descriptor)


def files_below(folder: int, path: str) -> list[tuple[str, int]]:
    """Regular files in a folder below an open one and in its folders: path and size, by name. Links are left out."""
    found: list[tuple[str, int]] = []
    try:
        with parent_of(folder, path) as (parent, name):
            inside = folder_at(parent, name)
    except (OSError, RegistryError):
        return found
    try:
        for entry in sorted(os.listdir(inside)):
            about = os.stat(entry, dir_fd=inside, follow_symlinks=False)
            if entry.startswith("."):
                continue
            if stat.S_ISREG(about.st_mode):
                found.append((f"{path}/{entry}", about.st_size))
            elif stat.S_ISDIR(about.st_mode):
                found += files_below(folder, f"{path}/{entry}")
    finally:
        os.close(inside)
    return found


def _refused(error: OSError, path: str) -> Exception:
    if error.errno in (errno.ELOOP, errno.EMLINK) or (error.errno == errno.ENOTDIR):
        return Forbidden(
            f"{shown(path)!r} passes through a link or through what is no folder; files of a run are plain files",
            hint="put the file itself into the run's folder; repair_run sets aside what is in the way of a run's own",
            path=path,
        )
    if error.errno in (errno.ENXIO, errno.EISDIR):
        return _not_regular(path)
    return error


def _not_regular(path: str) -> Forbidden:
    return Forbidden(
        f"{shown(path)!r} is not a regular file; pipes, devices and folders are not read or written",
        hint="put a plain file in its place; repair_run sets aside what stands in the place of a run's own files",
        path=path,
    )
