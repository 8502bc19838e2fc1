"""The quality of the received sound: the E-model of ITU-T G.107 in its short form, per interval and per call.

``R = 93.2 - Id - Ie,eff``, where Id is the impairment by delay and Ie,eff that by loss. Loss is measured after the
buffer: packets lost by the network or too late, with the measured burst ratio. Jitter has become loss or delay there.
"""

from array import array
from typing import NamedTuple

from media.g711 import FRAME_SECONDS
from media.jitter.losses import LossPattern
from media.rtp.xr import UNAVAILABLE, VoipMetrics

INTERVAL = 5.0
"""Seconds of one interval."""
KEPT = 720
"""Intervals remembered: the last hour."""
BEST = 93.2
ROBUST_CONCEALED = 25.1
"""Packet-loss robustness Bpl of G.711 with concealment (G.113 Appendix I)."""
ROBUST_PLAIN = 4.3
"""Packet-loss robustness Bpl of G.711 without concealment, where every loss is heard."""
ENHANCED_CONCEALMENT, NO_CONCEALMENT, ADAPTIVE_BUFFER = 0b10 << 6, 0b01 << 6, 0b11 << 4
"""Bits of the receiver configuration (RFC 3611 §4.7.6)."""


def rating(loss: float, burst_ratio: float, delay: float, *, concealed: bool) -> float:
    """The R factor, 0 to 100, for a part `loss` of the packets and `delay` seconds from mouth to ear."""
    milliseconds, percent = delay * 1000, loss * 100
    by_delay = 0.024 * milliseconds + 0.11 * max(0.0, milliseconds - 177.3)
    by_loss = 95 * percent / (percent / burst_ratio + (ROBUST_CONCEALED if concealed else ROBUST_PLAIN))
    return min(100.0, max(0.0, BEST - by_delay - by_loss))


def mos(r: float) -> float:
    """The mean opinion score, 1 to 4.5, of an R factor (G.107 Annex B)."""
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)


def burst_ratio(pattern: LossPattern, expected: int) -> float:
    """Mean length of the runs of lost packets against that of random loss at the same rate; 1 if not burstier."""
    if not pattern.runs or expected <= 0:
        return 1.0
    return max(1.0, pattern.lost / pattern.runs * (1 - min(1.0, pattern.lost / expected)))


class QualityScore(NamedTuple):
    """The quality of an interval or of a call."""

    loss: float
    """Part of the packets, 0 to 1, that were missing when they were needed."""
    burst_ratio: float
    rating: float
    mos: float

    def stats(self) -> dict[str, float]:
        """The values by name, rounded for the record."""
        return {
            "loss": round(self.loss, 5),
            "burst_ratio": round(self.burst_ratio, 3),
            "rating": round(self.rating, 2),
            "mos": round(self.mos, 2),
        }


def judge(expected: int, pattern: LossPattern, delay: float, *, concealed: bool) -> QualityScore | None:
    """The quality of `expected` packets with the losses of `pattern`; None if no packets were expected."""
    if expected <= 0:
        return None
    loss = min(1.0, pattern.lost / expected)
    bursty = burst_ratio(pattern, expected)
    r = rating(loss, bursty, delay, concealed=concealed)
    return QualityScore(loss, bursty, r, mos(r))


class Meter:
    """The quality of a call by intervals."""

    def __init__(self, *, concealed: bool) -> None:
        self.deadline = float("inf")
        """The time at which the present interval ends, in seconds."""
        self.latest: QualityScore | None = None
        self.scores = array("f")
        """MOS of each interval with sound, at most `KEPT`."""
        self.concealed = concealed
        self._before = (0, LossPattern())

    def start(self, now: float) -> None:
        """Begin the first interval."""
        if self.deadline == float("inf"):
            self.deadline = now + INTERVAL

    def close_interval(self, now: float, expected: int, pattern: LossPattern, delay: float) -> None:
        """Score the interval: the increase of the totals `expected` and `pattern` since the last one."""
        self.deadline += INTERVAL
        if self.deadline <= now:  # the process was blocked
            self.deadline = now + INTERVAL
        packets, losses = self._before
        self._before = expected, pattern
        self.latest = judge(expected - packets, pattern.since(losses), delay, concealed=self.concealed)
        if self.latest:
            self.scores.append(self.latest.mos)
            del self.scores[:-KEPT]


def voip_metrics(
    *,
    ssrc: int,
    expected: int,
    discarded: int,
    pattern: LossPattern,
    delays: tuple[float, float, float],
    buffer: tuple[float, float],
    concealed: bool,
) -> VoipMetrics:
    """The VoIP metrics block on a call in which `expected` packets were due and `discarded` came too late.

    `delays` are the round trip, our own delay, and the delay from mouth to ear; `buffer` is how long a late packet is
    waited for, now and at most; all in seconds. Our buffer does not delay packets in order: its nominal delay is 0.
    """
    round_trip, own, mouth_to_ear = delays
    listening = judge(expected, pattern, 0.0, concealed=concealed)
    talking = judge(expected, pattern, mouth_to_ear, concealed=concealed)
    between = expected - pattern.burst_packets
    return VoipMetrics(
        ssrc=ssrc,
        loss_rate=_part(pattern.lost - discarded, expected),
        discard_rate=_part(discarded, expected),
        burst_density=_part(pattern.burst_lost, pattern.burst_packets),
        gap_density=_part(pattern.lost - pattern.burst_lost, between),
        burst_duration=_milliseconds(FRAME_SECONDS * pattern.burst_packets / max(1, pattern.bursts)),
        gap_duration=_milliseconds(FRAME_SECONDS * between / (pattern.bursts + 1)),
        round_trip=_milliseconds(round_trip),
        end_system_delay=_milliseconds(own),
        r_factor=round(talking.rating) if talking else UNAVAILABLE,
        mos_lq=round(10 * listening.mos) if listening else UNAVAILABLE,
        mos_cq=round(10 * talking.mos) if talking else UNAVAILABLE,
        receiver_config=(ENHANCED_CONCEALMENT if concealed else NO_CONCEALMENT) | ADAPTIVE_BUFFER,
        jitter_buffer_max=_milliseconds(buffer[0]),
        jitter_buffer_abs_max=_milliseconds(buffer[1]),
    )


def _part(some: int, of: int) -> int:
    return max(0, min(255, some * 256 // of)) if of > 0 else 0


def _milliseconds(seconds: float) -> int:
    return max(0, min(0xFFFF, round(seconds * 1000)))
