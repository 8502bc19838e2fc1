"""RTP sequence numbers and timestamps of the stream that we send (RFC 3550 §5.1). Sans-IO."""

from collections.abc import Callable
from typing import NamedTuple

from media.fast import base
from media.g711 import FRAME
from media.rtp.packet import build


class Sent(NamedTuple):
    """Our stream so far, as a sender report tells it."""

    ssrc: int
    timestamp: int
    """Timestamp of the packet that has just left."""
    packets: int
    octets: int


class RtpSender(base.RtpSender):
    """The packets of one call, 20 ms each, under one SSRC at a time."""

    __slots__ = ("_begun", "_earlier", "_random_bits", "_short")

    def __init__(self, random_bits: Callable[[int], int]) -> None:
        self._random_bits = random_bits
        self._timestamp = random_bits(32)
        self.slot = -1
        """The last 20 ms slot of the call that was sent or skipped."""
        self._earlier = self._begun = self._sequence = 0
        self.restart()

    def restart(self) -> None:
        """Begin a new stream, with an SSRC of its own, at the same moment of the sound."""
        self._earlier = self.packets
        self.ssrc = self._random_bits(32)
        # 15 bits: the number does not wrap early, which loss could hide from SRTP (RFC 3711 §3.3.1).
        self._begun = self._sequence = self._random_bits(15)
        self._first = True
        self._short = 0

    def packet(self, payload_type: int, payload: bytes) -> bytes:
        """The next packet. Only the first has the marker, because the sound is continuous (RFC 3551 §4.1)."""
        data = build(payload_type, self._first, self._sequence, self._timestamp, self.ssrc, payload)
        self._first = False
        self._sequence += 1
        self._timestamp += FRAME
        return data

    def event(self, payload_type: int, payload: bytes, started: int, *, first: bool) -> bytes:
        """The next packet, of a telephone event that began at the timestamp `started`.

        All packets of an event have the timestamp of its beginning; the `first` has the marker (RFC 4733 §2.1).
        """
        slot, self._timestamp = self._timestamp, started
        self._first = first
        data = self.packet(payload_type, payload)
        self._short += FRAME - len(payload)
        self._timestamp = slot + FRAME
        return data

    @property
    def timestamp(self) -> int:
        """Timestamp of the next slot, not wrapped to 32 bits."""
        return self._timestamp

    @property
    def packets(self) -> int:
        """Packets sent so far, under all SSRCs."""
        return self._earlier + self._sequence - self._begun

    @property
    def sent(self) -> Sent:
        """The stream at the moment of the last packet."""
        packets = self._sequence - self._begun
        return Sent(self.ssrc, self._timestamp - FRAME, packets, packets * FRAME - self._short)

    def skip(self, frames: int) -> None:
        """Let time pass without packets."""
        self._timestamp += frames * FRAME
