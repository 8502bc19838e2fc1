"""Gates of the browser phone: what ICE, DTLS and SRTP on the way do to the media process's schedule."""

import asyncio
import contextlib
import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from media.browsers.transport import Browsers, BrowserTransport
from media.process.channel import Channel
from media.process.engine import MediaEngine, MediaOptions
from media.session.format import Format
from sipgw.sip.jsep import BrowserOffer, Ends
from tests.bench.gate import Gate, percentile
from tests.bench.media import busy, speak

AREA = "browser"
CALLS = 10
"""As many as are let in by default."""
SECONDS = 10.0
P99_GOAL = 5.0
CPU_GOAL = 25.0
"""Milliseconds of the browsers' process per call-second."""


def worker_cpu() -> float:
    """CPU seconds of the browsers' process so far."""
    for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        with contextlib.suppress(OSError):
            if b"media.browsers.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(Path(f"/proc/{child}/schedstat").read_text().split()[0]) / 1e9
    return float("nan")


async def connected(engine: MediaEngine, way: BrowserTransport, offer: BrowserOffer) -> Channel:
    channel = await engine.open(lambda event: None)
    await way.connect(offer.far.user, offer.far.password, offer.far.fingerprints)
    here = await way.attach(engine.host, channel.port)
    channel.connect(Format("PCMU", offer.payload_type, offer.dtmf_payload_type), here, control=here)
    return channel


async def run(*, hog: bool) -> tuple[list[float], float, int]:
    """Send-time errors in ms, CPU of the browsers' process in ms per call-second, packets lost."""
    far = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.browsers", str(CALLS), str(SECONDS),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 26,
    )  # fmt: skip
    assert far.stdin
    assert far.stdout
    browsers = Browsers()
    async with MediaEngine(MediaOptions("127.0.0.1")) as engine, asyncio.TaskGroup() as tasks:
        offers = [BrowserOffer.parse(offer.encode()) for offer in json.loads(await far.stdout.readline())]
        ways = [await browsers.open() for _ in offers]
        answers = [
            offer.answer(Ends(*await way.gather()), secrets.randbits(31)).decode()
            for offer, way in zip(offers, ways, strict=True)
        ]
        far.stdin.write(json.dumps(answers).encode() + b"\n")
        channels = [await connected(engine, way, offer) for way, offer in zip(ways, offers, strict=True)]
        others = [tasks.create_task(work) for work in ([busy()] if hog else []) + [speak(channels)]]
        cpu, began = worker_cpu(), time.monotonic()
        seen = json.loads(await far.stdout.readline())
        cpu, took = worker_cpu() - cpu, time.monotonic() - began
        lost = [(await channel.stats())["lost"] for channel in channels]
        for task in others:
            task.cancel()
        for way in ways:
            await way.close()
    await far.wait()
    errors = [abs(error) for stream in seen for error in stream["errors"]]
    return errors, cpu * 1000 / took / CALLS, sum(lost) + sum(stream["lost"] for stream in seen)


def gates() -> Iterator[Gate]:
    """Every gate of the area."""
    for hog in (False, True):
        errors, cpu, lost = asyncio.run(run(hog=hog))
        p50, p99, worst = (percentile(errors, q) for q in (0.5, 0.99, 1.0))
        name = f"{CALLS} browser calls" + (", gateway busy" if hog else "")
        figures = f"p50 {p50:.2f} p99 {p99:.2f} max {worst:.2f} ms ({len(errors)} packets, {lost} lost)"
        yield Gate(AREA, f"{name}: send-time error", figures, f"p99 < {P99_GOAL:g} ms", p99 < P99_GOAL)
        yield Gate(AREA, f"{name}: CPU", f"{cpu:.1f} ms/call-s", f"< {CPU_GOAL:g} ms/call-s", cpu < CPU_GOAL)
