"""Hosts show a model different parts of an answer; with each of them a job can be done.

Claude Code shows the structured answer alone, compact. Older clients show the text alone. OpenClaw shows the
structured answer with sorted keys, and the text too where it is not the same object as JavaScript prints it.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import Implementation

from evaluation.job import all_jobs
from evaluation.scoring import score
from evaluation.stage import Stage, begin, prepare
from opentask_mcp.mcp.server import build_server
from tests.evaluation.hands import Answer, Hand
from tests.evaluation.minds import MINDS

Wire = Mapping[str, Any]
SHOWN_MAX = 16_000


def structured_only(result: Wire) -> str:
    return json.dumps(result["structuredContent"], ensure_ascii=False, separators=(",", ":"))


def text_only(result: Wire) -> str:
    (block,) = result["content"]
    return str(block["text"])


def both_where_they_differ(result: Wire) -> str:
    """What OpenClaw makes of an answer; a second text would be read as something else."""
    structured = result["structuredContent"]
    as_printed = json.dumps(structured, indent=2, ensure_ascii=False)
    more = [block["text"] for block in result["content"] if block["text"] != as_printed]
    return "\n".join([json.dumps(structured, indent=2, sort_keys=True, ensure_ascii=False), *more])


class Shown(Hand):
    """A hand that knows of an answer what its host shows."""

    def __init__(self, client: Client, stage: Stage, shows: Callable[[Wire], str]) -> None:
        super().__init__(client, stage)
        self._shows = shows
        self.longest = 0

    async def call(self, tool: str, **args: Any) -> Answer:
        result = await self._client.call_tool(tool, args)
        wire = result.model_dump(mode="json", by_alias=True, exclude_none=True)
        assert wire.get("isError") is not True, wire
        shown = self._shows(wire)
        self.longest = max(self.longest, len(shown))
        answer: Answer = json.loads(shown)
        return answer


@pytest.mark.parametrize("shows", [structured_only, text_only, both_where_they_differ])
@pytest.mark.parametrize("name", ["first-run", "sub-agents", "relay-approval", "change-plan"])
async def test_a_job_is_done_with_what_one_host_shows(name: str, shows: Callable[[Wire], str], tmp_path: Path) -> None:
    """Whatever a host leaves out must not be needed, and what it shows twice must not differ."""
    job = all_jobs()[name]
    stage = prepare(job, tmp_path / "try")
    longest = 0
    for number in range(1, len(job.turns) + 1):
        begin(stage, number)
        server = build_server(stage.registry())
        async with Client(server, mode="legacy", client_info=Implementation(name="agent", version="1")) as client:
            hand = Shown(client, stage, shows)
            await MINDS[name](hand, number)
            longest = max(longest, hand.longest)

    assert [finding for finding in score(stage).findings if not finding.ok] == []
    assert longest < SHOWN_MAX


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_refusal_is_text_and_nothing_else(mode: Any, tmp_path: Path) -> None:
    """A host that shows the structured answer where there is one would hide the text of an error."""
    stage = prepare(all_jobs()["first-run"], tmp_path / "try")
    async with Client(build_server(stage.registry()), mode=mode) as client:
        result = await client.call_tool("get_run", {"run_id": "none"})

    wire = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert (wire["isError"], "structuredContent" in wire, len(wire["content"])) == (True, False, 1)
    assert wire["content"][0]["text"].startswith("not_found: no run 'none'")
