"""What a tool call answers, in both protocol eras."""

import json
import logging
from typing import Any

import mcp_types as types
import pytest
from mcp import Client, MCPError

from opentask_mcp import __version__
from opentask_mcp.mcp.serving import Serving, UnknownTool
from tests.surfaces.mcp.fixture import Stage, server

ERAS = pytest.mark.parametrize("mode", ["legacy", "auto"])


def said(result: types.CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, types.TextContent)
    return block.text


@ERAS
async def test_an_answer_is_one_object_in_two_forms(mode: Any) -> None:
    """Hosts that compare the two show both when they differ, which costs the model twice."""
    async with Client(server(), mode=mode) as client:
        result = await client.call_tool("echo", {"text": "hé", "payload": {"10": None, "9": 1.0, "x": [2**60]}})

    assert result.is_error is False
    assert result.structured_content == {
        "text": "hé",
        "actor": "mcp",
        "parts": [{"name": "a"}, {"name": "b", "size": 1}],
        "payload": {"10": None, "9": 1.0, "x": [2**60]},
    }
    assert said(result) == (
        '{\n  "text": "hé",\n  "actor": "mcp",\n  "parts": [\n    {\n      "name": "a"\n    },\n    {\n'
        '      "name": "b",\n      "size": 1\n    }\n  ],\n  "payload": {\n    "9": 1,\n    "10": null,\n'
        '    "x": [\n      1152921504606847000\n    ]\n  }\n}'
    )


@ERAS
async def test_an_expected_failure_is_a_result_with_text_only(mode: Any) -> None:
    """Hosts hide protocol errors from the model, and some show only the structured form."""
    async with Client(server(), mode=mode) as client:
        result = await client.call_tool("echo", {"text": "refuse"})

    assert result.is_error is True
    assert result.structured_content is None
    assert said(result) == (
        "illegal_transition: node 'build' is completed; finish_node needs running or waiting\n"
        "hint: look what is ready\n"
        'next: echo {"text": "demo-1"}\n'
        "next: host: tell the user"
    )


@ERAS
async def test_unknown_arguments_are_refused_all_at_once(mode: Any) -> None:
    """A model that learns one fault a call needs as many calls as faults."""
    async with Client(server(), mode=mode) as client:
        result = await client.call_tool("echo", {"texd": "a", "mode": "shout", "count": [1]})

    assert result.is_error is True
    text = said(result)
    assert text.startswith("invalid_request: echo has no argument 'texd'; did you mean 'text'?")
    assert "count is a list; it must be a whole number" in text
    assert "mode is 'shout'" in text


async def test_a_fault_of_ours_is_an_answer_and_a_log_line(caplog: pytest.LogCaptureFixture) -> None:
    """The model must not retry blindly, and the person who runs the server must find the cause."""
    with caplog.at_level(logging.ERROR):
        async with Client(server()) as client:
            result = await client.call_tool("echo", {"text": "fault"})

    assert result.is_error is True
    assert said(result).startswith("internal_error: echo failed unexpectedly (KeyError)")
    assert "nodes" not in said(result)
    assert "KeyError: 'nodes'" in caplog.text


@ERAS
async def test_an_unknown_tool_is_answered_with_the_one_that_does_it(mode: Any) -> None:
    """A JSON-RPC error never reaches the model, and three of them stop some hosts."""
    async with Client(server(), mode=mode) as client:
        result = await client.call_tool("eco", {})

    assert result.is_error is True
    assert said(result).startswith("not_found: no tool 'eco'; did you mean 'echo'?\nhint: tools: block, claim_node")


async def test_the_listing_is_sorted_annotated_and_always_the_same() -> None:
    """Hosts cache it, and sort it into prompts whose prefix must not change."""
    async with Client(server()) as client:
        first = await client.list_tools()
        second = await client.list_tools(cache_mode="bypass")

    assert first.tools == second.tools
    assert [tool.name for tool in first.tools] == ["block", "claim_node", "echo", "request_control", "wait_for_run"]
    echo = first.tools[2]
    assert echo.description == "Say back (repeat) what was sent, for tests of the door itself."
    assert {tool.name: tool.annotations for tool in first.tools}["request_control"] == types.ToolAnnotations(
        read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False
    )
    assert echo.annotations == types.ToolAnnotations(
        read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    )


