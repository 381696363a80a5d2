"""Agents of a scenario: each with a server process of its own, as real hosts have."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import CallToolResult, TextContent

Answer = dict[str, Any]


class Refused(AssertionError):
    """A tool answered with an error where the scenario expected it to work."""


class Agent:
    """Calls tools over one connection and insists that they work."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def call(self, tool: str, **arguments: Any) -> Answer:
        """The structured answer of a tool.

        Raises:
            Refused: with the text that a model would have read.
        """
        result = await self.raw(tool, **arguments)
        if result.is_error:
            raise Refused(text_of(result))
        assert result.structured_content is not None
        return dict(result.structured_content)

    async def raw(self, tool: str, **arguments: Any) -> CallToolResult:
        """The result as it came, error or not."""
        result = await self._client.call_tool(tool, arguments)
        assert isinstance(result, CallToolResult)
        return result

    async def refusal(self, tool: str, **arguments: Any) -> str:
        """The text of a call that must be refused."""
        result = await self.raw(tool, **arguments)
        assert result.is_error, result.structured_content
        return text_of(result)


def text_of(result: CallToolResult) -> str:
    """The text block of a result."""
    block = result.content[0]
    assert isinstance(block, TextContent)
    return block.text


def server_parameters(root: Path, *options: str) -> StdioServerParameters:
    """How a host would start our server on this root."""
    return StdioServerParameters(
        command=str(Path(sys.executable).with_name("opentask-mcp")),
        args=["--root", str(root), *options],
        env=dict(os.environ),
    )


@asynccontextmanager
async def agent(root: Path, name: str, *options: str) -> AsyncIterator[Agent]:
    """An agent with a server process of its own."""
    async with Client(server_parameters(root, "--agent", name, *options)) as client:
        yield Agent(client)
