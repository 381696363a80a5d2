"""Reusable workflow definitions: `workflows/*.task.md` under the root, read and never written.

People edit them freely, so nothing about them is remembered between two reads. Links are
refused as they are below a run: a definition must not be a way to any file of the machine.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from ...core.limits import WORKFLOW_BYTES_MAX
from ...core.names import shown
from ...errors import Forbidden, LimitExceeded, NotFound
from .layout import WORKFLOWS
from .opening import FOLDER, components, fault, files_below, open_file, read_all

SUFFIX = ".task.md"


class Definitions:
    """The definitions of one registry. Paths are root-relative: `workflows/audit.task.md`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def paths(self) -> Iterator[str]:
        """The paths of all definitions, by name; none where there is no such folder."""
        try:
            root = os.open(self._root, FOLDER & ~os.O_NOFOLLOW)
        except OSError:
            return
        try:
            found = files_below(root, WORKFLOWS)
        finally:
            os.close(root)
        for path, _ in found:
            if path.endswith(SUFFIX) and path.count("/") == 1:
                yield path

    def read(self, path: str) -> bytes:
        """The bytes of a definition.

        Raises:
            NotFound: there is none of this path.
            Forbidden: it is a link, or lies outside `workflows/`.
            LimitExceeded: it is larger than a workflow may be.
        """
        if components(path)[0] != WORKFLOWS:
            raise Forbidden(
                f"{shown(path)!r} is not below {WORKFLOWS}/; definitions are read from there only",
                hint="list_workflows shows the workflow paths, or send workflow_text",
                path=shown(path),
            )
        try:
            root = os.open(self._root, FOLDER & ~os.O_NOFOLLOW)
            try:
                return _read(open_file(root, path), path)
            finally:
                os.close(root)
        except FileNotFoundError:
            raise NotFound(f"no workflow {shown(path)!r}", hint="list_workflows shows all") from None
        except OSError as error:
            raise fault(error, f"reading {shown(path)}") from error

    def read_anywhere(self, path: str) -> bytes | None:
        """A file of the machine, as the command line's user may name it; None when it is not there.

        Raises:
            Forbidden: it is no regular file.
            LimitExceeded: it is larger than a workflow may be.
        """
        named = Path(path).expanduser()
        try:
            if not named.exists():
                return None
            if not named.is_file():
                raise Forbidden(f"{shown(path)!r} is not a file", hint="name a workflow file", path=shown(path))
            return _read(os.open(named, os.O_RDONLY | os.O_CLOEXEC), path)
        except ValueError:
            return None  # a NUL in it: no file has such a name
        except OSError as error:
            raise fault(error, f"reading {shown(path)}") from error


def _read(descriptor: int, path: str) -> bytes:
    """The bytes of an open file, which is closed."""
    try:
        size = os.fstat(descriptor).st_size
        if size > WORKFLOW_BYTES_MAX:
            raise LimitExceeded(
                shown(path), limit=WORKFLOW_BYTES_MAX, size=size, hint="keep long texts in files that prompts name"
            )
        return read_all(descriptor, size)
    finally:
        os.close(descriptor)
