"""Twenty-two network conditions on virtual time, each the same at every run.

A conversation of talk and pauses is sent in packets of 20 ms over a network that delays, loses and swaps them, by a
sender that may pause, jump, hold or run on a clock of its own. The last four stand for recorded Wi-Fi, VPN and cellular
arrivals: statistical doubles, for the recordings themselves are not ours to ship.
"""

import math
import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from media.g711 import FRAME

STEP = 0.020
START = 10.0
MINUTE = 60.0
PARTING = 100
"""Frames of quiet at the end, in which a buffer may take back its surplus."""
Delay = Callable[[float], float | None]
"""The seconds that a packet sent at a moment takes beyond the fastest; None if it is lost."""
QUIET = bytes([0xFE]) * FRAME
_FADE = 40
_NOISE = bytes(byte & 0x9F for byte in random.Random(1).randbytes(4200))


class Packet(NamedTuple):
    """A packet as it arrives. `stream` changes with the SSRC."""

    at: float
    sent: float
    stream: int
    sequence: int
    timestamp: int
    payload: bytes


def loud(number: int) -> bytes:
    """Frame `number` of speech: no two are alike, and concealment, which alters the first 4 ms, makes none of them."""
    start = number * 37 % 4000
    body = _NOISE[start : start + FRAME - 8]
    return body + number.to_bytes(4, "big") + zlib.crc32(body[_FADE:], number).to_bytes(4, "big")


def number_of(frame: bytes) -> int | None:
    """The number of a frame of speech; None for any other."""
    number = int.from_bytes(frame[-8:-4], "big")
    if zlib.crc32(frame[_FADE:-8], number).to_bytes(4, "big") != frame[-4:]:
        return None
    return number


# Delays


def gamma(chance: random.Random, milliseconds: float, loss: float = 0.0, shape: float = 1.5) -> Delay:
    return lambda at: None if chance.random() < loss else chance.gammavariate(shape, milliseconds / shape) / 1000


def pareto(chance: random.Random) -> Delay:
    return lambda at: min(0.6, 0.004 * (chance.paretovariate(1.3) - 1))


def bursty(chance: random.Random, loss: float, length: float) -> Delay:
    """Gilbert-Elliott: lost in bursts of a mean length."""
    state = [False]

    def delay(at: float) -> float | None:
        state[0] = chance.random() >= 1 / length if state[0] else chance.random() < loss / (1 - loss) / length
        return None if state[0] else chance.gammavariate(1.5, 0.004)

    return delay


def stalls(
    chance: random.Random, every: float, shortest: float, longest: float, base: float = 3.0, loss: float = 0.0
) -> Delay:
    """Now and then nothing passes for a while; then all that waited does at once."""
    until = [START + chance.expovariate(1 / every), 0.0]

    def delay(at: float) -> float | None:
        if at >= until[0]:
            until[1] = at + chance.uniform(shortest, longest)
            until[0] = until[1] + chance.expovariate(1 / every)
        if chance.random() < loss:
            return None
        return max(0.0, until[1] - at) + chance.gammavariate(1.5, base / 1500)

    return delay


def outages(chance: random.Random, end: float, every: float, shortest: float, longest: float, rate: float) -> Delay:
    """Now and then nothing passes for seconds; then what waited comes so many times as fast as it was sent.

    None is in the last half minute, in which there are pauses enough to come to rest.
    """
    until, free = [START + chance.expovariate(1 / every), 0.0], [0.0]

    def delay(at: float) -> float | None:
        if until[0] <= at < START + end - 30.0:
            until[1] = at + chance.uniform(shortest, longest)
            until[0] = until[1] + max(10.0, chance.expovariate(1 / every))
        passes = max(at + chance.gammavariate(1.5, 0.002), until[1], free[0])
        free[0] = passes + STEP / rate
        return passes - at

    return delay


def step(chance: random.Random, seconds: float) -> Delay:
    """A route that is 80 ms longer in the middle third of the call."""
    inside = range(int(START + seconds / 3), int(START + 2 * seconds / 3))
    return lambda at: chance.gammavariate(1.5, 0.003) + (0.080 if int(at) in inside else 0.0)


def discontinuous_reception(chance: random.Random, base: float = 2.0) -> Delay:
    """LTE with 40 ms DRX: packets leave the base station on a grid of 40 ms."""
    return lambda at: math.ceil(at / 0.040) * 0.040 - at + chance.gammavariate(1.5, base / 1500)


def swapping(chance: random.Random) -> Delay:
    """3 % of the packets take 15 to 70 ms longer and are overtaken."""
    return lambda at: chance.uniform(0, 0.002) + (chance.uniform(0.015, 0.070) if chance.random() < 0.03 else 0.0)


def both(one: Delay, other: Delay) -> Delay:
    def delay(at: float) -> float | None:
        first, second = one(at), other(at)
        return None if first is None or second is None else first + second

    return delay


# Senders


@dataclass(frozen=True)
class Sender:
    """What the other side does besides speaking."""

    silence_suppressed: bool = False
    """No packets in a pause after 100 ms of it (DTX)."""
    reinvites: bool = False
    """Each minute a new SSRC, sequence and timestamp, after 300 ms of nothing."""
    jumps: bool = False
    """Each minute the timestamp jumps by an hour."""
    hold: str = ""
    """Each minute 5 s without packets, the timestamp "running" or "frozen"."""
    skew: float = 0.0
    """How much faster the sender's clock is, per second."""
    overtaking: bool = False
    """Packets are not kept in order."""


