"""Sounds in a loop under the agent's sound: an ambience all the time, another while the agent thinks. Sans-IO."""

from functools import lru_cache

from media.fast import base
from media.g711 import FRAME, FRAME_SECONDS, SILENCE, mixed


class Ambience:
    """A loop of one call. It is mixed at the level of the given sound."""

    __slots__ = ("_at", "_ulaw")

    def __init__(self, ulaw: bytes) -> None:
        """`ulaw` is mu-law, of at least 20 ms; what does not fill a frame at its end is left out."""
        self._ulaw = _shared(ulaw[: len(ulaw) // FRAME * FRAME])
        self._at = 0

    def under(self, frame: bytes) -> bytes:
        """The next 20 ms: `frame` with the loop under it."""
        piece = self._ulaw[self._at : self._at + FRAME]
        self._at = (self._at + FRAME) % len(self._ulaw)
        return piece if frame is SILENCE else mixed(frame, piece)


class Backdrop(base.Backdrop):
    """All that is sent under the agent's sound."""

    __slots__ = ("_after", "_quiet", "thinks")

    def __init__(self) -> None:
        self.ambience: Ambience | None = None
        """Sound in the background all the time; None for silence."""
        self.thinks = False
        """Whether the caller waits for the agent."""
        self._thinking: Ambience | None = None
        self._after = 0
        self._quiet = 0  # slots in a row in which the agent said nothing

    def while_thinking(self, ulaw: bytes, after: float) -> None:
        """Send `ulaw` in a loop while the agent thinks and has said nothing for `after` seconds; empty: no sound."""
        self._thinking = Ambience(ulaw) if len(ulaw) >= FRAME else None
        self._after = round(after / FRAME_SECONDS)

    def under(self, frame: bytes, *, paused: bool = False) -> bytes:
        """The agent's `frame` with the sounds under it; the same object if there are none.

        While playout is `paused` the caller speaks, so the sound for thinking is not sent.
        """
        sent = frame if self.ambience is None else self.ambience.under(frame)
        if self._thinking is None:
            return sent
        waits = self.thinks and not paused and frame is SILENCE
        self._quiet = self._quiet + 1 if waits else 0
        return self._thinking.under(sent) if self._quiet > self._after else sent


@lru_cache(maxsize=8)
def _shared(ulaw: bytes) -> bytes:
    """The same object for the same sound, so that many callers share its memory."""
    return ulaw
