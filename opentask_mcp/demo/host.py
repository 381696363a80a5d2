"""An MCP host in small: it starts a server process, calls tools, and shows forms to a person."""

import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import click
from mcp import Client, StdioServerParameters
from mcp.client.session import ClientRequestContext
from mcp_types import ElicitRequestFormParams, ElicitRequestParams, ElicitResult, Implementation, TextContent

from .. import __version__
from .telling import Teller, shortened

Answer = dict[str, Any]
Person = Callable[[str], Awaitable[dict[str, str]]]
"""Answers a form: from its question to the fields."""

_ANSWER_S_MAX: Final = 60.0
_PROGRAM: Final = "opentask-mcp"
_START: Final = "import sys; from opentask_mcp.__main__ import opentask_mcp; sys.exit(opentask_mcp())"


class Host:
    """One agent with one server process of its own."""

    def __init__(self, client: Client, *, name: str, teller: Teller) -> None:
        self._client = client
        self._name = name
        self._teller = teller

    @property
    def era(self) -> str:
        """The revision of the protocol that client and server agreed on."""
        return str(self._client.protocol_version)

    async def tools(self) -> list[str]:
        """The names of the tools that the server offers."""
        return [tool.name for tool in (await self._client.list_tools()).tools]

    async def call(self, tool: str, shown: Callable[[Answer], str], /, **arguments: Any) -> Answer:
        """Call a tool, print the call and what matters of its answer.

        Raises:
            ClickException: the tool refused; the demonstration is over.
        """
        self._teller.call(self._name, tool, arguments)
        result = await self._client.call_tool(tool, arguments)
        if result.is_error or result.structured_content is None:
            said = " ".join(part.text for part in result.content if isinstance(part, TextContent))
            raise click.ClickException(f"{tool} refused: {shortened(said, 600)}")
        answer: Answer = result.structured_content
        self._teller.answer(shown(answer))
        return answer


@asynccontextmanager
async def started(*, name: str, root: Path, teller: Teller, person: Person | None = None) -> AsyncIterator[Host]:
    """A server process for one agent, with a client connected to it over stdio."""

    async def show_form(
        context: ClientRequestContext,  # noqa: ARG001 - the SDK's protocol has it
        params: ElicitRequestParams,
    ) -> ElicitResult:
        if person is None or not isinstance(params, ElicitRequestFormParams):
            return ElicitResult(action="decline")
        return ElicitResult(action="accept", content={**await person(params.message)})

    command, *before = _program()
    server = StdioServerParameters(
        command=command, args=[*before, "--root", str(root), "--toolsets", "core,admin", "--agent", name]
    )
    client = Client(
        server,
        read_timeout_seconds=_ANSWER_S_MAX,
        client_info=Implementation(name=name, version=__version__),
        elicitation_callback=show_form if person is not None else None,
    )
    async with client:
        yield Host(client, name=name, teller=teller)


def _program() -> list[str]:
    """The server that belongs to this very installation."""
    beside = Path(sys.executable).parent / _PROGRAM
    if beside.exists():
        return [str(beside)]
    # -P: the folder that the demonstration is started in may have a `registry` of its own.
    return [sys.executable, "-P", "-c", _START]


def command_name() -> str:
    """How a reader calls `opentask` here."""
    beside = Path(sys.executable).parent / "opentask"
    found = shutil.which("opentask")
    if not beside.exists() or (found is not None and Path(found).resolve() == beside.resolve()):
        return "opentask"
    return str(beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside)
