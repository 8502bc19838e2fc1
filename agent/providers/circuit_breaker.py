"""The failures of the providers of one part, for all calls together. Sans-IO."""

from agent.errors import ProviderError

REST = 5.0
"""Seconds for which a provider is not asked first after a failure; each further failure in a row doubles them."""

LONGEST_REST = 300.0
"""The longest rest, and the one after a failure that will not pass by itself (a wrong key, not a wrong request)."""


class CircuitBreaker:
    """Which of `count` providers to ask, best first. They are numbered in the order of the configuration."""

    def __init__(self, count: int) -> None:
        self._failures = [0] * count
        self._rests_until = [0.0] * count

    def order(self, now: float) -> list[int]:
        """All providers: the well ones as configured, then the resting ones by the time at which they are due."""
        return sorted(
            range(len(self._failures)), key=lambda number: (max(0.0, self._rests_until[number] - now), number)
        )

    def failed(self, number: int, error: ProviderError, now: float) -> None:
        """Let a provider rest, at least for as long as it asked for. What fails while it rests is of the same row."""
        rest = 0.0
        if not (error.temporary or error.of_request):
            rest = LONGEST_REST
        elif now >= self._rests_until[number]:
            rest = min(REST * 2 ** min(self._failures[number], 10), LONGEST_REST)
        if now >= self._rests_until[number]:
            self._failures[number] += 1
        self._rests_until[number] = max(self._rests_until[number], now + max(rest, error.retry_after))

    def worked(self, number: int, now: float) -> None:
        """A provider did its work. While it rests this changes nothing: an older call may still be served."""
        if now >= self._rests_until[number]:
            self._failures[number] = 0
