"""The connections of the web server, with limits that strangers cannot use up for others.

uvicorn gives a connection that sends nothing, or half a request, all the time in the world. Here a request has to be
complete in time, who asks has to read the answer, one address has a share of the connections, and where all are taken,
the oldest one that waits for its browser makes room. Health is answered whatever the number.
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
"""Further connections, for probes of the health; beyond them, the oldest one that waits for its browser is closed."""
PER_ADDRESS = 100
"""Connections of one address, or of one /64; a proxy's are not counted."""
REQUEST_LIMIT = 20.0
"""Seconds in which a request must be complete, from the connection or the end of the answer before; and in which a
browser must take something of an answer."""
HEALTH = ("/healthz", "/readyz")
COMPLETE = (h11.DONE, h11.MUST_CLOSE, h11.CLOSED, h11.ERROR)
"""States of a browser that has asked all of a request."""


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
        """Whether no more requests are answered than those for health."""
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
        """It is closed, or has become a websocket."""
        self._waiting.pop(one, None)
        if (source := self._all.pop(one, None)) is not None:
            self._of[source] -= 1
            if not self._of[source]:
                del self._of[source]

    def waits(self, one: "LimitedProtocol") -> None:
        """A connection waits for the rest of a request, or for somebody to read the answer."""
        if one in self._all:
            self._waiting[one] = None

    def asked(self, one: "LimitedProtocol") -> None:
        """Its request is complete, and its answer is read."""
        self._waiting.pop(one, None)

    def bounded(self, app: ASGIApp) -> ASGIApp:
        """`app`, but 503 for all except health while too many are connected."""

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
        """Count it, or close it."""
        super().connection_made(transport)
        if self._places.add(self, self.client[0] if self.client else "0.0.0.0"):
            self._wait()
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it no more."""
        self._leave()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Read what has come; the time limit ends with the request."""
        super().handle_events()
        if self.conn.their_state in COMPLETE:
            self._asked()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Leave the connection to websockets, which have a time limit and bounds of their own."""
        self._leave()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """Wait for the next request: uvicorn's own limit holds until its first byte, ours from here on."""
        super().on_response_complete()
        if not self.transport.is_closing() and self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._wait()

    def pause_writing(self) -> None:
        """The browser does not read its answer: it has as long as for a request."""
        super().pause_writing()
        self._wait()

    def resume_writing(self) -> None:
        """It reads again. If that was the end of the answer, the next request is waited for already."""
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
