"""What a client sees: start, memory and calls over stdio, beside a bare server of the same SDK."""

import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import anyio
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import TextContent
from pydantic_core import to_json

from .measure import Row, resident_mb
from .runs import add_run, registry_at

_CALLS = 300
_STARTS = 5


def rows(folder: Path) -> list[Row]:
    """get_run, start to first answer, and memory."""
    registry = registry_at(folder / "stdio")
    add_run(registry, "bench", nodes=20)
    return anyio.run(_rows, folder / "stdio", folder)


def _ours(root: Path) -> StdioServerParameters:
    return StdioServerParameters(
        command=str(Path(sys.executable).with_name("opentask-mcp")), args=["--root", str(root)], env=_environment()
    )


def _bare(answer: Path, schema: Path) -> StdioServerParameters:
    return StdioServerParameters(
        command=sys.executable, args=["-m", "benchmarks.bare_server", str(answer), str(schema)], env=_environment()
    )


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.getcwd()}


async def _rows(root: Path, folder: Path) -> list[Row]:
    answer, schema = folder / "answer.json", folder / "schema.json"
    bare_server = _bare(answer, schema)
    async with Client(_ours(root)) as client:
        tool = next(tool for tool in (await client.list_tools()).tools if tool.name == "get_run")
        schema.write_bytes(to_json(tool.output_schema))
        result = await client.call_tool("get_run", {"run_id": "bench"})
        block = result.content[0]
        assert isinstance(block, TextContent)
        answer.write_text(block.text, encoding="utf-8")
    call, bare_call = await _side_by_side(_ours(root), bare_server)
    ours = [await _start(_ours(root), "list_runs", {}) for _ in range(_STARTS)]
    bare = [await _start(bare_server, "answer", {}) for _ in range(_STARTS)]
    return [
        Row("get_run over stdio", call, bare_call, "ms", 1.5, f"{answer.stat().st_size:,} bytes answered"),
        Row("start to first answer", _median(ours, 0), _median(bare, 0), "ms", 1.3),
        Row("memory after the first answer", _median(ours, 1), _median(bare, 1), "MB", 1.3),
    ]


def _median(pairs: list[tuple[float, float]], index: int) -> float:
    return statistics.median(pair[index] for pair in pairs)


async def _side_by_side(ours: StdioServerParameters, bare: StdioServerParameters) -> tuple[float, float]:
    async with Client(ours) as client, Client(bare) as floor:
        taken: list[float] = []
        floors: list[float] = []
        for _ in range(_CALLS):
            taken.append(await _call(client, "get_run", {"run_id": "bench"}))
            floors.append(await _call(floor, "answer", {}))
        return statistics.median(taken), statistics.median(floors)


async def _call(client: Client, tool: str, arguments: dict[str, Any]) -> float:
    begun = time.perf_counter()
    await client.call_tool(tool, arguments)
    return (time.perf_counter() - begun) * 1e3


async def _start(server: StdioServerParameters, tool: str, arguments: dict[str, Any]) -> tuple[float, float]:
    """Milliseconds from starting the process to its first answer, and its memory in MB then."""
    before = _children()
    begun = time.perf_counter()
    async with Client(server) as client:
        await client.call_tool(tool, arguments)
        taken = (time.perf_counter() - begun) * 1e3
        return taken, max(resident_mb(child) for child in _children() - before)


def _children() -> set[int]:
    """Process ids of our children (Linux)."""
    return {int(child) for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}
