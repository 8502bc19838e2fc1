"""How long the other side was not heard although it sent, or although neither sound nor reports came. Sans-IO.

A pause alone is none: phones that detect voice, or that are muted, send nothing while nobody speaks. So there has to be
evidence: packets that were refused, packets that its reports count and that did not arrive, or the end of its reports.
"""

from typing import NamedTuple

from media.rtp.remote_stats import RemoteStats

ENOUGH = 50
"""Packets that it sent meanwhile, refused or lost, which are evidence: a second of sound."""
GONE = 25.0
"""Seconds without sound and reports after which a side that reported is gone: five intervals (RFC 3550 §6.2.1). The
silence of one that never reports is no evidence: it may be muted."""


class _SenderReport(NamedTuple):
    """The count of packets in an RTCP sender report of the other side."""

    ssrc: int
    packets: int


class Unheard:
    """The time of one call. `look` has to be called at least each second."""

    __slots__ = ("_base", "_before", "_began", "_lasted", "_refused")

    def __init__(self) -> None:
        self._before = 0.0
        """Seconds of the silences that are over."""
        self._began = -1.0
        """When the present silence began: the last packet was heard, or sound began to be expected."""
        self._lasted = 0.0
        """Its seconds, once there is evidence."""
        self._refused = 0
        """Packets that had been refused before."""
        self._base: _SenderReport | None = None
        """Its first report."""

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return self._before + self._lasted

    def look(self, now: float, expected: float, heard_at: float, refused: int, remote: RemoteStats) -> None:
        """Follow the call. Sound has been `expected` since that time, `now` while none is; the last came at `heard_at`.

        `refused` counts packets that might have been sound, `remote` has the reports of the other side.
        """
        since = max(expected, heard_at)
        if since > self._began:
            self._before, self._lasted = self.seconds, 0.0
            self._began, self._refused, self._base = since, refused, None
            return
        report = _SenderReport(*remote.sent) if remote.sent and remote.told_at > since else None
        if report and (self._base is None or self._base.ssrc != report.ssrc):
            self._base = report
        lost = report.packets - self._base.packets if report and self._base else 0
        reports = remote.told_at > max(expected, heard_at - GONE)
        gone = reports and now - max(since, remote.told_at) >= GONE
        if gone or max(lost, refused - self._refused) >= ENOUGH:
            self._lasted = now - since
