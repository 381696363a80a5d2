"""Registries and runs to measure on."""

from pathlib import Path

from registry import clock
from registry.core.commands import AppendEvent, CreateRun
from registry.core.run import Actor
from registry.core.workflow import NodeDefinition, Workflow
from registry.registry import Registry
from registry.settings import Durability, Settings

BENCH = Actor(kind="agent", id="bench", via="cli")


def registry_at(root: Path, *, durability: Durability = "full", keeps_index: bool = True) -> Registry:
    """A registry in a folder of its own."""
    (root / "workflows").mkdir(parents=True, exist_ok=True)
    (root / "runs").mkdir(exist_ok=True)
    return Registry.open(Settings(root=root, durability=durability, keeps_index=keeps_index))


def add_run(registry: Registry, run_id: str, *, nodes: int, width: int = 0) -> None:
    """A run of many nodes, in chains that are `width` side by side, at most 30 deep."""
    width = width or max(1, nodes // 30 + 1)
    workflow = Workflow(
        workflow_id="bench",
        title="Bench",
        nodes=tuple(
            NodeDefinition(
                id=f"node-{number:04}",
                title=f"Step {number}",
                kind="session_turn",
                prompt="Do what the title says and write down what you found.",
                needs=(f"node-{number - width:04}",) if number >= width else (),
            )
            for number in range(nodes)
        ),
    )
    registry.create(CreateRun(run_id=run_id, workflow=workflow, actor=BENCH, request="bench"))


def progress(registry: Registry, run_id: str) -> None:
    """The smallest mutation people make all day."""
    registry.transact(run_id, AppendEvent(actor=BENCH, event="run.progress", message="one step further"))


def note(registry: Registry, run_id: str, text: str) -> None:
    """An event without consequences, to make a trail long."""
    registry.transact(run_id, AppendEvent(actor=BENCH, event="note.bench", message=text))


def fresh_fence() -> str:
    """A secret for a claim."""
    return clock.fresh_secret()
