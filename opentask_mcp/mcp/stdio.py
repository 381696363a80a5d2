"""Serving over stdin and stdout.

The SDK keeps stdout for the protocol while it serves: what anything prints goes to stderr. It
drops a line it cannot read without an answer, though, and a caller would wait for ever; such a
line is mended where it can be (a lone surrogate, which JavaScript clients send when they cut a
string in the middle of a character) and refused by its id where it cannot.
"""

import json
from types import TracebackType
from typing import Any, Protocol, Self

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp_types import INVALID_REQUEST, PARSE_ERROR, ErrorData, JSONRPCError, jsonrpc_message_adapter
from pydantic import JsonValue, ValidationError

from registry.core.names import shown

from .text import sendable

Incoming = SessionMessage | Exception


async def serve_stdio(server: Server[Any]) -> None:
    """Serve one client until it closes stdin; calls that have begun are finished first."""
    async with stdio_server() as (lines, answers):
        await server.run(ReadableLines(lines, answers), answers, server.create_initialization_options())


class _Lines(Protocol):
    async def receive(self) -> Incoming: ...
    async def aclose(self) -> None: ...


class _Answers(Protocol):
    async def send(self, item: SessionMessage, /) -> None: ...


class ReadableLines:
    """The incoming messages, with unreadable ones mended or refused."""

    def __init__(self, lines: _Lines, answers: _Answers) -> None:
        self._lines = lines
        self._answers = answers

    async def receive(self) -> Incoming:
        """The next message that can be read."""
        while True:
            item = await self._lines.receive()
            if not isinstance(item, ValidationError):
                return item
            message = mended(item)
            if isinstance(message, SessionMessage):
                return message
            if message is not None:
                await self._answers.send(SessionMessage(message))

    async def aclose(self) -> None:
        """Close the underlying stream."""
        await self._lines.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Incoming:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def mended(unreadable: ValidationError) -> SessionMessage | JSONRPCError | None:
    """The message a line was meant to be, or its refusal; None for an empty line."""
    faults = unreadable.errors(include_url=False)
    # The whole line, or where that was JSON the whole message, stands beside a fault of the outermost level.
    whole = next((fault["input"] for fault in faults if fault["type"] == "missing" or len(fault["loc"]) < 2), None)
    if isinstance(whole, str):
        if not whole.strip():
            return None
        try:
            whole = json.loads(whole)
        except (ValueError, RecursionError):
            return _refusal(None, PARSE_ERROR, f"a line is not JSON: {shown(whole)}")
    return _message(sendable(whole))


def _message(whole: JsonValue) -> SessionMessage | JSONRPCError:
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_python(whole, by_name=False))
    except ValidationError:
        asked = whole.get("id") if isinstance(whole, dict) else None
        known = asked if isinstance(asked, str | int) and not isinstance(asked, bool) else None
        return _refusal(known, INVALID_REQUEST, f"a line is no JSON-RPC 2.0 message: {shown(json.dumps(whole))}")


def _refusal(asked: str | int | None, code: int, message: str) -> JSONRPCError:
    return JSONRPCError(jsonrpc="2.0", id=asked, error=ErrorData(code=code, message=message))
