"""What records cost: endings of calls per second on SQLite, and the CPU time that each event of a call takes."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from agent.records import ToolRun
from sipgw.config.records import PrivacyOptions, StoreOptions
from sipgw.events import Watchers
from sipgw.records.cdr.writer import CdrWriter
from sipgw.records.privacy.redaction import redactor_for
from sipgw.records.store.store import Store
from tests.bench.gate import Gate, percentile
from tests.cdr_events import a_call, turn

CALLS = 1000
RATE = 50
TOGETHER = 100
"""Calls whose entries are waited for: more than 10,000 at once are lost on a busy machine."""
STEPS = 40
"""Transactions of which the median counts, each with `AT_ONCE` turns: as many as end in a quarter of a second in 60
calls with a turn every four seconds."""
AT_ONCE = 4
TURNS = [
    turn(f"Where is my order {number}?", "It is on its way.", ToolRun("order", {"n": number}, {"a": "b"}))
    for number in range(10)
]
"""Ten turns with a tool each: 45 entries for each call."""


def gates() -> Iterator[Gate]:
    """Measure."""
    with tempfile.TemporaryDirectory() as folder:
        before = time.process_time()
        seconds, waits, walls = asyncio.run(_measure(Path(folder)))
        cost = 1000 * (time.process_time() - before) / CALLS
        steps = asyncio.run(_steps(Path(folder)))
    rate = CALLS / seconds
    yield Gate("calls", "records_endings_per_s_sqlite", f"{rate:.0f}", f">= {RATE}", rate >= RATE)
    yield Gate("calls", "records_cpu_of_an_ending_ms", f"{cost:.1f}", f"<= {1000 / RATE:.0f}", cost <= 1000 / RATE)
    step = 1000 * percentile(steps, 0.5)
    yield Gate("calls", "records_cpu_of_a_transaction_ms", f"{step:.1f}", "<= 15", step <= 15)
    wait = 1e6 * percentile(waits, 0.99)
    yield Gate("calls", "records_cpu_of_an_event_p50_p95_p99_us", _spread(waits), "p99 <= 1000", wait <= 1000)
    half = 1e6 * percentile(walls, 0.5)  # the clock's p99 is that of whoever else uses the machine
    yield Gate("calls", "records_an_event_p50_p95_p99_us", _spread(walls), "p50 <= 1000", half <= 1000)


def _spread(seconds: list[float]) -> str:
    return " / ".join(f"{1e6 * percentile(seconds, q):.0f}" for q in (0.5, 0.95, 0.99))


async def _measure(folder: Path) -> tuple[float, list[float], list[float]]:
    watchers, policy = Watchers(), PrivacyOptions()  # type: ignore[var-annotated]
    waits, walls = list[float](), list[float]()
    async with (
        Store(StoreOptions(str(folder / "x.db"))) as store,
        CdrWriter(store, watchers, lambda agent: redactor_for(policy, "records")) as writer,
    ):
        began = time.perf_counter()
        for number in range(CALLS):
            for event in a_call(f"call-{number}", TURNS):
                begun, before = time.perf_counter(), time.thread_time()
                watchers.tell(event)
                waits.append(time.thread_time() - before)
                walls.append(time.perf_counter() - begun)
            if number % TOGETHER:
                await asyncio.sleep(0)
            else:
                await writer.written()
        await writer.written()
        seconds = time.perf_counter() - began
        assert len(await store.calls()) == CALLS
    return seconds, waits, walls


async def _steps(folder: Path) -> list[float]:
    """Seconds of CPU for each of many small transactions, as they come in calls that go on."""
    watchers, spent = Watchers(), list[float]()  # type: ignore[var-annotated]
    async with Store(StoreOptions(str(folder / "steps.db"))) as store, CdrWriter(store, watchers) as writer:
        for number in range(STEPS + 1):
            before = time.process_time()
            for call in range(AT_ONCE):
                begin, *rest = a_call(f"step-{call}", TURNS[:1])
                for event in [begin, *rest[:2]] if number == 0 else rest[2:-1]:
                    watchers.tell(event)
            await writer.written()
            spent.append(time.process_time() - before)
    return spent[1:]
