"""What records cost: endings of calls per second on SQLite, and the CPU time that each event of a call takes."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from agent.records import ToolRun
from sipgw.events import Watchers
from sipgw.ledger import Ledger
from sipgw.privacy import PrivacyOptions
from sipgw.store import Store, StoreOptions
from tests.bench.gate import Gate, percentile
from tests.keeping import a_call, turn

CALLS = 1000
RATE = 50
TURNS = [
    turn(f"Where is my order {number}?", "It is on its way.", ToolRun("order", {"n": number}, {"a": "b"}))
    for number in range(10)
]
"""Ten turns with a tool each: 45 entries for each call."""


def gates() -> Iterator[Gate]:
    """Measure."""
    with tempfile.TemporaryDirectory() as folder:
        seconds, waits = asyncio.run(_measure(Path(folder)))
    rate = CALLS / seconds
    yield Gate("calls", "records_endings_per_s_sqlite", f"{rate:.0f}", f">= {RATE}", rate >= RATE)
    wait = 1e6 * percentile(waits, 0.99)
    yield Gate("calls", "records_cpu_of_an_event_p99_us", f"{wait:.0f}", "<= 1000", wait <= 1000)


async def _measure(folder: Path) -> tuple[float, list[float]]:
    watchers, waits, policy = Watchers(), [], PrivacyOptions()
    async with (
        Store(StoreOptions(str(folder / "x.db"))) as store,
        Ledger(store, watchers, lambda agent: policy.of("records")) as ledger,
    ):
        began = time.perf_counter()
        for number in range(CALLS):
            for event in a_call(f"call-{number}", TURNS):
                before = time.thread_time()
                watchers.tell(event)
                waits.append(time.thread_time() - before)
            await asyncio.sleep(0)
        await ledger.written()
        seconds = time.perf_counter() - began
        assert len(await store.calls()) == CALLS
    return seconds, waits
