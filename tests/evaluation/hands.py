"""The hands of a scripted agent: one that calls as it means to, and one that calls as small models do.

The clumsy hand knows what it wants to say (a report, a fence it was given), never which call is legal. It sends its
call wrongly, and from then on sends nothing but the first `next` of each answer, with what it knows in the place of
`<...>`, until the tool it meant has answered; where `next` is a look at the run, it then says again what it meant.
"""

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from mcp import Client
from mcp_types import CallToolResult, Implementation

from evaluation.recording import called, keep
from evaluation.stage import Stage
from opentask_mcp.mcp.server import build_server

Answer = dict[str, Any]
Wrong = tuple[str, Mapping[str, Any]]
Blunder = Callable[[str, Mapping[str, Any]], Wrong | None]

STEPS_MAX = 6
LOOKS = frozenset({"get_run", "list_runs", "list_workflows"})
_NEXT = re.compile(r"^next: (\w+) (\{.*\})(?:  \(.*\))?$", re.MULTILINE)
_OPEN = re.compile(r"<[^<>]+>")


class Refused(AssertionError):
    """A call was refused that should have been taken; the text is what a model would have read."""


class Hand:
    """Calls tools and writes each call down."""

    def __init__(self, client: Client, stage: Stage) -> None:
        self._client = client
        self._stage = stage

    async def call(self, tool: str, **args: Any) -> Answer:
        """The answer of a call.

        Raises:
            Refused: it was not taken.
        """
        ok, told = await self.send(tool, args)
        if not ok:
            raise Refused(f"{tool} {json.dumps(args)}\n{told}")
        assert isinstance(told, dict)
        return told

    async def send(self, tool: str, args: Mapping[str, Any]) -> tuple[bool, Answer | str]:
        """Whether a call was taken, with its answer or the text of the refusal."""
        result = await self._client.call_tool(tool, dict(args))
        assert isinstance(result, CallToolResult)
        wire = {"result": result.model_dump(mode="json", by_alias=True, exclude_none=True)}
        keep(self._stage.calls, called(self._stage.turn, {"name": tool, "arguments": dict(args)}, wire))
        if result.is_error:
            return False, str(wire["result"]["content"][0]["text"])
        return True, dict(result.structured_content or {})


class ClumsyHand(Hand):
    """Begins every call with the next mistake that fits it, and is led back by what the errors say.

    Attributes:
        made: The names of the mistakes made so far.
    """

    def __init__(self, client: Client, stage: Stage, blunders: list[Blunder]) -> None:
        super().__init__(client, stage)
        self._blunders = blunders
        self.made: list[str] = []

    async def call(self, tool: str, **args: Any) -> Answer:
        """The answer of the call that was meant, in the end.

        Raises:
            Refused: the errors did not lead there.
        """
        sent, given = self._wrong(tool, args)
        way = []
        for _ in range(STEPS_MAX):
            ok, told = await self.send(sent, given)
            way.append(f"{sent} {json.dumps(given)}\n    {told}")
            if ok and sent == tool:
                assert isinstance(told, dict)
                return told
            if ok and sent in LOOKS:
                # It has seen the run now, and says again what it meant, of that run.
                assert isinstance(told, dict)
                sent, given = tool, {**args, **({"run_id": _seen(told)} if "run_id" in args else {})}
            else:
                sent, given = self._led(told, args, way)
        raise Refused("\n".join(way))

    def _wrong(self, tool: str, args: Mapping[str, Any]) -> Wrong:
        for blunder in self._blunders:
            if (wrong := blunder(tool, args)) is not None:
                # Each is made once in a job; then the next one has its turn.
                self._blunders.remove(blunder)
                self.made.append(blunder.__name__)
                return wrong
        return tool, args

    @staticmethod
    def _led(told: Answer | str, known: Mapping[str, Any], way: list[str]) -> Wrong:
        """The first call in `next`, with what is known in its gaps."""
        if isinstance(told, str):
            found = _NEXT.search(told)
            if found is None:
                raise Refused("no `next` to follow\n" + "\n".join(way))
            tool, given = found[1], json.loads(found[2])
        else:
            steps = [step for step in told.get("next", ()) if step["tool"] != "host"]
            if not steps:
                raise Refused("an answer without `next`\n" + "\n".join(way))
            tool, given = steps[0]["tool"], steps[0]["args"]
        return tool, {name: _filled(name, value, known) for name, value in given.items()}


def _seen(look: Answer) -> str:
    return str(look["run_id"] if "run_id" in look else look["runs"][0]["run_id"])


def _filled(name: str, value: Any, known: Mapping[str, Any]) -> Any:
    if isinstance(value, str) and _OPEN.fullmatch(value):
        return known.get(name, f"Something for {name}.")
    return value


@asynccontextmanager
async def hand_of(stage: Stage, *, blunders: list[Blunder] | None = None) -> AsyncIterator[Hand]:
    """A hand on a server of its own, as a session has one."""
    server = build_server(stage.registry())
    async with Client(server, mode="legacy", client_info=Implementation(name="agent", version="1")) as client:
        yield Hand(client, stage) if blunders is None else ClumsyHand(client, stage, blunders)
