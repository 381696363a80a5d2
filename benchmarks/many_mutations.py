"""Warm mutations of one run, begun on a word: `python -m benchmarks.many_mutations ROOT RUN COUNT`."""

import sys
from pathlib import Path

from .runs import progress, registry_at


def main(root: str, run_id: str, count: str) -> None:
    """Say when warm, wait for the word, say when done."""
    registry = registry_at(Path(root))
    for _ in range(20):
        progress(registry, run_id)
    print("warm", flush=True)
    sys.stdin.readline()
    for _ in range(int(count)):
        progress(registry, run_id)
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
