"""The events of a line that wait for the one conversation that takes them."""

import asyncio
from collections import deque

from agent.line import LineEvent


class LineEvents:
    """A queue with one reader and no limit. `asyncio.Queue` counts readers, writers and tasks at each event."""

    def __init__(self) -> None:
        self._waiting: deque[LineEvent] = deque()
        self._reader: asyncio.Future[None] | None = None

    def qsize(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def empty(self) -> bool:
        """Whether none waits."""
        return not self._waiting

    def put_nowait(self, event: LineEvent) -> None:
        """Append an event and wake the reader."""
        self._waiting.append(event)
        reader, self._reader = self._reader, None
        if reader is not None and not reader.done():
            reader.set_result(None)

    def get_nowait(self) -> LineEvent:
        """The oldest one. Raises `IndexError` if there is none."""
        return self._waiting.popleft()

    async def get(self) -> LineEvent:
        """The oldest one, as soon as there is one."""
        while not self._waiting:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        return self._waiting.popleft()
