"""Programs of the system that some tests need."""

import os
import shutil

import pytest


def require_tool(name: str) -> str:
    """The path of a program; without it the test is skipped, or fails where CI=true.

    A user's machine need not have strace. Where changes are let in, a skipped test would be a
    promise nobody checks.
    """
    path = shutil.which(name)
    if path is not None:
        return path
    reason = f"needs {name}, which is not on PATH"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
