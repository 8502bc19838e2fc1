"""A telephone line, STT, an LLM and TTS in memory, on the loop's clock; a caller speaks by script."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from math import inf

from agent.call_control import CallControl
from agent.line import Audio, Digit, Finished, Gone, Heard, LineEvent, Started
from agent.llm import Message, Piece, Text, ToolCall, ToolSchema
from agent.stt import Onset, SttEvent, Transcript
from agent.tts import Speech, WordTime
from agent.turn_taking.expect import OPEN, Expected

LETTER = 560
"""Samples that the fake voice speaks per character (70 ms)."""


def now() -> float:
    return asyncio.get_running_loop().time()


class FakeLine:
    """Plays what is said in real time and reports marks exactly."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[LineEvent] = asyncio.Queue()
        self.played = bytearray()
        self.cuts: list[Heard] = []
        self.pressed = ""
        self.order: tuple[float, float | None] = (0.1, None)
        self.private: list[bool] = []
        self.thinks = False
        self.reaches: float | None = None
        self._queue: list[tuple[int, bytearray]] = []
        self._finished: dict[int, bool] = {}  # whether that was told
        self._position = Heard(0, 0)
        self._paused = False

    async def play(self) -> None:
        """The 20 ms clock."""
        while True:
            await asyncio.sleep(0.02)
            if self._paused:
                continue
            room = 160
            while room and self._queue:
                utterance, sound = self._queue[0]
                if utterance != self._position.utterance:
                    self._position = Heard(utterance, 0)
                    self.incoming.put_nowait(Started(utterance, now(), self.reaches))
                piece = sound[:room]
                del sound[: len(piece)]
                room -= len(piece)
                self.played += piece
                self._position = Heard(utterance, self._position.samples + len(piece))
                if not sound:
                    self._queue.pop(0)
            for utterance in sorted(one for one, told in self._finished.items() if not told):
                if all(waiting != utterance for waiting, _ in self._queue):
                    self._finished[utterance] = True
                    self.incoming.put_nowait(Finished(utterance, now()))

    async def listen(self, take: Callable[[LineEvent], None]) -> None:
        while True:
            take(event := await self.incoming.get())
            if isinstance(event, Gone):
                return

    def say(self, utterance: int, ulaw: bytes) -> None:
        self._queue.append((utterance, bytearray(ulaw)))

    def finish(self, utterance: int) -> None:
        self._finished.setdefault(utterance, False)

    def send_digits(self, keys: str) -> None:
        self.pressed += keys

    def set_private(self, on: bool) -> None:
        self.private.append(on)

    def agree(self, key: str) -> None:
        """A test that wants to know puts something else in this place."""

    def think(self, on: bool) -> None:
        self.thinks = on

    def set_chunk_duration(self, seconds: float, alert: float | None = None) -> None:
        self.order = seconds, alert

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False

    def stop(self) -> Heard:
        self._queue.clear()
        self._finished = dict.fromkeys(self._finished, True)
        self._paused = False
        self.cuts.append(self._position)
        return self._position

    @property
    def silent(self) -> bool:
        return self._paused or not self._queue


Fault = Exception | float | None
"""What happens in the place of something: an error, or nothing for so many seconds."""


async def befall(fault: Fault) -> None:
    """Let it happen."""
    if isinstance(fault, Exception):
        raise fault
    await asyncio.sleep(fault or 0.0)


@dataclass
class FakeStt:
    """Says what the script puts into `heard`."""

    name: str = "fake-stt"
    ends_turns: bool = True
    longest_silence: float = inf
    heard: asyncio.Queue[SttEvent | Exception | None] = field(default_factory=asyncio.Queue)
    sound: int = 0
    expected: list[str] = field(default_factory=list)
    wanted: list[Expected] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    keyterms: list[tuple[str, ...]] = field(default_factory=list)
    voices: list[tuple[bool | None, float]] = field(default_factory=list)
    refuses: Fault = None
    deaf: BaseException | None = None
    opened: int = 0
    closed: int = 0

    async def open(self) -> None:
        self.opened += 1
        await befall(self.refuses)

    def send_audio(self, ulaw: bytes) -> None:
        if self.deaf:
            raise self.deaf
        self.sound += len(ulaw)

    def expect(self, said: str, wanted: Expected = OPEN) -> None:
        self.expected.append(said)
        self.wanted.append(wanted)

    def set_language(self, language: str, keyterms: Sequence[str] = ()) -> None:
        self.languages.append(language)
        self.keyterms.append(tuple(keyterms))

    def follow_voice(self, speaking: bool | None, ago: float) -> None:
        self.voices.append((speaking, ago))

    async def events(self) -> AsyncIterator[SttEvent]:
        while True:
            event = await self.heard.get()
            if event is None:
                return
            if isinstance(event, Exception):
                raise event
            yield event

    async def close(self) -> None:
        self.closed += 1


Script = Callable[[Sequence[Message]], Sequence[Piece | float | Exception]]


@dataclass
class FakeLlm:
    """Answers by script: texts, tool calls, pauses in seconds, errors."""

    script: Script
    name: str = "fake-model"
    asked: list[list[Message]] = field(default_factory=list)
    offered: list[int] = field(default_factory=list)
    open_streams: int = 0

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncGenerator[Piece, None]:
        self.offered.append(len(tools))
        self.asked.append(json.loads(json.dumps(messages)))
        self.open_streams += 1
        try:
            for piece in self.script(messages):
                if isinstance(piece, float | Exception):
                    await befall(piece)
                else:
                    yield piece
        finally:
            self.open_streams -= 1

    async def close(self) -> None:
        return


