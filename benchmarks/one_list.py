"""Pages of a list in a process of its own, and the memory it has then, in MB: `python -m benchmarks.one_list ROOT`."""

import sys
from pathlib import Path

from registry.storage.listing import RunQuery, run_key

from .measure import resident_mb
from .runs import registry_at

if __name__ == "__main__":
    registry = registry_at(Path(sys.argv[1]))
    query = RunQuery(statuses=frozenset({"running", "paused"}))
    for _ in range(20):
        page = registry.lists.page(query, limit=21).runs
        if page:
            query = RunQuery(statuses=query.statuses, after=run_key(page[-1]))
    print(resident_mb())
