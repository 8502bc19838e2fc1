"""A telephone line on virtual time, as in a call: 20 ms frames of G.711, transit, noise, echo, background."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from media.g711 import from_linear, level, to_linear
from media.session.sent_levels import LEVELS
from tests.bench.turns.agent_side import Finished, Gone, Heard, Started, heard
from tests.bench.turns.compose import hiss
from tests.bench.turns.corpus import FRAME, RATE, Clip, Sound, Word, dbov

TICK = FRAME / RATE
INWARD = 2
"""Frames from the caller's mouth to the agent: packets, and the buffer against jitter."""
OUTWARD = 1
"""Frames from the agent to the caller's ear."""
AUDIBLE = -50.0
"""dBov from which a frame of the agent's is a sound."""
LONGEST = 400
"""Seconds of call at most."""
LEAST, CLEAR = -56.0, 0.0
"""dBov that a word needs to be understood by the fakes, and dB above everything else on the line meanwhile."""
KEY = 400
"""Bytes by which the beginning of a recording is known again."""


class Echo(NamedTuple):
    """How the agent's sound comes back."""

    loss: float
    """dB."""
    delay: float
    """Seconds."""


@dataclass(frozen=True)
class Room:
    """What is on the line beside the caller."""

    seed: int = 0
    echo: Echo | None = None
    background: Clip | None = None


class Said(NamedTuple):
    """A word on its way to the agent, in samples of the sound that it is given."""

    text: str
    start: int
    end: int
    source: str


