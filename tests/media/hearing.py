"""The output of a jitter buffer under a network condition, and the figures by which buffers are compared."""

import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from media.g711 import FRAME, RATE
from media.jitter.buffer import JitterBuffer
from media.jitter.playout_buffer import PlayoutJitterBuffer
from tests.media.networks import START, STEP, Condition, Packet, number_of


class Figures(NamedTuple):
    """Times in milliseconds, losses in per cent."""

    lag_mean: float
    """From the sending of a frame of speech (over the fastest path) to its output."""
    lag_p95: float
    over_mean: float
    """What the buffer adds to what the network took until the frame and all before it were there."""
    over_p95: float
    lost: float
    """Speech that arrived and was not put out."""
    disordered: int
    """Frames put out twice, or after a later one."""
    drift: float
    """Sound put out minus the time it stands for, at the end."""
    lead: float
    """The most that the sound put out was ever ahead of the time since the call began."""
    stall: float
    """The longest time without output."""
    fastest: float
    """Seconds of sound that were put out in one second at most."""


@dataclass
class Hearing:
    """The output so far; `speech` is when each frame of speech was put out, by its number."""

    speech: list[tuple[float, int]] = field(default_factory=list)
    samples: int = 0
    began: float = START
    last: float = 0.0
    stall: float = 0.0
    lead: float = 0.0
    fastest: float = 0.0
    second: deque[tuple[float, int]] = field(default_factory=deque)
    """What was put out in the last one."""

    def hear(self, at: float, sound: bytes) -> None:
        """Take output, in whole frames."""
        if not sound:
            return
        self.stall = max(self.stall, at - (self.last or at))
        self.last = at
        self.samples += len(sound)
        self.lead = max(self.lead, self.samples / RATE - STEP - (at - self.began))
        self.second.append((at, self.samples))
        while self.second[0][0] < at - 1.0:
            self.second.popleft()
        self.fastest = max(self.fastest, (self.samples - self.second[0][1]) / RATE)
        for start in range(0, len(sound), FRAME):
            number = number_of(sound[start : start + FRAME])
            if number is not None:
                self.speech.append((at, number))


def to_recogniser(packets: list[Packet]) -> Hearing:
    """Hear `packets` through the buffer for recognisers, polled as the media process does."""
    buffer, hearing, stream, tick = JitterBuffer(), Hearing(), 0, packets[0].at + 0.007
    for packet in packets:
        while tick <= packet.at:
            hearing.hear(tick, buffer.poll(tick))
            tick += STEP
        if packet.stream != stream:
            buffer.restart()
            stream = packet.stream
        hearing.hear(packet.at, buffer.put(packet.sequence, packet.timestamp, packet.payload, packet.at))
    return hearing


def figures(condition: Condition, listen: Callable[[list[Packet]], Hearing], seconds: float = 300.0) -> Figures:
    """Listen to all of `condition` and measure."""
    packets = condition.packets(seconds)
    hearing = listen(packets)
    sent = {number: packet for packet in packets if (number := number_of(packet.payload)) is not None}
    lags = sorted(at - sent[number].sent for at, number in hearing.speech)
    in_order = itertools.accumulate((sent[number].at for number in sorted(sent)), max)
    passed = sorted(at - sent[number].sent for at, number in zip(in_order, sorted(sent), strict=True))
    furthest, disordered = -1, 0
    for _, number in hearing.speech:
        disordered += number <= furthest
        furthest = max(furthest, number)
    heard = {number for _, number in hearing.speech}
    due = [number for number in sent if sent[number].at < packets[-1].at - 0.5]
    stood = (max(packet.sent for packet in packets) - packets[0].sent) * (1 + condition.sender.skew) + STEP
    return Figures(
        lag_mean=mean(lags),
        lag_p95=p95(lags),
        over_mean=mean(lags) - mean(passed),
        over_p95=p95(lags) - p95(passed),
        lost=100 * sum(number not in heard for number in due) / len(due),
        disordered=disordered,
        drift=1000 * (hearing.samples / RATE - stood),
        lead=1000 * hearing.lead,
        stall=1000 * hearing.stall,
        fastest=hearing.fastest,
    )


def mean(seconds: list[float]) -> float:
    """In milliseconds."""
    return 1000 * sum(seconds) / len(seconds)


def p95(ranked: list[float]) -> float:
    """In milliseconds."""
    return 1000 * ranked[int(0.95 * len(ranked))]


def to_person(packets: list[Packet]) -> Hearing:
    """Hear `packets` through the buffer for human listeners, a frame every 20 ms."""
    buffer, hearing, stream, tick = PlayoutJitterBuffer(), Hearing(), 0, packets[0].at + 0.007
    for packet in packets:
        while tick <= packet.at:
            hearing.hear(tick, buffer.take(tick))
            tick += STEP
        if packet.stream != stream:
            buffer.restart()
            stream = packet.stream
        buffer.put(packet.sequence, packet.timestamp, packet.payload, packet.at)
    return hearing
