"""Serving over HTTP: the SDK's streamable transport at `/mcp`, for both protocol eras.

One process serves many clients. Changes that have begun are finished whole, whatever becomes of
the connection. A signal ends the process: no new requests, streams of notices are ended, calls
under way have a few seconds to be answered.
"""

import hmac
import json
import logging
import re
import signal
import socket
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import Any, Final, NoReturn

import anyio
import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.transport_security import DEFAULT_MAX_REQUEST_BODY_SIZE, TransportSecuritySettings
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .listening import PATH, Listening
from .text import sendable

_log: Final = logging.getLogger(__name__)
_STOP_WITHIN_S: Final = 5
_MAYBE_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_EVENT_STREAM: Final = b"text/event-stream"


def serve_http(server: Server[Any], place: Listening, listener: socket.socket) -> None:
    """Serve on a bound socket until a signal ends the process."""
    place = replace(place, port=listener.getsockname()[1])
    streams = OpenStreams(http_app(server, place))
    settings = uvicorn.Config(
        streams,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=_STOP_WITHIN_S,
    )
    # The server raises the signal again when it has stopped; that is the end it was asked for.
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    asked = "a token is needed" if place.token else "no token is needed"
    _log.info("serving %s to clients that call it %s; %s", place.url, ", ".join(place.names), asked)
    anyio.run(partial(_Stopping(settings, streams).serve, sockets=[listener]))


def http_app(server: Server[Any], place: Listening) -> ASGIApp:
    """The application: token, then `Host` and `Origin`, then the protocol."""
    schemes = ("http", "https")
    hosts = [form for name in place.names for form in (name, f"{name}:*")]
    protocol = server.streamable_http_app(
        streamable_http_path=PATH,
        transport_security=TransportSecuritySettings(
            allowed_hosts=hosts, allowed_origins=[f"{scheme}://{host}" for host in hosts for scheme in schemes]
        ),
    )
    app: ASGIApp = ReadableBodies(protocol)
    return app if place.token is None else TokenDoor(app, token=place.token)


class TokenDoor:
    """Lets in only requests that bring the token, whatever they ask for."""

    def __init__(self, app: ASGIApp, *, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._is_known(scope):
            await self._app(scope, receive, send)
            return
        refusal = {
            "code": "forbidden",
            "message": "this server asks for a token",
            "hint": "send `Authorization: Bearer ...` with what OPENTASK_HTTP_TOKEN is on the server",
        }
        headers = {"WWW-Authenticate": 'Bearer realm="opentask"'}
        await JSONResponse({"error": refusal}, status_code=401, headers=headers)(scope, receive, send)

    def _is_known(self, scope: Scope) -> bool:
        brought = [value for name, value in scope["headers"] if name == b"authorization"]
        scheme, _, token = brought[0].partition(b" ") if len(brought) == 1 else (b"", b"", b"")
        # Compared as a whole and in constant time: how long it takes must not tell how much was right.
        return hmac.compare_digest(token.strip(), self._token) and scheme.lower() == b"bearer"


class ReadableBodies:
    """Mends what stdio mends too: half a character, which JavaScript clients send when they cut a string."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body = b""
        while len(body) <= DEFAULT_MAX_REQUEST_BODY_SIZE:
            message = await receive()
            if message["type"] != "http.request":
                return  # the client went away before it had said what it wants
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        else:
            await Response("the request is too long", status_code=413)(scope, receive, send)
            return
        whole: Message | None = {"type": "http.request", "body": mended_body(body), "more_body": False}

        async def hear() -> Message:
            nonlocal whole
            if whole is None:
                return await receive()
            told, whole = whole, None
            return told

        await self._app(scope, hear, send)


def mended_body(body: bytes) -> bytes:
    """The JSON text with lone surrogates replaced by U+FFFD; the same bytes where there are none."""
    if not _MAYBE_SURROGATE.search(body):
        return body
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return body  # the protocol has its own answer to what is no JSON
    mended = sendable(value)
    return body if mended is value else json.dumps(mended).encode()


class OpenStreams:
    """Ends streams of events when the process is to stop; nothing else would, and their clients wait for ever."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._stopping: anyio.Event | None = None

    def stop(self) -> None:
        """Tell the open streams, and those that still begin, that their client is gone."""
        self._stop_event().set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        streams = anyio.Event()

        async def tell(message: Message) -> None:
            if any(name == b"content-type" and value.startswith(_EVENT_STREAM) for name, value in _headers(message)):
                streams.set()
            await send(message)

        async def hear() -> Message:
            heard: Message = {"type": "http.disconnect"}
            async with anyio.create_task_group() as both:

                async def client() -> None:
                    nonlocal heard
                    heard = await receive()
                    both.cancel_scope.cancel()

                both.start_soon(client)
                await self._stop_event().wait()
                await streams.wait()
                both.cancel_scope.cancel()
            return heard

        await self._app(scope, hear, tell)

    def _stop_event(self) -> anyio.Event:
        # Made within the event loop that waits for it.
        if self._stopping is None:
            self._stopping = anyio.Event()
        return self._stopping


class _Stopping(uvicorn.Server):
    """A server that ends its streams before it waits for its requests."""

    def __init__(self, config: uvicorn.Config, streams: OpenStreams) -> None:
        super().__init__(config)
        self._streams = streams

    async def shutdown(self, sockets: Any = None) -> None:
        _log.info("stopping")
        self._streams.stop()
        await super().shutdown(sockets)


def _headers(message: Message) -> list[tuple[bytes, bytes]]:
    return list(message.get("headers", ())) if message["type"] == "http.response.start" else []


def _end(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
