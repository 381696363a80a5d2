"""What a disk may hold after the power went, from a record of what was asked of it.

`Recording` stands under the functions that change files and writes down every change
below a root, with its syncs. `images` then gives disks that a page cache could have left at any
moment of it. The rules are the weakest that a file system may keep:

- a file's bytes and size are there only after a sync of that file; until then any of its writes
  may be missing, cut short, or there in part, with zeros or with stale bytes in the holes;
- a name is there, or gone, only after a sync of the folder it is in; until then any change of
  any name may be missing whatever came before or after it;
- a sync of a file says nothing about its name, one of a folder nothing about what is in its files.

One change of a name is atomic, and a file's bytes change only by its own writes.
"""

import hashlib
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from registry.storage.files import swapping

SECTOR = 512
STALE = b"7"
"""What a hole may hold of an earlier file: here a text that fits into any JSON string."""


@dataclass(frozen=True)
class Names:
    """Names that come to mean a file or folder, or nothing: (folder, name, what)."""

    changes: tuple[tuple[int, str, int | None], ...]


@dataclass(frozen=True)
class Write:
    file: int
    offset: int
    text: bytes


@dataclass(frozen=True)
class Cut:
    file: int
    size: int


@dataclass(frozen=True)
class Sync:
    of: int


@dataclass(frozen=True)
class Told:
    """Somebody was told that the run is at this mutation."""

    rev: int


Step = Names | Write | Cut | Sync | Told
Tree = dict[str, bytes | None]
"""Paths of files with their bytes, and of folders with None."""


@dataclass
class Disk:
    """Files and folders by number; 0 is the root."""

    files: dict[int, bytearray] = field(default_factory=dict)
    folders: dict[int, dict[str, int]] = field(default_factory=lambda: {0: {}})

    def copy(self) -> "Disk":
        return Disk(
            {key: bytearray(text) for key, text in self.files.items()},
            {key: dict(names) for key, names in self.folders.items()},
        )

    def tree(self, folder: int = 0, path: str = "") -> Tree:
        """What can be reached from the root."""
        found: Tree = {}
        for name, what in self.folders[folder].items():
            below = f"{path}{name}"
            if what in self.folders:
                found[below] = None
                found.update(self.tree(what, f"{below}/"))
            else:
                found[below] = bytes(self.files[what])
        return found


def tree_of(root: Path) -> Tree:
    """The files and folders below a root as they are."""
    paths = sorted(root.rglob("*"))
    return {str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in paths}


def lay_out(tree: Tree, root: Path) -> Path:
    """Make files and folders below a new root."""
    root.mkdir()
    for path in sorted(tree):
        text = tree[path]
        if text is None:
            (root / path).mkdir()
        else:
            (root / path).write_bytes(text)
    return root


