"""One call: a caller who does what a script says, and what both said and heard, frame by frame."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from media.g711 import from_linear
from tests.bench.turns.agent_side import Gone, Model, conversation, remembered, words_of
from tests.bench.turns.corpus import FRAME, RATE, Clip, people, prompts
from tests.bench.turns.line import KEY, TICK, BenchLine, Room, Wire
from tests.virtual import run

THINKING = 0.25
"""Seconds before the model answers, which are not counted as latency."""
VOICING = 0.1
"""Seconds before the voice has its first sound."""
PATIENCE = 6.0
"""Seconds of silence after which a caller no longer waits for the agent."""
LISTENS = 25.0
"""Seconds for which a caller listens to an agent that talks on and on."""
GREETING = "Hello world."


@cache
def spoken_by_agent() -> tuple[Clip, ...]:
    """The recordings that the agent speaks with."""
    return prompts("agent") or people()


@cache
def recordings() -> dict[bytes, Clip]:
    return {ulaw_of(clip)[:KEY]: clip for clip in spoken_by_agent()}


@cache
def ulaw_of(clip: Clip) -> bytes:
    return from_linear((clip.sound * 32767).astype("<i2").tobytes())


@cache
def clip_for(text: str) -> Clip:
    """The recording of this sentence; for one that nobody recorded, that with the most similar number of words."""
    words = " ".join(words_of(text))
    exact = next((clip for clip in spoken_by_agent() if clip.text == words), None)
    return exact or min(spoken_by_agent(), key=lambda clip: abs(len(clip.words) - len(words.split())))


class RecordedVoice:
    """Speaks with recordings."""

    name = "bench-voice"

    async def open(self) -> None:
        """Always ready."""

    async def speak(self, text: str, before: str = "") -> AsyncGenerator[bytes, None]:
        await asyncio.sleep(VOICING)
        yield ulaw_of(clip_for(text))

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class Spoken:
    """Something that the caller said, from frame `first` to frame `last`."""

    clip: Clip
    first: int
    last: int

    @property
    def pauses(self) -> list[tuple[int, int]]:
        """The silences in it, in frames of the call."""
        return [(self.first + start // FRAME, self.first + end // FRAME) for start, end in self.clip.pauses]


@dataclass
class Reply:
    """What the model wanted to be said, and when it began to."""

    at: int
    text: str


@dataclass
class Held:
    """What a call was. Frames are 20 ms of the caller's clock."""

    line: BenchLine
    recogniser: Any = None
    spoken: list[Spoken] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    memory: list[str] = field(default_factory=list)
    ended: str = ""
    """Why the agent ended the call; empty if the caller did."""

    @property
    def seconds(self) -> float:
        return self.line.ticks * TICK


class Caller:
    """What a script can do."""

    def __init__(self, held: Held) -> None:
        self.held = held
        self.reply = "Please try again."
        """What the model answers next, sentences parted by ``|``."""

    @property
    def now(self) -> int:
        return self.held.line.ticks

    @property
    def silent_for(self) -> float:
        """Seconds since the agent was heard last."""
        sounding = self.held.line.sounding
        for ago in range(len(sounding)):
            if sounding[-1 - ago]:
                return ago * TICK
        return len(sounding) * TICK

    async def say(self, clip: Clip) -> Spoken:
        line = self.held.line
        padded = np.pad(clip.sound, (0, -len(clip.sound) % FRAME))
        line.wire.put(clip.words, (self.now + line.wire.later) * FRAME, "caller")
        line.mouth += list(padded.reshape(-1, FRAME))
        spoken = Spoken(clip, self.now, self.now + len(padded) // FRAME)
        self.held.spoken.append(spoken)
        while self.now < spoken.last:
            await asyncio.sleep(TICK)
        return spoken

    async def ready(self) -> None:
        """The agent has said all that it wanted, or says nothing any more, or has been listened to for long enough."""
        until = self.now + round(LISTENS / TICK)
        while not (self.held.line.playout.idle and self.silent_for > 0.6) and self.silent_for < PATIENCE:
            if self.now >= until:
                return
            await asyncio.sleep(TICK)

    async def answered(self) -> None:
        """The agent has begun to speak, or does not."""
        began = self.now
        while not any(self.held.line.sounding[began:]) and (self.now - began) * TICK < PATIENCE:
            await asyncio.sleep(TICK)

    async def speaks(self, seconds: float) -> bool:
        """The agent has been speaking for so long; False if it does not come to that."""
        began, run_from = self.now, self.now
        while (self.now - run_from) * TICK < seconds:
            if self.silent_for > 0.7:
                run_from = self.now
            if (self.now - began) * TICK > PATIENCE + seconds:
                return False
            await asyncio.sleep(TICK)
        return True

    async def ends(self, sooner: float) -> None:
        """The agent's sentence has so many seconds left, or has ended so long ago if that is negative."""
        until = self.now + round(LISTENS / TICK)
        while self.held.line.playout.left > max(0.0, sooner) * RATE and self.now < until:
            await asyncio.sleep(TICK)
        await asyncio.sleep(max(0.0, -sooner))


Script = Callable[[Caller], Awaitable[None]]
Hold = Callable[[BenchLine, Any, Caller], Awaitable[tuple[list[str], str]]]
"""Holds the agent's side of a call; returns what it remembers and why it ended, if the caller did not hang up."""


async def hold_conversation(line: BenchLine, recogniser: Any, caller: Caller) -> tuple[list[str], str]:
    """The agent of the project."""

    def answer() -> str:
        caller.held.replies.append(Reply(caller.now, caller.reply))
        return caller.reply

    model = Model(answer, lambda: asyncio.sleep(THINKING))
    held: Any = conversation(line, recogniser, model, RecordedVoice(), GREETING)  # type: ignore[arg-type]
    await held.open()
    outcome = await held.run()
    return remembered(held), "" if outcome.kind == "caller_hung_up" else f"{outcome.kind}: {outcome.text}"


Place = Callable[[Script, Callable[[Wire], Any], Room | None, Hold], Held]
"""Holds a call on whatever line."""


def held_call(
    script: Script, kind: Callable[[Wire], Any], room: Room | None = None, hold: Hold = hold_conversation
) -> Held:
    """Hold a call on virtual time."""

    async def call() -> Held:
        line = BenchLine(room or Room(), recordings())
        held = Held(line, kind(line.wire))
        caller = Caller(held)

        async def lived() -> None:
            await caller.answered()
            await script(caller)
            line.events_queue.put_nowait(Gone("the caller hung up"))

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(line.live()), group.create_task(lived())]
            held.memory, held.ended = await hold(line, held.recogniser, caller)
            for task in tasks:
                task.cancel()
            for task in tasks:
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        return held

    return run(call())
