"""A registry with a run in the middle of its work and another beside it, asked as agents ask."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.core.run import Actor
from registry.operations.caller import Caller
from registry.operations.parse import parse_request
from registry.operations.table import OPERATIONS
from registry.registry import Registry
from registry.settings import Settings

RUN, OTHER = "demo-1", "other-1"
WORKFLOW = """---
workflowId: demo
title: A demo
nodes:
  - {id: gather, title: Gather, kind: session_turn, prompt: Gather it., outputs: {mode: report}}
  - {id: build, title: Build, kind: session_turn, prompt: Build it., needs: [gather]}
  - {id: sum, title: Sum up, kind: summary, needs: [build]}
---

# A demo
"""


@dataclass
class Ask:
    """Calls operations on a root, each time as a process that starts anew unless told otherwise."""

    root: Path
    registry: Registry | None = None

    def __call__(self, name: str, **arguments: object) -> Mapping[str, Any]:
        registry = self.registry or opened(self.root)
        operation = OPERATIONS[name]
        caller = Caller(registry=registry, actor=Actor(kind="agent", id="cc", via="mcp"), agent_id="cc")
        try:
            return operation.run(caller, parse_request(operation, arguments)).plain()
        finally:
            if self.registry is None:
                registry.store.close()


def opened(root: Path) -> Registry:
    """The registry as a new process opens it; nothing is synced, since no power is lost here."""
    return Registry.open(Settings(root=root, durability="process"))


@dataclass(frozen=True)
class Given:
    """A run at work: `gather` is completed, `build` is held under `fence`, a note was the last change."""

    ask: Ask
    fence: str

    @property
    def root(self) -> Path:
        return self.ask.root

    @property
    def folder(self) -> Path:
        return self.root / "runs" / RUN

    def codes(self, run_id: str = RUN) -> set[str]:
        """What doctor says about the run."""
        return {row["code"] for row in self.ask("doctor", run_id=run_id)["findings"]}

    def finish(self, run_id: str = RUN) -> Mapping[str, Any]:
        """Hand in the node that is held."""
        return self.ask("finish_node", run_id=run_id, node_id="build", fence=self.fence, outcome="completed")


def given(root: Path) -> Given:
    ask = Ask(root)
    for run_id in (RUN, OTHER):
        ask("scaffold_run", workflow_text=WORKFLOW, run_id=run_id)
    fence = ask("claim_node", run_id=RUN, node_id="gather")["fence"]
    ask("finish_node", run_id=RUN, node_id="gather", fence=fence, outcome="completed", report="# Gathered")
    fence = ask("claim_node", run_id=RUN, node_id="build", lease_s=86_400)["fence"]
    ask("append_event", run_id=RUN, event="note.first", message="a word on the way")
    return Given(ask, fence)


def copied(template: Given, root: Path) -> Given:
    """The same registry in another place: making one takes longer than damaging it."""
    shutil.copytree(template.root, root, dirs_exist_ok=True)
    return Given(Ask(root), template.fence)


def statuses(answer: Mapping[str, Any]) -> dict[str, str]:
    """Where the nodes of a run stand, as get_run shows."""
    return {row["node_id"]: row["status"] for row in answer["nodes"]}
