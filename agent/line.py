"""The line: everything that the agent knows of a telephone. An RTP call, a browser call and a test fake are Lines.

Sound is G.711 mu-law, 8000 samples per second, one byte per sample (160 bytes = 20 ms, silence byte 0xFF).
Times named `at` are seconds of the event loop's monotonic clock.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

SAMPLE_RATE = 8000
"""Samples per second, and bytes per second, of every line."""


class Audio(NamedTuple):
    """Sound from the caller, complete and in order; lost audio is already filled in."""

    ulaw: bytes
    """Mu-law samples, 1 byte each; how many at a time: see `Line.set_chunk_duration`."""
    at: float
    """When its last sample arrived."""
    played: bytes = b""
    """One byte for each 20 ms of the sound: the level of what was sent to the caller in the slot in which it arrived.
    The level is -dBm0 from 0 to 126; 127 for silence, or if nothing was sent. Empty if the line does not know."""


class Digit(NamedTuple):
    """A key that the caller pressed: one of ``0123456789*#ABCD``."""

    key: str
    at: float


class Started(NamedTuple):
    """The first packet of an utterance has left."""

    utterance: int
    at: float
    reaches: float | None = None
    """Estimated seconds until the caller hears the sound, with the buffer of the other side; None
    without an estimate."""


class Finished(NamedTuple):
    """The last sample of a finished utterance has left."""

    utterance: int
    at: float


class Away(NamedTuple):
    """The caller has put us on hold, or, if `away` is false, has come back."""

    away: bool
    taken: bool = False
    """Whether another person speaks with the caller meanwhile: then what is being said is not heard to its end."""


class Gone(NamedTuple):
    """The line is dead; nothing follows. `cause` is a short sentence for the record."""

    cause: str
    lost: bool = False
    """Whether the line broke, and the caller has not hung up."""


LineEvent = Audio | Digit | Started | Finished | Away | Gone


class Heard(NamedTuple):
    """How far the playout came: all utterances before `utterance` in full, `samples` samples of that one, nothing of
    later ones.

    ``Heard(0, 0)`` means that nothing was ever said. The value is exact after `Line.pause` has been reported back (one
    20 ms slot), otherwise to within one slot.
    """

    utterance: int
    samples: int


class Line(Protocol):
    """A two-way telephone line as the agent sees it. No method blocks."""

    async def listen(self, take: Callable[[LineEvent], None]) -> None:
        """Call `take` with each event of the line, in order, until `Gone`, which is always the last event.

        Raises what `take` raises, and then calls it no more. The event loop calls `take`, never another method of the
        line. Events that happen while nobody listens wait for the next call of `listen`.
        """
        ...

    def say(self, utterance: int, ulaw: bytes) -> None:
        """Queue sound after what is queued. `utterance` numbers start at 1 and never decrease."""
        ...

    def finish(self, utterance: int) -> None:
        """Tell that `utterance` is complete; `Finished` follows when its last sample has left."""
        ...

    def send_digits(self, keys: str) -> None:
        """Press `keys` (``0123456789*#ABCD``), 100 ms each; what is being said waits. Raises `ValueError`."""
        ...

    def set_private(self, on: bool) -> None:
        """Make the line private (`on`), or public again: on a private line the caller's keys are reported only as
        `Digit` events.

        The line is then neither recorded nor captured nor listened to, and `Audio` is silence.
        """
        ...

    def agree(self, key: str) -> None:
        """Report that the caller pressed `key`, which neither a collection of digits nor a tool has used: it may be
        consent to keep the sound."""
        ...

    def think(self, on: bool) -> None:
        """Note whether the caller waits for what is said next: the line may play a sound meanwhile."""
        ...

    def set_chunk_duration(self, seconds: float, alert: float | None = None) -> None:
        """Bring sound in chunks of about so many seconds, 0.02 to 0.3: every chunk costs the same.

        20 ms that are louder than `alert`, in dBm0, complete a chunk at once.
        """
        ...

    def pause(self) -> None:
        """Go silent within one 20 ms slot and keep what is queued."""
        ...

    def resume(self) -> None:
        """Go on where `pause` stopped."""
        ...

    def stop(self) -> Heard:
        """Go silent within one slot, discard what is queued, tell what was played. Also ends a pause."""
        ...
