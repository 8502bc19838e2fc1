"""What it costs to show 500 live calls, all of them changing every second, to 20 browsers."""

import asyncio
import contextlib
import random
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent.records import Used
from agent.turn_taking.table import State
from sipgw.config.config import parse
from sipgw.config.records import StoreOptions
from sipgw.policy.cost.cost import Bill
from sipgw.records.store.store import Store
from sipgw.web.server import Dashboard
from tests.bench.gate import Gate
from tests.web.gateway_view import FakeGatewayView, live_call

AREA = "dashboard"
CALLS, BROWSERS, SECONDS = 500, 20, 20
USED = (
    ("stt", "deepgram/nova-3", "seconds", 60),
    ("llm", "openai/gpt-4.1-mini", "tokens_in", 3000),
    ("llm", "openai/gpt-4.1-mini", "tokens_out", 300),
    ("tts", "cartesia/sonic-3", "characters", 800),
)
LIMIT = 1.0
"""Percent of a core."""


def bill(gateway: FakeGatewayView, caller: str) -> Bill:
    """That of a call which has gone on for a minute."""
    began = datetime.now(UTC) - timedelta(minutes=1)
    made = Bill(gateway.expenses.prices, "in", caller, began, "telnyx", began)
    for part, name, unit, amount in USED:
        made.used(Used(part, name, unit, amount))  # type: ignore[arg-type]
    return made


async def shown(folder: Path) -> float:
    """The share of a core, in percent, that the dashboard takes."""
    config = parse("[web]\nport = 0", "bench", {})
    async with contextlib.AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store(StoreOptions(str(folder / "bench.db"))))
        gateway = FakeGatewayView(config, store)
        for number in range(CALLS):
            gateway.begin(live_call(number, f"+1555{number:07}", bill=bill(gateway, f"+1555{number:07}")))
        dashboard = await stack.enter_async_context(Dashboard(gateway, config.web))  # type: ignore[arg-type]
        for number in range(BROWSERS):
            file = stack.enter_context((folder / f"{number}").open("wb"))
            browser = await asyncio.create_subprocess_exec(  # the readers' work is not counted
                "curl", "-sN", f"{dashboard.url}live/events", stdout=file
            )
            stack.callback(browser.kill)
        await asyncio.sleep(2)
        before = time.process_time()
        changing = 0.0
        for _ in range(SECONDS):
            began = time.process_time()
            for live in gateway.calls.values():
                live.context.conversation.state = random.choice(list(State))  # type: ignore[union-attr,misc]
                live.context.line.mos = random.uniform(3, 4.4)  # type: ignore[union-attr,misc]
            changing += time.process_time() - began
            await asyncio.sleep(1)
        took = time.process_time() - before - changing
        for number in range(BROWSERS):
            told = (folder / f"{number}").read_text().count("event: change")
            assert told >= SECONDS - 2, f"browser {number} was told {told} times in {SECONDS} s"
        return 100 * took / SECONDS


def gates() -> list[Gate]:
    """All of them."""
    with tempfile.TemporaryDirectory() as folder:
        share = asyncio.run(shown(Path(folder)))
    name = f"{CALLS} live calls, each changing every second, {BROWSERS} browsers"
    return [Gate(AREA, name, f"{share:.2f} % of a core", f"<= {LIMIT:.0f} %", share <= LIMIT)]
