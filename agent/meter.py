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
"""Characters in a token of English text, about: for a reply that was broken off, or whose server reports no usage."""

UsageReport = Callable[[Used], None]
METER: ContextVar[UsageReport] = ContextVar("meter", default=lambda used: None)
"""Called with what the current task or code uses from a provider. Set it by `meter`."""


def meter(report: Callable[[Used], None]) -> None:
    """Report to `report` what the current context uses from now on. If `report` is a method, its object is held only
    weakly.

    Connections that are opened in this context outlive the call and keep the context, so it must not keep the call
    alive.
    """
    told: Callable[[], Callable[[Used], None] | None]
    told = WeakMethod(report) if isinstance(report, MethodType) else lambda: report

    def tell(used: Used) -> None:
        if (there := told()) is not None:
            there(used)

    METER.set(tell)


SENT_AGAIN: ContextVar[Callable[[], None]] = ContextVar("sent again", default=lambda: None)
"""Called when a provider's client sends the same request once more."""


def sent_again() -> None:
    """Count the present request once more. Call it in a provider's client that itself repeats a request after the first
    may have reached the service, which bills both."""
    SENT_AGAIN.get()()


async def _asked(stream: AsyncGenerator[T, None], again: Callable[[], None]) -> AsyncGenerator[T, None]:
    """Pass `stream` on; a `sent_again` inside the stream calls `again`."""
    async with aclosing(stream):
        while True:
            before = SENT_AGAIN.set(again)  # only for this step: between two steps the reader's code runs here
            try:
                piece = await anext(stream)
            except StopAsyncIteration:
                return
            finally:
                SENT_AGAIN.reset(before)
            yield piece


class MeteredStt(SttWrapper):
    """STT whose seconds of sound are counted, under the product name `by`."""

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
    """A model whose tokens are counted, under the product name `by`. Without `report` they count for the call that
    asks.

    A model that refuses or cannot be reached uses nothing; a model that takes too long may have used tokens.
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
    """A model for one call, which any task may ask: `report` gets its use."""

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
    """A voice whose characters are counted, under the product name `by`, even if nobody hears them.

    The characters count from the first sound on, and at the latest when nobody waits for the sound any more. The
    provider makes all sound of a sentence that it has accepted, each time that it is sent (see `sent_again`). A
    provider that refuses or cannot be reached uses nothing.
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
    """A function that makes STT whose sound is counted for the call in whose context it is made."""
    return lambda: MeteredStt(make(), METER.get(), by)


def metered_tts(make: Callable[[], TextToSpeech], by: str) -> Callable[[], TextToSpeech]:
    """Makes a voice whose characters are counted for the call that it is made in."""
    return lambda: MeteredTts(make(), METER.get(), by)
