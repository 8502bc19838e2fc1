"""``python -m tests.bench.turns.cpu``: milliseconds of CPU that the agent takes for a second of a call.

A call with a recogniser that ends turns itself is held by the agent, and once more by nobody: the difference of their
process times is the agent's, hearing, turn-taking and replies together; the instrument's own share is in both. On
virtual time every round does the same in each 20 ms, so the least of the rounds counts for each of them: what others
do to the machine meanwhile falls out.
"""

import asyncio
import time
from itertools import pairwise
from typing import Any

from tests.bench.turns.agent_side import Gone
from tests.bench.turns.call import Caller, Hold, held_call, hold_conversation
from tests.bench.turns.line import TICK, BenchLine
from tests.bench.turns.recognisers import Flux
from tests.bench.turns.sets import LONG, Bench, dialogue

ROUNDS = 10


async def nobody(line: BenchLine, recogniser: Any, caller: Caller) -> tuple[list[str], str]:
    """Feeds the recogniser and does nothing with what it says."""

    async def drain() -> None:
        async for _ in recogniser.events():
            pass

    async with asyncio.TaskGroup() as group:
        group.create_task(drain())
        async for event in line.events():
            if isinstance(event, Gone):
                break
            if (ulaw := getattr(event, "ulaw", None)) is not None:
                recogniser.send_audio(ulaw)
        await recogniser.close()
    return [], ""


def spent(hold: Hold) -> list[float]:
    """Seconds of process time for each 20 ms of a call."""
    marks: list[float] = []

    async def sampled(line: BenchLine, recogniser: Any, caller: Caller) -> tuple[list[str], str]:
        async def sample() -> None:
            while True:
                marks.append(time.process_time())
                await asyncio.sleep(TICK)

        async with asyncio.TaskGroup() as group:
            sampler = group.create_task(sample())
            held = await hold(line, recogniser, caller)
            sampler.cancel()
        return held

    held_call(dialogue(Bench(Flux).clips(4), LONG), Flux, None, sampled)
    return [later - earlier for earlier, later in pairwise(marks)]


def least(hold: Hold) -> float:
    """Milliseconds of process time for a second of call."""
    rounds = [spent(hold) for _ in range(ROUNDS)]
    ticks = [min(of_tick) for of_tick in zip(*rounds, strict=False)]
    return 1000 * sum(ticks) / (len(ticks) * TICK)


def call_second() -> float:
    """The agent's share."""
    return least(hold_conversation) - least(nobody)


if __name__ == "__main__":
    print(f"{call_second():.2f} ms of CPU for a second of call")
