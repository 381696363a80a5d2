"""Durable mutations in a long-lived process, beside one append and one sync of a line."""

import re
import subprocess
import sys
from pathlib import Path
from shutil import which

from registry.core.commands import ClaimNode, FinishNode
from registry.registry import Registry

from .measure import AppendFloor, Row, side_by_side
from .runs import BENCH, add_run, fresh_fence, note, progress, registry_at

_LONG, _SHORT = 100_000, 100


def rows(folder: Path) -> list[Row]:
    """Figures for a small run, a large run, and a long trail."""
    root = folder / "mutations"
    registry = registry_at(root)
    add_run(registry, "small", nodes=20)
    add_run(registry, "large", nodes=1_000)
    floor = AppendFloor(root)
    try:
        small, large, least = side_by_side(
            [lambda: progress(registry, "small"), lambda: progress(registry, "large"), floor], rounds=20, times=20
        )
        pair, least_pair = side_by_side([_ClaimAndFinish(registry), floor], rounds=10, times=20)
    finally:
        floor.close()
    return [
        Row("durable mutation, 20 nodes", small, least, "ms", 6),
        Row("durable mutation, 1,000 nodes, beside 20 nodes", large, small, "ms", 10),
        Row("claim and finish with a report, 20 nodes", pair, least_pair, "ms", None, "two mutations, two files"),
        *_long_trail(folder),
    ]


class _ClaimAndFinish:
    """Claims the next node of a run and finishes it; a new run when one is used up."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._runs = 0
        self._left = 0

    def __call__(self) -> None:
        if self._left == 0:
            self._runs += 1
            self._left = 20
            add_run(self._registry, f"pair-{self._runs}", nodes=20)
        self._left -= 1
        run_id = f"pair-{self._runs}"
        claim = ClaimNode(actor=BENCH, agent_id="bench", lease_s=900, fence_secret=fresh_fence())
        fence = str(self._registry.transact(run_id, claim).answer["fence"])
        finish = FinishNode(actor=BENCH, fence=fence, outcome="completed", summary="done", report="# Done\n")
        self._registry.transact(run_id, finish)


def _long_trail(folder: Path) -> list[Row]:
    """The same mutation at the end of a trail of 100 and of 100,000 events, as the kernel saw it."""
    if which("strace") is None:
        return []
    root = folder / "trails"
    registry = registry_at(root, durability="process")
    for run_id, events in (("short", _SHORT), ("long", _LONG)):
        add_run(registry, run_id, nodes=20)
        for number in range(events):
            note(registry, run_id, f"note {number}")
    short, long = traced(root, "short"), traced(root, "long")
    return [
        Row("system calls, 100,000 events beside 100", long[0], short[0], "calls", 1),
        Row("bytes read, 100,000 events beside 100", long[1] - short[1], 65_536, "bytes", 1),
    ]


_READ = re.compile(r"(?:^|\] )(?:read|pread64|readv|preadv)\(.*= (\d+)$")


def traced(root: Path, run_id: str) -> tuple[float, float]:
    """System calls and bytes read by the last of a few mutations in one process."""
    trace = root / f"{run_id}.trace"
    command = [sys.executable, "-m", "benchmarks.one_mutation", str(root), run_id]
    subprocess.run(["strace", "-f", "-o", str(trace), *command], check=True)
    lines = trace.read_text(encoding="utf-8", errors="replace").splitlines()
    marks = [number for number, line in enumerate(lines) if "benchmark-mark" in line]
    between = lines[marks[0] + 1 : marks[1]]
    reads = [int(found[1]) for line in between if (found := _READ.search(line))]
    return float(len(between)), float(sum(reads))
