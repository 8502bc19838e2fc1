"""Meters the use of providers in a call, and reports it at once: seconds of STT, tokens, characters of TTS."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from functools import partial
from types import MethodType
from typing import Any, TypeVar
from weakref import WeakMethod

from agent.errors import ProviderError
from agent.line import SAMPLE_RATE
from agent.llm import LanguageModel, Message, Piece, Text, ToolCall, ToolSchema, Usage
from agent.records import Used
from agent.stt import SpeechToText
from agent.tts import Inquiry, Speech, TextToSpeech
from agent.wrappers import LlmWrapper, SttWrapper, TtsWrapper

T = TypeVar("T")

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


SENT_AGAIN: ContextVar[Callable[[], None]] = ContextVar("sent again", default=lambda: None)
"""Counts what a provider is being asked for once more."""


def sent_again() -> None:
    """Have what is being asked counted once more: for a provider's client that sends the same a second time by itself,
    after the first may have reached the service, which bills both."""
    SENT_AGAIN.get()()


async def _asked(stream: AsyncGenerator[T, None], again: Callable[[], None]) -> AsyncGenerator[T, None]:
    """Pass `stream` on; `sent_again` calls `again` in all that it does."""
    async with aclosing(stream):
        while True:
            before = SENT_AGAIN.set(again)  # for this step alone: between them the reader's code runs in this context
            try:
                piece = await anext(stream)
            except StopAsyncIteration:
                return
            finally:
                SENT_AGAIN.reset(before)
            yield piece


class MeteredStt(SttWrapper):
    """STT whose sound is counted, as that of the product `by`."""

    def __init__(self, stt: SpeechToText, report: UsageReport, by: str = "") -> None:
        super().__init__(stt)
        self._report = report
        self._by = by
        self._samples = 0

    def send_audio(self, ulaw: bytes) -> None:
        """See `SpeechToText.send_audio`."""
        self._stt.send_audio(ulaw)
        self._samples += len(ulaw)
        if self._samples >= REPORTED * SAMPLE_RATE:
            self._tell()

    def set_language(self, language: str, keyterms: Sequence[str] = ()) -> None:
        """See `SpeechToText.set_language`. Another language may take another model, at another price."""
        self._tell()
        super().set_language(language, keyterms)
        self._by = getattr(self._stt, "product", "") or self._by

    async def close(self) -> None:
        """See `SpeechToText.close`."""
        self._tell()
        await self._stt.close()

    def _tell(self) -> None:
        samples, self._samples = self._samples, 0
        if samples:
            self._report(Used("stt", self._by or self.name, "seconds", samples / SAMPLE_RATE))


class MeteredLlm(LlmWrapper):
    """A model whose tokens are counted, as those of the product `by`; without `report` for whichever call asks it.

    One that refuses or cannot be reached uses nothing; one that takes too long may be at work.
    """

    def __init__(self, llm: LanguageModel, report: UsageReport | None = None, by: str = "") -> None:
        super().__init__(llm)
        self._report = report
        self._by = by or llm.name

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncGenerator[Piece, None]:
        """See `LanguageModel.reply`."""
        usage: Usage | None = None
        said, begun, refused, report = 0, False, False, self._report or METER.get()

        def count(used: Usage) -> None:
            report(Used("llm", self._by, "tokens_in", used.prompt))
            report(Used("llm", self._by, "tokens_out", used.completion))

        def estimate() -> Usage:
            asked = sum(_length(message) for message in messages) + sum(len(str(one)) for one in tools)
            return Usage(asked // CHARACTERS_PER_TOKEN, -(-said // CHARACTERS_PER_TOKEN))

        try:
            async with aclosing(_asked(self._llm.reply(messages, tools), lambda: count(estimate()))) as pieces:
                async for piece in pieces:
                    begun = True
                    if isinstance(piece, Usage):
                        usage = piece
                    elif isinstance(piece, Text | ToolCall):
                        said += len(piece.delta if isinstance(piece, Text) else piece.arguments)
                    yield piece
        except ProviderError as error:
            refused = error.refused and not begun
            raise
        finally:
            if usage is not None or not refused:
                count(usage or estimate())


class ChargedLlm(LlmWrapper):
    """A model that one call asks, from whichever task: `report` is told what is used."""

    def __init__(self, llm: LanguageModel, report: UsageReport) -> None:
        super().__init__(llm)
        self._report = report

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncGenerator[Piece, None]:
        """See `LanguageModel.reply`."""
        meter(self._report)  # the task may have been begun from elsewhere, by a request of the dashboard
        async with aclosing(self._llm.reply(messages, tools)) as pieces:
            async for piece in pieces:
                yield piece


def _length(message: Message) -> int:
    content: Any = message.get("content")
    return len(content) if isinstance(content, str) else 0


class MeteredTts(TtsWrapper):
    """A voice whose characters are counted, as those of the product `by`, whether anybody hears them or not.

    They count from the first sound on, and at the latest when nobody waits for it any more: the provider makes all of a
    sentence that it has taken, each time that it is sent (see `sent_again`). One that refuses or cannot be reached uses
    nothing.
    """

    def __init__(self, tts: TextToSpeech, report: UsageReport, by: str = "") -> None:
        super().__init__(tts)
        self._report = report
        self._by = by or tts.name

    async def speak(self, text: str, before: str = "") -> AsyncGenerator[Speech, None]:
        """See `TextToSpeech.speak`."""
        counts, used = True, Used("tts", self._by, "characters", len(text))
        try:
            async with aclosing(_asked(self._tts.speak(text, before), lambda: self._report(used))) as sounds:
                async for sound in sounds:
                    if counts:
                        counts = False
                        self._report(used)
                    yield sound._replace(ask=partial(self._ask, sound)) if isinstance(sound, Inquiry) else sound
        except ProviderError as error:
            counts = counts and not error.refused
            raise
        finally:
            if counts:
                self._report(used)

    def _ask(self, inquiry: Inquiry, samples: int, told: Callable[[int], None]) -> None:
        if inquiry.characters:
            self._report(Used("tts", self._by, "characters", inquiry.characters))
        inquiry.ask(samples, told)


def metered_stt(make: Callable[[], SpeechToText], by: str) -> Callable[[], SpeechToText]:
    """Makes STT whose sound is counted for the call that they are made in."""
    return lambda: MeteredStt(make(), METER.get(), by)


def metered_tts(make: Callable[[], TextToSpeech], by: str) -> Callable[[], TextToSpeech]:
    """Makes a voice whose characters are counted for the call that it is made in."""
    return lambda: MeteredTts(make(), METER.get(), by)
