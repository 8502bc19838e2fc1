"""How the tests of all streaming STT listen: an open STT, read all the time."""

import asyncio
import random
from typing import Any

import pytest

from agent.errors import ProviderError
from agent.stt import SpeechToText, Transcript, Word
from tests.fakes.assemblyai import Said
from tests.waiting import HANG


def sound(milliseconds: int) -> bytes:
    """Mu-law in which all 256 codes occur."""
    return random.Random(1).randbytes(milliseconds * 8)


class Reader:
    """Reads the events all the time, as a conversation does."""

    def __init__(self, session: Any) -> None:
        """`session` is anything with `events()`."""
        self._session = session
        self._queue: asyncio.Queue = asyncio.Queue()

    async def run(self) -> None:
        try:
            async for event in self._session.events():
                self._queue.put_nowait(event)
            self._queue.put_nowait(None)
        except ProviderError as error:
            self._queue.put_nowait(error)

    async def next(self):
        async with asyncio.timeout(HANG):
            event = await self._queue.get()
        if isinstance(event, Exception):
            raise event
        return event

    async def final(self) -> Transcript:
        while True:
            event = await self.next()
            if isinstance(event, Transcript) and event.final:
                return event

    async def matching(self, **fields) -> Transcript:
        """The next transcript with these fields."""
        while True:
            event = await self.next()
            if isinstance(event, Transcript) and all(getattr(event, name) == value for name, value in fields.items()):
                return event


async def listen(stt: SpeechToText, scenario):
    """Open `stt`, run `scenario(stt, reader)` and close them."""
    await stt.open()
    reader = Reader(stt)
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(reader.run())
        try:
            return await scenario(stt, reader)
        finally:
            await stt.close()
            await reading


async def refused(stt: SpeechToText) -> ProviderError:
    """Why `stt` could not be opened."""
    with pytest.raises(ProviderError) as caught:
        await stt.open()
    await stt.close()
    return caught.value


def placed(*said: Said) -> tuple[Word, ...]:
    """The words of what is said, each in its place."""
    words = (word for one in said for word in one.words(final=True))
    return tuple(Word(word["text"], word["start"] / 1000, word["end"] / 1000) for word in words)
