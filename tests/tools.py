"""Programs of the system that some tests need."""

import os
import shutil
from pathlib import Path

import pytest


def require_tool(name: str, *, folder: Path | None = None, mend: str | None = None) -> str:
    """The path of a program; without it the test is skipped, or fails where CI=true.

    A user's machine need not have strace. Where changes are let in, a skipped test would be a
    promise nobody checks.

    Args:
        folder: Where it must stand; PATH where none is given.
        mend: What puts it there.
    """
    path = shutil.which(name, path=folder)
    if path is not None:
        return path
    reason = f"needs {name}, which is not on PATH" if folder is None else f"needs {name}, which is not in {folder}"
    if mend:
        reason += f"; {mend}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
