"""The server as a process on stdin and stdout, as every host starts it."""

import json
import sys
from pathlib import Path

import anyio
import pytest
from filelock import FileLock
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.subscriptions import ResourceUpdated

from opentask_mcp import __version__
from tests.surfaces.mcp.process import START, Spoken, process, server

MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
def test_every_handshake_version_is_spoken(version: str, tmp_path: Path) -> None:
    """Hosts are years apart."""
    with server(tmp_path) as spoken:
        said = spoken.hello(version)
        tools = spoken.result("tools/list")["tools"]
        runs = spoken.call("list_runs")

        assert said["protocolVersion"] == version
        assert (said["serverInfo"]["name"], said["serverInfo"]["version"]) == ("opentask", __version__)
        assert {"scaffold_run", "append_event", "write_handoff", "request_control", "list_runs"} <= {
            tool["name"] for tool in tools
        }
        assert runs["runs"] == []
        assert spoken.leave() == 0


def test_the_version_without_a_handshake_is_spoken(tmp_path: Path) -> None:
    """Since 2026-07-28 every request says for itself who asks."""
    with server(tmp_path) as spoken:
        said = spoken.result("server/discover", {"_meta": MODERN})
        listed = spoken.result("tools/list", {"_meta": MODERN})
        called = spoken.result("tools/call", {"name": "list_runs", "arguments": {}, "_meta": MODERN})

        assert "2026-07-28" in said["supportedVersions"]
        assert listed["resultType"] == "complete"
        assert called["structuredContent"]["runs"] == []
        assert called["_meta"]["io.modelcontextprotocol/serverInfo"]["version"] == __version__


def test_both_forms_of_an_answer_are_the_same_bytes(tmp_path: Path) -> None:
    """What JavaScript prints of the structured form must be the text, or some hosts show both."""
    with server(tmp_path) as spoken:
        spoken.hello()
        spoken.call("scaffold_run", task_text="Prüfe ✓", run_id="audit-1", inputs={})
        result = spoken.result("tools/call", {"name": "get_run", "arguments": {"run_id": "audit-1"}})

        (block,) = result["content"]
        assert block["text"] == json.dumps(result["structuredContent"], indent=2, ensure_ascii=False)


STRAY = """
import anyio, os, subprocess, sys
print("printed before anything", file=sys.stderr)
from tests.surfaces.mcp import fixture
from opentask_mcp.mcp.stdio import serve_stdio

def chatter(caller, request):
    print("printed by an operation", flush=True)
    os.write(1, b"written to the descriptor\\n")
    subprocess.run(["echo", "said by a child"], check=True)
    return fixture.Nothing()

stage = fixture.Stage()
stage._block = chatter
anyio.run(serve_stdio, fixture.server(stage))
"""


def test_nothing_but_the_protocol_comes_out_of_stdout(tmp_path: Path) -> None:
    """One stray line and the host drops the connection, in the middle of a job."""
    with process(sys.executable, "-c", STRAY, cwd=Path.cwd()) as spoken:
        spoken.hello()
        assert spoken.call("block") == {"done": True}
        assert spoken.leave() == 0

        assert [json.loads(line)["id"] for line in spoken.lines] == [1, 2]
        assert spoken.process.stderr is not None
        printed = spoken.process.stderr.read().decode()
    for stray in ("printed by an operation", "written to the descriptor", "said by a child"):
        assert stray in printed


def test_a_line_that_cannot_be_read_is_answered(tmp_path: Path) -> None:
    """Half a character in an argument, or no JSON at all: somebody waits for the answer."""
    with server(tmp_path) as spoken:
        spoken.hello()
        call = {"name": "list_runs", "arguments": {"text": "x\ud83d"}}
        spoken.say(json.dumps({"jsonrpc": "2.0", "id": "cut", "method": "tools/call", "params": call}))
        spoken.say("not json")
        spoken.say('{"jsonrpc": "2.0", "id": 77, "method": "tools/call", "params": []}')

        assert spoken.answer("cut")["result"]["isError"] is False
        assert spoken.answer(None)["error"]["code"] == -32700
        assert spoken.answer(77)["error"]["code"] == -32600
        assert spoken.call("list_runs")["runs"] == []


def test_fifty_callers_blocked_on_a_locked_run_do_not_stall_an_answer(tmp_path: Path) -> None:
    """Another process may hold a run for seconds; this one must go on answering."""
    (tmp_path / "opentask.toml").write_text("lock_wait_s = 600\n")
    with server(tmp_path) as spoken:
        spoken.hello()
        spoken.call("scaffold_run", task_text="write", run_id="held")
        spoken.call("scaffold_run", task_text="write", run_id="free")
        note = {"run_id": "held", "event": "note.step", "message": "waiting"}
        with FileLock(tmp_path / "runs" / "held" / ".run.lock"):
            blocked = [spoken.ask("tools/call", {"name": "append_event", "arguments": note}) for _ in range(50)]
            waits = [
                spoken.ask("tools/call", {"name": "wait_for_run", "arguments": {"run_id": "free"}}) for _ in range(50)
            ]
            assert spoken.call("get_run", run_id="held")["status"] == "running"
            assert len(spoken.result("resources/list")["resources"]) == 3
            assert spoken.result("tools/list")["tools"]
            assert not any(spoken.has_answered(asked) for asked in (*blocked, *waits))
        assert all(spoken.answer(asked)["result"]["isError"] is False for asked in blocked)
        spoken.call("request_control", run_id="free", action="cancel")
        reached = [spoken.answer(asked)["result"]["structuredContent"]["run_status"] for asked in waits]

    assert reached == ["cancelled"] * 50


def _append(spoken: Spoken, run_id: str) -> None:
    spoken.call("append_event", run_id=run_id, event="run.progress", message="half")


async def test_a_listener_is_told_what_another_process_wrote(tmp_path: Path) -> None:
    """Each session of a host has a server of its own, and they share the registry."""
    uri = "opentask://runs/shared"
    with server(tmp_path) as writer:
        writer.hello()
        writer.call("scaffold_run", task_text="write", run_id="shared")
        command = StdioServerParameters(command=sys.executable, args=["-c", START, "--root", str(tmp_path)])
        async with Client(command) as client:
            with anyio.fail_after(120):
                async with client.listen(resource_subscriptions=[uri]) as changes:
                    await anyio.to_thread.run_sync(_append, writer, "shared")
                    assert await anext(changes) == ResourceUpdated(uri)
                state = json.loads((await client.read_resource(uri)).contents[0].text)  # type: ignore[union-attr]

    assert state["lastProgressMessage"] == "half"


def test_a_place_that_is_no_registry_is_refused_in_the_call(tmp_path: Path) -> None:
    """A host shows nobody why a server did not start; it shows the model what a call answered."""
    with process(sys.executable, "-c", START, cwd=Path("/")) as spoken:
        spoken.hello()
        refused = spoken.result("tools/call", {"name": "scaffold_run", "arguments": {"task_text": "x"}})

        assert refused["isError"] is True
        assert refused["content"][0]["text"].startswith("forbidden: no registry was named and this is '/'")
