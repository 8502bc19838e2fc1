"""Gates of the media plane: pacing, loss and CPU of a hundred calls, and the cost of the jitter buffer."""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from media import rtp
from media.channel import Channel, Frames, MediaEvent
from media.engine import MediaEngine, MediaOptions
from media.g711 import FRAME, RATE
from media.session import Format, Session
from media.tap import TapOptions
from tests.bench.gate import Gate, percentile

AREA = "media"
CALLS = 100
SECONDS = 8.0
P99_GOAL = 2.0
MAX_GOAL = 8.0
CPU_GOAL = 0.6
"""Milliseconds per call-second: a core holds 500 calls with nothing else to do."""
BRIDGED_GOAL = 0.75
"""The same for a call that is one side of a bridge: it has a second jitter buffer, for a person."""
PACKET_GOAL = 5.0
FORMAT = Format("PCMU", 0, 101)
SPEECH = bytes(range(200)) * (RATE // 200)


class Load(NamedTuple):
    """What a run of many calls showed."""

    errors: list[float]
    lost_out: int
    lost_in: int
    broken: int
    silent: int
    cpu: float


def worker_cpu() -> float:
    """CPU seconds of the media process so far."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    for child in children:
        with contextlib.suppress(OSError):
            if b"media.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(Path(f"/proc/{child}/schedstat").read_text().split()[0]) / 1e9
    return float("nan")


async def speak(channels: list[Channel]) -> None:
    """Keep two seconds of speech queued on every call, as a TTS does that is faster than real time."""
    for channel in channels:
        channel.say(1, SPEECH)
    while True:
        for channel in channels:
            channel.say(1, SPEECH)
        await asyncio.sleep(1.0)


async def busy() -> None:
    """Hold the event loop and the interpreter for 20 ms of every 100, in JSON."""
    document = json.dumps([{"words": list(range(50)), "text": "x" * 100}] * 100)
    while True:
        until = time.monotonic() + 0.020
        while time.monotonic() < until:
            json.loads(document)
        await asyncio.sleep(0.080)


async def look(engine: MediaEngine, channels: list[Channel]) -> None:
    """Fetch the packets of one call after the other, without a pause, as if somebody downloaded every capture."""
    while True:
        for channel in channels:
            async for _ in engine.packets(channel.number):
                pass


async def run_calls(*, hog: bool = False, record: str = "", bridged: bool = False, looked_at: bool = False) -> Load:
    """Hold `CALLS` two-way calls for `SECONDS`, their packets kept; `record` is a folder that they are recorded in.

    If `bridged`, they are joined two by two; if `looked_at`, their packets are fetched all the time.
    """
    heard = [0] * CALLS

    def listener(call: int) -> Callable[[MediaEvent], None]:
        def take(event: MediaEvent) -> None:
            heard[call] += len(event.ulaw) if isinstance(event, Frames) else 0

        return take

    far = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.rtp_load", str(CALLS), str(SECONDS),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 26,
    )  # fmt: skip
    assert far.stdin and far.stdout
    async with MediaEngine(MediaOptions("127.0.0.1"), TapOptions()) as engine:
        channels = [await engine.open(listener(call)) for call in range(CALLS)]
        for channel, port in zip(channels, json.loads(await far.stdout.readline()), strict=True):
            channel.connect(FORMAT, ("127.0.0.1", port))
            if record:
                channel.record(f"{record}/{port}.wav")
        if bridged:
            for one, other in zip(channels[::2], channels[1::2], strict=True):
                one.bridge(other)
        async with asyncio.TaskGroup() as tasks:
            work = [busy()] if hog else []
            if not bridged:
                work.append(speak(channels))
            if looked_at:
                work.append(look(engine, channels))
            others = [tasks.create_task(each) for each in work]
            far.stdin.write(json.dumps([channel.port for channel in channels]).encode() + b"\n")
            began, cpu = time.monotonic(), worker_cpu()
            seen = json.loads(await far.stdout.readline())
            cpu, took = worker_cpu() - cpu, time.monotonic() - began
            counts = [await channel.stats() for channel in channels]
            for task in others:
                task.cancel()
    await far.wait()
    return _summary(seen, counts, cpu * 1000 / took / CALLS)


def _summary(seen: dict[str, Any], counts: list[dict[str, Any]], cpu: float) -> Load:
    calls = seen["calls"]
    return Load(
        errors=[abs(error) for call in calls for error in call["errors"]],
        lost_out=sum(call["lost"] + call["duplicate"] for call in calls),
        lost_in=sum(sent - count["received"] + count["lost"] for sent, count in zip(seen["sent"], counts, strict=True)),
        broken=sum(call["breaks"] for call in calls),
        silent=sum(call["silent"] for call in calls),
        cpu=cpu,
    )


def load_gates(*, hog: bool) -> Iterator[Gate]:
    """The gates of one run."""
    load = asyncio.run(run_calls(hog=hog))
    name = f"{CALLS} calls" + (", gateway busy" if hog else "")
    p50, p99, worst = (percentile(load.errors, q) for q in (0.5, 0.99, 1.0))
    figures = f"p50 {p50:.2f} p99 {p99:.2f} max {worst:.2f} ms"
    goal = f"p99 < {P99_GOAL:.0f}, max < {MAX_GOAL:.0f} ms"
    yield Gate(AREA, f"{name}: send-time error", figures, goal, p99 < P99_GOAL and worst < MAX_GOAL)
    lost = load.lost_out + load.lost_in + load.broken
    yield Gate(AREA, f"{name}: packets lost, doubled or misnumbered", str(lost), "0", lost == 0)
    yield Gate(AREA, f"{name}: frames silent although speech was queued", str(load.silent), "0", load.silent == 0)
    cpu = f"{load.cpu:.2f} ms per call-second"
    yield Gate(AREA, f"{name}: CPU of the media process", cpu, f"<= {CPU_GOAL}", load.cpu <= CPU_GOAL)


def bridged_gates() -> Iterator[Gate]:
    """The gates of calls that are joined two by two; the cost is that of each of the two."""
    load = asyncio.run(run_calls(bridged=True))
    p50, p99, worst = (percentile(load.errors, q) for q in (0.5, 0.99, 1.0))
    figures = f"p50 {p50:.2f} p99 {p99:.2f} max {worst:.2f} ms"
    goal = f"p99 < {P99_GOAL:.0f}, max < {MAX_GOAL:.0f} ms"
    name = f"{CALLS} calls, bridged two by two"
    yield Gate(AREA, f"{name}: send-time error", figures, goal, p99 < P99_GOAL and worst < MAX_GOAL)
    lost = load.lost_out + load.lost_in + load.broken
    yield Gate(AREA, f"{name}: packets lost, doubled or misnumbered", str(lost), "0", lost == 0)
    cpu = f"{load.cpu:.2f} ms per call-second"
    yield Gate(AREA, f"{name}: CPU of the media process", cpu, f"<= {BRIDGED_GOAL}", load.cpu <= BRIDGED_GOAL)


def inbound_cost() -> Gate:
    """Parsing, source check and jitter buffer for packets in order, the best of five."""
    sender, best = ("127.0.0.1", 4000), float("inf")
    packets = [rtp.build(0, False, at, at * FRAME, 1, SPEECH[:FRAME]) for at in range(20_000)]
    for _ in range(5):
        session = Session(lambda bits: 1)
        session.connect(FORMAT, sender, 0.0)
        began = time.process_time()
        for at, packet in enumerate(packets):
            session.receive(packet, sender, at * 0.02)
        best = min(best, (time.process_time() - began) / len(packets) * 1e6)
    return Gate(AREA, "a packet in", f"{best:.2f} µs", f"<= {PACKET_GOAL:.0f} µs", best <= PACKET_GOAL)


def gates() -> Iterator[Gate]:
    """Measure everything."""
    yield inbound_cost()
    yield from load_gates(hog=False)
    yield from load_gates(hog=True)
    yield from bridged_gates()
