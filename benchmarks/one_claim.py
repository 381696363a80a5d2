"""One claim and finish between two marks, for a tracer to count what it asks of the system."""

import os
import sys
from pathlib import Path

from .runs import registry_at
from .tasks import claim_and_finish


def main() -> None:
    """Claim and finish a few tasks to be warm, then one between marks."""
    registry = registry_at(Path(sys.argv[1]), durability="process")
    for _ in range(3):
        claim_and_finish(registry)
    _mark()
    claim_and_finish(registry)
    _mark()


def _mark() -> None:
    try:
        os.stat("/benchmark-mark")
    except FileNotFoundError:
        return


if __name__ == "__main__":
    main()
