"""Gates of the media plane: pacing, loss, CPU and memory of up to a thousand calls, also under attack.

The send-time error of a packet is its kernel stamp at the far end against the grid of its own timestamps.
"""

import asyncio
import contextlib
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from media.fast import Wanted, why_not
from media.g711 import FRAME, RATE
from media.process.channel import Channel, MediaDown
from media.process.engine import MediaEngine, MediaOptions
from media.recording.tap import TapOptions
from media.rtp import packet as rtp
from media.session.format import Format
from media.session.session import RtpSession
from tests.bench.gate import Gate, percentile

AREA = "media"
Meddle = Callable[[list[Channel]], Coroutine[Any, Any, None]]
CALLS = 100
SECONDS = 8.0
P99_GOAL = 2.0
MAX_GOAL = 8.0
CPU_GOAL = 0.6
"""Milliseconds per call-second: a core holds 500 calls with nothing else to do."""
FULL = 500
"""Calls that two cores are to hold."""
BEYOND = 1000
MEMORY_GOAL = 64.0
"""KiB for each call, without the packets kept for a capture, which have a limit of their own."""


class Goal(NamedTuple):
    """Milliseconds of send-time error that are promised for so many calls, and what others reach."""

    p50: float
    p99: float
    worst: float
    peers: str = ""

    def __str__(self) -> str:
        return f"p50 <= {self.p50}, p99 <= {self.p99}, max <= {self.worst} ms"


GOALS = {
    1: Goal(0.3, 1.5, 5, "published: a coroutine for each call 0.84/1.8/2.0, pipecat's rule 4.7/7.1/24"),
    CALLS: Goal(0.3, 2, 8, "published: a coroutine for each call 0.77/4.0/7.1, pipecat's rule 3.3/7.8/11"),
    FULL: Goal(
        0.3, 1, 5, "published: a coroutine for each call 0.83/2.9/6.2, pipecat's rule 9.9/15.6/18.6 and growing"
    ),
    BEYOND: Goal(0.5, 2.5, 10, "published: one schedule on asyncio 0.7/37/52"),
}
BUSY_PEERS = "published, 300 calls in one interpreter with the rest: p99 57-103"
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
    """Milliseconds for each second of a call."""
    memory: float
    """KiB for each call."""
    foreign: int


def worker_cpu() -> float:
    """CPU seconds of the media processes so far."""
    children, found = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split(), 0.0
    for child in children:
        with contextlib.suppress(OSError):
            if b"media.process.start" in Path(f"/proc/{child}/cmdline").read_bytes():
                found += int(Path(f"/proc/{child}/schedstat").read_text().split()[0]) / 1e9
    return found or float("nan")


def worker_memory(engine: MediaEngine) -> int:
    """Resident bytes of the media processes."""
    pages = sum(int(Path(f"/proc/{one.pid}/statm").read_text().split()[1]) for one in engine.processes)
    return pages * os.sysconf("SC_PAGE_SIZE")


async def spoof(port: int) -> None:
    """Have three strangers send 10,000 forged packets a second to a port."""
    command = (sys.executable, "-m", "tests.bench.spoof", str(port))
    process = await asyncio.create_subprocess_exec(*command)
    try:
        await process.wait()
    finally:
        process.kill()
        await process.wait()


async def speak(channels: list[Channel]) -> None:
    """Keep two seconds of speech queued on every call, as a TTS does that is faster than real time."""
    for channel in channels:
        channel.say(1, SPEECH)
    began = time.monotonic()
    for second in itertools.count(1):
        for channel in channels:
            channel.say(1, SPEECH)
        await asyncio.sleep(began + second - time.monotonic())


async def busy(burst: float = 0.020, pause: float = 0.080) -> None:
    """Hold the event loop and the interpreter for `burst` seconds, again and again, in JSON."""
    document = json.dumps([{"words": list(range(50)), "text": "x" * 100}] * 100)
    while True:
        until = time.monotonic() + burst
        while time.monotonic() < until:
            json.loads(document)
        await asyncio.sleep(pause)


async def look(engine: MediaEngine, channels: list[Channel]) -> None:
    """Fetch the packets of one call after the other, without a pause, as if somebody downloaded every capture."""
    while True:
        for channel in channels:
            async for _ in engine.packets(channel.number):
                pass


async def counters(channel: Channel) -> dict[str, Any]:
    """The counters of a call, with patience: a machine that is full answers late."""
    for _ in range(20):
        with contextlib.suppress(MediaDown):
            return await channel.stats()
    raise MediaDown("no counters")


