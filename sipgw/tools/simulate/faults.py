"""Fault injection: wrappers around providers that stall, delay, break off or refuse."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace
from itertools import count

from agent.errors import ProviderError
from agent.line import SAMPLE_RATE
from agent.llm import LanguageModel, Message, Piece, ToolSchema
from agent.stt import SpeechToText, SttEvent, Transcript
from agent.tts import Speech, TextToSpeech, sound_alone
from agent.wrappers import LlmWrapper, SttWrapper, TtsWrapper
from sipgw.agents.providers import Providers
from sipgw.tools.simulate.scenario import ProviderFaults


def wrapped(providers: Providers, options: ProviderFaults, seed: int) -> Providers:
    """`providers` with the faults of the scenario; the same seed gives the same random values."""
    chances = (random.Random(f"{seed} voice {number}") for number in count())
    return replace(
        providers,
        stt=lambda: FaultyStt(providers.stt(), options),
        llm=FaultyLlm(providers.llm, options),
        tts=lambda language: FaultyTts(providers.tts(language), options, next(chances)),
    )


def _refused(part: str) -> ProviderError:
    return ProviderError(part, "is down (simulated)", temporary=False)


class FaultyStt(SttWrapper):
    """STT whose words are late in every second turn, whose session breaks off, or which stops reporting."""

    def __init__(self, stt: SpeechToText, options: ProviderFaults) -> None:
        super().__init__(stt)
        self._options = options
        self._heard = 0
        self._session = asyncio.timeout(None)

    async def open(self) -> None:
        """See `agent.stt.SpeechToText`."""
        if self._options.down == "stt":
            raise _refused("stt")
        await self._stt.open()

    def send_audio(self, ulaw: bytes) -> None:
        """See `agent.stt.SpeechToText`."""
        limit, before = self._options.stt_lost * SAMPLE_RATE, self._heard
        self._heard += len(ulaw)
        if before < limit <= self._heard:
            self._session.reschedule(asyncio.get_running_loop().time())
        self._stt.send_audio(ulaw)

    async def events(self) -> AsyncIterator[SttEvent]:
        """See `agent.stt.SpeechToText`."""
        turns, events = 0, self._stt.events()
        while True:
            try:
                async with asyncio.timeout(None) as self._session:
                    event = await anext(events, None)
            except TimeoutError:
                raise ProviderError(self.name, "the session was lost (simulated)") from None
            if event is None:
                return
            if 0 < self._options.stt_deaf * SAMPLE_RATE <= self._heard:
                continue
            if isinstance(event, Transcript) and event.final:
                turns += 1
                if turns % 2 == 0:
                    await asyncio.sleep(self._options.stt_stall)
            yield event


class FaultyLlm(LlmWrapper):
    """An LLM with an additional delay."""

    def __init__(self, llm: LanguageModel, options: ProviderFaults) -> None:
        super().__init__(llm)
        self._options = options

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncGenerator[Piece, None]:
        """See `agent.llm.LanguageModel`."""
        if self._options.down == "llm":
            raise _refused("llm")
        await asyncio.sleep(self._options.llm_slow)
        inner = self._llm.reply(messages, tools)
        try:
            async for piece in inner:
                yield piece
        finally:
            await inner.aclose()

    async def close(self) -> None:
        """Do nothing: the owner of the wrapped model closes it."""


class FaultyTts(TtsWrapper):
    """TTS that is slow, or breaks off."""

    def __init__(self, tts: TextToSpeech, options: ProviderFaults, chance: random.Random) -> None:
        super().__init__(tts)
        self._options = options
        self._chance = chance

    async def open(self) -> None:
        """See `agent.tts.TextToSpeech`."""
        if self._options.down == "tts":
            raise _refused("tts")
        await self._tts.open()

    async def speak(self, text: str, before: str = "") -> AsyncGenerator[Speech, None]:
        """See `agent.tts.TextToSpeech`."""
        breaks = self._chance.random() < self._options.tts_drop
        await asyncio.sleep(self._options.tts_slow)
        inner = self._tts.speak(text, before)
        try:
            if breaks:
                pieces = [piece async for piece in sound_alone(inner)]
                sound = b"".join(pieces)
                yield sound[: len(sound) // 2]
                raise ProviderError(self.name, "the connection was lost in the middle of a sentence (simulated)")
            async for piece in inner:
                yield piece
        finally:
            await inner.aclose()
