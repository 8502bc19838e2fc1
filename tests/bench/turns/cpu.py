"""``python -m tests.bench.turns.cpu``: milliseconds of CPU that the agent takes for a second of a call.

A call with a recogniser that ends turns itself is held by the agent, and once more by nobody: the difference of their
process times is the agent's, hearing, turn-taking and replies together; the instrument's own share is in both.
"""

import asyncio
import time
from typing import Any

from tests.bench.turns.agent_side import Gone
from tests.bench.turns.call import Caller, Hold, held_call, hold_conversation
from tests.bench.turns.line import BenchLine
from tests.bench.turns.recognisers import Flux
from tests.bench.turns.sets import LONG, Bench, dialogue

ROUNDS = 12
"""Of short calls, so that some of them run while nobody else uses the machine."""


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
                recogniser.hear(ulaw)
        await recogniser.close()
    return [], ""


def spent(hold: Hold) -> float:
    """Milliseconds of process time for a second of call."""
    script = dialogue(Bench(Flux).clips(3), LONG)
    began = time.process_time()
    held = held_call(script, Flux, None, hold)
    return 1000 * (time.process_time() - began) / held.seconds


def call_second() -> float:
    """The agent's share: the least of the rounds with it, less the least of those without."""
    spent(hold_conversation)
    rounds = [(spent(hold_conversation), spent(nobody)) for _ in range(ROUNDS)]
    return min(held for held, _ in rounds) - min(idle for _, idle in rounds)


if __name__ == "__main__":
    print(f"{call_second():.2f} ms of CPU for a second of call")
