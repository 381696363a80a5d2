"""Every tool, through a client and a real registry, with whatever a model may send."""

import math
import random
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp import Client

from opentask_mcp.mcp.server import build_server
from opentask_mcp.mcp.serving import Serving
from registry.operations.table import OPERATIONS
from registry.registry import Registry
from registry.settings import Settings
from tests.doctor.given import RUN, Given
from tests.fuzz.hostile import LONG, VALUES, deep

CALLS = 600 if LONG else 30
SOUND: dict[str, Any] = {
    "run_id": RUN, "node_id": "build", "fence": "1-abcdefgh", "outcome": "completed", "event": "note.x",
    "action": "add_node", "path": "findings.md", "content": "# Found", "goal": "Do it.", "message": "a word",
    "workflow_text": "---\nworkflowId: w\ntitle: W\nnodes:\n- {id: a, title: A, kind: wait}\n---\n",
    "node": {"title": "X", "kind": "wait"}, "timeout_s": 0, "flow_id": "f-1", "task_id": f"{RUN}:build",
    "name": "A task",
}  # fmt: skip
"""For each field a value that many tools take, so that a bad one beside it gets further than the door."""


def arguments_of(name: str, chance: random.Random) -> dict[str, Any]:
    """Some fields of a tool, most of them sound."""
    fields = [*OPERATIONS[name].request.model_fields]
    given = {
        field: SOUND[field] if field in SOUND and chance.random() < 0.7 else chance.choice(VALUES)
        for field in fields
        if chance.random() < 0.8
    }
    if chance.random() < 0.1:
        given[str(chance.choice(["runId", "no_such", "arguments"]))] = chance.choice(VALUES)
    if name in ("wait_for_run",):
        given["timeout_s"] = 0  # its waiting is no fault
    return given


@pytest.mark.parametrize("name", OPERATIONS)
async def test_whatever_is_sent_gets_an_answer_that_a_model_can_read(work: Given, name: str) -> None:
    """A protocol error is hidden from the model, a traceback helps nobody, and a hang ends a session."""
    chance = random.Random(name)
    registry = Registry.open(Settings(root=work.root, durability="process"))
    server = build_server(registry, serving=Serving(toolsets=("all",), agent="cc"))
    async with Client(server) as client:
        for number in range(CALLS):
            arguments = sendable(arguments_of(name, chance))
            answer = await client.call_tool(name, arguments)
            text = "".join(block.text for block in answer.content if isinstance(block, types.TextContent))
            assert "internal_error" not in text and "Traceback" not in text, (number, arguments, text)
            assert len(text) < 20_000, (number, arguments)
            assert text.strip()
    registry.store.close()
    assert work.ask("doctor")["errors"] == 0
    everything_is_readable(work.root)


async def test_what_no_json_can_hold_deep_is_refused(work: Given) -> None:
    """Some hosts pass on whatever a model printed."""
    registry = Registry.open(Settings(root=work.root, durability="process"))
    async with Client(build_server(registry, serving=Serving(toolsets=("all",)))) as client:
        answer = await client.call_tool("append_event", {"run_id": RUN, "event": "note.x", "payload": deep(120)})
    assert answer.is_error
    registry.store.close()


def sendable(value: Any) -> Any:
    """A value as JSON can carry it: the client itself refuses half characters and numbers that are none."""
    if isinstance(value, dict):
        return {sendable(key): sendable(part) for key, part in value.items()}
    if isinstance(value, list):
        return [sendable(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value.replace("\ud800", "?") if isinstance(value, str) else value


def everything_is_readable(root: Path) -> None:
    """No file of a name that a person cannot type, and nothing but files and folders."""
    for path in root.rglob("*"):
        assert path.is_file() or path.is_dir(), path
        assert path.name.isprintable(), path
