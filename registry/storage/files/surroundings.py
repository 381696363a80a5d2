"""What lies around a run's trail and is not as it should be: what doctor lists beside the proof.

Nothing here is read as part of a run. Most of it is what a kill, an editor or a copy left; some of
it would keep the run from being opened or changed.
"""

import fcntl
import os
import re
import stat
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from ...core.names import RunId, is_id, shown
from ...core.run import Run
from ...errors import RegistryError
from .. import failpoints
from ..port import Problem
from . import inbox
from .handles import Loaded, OpenRun
from .layout import BUILDING, CONTROL, LOCK, LOCKS, NODES, PLAN, PRIVATE, REFS, STATE, TORN, TRAIL
from .opening import FOLDER, open_file, read_file

_TEMPORARY: Final = re.compile(r"\..+\.[0-9a-f]{9,}\.tmp")
"""Names that `atomic.unique_name` makes."""
_FILES: Final = (TRAIL, STATE, REFS, PLAN, CONTROL, LOCK)
_FOLDERS: Final = (NODES, TORN)
INDEX: Final = f"{PRIVATE}/index.sqlite3"
_SQLITE: Final = b"SQLite format 3\0"
_YOUNG_S: Final = 60
"""Nothing that a living writer makes stays that long."""
_BUILT_S: Final = 600
_HELD_S: Final = 60


def around(entry: OpenRun, loaded: Loaded | None, *, now: datetime) -> Iterator[Problem]:
    """What is amiss around an open run."""
    if loaded is not None:
        yield from _missing_folders(entry, loaded.run)
        yield from _waiting_controls(entry, loaded)
    young = now.timestamp() - _YOUNG_S
    old = [path for path in leftovers(entry.folder) if _changed_at(entry.folder, path) < young]
    if old:
        yield Problem("leftover", f"{len(old)} temporary files of writers that were killed", "warning", where=old[0])
    yield from _held_lock(entry, now=now)


def odd_files(runs: int, run_id: RunId) -> Iterator[Problem]:
    """Files and folders of a run that are something else, or that their owner may not use."""
    try:
        folder = os.open(run_id, FOLDER, dir_fd=runs)
    except OSError:
        return
    try:
        for name, wanted in [*((name, stat.S_ISREG) for name in _FILES), *((name, stat.S_ISDIR) for name in _FOLDERS)]:
            try:
                mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
            except OSError:
                continue
            if not wanted(mode):
                kind = "a plain file" if wanted is stat.S_ISREG else "a folder"
                yield Problem("odd_file", f"{name} is {kind_of(mode)} and should be {kind}", where=name)
            elif (needed := 0o700 if stat.S_ISDIR(mode) else 0o600) & mode != needed:
                yield Problem(
                    "permissions",
                    f"{name} has the permissions {stat.S_IMODE(mode):03o}; its owner needs more",
                    where=name,
                )
        for name in nodes_that_are_none(folder):
            yield Problem("odd_file", f"{name} should be a folder", where=name)
    finally:
        os.close(folder)


def nodes_that_are_none(folder: int) -> Iterator[str]:
    """Run-relative names in the place of nodes' folders that are something else."""
    try:
        nodes = os.open(NODES, FOLDER, dir_fd=folder)
    except OSError:
        return
    try:
        for name in sorted(os.listdir(nodes)):
            if is_id(name) and not stat.S_ISDIR(os.stat(name, dir_fd=nodes, follow_symlinks=False).st_mode):
                yield f"{NODES}/{name}"
    finally:
        os.close(nodes)


