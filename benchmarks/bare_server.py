"""The floor for a server: the SDK's own, with one tool that returns what it was told to.

`python -m benchmarks.bare_server ANSWER SCHEMA` serves over stdio a tool `answer` that returns the JSON
object in the file ANSWER, in the two forms every tool of ours has, and declares the output schema in
the file SCHEMA: clients check what they get, and that would otherwise count against one side only.
"""

import sys
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from pydantic_core import from_json


def bare_server(answer_file: Path, schema_file: Path) -> Server[Any]:
    """A server whose only tool reads nothing, decides nothing and locks nothing."""
    text = answer_file.read_text(encoding="utf-8")
    answer = from_json(text)
    schema = from_json(schema_file.read_text(encoding="utf-8"))
    tool = types.Tool(
        name="answer", description="Give the answer.", input_schema={"type": "object"}, output_schema=schema
    )

    async def list_tools(_ctx: Any, _params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[tool])

    async def call_tool(_ctx: Any, _params: types.CallToolRequestParams) -> types.CallToolResult:
        return types.CallToolResult(content=[types.TextContent(text=text)], structured_content=answer)

    return Server("bare", on_list_tools=list_tools, on_call_tool=call_tool)


async def _serve(answer_file: Path, schema_file: Path) -> None:
    server = bare_server(answer_file, schema_file)
    async with stdio_server() as (lines, answers):
        await server.run(lines, answers, server.create_initialization_options())


if __name__ == "__main__":
    anyio.run(_serve, Path(sys.argv[1]), Path(sys.argv[2]))