async def connected(engine: MediaEngine, ports: list[int], record: str, *, bridged: bool) -> list[Channel]:
    """A call to each of these ports, when all orders are carried out: a packet before that would count as lost."""
    channels = list[Channel]()
    for at in range(len(ports)):
        beside = channels[-1].number if bridged and at % 2 else 0
        channels.append(await engine.open(lambda event: None, beside=beside))
    for channel, port in zip(channels, ports, strict=True):
        channel.connect(FORMAT, ("127.0.0.1", port))
        if record:
            channel.record(f"{record}/{port}.wav")
    if bridged:
        for one, other in zip(channels[::2], channels[1::2], strict=True):
            one.bridge(other)
    for channel in channels:
        await counters(channel)
    return channels


async def run_calls(
    calls: int = CALLS,
    *,
    hog: bool = False,
    record: str = "",
    bridged: bool = False,
    looked_at: bool = False,
    kept: bool = True,
    attacked: bool = False,
    processes: int = 1,
    fast: Wanted = "auto",
    meddle: Meddle | None = None,
    spared: int = 0,
) -> Load:
    """Hold two-way calls for `SECONDS`; `record` is a folder that they are recorded in.

    If `bridged`, they are joined two by two; if `looked_at`, their packets are fetched all the time; if not `kept`,
    there is no capture to fetch; if `attacked`, three strangers flood one of them. `meddle` works on the channels
    meanwhile; the first `spared` of them are not judged.
    """
    callers = sys.executable, "-m", "tests.bench.rtp_load", str(calls), str(SECONDS)
    pipe = asyncio.subprocess.PIPE
    far = await asyncio.create_subprocess_exec(*callers, stdin=pipe, stdout=pipe, limit=1 << 26)
    assert far.stdin and far.stdout
    options, tap = MediaOptions("127.0.0.1", processes=processes, fast=fast), TapOptions() if kept else None
    async with MediaEngine(options, tap) as engine:
        assert engine.processes[0].native == (bool(fast) and not why_not())
        empty, ports = worker_memory(engine), json.loads(await far.stdout.readline())
        channels = await connected(engine, ports, record, bridged=bridged)
        async with asyncio.TaskGroup() as tasks:
            work = [busy(0.050, 0.150)] if hog else []
            if not bridged:
                work.append(speak(channels))
            if looked_at:
                work.append(look(engine, channels))
            if meddle:
                work.append(meddle(channels))
            if attacked:
                work.append(spoof(channels[0].port))
            others = [tasks.create_task(each) for each in work]
            far.stdin.write(json.dumps([channel.port for channel in channels]).encode() + b"\n")
            began, cpu = time.monotonic(), worker_cpu()
            seen = {"sent": json.loads(await far.stdout.readline())[spared:]}
            cpu, took = worker_cpu() - cpu, time.monotonic() - began
            memory = worker_memory(engine) - empty
            seen["calls"] = json.loads(await far.stdout.readline())[spared:]
            counts = [await counters(channel) for channel in channels]
            for task in others:
                task.cancel()
    await far.wait()
    return _summary(seen, counts[spared:], cpu * 1000 / took / calls, memory / calls / 1024)


def _summary(seen: dict[str, Any], counts: list[dict[str, Any]], cpu: float, memory: float) -> Load:
    calls = seen["calls"]
    return Load(
        errors=[abs(error) for call in calls for error in call["errors"]],
        lost_out=sum(call["lost"] + call["duplicate"] for call in calls),
        lost_in=sum(sent - count["received"] + count["lost"] for sent, count in zip(seen["sent"], counts, strict=True)),
        broken=sum(call["breaks"] for call in calls),
        silent=sum(call["silent"] for call in calls),
        cpu=cpu,
        memory=memory,
        foreign=sum(count["foreign"] for count in counts),
    )


def pacing(name: str, load: Load, goal: Goal, peers: str = "") -> Gate:
    """How late or early packets left."""
    p50, p99, worst = (percentile(load.errors, q) for q in (0.5, 0.99, 1.0))
    figures = f"p50 {p50:.2f} p99 {p99:.2f} max {worst:.2f} ms" + (f" ({peers})" if peers else "")
    met = p50 <= goal.p50 and p99 <= goal.p99 and worst <= goal.worst
    return Gate(AREA, f"{name}: send-time error", figures, str(goal), met)


def whole(name: str, load: Load) -> Gate:
    """Whether every packet arrived once, rightly numbered, with sound in it."""
    lost = load.lost_out + load.lost_in + load.broken
    figures = f"{lost}, {load.silent} silent although speech was queued"
    return Gate(AREA, f"{name}: packets lost, doubled or misnumbered", figures, "0, 0", not lost and not load.silent)


