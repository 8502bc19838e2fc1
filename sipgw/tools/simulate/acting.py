"""Scripted providers: the STT knows the caller's words, the LLM answers by the scenario. There is no network, no model
and no chance, so a scenario can assert every word.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field

from agent.history import SAMPLES_PER_CHARACTER
from agent.line import SAMPLE_RATE
from agent.llm import Message, Piece, Text, ToolCall, ToolSchema
from agent.stt import Onset, SttEvent, Transcript
from agent.turn_taking.expect import OPEN, Expected
from agent.vad import VoiceActivity
from sipgw.agents.providers import Providers
from sipgw.tools.simulate.scenario import ReplyOptions

FINAL = 0.307
THINKS = 0.3
VOICES = 0.15
"""Seconds until the final transcript, the first token and the first sound: published medians of providers."""
LETTER = bytes([0x90, 0x10, 0x91, 0x11]) * (SAMPLES_PER_CHARACTER // 4)
"""The sound of one letter, the same for every letter."""


@dataclass
class CallerSpeech:
    """The words that the caller speaks now, for the STT of one call."""

    spoken: deque[tuple[str, float]] = field(default_factory=deque)
    """The words still to be recognised, with their seconds of sound; no words for a noise."""


class ActingStt:
    """Detects speech in the received sound, and takes its words from the scenario."""

    name, ends_turns, longest_silence = "acting", True, FINAL

    def __init__(self, caller_speech: CallerSpeech) -> None:
        self._caller_speech = caller_speech
        self._events: asyncio.Queue[SttEvent | None] = asyncio.Queue()
        self._activity = VoiceActivity()
        self._heard = 0
        self._now: tuple[str, int, int] | None = None
        """The words being spoken, and the samples at which they begin and end; None in silence."""
        self._told = 0

    async def open(self) -> None:
        """See `agent.stt.SpeechToText`."""

    def send_audio(self, ulaw: bytes) -> None:
        """See `agent.stt.SpeechToText`."""
        for at in range(0, len(ulaw), 160):
            self._take(ulaw[at : at + 160])

    def _take(self, ulaw: bytes) -> None:
        self._heard += len(ulaw)
        began = any(change.onset for change in self._activity.feed(ulaw))
        if self._now is None and began and self._caller_speech.spoken:
            text, seconds = self._caller_speech.spoken.popleft()
            self._now, self._told = (text, self._heard, self._heard + round(seconds * SAMPLE_RATE)), 0
            if text:
                self._events.put_nowait(Onset(self._heard / SAMPLE_RATE))
        if self._now is not None:
            self._tell(*self._now)

    def _tell(self, text: str, begin: int, end: int) -> None:
        words = text.split()
        known = min(len(words), int(len(words) * (self._heard - begin) / max(1, end - begin)))
        if self._told < known < len(words):
            self._told = known
            self._put(" ".join(words[:known]), self._heard, final=False)
        if self._heard >= end + FINAL * SAMPLE_RATE:
            self._now = None
            if text:
                self._put(text, end, final=True)

    def _put(self, text: str, end: int, *, final: bool) -> None:
        self._events.put_nowait(Transcript(text, final, False, end / SAMPLE_RATE))

    def expect(self, said: str, wanted: Expected = OPEN) -> None:
        """See `agent.stt.SpeechToText`."""

    def set_language(self, language: str, keyterms: Sequence[str] = ()) -> None:
        """See `agent.stt.SpeechToText`."""

    def follow_voice(self, speaking: bool | None, ago: float) -> None:
        """See `agent.stt.SpeechToText`."""

    async def events(self) -> AsyncIterator[SttEvent]:
        """See `agent.stt.SpeechToText`."""
        while (event := await self._events.get()) is not None:
            yield event

    async def close(self) -> None:
        """See `agent.stt.SpeechToText`."""
        self._events.put_nowait(None)


class ActingLlm:
    """A language model that gives the first matching reply of the scenario."""

    name = "acting"

    def __init__(self, replies: Sequence[ReplyOptions]) -> None:
        self._replies = replies
        self._calls = 0

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncGenerator[Piece, None]:
        """See `agent.llm.LanguageModel`."""
        await asyncio.sleep(THINKS)
        found = next((one for one in self._replies if fits(one, messages)), None)
        if found is None:
            yield Text("I do not know.")
            return
        await asyncio.sleep(found.delay)
        for word in found.says.split(" "):
            yield Text(f"{word} ")
        if found.calls:
            self._calls += 1
            yield ToolCall(f"call_{self._calls}", found.calls, found.arguments)

    async def close(self) -> None:
        """See `agent.llm.LanguageModel`."""


def fits(reply: ReplyOptions, messages: Sequence[Message]) -> bool:
    """Whether `reply` may follow the conversation."""
    last = messages[-1]
    if last["role"] != "tool":
        return not reply.after and reply.to.lower() in str(last.get("content") or "").lower()
    called = next(
        call["function"]["name"]
        for message in reversed(messages)
        for call in message.get("tool_calls", ())
        if call["id"] == last["tool_call_id"]
    )
    return reply.after == called and reply.to.lower() in str(last["content"]).lower()


class ActingTts:
    """A voice that speaks every letter in 65 ms."""

    name = "acting"

    async def open(self) -> None:
        """See `agent.tts.TextToSpeech`."""

    async def speak(self, text: str, before: str = "") -> AsyncGenerator[bytes, None]:
        """See `agent.tts.TextToSpeech`."""
        await asyncio.sleep(VOICES)
        for word in text.split(" "):
            yield LETTER * (len(word) + 1)

    async def close(self) -> None:
        """See `agent.tts.TextToSpeech`."""


def acting(replies: Sequence[ReplyOptions], caller_speech: CallerSpeech) -> Providers:
    """The scripted providers of one scenario."""
    return Providers(
        lambda: ActingStt(caller_speech), ActingLlm(replies), lambda language: ActingTts(), None, paces=True
    )
