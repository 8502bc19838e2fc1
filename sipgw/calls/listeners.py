"""Live listeners of a call. Each gets both directions as mu-law stereo; a slow one loses the oldest blocks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

from sipgw.bounds import FULL

KEPT = 50
"""Blocks of 100 ms that wait for a slow listener."""
MOST = 20
"""Listeners of one call."""


class TooManyListeners(Exception):  # noqa: N818  a state, not a fault
    """No more people may listen."""


class Listeners:
    """The listeners of one call. Without listeners the media process sends no sound for them."""

    def __init__(self, tap: Callable[[bool], None]) -> None:
        """`tap` is called with True when the first listener comes, and with False when the last one has left."""
        self._tap = tap
        self._queues: set[asyncio.Queue[bytes]] = set()

    @contextlib.contextmanager
    def listen(self) -> Iterator[AsyncIterator[bytes]]:
        """Yield the sound from now on to the end of the call: blocks of 100 ms, interleaved mu-law at 8 kHz.

        The caller is on the left, the agent or the person who speaks to them on the right. Raises `TooManyListeners`.
        """
        if len(self._queues) >= MOST:
            FULL["live listeners of a call"] += 1
            raise TooManyListeners(f"{MOST} people already listen")
        queue = asyncio.Queue[bytes](KEPT)
        self._queues.add(queue)
        try:
            if len(self._queues) == 1:
                self._tap(True)
            yield _read(queue)
        finally:
            self._queues.discard(queue)
            if not self._queues:
                self._tap(False)

    def hear(self, stereo: bytes) -> None:
        """Give a block to every listener; an empty block means that the call is over."""
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()
                FULL["sound for a listener"] += 1
            queue.put_nowait(stereo)


async def _read(queue: asyncio.Queue[bytes]) -> AsyncIterator[bytes]:
    while stereo := await queue.get():
        yield stereo
