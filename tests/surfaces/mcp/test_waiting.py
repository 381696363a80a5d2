"""Callers who wait or block never stall an answer, and what has begun is finished."""

import anyio
import anyio.to_thread
from mcp import Client

from tests.surfaces.mcp.fixture import Stage, server


async def test_fifty_blocked_callers_do_not_stall_an_answer() -> None:
    """All share one process; a run that is locked elsewhere must not make the server deaf."""
    stage = Stage()
    async with Client(server(stage)) as client, anyio.create_task_group() as callers:
        for _ in range(50):
            callers.start_soon(client.call_tool, "block", {})
        await anyio.to_thread.run_sync(stage.begun.acquire)

        with anyio.fail_after(30):
            answer = await client.call_tool("echo", {"text": "a"})
            listed = await client.list_tools()
            resources = await client.list_resources()

        assert answer.is_error is False
        assert listed.tools
        assert [resource.uri for resource in resources.resources] == ["ui://opentask/run"]
        assert stage.finished == []
        stage.gate.set()


async def test_fifty_waits_hold_no_thread_and_end_when_it_comes() -> None:
    """A wait sleeps; forty of them would otherwise use up every thread there is."""
    stage = Stage()
    reached = []

    async with Client(server(stage)) as client:

        async def wait() -> None:
            result = await client.call_tool("wait_for_run", {})
            reached.append(result.structured_content)

        with anyio.fail_after(60):
            async with anyio.create_task_group() as callers:
                for _ in range(50):
                    callers.start_soon(wait)
                answer = await client.call_tool("echo", {"text": "a"})
                stage.gate.set()

    assert answer.is_error is False
    assert reached == [{"reached": True}] * 50


async def test_a_wait_that_is_over_says_so() -> None:
    """Not reached is an answer, not an error."""
    async with Client(server()) as client:
        result = await client.call_tool("wait_for_run", {"timeout_s": 0.01})

    assert result.structured_content == {"reached": False}


async def test_work_that_has_begun_is_finished_when_the_call_is_cancelled() -> None:
    """A change is made whole or not begun, also when the client goes away in the middle."""
    stage = Stage()
    async with Client(server(stage), mode="legacy") as client:
        async with anyio.create_task_group() as callers:
            callers.start_soon(client.call_tool, "block", {})
            await anyio.to_thread.run_sync(stage.begun.acquire)
            callers.cancel_scope.cancel()
        assert stage.finished == []
        stage.gate.set()
        answer = await client.call_tool("echo", {"text": "a"})

    assert answer.is_error is False
    assert stage.finished == ["block"]
