"""The RTCP of one call (RFC 3550 §6): our reports, their destination, and the reports that we accept. Sans-IO."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from media.g711 import RATE
from media.jitter.buffer import HOLE_WAIT_MAX, JitterBuffer
from media.rtp import rtcp
from media.rtp.receiver_stats import ReceiverStats, RtcpReportState
from media.rtp.refused import RefusedSources
from media.rtp.remote_stats import FRAME_DELAY, RemoteStats
from media.rtp.rtcp import Bye, ExtendedReport, ReceiverReport, Rtcp, SenderReport, SourceDescription
from media.rtp.sender import Sent
from media.rtp.source import Address
from media.session.quality import Meter, judge, voip_metrics

INTERVAL = 5.0
"""Seconds between reports, times a random half to one and a half (RFC 3550 §6.2, §6.3.1)."""
FIRST = 0.5
"""Like `INTERVAL`, until the first report: a session of two members may report at once (RFC 3550 §6.2)."""
OWN_DELAY = 2 * FRAME_DELAY
"""Seconds of delay that we add: a frame is packed and waits for its slot; packets in order are not delayed."""
NTP_EPOCH = 2_208_988_800
"""Seconds from 1900 to 1970."""
VERSION, SHORTEST = 2, 4
"""Version of RTP, and bytes of the shortest packet of RTCP: a BYE of nobody (RFC 3550 §6.6), as Linphone sends it."""
NOWHERE = ("0.0.0.0", "::")


@dataclass
class RtcpCounts:
    """Compounds, sent and received."""

    rtcp_sent: int = 0
    rtcp_received: int = 0
    rtcp_malformed: int = 0
    rtcp_foreign: int = 0


class RtcpRoute:
    """The destination and the accepted source of RTCP: the address chosen by ICE or named by signalling, or learned."""

    def __init__(self) -> None:
        self._media: Address = ("", 0)
        self._announced: Address | None = None
        self._chosen: Address | None = None
        self._learned: Address | None = None
        self._settled: Address | None = None
        """The present source of the sound. Another address for RTCP is learned only after the source has moved (RFC
        7362)."""
        self.former: Address | None = None
        """The accepted source before signalling or ICE named another one."""

    def connect(self, media: Address, control: Address | None, chosen: Address | None) -> None:
        """Signalling named the addresses; `control` is None for the port after `media` (RFC 3550 §11). The other side
        has `chosen` one by ICE that continues, or none."""
        if (media, control, chosen) != (self._media, self._announced, self._chosen):
            self.former, self._learned = self.to(self._media), None
        self._media, self._announced, self._chosen, self._settled = media, control, chosen, None

    def choose(self, address: Address, media: Address) -> None:
        """The other side chose `address` for RTCP with a port of its own by ICE (RFC 8445 §8.1.1), while the sound
        comes from `media`."""
        self.former, self._chosen, self._learned, self._settled = self.to(media), address, None, media

    @property
    def muxed(self) -> bool:
        """Whether RTCP uses the RTP port (RFC 5761)."""
        return self._announced == self._media

    def _named(self, media: Address) -> Address:
        """The destination by ICE or signalling, while no other was learned."""
        if self.muxed:
            return media
        if self._chosen:
            return self._chosen
        if media == self._media and self._announced:
            return self._announced
        return media[0], media[1] + 1

    def to(self, media: Address) -> Address | None:
        """The destination of reports while the sound comes from `media`; None if there is none."""
        target = self._learned if self._learned and self._learned[0] == media[0] else self._named(media)
        return target if target[0] not in NOWHERE and 0 < target[1] <= 0xFFFF else None

    def accept(self, sender: Address, media: Address) -> bool:
        """Whether RTCP of `sender` is accepted; behind a NAT that is the first port of the media's host.

        RTCP of the address that ICE or signalling named is always accepted, and makes it the destination again.
        """
        if sender == media:
            return True
        if sender == self._named(media):
            self._learned, self._settled = None, media
            return True
        if sender == self.to(media):
            self._settled = media
            return True
        if self._settled == media or self.muxed or sender[0] != media[0]:
            return False
        self._learned, self._settled = sender, media
        return True


class RtcpReports:
    """Writes and reads the reports of one call. Times are the owner's monotonic seconds."""

    def __init__(self, random_bits: Callable[[int], int], epoch: float, *, concealed: bool) -> None:
        """`epoch` is the Unix time at which the owner's clock was 0; `concealed`: whether lost sound is concealed."""
        self.deadline = float("inf")
        """When `handle_timer` is due."""
        self.remote = RemoteStats()
        self.route = RtcpRoute()
        self.counts = RtcpCounts()
        self.report_state = RtcpReportState()
        self.meter = Meter(concealed=concealed)
        self._random_bits = random_bits
        self._epoch = epoch
        self._cname = f"{random_bits(96):024x}"  # RFC 7022 §4.2: random, one per session
        self._report_at = float("inf")
        self._sent_before = (0, 0)
        self._left: list[int] = []

    def connect(self, media: Address, control: Address | None, now: float, chosen: Address | None) -> None:
        """Begin to report, or follow a re-INVITE: see `RtcpRoute.connect`."""
        self.route.connect(media, control, chosen)
        self.meter.start(now)
        if self._report_at == float("inf"):
            self._report_at = now + FIRST * self._spread()
        self.deadline = min(self._report_at, self.meter.deadline)

    def leave(self, ssrc: int, now: float) -> None:
        """Send BYE for `ssrc` at once, because our stream continues under another SSRC (RFC 3550 §6.3.7)."""
        self._left = [*self._left[-29:], ssrc]  # a BYE has room for 31, with the present SSRC
        self._report_at = self.deadline = now

    def receive(
        self, data: bytes, sender: Address, media: Address, ssrc: int, now: float, refused: RefusedSources
    ) -> bool:
        """Take a datagram; `media` is the source of the sound, `ssrc` is ours. True if it is accepted.

        `refused` counts datagrams that are not accepted. It does not count keepalives for a NAT (RFC 6263 §4), nor
        reports from the address before the last change: the other side may still send some, such as its BYE.
        """
        if len(data) < SHORTEST or data[0] >> 6 != VERSION:
            if sender in (media, self.route.to(media)):
                self.counts.rtcp_malformed += 1
            else:
                self.counts.rtcp_foreign += 1
            return False
        if not self.route.accept(sender, media):
            self.counts.rtcp_foreign += 1
            if sender != self.route.former:
                refused.note(sender, "rtcp_foreign", now)
            return False
        packets = rtcp.parse(data)
        if packets is None:
            self.counts.rtcp_malformed += 1
            refused.note(sender, "rtcp_malformed", now)
            return False
        self.counts.rtcp_received += 1
        self.remote.receive(packets, ssrc, now, self._ntp(now) >> 16 & 0xFFFF_FFFF)
        return True

    def handle_timer(self, now: float, sent: Sent, jitter: JitterBuffer, received: ReceiverStats) -> bytes:
        """Close the interval that has ended; returns the compound to be sent now, empty if none is due."""
        self.report_state.follow(received)
        if now >= self.meter.deadline:
            self.meter.close_interval(now, self.report_state.expected, jitter.losses.pattern, self.delay)
        compound = b""
        if now >= self._report_at:
            self._report_at = now + INTERVAL * self._spread()
            compound = rtcp.encode(self._reports(now, sent, jitter))
            self.counts.rtcp_sent += 1
        self.deadline = min(self._report_at, self.meter.deadline)
        return compound

    def bye(self, now: float, sent: Sent, jitter: JitterBuffer, received: ReceiverStats) -> bytes:
        """The last compound, sent at once (RFC 3550 §6.3.7)."""
        self.report_state.follow(received)
        self.counts.rtcp_sent += 1
        self._left.append(sent.ssrc)
        return rtcp.encode(self._reports(now, sent, jitter))

    def stats(self, jitter: JitterBuffer, received: ReceiverStats) -> dict[str, Any]:
        """The quality of the call so far, by name; unknown figures are left out. Times are in seconds."""
        self.report_state.follow(received)
        call = judge(self.report_state.expected, jitter.losses.pattern, self.delay, concealed=self.meter.concealed)
        return (
            asdict(self.counts)
            | {"jitter": round(received.jitter / RATE, 6), "remote_delay": round(self.remote.delay, 4)}
            | (call.stats() if call else {})
            | ({"mos_by_interval": [round(score, 2) for score in self.meter.scores]} if self.meter.scores else {})
            | self.remote.stats()
        )

    @property
    def delay(self) -> float:
        """Seconds from mouth to ear, if both directions take equally long (RFC 3611 §4.7.3)."""
        return ((self.remote.round_trip or 0.0) + OWN_DELAY + self.remote.system_delay) / 2

    def _reports(self, now: float, sent: Sent, jitter: JitterBuffer) -> list[Rtcp]:
        # RFC 3550 §6.4: a sender report if anything was sent in this interval or the one before.
        sending = sent.packets != self._sent_before[0]
        self._sent_before = self._sent_before[1], sent.packets
        ssrc = self.report_state.ssrc
        block = self.report_state.block(*self.remote.last_report(ssrc, now))
        blocks = (block,) if block else ()
        report: Rtcp = ReceiverReport(sent.ssrc, blocks)
        if sending:
            report = SenderReport(sent.ssrc, self._ntp(now), sent.timestamp, sent.packets, sent.octets, blocks)
        packets: list[Rtcp] = [report, SourceDescription(sent.ssrc, self._cname)]
        if block:
            metrics = voip_metrics(
                ssrc=ssrc,
                expected=self.report_state.expected,
                discarded=jitter.stats.late,
                pattern=jitter.losses.pattern,
                delays=(self.remote.round_trip or 0.0, OWN_DELAY, self.delay),
                buffer=(jitter.hole_wait, HOLE_WAIT_MAX),
                concealed=self.meter.concealed,
            )
            packets.append(ExtendedReport(sent.ssrc, (metrics,)))
        if self._left:
            packets.append(Bye(tuple(self._left)))
            self._left.clear()
        return packets

    def _ntp(self, now: float) -> int:
        return int((now + self._epoch + NTP_EPOCH) * 2**32) & 0xFFFF_FFFF_FFFF_FFFF

    def _spread(self) -> float:
        return 0.5 + self._random_bits(16) / 0x1_0000
