"""The MCP server: the SDK's low-level `Server` with every handler ours.

Why the low-level one: docs/decisions/0001-how-mcp-is-served.md.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import anyio
import mcp_types as types
from mcp.server.caching import CacheHint
from mcp.server.context import HandlerResult
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.subscriptions import ListenHandler, SubscriptionBus
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from registry.operations.table import OPERATIONS, AnyOperation
from registry.registry import Registry

from .. import __version__
from .app import EXTENSIONS, PAGES, TOOL_META
from .completion import complete
from .documents import RegistryDocuments
from .elicitation import STATE_TTL_S, Context
from .feed import RECENT, Feed
from .instructions import INSTRUCTIONS
from .offers import kept_offers, offers_of
from .prompts import Prompts
from .resources import SCHEME, Documents, Resources
from .serving import Serving, reasons_unserved, served_tools
from .threads import Threads
from .tools import Tools

NAME: Final = "opentask"
# What is the same for the life of the process may be kept by the client; the rest is stale at once.
_KEPT: Final = CacheHint(ttl_ms=3_600_000, scope="private")


def build_server(
    registry: Registry,
    *,
    serving: Serving | None = None,
    operations: Mapping[str, AnyOperation] | None = None,
    documents: Documents | None = None,
    bus: SubscriptionBus | None = None,
) -> Server[None]:
    """A server over one registry, for any transport and both protocol eras.

    Args:
        operations: The table that tools come from; the registry's own where none is given.
        documents: The registry read by address.
        bus: Where notices are published to those who listen; one of its own where none is given.

    Raises:
        UnknownTool: the settings name a tool or toolset that does not exist.
    """
    serving = serving or Serving()
    documents = documents or RegistryDocuments(registry)
    threads = Threads()
    feed = Feed(mark=documents.mark, threads=threads, bus=bus)
    offers = kept_offers() if operations is None else offers_of(operations)
    served = served_tools(offers, serving)
    tools = Tools(
        registry,
        operations=OPERATIONS if operations is None else operations,
        served=served,
        unserved=reasons_unserved(offers, served, serving),
        meta=TOOL_META,
        serving=serving,
        threads=threads,
        feed=feed,
    )
    handlers = _Handlers(
        tools=tools,
        resources=Resources(documents, threads=threads, fixed=PAGES),
        prompts=Prompts(served=served),
        documents=documents,
        feed=feed,
        threads=threads,
    )
    server = handlers.server()
    server.extensions = dict(EXTENSIONS)
    security = RequestStateSecurity.ephemeral(ttl=STATE_TTL_S)
    server.middleware.append(RequestStateBoundary(security, default_audience=NAME))
    return server


class _Handlers:
    """The requests of the protocol, each handed to the part that answers it."""

    def __init__(
        self,
        *,
        tools: Tools,
        resources: Resources,
        prompts: Prompts,
        documents: Documents,
        feed: Feed,
        threads: Threads,
    ) -> None:
        self._tools = tools
        self._resources = resources
        self._prompts = prompts
        self._documents = documents
        self._feed = feed
        self._threads = threads
        self._listening = ListenHandler(feed.bus)

    def server(self) -> Server[None]:
        """A new low-level server that these handlers answer for."""
        server: Server[None] = _Noticing(
            NAME,
            version=__version__,
            title="OpenTask",
            instructions=INSTRUCTIONS,
            lifespan=partial(_lifespan, self._feed),
            get_tool_input_schema=self._tools.input_schema,
            cache_hints={"tools/list": _KEPT, "prompts/list": _KEPT, "resources/templates/list": _KEPT},
            on_list_resources=self.list_resources,
            on_list_resource_templates=self.list_resource_templates,
            on_read_resource=self.read_resource,
            on_subscribe_resource=self.subscribe_resource,
            on_unsubscribe_resource=self.unsubscribe_resource,
            on_subscriptions_listen=self.listen,
            on_list_prompts=self.list_prompts,
            on_get_prompt=self.get_prompt,
            on_completion=self.complete,
        )
        # A call is answered in wire form, so that the one object is both forms of its answer; the
        # listing is kept in wire form.
        server.add_request_handler("tools/list", types.PaginatedRequestParams, self.list_tools)
        server.add_request_handler("tools/call", types.CallToolRequestParams, self.call_tool)
        return server

    async def list_tools(self, _ctx: Context, params: types.PaginatedRequestParams) -> HandlerResult:
        """One page holds all."""
        _require_first_page(params)
        return self._tools.listing()

    async def call_tool(self, ctx: Context, params: types.CallToolRequestParams) -> HandlerResult:
        """Run an operation of the table."""
        return await self._tools.call(ctx, params)

    async def list_resources(
        self, ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        """A page of recent runs and reports; a connection of the handshake era is told when the list changes."""
        if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            await self._feed.subscribe(ctx.session, RECENT)
        return await self._resources.page(params.cursor if params else None)

    async def list_resource_templates(
        self, _ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        """One page holds all."""
        _require_first_page(params)
        return self._resources.templates()

    async def read_resource(self, _ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        """The text at an address."""
        return await self._resources.read(params.uri)

    async def subscribe_resource(self, ctx: Context, params: types.SubscribeRequestParams) -> types.EmptyResult:
        """Handshake era: notices of one resource on this connection."""
        if not params.uri.startswith(SCHEME):
            raise MCPError(types.INVALID_PARAMS, f"addresses here begin with {SCHEME}", {"uri": params.uri})
        await self._feed.subscribe(ctx.session, params.uri)
        return types.EmptyResult()

    async def unsubscribe_resource(self, ctx: Context, params: types.UnsubscribeRequestParams) -> types.EmptyResult:
        """Handshake era: no more of them."""
        self._feed.unsubscribe(ctx.session, params.uri)
        return types.EmptyResult()

    async def listen(
        self, ctx: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Since 2026-07-28: a stream of notices, until the client ends it."""
        wanted = params.notifications
        uris = [uri for uri in wanted.resource_subscriptions or () if uri.startswith(SCHEME)]
        if wanted.resources_list_changed:
            uris.append(RECENT)
        async with self._feed.watching(uris):
            return await self._listening(ctx, params)

    async def list_prompts(self, _ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
        """One page holds all."""
        _require_first_page(params)
        return self._prompts.listing()

    async def get_prompt(self, _ctx: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        """A prompt with its argument filled in."""
        return self._prompts.get(params.name, params.arguments or {})

    async def complete(self, _ctx: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
        """Values of an id argument."""
        return await complete(self._documents, params, threads=self._threads)


class _Noticing(Server[None]):
    """A server that says in its handshake that it tells of changes in the list of resources.

    Each transport makes its own handshake, so this cannot be said where the server is run.
    """

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        return super().create_initialization_options(
            notification_options or NotificationOptions(resources_changed=True), experimental_capabilities, extensions
        )


@asynccontextmanager
async def _lifespan(feed: Feed, _server: Server[Any]) -> AsyncIterator[None]:
    async with anyio.create_task_group() as background:
        background.start_soon(feed.run)
        try:
            yield None
        finally:
            background.cancel_scope.cancel()


def _require_first_page(params: types.PaginatedRequestParams | None) -> None:
    if params is not None and params.cursor is not None:
        raise MCPError(types.INVALID_PARAMS, "this list has one page and gave no cursor")
