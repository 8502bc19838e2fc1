"""The questions of the gateway to a media process: each answer carries the number of its question."""

import asyncio
from collections.abc import Callable

from media.process import wire
from media.process.channel import ANSWER_LIMIT
from media.process.wire import Kind, Message


class Questions:
    """Asks one question at a time, so that many readers delay no sound."""

    def __init__(self, send: Callable[[Message], bool]) -> None:
        """`send` sends an order, and tells whether it could."""
        self.late = 0
        """Answers that came after the time limit of their question; they were dropped."""
        self._send = send
        self._turn = asyncio.Lock()
        self._number = 0
        self._answer: asyncio.Future[bytes] | None = None

    async def ask(self, kind: Kind, channel: int, body: bytes) -> bytes:
        """Ask a question and return the answer; empty if the process does not run, or does not answer in time."""
        async with self._turn:
            self._number = (self._number + 1) & 0xFFFF_FFFF
            if not self._send(Message(kind, channel, wire.NUMBER.pack(self._number) + body)):
                return b""
            self._answer = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(ANSWER_LIMIT):
                    return await self._answer
            except TimeoutError:
                return b""
            finally:
                self._answer = None

    def answered(self, body: bytes) -> None:
        """Take an answer: the number of its question, and what `ask` returns."""
        (number,) = wire.NUMBER.unpack_from(body)
        if self._answer and number == self._number and not self._answer.done():
            self._answer.set_result(body[wire.NUMBER.size :])
        else:
            self.late += 1
