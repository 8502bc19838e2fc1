"""What is sent under the agent's sound, and how loud the agent was while sound was received: evidence of echo.

Sans-IO.
"""

import math
from collections import deque

from media.g711 import SILENCE, level
from media.session.ambience import Backdrop

SILENT = 127
"""Stands for silence, and for a slot in which nothing was sent."""
RMS_0_DBM0 = 15_813.0
"""Root mean square of 0 dBm0 on the 16-bit scale: the sine of 32124 has 3.14 dBm0 (ITU-T G.711, table 5)."""
KEPT = 50
"""Slots (1 s) that are kept while no sound is handed up."""
SPARE = 1
"""Slots that may wait for sound which arrives unevenly."""


def _in_dbm0(rms: int) -> int:
    return min(126, max(0, round(-20 * math.log10(rms / RMS_0_DBM0)))) if rms else SILENT


_LEVELS = bytes(_in_dbm0(rms) for rms in range(1 << 15))


class SentLevels:
    """The levels of one call, one byte for each 20 ms slot: -dBm0 from 0 to 126, or `SILENT`."""

    __slots__ = ("_levels", "backdrop")

    def __init__(self) -> None:
        self.backdrop = Backdrop()
        """Sounds under the agent's. They do not count: the agent would seem to speak all the time."""
        self._levels: deque[int] = deque(maxlen=KEPT)

    def add(self, frame: bytes) -> None:
        """Take the mu-law frame of the slot that is sent now."""
        self._levels.append(SILENT if frame is SILENCE else _LEVELS[level(frame)])

    def take(self, frames: int) -> bytes:
        """The levels of the slots in which the last `frames` received frames came, oldest first."""
        levels = bytes(self._levels)
        spare = levels[frames:][-SPARE:]
        self._levels.clear()
        self._levels.extend(spare)
        return levels[: len(levels) - len(spare)][-frames:].rjust(frames, bytes((SILENT,)))