def talk(chance: random.Random) -> Iterator[bool]:
    """Speech and pauses, frame by frame."""
    while True:
        for _ in range(15 + int(chance.expovariate(1 / 75))):
            yield True
        for _ in range(10 + int(chance.expovariate(1 / 50))):
            yield False


def send(sender: Sender, delay: Delay, chance: random.Random, seconds: float) -> list[Packet]:
    """All packets of a call, in the order of their arrival; the lost ones are left out."""
    packets: list[Packet] = []
    at, last, stream, sequence, timestamp, pause = START, START, 0, 65_000, 0xFFFF_0000, 0
    speech, minute = talk(chance), MINUTE
    frames = int(seconds / STEP)
    for number in range(frames):
        at += STEP / (1 + sender.skew)
        timestamp += FRAME
        if at - START > minute:
            minute += MINUTE
            if sender.reinvites:
                at, stream, sequence, timestamp = at + 0.3, stream + 1, chance.getrandbits(16), chance.getrandbits(32)
            if sender.jumps:
                timestamp += 3600 * 8000 * (1 if stream % 2 else -1)
            if sender.hold:
                at += 5.0
                timestamp += int(5 / STEP) * FRAME if sender.hold == "running" else 0
        speaking = next(speech) and number < frames - PARTING
        pause = 0 if speaking else pause + 1
        if sender.silence_suppressed and pause > 5:
            continue
        sequence += 1
        took = delay(at)
        if took is None and number:
            continue
        arrives = at + (took or 0.0)
        if not sender.overtaking:
            arrives = last = max(arrives, last + 1e-4)
        payload = loud(number) if speaking else QUIET
        packets.append(Packet(arrives, at, stream, sequence & 0xFFFF, timestamp & 0xFFFF_FFFF, payload))
    return sorted(packets)


# The conditions


class Condition(NamedTuple):
    name: str
    network: Callable[[random.Random, float], Delay]
    sender: Sender = Sender()
    loss: float = 0.0

    def packets(self, seconds: float = 300.0) -> list[Packet]:
        """The same packets at every call; ten times as long where clocks run apart."""
        length = seconds * (6 if self.sender.skew else 1)
        chance = random.Random(self.name)
        return send(self.sender, self.network(chance, length), chance, length)


def _carrier(chance: random.Random, _: float) -> Delay:
    return gamma(chance, 2)


CONDITIONS = (
    Condition("LAN", lambda c, s: gamma(c, 0.5)),
    Condition("carrier", lambda c, s: gamma(c, 3, 0.0014), loss=0.0014),
    Condition("Internet", lambda c, s: gamma(c, 10, 0.005), loss=0.005),
    Condition("poor Internet", lambda c, s: gamma(c, 25, 0.005), loss=0.005),
    Condition("Pareto jitter", lambda c, s: pareto(c)),
    Condition("3 % loss in bursts of 4", lambda c, s: bursty(c, 0.03, 4), loss=0.03),
    Condition("10 % loss", lambda c, s: bursty(c, 0.10, 1.5), loss=0.10),
    Condition("spikes of 120-400 ms", lambda c, s: stalls(c, 8, 0.12, 0.4)),
    Condition("3 % reordered", lambda c, s: swapping(c), Sender(overtaking=True)),
    Condition("route 80 ms longer", step),
    Condition("LTE, DRX 40 ms", lambda c, s: discontinuous_reception(c)),
    Condition("DTX", _carrier, Sender(silence_suppressed=True)),
    Condition("re-INVITE, new SSRC", _carrier, Sender(reinvites=True)),
    Condition("timestamp jumps", _carrier, Sender(jumps=True)),
    Condition("hold, clock runs", _carrier, Sender(hold="running")),
    Condition("hold, clock stands", _carrier, Sender(hold="frozen")),
    Condition("skew +150 ppm", _carrier, Sender(skew=150e-6)),
    Condition("skew -150 ppm", _carrier, Sender(skew=-150e-6)),
    Condition("Wi-Fi", lambda c, s: stalls(c, 3, 0.02, 0.22, 4)),
    Condition("VPN", lambda c, s: stalls(c, 4, 0.05, 0.17, 6, 0.001), loss=0.001),
    Condition("LTE drive", lambda c, s: both(discontinuous_reception(c), stalls(c, 12, 0.06, 0.3))),
    Condition("LTE outages", lambda c, s: both(discontinuous_reception(c), stalls(c, 60, 0.4, 0.8))),
)

OUTAGES = (
    Condition("outages of 1-3 s, then all at once", lambda c, s: outages(c, s, 25, 1.0, 3.0, 200)),
    Condition("outages of 1-3 s, drained 4 times as fast", lambda c, s: outages(c, s, 25, 1.0, 3.0, 4)),
    Condition("outages of 2-5 s, drained twice as fast", lambda c, s: outages(c, s, 30, 2.0, 5.0, 2)),
)
"""Further conditions for the recogniser's buffer; there are no published figures of other buffers for them."""
