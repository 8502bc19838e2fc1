"""Gates of the browser phone: what the way through the gateway's own loop does to the media process's schedule."""

import asyncio
import json
import resource
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from media.channel import Channel
from media.engine import MediaEngine, MediaOptions
from media.rtp import parse
from media.session import Format
from media.webrtc import BrowserPath
from sipgw.sip.jsep import BrowserOffer, Ends
from tests.bench.gate import Gate, percentile
from tests.bench.media import busy, speak
from tests.bench.rtp_load import Stream

AREA = "browser"
CALLS = 10
"""As many as are let in by default."""
SECONDS = 10.0
P99_GOAL = 5.0
BUSY_GOAL = 30.0
"""While the loop is held for 20 ms of every 100; a browser's buffer takes twice that."""
CPU_GOAL = 25.0
"""Milliseconds of the gateway's loop per call-second."""


def stamped(path: BrowserPath, stream: Stream) -> None:
    """Note the moment of each packet's system call; the head of SRTP is readable."""
    ice = path._ice
    send = ice._connection.send

    async def noting(data: bytes) -> None:
        await send(data)
        packet = parse(data) if data[0] >> 6 == 2 and not 64 <= data[1] & 0x7F < 96 else None
        if packet:
            stream.arrivals.append((time.monotonic(), packet.sequence, packet.timestamp, False))

    ice._send = noting


async def talk(engine: MediaEngine, path: BrowserPath, offer: BrowserOffer, sink: Callable[[Any], None]) -> Channel:
    channel = await engine.open(sink)
    await path.connect(offer.far.user, offer.far.password, offer.far.fingerprints)
    here = path.attach(engine.host, channel.port)
    channel.connect(Format("PCMU", offer.payload_type, offer.dtmf_payload_type), here, control=here)
    return channel


async def run(*, hog: bool) -> tuple[list[float], float, int]:
    """Send-time errors in ms, CPU of this process in ms per call-second, packets lost."""
    far = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.browsers", str(CALLS), str(SECONDS + 2),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 26,
    )  # fmt: skip
    assert far.stdin
    assert far.stdout
    async with MediaEngine(MediaOptions("127.0.0.1")) as engine, asyncio.TaskGroup() as tasks:
        offers = [BrowserOffer.parse(offer.encode()) for offer in json.loads(await far.stdout.readline())]
        paths, streams = [BrowserPath() for _ in offers], [Stream() for _ in offers]
        for path, stream in zip(paths, streams, strict=True):
            stamped(path, stream)
        answers = [
            offer.answer(Ends(*await path.gather()), secrets.randbits(31)).decode()
            for offer, path in zip(offers, paths, strict=True)
        ]
        far.stdin.write(json.dumps(answers).encode() + b"\n")
        channels = [
            await talk(engine, path, offer, lambda event: None) for path, offer in zip(paths, offers, strict=True)
        ]
        others = [tasks.create_task(work) for work in ([busy()] if hog else []) + [speak(channels)]]
        carrying = [tasks.create_task(path.carry()) for path in paths]
        await asyncio.sleep(1)
        before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
        await far.stdout.readline()
        after, took = resource.getrusage(resource.RUSAGE_SELF), time.monotonic() - began
        lost = [(await channel.stats())["lost"] for channel in channels]
        for task in (*others, *carrying):
            task.cancel()
        for path in paths:
            await path.close()
    await far.wait()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    errors = [abs(error) for stream in streams for error in stream.judge()["errors"]]  # type: ignore[union-attr]
    for stream in streams:
        stream.sock.close()
    return errors, cpu * 1000 / took / CALLS, sum(lost)


def gates() -> Iterator[Gate]:
    """Every gate of the area."""
    for hog, goal in ((False, P99_GOAL), (True, BUSY_GOAL)):
        errors, cpu, lost = asyncio.run(run(hog=hog))
        p50, p99, worst = (percentile(errors, q) for q in (0.5, 0.99, 1.0))
        name = f"{CALLS} browser calls" + (", gateway busy" if hog else "")
        figures = f"p50 {p50:.2f} p99 {p99:.2f} max {worst:.2f} ms ({len(errors)} packets, {lost} lost)"
        yield Gate(AREA, f"{name}: send-time error", figures, f"p99 < {goal:g} ms", p99 < goal)
        if not hog:
            yield Gate(
                AREA, f"{name}: CPU of the gateway", f"{cpu:.1f} ms/call-s", f"< {CPU_GOAL:g} ms/call-s", cpu < CPU_GOAL
            )
