"""The agent's own voice, which may come back from the line: what of it was played, and until when it may. Sans-IO."""

from dataclasses import dataclass
from math import inf

from agent.phrases import words_of

DELAY = 0.6
"""Seconds until the last of an echo has come back: both ways, what the other side buffers, and the room."""
LETTER = 0.05
"""Seconds that a fast voice takes for a letter: what is played is not underrated."""
LATE = 3.0
"""Seconds for which words of what is over may still come from the ears."""
RECENT = 1000
"""Letters of a reply of which an echo may consist."""
PAUSES = 2
"""How often in a reply the agent pauses for sounds of which no words come."""


@dataclass
class Echo:
    """What there is to know of it."""

    said: str = ""
    """What the agent is saying or said last: a sentence and the one before."""
    holds: int = 0
    """How often it lately paused for nothing. An echo makes it do so in every reply."""
    _reply: str = ""
    """The reply as far as it is said, with the rest of this sentence."""
    _before: float = 0.0
    """Letters of it that were played before this sentence began."""
    _played: float = 0.0
    """Seconds of the sentence that were played until it last paused."""
    _since: float | None = None
    """Since when the agent is to be heard."""
    _silent: tuple[float, float] = (-inf, -inf)
    """From when to when it last was not."""

    @property
    def endless(self) -> bool:
        """Whether pausing has shown to be no use."""
        return self.holds >= PAUSES

    @property
    def until(self) -> float:
        """When the sound of an echo ends, on a line where pausing was no use lately."""
        return self._silent[0] + DELAY if self.holds else -inf

    def says(self, sentence: str, before: str) -> None:
        """This sentence begins; an echo may run into it from those before in the same reply."""
        self.said = f"{before} {sentence}".strip()
        played = self._reply[-RECENT:] if before else ""
        self._reply, self._before, self._played, self._since = f"{played} {sentence}", len(played), 0.0, None

    def sound(self, now: float) -> None:
        """The agent is to be heard from now on."""
        if self._since is None:
            self._since = now
            self._silent = (self._silent[0], min(now, self._silent[1]))

    def fall_silent(self, now: float) -> None:
        """It is not."""
        if self._since is not None:
            self._played += now - self._since
            self._since, self._silent = None, (now, inf)

    def finish(self) -> None:
        """All of it was played."""
        self._before = inf

    def begin(self) -> None:
        """Another reply begins; where pausing was no use it is tried once more."""
        self.holds = max(0, min(self.holds, PAUSES) - 1)

    def may_be(self, words: list[str], ended: float, now: float, *, final: bool) -> bool:
        """Whether these words, the last of which `ended` then, may be an echo of what was played.

        It does not outlast what it is an echo of, and what was not said yet does not come back.
        """
        fell_silent, sounded = self._silent
        if self._since is None and now > fell_silent + LATE:
            return False
        tail = ended <= fell_silent + DELAY
        if not tail and ended < sounded:
            return False
        if len(words) == 1 and final and not tail:
            return False  # the first word of an echo may be the first of an interruption, too: nothing followed
        # Where the agent paused words are cut off, at either end.
        return " ".join(words) in " ".join(words_of(self._heard(now)))

    def _heard(self, now: float) -> str:
        seconds = self._played + (now - self._since if self._since is not None else 0.0)
        letters = self._before + seconds / LETTER
        if letters >= len(self._reply):
            return self._reply
        return self._reply[: int(letters)] + self._reply[int(letters) :].partition(" ")[0]
