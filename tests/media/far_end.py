"""A sender of RTP and a network, both on virtual time, for the tests of the receiving side."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

from media.g711 import FRAME, RATE
from media.jitter.buffer import JitterBuffer

LOUD = bytes([0x10, 0x90]) * (FRAME // 2)
QUIET = bytes([0xFE]) * FRAME
POLL = 0.020


@dataclass(order=True)
class Arrival:
    """A packet on its way: when it comes, and what it is."""

    at: float
    sequence: int
    timestamp: int
    payload: bytes | None = field(compare=False)


class Speaker:
    """Sends a packet each 20 ms from `at` on; every loud frame is different, so that order can be checked."""

    def __init__(self, at: float = 10.0, sequence: int = 65_500, timestamp: int = 0xFFFF_F000) -> None:
        self.at, self.sequence, self.timestamp = at, sequence, timestamp
        self.sent: list[bytes] = []

    def speak(self, frames: int, *, loud: bool = True) -> list[Arrival]:
        """`frames` packets, as they leave."""
        packets = []
        for _ in range(frames):
            number = len(self.sent)
            mark = bytes([1 + number % 100, 1 + number // 100 % 100, 0x90, 0x10])
            payload = (mark if loud else QUIET[:4]) + (LOUD if loud else QUIET)[4:]
            self.sent.append(payload)
            packets.append(self.packet(payload))
            self.pause(1)
        return packets

    def packet(self, payload: bytes | None) -> Arrival:
        """One packet that leaves now; takes a sequence number and no time."""
        packet = Arrival(self.at, self.sequence & 0xFFFF, self.timestamp & 0xFFFF_FFFF, payload)
        self.sequence += 1
        return packet

    def pause(self, frames: int, *, clock_runs: bool = True) -> None:
        """Let time pass without packets."""
        self.at += frames * 0.020
        self.timestamp += frames * FRAME * clock_runs


class Listener:
    """Puts arrivals into a jitter buffer, polls it each 20 ms, and keeps what comes out and when."""

    def __init__(self, buffer: JitterBuffer | None = None) -> None:
        self.buffer = buffer or JitterBuffer()
        self.heard = bytearray()
        self.outputs: list[tuple[float, bytes]] = []
        self._polled = 10.0

    def listen(self, arrivals: Iterable[Arrival], until: float | None = None) -> None:
        """Take `arrivals` in the order of their time, and go on until `until`."""
        for arrival in sorted(arrivals):
            self._poll(arrival.at)
            self._keep(arrival.at, self.buffer.put(arrival.sequence, arrival.timestamp, arrival.payload, arrival.at))
        if until is not None:
            self._poll(until)

    def _poll(self, until: float) -> None:
        while self._polled + POLL <= until:
            self._polled += POLL
            self._keep(self._polled, self.buffer.poll(self._polled))

    def _keep(self, at: float, sound: bytes) -> None:
        if sound:
            self.outputs.append((at, sound))
            self.heard += sound

    @property
    def seconds(self) -> float:
        """Length of what was heard."""
        return len(self.heard) / RATE

    def frames(self) -> list[bytes]:
        """What was heard, cut into frames."""
        return [bytes(self.heard[at : at + FRAME]) for at in range(0, len(self.heard), FRAME)]

    def spoken(self) -> list[bytes]:
        """The frames heard that were sound, not fill."""
        return [frame for frame in self.frames() if frame[2:4] == b"\x90\x10"]

    def longest_wait(self, after: float, before: float) -> float:
        """The longest time without output between two moments."""
        times = [after, *(at for at, _ in self.outputs if after <= at <= before), before]
        return max(later - earlier for earlier, later in itertools.pairwise(times))
