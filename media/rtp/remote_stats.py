"""The other side's RTCP: how our sound arrives there, the round trip, and the delay until it is heard."""

from collections.abc import Iterable

from media.g711 import RATE
from media.rtp.packet import signed
from media.rtp.rtcp import ExtendedReport, ReceiverReport, ReportBlock, Rtcp, SenderReport
from media.rtp.xr import UNAVAILABLE, VoipMetrics

BUFFER = 0.050
"""Seconds of jitter buffer assumed if the other side does not report its own."""
BUFFER_MAX = 0.500
"""The longest reported jitter buffer that is believed, in seconds."""
FRAME_DELAY = 0.020
"""Seconds of packing sound into a frame."""
ROUND_TRIP_MAX = 10.0
"""Seconds; a longer round trip is the error of a broken clock."""
BACK_IN_TIME = -0.050
"""Seconds by which clocks of different speeds may make a round trip negative."""


class RemoteStats:
    """The reports of the other side of one call."""

    def __init__(self) -> None:
        self.round_trip: float | None = None
        """Seconds to the other side and back, without the time that the report waited there."""
        self.block: ReportBlock | None = None
        """The other side's report on how it receives our sound; None before the first."""
        self.metrics: VoipMetrics | None = None
        self.sent: tuple[int, int] | None = None
        """SSRC and number of packets of the other side's stream, from its last sender report."""
        self.told_at = 0.0
        """The time at which the other side's last compound came, in seconds."""
        self._arrived_at = 0.0
        self._report: tuple[int, int, float] | None = None

    def receive(self, packets: Iterable[Rtcp], ssrc: int, now: float, middle: int) -> None:
        """Take a compound; `ssrc` is ours, `middle` the middle 32 bits of the NTP time of `now`."""
        self.told_at = now
        for packet in packets:
            if isinstance(packet, SenderReport):
                self._report = packet.ssrc, packet.ntp >> 16 & 0xFFFF_FFFF, now
                self.sent = packet.ssrc, packet.packets
            if isinstance(packet, SenderReport | ReceiverReport):
                for block in packet.blocks:
                    if block.ssrc == ssrc:
                        if self.block is None or block.highest_sequence != self.block.highest_sequence:
                            self._arrived_at = now
                        self.block = block
                        self._measure(block, middle)
            elif isinstance(packet, ExtendedReport):
                self.metrics = next((block for block in packet.metrics if block.ssrc == ssrc), self.metrics)

    def last_report(self, ssrc: int, now: float) -> tuple[int, int]:
        """LSR and DLSR for a report block on `ssrc` (RFC 3550 §6.4.1)."""
        if self._report is None or self._report[0] != ssrc:
            return 0, 0
        _, middle, at = self._report
        return middle, min(int((now - at) * 65536), 0xFFFF_FFFF)

    def _measure(self, block: ReportBlock, middle: int) -> None:
        """The round trip by ``A - LSR - DLSR`` (RFC 3550 §6.4.1, figure 2)."""
        if block.last_report == 0:
            return
        seconds = signed(middle - block.last_report - block.delay, 32) / 65536
        if BACK_IN_TIME <= seconds <= ROUND_TRIP_MAX:
            self.round_trip = max(0.0, seconds)

    @property
    def buffer(self) -> float:
        """Seconds that sound waits in the other side's jitter buffer."""
        told = self.metrics.jitter_buffer / 1000 if self.metrics else 0.0
        return min(told, BUFFER_MAX) or BUFFER

    @property
    def delay(self) -> float:
        """Seconds from sending a frame until it is heard: half the round trip and the other side's buffer."""
        return (self.round_trip or 0.0) / 2 + self.buffer

    @property
    def system_delay(self) -> float:
        """Seconds of delay that the other side adds, in both directions together."""
        told = self.metrics.end_system_delay / 1000 if self.metrics else 0.0
        return min(told, 2 * BUFFER_MAX) or self.buffer + FRAME_DELAY

    @property
    def deaf(self) -> float:
        """Seconds for which it has reported that none of our packets arrives any more."""
        return self.told_at - self._arrived_at if self.block else 0.0

    def stats(self) -> dict[str, float]:
        """The other side's reports on our sound, by name; times are in seconds."""
        found: dict[str, float] = {}
        if self.round_trip is not None:
            found["round_trip"] = round(self.round_trip, 4)
        if self.block:
            found["remote_lost"] = max(0, self.block.lost)
            found["remote_deaf"] = round(self.deaf, 1)
            found["remote_jitter"] = round(self.block.jitter / RATE, 6)
        if self.metrics and self.metrics.mos_cq != UNAVAILABLE:
            found["remote_mos"] = self.metrics.mos_cq / 10
        return found
