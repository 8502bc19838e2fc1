"""Gates of a call's page: an hour of call is shown at once, and looking at packets moves none of them."""

import asyncio
import contextlib
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from playwright import async_api as playwright

from agent.records import Times, Turn, TurnDecided, TurnEnded
from media.process.channel import Quality
from media.recording.tap import BlockPool, TapOptions
from media.recording.wav import header
from sipgw.config.config import parse
from sipgw.config.records import StoreOptions
from sipgw.events import CallMeasured, CallReported
from sipgw.gateway import garbage
from sipgw.records.artifacts.artifact import Artifacts
from sipgw.records.store.store import Store
from sipgw.web.server import Dashboard
from tests.bench.gate import Gate, percentile
from tests.bench.media import CALLS, MAX_GOAL, P99_GOAL, run_calls
from tests.cdr_events import artifact
from tests.web.gateway_view import FakeGatewayView
from tests.web.sample_calls import Played
from tests.web.test_browser import CHROMIUM

AREA = "dashboard"
PAGE_GOAL = 0.5
SIZE_GOAL = 300_000
"""Bytes over the network, everything included."""
TAP_GOAL = 1.0
HOUR = 3600
CALL = "a@1"
LETTERS = "etaoinshrdlucmfwyp"


def tap_cost() -> Gate:
    """Keeping a packet, the best of five."""
    best = float("inf")
    for _ in range(5):
        tap = BlockPool().open(1, TapOptions())
        assert tap
        began = time.process_time()
        for at in range(100_000):
            tap.take(at * 0.01, b"x" * 172, ("192.0.2.1", 4000), out=True)
        best = min(best, (time.process_time() - began) / 100_000 * 1e6)
    return Gate(AREA, "keeping a packet", f"{best:.2f} µs", f"<= {TAP_GOAL:.0f} µs", best <= TAP_GOAL)


def tell_hour(gateway: FakeGatewayView, file: str) -> None:
    """A call of an hour with a turn and a decision every five seconds, and other words in each."""
    rng, played = random.Random(1), Played(gateway, CALL, HOUR, "Ann")
    played.answered(0.5)
    for number in range(HOUR // 5 - 1):
        tell_turn(played, number, rng)
    played.hung_up(HOUR, file)


def tell_turn(played: Played, number: int, rng: random.Random) -> None:
    """The turn that begins after `number` times five seconds."""
    said, answered = (" ".join("".join(rng.choices(LETTERS, k=rng.randint(2, 9))) for _ in range(n)) for n in (8, 15))
    at, wait = 5.0 * number + 1, rng.uniform(0.4, 1.5)
    marks = (0.0, 0.3, 0.3 + wait / 2, 0.4 + wait / 2, 0.3 + wait, 0.4 + wait)
    times = Times(*(played.zero + at + mark for mark in marks))
    played.tell(at, CallReported, TurnDecided("answer", f"ended: silence {rng.randint(200, 600)} ms, model 0.81"))
    played.tell(at + 4, CallReported, TurnEnded(Turn(said, answered, answered, times=times)))
    played.tell(at + 4, CallMeasured, Quality(rng.uniform(4, 4.4), 0.01, 0.003, 0.02, 0.001, 0.06))


class Opened(NamedTuple):
    """How a page was opened."""

    seconds: float
    size: int
    """Bytes over the network."""
    server: float
    """Seconds of CPU of the gateway."""
    browser: float
    """The same of the page."""


async def page(folder: Path) -> Opened:
    """Chromium shows the page of a call of an hour with its waveform."""
    file = folder / "call.wav"
    sound = bytes(range(256)) * (HOUR * 16_000 // 256)
    file.write_bytes(header(len(sound)) + sound)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(garbage.when_quiet(lambda: True))  # as in the gateway: it takes 0.1 s
        store = await stack.enter_async_context(Store(StoreOptions(str(folder / "bench.db"))))
        gateway = FakeGatewayView(parse("[web]\nport = 0", "bench", {}), store)
        await stack.enter_async_context(gateway.evidence.timelines.kept_in(folder / "calls", Artifacts()))
        tell_hour(gateway, str(file))
        async with store.write() as session:
            session.add(artifact(CALL, str(file)))
        while gateway.evidence.timelines.going(CALL):
            await asyncio.sleep(0.05)
        dashboard = await stack.enter_async_context(Dashboard(gateway, gateway.config.web))  # type: ignore[arg-type]
        play = await stack.enter_async_context(playwright.async_playwright())
        browser = await play.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        stack.push_async_callback(browser.close)
        return min([await opened(browser, f"{dashboard.url}calls/{quote(CALL)}") for _ in range(3)])


async def opened(browser: playwright.Browser, url: str) -> Opened:
    """The page in a window that has nothing in its cache."""
    context = await browser.new_context()
    shown, size = await context.new_page(), 0
    network = await context.new_cdp_session(shown)
    await network.send("Network.enable")
    await network.send("Performance.enable", {"timeDomain": "threadTicks"})

    def loaded(event: dict[str, float]) -> None:
        nonlocal size
        size += int(event["encodedDataLength"])

    network.on("Network.loadingFinished", loaded)
    began, before = time.monotonic(), time.process_time()
    await shown.goto(url, wait_until="commit")
    await shown.wait_for_selector("[data-ready][data-wave]", state="attached")
    took, server = time.monotonic() - began, time.process_time() - before
    measured = {one["name"]: one["value"] for one in (await network.send("Performance.getMetrics"))["metrics"]}
    assert await shown.locator("[data-part=turns] .said.caller").count() >= 1
    await context.close()
    return Opened(took, size, server, measured["TaskDuration"])


def gates() -> Iterator[Gate]:
    """Measure everything."""
    yield tap_cost()
    with tempfile.TemporaryDirectory() as folder:
        best = asyncio.run(page(Path(folder)))
    figures = (
        f"{best.seconds:.2f} s (CPU: gateway {best.server:.2f}, page {best.browser:.2f} s), {best.size // 1000} kB"
    )
    goal, met = f"<= {PAGE_GOAL} s, {SIZE_GOAL // 1000} kB", best.seconds <= PAGE_GOAL and best.size <= SIZE_GOAL
    yield Gate(AREA, "page of a call of an hour, in Chromium", figures, goal, met)
    load = asyncio.run(run_calls(looked_at=True))
    p99, worst = (percentile(load.errors, q) for q in (0.99, 1.0))
    goal = f"p99 < {P99_GOAL:.0f}, max < {MAX_GOAL:.0f} ms"
    met = p99 < P99_GOAL and worst < MAX_GOAL
    yield Gate(
        AREA, f"{CALLS} calls, captures fetched: send-time error", f"p99 {p99:.2f} max {worst:.2f} ms", goal, met
    )
    lost = load.lost_out + load.lost_in + load.broken
    yield Gate(AREA, f"{CALLS} calls, captures fetched: packets lost", str(lost), "0", lost == 0)
