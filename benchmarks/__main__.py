"""`python -m benchmarks [GROUP ...]` prints the table; `--folder DIR` measures on that disk."""

import argparse
import tempfile
from importlib import import_module
from pathlib import Path

from .measure import Row, printed

GROUPS = ("mutations", "over_stdio", "command_line", "tasks", "lists")


def main() -> None:
    """Measure the groups asked for, all by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("groups", nargs="*", choices=[*GROUPS, []], help="what to measure (all)")
    parser.add_argument("--folder", type=Path, help="a folder on the disk to measure on")
    given = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="opentask-bench-", dir=given.folder) as folder:
        for group in given.groups or GROUPS:
            rows += import_module(f".{group}", __package__).rows(Path(folder))
    print(printed(rows))


if __name__ == "__main__":
    main()
