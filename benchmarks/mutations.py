"""Mutations in a long-lived process, beside one append and one sync of a line; and of several processes at once."""

import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from shutil import which

from registry.core.commands import ClaimNode, FinishNode
from registry.registry import Registry

from .measure import AppendFloor, Row, each_ms, side_by_side, timed_ms
from .runs import BENCH, add_run, fresh_fence, note, progress, registry_at

_LONG, _SHORT = 100_000, 100
_PROCESSES, _EACH, _ROUNDS = 4, 500, 5
_RECOVERIES = 3


def rows(folder: Path) -> list[Row]:
    """Figures for a small run, a large run, and a long trail."""
    root = folder / "mutations"
    registry = registry_at(root)
    add_run(registry, "small", nodes=20)
    add_run(registry, "large", nodes=1_000)
    unsynced = registry_at(folder / "mutations-process", durability="process")
    add_run(unsynced, "small", nodes=20)
    floor = AppendFloor(root)
    try:
        small, large, process, least = side_by_side(
            [
                lambda: progress(registry, "small"),
                lambda: progress(registry, "large"),
                lambda: progress(unsynced, "small"),
                floor,
            ],
            rounds=20,
            times=20,
        )
        pair, least_pair = side_by_side([_ClaimAndFinish(registry), floor], rounds=10, times=20)
    finally:
        floor.close()
    return [
        Row("durable mutation, 20 nodes", small, least, "ms", 6),
        Row("durable mutation, 1,000 nodes, beside 20 nodes", large, small, "ms", 10),
        Row("durable mutation beside one of durability: process", small, process, "ms", None, "20 nodes"),
        Row("claim and finish with a report, 20 nodes", pair, least_pair, "ms", None, "two mutations, two files"),
        *_several_processes(folder),
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


def _several_processes(folder: Path) -> list[Row]:
    """Four processes, each with a run of its own, beside one: the median of rounds taken in turns."""
    root = folder / "processes"
    registry = registry_at(root)
    names = [f"run-{number}" for number in range(_PROCESSES)]
    for name in names:
        add_run(registry, name, nodes=20)
    registry.store.close()
    alone, together = [], []
    for _ in range(_ROUNDS):
        alone.append(_each_ms(root, names[:1]))
        together.append(_each_ms(root, names))
    one, four = statistics.median(alone), statistics.median(together)
    times = f"{one / four:.2f} times as many mutations; 1.2 are promised"
    return [Row("durable mutation, four processes on four runs beside one", four, one, "ms", 1 / 1.2, times)]


def _each_ms(root: Path, run_ids: list[str]) -> float:
    """Milliseconds a mutation took, of all that processes made at once, each on its run."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.many_mutations", str(root), run_id, str(_EACH)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for run_id in run_ids
    ]
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.readline()
    begun = time.perf_counter()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.readline()
    took = time.perf_counter() - begun
    for worker in workers:
        worker.communicate()
    return took * 1e3 / (_EACH * len(run_ids))


def _long_trail(folder: Path) -> list[Row]:
    """At the end of a trail of 100 and of 100,000 events: a mutation as the kernel saw it, and reading all of it."""
    root = folder / "trails"
    registry = registry_at(root, durability="process")
    for run_id, events in (("short", _SHORT), ("long", _LONG)):
        add_run(registry, run_id, nodes=20)
        for number in range(events):
            note(registry, run_id, f"note {number}")
    registry.store.close()
    recovered, proved = _recovered_ms(root, "long"), _proved_ms(root, "long")
    found = [
        Row("recovery of a run of 100,000 events", recovered, 1_000, "ms", 1, "nothing left of it but its trail"),
        Row("proof of a run of 100,000 events", proved, 1_000, "ms", None, "validate: every line read and followed"),
    ]
    if which("strace") is None:
        return found
    short, long = traced(root, "short"), traced(root, "long")
    return [
        *found,
        Row("system calls, 100,000 events beside 100", long[0], short[0], "calls", 1),
        Row("bytes read, 100,000 events beside 100", long[1] - short[1], 65_536, "bytes", 1),
    ]


def _recovered_ms(root: Path, run_id: str) -> float:
    """Reading a run whose projections are lost, in a registry that was just opened; the median of a few."""
    taken = []
    for _ in range(_RECOVERIES):
        for projection in ("state.json", "refs.json", "workflow.lock.md"):
            (root / "runs" / run_id / projection).unlink()
        registry = registry_at(root, durability="process")
        taken += each_ms(lambda: progress(registry, run_id), times=1)  # noqa: B023  # called here and now
        registry.store.close()
    return statistics.median(taken)


def _proved_ms(root: Path, run_id: str) -> float:
    registry = registry_at(root, durability="process")
    proved = timed_ms(lambda: registry.store.validate(run_id), times=_RECOVERIES)
    registry.store.close()
    return proved


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
