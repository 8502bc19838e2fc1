"""Gates of what must be exact: cadence, barge-in, what was heard, the round trip, the score of a call."""

import asyncio
import random
import socket
import time
from collections.abc import Iterator

from media.g711 import FRAME, RATE, SILENCE
from media.process.channel import Channel
from media.process.engine import MediaEngine, MediaOptions
from media.rtp import packet as rtp
from media.session.format import Format
from media.session.playout import CAPACITY, Playout
from media.session.quality import mos, rating
from media.session.session import RtpSession
from tests.bench.gate import Gate, percentile
from tests.bench.rtp_load import SO_TIMESTAMPNS, STAMP
from tests.media.reporting import Call
from tests.media.test_playout_estimator import followed, playing, spoken
from tests.media.test_quality import VECTORS
from tests.media.test_remote_stats import FarEnd

AREA = "media"
HOUR = 3600 * 50
STALL = 250
"""Slots that the process stands still for, once a minute (5 s)."""
CUTS = 60
BARGE_IN_GOAL = 22.0
FLUSH_GOAL = 50.0
SPEECH = bytes(range(200)) * (RATE // 200)
FORMAT = Format("PCMU", 0, 101)


def cadence() -> Iterator[Gate]:
    """An hour without a fault, and an hour with a stall of 5 s in every minute, in which speech must wait."""
    for name, stalled in (("an hour", 0), ("an hour, 5 s of every minute asleep", STALL)):
        session = RtpSession(random.Random(1).getrandbits)
        session.connect(FORMAT, ("192.0.2.1", 4000), 0.0)
        sent, wrong, most, said, heard, begun = 0, 0, 0, bytearray(), bytearray(), None
        for slot in range(HOUR):
            if slot % 3000 < stalled:
                continue
            if session.playout.waiting < RATE:
                session.playout.say(1, SPEECH)
                said += SPEECH
            packets = [rtp.parse(data) for data in session.transmit(slot)[0]]
            most = max(most, len(packets))
            sent += len(packets)
            for packet in packets:
                assert packet
                begun = packet.timestamp - slot * FRAME if begun is None else begun
                late = rtp.signed(begun + slot * FRAME - packet.timestamp, 32) // FRAME
                wrong += late != 0
                heard += packet.payload
        words = len(heard) - (said[: len(heard)] == heard) * len(heard)
        figures = f"{sent} packets, {wrong} timestamps off the clock, {most} back to back at most, {words} samples lost"
        ideal = HOUR - stalled * HOUR // 3000
        met = abs(sent - ideal) <= 1 and not wrong and most <= 2 and not words
        peers = (
            "published: openclaw 2.9 s off in a minute" if not stalled else "published: aiortp sends all missed at once"
        )
        yield Gate(AREA, f"cadence, {name}", f"{figures} ({peers})", f"{ideal} +-1, 0, 2, 0", met)


async def cut(channel: Channel, far: socket.socket, utterance: int) -> float:
    """Milliseconds from `stop` until the last sound leaves; below zero if none left after it."""
    channel.say(utterance, SPEECH)
    await asyncio.sleep(0.1 + random.random() * 0.02)
    told = time.clock_gettime(time.CLOCK_REALTIME)  # as the stamps of the kernel
    channel.stop()
    await asyncio.sleep(0.1)
    last = told
    while True:
        try:
            data, ancillary, _, _ = far.recvmsg(2048, 64)
        except BlockingIOError:
            return (last - told) * 1000
        seconds, nanoseconds = STAMP.unpack(ancillary[0][2])
        packet = rtp.parse(data)
        if packet and packet.payload != SILENCE:
            last = seconds + nanoseconds / 1e9


async def cuts() -> list[float]:
    """Many of them, at random moments."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.1", 0))
        far.setblocking(False)
        far.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        async with MediaEngine(MediaOptions("127.0.0.1")) as engine:
            channel = await engine.open(lambda event: None)
            channel.connect(FORMAT, far.getsockname())
            return [await cut(channel, far, number) for number in range(1, CUTS)]


def barge_in() -> Iterator[Gate]:
    """How soon it is silent, and what it costs to throw two minutes of speech away."""
    late = asyncio.run(cuts())
    figures = f"p50 {percentile(late, 0.5):.1f} max {max(late):.1f} ms"
    figures += " (published: gateways by websocket have 160-200 ms and the round trip on their way)"
    yield Gate(AREA, "stop, until the last sound leaves", figures, f"<= {BARGE_IN_GOAL}", max(late) <= BARGE_IN_GOAL)
    best = float("inf")
    for _ in range(20):
        playout = Playout()
        playout.say(1, bytes(CAPACITY))
        playout.take()
        began = time.perf_counter()
        playout.stop()
        best = min(best, (time.perf_counter() - began) * 1e6)
    yield Gate(AREA, "stop with 120 s queued", f"{best:.0f} us", f"<= {FLUSH_GOAL:.0f} us", best <= FLUSH_GOAL)


def accounts() -> Iterator[Gate]:
    """What the gateway knows of playout, of the far end, and of quality."""
    known, heard, trip = [], [], []
    for one_way in (0.002, 0.030, 0.150):
        call = Call().run(100)
        FarEnd(call, one_way=one_way).answer()
        trip.append(abs(call.session.stats()["round_trip"] - 2 * one_way) * 1000)
        for buffer in (0.020, 0.050, 0.080):
            for now, estimate in followed(18.0):
                left, there = playing(now), playing(now - one_way - buffer)
                known.append(abs(spoken(estimate.at(now)) - spoken(left)) * 1000)
                heard.append(abs(spoken(estimate.at(now - call.session.rtcp.remote.delay)) - spoken(there)) * 1000)
    yield Gate(AREA, "what has left, as the gateway knows it", f"{max(known):.1f} ms off", "<= 20 ms", max(known) <= 20)
    yield Gate(AREA, "what the caller has heard", f"{max(heard):.0f} ms off at most", "<= 40 ms", max(heard) <= 40)
    yield Gate(AREA, "round trip by RTCP", f"{max(trip):.2f} ms off at most", "<= 1 ms", max(trip) <= 1)
    off = 0.0
    for percent, bursts, milliseconds, concealed, r, score in VECTORS:
        rated = rating(percent / 100, bursts, milliseconds / 1000, concealed=concealed)
        off = max(off, abs(rated - r), abs(mos(rated) - score))
    yield Gate(AREA, "score of a call, vectors of G.107", f"{off:.3f} off at most", "<= 0.01", off <= 0.01)


def gates() -> Iterator[Gate]:
    """Measure everything."""
    yield from cadence()
    yield from barge_in()
    yield from accounts()
