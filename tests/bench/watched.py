"""Whether 20 open browsers move a packet: the send-time error of a hundred calls with and without them."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from tests.bench.gate import Gate, percentile
from tests.bench.media import CALLS, MAX_GOAL, P99_GOAL, run_calls
from tests.web.sample_calls import SLOW
from tests.web.sample_gateway import served

AREA = "dashboard"
BROWSERS = 20
MORE = 0.5
"""Milliseconds by which p99 may differ: two runs without any browser do."""
PAGES = ("", "calls", "trunks", "providers", "outbound", f"calls/{SLOW}", f"calls/{SLOW}/timeline.json")
POLL = "while :; do for page in %s; do curl -s -o /dev/null %s/$page; sleep 0.2; done; done"


@contextlib.asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[None]:
    """Serve the dashboard in this process, as the gateway does, to browsers that each follow the live calls and load
    one page after the other."""
    async with served(folder) as (gateway, url), contextlib.AsyncExitStack() as stack:
        for _ in range(BROWSERS):
            for command in (("curl", "-sN", f"{url}/live/events"), ("sh", "-c", POLL % (" ".join(PAGES), url))):
                browser = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
                stack.push_async_callback(browser.wait)
                stack.callback(browser.kill)
        changing = await stack.enter_async_context(asyncio.TaskGroup())
        task = changing.create_task(_change(gateway.calls))
        yield
        task.cancel()


async def _change(calls: dict) -> None:
    """Have something to tell every second."""
    while True:
        await asyncio.sleep(1)
        for live in calls.values():
            live.context.line.mos = 3 + (live.context.line.mos + 0.1) % 1.4


async def errors(folder: Path | None) -> list[float]:
    if folder is None:
        return (await run_calls()).errors
    async with watched(folder):
        return (await run_calls()).errors


def gates() -> Iterator[Gate]:
    """Measure everything."""
    alone = asyncio.run(errors(None))
    with tempfile.TemporaryDirectory() as folder:
        looked_at = asyncio.run(errors(Path(folder)))
    before, after = percentile(alone, 0.99), percentile(looked_at, 0.99)
    figures = f"p99 {after:.2f} max {max(looked_at):.2f} ms; without them p99 {before:.2f} max {max(alone):.2f} ms"
    goal = f"p99 < {P99_GOAL:.0f} and {MORE} ms more at most, max < {MAX_GOAL:.0f} ms"
    met = after < P99_GOAL and after - before <= MORE and max(looked_at) < MAX_GOAL
    yield Gate(AREA, f"{CALLS} calls, {BROWSERS} browsers open: send-time error", figures, goal, met)
