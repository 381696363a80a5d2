"""Tools: every operation of the table that this server offers, listed and called.

A call becomes a request model or one refusal; the operation runs in a thread; its result model is
the structured form and the text block is the same object as JavaScript prints it. Every expected
failure is a result with `isError` and text only, never a protocol error: hosts hide those from the
model, and some stop talking to a server that sends three.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

import anyio
from mcp_types import CallToolRequestParams, InputRequiredResult
from pydantic import JsonValue

from registry.core.names import legal_id
from registry.core.run import Actor
from registry.errors import RegistryError
from registry.operations.caller import Caller, PersonNeeded
from registry.operations.parse import parse_request
from registry.operations.table import AnyOperation, Request, Result
from registry.registry import Registry

from .aliases import unknown_tool
from .elicitation import Context, ask, can_ask
from .failures import failure_text, fault_text
from .feed import Feed
from .logs import OperationLine, operation_line
from .offers import Offer
from .serving import Serving
from .text import sendable, stringify
from .threads import Lane, Threads
from .tracing import mark_span
from .ways_on import after_refusal, offered

_FIRST_LOOK_S: Final = 0.05
_LOOKS_APART_S: Final = 0.5
_ANONYMOUS: Final = "agent"
# Elsewhere an `agent_id` argument filters a list or names who shall work, not who calls.
_CALLED_BY_ITS_AGENT_ID: Final = frozenset({"claim_node"})

WireResult = dict[str, Any]


class Tools:
    """The tools of one server.

    Args:
        operations: Where a tool's operation is found when it is called.
        served: The tools offered, by name.
        unserved: Why each other known tool is not offered.
        meta: `_meta` of the listing, by tool name.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        operations: Mapping[str, AnyOperation],
        served: Mapping[str, Offer],
        unserved: Mapping[str, str],
        meta: Mapping[str, dict[str, Any]],
        serving: Serving,
        threads: Threads,
        feed: Feed,
    ) -> None:
        self._registry = registry
        self._operations = operations
        self._served = served
        self._unserved = unserved
        self._meta = meta
        self._serving = serving
        self._threads = threads
        self._feed = feed

    def listing(self) -> WireResult:
        """All tools, sorted by name; the same for every caller and for the life of the process."""
        tools = [
            {**offer.tool, "_meta": self._meta[name]} if name in self._meta else offer.tool
            for name, offer in self._served.items()
        ]
        return {"tools": tools, "resultType": "complete"}

    async def call(self, ctx: Context, params: CallToolRequestParams) -> WireResult | InputRequiredResult:
        """Run one tool; whatever goes wrong is a result that a model can read."""
        # A name that is no tool's is a caller's text, which no log line holds.
        with operation_line(params.name if params.name in self._served else "unknown_tool") as line:
            answer = await self._answered(ctx, params, line)
            mark_span(line)
        return answer

    async def _answered(
        self, ctx: Context, params: CallToolRequestParams, line: OperationLine
    ) -> WireResult | InputRequiredResult:
        try:
            if params.name not in self._served:
                raise unknown_tool(
                    params.name,
                    served=self._served,
                    known=self._unserved,
                    given=params.arguments,
                    fields={name: offer.arguments for name, offer in self._served.items()},
                )
            operation = self._operations[params.name]
            request = parse_request(operation, params.arguments or {})
            line.concerns(request)
            answer = await self._answer(ctx, params, operation, request)
        except RegistryError as failure:
            line.code = failure.code
            calls = after_refusal(failure, params.name, params.arguments or {}, self._served)
            return failed(failure_text(failure, calls=calls))
        except Exception as fault:  # the edge: a fault of ours must still be an answer
            line.code = "internal_error"
            return failed(fault_text(params.name, fault))
        if isinstance(answer, InputRequiredResult):
            line.code = "asked"
        else:
            line.concerns(answer.get("structuredContent"))
            line.code = "ok"
        return answer

    def input_schema(self, tool: str) -> dict[str, Any] | None:
        """The input schema of a tool that is offered; None for any other name."""
        schema = self._served[tool].tool["inputSchema"] if tool in self._served else None
        return dict(schema) if isinstance(schema, Mapping) else None

    async def _answer(
        self, ctx: Context, params: CallToolRequestParams, operation: AnyOperation, request: Request
    ) -> WireResult | InputRequiredResult:
        caller = self._caller(ctx, operation, request)
        try:
            return await self._run(operation, caller, request)
        except PersonNeeded as turn:
            said = await ask(ctx, params, turn.question)
        if isinstance(said, InputRequiredResult):
            return said
        # Where nobody could be asked after all, the operation decides as for a client without forms.
        caller = replace(caller, can_ask=False) if said is None else replace(caller, answer=said)
        return await self._run(operation, caller, request)

    async def _run(self, operation: AnyOperation, caller: Caller, request: Request) -> WireResult:
        if operation.step is not None:
            return await self._wait(operation.step, caller, request)
        lane: Lane = "read" if operation.read_only else "write"
        answer = await self._threads.run(lane, lambda: self._rendered(operation.run(caller, request)))
        if not operation.read_only:
            self._feed.nudge()
        return answer

    async def _wait(
        self, step: Callable[[Caller, Request, float], Result | None], caller: Caller, request: Request
    ) -> WireResult:
        """Look again and again, asleep in between: a waiting caller holds no thread.

        A change made through this process ends the sleep at once.
        """
        began = anyio.current_time()
        pause_s = _FIRST_LOOK_S
        while True:
            look = partial(step, caller, request, anyio.current_time() - began)
            result = await self._threads.run("wait", look)
            if result is not None:
                return self._rendered(result)
            await self._feed.sleep(pause_s)
            pause_s = min(pause_s * 1.5, _LOOKS_APART_S)

    def _rendered(self, result: Result) -> WireResult:
        """A result model in both forms; fields that are None are absent, nulls in a caller's own objects stay."""
        structured: JsonValue = sendable(offered(result, self._served))
        return {
            "content": [{"type": "text", "text": stringify(structured)}],
            "structuredContent": structured,
            "isError": False,
            "resultType": "complete",
        }

    def _caller(self, ctx: Context, operation: AnyOperation, request: Request) -> Caller:
        agent_id = self._serving.agent or _client_name(ctx)
        named = getattr(request, "agent_id", None) if operation.name in _CALLED_BY_ITS_AGENT_ID else None
        return Caller(
            registry=self._registry,
            actor=Actor(kind="agent", id=named or agent_id or _ANONYMOUS, via="mcp"),
            agent_id=agent_id,
            approvals=self._serving.approvals,
            read_only=self._serving.read_only,
            can_ask=can_ask(ctx),
        )


def failed(text: str) -> WireResult:
    """A failure: text only, because some hosts show a model nothing but the structured form where it exists."""
    content = sendable(text)
    return {"content": [{"type": "text", "text": content}], "isError": True, "resultType": "complete"}


def _client_name(ctx: Context) -> str | None:
    client = ctx.session.client_params
    return (legal_id(client.client_info.name) or None) if client else None
