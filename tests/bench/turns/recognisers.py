"""Recognisers: three fakes that know the words on the line and keep their service's rules, and the embedded one.

The fakes are given each word once it has been said, if it is loud and clear enough; they see silence only as it
passes, and never where the caller's turn really ends. The embedded one really computes: its CPU time is charged to the
virtual clock, as if it had a core of its own; or a fixed time, which no other program on the machine changes.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, ClassVar

from tests.bench.turns.agent_side import Onset, embedded, is_dictation, transcript, words_of
from tests.bench.turns.corpus import DIGITS, LETTERS, RATE
from tests.bench.turns.line import Said, Wire
from tests.fakes.assemblyai import MODES

LAG = 0.15
"""Seconds of network and computing before the agent has what a service says."""
STEP = 640
"""Samples that a service thinks about at a time (80 ms)."""
UNFINISHED = "a an the and or but to of in for with your my that this is are was not who which i you be"
DANGLING = frozenset(words_of(UNFINISHED))
"""Words that end no sentence."""
SPELT = frozenset([*DIGITS, *LETTERS, "oh"])
A_WORD = 0.012
"""Seconds that the embedded recogniser takes for each word that it writes."""


class Recogniser:
    """What all have in common: sound goes in, events come out later."""

    name = "none"
    ends_turns = True

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.heard = 0
        """Samples."""
        self.dictation = False
        self.finals: list[str] = []
        """What it has told for good."""
        self._events: asyncio.Queue[Any] = asyncio.Queue()

    async def open(self) -> None:
        """Always ready."""

    def send_audio(self, ulaw: bytes) -> None:
        for _ in range(0, len(ulaw), STEP):
            step = min(STEP, len(ulaw))
            ulaw = ulaw[step:]
            self.heard += step
            self.advance(self.heard - step)

    def advance(self, before: int) -> None:
        """The sound from `before` to `heard` has come."""

    def expect(self, said: Any, wanted: Any = None, **more: Any) -> None:
        self.dictation = is_dictation(wanted)

    def set_language(self, language: str, keyterms: Sequence[str] = ()) -> None:
        """Only English is spoken."""

    def follow_voice(self, speaking: bool | None, ago: float) -> None:
        """Services are not told."""

    @property
    def longest_silence(self) -> float:
        """Seconds after which it ends any turn."""
        return math.inf

    def tell(self, event: Any, after: float = LAG) -> None:
        if getattr(event, "final", False):
            self.finals.append(event.text)
        asyncio.get_running_loop().call_later(after, self._events.put_nowait, event)

    async def events(self) -> AsyncIterator[Any]:
        while (event := await self._events.get()) is not None:
            yield event

    async def close(self) -> None:
        self._events.put_nowait(None)


class Service(Recogniser):
    """A fake: collects the words of a turn; how it ends them is its kind's."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self.turn: list[Said] = []
        self.ended: list[int] = []
        """Samples that had been heard when it ended each turn."""

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.turn)

    @property
    def end(self) -> float:
        return self.turn[-1].end / RATE

    def advance(self, before: int) -> None:
        for word in self.wire.understood(before, self.heard):
            if not self.turn:
                self.tell(Onset(word.start / RATE))
            self.turn.append(word)
            self.more()
        if self.turn and not self.wire.speaks(self.heard - 1):
            self.silent((self.heard - self.turn[-1].end) / RATE)

    def more(self) -> None:
        self.tell(transcript(self.text, self.end, final=False))

    def finish(self) -> None:
        self.tell(transcript(self.text, self.end, final=True))
        self.turn = []
        self.ended.append(self.heard)

    def silent(self, seconds: float) -> None:
        """So much silence has followed the last word."""


class Flux(Service):
    """Ends turns by confidence (Deepgram Flux): eager at 0.5, taken back by a word, final at 0.7, at 5 s in any case.

    The confidence is a guess from silence and the last word: soon above 0.9, but after a digit and after "the" it stays
    near 0.6 and reaches 0.7 after 2.4 s; with the threshold that a dictation asks for only the limit ends the turn.
    """

    name = "flux"
    EAGER, SURE, DICTATED, LIMIT = 0.5, 0.7, 0.85, 5.0

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self._eager = False

    @property
    def longest_silence(self) -> float:
        return self.LIMIT

    def more(self) -> None:
        self._eager = False
        super().more()

    def silent(self, seconds: float) -> None:
        if self.turn[-1].text in DANGLING | SPELT:
            sure = 0.6 * (1 - math.exp(-seconds / 0.25)) + seconds / 24
        else:
            sure = 1 - math.exp(-seconds / 0.3)
        if sure >= (self.DICTATED if self.dictation else self.SURE) or seconds >= self.LIMIT:
            self._eager = False
            self.finish()
        elif sure >= self.EAGER and not self._eager:
            self._eager = True
            self.tell(transcript(self.text, self.end, final=False, eager=True))


