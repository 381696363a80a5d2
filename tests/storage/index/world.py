"""A registry with an index, the hands of others around it, and the scan that the index is held against."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from registry.core.claimable import queue_key
from registry.core.commands import AnyCommand, CreateRun
from registry.core.decide import decide, decide_creation
from registry.core.draft import Draft
from registry.core.events import Facts
from registry.core.names import AgentId, NodeId, RunId
from registry.core.run import Actor
from registry.core.workflow import NodeDefinition, Retry, Workflow
from registry.errors import RegistryError
from registry.storage.files.archive import FileArchive
from registry.storage.files.store import FileStore
from registry.storage.index.writing import STALE, IndexWriter
from registry.storage.listing import RunLists, RunPage, RunQuery, ScannedRuns
from registry.storage.views import ScannedViews, TaskQuery, TaskViews

AGENT: Final = Actor(kind="agent", id="cc", via="mcp")
PERSON: Final = Actor(kind="operator", id="maria", via="cli", verified=True)
AGENTS: Final = ("anna", "otto")
T0: Final = datetime(2026, 1, 30, 9, tzinfo=UTC)
INDEX: Final = ".opentask/index.sqlite3"

PAIR: Final = Workflow(
    workflow_id="pair",
    title="A Pair of steps",
    nodes=(
        NodeDefinition(
            id="one", title="Gather", kind="session_turn", prompt="p", agent_id="anna", tags=("t",), priority=7
        ),
        NodeDefinition(
            id="two",
            title="Weigh ÄPFEL",
            kind="session_turn",
            prompt="p",
            needs=("one",),
            agent_id="otto",
            retry=Retry(max_attempts=2, backoff_seconds=30),
        ),
        NodeDefinition(id="gate", title="Go?", kind="approval", needs=("one",)),
    ),
)
SINGLE: Final = Workflow(
    workflow_id="single",
    title="Alone",
    nodes=(NodeDefinition(id="work", title="Work", kind="session_turn", prompt="p", agent_id="otto"),),
)


class World:
    """A registry folder and its clock; `process` is one of several servers at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.at = T0
        self._stores = [self._store() for _ in range(2)]
        self._deaf = self._store(keeps_index=False)
        self.scanned = ScannedRuns(self._deaf)
        self.scanned_tasks: TaskViews = ScannedViews(self._deaf)

    def _store(self, *, keeps_index: bool = True) -> FileStore:
        return FileStore(str(self.root), now=lambda: self.at, durability="process", keeps_index=keeps_index)

    def process(self, number: int = 0) -> FileStore:
        return self._stores[number % len(self._stores)]

    def lists(self, number: int = 0) -> RunLists:
        return self.process(number).lists

    def views(self, number: int = 0) -> TaskViews:
        return self.process(number).views

    def archive(self, number: int = 0) -> FileArchive:
        return self.process(number).archive

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    def create(self, run_id: RunId, workflow: Workflow = PAIR, *, process: int = 0, **more: Any) -> None:
        command = CreateRun(run_id=run_id, workflow=workflow, actor=AGENT, request=run_id, **more)
        self.process(process).create(decide_creation(command, Facts(now=self.at, run_dir=f"/runs/{run_id}")))

    def change(self, run_id: RunId, command: AnyCommand, *, process: int = 0) -> None:
        self._change(self.process(process), run_id, command)

    def _change(self, store: FileStore, run_id: RunId, command: AnyCommand) -> None:
        with store.locked(run_id, wait_s=5, op="test") as session:
            decision = decide(session.run, command, Facts(now=self.at, run_dir=f"/runs/{run_id}"))
            if decision.events:
                session.commit(decision)

    def change_and_die(self, run_id: RunId, command: AnyCommand, *, by_file: bool = False) -> None:
        """What is left when a writer is killed between the trail and the rows: its mark, and nothing of the change."""
        if by_file:
            (self.root / STALE).mkdir(parents=True, exist_ok=True)
            (self.root / STALE / run_id).touch()
        else:
            writer = IndexWriter(str(self.root))
            writer.mark(run_id)
            writer.close()
        self._change(self._deaf, run_id, command)

    def hide(self, run_id: RunId, node_id: NodeId, *, process: int = 0) -> None:
        """Take a task out of all lists, as somebody does who deletes it; its run keeps it."""
        store = self.process(process)
        with store.locked(run_id, wait_s=5, op="test") as session:
            draft = Draft(session.run, Facts(now=self.at, run_dir=f"/runs/{run_id}"), PERSON)
            if not draft.node(node_id).hidden:
                draft.change(node_id, hidden=True)
                draft.tell("run.hidden", node_id)
                session.commit(draft.decision(wake_at=session.run.state.wake_at))

    def create_and_die(self, run_id: RunId) -> None:
        """A maker that is killed behind the rename; not even its mark is left."""
        command = CreateRun(run_id=run_id, workflow=SINGLE, actor=AGENT, request=run_id)
        self._deaf.create(decide_creation(command, Facts(now=self.at, run_dir=f"/runs/{run_id}")))

    def copy(self, run_id: RunId, name: RunId) -> None:
        """What `cp -r` does."""
        shutil.copytree(self.root / "runs" / run_id, self.root / "runs" / name)

    def take_away(self, run_id: RunId) -> None:
        """What `rm -r` does."""
        shutil.rmtree(self.root / "runs" / run_id)

    def delete_index(self, *, all_of_it: bool = True) -> None:
        for beside in ("", "-wal", "-shm") if all_of_it else ("",):
            (self.root / f"{INDEX}{beside}").unlink(missing_ok=True)

    def spoil_index(self, garbage: bytes = b"no database at all, " * 600) -> None:
        path = self.root / INDEX
        if path.exists():
            path.write_bytes(garbage)

    def run_ids(self) -> list[RunId]:
        try:
            return sorted(name for name in os.listdir(self.root / "runs") if not name.startswith("."))
        except FileNotFoundError:
            return []

    def close(self) -> None:
        for store in (*self._stores, self._deaf):
            store.close()


