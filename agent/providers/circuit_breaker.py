"""Counts the failures of the providers of one part, for all calls together. Sans-IO."""

from agent.errors import ProviderError

REST = 5.0
"""Seconds of rest after a failure, in which other providers are asked first. Each further failure in a row doubles the
rest."""

LONGEST_REST = 300.0
"""Seconds of the longest rest. A failure that does not pass by itself (a wrong key, but not a wrong request) causes
this rest at once."""


class CircuitBreaker:
    """The order in which `count` providers are asked, best first. They are numbered from 0, in the order of the
    configuration."""

    def __init__(self, count: int) -> None:
        self._failures = [0] * count
        self._rests_until = [0.0] * count

    def order(self, now: float) -> list[int]:
        """The numbers of all providers: first those that work, in the order of the configuration, then the resting
        ones, by the end of their rest."""
        return sorted(
            range(len(self._failures)), key=lambda number: (max(0.0, self._rests_until[number] - now), number)
        )

    def failed(self, number: int, error: ProviderError, now: float) -> None:
        """Let provider `number` rest, at least as long as it asked for. A failure during a rest does not count as a
        further one in a row."""
        rest = 0.0
        if not (error.temporary or error.of_request):
            rest = LONGEST_REST
        elif now >= self._rests_until[number]:
            rest = min(REST * 2 ** min(self._failures[number], 10), LONGEST_REST)
        if now >= self._rests_until[number]:
            self._failures[number] += 1
        self._rests_until[number] = max(self._rests_until[number], now + max(rest, error.retry_after))

    def worked(self, number: int, now: float) -> None:
        """Note that provider `number` did its work. This does not end a rest, because an older session may still be
        served."""
        if now >= self._rests_until[number]:
            self._failures[number] = 0