@dataclass
class Wire:
    """The sound that the agent is given, by source, and the words in it: what a recogniser may understand."""

    words: list[Said] = field(default_factory=list)
    powers: dict[str, list[float]] = field(default_factory=lambda: {"caller": [], "echo": [], "background": []})
    later: int = INWARD
    """The frame of the agent's sound that has the caller's frame 0: negative if that sound begins later."""

    def put(self, words: tuple[Word, ...], at: int, source: str) -> None:
        self.words += [Said(word.text, word.start + at, word.end + at, source) for word in words]

    def shift(self, frames: int) -> None:
        """The agent's sound begins so many frames later than was thought."""
        self.words = [
            word._replace(start=word.start - frames * FRAME, end=word.end - frames * FRAME) for word in self.words
        ]
        for power in self.powers.values():
            del power[:frames]

    def understood(self, after: int, until: int) -> list[Said]:
        """The words that have ended in that stretch and are loud and clear enough."""
        self.words = [word for word in self.words if word.end > after - RATE]
        ended = [word for word in self.words if after < word.end <= until and self._clear(word)]
        return sorted(ended, key=lambda word: word.end)

    def speaks(self, at: int) -> bool:
        """Whether a word that can be understood is being said there."""
        return any(word.start <= at < word.end and self._clear(word, at) for word in self.words)

    def _clear(self, word: Said, until: int = LONGEST * RATE) -> bool:
        frames = slice(word.start // FRAME, max(min(word.end, until) // FRAME, word.start // FRAME + 1))
        own = float(np.mean(self.powers[word.source][frames] or [0.0])) + 1e-12
        other = sum(
            float(np.mean(power[frames] or [0.0])) for name, power in self.powers.items() if name != word.source
        )
        return bool(10 * np.log10(own) >= LEAST and 10 * np.log10(own / (other + 1e-9)) >= CLEAR)


class Playout:
    """What the agent says: queued, paused, discarded, and noted frame by frame."""

    def __init__(self, events: "asyncio.Queue[object]") -> None:
        self._events = events
        self._queue: list[tuple[int, bytearray]] = []
        self._finished: set[int] = set()
        self._ended: set[int] = set()
        self._position = Heard(0, 0)
        self.paused = False
        self.begins: dict[int, bytearray] = {}
        """The first bytes of each utterance, by which its recording is known."""
        self.reached: dict[int, int] = {}
        """How many bytes of each utterance were played."""
        self.busy: list[bool] = []
        """For each frame whether anything was played."""

    @property
    def idle(self) -> bool:
        return not self._queue

    @property
    def left(self) -> int:
        """Samples that have not been played."""
        return sum(len(sound) for _, sound in self._queue)

    def tick(self) -> tuple[bytes, int, int]:
        """The next 20 ms, of which utterance, and where in it they begin."""
        now, room, out = asyncio.get_running_loop().time(), FRAME, bytearray()
        at = -1, 0
        while room and self._queue and not self.paused:
            utterance, sound = self._queue[0]
            if utterance != self._position.utterance:
                self._position = Heard(utterance, 0)
                self._events.put_nowait(Started(utterance, now, OUTWARD * TICK))
            if at[0] < 0:
                at = utterance, self._position.samples
            piece = sound[:room]
            del sound[: len(piece)]
            room -= len(piece)
            out += piece
            self._position = Heard(utterance, self._position.samples + len(piece))
            self.reached[utterance] = self._position.samples
            if not sound:
                self._queue.pop(0)
        waiting = {utterance for utterance, _ in self._queue}
        for utterance in sorted(self._finished - self._ended - waiting if not self.paused else ()):
            self._ended.add(utterance)
            self._events.put_nowait(Finished(utterance, now))
        self.busy.append(bool(out))
        return bytes(out.ljust(FRAME, b"\xff")), *at

    def say(self, utterance: int, ulaw: bytes) -> None:
        self._queue.append((utterance, bytearray(ulaw)))
        begun = self.begins.setdefault(utterance, bytearray())
        begun += ulaw[: KEY - len(begun)]

    def finish(self, utterance: int) -> None:
        self._finished.add(utterance)

    def stop(self) -> Heard:
        self._queue.clear()
        self._ended |= self._finished
        self.paused = False
        return self._position


class Pieces(NamedTuple):
    """How the agent wants the caller's sound: see `agent.line.Line.set_chunk_duration`."""

    seconds: float
    alert: float | None = None

    def alerts(self, frame: bytes) -> bool:
        """Whether this frame is brought at once."""
        return self.alert is not None and LEVELS[level(frame)] < -self.alert


class BenchLine:
    """An `agent.line.Line`; `live` is its clock."""

    def __init__(self, room: Room, recordings: dict[bytes, Clip]) -> None:
        self.events_queue: asyncio.Queue[object] = asyncio.Queue()
        self.playout = Playout(self.events_queue)
        self.wire = Wire()
        self.sounding: list[bool] = []
        """For each frame whether the caller hears the agent."""
        self.mouth: list[Sound] = []
        """Frames that the caller is about to say."""
        self.ticks = 0
        self._room = room
        self._recordings = recordings
        self._pieces = Pieces(0.1)
        self._played = np.zeros((LONGEST + 2) * RATE, np.float32)
        self._hiss = hiss(10, room.seed)
        self._on_the_way = [np.zeros(FRAME, np.float32)] * INWARD

    async def live(self) -> None:
        waiting, levels = bytearray(), bytearray()
        self.enter()
        while self.ticks < LONGEST / TICK:
            await asyncio.sleep(TICK)
            levels.append(self._play())
            came = self._hear()
            waiting += came
            self.ticks += 1
            if len(waiting) >= round(self._pieces.seconds * RATE) or self._pieces.alerts(came):
                now = asyncio.get_running_loop().time()
                self.events_queue.put_nowait(heard(bytes(waiting), now, bytes(levels)))
                waiting.clear()
                levels.clear()
        self.events_queue.put_nowait(Gone("the call lasted too long"))

    def enter(self) -> None:
        """What is known before the first frame."""
        self.sounding += [False] * OUTWARD
        if (background := self._room.background) is not None:
            self.wire.put(background.words, 0, "background")

    def _play(self) -> int:
        """One frame of the agent; returns its level as a magnitude of dBm0, 127 for silence."""
        ulaw, utterance, offset = self.playout.tick()
        linear = np.frombuffer(to_linear(ulaw), "<i2").astype(np.float32) / 32768
        at = self.ticks * FRAME
        self._played[at : at + FRAME] = linear
        level = dbov(linear) if utterance >= 0 else -100.0  # type: ignore[arg-type]
        self.sounding.append(level > AUDIBLE)
        echo = self._room.echo
        clip = self.clip(utterance) if echo is not None and offset < FRAME * 1000 else None
        if clip is not None and echo is not None:
            later = self.wire.later - len(self._on_the_way)
            words = (word for word in clip.words if offset < word.end <= offset + FRAME)
            self.wire.put(tuple(words), at - offset + round(echo.delay * RATE) + later * FRAME, "echo")
        return min(127, max(0, round(-6.2 - level))) if level > AUDIBLE - 20 else 127

    def clip(self, utterance: int) -> Clip | None:
        """The recording that this utterance is."""
        return self._recordings.get(bytes(self.playout.begins.get(utterance, b"")))

    def said(self, utterance: int) -> tuple[str, int]:
        """The words of this utterance, and how many samples it has when it is whole."""
        clip = self.clip(utterance)
        return (clip.text, len(clip.sound)) if clip else ("", 0)

    def _hear(self) -> bytes:
        """One frame for the agent."""
        at = self.ticks * FRAME
        self._on_the_way.append(self.mouth.pop(0) if self.mouth else np.zeros(FRAME, np.float32))
        sources = {"caller": self._on_the_way.pop(0)}
        if (echo := self._room.echo) is not None and (start := at - round(echo.delay * RATE)) > -FRAME:
            back = self._played[max(0, start) : start + FRAME] * 10 ** (-echo.loss / 20)
            sources["echo"] = np.pad(back, (FRAME - len(back), 0))
        if (background := self._room.background) is not None:
            piece = background.sound[at : at + FRAME]
            sources["background"] = np.pad(piece, (0, FRAME - len(piece)))
        total = self._hiss[at % (8 * RATE) :][:FRAME].copy()
        for name, powers in self.wire.powers.items():
            sound = sources.get(name)
            powers.append(0.0 if sound is None else float(np.mean(sound**2)))
            if sound is not None:
                total += sound
        return from_linear((np.clip(total, -1, 1) * 32767).astype("<i2").tobytes())

    # As the agent sees it

    async def listen(self, take: Callable[[object], None]) -> None:
        while True:
            take(event := await self.events_queue.get())
            if isinstance(event, Gone):
                return

    def say(self, utterance: int, ulaw: bytes) -> None:
        self.playout.say(utterance, ulaw)

    def finish(self, utterance: int) -> None:
        self.playout.finish(utterance)

    def send_digits(self, keys: str) -> None:
        """No call of this bench has keys."""

    def set_private(self, on: bool) -> None:
        """No call of this bench is recorded."""

    def agree(self, key: str) -> None:
        """No call of this bench is recorded."""

    def think(self, on: bool) -> None:
        pass

    def set_chunk_duration(self, seconds: float, alert: float | None = None) -> None:
        self._pieces = Pieces(seconds, alert)

    def pause(self) -> None:
        self.playout.paused = True

    def resume(self) -> None:
        self.playout.paused = False

    def stop(self) -> Heard:
        return self.playout.stop()