def hold_against_scan(world: World, query: RunQuery, *, process: int = 0, limit: int = 100) -> RunPage:
    """A page from the index is the page from the folders."""
    page, wanted = world.lists(process).page(query, limit=limit), world.scanned.page(query, limit=limit)
    assert page == wanted
    return page


def hold_ledger_against_scan(world: World, query: TaskQuery, *, process: int = 0) -> None:
    """The ledger from the index is the ledger from the folders."""
    assert [*world.views(process).tasks(query)] == [*world.scanned_tasks.tasks(query)]


def hold_queues_against_scan(world: World, process: int = 0) -> None:
    """Queues and counts from the index are those from the folders."""
    views, wanted = world.views(process), world.scanned_tasks
    assert sorted(map(repr, views.facts())) == sorted(map(repr, wanted.facts()))
    assert views.agents() == wanted.agents()
    assert views.unreadable() == wanted.unreadable()
    for agent_id in (*AGENTS, "cc"):
        ready = [*wanted.ready(agent_id)]
        assert [*views.ready(agent_id)] == ready
        for record in ready[:2]:
            key = queue_key(record.run.run_id, record.node)
            assert views.ahead(agent_id, key) == wanted.ahead(agent_id, key)
        assert views.pending(agent_id) == wanted.pending(agent_id)
        assert views.holding(agent_id) == wanted.holding(agent_id)
        assert sorted(views.due(agent_id, world.at)) == sorted(wanted.due(agent_id, world.at))
        desk = views.desk(agent_id, world.at)
        assert (sorted(desk.due), desk.holding) == (sorted(wanted.due(agent_id, world.at)), wanted.holding(agent_id))
        assert [*desk.ready] == ready
        assert sorted(map(repr, views.facts(agent_id=agent_id))) == sorted(map(repr, wanted.facts(agent_id=agent_id)))


@contextmanager
def refusals_are_answers() -> Iterator[None]:
    """What is refused leaves everything as it is."""
    try:
        yield
    except RegistryError:
        return


def agent(number: int) -> AgentId:
    return AGENTS[number % len(AGENTS)]
