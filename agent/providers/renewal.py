"""A connection that is lost while nothing is asked of it is opened again at once: the next sentence finds it warm."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from agent.errors import ProviderError


class Renewal:
    """Opens it again, once: a server that hangs up again and again is left alone until it is used."""

    def __init__(self, connect: Callable[[], Awaitable[None]]) -> None:
        self._connect = connect
        self._task: asyncio.Task[None] | None = None

    def lost(self, problem: ProviderError | None) -> None:
        """It is lost because of `problem`."""
        if self._task is None and problem is not None and problem.temporary:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="renewal")

    def used(self) -> None:
        """It is there, and something is asked of it."""
        self._task = None

    async def close(self) -> None:
        """Open it no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _run(self) -> None:
        with contextlib.suppress(ProviderError):  # the next sentence tries again, and tells
            await self._connect()