class Universal(Service):
    """Ends turns by punctuation and silence (AssemblyAI Universal-3): what it punctuates after 128 ms, anything after
    1.28 s; while something is dictated after 512 ms and 2.56 s. It tells its first words after 0.75 s.
    """

    name = "u3"

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self._paused = False

    def more(self) -> None:
        self._paused = False
        if (self.turn[-1].end - self.turn[0].start) / RATE >= 0.75 or len(self.turn) > 2:
            super().more()

    @property
    def longest_silence(self) -> float:
        return self._mode[1] / 1000

    @property
    def _mode(self) -> tuple[int, int]:
        return MODES["max_accuracy" if self.dictation else "balanced"]

    def silent(self, seconds: float) -> None:
        least, most = self._mode
        last = self.turn[-1].text
        sentence = len(self.turn) >= 4 and last not in DANGLING | SPELT
        if seconds >= most / 1000 or (sentence and seconds >= least / 1000):
            self.finish()
        elif seconds >= least / 1000 and not self._paused:
            self._paused = True
            self.tell(transcript(self.text, self.end, final=False, eager=last not in DANGLING))


class Plain(Service):
    """Only transcribes: every silence of 300 ms is an end (as Nova with its default endpointing)."""

    name = "plain"
    ends_turns = False
    ENDPOINTING = 0.3

    def silent(self, seconds: float) -> None:
        if seconds >= self.ENDPOINTING:
            self.finish()


class Voted(Plain):
    """Only transcribes, too, and a model of sound has a vote in when the turn ends (`[turns] model`)."""

    name = "smart-turn"
    turn_model = "pipecat:audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx"
    """Of PyPI's `pipecat-ai` (BSD-2): ``pip install --no-deps pipecat-ai`` is enough."""


class Embedded(Recogniser):
    """Silero and Whisper as in the speech process, one decode at a time."""

    name = "embedded"
    ends_turns = False
    decoding: ClassVar[float | None] = None
    """Seconds that are charged for each decoding, besides `A_WORD` for each word; None: the CPU time that it took."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self._listener, self._whisper, self._act = _models()
        self._free_at = 0.0

    def send_audio(self, ulaw: bytes) -> None:
        self._take(self._listener.hear(ulaw))

    def expect(self, said: Any, wanted: Any = None, **more: Any) -> None:
        self._listener.expect(said, *([] if wanted is None else [wanted.kind]))

    def follow_voice(self, speaking: bool | None, ago: float) -> None:
        self._take(self._listener.follow_voice(speaking, ago))

    def _take(self, steps: list[Any]) -> None:
        loop = asyncio.get_running_loop()
        for step in steps:
            if step.act is self._act.ONSET:
                self.tell(Onset(step.start / RATE), 0.0)
            elif step.act is self._act.DECODE or (step.act is self._act.EARLY and loop.time() >= self._free_at):
                loop.call_at(max(loop.time(), self._free_at), self._decode, step.start, step.end)
            elif step.act is not self._act.EARLY:
                final, eager = step.act is self._act.FINAL, step.act is self._act.STABLE
                self.tell(transcript(step.text, step.end / RATE, final=final, eager=eager), 0.0)

    def _decode(self, start: int, end: int) -> None:
        loop = asyncio.get_running_loop()
        if not self._listener.turns.wanted(end):
            return
        if loop.time() < self._free_at:
            loop.call_at(self._free_at, self._decode, start, end)
            return
        began = time.process_time()
        text = self._whisper.transcribe(self._listener.cut(start, end), self._listener.wanted).text
        took = time.process_time() - began
        spent = took if self.decoding is None else self.decoding + A_WORD * len(text.split())
        self._free_at = loop.time() + spent
        loop.call_at(self._free_at, lambda: self._take(self._listener.turns.understood(end, text)))


_LOADED: list[Any] = []


def _models() -> tuple[Any, Any, Any]:
    """A new listener, with models that are loaded once."""
    if not _LOADED:
        _LOADED.extend(embedded())
    listener, whisper, act = _LOADED
    return type(listener)(listener._silero, type(listener.turns._pauses)()), whisper, act


KINDS: dict[str, Callable[[Wire], Recogniser]] = {one.name: one for one in (Flux, Universal, Plain, Voted, Embedded)}
