"""`python -m benchmarks [GROUP ...]` prints the table; `--folder DIR` measures there, `--keep` writes the page."""

import argparse
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from .measure import Row, printed
from .page import keep

GROUPS = ("mutations", "over_stdio", "command_line", "tasks", "lists")


def main() -> None:
    """Measure the groups asked for, all by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("groups", nargs="*", choices=[*GROUPS, []], help="what to measure (all)")
    parser.add_argument("--folder", type=Path, help="a folder on the disk to measure on")
    parser.add_argument("--keep", action="store_true", help="also write the table into docs/performance.md")
    parser.add_argument("--machine", default="", help="words on the machine for the page, instead of its cores")
    given = parser.parse_args()
    if given.keep and given.groups:
        parser.error("--keep takes the whole table: name no group")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="opentask-bench-", dir=given.folder) as folder:
        for group in given.groups or GROUPS:
            begun = time.monotonic()
            rows += import_module(f".{group}", __package__).rows(Path(folder))
            sys.stderr.write(f"{group}: measured in {time.monotonic() - begun:.0f} s\n")
        # Before the folder goes: to take away a hundred thousand runs takes a while.
        print(printed(rows), flush=True)
        if given.keep:
            keep(rows, folder=Path(folder), machine=given.machine)


if __name__ == "__main__":
    main()
