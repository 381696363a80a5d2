"""Reusable workflow definitions: `workflows/*.task.md` of a registry, edited freely by people."""

import os
import stat
from dataclasses import dataclass
from typing import Final

from ...core.limits import WORKFLOW_BYTES_MAX
from ...core.names import nearest, shown
from ...errors import InvalidRequest, LimitExceeded, NextCall, NotFound
from .layout import WORKFLOWS
from .opening import components, fault, open_file, read_at

SUFFIX: Final = ".task.md"


@dataclass(frozen=True)
class Definition:
    """A workflow file: path below the registry's root, text, mtime in ns."""

    path: str
    text: bytes
    mtime_ns: int


class Definitions:
    """The workflow files below one registry folder."""

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)

    def paths(self) -> list[tuple[str, int]]:
        """Path below the root and mtime in ns of every definition, by name. Links and hidden files are left out."""
        found: list[tuple[str, int]] = []
        try:
            with os.scandir(os.path.join(self.root, WORKFLOWS)) as entries:
                for entry in entries:
                    if entry.name.endswith(SUFFIX) and not entry.name.startswith(".") and _is_file(entry):
                        found.append((f"{WORKFLOWS}/{entry.name}", entry.stat(follow_symlinks=False).st_mtime_ns))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise fault(error, f"reading {WORKFLOWS}/") from error
        return sorted(found)

    def read(self, workflow_path: str) -> Definition:
        """One definition, named by its workflow's id, its file's name or its path below `workflows/`.

        Raises:
            InvalidRequest: the path leads out of `workflows/`.
            NotFound: with the nearest name.
            LimitExceeded: it is larger than a workflow may be.
        """
        path = _below(workflow_path)
        try:
            root = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise self._missing(workflow_path) from error
        try:
            for candidate in dict.fromkeys((path, f"{path}{SUFFIX}", f"{path}.md")):
                try:
                    descriptor = open_file(root, candidate)
                except FileNotFoundError:
                    continue
                try:
                    return _read(descriptor, candidate)
                finally:
                    os.close(descriptor)
        except OSError as error:
            raise fault(error, f"reading {shown(workflow_path)}") from error
        finally:
            os.close(root)
        raise self._missing(workflow_path)

    def read_elsewhere(self, path: str) -> Definition | None:
        """A workflow file anywhere on this machine, for the command line alone; None when it is not there.

        Raises:
            InvalidRequest: it is no regular file.
            LimitExceeded: it is larger than a workflow may be.
        """
        try:
            descriptor = os.open(os.path.expanduser(path), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        except OSError as error:
            raise fault(error, f"reading {shown(path)}") from error
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise InvalidRequest(f"{shown(path)!r} is not a file", hint="name a workflow file", path=shown(path))
            return _read(descriptor, path)
        finally:
            os.close(descriptor)

    def _missing(self, workflow_path: str) -> NotFound:
        names = [path.removeprefix(f"{WORKFLOWS}/").removesuffix(SUFFIX) for path, _ in self.paths()]
        asked = workflow_path.removeprefix(f"{WORKFLOWS}/").removesuffix(SUFFIX)
        guess = nearest(asked, names)
        there = f"there are {', '.join(names[:10])}" if names else f"{WORKFLOWS}/ has none yet"
        return NotFound(
            f"no workflow {shown(workflow_path)!r} in {WORKFLOWS}/",
            hint=f"did you mean {guess!r}?" if guess else there,
            next=(NextCall("list_workflows", {}, "shows what can be started"),),
            workflow_path=workflow_path,
        )


def _below(workflow_path: str) -> str:
    """The path below the root that is meant, always in `workflows/`."""
    try:
        parts = components(workflow_path.strip())
    except InvalidRequest as error:
        raise InvalidRequest(
            f"workflow_path {shown(workflow_path)!r} leads out of {WORKFLOWS}/",
            hint=f"put the file into {WORKFLOWS}/ of the registry, or send its text as workflow_text",
            workflow_path=workflow_path,
        ) from error
    return "/".join(parts if parts[0] == WORKFLOWS and len(parts) > 1 else (WORKFLOWS, *parts))


def _read(descriptor: int, path: str) -> Definition:
    about = os.fstat(descriptor)
    if about.st_size > WORKFLOW_BYTES_MAX:
        raise LimitExceeded(
            f"the workflow {shown(path)}", limit=WORKFLOW_BYTES_MAX, size=about.st_size, hint="split it into several"
        )
    return Definition(path=path, text=read_at(descriptor, 0, about.st_size), mtime_ns=about.st_mtime_ns)


def _is_file(entry: "os.DirEntry[str]") -> bool:
    return stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode)
