"""Queues and the ledger: claims with much and with little waiting, and the first page over many tasks."""

import subprocess
import sys
from pathlib import Path
from shutil import which

from registry import clock
from registry.core.commands import CreateRun
from registry.core.workflow import NodeDefinition, Workflow
from registry.operations.caller import Caller
from registry.operations.parse import parse_request
from registry.operations.table import OPERATIONS, Result
from registry.registry import Registry

from .measure import AppendFloor, Row, side_by_side, timed_ms
from .runs import BENCH, registry_at

_QUEUED, _FEW = 10_000, 100
_RUNS, _NODES = 100, 1_000
_PAGE_MS = 10.0


def ask(registry: Registry, tool: str, **arguments: object) -> Result:
    """An operation, asked as a surface does."""
    caller = Caller(registry=registry, actor=BENCH, agent_id="bench")
    return OPERATIONS[tool].run(caller, parse_request(OPERATIONS[tool], arguments))


def rows(folder: Path) -> list[Row]:
    """Figures for claims, for making tasks, and for pages of the ledger."""
    return [*_claims(folder), *_traced_claims(folder), *_first_page(folder)]


def claim_and_finish(registry: Registry) -> None:
    """The next task of a queue, claimed and completed."""
    claim = ask(registry, "claim_node", agent_id="anna").plain()
    ask(registry, "finish_node", run_id=claim["run_id"], fence=claim["fence"], outcome="completed", summary="done")


def _claims(folder: Path) -> list[Row]:
    root = folder / "claims"
    registry = registry_at(root)
    floor = AppendFloor(root)
    numbers = iter(range(1_000))
    making, least_making = side_by_side([lambda: make(registry, next(numbers)), floor], rounds=20, times=20)
    try:
        pair, least = side_by_side([lambda: claim_and_finish(registry), floor], rounds=10, times=20)
    finally:
        floor.close()
        registry.store.close()
    return [
        Row("task made", making, least_making, "ms", None, "a new run: its trail and three folders synced"),
        Row("claim and finish a task, 400 queued", pair, least, "ms", 25, "two durable mutations"),
    ]


def make(registry: Registry, number: int) -> None:
    """A task in anna's queue."""
    node = NodeDefinition(id="work", title=f"t{number}", kind="session_turn", prompt="p", agent_id="anna")
    workflow = Workflow(workflow_id="task", title=node.title, nodes=(node,))
    registry.create(CreateRun(run_id=clock.fresh_id("task"), workflow=workflow, actor=BENCH, request="bench"))


def _traced_claims(folder: Path) -> list[Row]:
    """System calls of one claim and finish in a process that is warm, with few and with many queued."""
    if which("strace") is None:
        return []
    counted = []
    for name, tasks in (("few", _FEW), ("many", _QUEUED)):
        root = folder / name
        registry = registry_at(root, durability="process")
        begun = clock.monotonic_s()
        for number in range(tasks):
            make(registry, number)
            if number % 1_000 == 999:
                took = clock.monotonic_s() - begun
                sys.stderr.write(f"  {number + 1:,} tasks made, {took / (number + 1) * 1e3:.2f} ms each\n")
        registry.store.close()
        counted.append(_calls(root))
    return [Row("system calls of claim and finish, 10,000 queued beside 100", counted[1], counted[0], "calls", 1.02)]


def _calls(root: Path) -> float:
    trace = root / "claim.trace"
    command = [sys.executable, "-m", "benchmarks.one_claim", str(root)]
    subprocess.run(["strace", "-f", "-o", str(trace), *command], check=True)
    lines = trace.read_text(encoding="utf-8", errors="replace").splitlines()
    marks = [number for number, line in enumerate(lines) if "benchmark-mark" in line]
    return float(marks[1] - marks[0] - 1)


def _first_page(folder: Path) -> list[Row]:
    """The first page of the ledger over 100,000 nodes in a process that has looked before."""
    root = folder / "pages"
    registry = registry_at(root, durability="process")
    nodes = tuple(
        NodeDefinition(id=f"n{number:04}", title=f"Step {number}", kind="session_turn", prompt="p", agent_id="anna")
        for number in range(_NODES)
    )
    for number in range(_RUNS):
        workflow = Workflow(workflow_id="bench", title="Bench", nodes=nodes)
        registry.create(CreateRun(run_id=f"bench-{number:03}", workflow=workflow, actor=BENCH, request="bench"))
    ask(registry, "list_tasks")
    page = timed_ms(lambda: ask(registry, "list_tasks", limit=20), times=20)
    queue = timed_ms(lambda: ask(registry, "list_tasks", agent_id="anna", order="queue", limit=20), times=20)
    registry.store.close()
    return [
        Row("first page of the ledger, 100,000 nodes", page, _PAGE_MS, "ms", 1, "warm"),
        Row("first page of a queue of 100,000", queue, _PAGE_MS, "ms", None),
    ]
