"""Gates of a call's page: half an hour of call is shown at once, and looking at packets moves none of them."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from media.recording.tap import Pool, TapOptions
from media.recording.wav import header
from sipgw.records.artifacts.artifact import Artifacts
from tests.bench.gate import Gate, percentile
from tests.bench.media import CALLS, MAX_GOAL, P99_GOAL, run_calls
from tests.cdr_events import artifact
from tests.web.gateway_view import visit
from tests.web.test_one_call import hold

AREA = "dashboard"
PAGE_GOAL = 1.0
TAP_GOAL = 1.0
HALF_AN_HOUR = 1800
WORDS = "Where is my order number seven three four six? " * 3
FILES = ("call.js", "call.css", "draw.js", "ladder.js", "latency.js", "quality.js", "vendor/wavesurfer-8.0.1.esm.js")


def tap_cost() -> Gate:
    """Keeping a packet, the best of five."""
    best = float("inf")
    for _ in range(5):
        tap = Pool().open(1, TapOptions())
        assert tap
        began = time.process_time()
        for at in range(100_000):
            tap.take(at * 0.01, b"x" * 172, ("192.0.2.1", 4000), out=True)
        best = min(best, (time.process_time() - began) / 100_000 * 1e6)
    return Gate(AREA, "keeping a packet", f"{best:.2f} µs", f"<= {TAP_GOAL:.0f} µs", best <= TAP_GOAL)


async def page(folder: Path) -> tuple[float, int]:
    """Seconds and bytes until the page of a call of half an hour has all that it shows, its waveform included."""
    file = folder / "call.wav"
    sound = bytes(range(256)) * (HALF_AN_HOUR * 16_000 // 256)
    file.write_bytes(header(len(sound)) + sound)
    async with visit(folder) as visitor, visitor.gateway.evidence.timelines.kept_in(folder / "calls", Artifacts()):
        hold(visitor, "a@1", words=WORDS, turns=360, file=str(file))
        async with visitor.gateway.store.write() as session:
            session.add(artifact("a@1", str(file)))
        timelines = visitor.gateway.evidence.timelines
        while timelines.version("a@1"):
            await asyncio.sleep(0.05)
        size, began = 0, time.monotonic()
        paths = [f"/calls/{quote('a@1')}{path}" for path in ("", "/timeline.json", "/waveform.json")]
        for path in [*paths, *(f"/static/{name}" for name in FILES)]:
            answer = await visitor.browser.get(path)
            assert answer.status_code == 200, path
            size += len(answer.content)
        return time.monotonic() - began, size


def gates() -> Iterator[Gate]:
    """Measure everything."""
    yield tap_cost()
    with tempfile.TemporaryDirectory() as folder:
        took, size = asyncio.run(page(Path(folder)))
    figures = f"{took:.2f} s, {size // 1024} kB"
    yield Gate(AREA, "page of a call of 30 minutes", figures, f"< {PAGE_GOAL:.0f} s", took < PAGE_GOAL)
    load = asyncio.run(run_calls(looked_at=True))
    p99, worst = (percentile(load.errors, q) for q in (0.99, 1.0))
    goal = f"p99 < {P99_GOAL:.0f}, max < {MAX_GOAL:.0f} ms"
    met = p99 < P99_GOAL and worst < MAX_GOAL
    yield Gate(
        AREA, f"{CALLS} calls, captures fetched: send-time error", f"p99 {p99:.2f} max {worst:.2f} ms", goal, met
    )
    lost = load.lost_out + load.lost_in + load.broken
    yield Gate(AREA, f"{CALLS} calls, captures fetched: packets lost", str(lost), "0", lost == 0)
