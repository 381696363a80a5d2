"""What a person waits for: one command in a new process, beside importing pydantic's BaseModel."""

import os
import subprocess
import sys
from pathlib import Path

from .measure import Row, side_by_side
from .runs import add_run, registry_at


def rows(folder: Path) -> list[Row]:
    """`opentask run show`."""
    root = folder / "cli"
    add_run(registry_at(root), "bench", nodes=20)
    show = [sys.executable, "-m", "opentask_mcp", "--root", str(root), "run", "show", "bench"]
    floor = [sys.executable, "-c", "from pydantic import BaseModel"]
    value, least = side_by_side([lambda: _run(show), lambda: _run(floor)], rounds=10, times=1)
    return [Row("opentask run show", value, least, "ms", 3, "a new process each")]


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=os.getcwd())
