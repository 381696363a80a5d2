"""Finished runs that were moved to `archive/YYYY-MM/`: read there, never changed."""

import os
from collections.abc import Iterator

from ...core.names import RunId, is_id
from ...core.run import RunState
from ...errors import RegistryError
from ...formats.projections import read_state
from .layout import ARCHIVE, STATE
from .opening import FOLDER, read_file


def archived_state(root: str, run_id: RunId) -> RunState | None:
    """The state of an archived run; None where there is none that can be read."""
    if not is_id(run_id):
        return None
    for month in _months(root):
        try:
            folder = os.open(os.path.join(root, ARCHIVE, month, run_id), FOLDER)
        except OSError:
            continue
        try:
            found = read_state(read_file(folder, STATE) or b"")
        except (RegistryError, OSError):
            found = None
        finally:
            os.close(folder)
        if found is not None:
            return found.state
    return None


def _months(root: str) -> Iterator[str]:
    """The archive's folders, newest first."""
    try:
        names = os.listdir(os.path.join(root, ARCHIVE))
    except OSError:
        return iter(())
    return iter(sorted(names, reverse=True))
