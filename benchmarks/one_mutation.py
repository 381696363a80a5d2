"""One warm mutation between two marks that a trace shows: `python -m benchmarks.one_mutation ROOT RUN`."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from .runs import progress, registry_at


def _mark() -> None:
    with suppress(OSError):
        os.stat("/benchmark-mark")


if __name__ == "__main__":
    registry = registry_at(Path(sys.argv[1]))
    for _ in range(3):
        progress(registry, sys.argv[2])
    _mark()
    progress(registry, sys.argv[2])
    _mark()
