"""What is sent to a caller in place of the agent's words: the other side of a bridge, or music. Sans-IO.

Nothing is mixed. A bridge takes each side's sound from a jitter buffer for human listeners (`media.clocked`), which
puts out a frame for each slot of the other side; mu-law passes through it untouched but for what concealment adds.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from media.g711 import FRAME, SILENCE

if TYPE_CHECKING:
    from media.session import Session


class Relay(Protocol):
    """Where frames come from."""

    def take(self, now: float) -> bytes:
        """The next 20 ms of mu-law sound."""


class Music:
    """Sound that begins again at its end."""

    def __init__(self, ulaw: bytes) -> None:
        self._ulaw = _shared(ulaw)
        self._at = 0

    def take(self, now: float) -> bytes:
        """The next 20 ms of mu-law sound."""
        frame = self._ulaw[self._at : self._at + FRAME]
        self._at += FRAME
        if self._at >= len(self._ulaw):
            self._at = 0
            frame += SILENCE[len(frame) :]
        return frame


@lru_cache(maxsize=4)
def _shared(ulaw: bytes) -> bytes:
    """The same object for the same music, however many callers hear it."""
    return ulaw


def join(one: "Session", other: "Session") -> None:
    """Send to each what is received from the other, from now on."""
    one.relay, other.relay = other.inbound.listen(), one.inbound.listen()


def part(session: "Session") -> None:
    """Send what the agent says again."""
    session.relay = session.inbound.listener = None
