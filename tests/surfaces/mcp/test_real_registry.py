"""The server over a real registry, in memory: what only shows when both are together."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp import Client, MCPError

from opentask_mcp.mcp.server import build_server
from opentask_mcp.mcp.serving import Serving
from registry.registry import Registry
from registry.settings import load_settings
from tests.surfaces.mcp.test_asking_people import Person

ERAS = pytest.mark.parametrize("mode", ["legacy", "auto"])
GATED = """\
---
workflowId: gated
title: Gated
nodes:
  - {id: gate, title: Gate, kind: approval}
  - {id: work, title: Work, kind: session_turn, needs: [gate], prompt: work}
---
"""
WIDE = (
    "---\nworkflowId: wide\ntitle: Wide\nnodes:\n"
    + "".join(
        f"  - {{id: n{n:03}, title: 'A title of some length {n}', kind: session_turn, prompt: '{'p' * 300}'}}\n"
        for n in range(300)
    )
    + "---\n"
)


@asynccontextmanager
async def client_of(
    root: Path, *, mode: Any = "auto", serving: Serving | None = None, person: Any = None
) -> AsyncIterator[Client]:
    registry = Registry.open(load_settings(str(root), environ={}, cwd=root))
    server = build_server(registry, serving=serving)
    client = types.Implementation(name="Some Host", version="1")
    async with Client(server, mode=mode, elicitation_callback=person, client_info=client) as connected:
        yield connected


async def call(client: Client, tool: str, **arguments: Any) -> Any:
    result = await client.call_tool(tool, arguments)
    assert result.is_error is False, result.content
    return result.structured_content


async def refusal(client: Client, tool: str, **arguments: Any) -> str:
    result = await client.call_tool(tool, arguments)
    assert (result.is_error, result.structured_content) == (True, None)
    (block,) = result.content
    assert isinstance(block, types.TextContent)
    return block.text


async def last_actor(client: Client, run_id: str, event: str) -> Any:
    """Who the trail says did it."""
    view = await call(client, "get_run", run_id=run_id, view="events")
    return [row["by"] for row in view["events"] if row["event"] == event][-1]


@ERAS
async def test_an_approval_is_the_persons_who_answered_the_form(mode: Any, tmp_path: Path) -> None:
    """The trail must tell a person's decision from an agent's word for it."""
    person = Person("accept", {"decision": "approve", "comment": "go on"})
    async with client_of(tmp_path, mode=mode, person=person) as client:
        await call(client, "scaffold_run", workflow_text=GATED, run_id="r1")
        said = await call(client, "request_control", run_id="r1", action="approve", node_id="gate", message="all green")
        by = await last_actor(client, "r1", "node.completed")

    (form,) = person.asked
    assert "'gate'" in form.message
    assert "'r1'" in form.message
    assert "The agent says: 'all green'" in form.message
    assert (said["decision"], said["comment"], said["became_ready"]) == ("approved", "go on", ["work"])
    assert by == {"kind": "operator", "id": "person", "via": "mcp", "verified": True}


@ERAS
async def test_a_form_that_says_reject_rejects_and_a_closed_one_changes_nothing(mode: Any, tmp_path: Path) -> None:
    """The agent asked to approve; the person may say anything."""
    async with client_of(tmp_path, mode=mode, person=Person("cancel")) as client:
        await call(client, "scaffold_run", workflow_text=GATED, run_id="r1")
        closed = await call(client, "request_control", run_id="r1", action="approve", node_id="gate")
        after = await call(client, "get_run", run_id="r1")
    async with client_of(tmp_path, mode=mode, person=Person("accept", {"decision": "reject"})) as client:
        rejected = await call(client, "request_control", run_id="r1", action="approve", node_id="gate")

    assert (closed["applied"], closed["decision"]) == (False, "unanswered")
    assert next((node["node_id"], node["status"]) for node in after["nodes"]) == ("gate", "waiting")
    assert (rejected["decision"], rejected["node"]["status"]) == ("rejected", "failed")


@ERAS
async def test_a_stricter_server_takes_no_relayed_decision(mode: Any, tmp_path: Path) -> None:
    """`--approvals elicit`: nothing but an accepted form."""
    async with client_of(tmp_path, mode=mode, serving=Serving(approvals="elicit")) as client:
        await call(client, "scaffold_run", workflow_text=GATED, run_id="r1")
        text = await refusal(client, "request_control", run_id="r1", action="approve", node_id="gate", message="ok")
    async with client_of(tmp_path, mode=mode) as client:
        relayed = await call(client, "request_control", run_id="r1", action="approve", node_id="gate", message="ok")
        by = await last_actor(client, "r1", "node.completed")

    assert text.startswith("forbidden: approve is a person's decision here")
    assert relayed["relayed"] is True
    assert by == {"kind": "agent", "id": "Some-Host", "via": "mcp", "verified": False}


async def test_no_answer_is_longer_than_hosts_show(tmp_path: Path) -> None:
    """They cut at 16,000 characters, in the middle of whatever stands there."""
    async with client_of(tmp_path, serving=Serving(toolsets=("all",))) as client:
        answers = [
            await call(client, "scaffold_run", workflow_text=WIDE, run_id="wide"),
            await call(client, "get_run", run_id="wide"),
            await call(client, "get_run", run_id="wide", view="detailed"),
            await call(client, "get_run", run_id="wide", view="refs"),
            await call(client, "claim_node", run_id="wide"),
            await call(client, "get_run", run_id="wide", view="events"),
            await call(client, "list_runs"),
            await call(client, "validate_run", run_id="wide"),
            await call(client, "validate_workflow", workflow_text=WIDE),
        ]

    sizes = [len(json.dumps(answer, indent=2, sort_keys=True, ensure_ascii=False)) for answer in answers]
    assert max(sizes) <= 15_500


async def test_a_read_only_server_reads_and_waits_without_a_trace(tmp_path: Path) -> None:
    """A dashboard's server looks at other people's work."""
    async with client_of(tmp_path) as client:
        await call(client, "scaffold_run", workflow_text=GATED, run_id="r1")
    trail = tmp_path / "runs" / "r1" / "events.jsonl"
    before = trail.read_bytes()
    async with client_of(tmp_path, serving=Serving(read_only=True)) as client:
        waited = await call(client, "wait_for_run", run_id="r1", timeout_s=0)
        seen = await call(client, "get_run", run_id="r1")
        text = await refusal(client, "append_event", run_id="r1", event="note.x")

    assert (waited["reached"], seen["status"]) == (False, "running")
    assert text.startswith("not_found: tool 'append_event' is not offered here: it changes runs")
    assert trail.read_bytes() == before


async def test_what_a_registry_holds_is_read_and_completed_by_address(tmp_path: Path) -> None:
    """Unknown runs and nodes are errors; what nobody has written yet is not."""
    run = "opentask://runs/r1"
    async with client_of(tmp_path) as client:
        await call(client, "scaffold_run", workflow_text=GATED, run_id="r1")
        unwritten = (await client.read_resource(f"{run}/nodes/work/report.md")).contents[0]
        kinds = {
            uri: (await client.read_resource(uri)).contents[0].mime_type
            for uri in (run, f"{run}/refs", f"{run}/events", f"{run}/control", f"{run}/workflow", f"{run}/graph")
        }
        with pytest.raises(MCPError) as unknown:
            await client.read_resource(f"{run}/nodes/wrok/report.md")
        nodes = await client.complete(
            types.ResourceTemplateReference(uri="opentask://runs/{run_id}/nodes/{node_id}"),
            argument={"name": "node_id", "value": ""},
            context_arguments={"run_id": "r1"},
        )

    assert isinstance(unwritten, types.TextResourceContents)
    assert (unwritten.text, unwritten.meta) == ("", {"opentask/note": "nodes/work/report.md is not written yet"})
    assert list(kinds.values()) == [
        "application/json",
        "application/json",
        "application/jsonl",
        "application/jsonl",
        "text/markdown",
        "text/vnd.mermaid",
    ]
    assert unknown.value.code == types.INVALID_PARAMS
    assert unknown.value.data["uri"] == f"{run}/nodes/wrok/report.md"
    assert nodes.completion.values == ["gate", "work", "summary"]