class Recording:
    """Writes down what this process changes below a root while the block lasts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.start = Disk()
        self.steps: list[Step] = []
        self._made = 0
        self._known: dict[int, int] = {os.stat(root).st_ino: 0}
        self._real: dict[str, Any] = {}
        self._real_swap = swapping.swap
        self._scan(root, 0)

    def _scan(self, folder: Path, number: int) -> None:
        for path in sorted(folder.iterdir()):
            self._made += 1
            self._known[path.stat().st_ino] = self.start.folders[number][path.name] = made = self._made
            if path.is_dir():
                self.start.folders[made] = {}
                self._scan(path, made)
            else:
                self.start.files[made] = bytearray(path.read_bytes())
        self.folders = set(self.start.folders)

    def told(self, rev: int) -> None:
        self.steps.append(Told(rev))

    def __enter__(self) -> Self:
        for name in (
            "open", "write", "pwrite", "ftruncate", "fsync", "fdatasync", "rename", "link", "unlink", "mkdir", "rmdir",
        ):  # fmt: skip
            self._real[name] = getattr(os, name)
            setattr(os, name, getattr(self, f"_{name}"))
        swapping.swap = self._swap
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, function in self._real.items():
            setattr(os, name, function)
        swapping.swap = self._real_swap

    def _number(self, descriptor: int) -> int | None:
        return self._known.get(os.fstat(descriptor).st_ino)

    def _place(self, path: Any, dir_fd: int | None) -> tuple[int | None, str]:
        """The number of the folder that a path leads to, and the name in it."""
        folder, name = os.path.split(os.fspath(path))
        if dir_fd is not None and not folder:
            return self._number(dir_fd), name
        try:
            return self._known.get(os.stat(folder or ".", dir_fd=dir_fd).st_ino), name
        except OSError:
            return None, name

    def _at(self, path: Any, dir_fd: int | None) -> int | None:
        try:
            return self._known.get(os.stat(path, dir_fd=dir_fd, follow_symlinks=False).st_ino)
        except OSError:
            return None

    def _make(self, inode: int) -> int:
        self._made += 1
        self._known[inode] = self._made
        return self._made

    def _open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        was_there = not flags & os.O_CREAT or os.path.lexists(path) if dir_fd is None else self._is_there(path, dir_fd)
        descriptor: int = self._real["open"](path, flags, mode, dir_fd=dir_fd)
        if flags & os.O_CREAT and not was_there:
            folder, name = self._place(path, dir_fd)
            if folder is not None:
                self.steps.append(Names(((folder, name, self._make(os.fstat(descriptor).st_ino)),)))
        return descriptor

    def _is_there(self, path: Any, dir_fd: int) -> bool:
        try:
            os.stat(path, dir_fd=dir_fd, follow_symlinks=False)
        except OSError:
            return False
        return True

    def _write(self, descriptor: int, text: Any) -> int:
        written: int = self._real["write"](descriptor, text)
        number = self._number(descriptor)
        if number is not None and number not in self.folders:
            offset = os.lseek(descriptor, 0, os.SEEK_CUR) - written
            self.steps.append(Write(number, offset, bytes(text[:written])))
        return written

    def _pwrite(self, descriptor: int, text: Any, offset: int) -> int:
        written: int = self._real["pwrite"](descriptor, text, offset)
        number = self._number(descriptor)
        if number is not None:
            self.steps.append(Write(number, offset, bytes(text[:written])))
        return written

    def _ftruncate(self, descriptor: int, size: int) -> None:
        self._real["ftruncate"](descriptor, size)
        number = self._number(descriptor)
        if number is not None:
            self.steps.append(Cut(number, size))

    def _fsync(self, descriptor: int) -> None:
        self._real["fsync"](descriptor)
        number = self._number(descriptor)
        if number is not None:
            self.steps.append(Sync(number))

    def _fdatasync(self, descriptor: int) -> None:
        self._real["fdatasync"](descriptor)
        number = self._number(descriptor)
        if number is not None:
            self.steps.append(Sync(number))

    def _rename(
        self, source: Any, target: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
    ) -> None:
        what = self._at(source, src_dir_fd)
        (before, name), (after, new) = self._place(source, src_dir_fd), self._place(target, dst_dir_fd)
        self._real["rename"](source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        if before is not None and after is not None:
            self.steps.append(Names(((before, name, None), (after, new, what))))

    def _swap(self, folder: int, one: str, other: str) -> bool:
        first, second = self._at(one, folder), self._at(other, folder)
        is_done = self._real_swap(folder, one, other)
        number = self._number(folder)
        if is_done and number is not None:
            self.steps.append(Names(((number, one, second), (number, other, first))))
        return is_done

    def _link(self, source: Any, target: Any, **where: Any) -> None:
        what = self._at(source, where.get("src_dir_fd"))
        self._real["link"](source, target, **where)
        folder, name = self._place(target, where.get("dst_dir_fd"))
        if folder is not None:
            self.steps.append(Names(((folder, name, what),)))

    def _unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        self._take_away("unlink", path, dir_fd)

    def _rmdir(self, path: Any, *, dir_fd: int | None = None) -> None:
        self._take_away("rmdir", path, dir_fd)

    def _take_away(self, how: str, path: Any, dir_fd: int | None) -> None:
        folder, name = self._place(path, dir_fd)
        self._real[how](path, dir_fd=dir_fd)
        if folder is not None:
            self.steps.append(Names(((folder, name, None),)))

    def _mkdir(self, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        self._real["mkdir"](path, mode, dir_fd=dir_fd)
        folder, name = self._place(path, dir_fd)
        if folder is not None:
            number = self._make(os.stat(path, dir_fd=dir_fd).st_ino)
            self.folders.add(number)
            self.steps.append(Names(((folder, name, number),)))


Chance = random.Random
FATES = ("keep", "drop", "zero", "stale", "torn", "short")
"""What becomes of a file's bytes that were not synced: all there, none, zeros, stale bytes or old ones in some
sectors, or only the first of them."""


@dataclass(frozen=True)
class Fate:
    """What becomes of what was not synced: which changes of names are lost, and how each file's bytes fare."""

    name: str
    lost: frozenset[int]
    bytes_of: dict[int, str]


def after(recording: Recording, upto: int, fate: Fate, chance: Chance) -> Tree:
    """The disk after so many steps, where the fate decides over what was not synced."""
    steps = recording.steps[:upto]
    safe = _safe_until(steps)
    disk = recording.start.copy()
    for number in recording.folders:
        disk.folders.setdefault(number, {})
    cached = {number: bytearray(text) for number, text in disk.files.items()}
    for index, step in enumerate(steps):
        if isinstance(step, Names):
            for folder, name, what in step.changes:
                if what is not None and what not in disk.folders:
                    disk.files.setdefault(what, bytearray())
                    cached.setdefault(what, bytearray())
                if index in fate.lost:
                    continue
                if what is None:
                    disk.folders[folder].pop(name, None)
                else:
                    disk.folders[folder][name] = what
        elif isinstance(step, Write | Cut):
            _happen(cached[step.file], step)
            if index < safe.get(step.file, 0):
                disk.files[step.file] = bytearray(cached[step.file])
    for number in unsynced_files(steps):
        disk.files[number] = _left(disk.files[number], cached[number], fate.bytes_of.get(number, "keep"), chance)
    return disk.tree()