def kind_of(mode: int) -> str:
    """What a name stands for, in words."""
    kinds = (
        (stat.S_ISLNK, "a link"), (stat.S_ISDIR, "a folder"), (stat.S_ISREG, "a plain file"),
        (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"),
    )  # fmt: skip
    return next((word for is_kind, word in kinds if is_kind(mode)), "a device")


def leftovers(folder: int) -> Iterator[str]:
    """Run-relative paths of temporary files in a run's folder and its nodes' folders."""
    yield from (name for name in sorted(os.listdir(folder)) if _TEMPORARY.fullmatch(name))
    try:
        nodes = os.open(NODES, FOLDER, dir_fd=folder)
    except OSError:
        return
    try:
        for node in sorted(os.listdir(nodes)):
            try:
                inside = os.open(node, FOLDER, dir_fd=nodes)
            except OSError:
                continue
            try:
                names = [name for name in sorted(os.listdir(inside)) if _TEMPORARY.fullmatch(name)]
            finally:
                os.close(inside)
            yield from (f"{NODES}/{node}/{name}" for name in names)
    finally:
        os.close(nodes)


def strays(root: str, runs_path: str, *, now: datetime) -> Iterator[Problem]:
    """What lies in the registry's own folders and belongs to no run."""
    for name in _names(runs_path):
        path = os.path.join(runs_path, name)
        if name.startswith(BUILDING):
            if _age_s(path, now) > _BUILT_S:
                yield Problem(
                    "half_made", "a run whose creator was killed; it was never there", "warning", f"runs/{name}"
                )
        elif not is_id(name) and not name.startswith("."):
            yield Problem("no_run", f"{shown(name)!r} is no id, so this is no run", "warning", f"runs/{shown(name)}")
        elif is_id(name) and not stat.S_ISDIR(mode := _mode(path)) and mode:
            yield Problem("no_run", f"{kind_of(mode)} is no run", "warning", f"runs/{name}")
    for name in (LOCKS, PRIVATE):
        mode = _mode(os.path.join(root, name))
        if mode and not stat.S_ISDIR(mode):
            yield Problem("odd_file", f"{name} is {kind_of(mode)} and should be a folder", where=name)
    index = os.path.join(root, INDEX)
    if (mode := _mode(index)) and not stat.S_ISREG(mode):
        yield Problem("index_fault", f"the index is {kind_of(mode)}; lists are read from the runs", "warning", INDEX)
    elif mode and not _begins(index, _SQLITE):
        yield Problem("index_fault", "the index is no database; lists are read from the runs", "warning", INDEX)
    for name in _names(os.path.join(root, LOCKS)):
        mode = _mode(os.path.join(root, LOCKS, name))
        if mode and not stat.S_ISREG(mode):
            yield Problem(
                "agent_lock",
                f"the lock of an agent is {kind_of(mode)}, so it cannot claim",
                where=f"{LOCKS}/{shown(name)}",
            )


def put_away_strays(root: str, runs_path: str, *, now: datetime, stamp: str) -> Iterator[str]:
    """Move half-made runs and odd locks to `.torn/` in the registry's folder."""
    for problem in list(strays(root, runs_path, now=now)):
        if problem.code not in ("half_made", "agent_lock", "odd_file"):
            continue
        torn = os.path.join(root, TORN)
        os.makedirs(torn, exist_ok=True)
        kept = f"{stamp}-{problem.where.rpartition('/')[2].lstrip('.')}"
        target, number = os.path.join(torn, kept), 1
        while os.path.lexists(target):
            number += 1
            target = os.path.join(torn, f"{kept}-{number}")
        try:
            failpoints.reach("repair.move")
            os.rename(os.path.join(root, problem.where), target)
        except OSError as error:
            yield f"{problem.code}: {problem.where} could not be moved ({error.strerror})"
            continue
        yield f"{problem.code}: {problem.where} is kept as {TORN}/{os.path.basename(target)}"


def _missing_folders(entry: OpenRun, run: Run) -> Iterator[Problem]:
    try:
        nodes = os.open(NODES, FOLDER, dir_fd=entry.folder)
    except FileNotFoundError:
        yield Problem("folder_missing", f"{NODES}/ is not there", "warning", NODES)
        return
    except OSError:
        return
    try:
        known = set(os.listdir(nodes))
    finally:
        os.close(nodes)
    missing = [node_id for node_id in run.state.nodes if node_id not in known]
    if missing:
        named = ", ".join(shown(node_id) for node_id in missing[:5])
        yield Problem("folder_missing", f"{NODES}/ has no folder for {named}", "warning", f"{NODES}/{missing[0]}")


def _waiting_controls(entry: OpenRun, loaded: Loaded) -> Iterator[Problem]:
    try:
        found = inbox.pending(entry, judged=loaded.mark.control, known=loaded.run.refs.applied_control_ids)
    except (OSError, RegistryError):
        return
    if found.lines:
        yield Problem(
            "unapplied_control", f"{len(found.lines)} lines in {CONTROL} were not judged yet", "warning", CONTROL
        )


def _held_lock(entry: OpenRun, *, now: datetime) -> Iterator[Problem]:
    """A writer that has been at it for long: hung, stopped, or busy with a disk that is."""
    from pydantic_core import from_json

    try:
        if not _is_locked(entry):
            return
        note = from_json(read_file(entry.folder, LOCK) or b"")
        since = datetime.fromisoformat(str(note["since"]))
        held_s = (now - since).total_seconds()
    except (OSError, RegistryError, ValueError, KeyError, TypeError):
        return
    if held_s > _HELD_S:
        yield Problem(
            "lock_held",
            f"process {shown(str(note.get('pid')))} has held the run's lock since {shown(str(note['since']))} "
            f"({shown(str(note.get('op')))}); nothing can change the run meanwhile",
            where=LOCK,
        )


def _is_locked(entry: OpenRun) -> bool:
    """Whether some writer holds the run's lock; trying it keeps no writer for longer than a poll."""
    descriptor = open_file(entry.folder, LOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _names(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def _mode(path: str) -> int:
    """Kind and permissions of what a path names, unfollowed; 0 where there is nothing."""
    try:
        return os.lstat(path).st_mode
    except OSError:
        return 0


def _begins(path: str, text: bytes) -> bool:
    """Whether a file begins so; also where it is empty, since it is being made, or cannot be read."""
    try:
        with open(path, "rb") as file:
            return (found := file.read(len(text))) == text or not found
    except OSError:
        return True


def _age_s(path: str, now: datetime) -> float:
    try:
        return now.timestamp() - os.lstat(path).st_mtime
    except OSError:
        return 0.0


def _changed_at(folder: int, path: str) -> float:
    try:
        return os.stat(path, dir_fd=folder, follow_symlinks=False).st_mtime
    except OSError:
        return float("inf")