@dataclass
class FakeTts:
    """Speaks every character in 70 ms, after `delay`."""

    name: str = "fake-voice"
    delay: float = 0.1
    spoken: list[str] = field(default_factory=list)
    in_languages: list[tuple[str, str]] = field(default_factory=list)
    """Every sentence with the language in which a voice was asked for."""
    language: str = ""
    fails: Callable[[str], Fault | bytes] = lambda text: None
    """What happens in a sentence; sound takes the place of the rest of it."""
    after: int = 0
    """How many letters of it have been spoken then."""
    refuses: Fault = None
    timed: int = 0
    """Samples for each word, however long it is, whose times are told; 0 for none."""
    lingers: float = 0.0
    """Seconds that it takes to close a sentence that is broken off, as a voice by HTTP does."""
    before: list[str] = field(default_factory=list)
    """What was said before each sentence in its reply."""
    open_streams: int = 0
    closed: int = 0

    async def open(self) -> None:
        await befall(self.refuses)

    async def speak(self, text: str, before: str = "") -> AsyncGenerator[Speech, None]:
        self.spoken.append(text)
        self.before.append(before)
        self.in_languages.append((self.language, text))
        self.open_streams += 1
        try:
            await asyncio.sleep(self.delay)
            fault = self.fails(text)
            if self.timed:
                for count, word in enumerate(re.finditer(r"\S+", text), 1):
                    yield bytes([ord(word[0][0]) & 0x7F]) * self.timed
                    yield WordTime(word.end(), count * self.timed)
                return
            for at, letter in enumerate(text):
                if at == self.after and isinstance(fault, bytes):
                    yield fault
                    return
                if at == self.after:
                    await befall(fault)  # type: ignore[arg-type]
                yield bytes([ord(letter) & 0x7F]) * LETTER
        except (GeneratorExit, asyncio.CancelledError):
            await asyncio.sleep(self.lingers)
            raise
        finally:
            self.open_streams -= 1

    async def close(self) -> None:
        self.closed += 1


class FakeCaller:
    """The person on the other end."""

    call_control: CallControl
    """What somebody outside may do to the conversation."""

    def __init__(self, line: FakeLine, stt: FakeStt) -> None:
        self._line, self._stt = line, stt
        self._given = 0.2
        line.incoming.put_nowait(Audio(b"\xff" * 1600, now()))  # the noise floor

    async def sound(self, seconds: float, *, loud: bool) -> None:
        """Make a sound, or none."""
        for _ in range(round(seconds / 0.06)):
            await asyncio.sleep(0.06)
            self._given += 0.06
            byte = b"\x10\x90" if loud else b"\xff\x7f"
            self._line.incoming.put_nowait(Audio(byte * 240, now()))

    async def play(self, ulaw: bytes) -> None:
        """Make a recorded sound."""
        for at in range(0, len(ulaw), 480):
            await asyncio.sleep(0.06)
            self._given += 0.06
            self._line.incoming.put_nowait(Audio(ulaw[at : at + 480].ljust(480, b"\xff"), now()))

    async def say(self, text: str, seconds: float = 1.2, *, eager: bool = False, partial: bool = True) -> None:
        """Speak; the words arrive while speaking and the final ones 0.4 s after."""
        await self.sound(seconds / 2, loud=True)
        if partial:
            words = text.split()
            self._hear(" ".join(words[: len(words) // 2 + 1]), final=False)
        await self.sound(seconds / 2, loud=True)
        end = self._given
        await self.sound(0.24, loud=False)
        if eager:
            self._stt.heard.put_nowait(Transcript(text, final=False, eager=True, end=end))
        await self.sound(0.18, loud=False)
        self._stt.heard.put_nowait(Transcript(text, final=True, eager=False, end=end))

    def _hear(self, text: str, *, final: bool) -> None:
        self._stt.heard.put_nowait(Transcript(text, final=final, eager=False, end=self._given))

    def hear(self, text: str, *languages: str, confidence: float = 1.0) -> None:
        """Let the STT report a whole turn, in these languages."""
        self._stt.heard.put_nowait(Transcript(text, True, False, self._given, (), languages, confidence))

    def hear_interim(self, text: str) -> None:
        """Let the STT report words of a turn that goes on."""
        self._hear(text, final=False)

    def notice(self) -> None:
        self._stt.heard.put_nowait(Onset(self._given))

    def press(self, keys: str) -> None:
        for key in keys:
            self._line.incoming.put_nowait(Digit(key, now()))

    def hang_up(self) -> None:
        self._line.incoming.put_nowait(Gone("the caller hung up"))


def says(text: str, pieces: int = 4) -> list[Piece]:
    """A reply in several deltas."""
    step = max(1, len(text) // pieces)
    return [Text(text[at : at + step]) for at in range(0, len(text), step)]


def calls(name: str, **arguments: object) -> ToolCall:
    return ToolCall(f"call_{name}", name, json.dumps(arguments))


def sound_of(text: str) -> bytes:
    """What the fake voice makes of `text`."""
    return b"".join(bytes([ord(letter) & 0x7F]) * LETTER for letter in text)
