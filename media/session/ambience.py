"""A sound in a loop under the agent's sound and under its silence: an office, a café. Sans-IO."""

from functools import lru_cache

from media.g711 import FRAME, SILENCE, mixed


class Ambience:
    """The loop of one call; its level is that of the sound it is given."""

    __slots__ = ("_at", "_ulaw")

    def __init__(self, ulaw: bytes) -> None:
        """`ulaw` is mu-law, of at least 20 ms; what does not fill a frame at its end is left out."""
        self._ulaw = _shared(ulaw[: len(ulaw) // FRAME * FRAME])
        self._at = 0

    def under(self, frame: bytes) -> bytes:
        """The next 20 ms: the agent's `frame` with the ambience under it."""
        piece = self._ulaw[self._at : self._at + FRAME]
        self._at = (self._at + FRAME) % len(self._ulaw)
        return piece if frame is SILENCE else mixed(frame, piece)


@lru_cache(maxsize=4)
def _shared(ulaw: bytes) -> bytes:
    """The same object for the same sound, so that many callers share its memory."""
    return ulaw
