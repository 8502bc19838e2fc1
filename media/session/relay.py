"""Sound that is sent in place of the agent's: the other side of a bridge, or music on hold. Sans-IO.

Sounds are not mixed. In a bridge each side gets the other side's sound from a jitter buffer for people
(`media.jitter.playout_buffer`), which gives one frame for each 20 ms slot. Mu-law passes through unchanged except where
lost packets are concealed.
"""

from functools import lru_cache
from typing import Protocol

from media.g711 import FRAME, SILENCE


class FrameSource(Protocol):
    """A source of frames."""

    def take(self, now: float) -> bytes:
        """The next 20 ms of mu-law sound."""


class Music:
    """Sound in a loop."""

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
    """The same object for the same music, so that many callers share its memory."""
    return ulaw
