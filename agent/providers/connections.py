"""Connections to providers: they are opened before they are needed."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2


class Warming:
    """A connection that is opened while nobody waits for it, by a request whose answer does not matter."""

    def __init__(self, request: Callable[[], Awaitable[Any]], *faults: type[Exception]) -> None:
        """`request` makes one of an HTTP client that keeps connections, without the key; `faults` are what it raises
        beside `httpx2`'s errors.
        """
        self._faults: tuple[type[Exception], ...] = (httpx2.HTTPError, httpx2.InvalidURL, *faults)
        self._task = asyncio.get_running_loop().create_task(self._open(request), name="warming")

    async def _open(self, request: Callable[[], Awaitable[Any]]) -> None:
        with contextlib.suppress(*self._faults):  # who needs the connection will be told
            await request()

    @property
    def going_on(self) -> bool:
        """Whether it neither stands yet nor cannot be had."""
        return not self._task.done()

    async def done(self) -> None:
        """Wait until it stands, or cannot be had."""
        await asyncio.wait((self._task,))

    async def stop(self) -> None:
        """Give it up; safe to call at any time."""
        self._task.cancel()
        await self.done()
