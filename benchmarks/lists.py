"""Lists over 100,000 runs, and what a mutation pays for being in them.

The runs are a hundred real ones, each linked a thousand times under other names: their trails and
states are whole files, their node folders are left out. So the index is made from files as large
as real ones, while the disk holds a hundred of them.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import which

from registry.core.commands import ClaimNode, Control, CreateRun
from registry.core.workflow import NodeDefinition, Workflow
from registry.registry import Registry
from registry.storage.listing import RunQuery

from .measure import Row, each_ms, side_by_side
from .mutations import traced
from .runs import BENCH, add_run, fresh_fence, progress, registry_at

_KINDS, _OF_A_KIND = 100, 1_000
_FEW = 100
_PAGE_MS, _MEMORY_MB = 5.0, 20.0
_NODES = 8


def rows(folder: Path) -> list[Row]:
    """Pages, memory, the first list, and a mutation beside one among a hundred runs."""
    many, few = folder / "lists-100000", folder / "lists-100"
    _make(few, kinds=_FEW, of_a_kind=1)
    begun = time.perf_counter()
    _make(many, kinds=_KINDS, of_a_kind=_OF_A_KIND)
    made_s = time.perf_counter() - begun
    registry = registry_at(many)
    total = _KINDS * _OF_A_KIND + _KINDS
    (first,) = each_ms(lambda: registry.lists.page(RunQuery(), limit=21), times=1)
    begun = time.perf_counter()
    registry.store.reindex(lambda _done, _of: None)
    each = (time.perf_counter() - begun) * 1e3 / total
    return [
        Row("first list of 100,000 runs nobody indexed", first, 1_000, "ms", None, "answers of the newest"),
        Row("reindex, a run", each, 1, "ms", None, f"{_NODES} nodes each; all made in {made_s:.0f} s by links"),
        *_pages(registry),
        *_other_hands(registry, many),
        *_memory(many, few),
        *_mutations(folder, many, few),
    ]


def _make(root: Path, *, kinds: int, of_a_kind: int) -> None:
    registry = registry_at(root, durability="process")
    runs = root / "runs"
    for kind in range(kinds):
        source = f"kind-{kind:03}"
        _given(registry, source, kind)
        for copy in range(of_a_kind if of_a_kind > 1 else 0):
            target = runs / f"{source}-{copy:04}"
            target.mkdir()
            for name in ("events.jsonl", "state.json", "refs.json"):
                os.link(runs / source / name, target / name)
    registry.store.close()
    shutil.rmtree(root / ".opentask")


def _given(registry: Registry, run_id: str, kind: int) -> None:
    """A run; of every four one is claimed, one paused, one cancelled, of ten workflows and seven agents."""
    nodes = tuple(
        NodeDefinition(
            id=f"node-{number}",
            title=f"Step {number} of {kind}",
            kind="session_turn",
            prompt="Do what the title says and write down what you found.",
            agent_id=f"agent-{kind % 7}",
            needs=(f"node-{number - 1}",) if number else (),
        )
        for number in range(_NODES)
    )
    workflow = Workflow(workflow_id=f"flow-{kind % 10}", title=f"Kind {kind}", nodes=nodes)
    registry.create(CreateRun(run_id=run_id, workflow=workflow, actor=BENCH, request=run_id))
    if kind % 4 == 1:
        claim = ClaimNode(actor=BENCH, agent_id=f"agent-{kind % 7}", lease_s=900, fence_secret=fresh_fence())
        registry.transact(run_id, claim)
    elif kind % 4:
        action = Control(actor=BENCH, action="pause" if kind % 4 == 2 else "cancel", control_id="c-1")
        registry.transact(run_id, action)


def _pages(registry: Registry) -> list[Row]:
    queries = {
        "all": RunQuery(),
        "status and workflow": RunQuery(statuses=frozenset({"running", "paused"}), workflow_id="flow-3"),
        "agent": RunQuery(agent_id="agent-4"),
        "a rare text": RunQuery(text="step 3 of 27"),
    }
    found: list[Row] = []
    # A page in the middle of what there is: a cursor must not cost what lies before it.
    middle = registry.store.state(f"kind-{_KINDS // 2:03}").updated_at
    for name, query in queries.items():
        behind = replace(query, after=(middle, f"kind-{_KINDS // 2:03}-{_OF_A_KIND // 2:04}"))
        acts: list[Callable[[], object]] = [
            lambda query=behind: registry.lists.page(query, limit=21)  # type: ignore[misc]  # bound in the loop
        ]
        (value,) = side_by_side(acts, rounds=5, times=20)
        promise = None if query.text else 1
        found.append(Row(f"list page of 100,000 runs, {name}, cursor", value, _PAGE_MS, "ms", promise, "warm"))
    return found


def _other_hands(registry: Registry, root: Path) -> list[Row]:
    """A list after somebody copied a run in."""

    def copied(number: int) -> float:
        shutil.copytree(root / "runs" / "kind-000", root / "runs" / f"brought-{number}")
        return each_ms(lambda: registry.lists.page(RunQuery(), limit=21), times=1)[0]

    return [
        Row("list after a run was copied in", sorted(map(copied, range(3)))[1], 1, "ms", None, "all names compared")
    ]


def _memory(many: Path, few: Path) -> list[Row]:
    """What a process needs for pages of 100,000 runs beside pages of 100."""
    large, small = _resident(many), _resident(few)
    return [
        Row("memory for pages of 100,000 runs beside 100", large - small, _MEMORY_MB, "MB", 1, "a new process each")
    ]


def _resident(root: Path) -> float:
    command = [sys.executable, "-m", "benchmarks.one_list", str(root)]
    return float(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def _mutations(folder: Path, many: Path, few: Path) -> list[Row]:
    large, small = registry_at(many), registry_at(few)
    bare_root = folder / "lists-without"
    without = registry_at(bare_root, keeps_index=False)
    for registry in (large, small, without):
        add_run(registry, "bench", nodes=20)
    among_many, among_few, unindexed = side_by_side(
        [lambda: progress(large, "bench"), lambda: progress(small, "bench"), lambda: progress(without, "bench")],
        rounds=20,
        times=20,
    )
    found = [
        Row("durable mutation among 100,000 runs, beside 100", among_many, among_few, "ms", 1.3),
        Row("durable mutation with index, beside none", among_few, unindexed, "ms", None, "20 nodes"),
    ]
    if which("strace") is None:
        return found
    calls = [traced(root, "bench")[0] for root in (many, few)]
    return [*found, Row("system calls of it, 100,000 runs beside 100", calls[0], calls[1], "calls", 1)]
