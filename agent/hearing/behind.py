"""Detects another voice that goes on after the caller has stopped: that voice is quieter, and lasts. Sans-IO.

In 98 of 100 sentences the syllables of one speaker stay 8 dB below the loudest ones for at most half a second. The
syllables of somebody who is 10 dB quieter stay there for as long as that person speaks.
"""

import math

from agent.hearing.levels import SECONDS, SILENT

BELOW = 8.0
"""Decibels below the loudest syllables. All syllables of the same voice are louder than that, except for short moments.
"""
LONG, LONG_ALONE = 0.5, 1.2
"""Seconds of sound below `BELOW` that show that somebody else speaks. The first value is for a line that is never
quiet. The second is for a line that was quiet lately, so that nobody was behind the caller then. A caller who says
single words with loud syllables is quieter for longer than in sentences."""
AGAIN = 0.4
"""Seconds of such quiet sound that the present voice must have, if the rest was in the voice before: a caller who ends
softly may begin softly."""
FAR = 16.0
"""Decibels below the loudest syllables at which sound is surely no soft ending or beginning of the same voice."""
LATEST = 0.25
"""Weight of the latest slot in the power of a syllable."""
FORGET = 1.0
"""Decibels by which the loudest syllable counts less after each second of sound."""


class Behind:
    """Follows the voices of one turn, slot by slot."""

    def __init__(self) -> None:
        self._syllable = 0.0
        self._loudest = float(SILENT)
        self._power = 0.0
        self.slots = 0
        """Loud slots since the last slot of the voice that was loudest so far."""
        self._earlier = 0
        """Number of the slots in `slots` that were in an earlier voice."""
        self._passed_power, self._passed = 0.0, 0
        """Power and number of the slots of voices that were not taken for the caller's since then."""

    def take(self, level: float) -> bool:
        """Take the level of a loud slot in dBm0; returns whether it belongs to the voice that was loudest so far."""
        power = 10 ** (level / 10)
        self._syllable += (LATEST if self._syllable else 1.0) * (power - self._syllable)
        syllable = 10 * math.log10(self._syllable)
        self._loudest = max(self._loudest - FORGET * SECONDS, syllable)
        if syllable >= self._loudest - BELOW:
            self._power, self.slots, self._earlier = 0.0, 0, 0
            return True
        self._power += power
        self.slots += 1
        return False

    def pass_by(self, level: float, slots: int) -> None:
        """Count the `slots` of a voice of this level (dBm0) that was not taken for the caller's."""
        if level < self._loudest - BELOW:
            self._passed_power += 10 ** (level / 10) * slots
            self._passed += slots

    def begin(self) -> None:
        """Note that a voice is taken for the caller's: voices that were passed by before it do not count any more."""
        self._passed_power, self._passed, self._earlier = 0.0, 0, self.slots

    def hear_again(self) -> None:
        """Forget the sound that was reported; the next sound may be the caller again."""
        self._power, self.slots = 0.0, 0
        self.begin()

    def level(self, *, alone: bool) -> float | None:
        """The level of somebody else who goes on, dBm0; None while there is nobody.

        `alone`: nobody was behind the caller lately.
        """
        slots = self.slots + self._passed
        if slots * SECONDS < (LONG_ALONE if alone else LONG) - 1e-9:
            return None
        found = 10 * math.log10((self._power + self._passed_power) / slots)
        begins = self._earlier and (slots - self._earlier) * SECONDS < AGAIN - 1e-9
        return None if begins and found > self._loudest - FAR else found
