"""How long the other side was not heard although it sent, or although it had vanished. Sans-IO.

Silence alone is no evidence: phones that detect voice, or are muted, send nothing while nobody speaks. Evidence is: its
packets were refused, its reports count packets that did not arrive, or its reports have ended.
"""

from typing import NamedTuple

from media.rtp.remote_stats import RemoteStats

ENOUGH = 50
"""Refused or lost packets during a silence that are evidence: a second of sound."""
GONE = 25.0
"""Seconds without sound and reports after which a side that has sent reports is gone: five intervals (RFC 3550 §6.2.1).
A side that never reports may be muted."""


class _SenderReport(NamedTuple):
    """The count of packets in an RTCP sender report of the other side."""

    ssrc: int
    packets: int


class Unheard:
    """Seconds of one call in which the other side was not heard. Call `look` at least once a second."""

    __slots__ = ("_base", "_before", "_began", "_lasted", "_refused")

    def __init__(self) -> None:
        self._before = 0.0
        """Seconds of the silences that are over."""
        self._began = -1.0
        """When the present silence began: the last packet was heard, or sound began to be expected."""
        self._lasted = 0.0
        """Seconds of the present silence, if there is evidence; else 0."""
        self._refused = 0
        """Packets that had been refused before the present silence."""
        self._base: _SenderReport | None = None
        """The first sender report in the present silence."""

    @property
    def seconds(self) -> float:
        """Seconds so far in which the other side was not heard."""
        return self._before + self._lasted

    def look(self, now: float, expected: float, heard_at: float, refused: int, remote: RemoteStats) -> None:
        """Follow the call at `now`. Sound is expected since `expected` (equal to `now` if none is); the last sound came
        at `heard_at`. All times are in seconds.

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