async def test_a_cursor_that_no_list_gave_is_a_protocol_error() -> None:
    """Answering it with the first page again would make a paging client run in circles."""
    async with Client(server()) as client:
        with pytest.raises(MCPError, match="one page"):
            await client.list_tools(cursor="2")


@ERAS
async def test_the_server_says_who_it_is(mode: Any) -> None:
    """The version in a bug report must be ours, not the SDK's."""
    async with Client(server(), mode=mode) as client:
        assert client.server_info is not None
        assert (client.server_info.name, client.server_info.version) == ("opentask", __version__)
        assert client.instructions is not None
        assert len(client.instructions) < 2_000


async def test_an_agent_is_who_the_call_says_else_the_setting_else_the_client() -> None:
    """The trail must name who acted, also when three sub-agents share one server."""
    told = Serving(agent="worker-7")
    async with Client(server(serving=told)) as client:
        named = await client.call_tool("claim_node", {"agent_id": "cc"})
        unnamed = await client.call_tool("claim_node", {})
    async with Client(server(), client_info=types.Implementation(name="My Host! 2", version="1")) as client:
        by_client = await client.call_tool("claim_node", {})

    def who(result: types.CallToolResult) -> tuple[Any, Any]:
        return result.structured_content["actor"], result.structured_content["text"]

    assert who(named) == ("cc", "worker-7")
    assert who(unnamed) == ("worker-7", "worker-7")
    assert who(by_client) == ("My-Host-2", "My-Host-2")


async def test_a_read_only_server_offers_reading_and_waiting_only() -> None:
    """It wins over everything: a dashboard's server must not be talked into a change."""
    serving = Serving(read_only=True, toolsets=("all",), tools=("request_control",))
    async with Client(server(serving=serving)) as client:
        listed = await client.list_tools()
        refused = await client.call_tool("request_control", {"node_id": "a"})

    assert [tool.name for tool in listed.tools] == ["doctor", "echo", "wait_for_run"]
    assert said(refused) == (
        "not_found: tool 'request_control' is not offered here: it changes runs and this server is read-only; "
        "tell the person who installed it"
    )


async def test_a_tool_of_another_toolset_says_how_to_get_it() -> None:
    """The mend is a start option, which only the installing person can change."""
    async with Client(server()) as client:
        refused = await client.call_tool("doctor", {})

    assert "--toolsets core,admin" in said(refused)


@pytest.mark.parametrize(
    ("serving", "names"),
    [
        (Serving(), ["block", "claim_node", "echo", "request_control", "wait_for_run"]),
        (Serving(toolsets=("admin",)), ["doctor"]),
        (Serving(toolsets=("min",)), ["claim_node", "request_control"]),
        (Serving(tools=("doctor", "echo")), ["doctor", "echo"]),
        (Serving(toolsets=("min",), tools=("echo",)), ["claim_node", "echo", "request_control"]),
    ],
)
async def test_toolsets_and_tools_choose_what_is_offered(serving: Serving, names: list[str]) -> None:
    """Each offered tool costs the model tokens in every turn."""
    async with Client(server(serving=serving)) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == names


def test_a_misspelt_toolset_stops_the_start() -> None:
    """A server that silently offers less looks like a broken one."""
    with pytest.raises(UnknownTool, match="no toolset 'cor'; did you mean 'core'"):
        server(serving=Serving(toolsets=("cor",)))
    with pytest.raises(UnknownTool, match="no tool 'ecko'; did you mean 'echo'"):
        server(serving=Serving(tools=("ecko",)))


async def test_the_answer_of_every_tool_fits_its_output_schema() -> None:
    """Clients check answers against the schema and throw away what does not fit."""
    import jsonschema  # type: ignore[import-untyped]  # the SDK's own dependency, without stubs

    async with Client(server(Stage())) as client:
        (echo,) = [tool for tool in (await client.list_tools()).tools if tool.name == "echo"]
        result = await client.call_tool("echo", {"text": "a", "payload": {"x": None}})

    assert echo.output_schema is not None
    jsonschema.validate(result.structured_content, echo.output_schema)
    assert json.loads(said(result)) == result.structured_content
