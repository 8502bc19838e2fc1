"""``python -m tests.bench.turns.cpu``: milliseconds of CPU that the agent takes for a second of a call.

A call with a recogniser that ends turns itself is held once, and all that its line and its recogniser tell the agent is
kept. It is told again at the same times to an agent, and to nobody: the difference of their process times is the
agent's, hearing, turn-taking and replies together. On virtual time every round does the same in each 20 ms, so the
least of the rounds counts for each of them: what others do to the machine meanwhile falls out. By how much they slow it
down does not: a fixed piece of work is timed in between, and the figure is that of a machine that needs `NOMINAL` for
it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from typing import Any

from tests.bench.turns.agent_side import Audio, Gone, Heard, Model, conversation
from tests.bench.turns.bench import LONG, Bench, dialogue
from tests.bench.turns.call import GREETING, THINKING, Caller, RecordedVoice, held_call, hold_conversation
from tests.bench.turns.corpus import RATE
from tests.bench.turns.line import TICK, BenchLine
from tests.bench.turns.recognisers import Flux
from tests.virtual import run

ROUNDS, TURNS = 10, 4
NOMINAL = 0.35
"""Milliseconds of `work` on the machine of the first figures."""


class Tape:
    """What a line or a recogniser tells, and when by the clock of the loop, which begins at the same time again."""

    def __init__(self, source: Any) -> None:
        self._told: list[tuple[float, Any]] = []
        if isinstance(source, BenchLine):
            self._source: Any = source.listen
            source.listen = self._listen  # type: ignore[method-assign]
        else:
            self._source = source.events
            source.events = self._record

    def _note(self, event: Any) -> None:
        self._told.append((asyncio.get_running_loop().time(), event))

    async def _listen(self, take: Callable[[Any], None]) -> None:
        def noted(event: Any) -> None:
            self._note(event)
            take(event)

        await self._source(noted)

    async def _record(self) -> AsyncIterator[Any]:
        async for event in self._source():
            self._note(event)
            yield event

    def pieces(self) -> float:
        """Pieces of sound that a line tells in a second."""
        lengths = [len(event.ulaw) for _, event in self._told if isinstance(event, Audio)]
        return len(lengths) * RATE / sum(lengths)

    async def events(self) -> AsyncIterator[Any]:
        """The same again; only what has told that the call is over comes to an end."""
        for at, event in self._told:
            await asyncio.sleep(at - asyncio.get_running_loop().time())
            yield event
        if not isinstance(event, Gone):
            await asyncio.Future()


class Player:
    """A line, or a recogniser that ends turns: it only tells what is on its tape."""

    name = "tape"
    ends_turns, longest_silence = True, Flux.LIMIT

    def __init__(self, tape: Tape) -> None:
        self.events = tape.events
        self._said = Heard(0, 0)

    async def listen(self, take: Callable[[Any], None]) -> None:
        async for event in self.events():
            take(event)

    def say(self, utterance: int, ulaw: bytes) -> None:
        self._said = Heard(utterance, len(ulaw))

    def stop(self) -> Heard:
        return self._said

    async def open(self) -> None:
        """Always ready."""

    async def close(self) -> None:
        """Nothing is open."""

    def _nothing(self, *_: Any) -> None:
        """Nothing that is asked of it matters."""

    agree = set_language = expect = finish = pause = resume = send_audio = send_digits = _nothing
    set_chunk_duration = set_private = follow_voice = think = _nothing


async def agent(line: Player, recogniser: Player) -> None:
    """The agent of the project hears the tapes, and answers."""
    model = Model(lambda: LONG, lambda: asyncio.sleep(THINKING))
    held: Any = conversation(line, recogniser, model, RecordedVoice(), GREETING)
    await held.open()
    await held.run()


async def nobody(line: Player, recogniser: Player) -> None:
    """Takes what is on the tapes."""

    async def drain(player: Player) -> None:
        async for _ in player.events():
            pass

    async with asyncio.TaskGroup() as group:
        draining = group.create_task(drain(recogniser))
        await drain(line)
        draining.cancel()


def taped(turns: int) -> tuple[Tape, Tape]:
    """A call with so many turns of the caller."""
    tapes: list[Tape] = []

    async def hold(line: BenchLine, recogniser: Any, caller: Caller) -> tuple[list[str], str]:
        tapes.extend(map(Tape, (line, recogniser)))
        return await hold_conversation(line, recogniser, caller)

    held_call(dialogue(Bench(Flux).clips(turns), LONG), Flux, None, hold)
    line, recogniser = tapes
    return line, recogniser


def spent(hold: Callable[[Player, Player], Awaitable[None]], tapes: tuple[Tape, Tape]) -> list[float]:
    """Seconds of process time for each 20 ms of a call."""
    marks: list[float] = []

    async def sampled() -> None:
        async def sample() -> None:
            while True:
                marks.append(time.process_time())
                await asyncio.sleep(TICK)

        async with asyncio.TaskGroup() as group:
            sampler = group.create_task(sample())
            await hold(*map(Player, tapes))
            sampler.cancel()

    run(sampled())
    return [later - earlier for earlier, later in pairwise(marks)]


def work() -> float:
    """Seconds of process time for some work that is always the same."""
    began, found = time.process_time(), dict[int, int]()
    for number in range(3000):
        found[number & 63] = found.get(number & 63, 0) + len(str(number))
    return time.process_time() - began


def call_second() -> float:
    """Milliseconds of the agent for a second of call, on a machine of nominal speed."""
    tapes = taped(TURNS)
    rounds = [(spent(agent, tapes), spent(nobody, tapes), min(work() for _ in range(5))) for _ in range(ROUNDS)]
    agents, others, works = zip(*rounds, strict=True)
    ticks = min(map(len, (*agents, *others)))
    least = [sum(map(min, zip(*(one[:ticks] for one in some), strict=True))) for some in (agents, others)]
    return 1000 * (least[0] - least[1]) / (ticks * TICK) * NOMINAL / (1000 * min(works))


if __name__ == "__main__":
    pieces = taped(TURNS)[0].pieces()
    print(f"{call_second():.2f} ms of CPU for a second of call, in which {pieces:.1f} pieces of sound come")
