"""Gates of SRTP: the cost of a packet, and what it adds to the media process with many calls."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from media.g711 import FRAME
from media.process.engine import MediaEngine, MediaOptions
from media.rtp import packet as rtp
from media.rtp.srtp import PROFILES, Keys, Srtp, SrtpContext
from media.session.format import Format
from tests.bench.gate import Gate
from tests.bench.media import worker_cpu

AREA = "media"
GOAL = 2.0
"""Microseconds for each packet."""
SHARE_GOAL = 8.0
"""Percent of a core that 500 calls add, both ways."""
PACKETS = 20_000
SESSIONS = 1_000
"""Of 500 calls, one for each direction."""
ROUNDS = 7
CALLS = 100
SECONDS = 6.0
LENGTHS = dict(zip(PROFILES, (30, 30, 28, 44), strict=True))


def best(run: Callable[[], None]) -> float:
    """Microseconds per packet of the fastest of some runs, which is the one that nobody disturbed."""
    times = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        run()
        times.append(time.process_time() - begun)
    return min(times) / PACKETS * 1e6


def packet_gates(suite: str) -> list[Gate]:
    """The cost of a packet out and in."""
    ours, theirs = bytes(LENGTHS[suite]), b"\1" * LENGTHS[suite]
    packets = [rtp.build(0, False, at & 0xFFFF, at * FRAME, 7, bytes(FRAME)) for at in range(PACKETS)]
    sender = Srtp(Keys(suite, ours, theirs))
    wire = [sender.protect(packet) for packet in packets]

    def protect() -> None:
        one = Srtp(Keys(suite, ours, theirs)).protect
        for packet in packets:
            one(packet)

    def unprotect() -> None:
        one = Srtp(Keys(suite, theirs, ours)).unprotect
        for packet in wire:
            one(packet, 0.0)

    costs = (("protect", best(protect)), ("unprotect", best(unprotect)))
    return [Gate(AREA, f"{suite} {name}", f"{cost:.2f} us", f"<= {GOAL} us", cost <= GOAL) for name, cost in costs]


def floor() -> float:
    """Microseconds of libsrtp's own ``srtp_protect``, one packet of each of the sessions of 500 calls in turn."""
    from pylibsrtp._binding import ffi, lib  # what pylibsrtp calls; not for the product

    suite = next(iter(PROFILES))
    sessions = [SrtpContext(suite, bytes(LENGTHS[suite]), sends=True).session for _ in range(SESSIONS)]
    packets = [rtp.build(0, False, at, at * FRAME, 7, bytes(FRAME)) for at in range(PACKETS // SESSIONS)]
    data, length = ffi.new("char[]", 1500), ffi.new("int *")
    view, begun = ffi.buffer(data), time.process_time()
    for packet in packets:
        for session in sessions:
            view[0 : len(packet)], length[0] = packet, len(packet)
            lib.srtp_protect(session._srtp[0], data, length)
    return (time.process_time() - begun) / (len(packets) * SESSIONS) * 1e6


async def load(suite: str) -> float:
    """CPU seconds per second of the media process with `CALLS` calls, in pairs that speak to each other."""
    options = MediaOptions("127.0.0.1", (20_000, 26_000))
    async with MediaEngine(options) as engine, contextlib.AsyncExitStack() as stack:
        channels = [await engine.open(lambda event: None) for _ in range(CALLS)]
        for channel in channels:
            stack.callback(channel.close)
        for at, channel in enumerate(channels):
            keys = [bytes([1 + side]) * LENGTHS[suite] for side in (at % 2, 1 - at % 2)] if suite else None
            remote = "127.0.0.1", channels[at ^ 1].port
            channel.connect(Format("PCMU", 0, 101), remote, keys=Keys(suite, *keys) if keys else None)
        await asyncio.sleep(1.0)
        before, begun = worker_cpu(), time.monotonic()
        await asyncio.sleep(SECONDS)
        return (worker_cpu() - before) / (time.monotonic() - begun)


def gates() -> list[Gate]:
    """All of them."""
    found = [gate for suite in PROFILES for gate in packet_gates(suite)]
    suite = next(iter(PROFILES))
    rounds = [(asyncio.run(load("")), asyncio.run(load(suite))) for _ in range(2)]
    plain, secure = (min(column) for column in zip(*rounds, strict=True))
    added = (secure - plain) * 500 / CALLS * 100
    name = f"{suite}: added by 500 calls both ways (measured with {CALLS})"
    bare = min(floor() for _ in range(3))
    figures = f"{added:.1f} % of a core (50,000 times libsrtp's srtp_protect alone, {bare:.2f} us: {bare * 5:.1f} %)"
    found.append(Gate(AREA, name, figures, f"<= {SHARE_GOAL} %", added <= SHARE_GOAL))
    return found