def _safe_until(steps: list[Step]) -> dict[int, int]:
    """For each file and folder the index of its last sync."""
    return {step.of: index for index, step in enumerate(steps) if isinstance(step, Sync)}


def unsynced_files(steps: list[Step]) -> list[int]:
    safe = _safe_until(steps)
    written = (
        step.file
        for index, step in enumerate(steps)
        if isinstance(step, Write | Cut) and index > safe.get(step.file, -1)
    )
    return list(dict.fromkeys(written))


def unsynced_names(steps: list[Step]) -> list[int]:
    safe = _safe_until(steps)
    return [
        index
        for index, step in enumerate(steps)
        if isinstance(step, Names) and any(index > safe.get(folder, -1) for folder, _, _ in step.changes)
    ]


def _happen(text: bytearray, step: Write | Cut) -> None:
    if isinstance(step, Cut):
        del text[step.size :]
        return
    if len(text) < step.offset:
        text.extend(bytes(step.offset - len(text)))
    text[step.offset : step.offset + len(step.text)] = step.text


def _left(old: bytearray, cached: bytearray, fate: str, chance: Chance) -> bytearray:
    """What a disk has of a file, from what it had at the last sync and what it was to have."""
    if fate in ("keep", "drop"):
        return cached if fate == "keep" else old
    size = len(cached)
    if fate == "short":
        size = chance.randrange(min(len(old), size), max(len(old), size) + 1)
    left = bytearray(size)
    for at in range(0, size, SECTOR):
        stop = min(size, at + SECTOR)
        is_new = old[at:stop] != cached[at:stop]
        if not is_new or fate == "short" or (fate != "zero" and chance.random() < 0.5):
            # Where the file was to be shorter, its old bytes may still be there.
            source = cached if stop <= len(cached) else old
            left[at:stop] = source[at:stop]
        elif fate == "torn" or at < len(old):
            left[at : min(stop, len(old))] = old[at:stop][: stop - at]
        elif fate == "stale":
            left[at:stop] = STALE * (stop - at)
    return left


def images(recording: Recording, *, seeds: int) -> Iterator[tuple[Tree, int, str]]:
    """Different disks that a loss of power may leave, each with the last mutation that somebody was told of.

    Args:
        seeds: How many random ones at every step, after those that are made by rule.
    """
    seen: set[bytes] = set()
    told = 0
    for upto in range(len(recording.steps) + 1):
        if upto and isinstance(step := recording.steps[upto - 1], Told):
            told = step.rev
        chance = random.Random(upto)
        for fate in _fates(recording.steps[:upto], seeds=seeds):
            tree = after(recording, upto, fate, chance)
            digest = hashlib.sha256(repr((told, sorted(tree.items()))).encode()).digest()
            if digest not in seen:
                seen.add(digest)
                yield tree, told, f"after step {upto} of {len(recording.steps)}, {fate.name}"


def _fates(steps: list[Step], *, seeds: int) -> Iterator[Fate]:
    names, files = unsynced_names(steps), unsynced_files(steps)
    none: frozenset[int] = frozenset()
    for how in FATES:
        yield Fate(f"bytes: {how}", none, dict.fromkeys(files, how))
        yield Fate(f"bytes: {how}, no names", frozenset(names), dict.fromkeys(files, how))
    for lone in names:
        yield Fate(f"name {lone} lost", frozenset({lone}), {})
        yield Fate(f"only name {lone} kept", frozenset(names) - {lone}, {})
    for lone in files:
        yield Fate(f"bytes of {lone} lost", none, {lone: "drop"})
        yield Fate(f"only bytes of {lone} kept", none, {file: "drop" for file in files if file != lone})
    for seed in range(seeds if names or files else 0):
        dice = random.Random(f"{len(steps)}.{seed}")
        lost = frozenset(index for index in names if dice.random() < 0.5)
        yield Fate(f"seed {seed}", lost, {file: dice.choice(FATES) for file in files})


def described(recording: Recording) -> list[str]:
    """The steps in words, to understand what failed."""
    return [
        f"{index}: Write(file={step.file}, offset={step.offset}, {len(step.text)} bytes)"
        if isinstance(step, Write)
        else f"{index}: {step}"
        for index, step in enumerate(recording.steps)
    ]
