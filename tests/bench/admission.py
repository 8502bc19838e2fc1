"""Gates of calls: how long a decision takes at 100,000 numbers on each do-not-call list, and what the list weighs."""

import asyncio
import tempfile
import time
import tracemalloc
from pathlib import Path

import structlog

from sipgw.policy.gate.number_set import parse
from sipgw.policy.gate.rules import Permit
from tests.bench.gate import Gate, percentile
from tests.gate_world import ALWAYS, World

AREA = "calls"
NUMBERS = 100_000
DECISIONS = 3_000
GOAL_MS = 1.0
GOAL_MB = 2.0
FIRST = 2_000_000


async def decisions() -> list[Gate]:
    """Milliseconds of `permit` with everything that it does: both lists, hours, caps and the line of the audit."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "registry.csv"
        file.write_text("".join(f"+1415{FIRST + number}\n" for number in range(NUMBERS)))
        world, took, cost = World(folder), list[float](), list[float]()
        async with world.up(dnc_files=(str(file),), windows=ALWAYS, per_day=10 * DECISIONS):
            await world.own.add_all([f"+1212{FIRST + number}" for number in range(NUMBERS)], "import")
            permitted = 0
            for number in range(DECISIONS):
                area = (213, 415, 212)[number % 3]  # on no list, in the file, on our own
                begun, at = time.perf_counter(), time.thread_time()
                verdict = await world.dial(f"+1{area}{FIRST + number}")
                took.append(1000 * (time.perf_counter() - begun))
                cost.append(1000 * (time.thread_time() - at))
                permitted += isinstance(verdict, Permit)
            assert permitted == DECISIONS // 3
    half, most = percentile(took, 0.5), percentile(cost, 0.99)  # on a shared machine the clock's p99 is that of others
    return [
        Gate(
            AREA, "a dial judged, 2 x 100,000 do-not-call numbers, p50 / p95 / p99", spread(took), "p50 <= 1 ms",
            half <= GOAL_MS,
        ),
        Gate(AREA, "the same, processor time, p50 / p95 / p99", spread(cost), "p99 <= 1 ms", most <= GOAL_MS),
    ]  # fmt: skip


def spread(milliseconds: list[float]) -> str:
    """The middle and the ends."""
    return " / ".join(f"{percentile(milliseconds, q):.3f}" for q in (0.5, 0.95, 0.99)) + " ms"


def memory() -> Gate:
    """What 100,000 numbers of a file take."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = parse(f"+1415{FIRST + number}" for number in range(NUMBERS))
    used = (tracemalloc.get_traced_memory()[0] - before) / 1e6
    tracemalloc.stop()
    assert len(kept) == NUMBERS
    return Gate(
        AREA, "100,000 do-not-call numbers in memory", f"{used:.2f} MB", f"<= {GOAL_MB:.0f} MB", used <= GOAL_MB
    )


def gates() -> list[Gate]:
    """All of them."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    try:
        return [*asyncio.run(decisions()), memory()]
    finally:
        structlog.reset_defaults()
