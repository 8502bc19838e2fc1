"""The gateway's estimate of how much of the queued sound was sent. The media process knows it exactly. Sans-IO."""

from collections import deque

from media.g711 import RATE
from media.session.playout import Heard

TRACK = 64
"""Positions remembered: those of more than a second, for one comes with each 20 to 300 ms of sound."""


class PlayoutEstimator:
    """The positions that the media process reported, and the estimate between them. Times are in seconds."""

    def __init__(self) -> None:
        self.discarded = 0
        """The last utterance that was stopped."""
        self._last = Heard(0, 0)
        self._at = 0.0
        self._track: deque[tuple[float, Heard]] = deque(maxlen=TRACK)
        self._said: dict[int, int] = {}
        self._exact = False
        self._pausing = False

    def said(self, utterance: int, samples: int) -> None:
        """Note that `samples` of `utterance` were queued."""
        self._said[utterance] = self._said.get(utterance, 0) + samples

    def report(self, position: Heard, at: float) -> None:
        """Take the `position` that the media process had at the moment `at`."""
        if position.utterance > self.discarded and not self._exact:
            self._last, self._at = position, at
            self._track.append((at, position))

    def halted(self, position: Heard, at: float) -> None:
        """Take the position at which the media process paused; ignored if playout has continued since."""
        if self._pausing and position.utterance > self.discarded:
            self._last, self._exact = position, True
            self._track.append((at, position))

    def pausing(self) -> None:
        """Note that playout was ordered to pause."""
        self._pausing = True

    def moving(self, now: float) -> None:
        """Note that playout continues from `now`."""
        self._pausing, self._exact, self._at = False, False, now
        self._track.append((now, self._last))

    def stop(self, now: float) -> Heard:
        """The position now; all sound queued so far is discarded."""
        if not self._exact and self._last.utterance > self.discarded:
            self._last = self._after(self._last, now - self._at)
        self.discarded = max(self._said, default=self.discarded)
        self._said.clear()
        self._track.append((now, self._last))
        self._exact = self._pausing = False
        return self._last

    def at(self, moment: float) -> Heard:
        """The position at a moment of the last seconds."""
        known: Heard | None = None
        since = moment
        for at, position in self._track:
            if at > moment:
                if known and known.utterance == position.utterance:
                    return min(position, Heard(known.utterance, known.samples + int((moment - since) * RATE)))
                return min(position, self._after(known, moment - since)) if known else Heard(position.utterance, 0)
            known, since = position, at
        return self._last if known is None or self._exact else self._after(known, moment - since)

    def _after(self, position: Heard, seconds: float) -> Heard:
        """The position `seconds` after `position`, at most the end of the queued sound."""
        utterance, samples = position
        ahead = int(seconds * RATE)
        while utterance in self._said and samples + ahead > self._said[utterance] and utterance + 1 in self._said:
            ahead -= self._said[utterance] - samples  # after the end of one utterance the next one plays
            utterance, samples = utterance + 1, 0
        return Heard(utterance, max(samples, min(samples + ahead, self._said.get(utterance, 0))))
