"""Statistics of a received stream for RTCP: RFC 3550 §6.4.1 and its appendices A.1, A.3 and A.8."""

from math import isnan, nan
from typing import NamedTuple

from media.fast import base
from media.g711 import RATE
from media.rtp.rtcp import ReportBlock

MAX_DROPOUT = 3000
MAX_MISORDER = 100
_RATE = float(RATE)
_HALF_WRAP = float(1 << 31)


class Tally(NamedTuple):
    """The stream so far."""

    packets: int = 0
    """Received packets, including duplicates and late packets."""
    expected: int = 0
    """Expected packets, by the sequence numbers."""

    @property
    def lost(self) -> int:
        """Lost packets; below zero if there were more duplicates than losses."""
        return self.expected - self.packets


class ReceiverStats(base.ReceiverStats):
    """The counters of one SSRC, updated at every packet; all other figures are calculated when a report is due."""

    __slots__ = ("_bad_sequence", "_first", "earlier", "ssrc")

    def __init__(self, ssrc: int) -> None:
        self.ssrc = ssrc
        self.packets = 0
        self.jitter = 0.0
        """Interarrival jitter in units of the RTP clock."""
        self.earlier = 0
        """Packets expected before the other side restarted its numbers, which RTCP does not count (RFC 3550 A.1)."""
        self._first = self._highest = self._bad_sequence = -1
        self._transit = nan
        """Arrival minus timestamp of the last packet of sound, in units of the RTP clock; nan before the first."""

    def receive(self, sequence: int, timestamp: int, now: float) -> None:
        """Take a packet of sound, or of comfort noise."""
        before = self._transit
        self._transit = transit = now * _RATE - timestamp
        step = (sequence - self._highest) & 0xFFFF
        if step < MAX_DROPOUT and before == before:  # nearly always
            self._highest += step
            self.packets += 1
        elif not self.count(sequence):
            self._transit = before
            return
        elif isnan(before):
            return
        moved = transit - before if transit > before else before - transit
        if moved > _HALF_WRAP:
            moved = abs(moved - 2 * _HALF_WRAP)
        self.jitter += (moved - self.jitter) * 0.0625

    def count(self, sequence: int) -> bool:
        """Take a packet whose timestamp is not the time of sending (a telephone event); False if out of the window."""
        step = (sequence - self._highest) & 0xFFFF
        if step < MAX_DROPOUT and self._first >= 0:
            self._highest += step
        elif (step <= 0x10000 - MAX_MISORDER or self._first < 0) and not self._restarts(sequence):
            return False
        self.packets += 1
        return True

    def _restarts(self, sequence: int) -> bool:
        """Whether a number out of the window is the second in a row, or the first of all: then the stream restarts."""
        begins = self._first < 0 or sequence == self._bad_sequence
        self._bad_sequence = (sequence + 1) & 0xFFFF
        if begins:
            self.earlier += self.tally.expected
            self._first = self._highest = sequence
            self.packets = 0
            self._bad_sequence = -1
        return begins

    @property
    def highest_sequence(self) -> int:
        """The extended highest sequence number received."""
        return self._highest & 0xFFFF_FFFF

    @property
    def tally(self) -> Tally:
        """Packets received and expected."""
        return Tally(self.packets, self._highest - self._first + 1 if self._first >= 0 else 0)


def fraction_lost(before: Tally, after: Tally) -> int:
    """The part of the packets expected between two tallies that was lost, in 1/256 (RFC 3550 A.3)."""
    expected = after.expected - before.expected
    lost = after.lost - before.lost
    return min(255, (lost << 8) // expected) if expected > 0 and lost > 0 else 0


class RtcpReportState:
    """Content of our reports about the received streams: since the last report, and in the whole call."""

    def __init__(self) -> None:
        self._reception = ReceiverStats(0)
        self._before = Tally()
        self._earlier = 0

    def follow(self, reception: ReceiverStats) -> None:
        """Report on the stream that is received now; the packets expected of the one before stay counted."""
        if reception is not self._reception:
            self._earlier = self.expected
            self._reception, self._before = reception, Tally()

    @property
    def ssrc(self) -> int:
        """The SSRC that is received."""
        return self._reception.ssrc

    @property
    def expected(self) -> int:
        """Packets expected in the whole call."""
        return self._earlier + self._reception.earlier + self._reception.tally.expected

    def block(self, last_report: int, delay: int) -> ReportBlock | None:
        """The block on the packets received since the last block; None if there were none (RFC 3550 §6.4)."""
        stream, before, after = self._reception, self._before, self._reception.tally
        if after.packets == before.packets:
            return None
        self._before = after
        jitter = min(int(stream.jitter), 0xFFFF_FFFF)
        lost = fraction_lost(before, after)
        return ReportBlock(stream.ssrc, lost, after.lost, stream.highest_sequence, jitter, last_report, delay)
