"""The caller's sound, as far as turn-taking needs it: when it came, and whether words came of it. Sans-IO."""

from dataclasses import dataclass
from math import inf

from agent.turn_table import Decision
from agent.vad import HANGOVER

AROUND = 0.2
"""Seconds by which the time from onset to quiet is longer than the sound: the hangover of the detector, less what it
needs to notice."""
SPEECH = 0.8
"""Seconds of sound that are more than a cough or a click: words should come of it."""
WORD = 0.2
"""Seconds of it that are a word, if it is voiced and the agent has just asked something."""
UNHEARD_AFTER = 1.7
"""Seconds of quiet after somebody spoke in which ears that are well have reported words."""
FORGOTTEN = 4.0
"""Seconds of quiet after which a sound of which nothing came does not matter any more."""


@dataclass
class Sound:
    """What there is to know of it."""

    onset: float
    quiet_since: float | None
    """Since when neither a sound nor words come; None while there is a sound."""
    words: str = ""
    """What was understood of it, as long as the ears do not say that it is all."""
    answered: tuple[str, ...] = ()
    """Words that were answered without the ears having said so: they may still do."""
    answered_at: float = 0.0
    noticed: bool = False
    """Whether the ears noticed, at least, that there was something."""
    tail_until: float | None = None
    """Until when it may be the end of what is being answered already."""
    voiced: bool = False
    """Whether some of it was made with the vocal cords."""
    broke: Decision | None = None
    """What its words did to the agent's reply; the ears may take them back."""
    _stopped: float = inf
    _began: float = 0.0
    _unheard: float = 0.0

    def due(self, final_limit: float, *, asked: bool) -> float | None:
        """When the words of it are overdue; None if none need come. The agent may have `asked` for them.

        For what they have noticed ears may take `final_limit`, and if they wait by themselves (0) as long as they like.
        """
        if (
            self._unheard < (WORD if asked and self.voiced else SPEECH)
            or self.quiet_since is None
            or (self.noticed and not final_limit)
        ):
            return None
        return self.quiet_since + (max(UNHEARD_AFTER, final_limit) if self.noticed else UNHEARD_AFTER)

    @property
    def followed(self) -> bool:
        """Whether somebody speaks and the ears have noticed."""
        return self.noticed and self._unheard >= SPEECH

    def awaited(self, final_limit: float, patient: float) -> float:
        """Until when words of it may come, of a sound too short to be overdue; ears that wait by themselves (0) may be
        `patient`, if they have noticed it."""
        if self.quiet_since is None:
            return inf
        return self.quiet_since + (patient if self.noticed and not final_limit else max(UNHEARD_AFTER, final_limit))

    def begin(self, now: float) -> None:
        """It begins, or is noticed once more."""
        if self.quiet_since is not None:
            if now >= self.quiet_since + FORGOTTEN:
                self.settle(now)
            self._began = now
        self.onset, self.quiet_since, self.tail_until = now, None, None

    def end(self, now: float, listening_since: float | None, *, voiced: bool) -> None:
        """It ends; what of it came since we listen should have words."""
        self.voiced |= voiced
        if self.quiet_since is None and listening_since is not None:
            self._unheard += max(0.0, now - max(self._began, listening_since) - AROUND)
        self.quiet_since, self.tail_until = now, None
        self._stopped = now - HANGOVER

    def loud(self, now: float) -> float:
        """When it was certainly loud last."""
        return self._stopped if self.quiet_since is not None else now - HANGOVER

    def collides(self, now: float, answered: float | None, limit: float) -> bool:
        """Whether the agent, which begins to speak, has to wait for it; not if it is endless (`limit`).

        The end of what was understood, and `answered` since then, is noticed late. If it goes on after that it does.
        """
        self.tail_until = None
        if self.quiet_since is not None or now >= self.onset + limit:
            return False
        if answered is None or self.onset > answered or now >= answered + HANGOVER:
            return True
        self.tail_until = answered + HANGOVER
        return False

    def settle(self, now: float) -> None:
        """Whatever it was until now, it has been dealt with."""
        self._unheard, self._began, self.noticed, self.voiced = 0.0, now, False, False
