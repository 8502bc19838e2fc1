"""The connections of the web server, with limits that strangers cannot use up for others.

uvicorn gives a connection that sends nothing, or half a request, unlimited time. Here a request must be complete in
time, and the browser must read the answer. One address has a limited number of connections. If all connections are
taken, the oldest one that waits for its browser is closed. Requests for health are always answered.
"""

import asyncio
from collections import Counter
from collections.abc import Collection
from typing import Any

import h11
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from sipgw.bounds import FULL
from sipgw.config.networks import site

CONNECTIONS = 300
"""Requests at the same time; one more is answered 503."""
RESERVE = 50
"""Further connections, for probes of health. Beyond them the oldest connection that waits for its browser is closed."""
PER_ADDRESS = 100
"""Connections of one address, or of one /64; connections of a proxy are not counted."""
REQUEST_LIMIT = 20.0
"""Seconds from the connection, or from the end of the last answer, until a request must be complete. A browser also
has as long to take a part of an answer."""
HEALTH = ("/healthz", "/readyz")
COMPLETE = (h11.DONE, h11.MUST_CLOSE, h11.CLOSED, h11.ERROR)
"""States of a connection whose request has come completely."""


class Connections:
    """All connections of one server."""

    def __init__(self, proxies: Collection[str]) -> None:
        self._proxies = frozenset(proxies)
        self._all: dict[LimitedProtocol, str] = {}
        """The site of each connection, the oldest first."""
        self._of: Counter[str] = Counter()
        self._waiting: dict[LimitedProtocol, None] = {}
        """Connections whose request is not complete, or whose answer is not read, the oldest first."""

    @property
    def full(self) -> bool:
        """Whether only requests for health are answered, because too many others are in progress."""
        return len(self._all) - len(self._waiting) > CONNECTIONS

    def add(self, one: "LimitedProtocol", host: str) -> bool:
        """Count a new connection from `host`; False if it must be closed."""
        source = "" if host in self._proxies else site(host)
        if source and self._of[source] >= PER_ADDRESS:
            FULL["connections of browsers"] += 1
            return False
        if len(self._all) >= CONNECTIONS + RESERVE:
            FULL["connections of browsers"] += 1
            oldest = next(iter(self._waiting), None)
            if oldest is None:
                return False
            self.remove(oldest)
            oldest.transport.abort()
        self._all[one] = source
        self._of[source] += 1
        return True

    def remove(self, one: "LimitedProtocol") -> None:
        """Forget a connection that is closed, or has become a websocket."""
        self._waiting.pop(one, None)
        if (source := self._all.pop(one, None)) is not None:
            self._of[source] -= 1
            if not self._of[source]:
                del self._of[source]

    def waits(self, one: "LimitedProtocol") -> None:
        """Note that a connection waits for its browser: for the rest of a request, or for reading the answer."""
        if one in self._all:
            self._waiting[one] = None

    def asked(self, one: "LimitedProtocol") -> None:
        """Note that a connection does not wait for its browser any more."""
        self._waiting.pop(one, None)

    def bounded(self, app: ASGIApp) -> ASGIApp:
        """An application that answers like `app`, but with 503 to all requests except health while `full`."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            busy = self.full and scope["type"] == "http" and scope["path"] not in HEALTH
            await (PlainTextResponse("Too many are connected.\n", 503) if busy else app)(scope, receive, send)

        return answer


class LimitedProtocol(H11Protocol):
    """A connection that has to complete each request in time."""

    def __init__(self, places: Connections, **given: Any) -> None:
        super().__init__(**given)
        self._places = places
        self._limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, or close it."""
        super().connection_made(transport)
        if self._places.add(self, self.client[0] if self.client else "0.0.0.0"):
            self._wait()
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting the connection."""
        self._leave()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Read received bytes; the time limit ends when the request is complete."""
        super().handle_events()
        if self.conn.their_state in COMPLETE:
            self._asked()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Leave the connection to websockets, which have a time limit and bounds of their own."""
        self._leave()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """Begin to wait for the next request. uvicorn's own limit ends at its first byte; ours starts now."""
        super().on_response_complete()
        if not self.transport.is_closing() and self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._wait()

    def pause_writing(self) -> None:
        """Start the time limit, because the browser does not read its answer."""
        super().pause_writing()
        self._wait()

    def resume_writing(self) -> None:
        """End the time limit, because the browser reads again; not if the connection waits for the next request
        already."""
        super().resume_writing()
        if self.conn.their_state in COMPLETE:
            self._asked()

    def _wait(self) -> None:
        self._places.waits(self)
        if self._limit is None:
            self._limit = self.loop.call_later(REQUEST_LIMIT, self.transport.abort)

    def _asked(self) -> None:
        self._places.asked(self)
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _leave(self) -> None:
        self._asked()
        self._places.remove(self)
