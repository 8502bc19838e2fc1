"""Streams that are read before it is certain that they are needed."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from agent.errors import ProviderError

T = TypeVar("T")
Spawn = Callable[[Coroutine[Any, Any, Any]], asyncio.Task[None]]

AHEAD = 1000
"""Pieces that may wait to be taken; with so many the stream is read no further."""


class Ahead(Generic[T]):
    """Reads a provider's stream at once, before its pieces are needed. If they are not needed, the stream is closed
    without effect."""

    def __init__(
        self, stream: AsyncGenerator[T, None], spawn: Spawn, on_begin: Callable[[], None] = lambda: None
    ) -> None:
        """`on_begin` is called when the first piece comes, which may be long before it is read."""
        self._pieces: asyncio.Queue[T | ProviderError | None] = asyncio.Queue(AHEAD)
        self._come = asyncio.Event()
        self._begun = False
        self._on_begin = on_begin
        self._task = spawn(self._read(stream))

    async def comes(self, seconds: float) -> bool:
        """Wait for the next piece, or the end; returns whether it came within so many seconds."""
        self._come.clear()
        try:
            async with asyncio.timeout(seconds):
                while self._pieces.empty():
                    await self._come.wait()
        except TimeoutError:
            return False
        return True

    async def _read(self, stream: AsyncGenerator[T, None]) -> None:
        end: ProviderError | None = None
        try:
            async with aclosing(stream) as pieces:
                async for piece in pieces:
                    if not self._begun:
                        self._on_begin()
                        self._begun = True
                    await self._put(piece)
        except ProviderError as error:
            end = error
        await self._put(end)

    async def _put(self, piece: T | ProviderError | None) -> None:
        await self._pieces.put(piece)
        self._come.set()

    async def pieces(self) -> AsyncGenerator[T, None]:
        """The stream as if it had just been asked for. Raises `ProviderError` where the stream did."""
        try:
            while (piece := await self._pieces.get()) is not None:
                if isinstance(piece, ProviderError):
                    raise piece
                yield piece
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Close the stream and throw its pieces away."""
        self._task.cancel()
