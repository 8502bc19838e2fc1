"""Reopens a connection that was lost while it was idle, so that the next sentence need not wait for it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from agent.errors import ProviderError


class Renewal:
    """Reopens the connection once until it is used again, so that a server that always hangs up is not asked all the
    time."""

    def __init__(self, connect: Callable[[], Awaitable[None]]) -> None:
        self._connect = connect
        self._task: asyncio.Task[None] | None = None

    def lost(self, problem: ProviderError | None) -> None:
        """Note that the connection was lost because of `problem`, and reopen it if the problem may pass."""
        if self._task is None and problem is not None and problem.temporary:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="renewal")

    def used(self) -> None:
        """Note that the connection is used, so that it may be reopened once more."""
        self._task = None

    async def close(self) -> None:
        """Stop reopening the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _run(self) -> None:
        with contextlib.suppress(ProviderError):  # the next sentence tries again, and reports the error
            await self._connect()
