"""How good the received sound was: the E-model of ITU-T G.107 in its short form, per interval and per call.

``R = 93.2 - Id - Ie,eff``, where Id is the impairment by delay and Ie,eff that by loss: loss after the buffer, network
and late together, with the measured burst ratio; no other figure (jitter has already become loss or delay).
"""

from array import array
from typing import NamedTuple

from media.losses import Pattern

INTERVAL = 5.0
"""Seconds that are judged at a time."""
KEPT = 720
"""Intervals remembered, the latest hour."""
BEST = 93.2
ROBUST_CONCEALED = 25.1
"""Packet-loss robustness Bpl of G.711 with concealment (G.113 Appendix I); without it every loss is heard."""
ROBUST_PLAIN = 4.3


def rating(loss: float, burst_ratio: float, delay: float, *, concealed: bool) -> float:
    """The R factor, 0 to 100, for a part `loss` of the packets and `delay` seconds from mouth to ear."""
    milliseconds, percent = delay * 1000, loss * 100
    by_delay = 0.024 * milliseconds + 0.11 * max(0.0, milliseconds - 177.3)
    by_loss = 95 * percent / (percent / burst_ratio + (ROBUST_CONCEALED if concealed else ROBUST_PLAIN))
    return min(100.0, max(0.0, BEST - by_delay - by_loss))


def mos(r: float) -> float:
    """The mean opinion score, 1 to 4.5, of an R factor (G.107 Annex B)."""
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)


def burst_ratio(pattern: Pattern, expected: int) -> float:
    """Mean length of the runs of lost packets against that of random loss at the same rate; 1 if not burstier."""
    if not pattern.runs or expected <= 0:
        return 1.0
    return max(1.0, pattern.lost / pattern.runs * (1 - min(1.0, pattern.lost / expected)))


class Quality(NamedTuple):
    """A judgement of some time of sound."""

    loss: float
    """Part of the packets that were missing when they were needed."""
    burst_ratio: float
    rating: float
    mos: float


def judge(expected: int, pattern: Pattern, delay: float, *, concealed: bool) -> Quality | None:
    """Judge `expected` packets with the losses of `pattern`; None if there were none to hear."""
    if expected <= 0:
        return None
    loss = min(1.0, pattern.lost / expected)
    bursty = burst_ratio(pattern, expected)
    r = rating(loss, bursty, delay, concealed=concealed)
    return Quality(loss, bursty, r, mos(r))


class Meter:
    """Judges a call by intervals, and as a whole."""

    def __init__(self, *, concealed: bool) -> None:
        self.deadline = float("inf")
        """When the interval ends."""
        self.latest: Quality | None = None
        self.scores = array("f")
        """MOS by intervals in which there was sound, at most `KEPT`."""
        self.concealed = concealed
        self._before = (0, Pattern())

    def start(self, now: float) -> None:
        """Begin with the first interval."""
        if self.deadline == float("inf"):
            self.deadline = now + INTERVAL

    def close_interval(self, now: float, expected: int, pattern: Pattern, delay: float) -> None:
        """Judge what has been added to the totals `expected` and `pattern` since the last time."""
        self.deadline += INTERVAL
        if self.deadline <= now:  # the process was held up
            self.deadline = now + INTERVAL
        packets, losses = self._before
        self._before = expected, pattern
        self.latest = judge(expected - packets, pattern.since(losses), delay, concealed=self.concealed)
        if self.latest:
            self.scores.append(self.latest.mos)
            del self.scores[:-KEPT]
