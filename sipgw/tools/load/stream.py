"""The sound of one generated call: sends paced speech, and receives packets with kernel timestamps.

Arrivals are stamped when the kernel takes them (SO_TIMESTAMPNS); on loopback that is the moment of the sender's own
system call, so a late generator does not distort the measurement.
"""

import socket
import struct
import time
from array import array
from dataclasses import dataclass, field

from agent.ulaw import level
from media.g711 import ALAW_TO_ULAW, FRAME, RATE, SILENCE, ULAW_TO_ALAW
from media.rtp import packet as rtp

SO_TIMESTAMPNS = 35
STAMP = struct.Struct("qq")
AUDIBLE = 120.0
"""Root mean square of 16-bit samples above which a packet is speech."""
QUIET = 0.6
"""Seconds of silence after which the agent has finished."""
SETTLE = 0.5
"""Seconds at the beginning of a call whose send times are not judged."""
PATIENCE = 10.0
"""Seconds for which the caller waits for an answer; then the turn counts as unanswered, and the caller speaks again."""


READING = 3
"""Beats (of 20 ms) from one read of the socket to the next. Kernel timestamps stay exact, and fewer system calls are
needed."""


def wall() -> float:
    """The time now, on the clock of the kernel's timestamps, in seconds."""
    return time.clock_gettime(time.CLOCK_REALTIME)


@dataclass
class StreamCounts:
    """Measurements of all streams since the last window."""

    errors: "array[float]" = field(default_factory=lambda: array("f"))
    """For each received packet: seconds of deviation from the grid of its RTP timestamps."""
    received: int = 0
    lost: int = 0
    sent: int = 0
    latencies: list[float] = field(default_factory=list)
    """Seconds from the end of the caller's speech to the first sound of the answer."""
    unanswered: int = 0
    gap: float = 0.0
    """The longest time between two packets, in seconds."""


class PacketGrid:
    """The 20 ms grid on which the packets of one stream should arrive."""

    DRIFT = 1 / 500
    """Share of each packet's offset by which the grid is moved, so that it follows the sender's clock."""

    def __init__(self, at: float, packet: rtp.Packet) -> None:
        self._first = self._last = at
        self._sequence, self._timestamp = packet.sequence, packet.timestamp
        self._grid = self._base = 0.0
        self._early: list[float] = []

    @property
    def settled(self) -> bool:
        """Whether the first half second is over. The median of its offsets is the reference for later packets."""
        return len(self._early) * FRAME / RATE >= SETTLE

    def arrived(self, at: float, packet: rtp.Packet) -> tuple[int, float, float]:
        """The step of the sequence number, the deviation from the grid, and the time since the last packet, both in
        seconds."""
        steps = rtp.signed(packet.sequence - self._sequence, 16)
        silence = at - self._last
        if steps <= 0:
            return steps, 0.0, silence
        self._grid += rtp.signed(packet.timestamp - self._timestamp, 32) / RATE
        self._sequence, self._timestamp, self._last = packet.sequence, packet.timestamp, at
        offset = at - self._first - self._grid
        if not self.settled:
            self._early.append(offset)
            self._base = sorted(self._early)[len(self._early) // 2]
        else:
            self._base += (offset - self._base) * self.DRIFT
        return steps, offset - self._base, silence


class LoadStream:
    """The sound of one call: the caller waits for the agent to finish, speaks, waits for the answer, and repeats
    this."""

    def __init__(self, host: str, speech: list[bytes], tally: StreamCounts) -> None:
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.port = int(self.sock.getsockname()[1])
        self._speech = speech
        self._silence = SILENCE
        self._payload_type, self._alaw = 0, False
        self._tally = tally
        self._sent = 0
        self._speaking = -1
        """Index of the next frame of the speech; -1 while the caller listens."""
        self._grid: PacketGrid | None = None
        self._heard_at = 0.0
        self._ended_at = 0.0

    def connect(self, remote: tuple[str, int], encoding: str = "PCMU", payload_type: int = 0) -> None:
        """Exchange sound with `remote` only, as PCMU or PCMA."""
        self.sock.connect(remote)
        self._payload_type, self._alaw = payload_type, encoding == "PCMA"
        if self._alaw:
            self._speech = [frame.translate(ULAW_TO_ALAW) for frame in self._speech]
            self._silence = SILENCE.translate(ULAW_TO_ALAW)
        self._heard_at = self._ended_at = wall()

    def beat(self) -> None:
        """Read the received packets and send one packet; call it every 20 ms."""
        if self._sent % READING == 0:
            self._drain()
        payload, now = self._silence, wall()
        if self._speaking < 0 and self._wants_to_speak(now):
            self._speaking = 0
        if self._speaking >= 0:
            payload = self._speech[self._speaking]
            self._speaking += 1
            if self._speaking == len(self._speech):
                self._speaking, self._ended_at, self._heard_at = -1, now, 0.0
        packet = rtp.build(self._payload_type, self._sent == 0, self._sent, self._sent * FRAME, self.port, payload)
        try:
            self.sock.send(packet)
            self._tally.sent += 1
        except OSError:
            pass  # the other side has closed its port: the call is about to end
        self._sent += 1

    def _wants_to_speak(self, now: float) -> bool:
        if self._heard_at:
            return now - self._heard_at > QUIET
        if now - self._ended_at > PATIENCE:
            self._tally.unanswered += 1
            return True
        return False

    def _drain(self) -> None:
        while True:
            try:
                data, ancillary, _, _ = self.sock.recvmsg(2048, 64)
            except OSError:
                return
            packet = rtp.parse(data)
            if packet is None or not ancillary:
                continue
            seconds, nanoseconds = STAMP.unpack(ancillary[0][2])
            self._arrived(seconds + nanoseconds / 1e9, packet)

    def _arrived(self, at: float, packet: rtp.Packet) -> None:
        tally = self._tally
        tally.received += 1
        if self._speaking < 0 and packet.payload != self._silence and self._audible(packet.payload):
            if not self._heard_at:
                tally.latencies.append(at - self._ended_at)
            self._heard_at = at
        if self._grid is None:
            self._grid = PacketGrid(at, packet)
            return
        steps, offset, silence = self._grid.arrived(at, packet)
        if steps > 0 and self._grid.settled:
            tally.errors.append(offset)
            tally.gap = max(tally.gap, silence)
            tally.lost += steps - 1

    def _audible(self, payload: bytes) -> bool:
        return level(payload.translate(ALAW_TO_ULAW) if self._alaw else payload) > AUDIBLE

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()
