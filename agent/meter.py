"""What a call uses of its providers, reported as it is used: seconds heard, tokens, characters spoken."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from types import MethodType
from typing import Any
from weakref import WeakMethod

from agent.errors import ProviderError
from agent.line import SAMPLE_RATE
from agent.llm import LanguageModel, Message, Piece, Text, ToolSchema, Usage
from agent.records import Used
from agent.stt import SpeechToText, SttEvent
from agent.tts import Speech, TextToSpeech
from agent.turn_taking.expect import OPEN, Expected

REPORTED = 5.0
"""Seconds of sound that are reported at a time."""
CHARACTERS_PER_TOKEN = 4
"""Of a reply that was broken off, or whose server tells no usage; English text has about that many."""

UsageReport = Callable[[Used], None]
METER: ContextVar[UsageReport] = ContextVar("meter", default=lambda used: None)
"""Is told what the call uses that this code runs for. Set it by `meter`."""


def meter(report: Callable[[Used], None]) -> None:
    """Tell `report` what this code uses from now on: a method of what holds the call as long as the call is there.

    The connections that are opened meanwhile outlive the call and keep this context, so it holds the call weakly.
    """
    told: Callable[[], Callable[[Used], None] | None]
    told = WeakMethod(report) if isinstance(report, MethodType) else lambda: report

    def tell(used: Used) -> None:
        if (there := told()) is not None:
            there(used)

    METER.set(tell)


class MeteredStt:
    """STT whose sound is counted, as that of the product `by`."""

    def __init__(self, stt: SpeechToText, report: UsageReport, by: str = "") -> None:
        self._stt = stt
        self._report = report
        self._by = by
        self._samples = 0

    @property
    def name(self) -> str:
        """Who hears now."""
        return self._stt.name

    @property
    def ends_turns(self) -> bool:
        """See `SpeechToText.ends_turns`."""
        return self._stt.ends_turns

    @property
    def longest_silence(self) -> float:
        """See `SpeechToText.longest_silence`."""
        return self._stt.longest_silence

    async def open(self) -> None:
        """See `SpeechToText.open`."""
        await self._stt.open()

    def send_audio(self, ulaw: bytes) -> None:
        """See `SpeechToText.send_audio`."""
        self._stt.send_audio(ulaw)
        self._samples += len(ulaw)
        if self._samples >= REPORTED * SAMPLE_RATE:
            self._tell()

    def expect(self, said: str, wanted: Expected = OPEN) -> None:
        """See `SpeechToText.expect`."""
        self._stt.expect(said, wanted)

    def attend(self, language: str) -> None:
        """See `SpeechToText.attend`."""
        self._stt.attend(language)

    def events(self) -> AsyncIterator[SttEvent]:
        """See `SpeechToText.events`."""
        return self._stt.events()

    async def close(self) -> None:
        """See `SpeechToText.close`."""
        self._tell()
        await self._stt.close()

    def _tell(self) -> None:
        samples, self._samples = self._samples, 0
        if samples:
            self._report(Used("stt", self._by or self.name, "seconds", samples / SAMPLE_RATE))


class MeteredLlm:
    """A model whose tokens are counted, as those of the product `by`; without `report` for whichever call asks it.

    One that refuses or cannot be reached uses nothing; one that takes too long may be at work.
    """

    def __init__(self, llm: LanguageModel, report: UsageReport | None = None, by: str = "") -> None:
        self.name = llm.name
        self._llm = llm
        self._report = report
        self._by = by or llm.name

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncGenerator[Piece, None]:
        """See `LanguageModel.reply`."""
        usage: Usage | None = None
        said, begun, refused, report = 0, False, False, self._report or METER.get()
        try:
            async with aclosing(self._llm.reply(messages, tools)) as pieces:
                async for piece in pieces:
                    begun = True
                    if isinstance(piece, Usage):
                        usage = piece
                    else:
                        said += len(piece.delta if isinstance(piece, Text) else piece.arguments)
                    yield piece
        except ProviderError as error:
            refused = error.refused and not begun
            raise
        finally:
            if usage is None and not refused:
                asked = sum(_length(message) for message in messages) + sum(len(str(one)) for one in tools)
                usage = Usage(asked // CHARACTERS_PER_TOKEN, -(-said // CHARACTERS_PER_TOKEN))
            if usage is not None:
                report(Used("llm", self._by, "tokens_in", usage.prompt))
                report(Used("llm", self._by, "tokens_out", usage.completion))

    async def close(self) -> None:
        """See `LanguageModel.close`."""
        await self._llm.close()


class ChargedLlm:
    """A model that one call asks, from whichever task: `report` is told what is used."""

    def __init__(self, llm: LanguageModel, report: UsageReport) -> None:
        self.name = llm.name
        self._llm = llm
        self._report = report

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncGenerator[Piece, None]:
        """See `LanguageModel.reply`."""
        meter(self._report)  # the task may have been begun from elsewhere, by a request of the dashboard
        async with aclosing(self._llm.reply(messages, tools)) as pieces:
            async for piece in pieces:
                yield piece

    async def close(self) -> None:
        """See `LanguageModel.close`."""
        await self._llm.close()


def _length(message: Message) -> int:
    content: Any = message.get("content")
    return len(content) if isinstance(content, str) else 0


class MeteredTts:
    """A voice whose characters are counted, as those of the product `by`, whether anybody hears them or not.

    They count from the first sound on, and at the latest when nobody waits for it any more: the provider makes all of a
    sentence that it has taken. One that refuses or cannot be reached uses nothing.
    """

    def __init__(self, tts: TextToSpeech, report: UsageReport, by: str = "") -> None:
        self._tts = tts
        self._report = report
        self._by = by or tts.name

    @property
    def name(self) -> str:
        """Who speaks."""
        return self._tts.name

    async def open(self) -> None:
        """See `TextToSpeech.open`."""
        await self._tts.open()

    async def speak(self, text: str, before: str = "") -> AsyncGenerator[Speech, None]:
        """See `TextToSpeech.speak`."""
        counts = True
        try:
            async with aclosing(self._tts.speak(text, before)) as sounds:
                async for sound in sounds:
                    if counts:
                        counts = False
                        self._report(Used("tts", self._by, "characters", len(text)))
                    yield sound
        except ProviderError as error:
            counts = counts and not error.refused
            raise
        finally:
            if counts:
                self._report(Used("tts", self._by, "characters", len(text)))

    async def close(self) -> None:
        """See `TextToSpeech.close`."""
        await self._tts.close()


def metered_stt(make: Callable[[], SpeechToText], by: str) -> Callable[[], SpeechToText]:
    """Makes STT whose sound is counted for the call that they are made in."""
    return lambda: MeteredStt(make(), METER.get(), by)


def metered_tts(make: Callable[[], TextToSpeech], by: str) -> Callable[[], TextToSpeech]:
    """Makes a voice whose characters are counted for the call that it is made in."""
    return lambda: MeteredTts(make(), METER.get(), by)
