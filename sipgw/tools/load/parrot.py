"""A minimal agent: it detects the end of the caller's speech, and answers with the same recorded words. With it a load
test measures signalling, sound and the conversation, without any speech service.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from importlib.resources import as_file, files

from agent.llm import Message, Piece, Text, ToolSchema
from agent.stt import SttEvent, Transcript
from agent.turn_taking.expect import OPEN, Expected
from agent.ulaw import level
from sipgw.agents.providers import Providers
from sipgw.records.artifacts.wav import read_ulaw

LOUD = 100.0
"""Root mean square of 16-bit samples above which the caller speaks."""
ENDS_AFTER = 0.4
"""Seconds of quiet that end a turn. They are part of every turn latency that is measured with the parrot; the embedded
STT takes 0.3 s."""
REPLY = "confirm.wav"


def parrot() -> Providers:
    """STT, LLM and TTS of the parrot."""
    with as_file(files("sipgw") / "demo_voice" / REPLY) as path:
        sound = read_ulaw(path)
    return Providers(ParrotStt, ParrotLlm(), lambda _: ParrotTts(sound), None)


class ParrotStt:
    """STT that detects that somebody has spoken, but not the words."""

    name = "parrot"
    ends_turns = True
    longest_silence = ENDS_AFTER

    def __init__(self) -> None:
        self._turns: asyncio.Queue[Transcript | None] = asyncio.Queue(16)
        self._taken = 0
        self._spoke_until = 0
        self._pending = False

    async def open(self) -> None:
        """Nothing to wait for."""

    def send_audio(self, ulaw: bytes) -> None:
        """See `agent.stt.SpeechToText`."""
        self._taken += len(ulaw)
        if level(ulaw) > LOUD:
            self._spoke_until, self._pending = self._taken, True
        elif self._pending and self._taken - self._spoke_until >= ENDS_AFTER * 8000:
            self._pending = False
            if not self._turns.full():
                self._turns.put_nowait(Transcript("Where is my order?", True, False, self._spoke_until / 8000))

    def expect(self, said: str, wanted: Expected = OPEN) -> None:
        """Ignore the hint: no words are recognised."""

    def set_language(self, language: str, keyterms: Sequence[str] = ()) -> None:
        """Ignore the language: no words are recognised."""

    def follow_voice(self, speaking: bool | None, ago: float) -> None:
        """See `agent.stt.SpeechToText`."""

    async def events(self) -> AsyncIterator[SttEvent]:
        """See `agent.stt.SpeechToText`."""
        while (turn := await self._turns.get()) is not None:
            yield turn

    async def close(self) -> None:
        """See `agent.stt.SpeechToText`."""
        if not self._turns.full():
            self._turns.put_nowait(None)


class ParrotLlm:
    """A language model whose replies are always the same words."""

    name = "parrot"

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncGenerator[Piece, None]:
        """See `agent.llm.LanguageModel`."""
        del messages, tools
        yield Text("Yes, that is right.")

    async def close(self) -> None:
        """Nothing to close."""


class ParrotTts:
    """A voice that always gives the same sound."""

    name = "parrot"

    def __init__(self, sound: bytes) -> None:
        self._sound = sound

    async def open(self) -> None:
        """Nothing to wait for."""

    async def speak(self, text: str, before: str = "") -> AsyncGenerator[bytes, None]:
        """See `agent.tts.TextToSpeech`."""
        del text
        yield self._sound

    async def close(self) -> None:
        """Nothing to close."""
