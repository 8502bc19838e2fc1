"""Providers that stall, dawdle, break off or refuse: wrapped around the real ones, at the seam of each part."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace
from itertools import count

from agent.ears import Ears, EarsEvent, Transcript
from agent.errors import ProviderError
from agent.line import SAMPLE_RATE
from agent.model import Message, Model, Piece, ToolSchema
from agent.voice import Voice
from sipgw.agents.providers import Providers
from sipgw.tools.simulate.scenario import ProviderOptions


def wrapped(providers: Providers, options: ProviderOptions, seed: int) -> Providers:
    """`providers` with what is wrong with them; chance is the same for the same seed."""
    chances = (random.Random(f"{seed} voice {number}") for number in count())
    return replace(
        providers,
        ears=lambda: FaultyEars(providers.ears(), options),
        model=FaultyModel(providers.model, options),
        voice=lambda language: FaultyVoice(providers.voice(language), options, next(chances)),
    )


def _refused(part: str) -> ProviderError:
    return ProviderError(part, "is down (simulated)", temporary=False)


class FaultyEars:
    """Ears whose words come late in every second turn, or which are lost, or turn deaf."""

    def __init__(self, ears: Ears, options: ProviderOptions) -> None:
        self.name, self.ends_turns = ears.name, ears.ends_turns
        self._ears = ears
        self._options = options
        self._heard = 0
        self._session = asyncio.timeout(None)

    async def open(self) -> None:
        """See `agent.ears.Ears`."""
        if self._options.down == "ears":
            raise _refused("ears")
        await self._ears.open()

    def hear(self, ulaw: bytes) -> None:
        """See `agent.ears.Ears`."""
        limit, before = self._options.ears_lost * SAMPLE_RATE, self._heard
        self._heard += len(ulaw)
        if before < limit <= self._heard:
            self._session.reschedule(asyncio.get_running_loop().time())
        self._ears.hear(ulaw)

    def expect(self, said: str) -> None:
        """See `agent.ears.Ears`."""
        self._ears.expect(said)

    def attend(self, language: str) -> None:
        """See `agent.ears.Ears`."""
        self._ears.attend(language)

    async def events(self) -> AsyncIterator[EarsEvent]:
        """See `agent.ears.Ears`."""
        turns, events = 0, self._ears.events()
        while True:
            try:
                async with asyncio.timeout(None) as self._session:
                    event = await anext(events, None)
            except TimeoutError:
                raise ProviderError(self.name, "the session was lost (simulated)") from None
            if event is None:
                return
            if 0 < self._options.ears_deaf * SAMPLE_RATE <= self._heard:
                continue
            if isinstance(event, Transcript) and event.final:
                turns += 1
                if turns % 2 == 0:
                    await asyncio.sleep(self._options.stt_stall)
            yield event

    async def close(self) -> None:
        """See `agent.ears.Ears`."""
        await self._ears.close()


class FaultyModel:
    """A model that thinks longer."""

    def __init__(self, model: Model, options: ProviderOptions) -> None:
        self.name = model.name
        self._model = model
        self._options = options

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncGenerator[Piece, None]:
        """See `agent.model.Model`."""
        if self._options.down == "model":
            raise _refused("model")
        await asyncio.sleep(self._options.llm_slow)
        inner = self._model.reply(messages, tools)
        try:
            async for piece in inner:
                yield piece
        finally:
            await inner.aclose()

    async def close(self) -> None:
        """Nothing: the real one is closed by whoever made it."""


class FaultyVoice:
    """A voice that dawdles, or breaks off."""

    def __init__(self, voice: Voice, options: ProviderOptions, chance: random.Random) -> None:
        self.name = voice.name
        self._voice = voice
        self._options = options
        self._chance = chance

    async def open(self) -> None:
        """See `agent.voice.Voice`."""
        if self._options.down == "voice":
            raise _refused("voice")
        await self._voice.open()

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """See `agent.voice.Voice`."""
        breaks = self._chance.random() < self._options.tts_drop
        await asyncio.sleep(self._options.tts_slow)
        inner = self._voice.speak(text)
        try:
            if breaks:
                pieces = [piece async for piece in inner]
                sound = b"".join(pieces)
                yield sound[: len(sound) // 2]
                raise ProviderError(self.name, "the connection was lost in the middle of a sentence (simulated)")
            async for piece in inner:
                yield piece
        finally:
            await inner.aclose()

    async def close(self) -> None:
        """See `agent.voice.Voice`."""
        await self._voice.close()
