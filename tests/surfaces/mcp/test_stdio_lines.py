"""A line that cannot be read is mended or refused, never dropped: its sender waits for an answer."""

from typing import Any

import anyio
import pytest
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCRequest, jsonrpc_message_adapter
from pydantic import ValidationError

from opentask_mcp.mcp.stdio import ReadableLines, mended


def unreadable(line: str) -> ValidationError:
    with pytest.raises(ValidationError) as refused:
        jsonrpc_message_adapter.validate_json(line, by_name=False)
    return refused.value


def test_a_lone_surrogate_is_replaced_and_the_message_served() -> None:
    """JavaScript cuts strings between the halves of a character, and then sends one half."""
    line = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"text":"x\\ud83d"}}}'

    message = mended(unreadable(line))

    assert isinstance(message, SessionMessage)
    assert message.message == JSONRPCRequest(
        jsonrpc="2.0", id=1, method="tools/call", params={"name": "a", "arguments": {"text": "x\ufffd"}}
    )


@pytest.mark.parametrize(
    ("line", "asked", "code"),
    [
        ("hello", None, -32700),
        ('{"jsonrpc":"2.0","id":7,"method":"x","params":[1]}', 7, -32600),
        ('{"jsonrpc":"1.0","id":"a","method":"x"}', "a", -32600),
        ('{"id":3}', 3, -32600),
        ("[1]", None, -32600),
        ("[" * 100_000, None, -32700),
    ],
)
def test_what_cannot_be_mended_is_refused_by_its_id(line: str, asked: Any, code: int) -> None:
    """The SDK drops such a line and its sender waits for ever."""
    refusal = mended(unreadable(line))

    assert isinstance(refusal, JSONRPCError)
    assert (refusal.id, refusal.error.code) == (asked, code)
    assert len(refusal.error.message) < 160


def test_an_empty_line_is_nothing() -> None:
    """Some clients end with one."""
    assert mended(unreadable("")) is None
    assert mended(unreadable("\n")) is None


async def test_the_messages_around_an_unreadable_one_are_served() -> None:
    """One bad line costs one line."""
    send, lines = anyio.create_memory_object_stream[Any](10)
    answers, answered = anyio.create_memory_object_stream[Any](10)
    good = SessionMessage(JSONRPCRequest(jsonrpc="2.0", id=1, method="ping"))
    async with answered, answers, ReadableLines(lines, answers) as readable:
        async with send:
            for item in (good, unreadable("hello"), unreadable(""), good):
                await send.send(item)
        served = [item async for item in readable]
        refused = answered.receive_nowait()

    assert served == [good, good]
    assert refused.message.error.code == -32700
