"""Notices that a resource changed, in both protocol eras, also for what other processes write.

Since 2026-07-28 a client listens on a stream of its own (`subscriptions/listen`); before, it
subscribes to one resource at a time and is told on the connection, and of the list of resources
once it has asked for that list. Nothing tells one process what
another wrote, so the marks of subscribed resources (size and time of a run's trail) are looked at
twice a second, only while somebody subscribes. A notice says "read it again", no more; one may
come too many, none is missed.
"""

import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Hashable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import anyio
from mcp.server.session import ServerSession
from mcp.server.subscriptions import InMemorySubscriptionBus, ResourcesListChanged, ResourceUpdated, SubscriptionBus

from .threads import Threads

_log: Final = logging.getLogger(__name__)
LOOKS_APART_S: Final = 0.5
_SUBSCRIBERS_MAX: Final = 256
_TOLD_WITHIN_S: Final = 5
RECENT: Final = "opentask:recent"
"""Stands for the list of resources where the address of one resource would."""

Mark = Hashable


@dataclass
class _Subscriber:
    """One connection of the handshake era; `session` is the channel its notices go to."""

    session: ServerSession
    uris: set[str] = field(default_factory=set)


class Feed:
    """The change notices of one server.

    Args:
        mark: Something that is different after the resource at an address changed; called in a
            thread, for `RECENT` too.
        bus: Where those who listen hear of it.
    """

    def __init__(self, *, mark: Callable[[str], Mark], threads: Threads, bus: SubscriptionBus | None = None) -> None:
        self.bus: SubscriptionBus = bus or InMemorySubscriptionBus()
        self._mark = mark
        self._threads = threads
        self._watched: Counter[str] = Counter()
        self._marks: dict[str, Mark] = {}
        self._subscribers: dict[int, _Subscriber] = {}
        self._written = anyio.Event()
        self._wanted = anyio.Event()

    def nudge(self) -> None:
        """Say that this process wrote: whoever sleeps here looks again at once."""
        self._written.set()
        self._written = anyio.Event()

    async def sleep(self, seconds: float) -> None:
        """Sleep until this process writes, at most so long."""
        with anyio.move_on_after(seconds):
            await self._written.wait()

    @asynccontextmanager
    async def watching(self, uris: Iterable[str]) -> AsyncIterator[None]:
        """Look at these resources meanwhile. Changes after entry are told, those before are not."""
        uris = list(uris)
        await self._watch(uris)
        try:
            yield
        finally:
            self._unwatch(uris)

    async def subscribe(self, session: ServerSession, uri: str) -> None:
        """Tell a connection of the handshake era of every change of one resource, or of the list of them."""
        connection = _connection(session)
        subscriber = self._subscribers.pop(connection, None) or _Subscriber(session)
        self._subscribers[connection] = subscriber  # now the youngest
        if len(self._subscribers) > _SUBSCRIBERS_MAX:
            # A connection that went away cannot be told from a silent one; the oldest gives way.
            oldest = self._subscribers.pop(next(iter(self._subscribers)))
            self._unwatch(oldest.uris)
        if uri not in subscriber.uris:
            subscriber.uris.add(uri)
            await self._watch([uri])

    def unsubscribe(self, session: ServerSession, uri: str) -> None:
        """Tell the connection no more of this resource."""
        subscriber = self._subscribers.get(_connection(session))
        if subscriber is None or uri not in subscriber.uris:
            return
        subscriber.uris.discard(uri)
        self._unwatch([uri])
        if not subscriber.uris:
            del self._subscribers[_connection(session)]

    async def run(self) -> None:
        """Look and tell, for as long as the server serves."""
        while True:
            if not self._watched:
                self._wanted = anyio.Event()
                await self._wanted.wait()
            await self.sleep(LOOKS_APART_S)
            await self.look()

    async def look(self) -> None:
        """Look once at everything watched and tell what changed."""
        watched = list(self._watched)
        marks = await self._threads.run("wait", lambda: {uri: self._marked(uri) for uri in watched})
        for uri, mark in marks.items():
            if uri in self._marks and self._marks[uri] != mark:
                self._marks[uri] = mark
                await self._tell(uri)

    async def _tell(self, uri: str) -> None:
        await self.bus.publish(ResourcesListChanged() if uri == RECENT else ResourceUpdated(uri))
        for connection, subscriber in list(self._subscribers.items()):
            if uri not in subscriber.uris:
                continue
            # One client that reads nothing must not keep the others waiting, nor for long.
            with anyio.move_on_after(_TOLD_WITHIN_S) as telling:
                if uri == RECENT:
                    await subscriber.session.send_resource_list_changed()
                else:
                    await subscriber.session.send_resource_updated(uri)
            if telling.cancelled_caught and connection in self._subscribers:
                del self._subscribers[connection]
                self._unwatch(subscriber.uris)

    async def _watch(self, uris: list[str]) -> None:
        new = [uri for uri in uris if uri not in self._marks]
        # The first mark is taken before the subscription is confirmed: a change right after is seen.
        self._marks.update(await self._threads.run("wait", lambda: {uri: self._marked(uri) for uri in new}))
        self._watched.update(uris)
        self._wanted.set()

    def _unwatch(self, uris: Iterable[str]) -> None:
        self._watched.subtract(uris)
        for uri in [uri for uri, count in self._watched.items() if count <= 0]:
            del self._watched[uri]
            self._marks.pop(uri, None)

    def _marked(self, uri: str) -> Mark:
        try:
            return self._mark(uri)
        except Exception:  # the edge: one resource that cannot be looked at must not end all notices
            _log.warning("cannot look at %s", uri, exc_info=True)
            return None


def _connection(session: ServerSession) -> int:
    """One number for every request of one connection: its handshake is one object, kept with the session."""
    return id(session.client_params)
