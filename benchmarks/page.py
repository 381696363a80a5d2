"""The page that keeps the last table, `docs/performance.md`: its words are written by hand, the table by this."""

import os
import platform
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from .measure import Row, printed

PAGE: Final = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN: Final = "<!-- table: python -m benchmarks --keep -->\n"
END: Final = "<!-- end of table -->\n"


def keep(rows: Sequence[Row], *, folder: Path, machine: str) -> None:
    """Put a table in the place of the one the page has."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    table = f"\n{machine_line(folder, machine)}\n\n{printed(rows)}\n\n"
    PAGE.write_text(f"{before}{BEGIN}{table}{END}{after}", encoding="utf-8")


def machine_line(folder: Path, machine: str) -> str:
    """Where and when it was measured, in terms that name no particular machine."""
    parts = [
        machine or f"{os.cpu_count()} cores",
        f"{platform.system()} {platform.machine()}, {_file_system(folder)}",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        f"{datetime.now(UTC):%Y-%m-%d}",
    ]
    return f"Measured on: {'; '.join(parts)}."


def _file_system(folder: Path) -> str:
    """The kind of file system a folder is on, where the system tells."""
    found, kind = "", "unknown file system"
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return kind
    for _, place, name, *_ in map(str.split, mounts):
        if len(place) > len(found) and folder.resolve().is_relative_to(place):
            found, kind = place, name
    return kind
