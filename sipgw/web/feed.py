"""Sends changes to open browsers as server-sent events: at most once a second, and only the differences."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from fastapi import HTTPException
from fastapi.responses import StreamingResponse

from sipgw.bounds import FULL, NoPlace, Places
from sipgw.calls.session import CallSession, Row
from sipgw.records.store.seen_by import seen_by
from sipgw.sip.boundaries import contained

EVERY = 1.0
"""Seconds between two checks of the calls."""
WAITING = 8
"""Messages that may wait for a slow browser; with any more they are dropped, and the browser gets the whole board."""
BROWSERS = 100
"""Browsers that may read the feed at the same time."""
ALIVE = b": still here\n\n"
AT_MOST = 600.0
"""Seconds of one stream. The browser asks for another at once."""
CLOSED = b"event: closed\ndata: {}\n\n"
ALIVE_EVERY = 15.0
"""Seconds between keep-alives: proxies close idle connections."""


class BoardChange(NamedTuple):
    """An update of a board; only the fields that differ."""

    rows: dict[str, Row]
    gone: list[str]

    def __bool__(self) -> bool:
        return bool(self.rows or self.gone)


class LiveCallBoard:
    """The state that all browsers have received."""

    def __init__(self, tenant: str = "") -> None:
        """The board shows the calls of `tenant`, without their trunks; an empty `tenant` means all calls."""
        self.tenant = tenant
        self.rows: dict[str, Row] = {}

    def change(self, calls: Mapping[str, CallSession]) -> BoardChange:
        """Compare `calls` with the board; returns the differences, and updates the board."""
        now = {call: seen_by(session.row(), self.tenant) for call, session in calls.items()}
        gone = [call for call in self.rows if call not in now]
        changed = {}
        for call, new in now.items():
            old = self.rows.get(call)
            if old is None:
                changed[call] = new
            elif differs := {name: value for name, value in new.items() if old[name] != value}:
                changed[call] = differs
        self.rows = now
        return BoardChange(changed, gone)


class Feed:
    """One feed for all browsers: each change is encoded once."""

    def __init__(self, calls: Callable[[], Mapping[str, CallSession]]) -> None:
        self.places = Places("browsers that look on", BROWSERS)
        self.dropped = 0
        """Messages that slow browsers did not get."""
        self._calls = calls
        self._boards: dict[str, LiveCallBoard] = {}
        """The board of each tenant that somebody reads; the board of all calls has an empty name."""
        self._readers: dict[asyncio.Queue[bytes], str] = {}
        """The tenant whose board each reader gets, by the reader's queue."""
        self._watched = asyncio.Event()

    async def run(self) -> None:
        """Check the calls while a browser is connected."""
        while True:
            await self._watched.wait()
            await asyncio.sleep(EVERY)
            with contained("the live page was not told"):
                self.tick()

    def tick(self) -> None:
        """Check now, and send the changes to all browsers."""
        calls = self._calls()
        for tenant, board in self._boards.items():
            own = {call: one for call, one in calls.items() if not tenant or one.info.tenant == tenant}
            if change := board.change(own):
                self._send(tenant, event("change", {"rows": change.rows, "gone": change.gone}))

    def _send(self, tenant: str, message: bytes) -> None:
        for queue in [queue for queue, read in self._readers.items() if read == tenant]:
            if queue.full():
                self.dropped += queue.qsize()
                FULL["changes for a browser"] += queue.qsize()
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(self._whole(tenant))  # a change is useless without the changes before it
            else:
                queue.put_nowait(message)

    async def read(self, tenant: str) -> AsyncGenerator[bytes, None]:
        """The whole board of `tenant` (empty: all calls), then the changes, until the feed is closed. Raises
        `NoPlace`."""
        with self.places.held(tenant):
            queue: asyncio.Queue[bytes] = asyncio.Queue(WAITING)
            self._boards.setdefault(tenant, LiveCallBoard(tenant))
            self.tick()
            queue.put_nowait(self._whole(tenant))
            self._readers[queue] = tenant
            self._watched.set()
            try:
                now, message = asyncio.get_running_loop().time, b""
                ends = now() + AT_MOST
                while message != CLOSED and now() < ends:
                    message = ALIVE
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(ALIVE_EVERY):
                            message = await queue.get()
                    yield message
            finally:
                del self._readers[queue]
                if tenant not in self._readers.values():
                    del self._boards[tenant]
                if not self._readers:
                    self._watched.clear()

    def close(self) -> None:
        """End the streams of all browsers."""
        for queue in self._readers:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(CLOSED)

    def _whole(self, tenant: str) -> bytes:
        return event("board", {"rows": self._boards[tenant].rows})


def event(name: str, data: Any) -> bytes:
    """A server-sent event."""
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


async def streamed(
    events: AsyncGenerator[bytes, None], full: str, lost: Callable[[], Awaitable[bool]]
) -> StreamingResponse:
    """The answer that sends `events` until `lost`. The stream is begun before the status is sent, so that it has its
    place. Raises 503 with the reason `full` if there is no place."""
    try:
        first = await anext(events)
    except NoPlace:
        raise HTTPException(503, full, {"Retry-After": "30"}) from None

    async def whole() -> AsyncIterator[bytes]:
        async with contextlib.aclosing(events):
            yield first
            async for one in events:
                if await lost():
                    return
                yield one

    return StreamingResponse(whole(), media_type="text/event-stream")
