"""What a call uses of its providers, reported as it is used: seconds heard, tokens, characters spoken."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any

from agent.ears import Ears, EarsEvent
from agent.line import SAMPLE_RATE
from agent.model import Message, Model, Piece, Text, ToolSchema, Usage
from agent.records import Used
from agent.voice import Voice

REPORTED = 5.0
"""Seconds of sound that are reported at a time."""
CHARACTERS_PER_TOKEN = 4
"""Of a reply that was broken off, or whose server tells no usage; English text has about that many."""

Report = Callable[[Used], None]


class MeteredEars:
    """Ears whose sound is counted."""

    def __init__(self, ears: Ears, report: Report) -> None:
        self.patient = ears.patient
        self._ears = ears
        self._report = report
        self._samples = 0

    @property
    def name(self) -> str:
        """Who hears now."""
        return self._ears.name

    async def open(self) -> None:
        """See `Ears.open`."""
        await self._ears.open()

    def hear(self, ulaw: bytes) -> None:
        """See `Ears.hear`."""
        self._ears.hear(ulaw)
        self._samples += len(ulaw)
        if self._samples >= REPORTED * SAMPLE_RATE:
            self._tell()

    def expect(self, said: str) -> None:
        """See `Ears.expect`."""
        self._ears.expect(said)

    def attend(self, language: str) -> None:
        """See `Ears.attend`."""
        self._ears.attend(language)

    def events(self) -> AsyncIterator[EarsEvent]:
        """See `Ears.events`."""
        return self._ears.events()

    async def close(self) -> None:
        """See `Ears.close`."""
        self._tell()
        await self._ears.close()

    def _tell(self) -> None:
        samples, self._samples = self._samples, 0
        if samples:
            self._report(Used("ears", self.name, "seconds", samples / SAMPLE_RATE))


class MeteredModel:
    """A model whose tokens are counted, for one call."""

    def __init__(self, model: Model, report: Report) -> None:
        self.name = model.name
        self._model = model
        self._report = report

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncGenerator[Piece, None]:
        """See `Model.reply`."""
        usage: Usage | None = None
        said = 0
        try:
            async with aclosing(self._model.reply(messages, tools)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Usage):
                        usage = piece
                    else:
                        said += len(piece.delta if isinstance(piece, Text) else piece.arguments)
                    yield piece
        finally:
            if usage is None:
                asked = sum(_length(message) for message in messages) + sum(len(str(one)) for one in tools)
                usage = Usage(asked // CHARACTERS_PER_TOKEN, -(-said // CHARACTERS_PER_TOKEN))
            self._report(Used("model", self.name, "tokens_in", usage.prompt))
            self._report(Used("model", self.name, "tokens_out", usage.completion))

    async def close(self) -> None:
        """See `Model.close`."""
        await self._model.close()


def _length(message: Message) -> int:
    content: Any = message.get("content")
    return len(content) if isinstance(content, str) else 0


class MeteredVoice:
    """A voice whose characters are counted."""

    def __init__(self, voice: Voice, report: Report) -> None:
        self._voice = voice
        self._report = report

    @property
    def name(self) -> str:
        """Who speaks."""
        return self._voice.name

    async def open(self) -> None:
        """See `Voice.open`."""
        await self._voice.open()

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """See `Voice.speak`."""
        self._report(Used("voice", self.name, "characters", len(text)))
        async with aclosing(self._voice.speak(text)) as sounds:
            async for sound in sounds:
                yield sound

    async def close(self) -> None:
        """See `Voice.close`."""
        await self._voice.close()
