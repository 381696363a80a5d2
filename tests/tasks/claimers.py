"""Workers in processes of their own, one of which is killed now and then; and the judgement of what they did."""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

from registry.core.commands import CreateRun
from registry.core.run import Actor
from registry.core.workflow import NodeDefinition, Retry, Workflow
from registry.registry import Registry
from registry.settings import Settings

ROOT = Path(__file__).parents[2]
ACTOR = Actor(kind="agent", id="giver", via="cli")

WORKER = """
import sys
from pathlib import Path
from registry.core.run import Actor
from registry.operations.caller import Caller
from registry.operations.parse import parse_request
from registry.operations.table import OPERATIONS
from registry.registry import Registry
from registry.settings import Settings

registry = Registry.open(Settings(root=Path(sys.argv[1]), durability="process", lock_wait_s=120))
caller = Caller(registry=registry, actor=Actor(kind="agent", id="anna", via="mcp"), agent_id="anna")

def ask(tool, **arguments):
    return OPERATIONS[tool].run(caller, parse_request(OPERATIONS[tool], arguments))

while True:
    claim = ask("claim_node", agent_id="anna", lease_s=0)
    if not claim.claimed:
        break
    print(claim.task_id, claim.priority, claim.attempt, flush=True)
    ask("finish_node", run_id=claim.run_id, fence=claim.fence, outcome="completed", summary="done")
"""


def fill(root: Path, tasks: int, *, seed: int) -> list[str]:
    """A queue of errands with priorities; their ids in the order in which they must be claimed."""
    registry = Registry.open(Settings(root=root, durability="process"))
    chance = random.Random(seed)
    order: list[tuple[int, str, str]] = []
    for number in range(tasks):
        priority = chance.randint(1, 10)
        node = NodeDefinition(
            id="work", title=f"t{number}", kind="session_turn", prompt="p", agent_id="anna", priority=priority,
            retry=Retry(max_lost=20),
        )  # fmt: skip
        workflow = Workflow(workflow_id="task", title=node.title, nodes=(node,))
        command = CreateRun(run_id=f"task-{number:05}", workflow=workflow, actor=ACTOR, request="r")
        state = registry.create(command).run.state
        order.append((-priority, state.nodes["work"].ready_at or "", f"{state.run_id}:work"))
    registry.store.close()
    return [task for _, _, task in sorted(order)]


def start(root: Path) -> "subprocess.Popen[str]":
    """A worker; it says a line for each claim that it was granted."""
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(root)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def started(root: Path) -> list[tuple[str, str, int]]:
    """When each attempt of each task began, as the trails say: time, task, attempt; oldest first."""
    found = []
    for trail in (root / "runs").glob("*/events.jsonl"):
        for line in trail.read_text().splitlines():
            event = json.loads(line)
            if event["event"] == "node.started":
                found.append((event["timestamp"], f"{event['runId']}:{event['nodeId']}", event["payload"]["attempt"]))
    return sorted(found)


def judge(root: Path, order: list[str], *, killed: int) -> None:
    """No task was claimed twice at once, none was left out, and the order was kept.

    Args:
        killed: Workers that were killed; each may have left one task in hand.
    """
    starts = started(root)
    registry = Registry.open(Settings(root=root, durability="process"))
    statuses = Counter(registry.store.state(task.partition(":")[0]).nodes["work"].status for task in order)
    registry.store.close()

    assert len(starts) == len({(task, attempt) for _, task, attempt in starts}), "an attempt began twice"
    assert {task for _, task, _ in starts} == set(order), "a task was never claimed"
    assert statuses["completed"] + statuses["running"] == len(order)
    assert statuses["running"] <= killed
    first = {task: at for at, task, attempt in reversed(starts) if attempt == 1}
    times = [first[task] for task in order]
    assert times == sorted(times), "a less urgent task was claimed first"
