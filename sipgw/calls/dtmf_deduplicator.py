"""Removes duplicate DTMF: a press may arrive by RTP (RFC 4733) and by INFO; the conversation gets it once."""

from collections import deque
from typing import Literal, NamedTuple

Way = Literal["rtp", "info"]

WINDOW = 2.0
"""Seconds within which the duplicate of a press arrives by the other way."""
REMEMBERED = 64


class _Press(NamedTuple):
    key: str
    way: Way
    at: float


class DtmfDeduplicator:
    """Pairs each press with its duplicate from the other way. A key that is pressed twice still counts twice."""

    def __init__(self) -> None:
        self._unpaired: deque[_Press] = deque(maxlen=REMEMBERED)

    def press(self, key: str, way: Way, at: float) -> bool:
        """Whether `key`, received at `at` seconds by `way`, is a new press."""
        while self._unpaired and self._unpaired[0].at < at - WINDOW:
            self._unpaired.popleft()
        for other in self._unpaired:
            if other.key == key and other.way != way:
                self._unpaired.remove(other)
                return False
        self._unpaired.append(_Press(key, way, at))
        return True

    def unpaired(self, key: str, way: Way, at: float) -> bool:
        """Whether no duplicate of the new press `key` at `at` has come by the other way since then."""
        return _Press(key, way, at) in self._unpaired