def cost(name: str, load: Load, goal: float, beside: str = "") -> Gate:
    """CPU of the media process."""
    figures = f"{load.cpu:.2f} ms per call-second{beside}"
    return Gate(AREA, f"{name}: CPU of the media process", figures, f"<= {goal}", load.cpu <= goal)


def load_gates() -> Iterator[Gate]:
    """From one call to a thousand; and many with a gateway that is busy."""
    for calls, goal in GOALS.items():
        load, name = asyncio.run(run_calls(calls)), f"{calls} calls"
        yield pacing(name, load, goal, goal.peers)
        yield whole(name, load)
        yield cost(f"{name}, packets kept for a capture", load, float("inf") if calls < CALLS else CPU_GOAL)
    for calls in (CALLS, FULL):
        load, name = asyncio.run(run_calls(calls, hog=True)), f"{calls} calls, gateway busy in bursts of 50 ms"
        yield pacing(name, load, GOALS[calls], BUSY_PEERS)
        yield whole(name, load)
    for calls in (CALLS, FULL):
        bare, load = floor(calls), asyncio.run(run_calls(calls, kept=False))
        name = f"{calls} calls, nothing kept"
        yield cost(name, load, CPU_GOAL, f" (sendto and recvfrom alone, at the same moments: {bare:.2f})")
        memory = load.memory
        yield Gate(AREA, f"{name}: memory", f"{memory:.0f} KiB a call", f"<= {MEMORY_GOAL:.0f}", memory <= MEMORY_GOAL)


def attack_gates() -> Iterator[Gate]:
    """A hundred calls, of which one is flooded by strangers."""
    load = asyncio.run(run_calls(attacked=True))
    name = f"{CALLS} calls, three strangers send one of them 10,000 forged packets a second"
    yield pacing(name, load, GOALS[CALLS], "published: aiortp and LiveKit SIP follow the last sender")
    yield whole(name, load)
    figures = f"{load.foreign} counted and dropped"
    least = 9_000 * (SECONDS - 2)
    yield Gate(AREA, f"{name}: forged packets", figures, f"{least:.0f} at least", load.foreign >= least)


def bridged_gates() -> Iterator[Gate]:
    """The gates of calls that are joined two by two; the cost is that of each of the two."""
    load, name = asyncio.run(run_calls(bridged=True)), f"{CALLS} calls, bridged two by two"
    yield pacing(name, load, GOALS[CALLS])
    lost = load.lost_out + load.lost_in + load.broken
    yield Gate(AREA, f"{name}: packets lost, doubled or misnumbered", str(lost), "0", lost == 0)
    yield cost(name, load, BRIDGED_GOAL)


def floor(calls: int) -> float:
    """Milliseconds per call-second of an own process that does nothing but ``sendto`` and ``recvfrom`` when due."""
    command = (sys.executable, "-m", "tests.bench.floor", str(calls), str(SECONDS / 2))
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def inbound_cost() -> Gate:
    """Parsing, source check and jitter buffer for packets in order, the best of five."""
    sender, best = ("127.0.0.1", 4000), float("inf")
    packets = [rtp.build(0, False, at, at * FRAME, 1, SPEECH[:FRAME]) for at in range(20_000)]
    for _ in range(5):
        session = RtpSession(lambda bits: 1)
        session.connect(FORMAT, sender, 0.0)
        began = time.process_time()
        for at, packet in enumerate(packets):
            session.receive(packet, sender, at * 0.02)
        best = min(best, (time.process_time() - began) / len(packets) * 1e6)
    return Gate(AREA, "a packet in", f"{best:.2f} µs", f"<= {PACKET_GOAL:.0f} µs", best <= PACKET_GOAL)


def outbound_cost() -> Gate:
    """A slot of a call that speaks, from the queue to the packet, the best of five."""
    best = float("inf")
    for _ in range(5):
        session = RtpSession(lambda bits: 1)
        session.connect(FORMAT, ("127.0.0.1", 4000), 0.0)
        for _ in range(100):
            session.playout.say(1, SPEECH)
        began = time.process_time()
        for slot in range(4_000):
            session.transmit(slot, slot * 0.02)
            session.poll(slot * 0.02)
        best = min(best, (time.process_time() - began) / 4_000 * 1e6)
    return Gate(AREA, "a packet out", f"{best:.2f} µs", f"<= {PACKET_GOAL:.0f} µs", best <= PACKET_GOAL)


def gates() -> Iterator[Gate]:
    """Measure everything."""
    yield inbound_cost()
    yield outbound_cost()
    yield from load_gates()
    yield from attack_gates()
    yield from bridged_gates()
