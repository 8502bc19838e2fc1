"""Refused sign-ins in the audit log: a flood of them becomes a few lines, so that it hides no others. Sans-IO."""

from collections import Counter

HOUR = 3600.0
EACH = 5
"""Lines of one address within an hour; further refusals make a line when their number doubles."""
OF_ALL = 100
"""Lines of all addresses within an hour; further refusals are counted together."""
ALL = "many addresses"


class HourRefusals:
    """The refusals of the running hour."""

    def __init__(self) -> None:
        self._hour = 0.0
        self._lines = 0
        self._counts: Counter[str] = Counter()

    def line(self, address: str, now: float) -> str | None:
        """Addition to the line of this refusal, at `now` in seconds since 1970; None if it gets no line."""
        if now // HOUR != self._hour:
            self._hour, self._lines = now // HOUR, 0
            self._counts.clear()
        whose = address if self._lines < OF_ALL else ALL
        self._counts[whose] += 1
        count = self._counts[whose]
        if whose == address and count <= EACH:
            self._lines += 1
            return ""
        if count & (count - 1):
            return None
        self._lines += whose == address
        return f"{count} refusals within this hour from {'here' if whose == address else whose}"
