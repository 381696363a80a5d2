"""After any history the queue and the ledger are what a reader of all run folders would find."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from registry import clock
from registry.core.names import iso
from registry.core.run import Actor
from registry.core.workflow import NodeDefinition, Retry, Workflow
from registry.errors import RegistryError
from registry.operations.caller import Caller
from registry.operations.queues import queued
from registry.registry import Registry
from registry.settings import Settings
from tests.operations.changing.asking import ask, given_run

AGENTS = ("anna", "otto")
STATUS = {"pending": "queued", "ready": "queued", "running": "running", "waiting": "running", "completed": "completed"}
PAIR = Workflow(
    workflow_id="pair",
    title="Pair",
    nodes=(
        NodeDefinition(id="one", title="one", kind="session_turn", prompt="p", agent_id="anna", tags=("t",)),
        NodeDefinition(
            id="two", title="two", kind="session_turn", prompt="p", needs=("one",), agent_id="otto",
            retry=Retry(max_attempts=2, backoff_seconds=30),
        ),
        NodeDefinition(id="gate", title="gate", kind="approval", needs=("one",)),
    ),
)  # fmt: skip

steps = st.tuples(
    st.sampled_from(
        ("create", "create", "create", "run", "claim", "claim", "claim", "complete", "complete", "fail", "release",
         "cancel", "retry", "pause", "resume", "wait", "tick", "another", "archive", "no index", "damage")
    ),
    st.integers(0, 7),
)  # fmt: skip


class World:
    """A registry with some history, and its clock."""

    def __init__(self, root: Path) -> None:
        self.at = datetime(2026, 1, 1, 9, tzinfo=UTC)
        self.root = root
        self._settings = Settings(root=root, durability="process")
        self.registry = Registry.open(self._settings)
        self.claims: list[dict[str, Any]] = []
        self.made: list[str] = []
        self.damaged: set[str] = set()

    @property
    def caller(self) -> Caller:
        return Caller(registry=self.registry, actor=Actor(kind="operator", id="cc", via="cli"), agent_id="cc")

    def do(self, what: str, number: int) -> None:
        self.at += timedelta(seconds=number)
        agent_id = AGENTS[number % 2]
        # What is refused must leave the views as they are.
        with suppress(RegistryError):
            self._do(what, number, agent_id)

    def _do(self, what: str, number: int, agent_id: str) -> None:
        if what == "create":
            needs = self.made[-1:] if number % 3 == 0 else []
            group = "g" if number % 2 else None
            more = {"group": group} if group else {}
            made = ask(self.caller, "create_task", name=f"t{number}", agent_id=agent_id, priority=number + 1,
                       depends_on=needs, max_attempts=1 + number % 2, **more)  # fmt: skip
            self.made.append(made["task_id"])
        elif what == "run":
            run_id = given_run(self.caller, PAIR, f"pair-{len(self.made)}-{number}")
            self.made += [f"{run_id}:{node}" for node in ("one", "two", "gate")]
        elif what == "claim":
            claim = ask(self.caller, "claim_node", agent_id=agent_id, lease_s=(0, 10)[number % 2])
            self.claims += [claim] if claim["claimed"] else []
        elif what in ("complete", "fail", "release") and self.claims:
            claim = self.claims.pop(number % len(self.claims))
            outcome = {"complete": "completed", "fail": "failed", "release": "released"}[what]
            more = {"error": "broke"} if what == "fail" else {}
            ask(self.caller, "finish_node", run_id=claim["run_id"], fence=claim["fence"], outcome=outcome, **more)
        elif what in ("cancel", "retry") and self.made:
            ask(self.caller, f"{what}_task", task_id=self.made[number % len(self.made)])
        elif what in ("pause", "resume") and self.made:
            run_id = self.made[number % len(self.made)].partition(":")[0]
            ask(self.caller, "request_control", run_id=run_id, action=what)
        elif what == "wait":
            self.at += timedelta(seconds=7 * number)
        elif what == "tick" and self.made:
            ask(self.caller, "tick_run", run_id=self.made[number % len(self.made)].partition(":")[0])
        elif what == "archive" and self.made:
            run_id = self.made[number % len(self.made)].partition(":")[0]
            if self.registry.read(run_id).run.state.is_ended:
                self.registry.store.archive.put(run_id, lambda run: None, wait_s=5)
        elif what == "no index":
            for path in (self.root / ".opentask").glob("index.sqlite3*"):
                path.unlink()
        elif what == "damage" and number == 0 and self.made:
            self._damage(self.made[-1].partition(":")[0])
        elif what == "another":
            self.registry.store.close()
            self.registry = Registry.open(self._settings)

    def _damage(self, run_id: str) -> None:
        """What a disk or a careless hand leaves."""
        self.damaged.add(run_id)
        for path in (self.root / "runs").glob(f"{run_id}/*.json*"):
            path.write_text("damage\n")


@contextmanager
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        made = World(Path(folder))
        with patch.object(clock, "now", lambda: made.at):
            yield made
        made.registry.store.close()


def scanned(world: World) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Run and node of every task, read by hand from the folders: a lost worker's node is ready again or failed."""
    found = []
    for path in sorted((world.root / "runs").glob("*/state.json")):
        if path.parent.name in world.damaged:
            continue
        run = json.loads(path.read_text())
        for recorded in run["nodes"]:
            node = recorded
            lease = node.get("lease", {})
            if node["status"] == "running" and lease.get("expiresAt", "9") <= iso(world.at):
                again = node.get("lostCount", 0) < 2
                node = {
                    **recorded,
                    "status": "ready" if again else "failed",
                    "readyAt": iso(world.at),
                    "was_lost": True,
                }
            found.append((run, node))
    return found


