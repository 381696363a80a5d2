"""The server over HTTP: who is let in, both protocol eras, and how it ends."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp import Client
from mcp.shared.subscriptions import ResourcesListChanged, ResourceUpdated

from opentask_mcp.mcp.listening import Listening, bound, listening
from tests.surfaces.mcp.http_process import http_server
from tests.surfaces.mcp.process import server as stdio_server

TOKEN = "correct-horse-battery-staple"
ERAS = pytest.mark.parametrize("mode", ["legacy", "auto"])
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}


@ERAS
async def test_a_run_is_driven_over_http_in_both_eras(mode: Any, tmp_path: Path) -> None:
    """One server for the clients of a machine, old and new."""
    with http_server(tmp_path) as served:
        async with Client(served.url, mode=mode) as client:
            made = await client.call_tool("scaffold_run", {"task_text": "write", "run_id": "r1"})
            seen = await client.call_tool("get_run", {"run_id": "r1"})
            tools = await client.list_tools()

    assert made.is_error is False
    assert seen.structured_content is not None
    assert seen.structured_content["status"] == "running"
    assert "scaffold_run" in {tool.name for tool in tools.tools}


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("host", "evil.example", 421),
        ("host", "127.0.0.1.evil.example:80", 421),
        ("origin", "http://evil.example", 403),
        ("origin", "http://localhost.evil.example", 403),
        ("origin", "null", 403),
        ("host", "localhost:1", 200),
        ("origin", "http://localhost:3000", 200),
    ],
)
def test_a_page_of_somebody_elses_browser_cannot_reach_a_server_of_this_machine(
    header: str, value: str, status: int, tmp_path: Path
) -> None:
    """A name that its owner lets point to 127.0.0.1 reaches us; its name gives it away."""
    with http_server(tmp_path) as served:
        old = served.post(HELLO, **{header: value})
        new = served.post(
            {"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {}},
            mcp_protocol_version="2026-07-28",
            mcp_method="server/discover",
            **{header: value},
        )

        assert old.status == status
        assert (new.status == status) if status != 200 else (new.status not in (403, 421))


def test_a_token_is_asked_for_before_anything_is_read_and_is_never_logged(tmp_path: Path) -> None:
    """Off this machine the token is all that keeps others out."""
    with http_server(tmp_path, OPENTASK_HTTP_TOKEN=TOKEN, OPENTASK_LOG_LEVEL="debug") as served:
        refused = served.post(HELLO)
        refusals = [
            served.post(HELLO, authorization=brought).status
            for brought in (
                "Bearer",
                f"Bearer {TOKEN[:-1]}",
                f"Bearer {TOKEN}x",
                f"Basic {TOKEN}",
                TOKEN,
                "Bearer \xff",
            )
        ]
        elsewhere = served.request("GET").status
        let_in = [served.post(HELLO, authorization=f"{scheme} {TOKEN}").status for scheme in ("Bearer", "bearer")]
        served.stop()

    assert (refused.status, refused.headers["www-authenticate"]) == (401, 'Bearer realm="opentask"')
    assert json.loads(refused.body)["error"]["code"] == "forbidden"
    assert refusals == [401] * 6
    assert elsewhere == 401
    assert let_in == [200, 200]
    assert TOKEN not in served.said


def test_off_loopback_names_are_those_given_and_the_token_is_not_shown() -> None:
    """0.0.0.0 is no name that a client calls a server by."""
    place = listening(host="0.0.0.0", port="0", names=("box.example", "fe80::1"), token=TOKEN)

    assert place.names[:3] == ("127.0.0.1", "localhost", "[::1]")
    assert {"0.0.0.0", socket.gethostname(), "box.example", "[fe80::1]"} <= set(place.names)
    assert TOKEN not in repr(place)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1"])
def test_on_loopback_no_token_is_needed(host: str) -> None:
    """Trying it out must be one command."""
    assert listening(host=host, port="0").token is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "::ffff:10.0.0.1"])
def test_anywhere_else_a_server_does_not_start_without_one(host: str) -> None:
    """A forgotten variable must not open a registry to a network."""
    with pytest.raises(ValueError, match="can be reached from other machines; set OPENTASK_HTTP_TOKEN"):
        listening(host=host, port="8000")


def test_a_port_that_is_taken_is_told_with_its_mend() -> None:
    """The second server of somebody who forgot the first."""
    with bound(listening(host="127.0.0.1", port="0")) as first:
        place = Listening(address="127.0.0.1", port=first.getsockname()[1], names=())
        with pytest.raises(ValueError, match=r"cannot listen on 127\.0\.0\.1 port \d+: .*; choose another port with"):
            bound(place)


def test_half_a_character_is_mended_as_over_stdio(tmp_path: Path) -> None:
    """JavaScript clients cut strings anywhere, and the cut half of a character is no UTF-8."""
    with http_server(tmp_path) as served:
        served.call("scaffold_run", task_text="write", run_id="r1")
        cut = served.call("append_event", run_id="r1", event="note.x", message="x\ud83d").result()
        whole = served.call("append_event", run_id="r1", event="note.x", message="x\U0001f600").result()
        seen = served.call("get_run", run_id="r1", view="events").result()

    assert (cut["isError"], whole["isError"]) == (False, False)
    messages = [row["message"] for row in seen["structuredContent"]["events"] if row["event"] == "note.x"]
    assert sorted(messages) == ["x\ufffd", "x\U0001f600"]


def test_what_is_too_long_or_no_json_is_refused(tmp_path: Path) -> None:
    """A request is held in memory whole."""
    with http_server(tmp_path) as served:
        assert served.post(b" " * ((4 << 20) + 1)).status == 413
        assert served.post(b"{").status == 400
        assert served.request("GET", mcp_protocol_version="2026-07-28").status == 405


@ERAS
async def test_a_client_is_told_what_another_process_wrote(mode: Any, tmp_path: Path) -> None:
    """Sessions over stdio and clients over HTTP share one registry."""
    uri = "opentask://runs/shared"
    send, told = anyio.create_memory_object_stream[Any](100)

    async def on_message(message: Any) -> None:
        if isinstance(message, types.ResourceUpdatedNotification | types.ResourceListChangedNotification):
            await send.send(message)

    with stdio_server(tmp_path) as writer, http_server(tmp_path) as served, send, told:
        writer.hello()
        writer.call("scaffold_run", task_text="write", run_id="shared")
        async with Client(served.url, mode=mode, message_handler=on_message) as client:
            with anyio.fail_after(120):
                if mode == "legacy":
                    heard = await _heard_by_an_old_client(client, writer, uri, told)
                else:
                    heard = await _heard_by_a_new_client(client, writer, uri)

    assert heard == {"updated", "list"}


@pytest.mark.filterwarnings("ignore:resources/(un)?subscribe is removed")
async def _heard_by_an_old_client(client: Client, writer: Any, uri: str, told: Any) -> set[str]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        await client.session.subscribe_resource(uri)
    await client.list_resources()
    heard: set[str] = set()
    # The stream on which an old client is told opens beside its requests: what happens before is not told.
    with anyio.move_on_after(60):
        for number in range(60):
            await anyio.to_thread.run_sync(_write, writer, number)
            with anyio.move_on_after(1):
                while len(heard) < 2:
                    message = await told.receive()
                    heard.add("updated" if isinstance(message, types.ResourceUpdatedNotification) else "list")
                break
    return heard


async def _heard_by_a_new_client(client: Client, writer: Any, uri: str) -> set[str]:
    async with client.listen(resource_subscriptions=[uri], resources_list_changed=True) as changes:
        await anyio.to_thread.run_sync(_write, writer, 0)
        heard = {await anext(changes), await anext(changes)}
    assert heard == {ResourceUpdated(uri), ResourcesListChanged()}
    return {"updated", "list"}


def _write(writer: Any, number: int) -> None:
    writer.call("append_event", run_id="shared", event="run.progress", message=f"step {number}")
    writer.call("scaffold_run", task_text="more", run_id=f"more-{number}")


async def test_a_signal_ends_the_server_though_an_old_client_is_connected(tmp_path: Path) -> None:
    """It holds a stream open for as long as it lives."""
    with http_server(tmp_path) as served:
        async with Client(served.url, mode="legacy") as client:
            await client.list_tools()
            status = await anyio.to_thread.run_sync(served.stop)

    assert (status, "fault" in served.said) == (0, False)


@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_server_though_clients_listen(with_signal: signal.Signals, tmp_path: Path) -> None:
    """A service that has to be killed loses what it was doing."""
    with http_server(tmp_path) as served:
        made = served.call("scaffold_run", task_text="write", run_id="r1")
        assert made.status == 200
        uris = ["opentask://runs/r1"]
        async with Client(served.url, mode="auto") as client, client.listen(resource_subscriptions=uris):
            status = await anyio.to_thread.run_sync(served.stop, with_signal)

    assert status == 0
    assert "Traceback" not in served.said
    assert "fault=" not in served.said


def test_http_is_loaded_only_where_it_is_asked_for(tmp_path: Path) -> None:
    """A host starts a stdio server for every session."""
    code = (
        "import sys; from opentask_mcp.mcp import main, server, stdio; "
        "print({'opentask_mcp.mcp.http', 'opentask_mcp.mcp.listening'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert printed.stdout == "set()\n"
