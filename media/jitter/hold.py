"""Playout after a hold: a second or more without sound. Times are in seconds, lengths of sound in samples."""

from collections import deque
from collections.abc import Iterable

from media.g711 import FRAME, RATE
from media.jitter.states import Event

HOLD = 1.0
"""Seconds without sound that are a hold: from then on silence is inserted in real time."""
PACE = 2
"""How much faster than time the sound that waited is put out."""
WAITING_MAX = 500
"""Frames (10 s) that may wait; any more are put out at once."""
SETTLE = 0.5
"""Seconds after a hold until it is decided whether the sender's clock or the network had stopped."""
CATCHING_UP = 0.1
"""Seconds that the sender's clock must gain on ours within `SETTLE` for another wait of `SETTLE`: then the network has
not delivered all packets yet."""


class ClockHoldDetector:
    """Decides whether the sender's clock had stopped during a hold (some SBCs do that), or the network had.

    After a stall of the network, late packets come faster than time, so that in the end the sender's clock is as far
    ahead of ours as before. If it stays behind, the hold was not on the sender's clock: the silence that was inserted
    is then real time and is not taken back.
    """

    __slots__ = ("_best", "_until")

    def __init__(self) -> None:
        self._until = 0.0
        self._best = 0.0

    def begin(self, now: float, ahead: float) -> None:
        """The first sound after a hold has come; the sender's clock is now `ahead` of ours."""
        self._until, self._best = now + SETTLE, ahead

    def look(self, now: float, ahead: float, usual: float) -> Event | None:
        """The decision; None if there is none yet. The sender's clock was `usual` ahead of ours before."""
        if ahead >= usual - HOLD / 2:
            return Event.NETWORK_STALLED
        if ahead >= self._best + CATCHING_UP:
            self._until, self._best = now + SETTLE, ahead
        elif now >= self._until:
            return Event.CLOCK_STOPPED
        return None


class CatchUpPacer:
    """Holds sound that comes after a hold: recognisers that close on sound faster than time get it at `PACE`."""

    __slots__ = ("_free_at", "_pieces")

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._free_at = 0.0

    def __len__(self) -> int:
        return len(self._pieces)

    def begin(self, now: float) -> None:
        """Pace the sound that comes from `now` on."""
        self._free_at = now

    def add(self, pieces: Iterable[bytes]) -> None:
        """Take sound, in pieces of any length."""
        for piece in pieces:
            self._pieces.extend(piece[at : at + FRAME] for at in range(0, len(piece), FRAME))

    def take(self, now: float) -> bytes:
        """The next frame if its time has come, or if too many wait; else nothing."""
        due = self._free_at <= now or len(self._pieces) > WAITING_MAX
        return self._pieces.popleft() if self._pieces and due else b""

    def passed(self, samples: int, now: float) -> None:
        """Note that `samples` were put out at `now`; calls come at multiples of about 20 ms."""
        if len(self._pieces) < WAITING_MAX:  # otherwise the samples were put out because too many waited
            self._free_at = max(self._free_at, now - FRAME / RATE) + samples / (PACE * RATE)
