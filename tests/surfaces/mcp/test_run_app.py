"""The app shows what strangers wrote inside a person's host: nothing in it may run."""

import json
import re
import subprocess
from pathlib import Path

import mcp_types as types
import pytest
from mcp import Client

from opentask_mcp.mcp import app
from tests.surfaces.mcp.fixture import server
from tests.tools import require_tool

PAGE = Path(app.__file__).with_name("run_app.html")
HOST = Path(__file__).with_name("run_app_host.js")


async def test_the_page_is_a_resource_that_hosts_of_apps_know() -> None:
    """The address, type and extension are what a host looks for."""
    async with Client(server()) as client:
        capabilities = client.server_capabilities
        (content,) = (await client.read_resource("ui://opentask/run")).contents

    assert capabilities is not None
    assert capabilities.extensions == {"io.modelcontextprotocol/ui": {}}
    assert isinstance(content, types.TextResourceContents)
    assert content.mime_type == "text/html;profile=mcp-app"
    assert content.meta == {"ui": {"prefersBorder": True}}
    assert content.text.startswith("<!DOCTYPE html>")


def test_the_page_needs_no_network_and_makes_no_markup_of_text() -> None:
    """Its sandbox forbids the first; the second is how a title would become a script."""
    page = PAGE.read_text()

    assert re.findall(r"https?://[^\"' ]+", page) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|fetch\(|XMLHttp|import\(", page)
    assert not re.search(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=", page)


@pytest.mark.needs_tool("node")
def test_the_page_draws_the_run_and_keeps_text_as_text() -> None:
    """Run in a stand-in of a browser: handshake, a forged message, the graph, a chosen node."""
    evil = "<img src=x onerror=alert(1)>"
    state = {
        "runId": "audit-1",
        "title": evil,
        "status": "completed",
        "nodes": [
            {"id": "gather", "title": "Gather", "kind": "session_turn", "status": "completed", "needs": []},
            {"id": "security", "title": evil, "kind": "subagent", "status": "skipped", "needs": ["gather"]},
            {"id": "end", "title": "End", "status": "failed", "needs": ["gather", "security"], "error": evil},
        ],
    }

    printed = subprocess.run(
        [require_tool("node"), str(HOST), str(PAGE), json.dumps(state)], capture_output=True, text=True, check=True
    )

    shown = json.loads(printed.stdout)
    assert shown.pop("sent")[:3] == ["ui/notifications/size-changed", "ui/initialize", "ui/notifications/initialized"]
    assert shown == {
        "title": evil,
        "status": "completed",
        "counts": "2 of 3 done",
        "detail": f"end (node) is failed\nneeds: gather, security\nerror: {evil}",
        "theme": "dark",
        "boxes": [
            ["✔ Gather", "completed · gather"],
            ["↷ <img src=x onerror=aler…", "skipped · security"],
            ["✘ End", "failed · end"],
        ],
        "at": ["translate(4 4)", "translate(240 4)", "translate(476 4)"],
        "edges": 3,
    }
