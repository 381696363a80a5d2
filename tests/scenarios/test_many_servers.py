"""Many server processes on one registry: what is acknowledged is there once, whoever dies."""

import asyncio
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError

from .actors import Agent, agent, server_parameters

SERVERS = 8
NODES = 40
KILLS = 4


def many_nodes() -> str:
    """A workflow of independent nodes."""
    nodes = "\n".join(f"  - {{id: n{i:02}, title: N{i}, kind: session_turn, prompt: work}}" for i in range(NODES))
    return f"---\nworkflowId: many\ntitle: Many\nnodes:\n{nodes}\n---\n"


async def notes_of(reader: Agent, run_id: str) -> list[str]:
    """The messages of all notes in a run's trail, in order."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await reader.call("get_run", run_id=run_id, view="events", **({"cursor": cursor} if cursor else {}))
        found += [event["message"] for event in page["events"] if event["event"] == "note.step"]
        cursor = page.get("next_cursor")
        if cursor is None:
            return found


async def assert_valid(reader: Agent, run_id: str) -> None:
    """The run's files prove each other."""
    proof = await reader.call("validate_run", run_id=run_id)
    assert proof["ok"], json.dumps(proof, indent=1)


async def test_eight_servers_share_a_run_and_no_node_is_done_twice(tmp_path: Path) -> None:
    """Agents are given work at the same time; a node done twice is a day wasted, one lost is worse."""
    async with agent(tmp_path, "lead", "--toolsets", "core,admin") as lead:
        await lead.call("scaffold_run", workflow_text=many_nodes(), run_id="many")

        async def work(name: str) -> list[str]:
            done: list[str] = []
            async with agent(tmp_path, name) as worker:
                while True:
                    claim = await worker.call("claim_node", run_id="many")
                    if not claim["claimed"] or claim["kind"] == "summary":
                        return done
                    answer = await worker.call(
                        "finish_node", run_id="many", fence=claim["fence"], outcome="completed", summary=name
                    )
                    done.append(answer["node_id"])

        finished = await asyncio.gather(*(work(f"agent-{number}") for number in range(SERVERS)))
        acknowledged = sorted(node for nodes in finished for node in nodes)
        assert acknowledged == [f"n{i:02}" for i in range(NODES)]
        run = await lead.call("get_run", run_id="many")
        assert run["counts"]["completed"] == NODES
        await assert_valid(lead, "many")


async def test_a_server_killed_in_the_middle_of_writing_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    """kill -9 may come between any two instructions; the others go on, and the trail stays whole."""
    async with agent(tmp_path, "reader", "--toolsets", "core,admin") as reader:
        await reader.call("scaffold_run", task_text="write notes", run_id="killed")
        acknowledged: list[str] = []
        for round_number in range(KILLS):
            acknowledged += await _write_until_killed(tmp_path, round_number)
            await assert_valid(reader, "killed")
        kept = await notes_of(reader, "killed")
        assert len(set(kept)) == len(kept)
        assert set(acknowledged) <= set(kept)
        assert len(acknowledged) > KILLS


async def _write_until_killed(root: Path, round_number: int) -> list[str]:
    """Notes that a server acknowledged before it was killed."""
    acknowledged: list[str] = []
    enough = asyncio.Event()
    before = _children()
    with pytest.raises((MCPError, BaseExceptionGroup)):
        async with agent(root, f"writer-{round_number}") as writer:
            victim = (_children() - before).pop()

            async def write(lane: int) -> None:
                for number in range(10_000):
                    text = f"{round_number}.{lane}.{number}"
                    await writer.call("append_event", run_id="killed", event="note.step", message=text)
                    acknowledged.append(text)
                    if len(acknowledged) > 5 + round_number * 7:
                        enough.set()

            async def kill() -> None:
                await enough.wait()
                os.kill(victim, signal.SIGKILL)

            await asyncio.gather(*(write(lane) for lane in range(4)), kill())
    return acknowledged


def _children() -> set[int]:
    return {int(child) for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


def call_line(number: int, tool: str, **arguments: Any) -> bytes:
    """A tools/call request as it goes over stdin."""
    params = {"name": tool, "arguments": arguments}
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}).encode() + b"\n"


def say_and_leave(root: Path) -> subprocess.CompletedProcess[bytes]:
    """A client that sends eight calls and closes stdin without reading an answer."""
    parameters = server_parameters(root)
    hello = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "hasty", "version": "1"},
    }
    lines = [
        json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}).encode() + b"\n",
        json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}).encode() + b"\n",
        *(call_line(i, "scaffold_run", workflow_text=many_nodes(), run_id=f"hasty-{i}") for i in range(1, 9)),
    ]
    return subprocess.run(
        [parameters.command, *parameters.args], input=b"".join(lines), stdout=subprocess.PIPE, timeout=60, check=False
    )


async def test_a_client_that_goes_away_leaves_whole_changes_or_none(tmp_path: Path) -> None:
    """A host that quits closes stdin; what it had sent is done whole or not at all."""
    done = say_and_leave(tmp_path)
    assert done.returncode == 0
    answered = {json.loads(line).get("id") for line in done.stdout.splitlines()}
    there = {path.name for path in (tmp_path / "runs").iterdir() if not path.name.startswith(".")}
    assert {f"hasty-{i}" for i in range(1, 9) if i in answered} <= there
    async with agent(tmp_path, "reader", "--toolsets", "core,admin") as reader:
        for run_id in sorted(there):
            await assert_valid(reader, run_id)
