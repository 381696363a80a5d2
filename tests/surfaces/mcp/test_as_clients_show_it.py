"""Answers as the hosts of today put them before a model.

Hosts differ in which form of an answer they show: only the structured one, compact; the structured
one with sorted keys and besides every text that is not exactly what JavaScript prints of it; only
the texts. Some cut at 16,000 characters. Whatever they do, a model must read the same and all of it.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp import Client

from opentask_mcp.mcp.serving import Serving
from opentask_mcp.mcp.text import stringify
from tests.surfaces.mcp.test_real_registry import ERAS, GATED, WIDE, client_of
from tests.tools import require_tool

CUT = 16_000
LONG = "A long report. " * 4_000
# Numbers, keys and characters that languages print differently.
PAYLOAD = {"10": 1, "2": [0.1, 1e21, 1e-7, -0.0, 2**53], "ключ": "\U0001f600\u2028\x7f", "b": {}, "a": [], "n": None}

Show = Callable[[types.CallToolResult], str]


def texts(result: types.CallToolResult) -> list[str]:
    return [block.text for block in result.content if isinstance(block, types.TextContent)]


def structured_only(result: types.CallToolResult) -> str:
    """Claude Code: the structured form, compact, where there is one."""
    if result.structured_content is None:
        return "\n".join(texts(result))
    return json.dumps(result.structured_content, separators=(",", ":"), ensure_ascii=False)


def text_only(result: types.CallToolResult) -> str:
    """Hosts older than the structured form."""
    return "\n".join(texts(result))


def both_where_they_differ(result: types.CallToolResult) -> str:
    """OpenClaw: the structured form with sorted keys, then each text that says something else; cut."""
    if result.structured_content is None:
        return "\n".join(texts(result))[:CUT]
    printed = stringify(result.structured_content)  # the last test here holds it to JavaScript
    others = [text for text in texts(result) if text != printed]
    shown = json.dumps(result.structured_content, indent=2, ensure_ascii=False, sort_keys=True)
    return "\n".join([shown, *others])[:CUT]


HOSTS = pytest.mark.parametrize("show", [structured_only, text_only, both_where_they_differ])


async def answers_of(client: Client) -> list[types.CallToolResult]:
    """Answers of every kind, the longest there are among them."""
    calls: list[tuple[str, dict[str, Any]]] = [
        ("scaffold_run", {"workflow_text": WIDE, "run_id": "wide", "title": "Prüfe ✓"}),
        ("scaffold_run", {"workflow_text": GATED, "run_id": "gated"}),
        ("list_workflows", {}),
        ("validate_workflow", {"workflow_text": WIDE}),
        ("list_runs", {}),
        ("get_run", {"run_id": "wide"}),
        ("get_run", {"run_id": "wide", "view": "detailed"}),
        ("claim_node", {"run_id": "wide", "node_id": "n000"}),
        ("write_artifact", {"run_id": "wide", "node_id": "n000", "path": "long.md", "content": LONG}),
        ("read_artifact", {"run_id": "wide", "node_id": "n000", "path": "long.md"}),
        ("append_event", {"run_id": "wide", "event": "note.x", "message": "half", "payload": PAYLOAD}),
        ("get_run", {"run_id": "wide", "view": "events"}),
        ("tick_run", {"run_id": "wide"}),
        ("list_tasks", {}),
        ("validate_run", {"run_id": "wide"}),
    ]
    return [await client.call_tool(tool, arguments) for tool, arguments in calls]


@HOSTS
@ERAS
async def test_every_host_shows_the_whole_answer_and_nothing_twice(show: Show, mode: Any, tmp_path: Path) -> None:
    """What a model is not shown it makes up; what it is shown twice it pays for twice."""
    async with client_of(tmp_path, mode=mode, serving=Serving(toolsets=("all",))) as client:
        answers = await answers_of(client)

    refused = [texts(answer) for answer in answers if answer.is_error]
    assert refused == []
    for answer in answers:
        shown = show(answer)
        assert len(shown) < CUT
        assert json.loads(shown) == answer.structured_content


@HOSTS
async def test_what_was_cut_is_counted_and_can_be_had(show: Show, tmp_path: Path) -> None:
    """A list that ends in silence is taken for the whole list."""
    seen: list[str] = []
    async with client_of(tmp_path) as client:
        await client.call_tool("scaffold_run", {"workflow_text": WIDE, "run_id": "wide"})
        after: dict[str, str] = {}
        while True:
            page = json.loads(show(await client.call_tool("get_run", {"run_id": "wide", **after})))
            seen += [node["node_id"] for node in page["nodes"]]
            assert len(seen) + page.get("more_nodes", 0) == 301
            if "next_cursor" not in page:
                break
            after = {"cursor": page["next_cursor"]}

    assert (len(seen), len(set(seen))) == (301, 301)


@HOSTS
@ERAS
async def test_a_refusal_reads_the_same_everywhere(show: Show, mode: Any, tmp_path: Path) -> None:
    """Hosts that show the structured form alone would show an error without its words."""
    async with client_of(tmp_path, mode=mode) as client:
        result = await client.call_tool("get_run", {"run_id": "nowhere"})

    assert (result.is_error, result.structured_content) == (True, None)
    shown = show(result)
    assert shown == texts(result)[0]
    assert shown.startswith("not_found: ")


async def test_the_text_is_what_javascript_prints_of_the_structured_form(tmp_path: Path) -> None:
    """Byte for byte: the host that shows both compares just so."""
    node = require_tool("node")
    async with client_of(tmp_path, serving=Serving(toolsets=("all",))) as client:
        answers = await answers_of(client)
    script = (
        "const rows = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
        "process.stdout.write(JSON.stringify(rows.map((row) => JSON.stringify(row, null, 2))));"
    )
    rows = json.dumps([answer.structured_content for answer in answers])
    printed = await anyio.run_process([node, "-e", script], input=rows.encode())

    assert [texts(answer) for answer in answers] == [[text] for text in json.loads(printed.stdout)]