def public(node: dict[str, Any]) -> str:
    if node.get("outcome") in ("cancelled", "timed_out") and node["status"] in ("skipped", "failed"):
        return str(node["outcome"])
    return STATUS.get(node["status"], "failed" if node["status"] == "failed" else "completed")


def recorded_at(run: dict[str, Any], node: dict[str, Any]) -> str:
    """When something last happened to a task, as the folder says."""
    if node.get("was_lost"):
        node = {**node, "readyAt": node["startedAt"]}
    moments = [node.get(name, "") for name in ("createdAt", "readyAt", "startedAt", "waitingSince", "completedAt")]
    ended = node.get("attempts", [{}])
    return str(max(*moments, run["createdAt"], node.get("lease", {}).get("heardAt", ""), ended[-1].get("at", "")))


def ledger(world: World, **filters: Any) -> list[tuple[str, str]]:
    """The ledger over all its pages."""
    found: list[tuple[str, str]] = []
    cursor: dict[str, str] = {}
    while True:
        page = ask(world.caller, "list_tasks", limit=3, **filters, **cursor)
        found += [(row["task_id"], row["status"]) for row in page["tasks"]]
        if "next_cursor" not in page:
            return found
        cursor = {"cursor": page["next_cursor"]}


@settings(max_examples=25)
@given(st.lists(steps, max_size=25))
def test_views_are_what_the_folders_say(history: list[tuple[str, int]]) -> None:
    """A view that lags or forgets sends an agent home while work waits."""
    with world() as now:
        for what, number in history:
            now.do(what, number)
        tasks = scanned(now)
        newest = sorted(
            ((recorded_at(run, node), f"{run['runId']}:{node['id']}", public(node)) for run, node in tasks),
            reverse=True,
        )

        assert ledger(now) == [(task, status) for _, task, status in newest]
        if now.damaged and (now.root / "runs").exists():
            assert set(now.registry.views.unreadable()) == now.damaged
        for status in ("queued", "running", "completed", "failed", "cancelled"):
            assert ledger(now, status=status) == [(task, one) for _, task, one in newest if one == status]
        for agent_id in AGENTS:
            ready = sorted(
                (-node.get("priority", 5), node["readyAt"], f"{run['runId']}:{node['id']}")
                for run, node in tasks
                if run["status"] in ("running", "paused") and node["status"] == "ready"
                and node.get("agentId") == agent_id
            )  # fmt: skip
            rows = queued(now.registry, agent_id, now=now.at)
            assert [row.record.task_id for row in rows] == [task for _, _, task in ready]
        counted = [status for _, _, status in newest]
        assert ask(now.caller, "task_stats")["total"] == {
            "current": counted.count("running"),
            "pending": counted.count("queued"),
            "completed": counted.count("completed"),
            "failed": counted.count("failed"),
            "cancelled": counted.count("cancelled"),
            "all": len(counted),
        }
