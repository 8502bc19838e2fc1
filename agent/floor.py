"""What one conversation is at: whose turn it is, what is being said, and how the caller's sound arrived."""

import asyncio

from agent.errors import ProviderError
from agent.line import SAMPLE_RATE
from agent.phrases import Phrases
from agent.records import Outcome, Part, Spoken, Turn
from agent.stt import Transcript, Word
from agent.turns import TurnOptions, Turns
from agent.vad import HANGOVER, Activity, VoiceActivity

CLOSELY = 0.7
"""Seconds after the caller's last sound: by then most ears have ended the turn."""
PENDING, SPEAKING, IDLE = 0.02, 0.04, 0.1
"""Seconds of sound at a time while the caller may be beginning or ending, speaks on, and otherwise."""


class Floor:
    """Who has it, and what is being said."""

    def __init__(self, options: TurnOptions, phrases: Phrases) -> None:
        self.turns = Turns(options, 0.0, phrases)
        self.turn: Turn | None = None
        self.first = 1
        """The first utterance of `turn`."""
        self.discarded = 0
        """Replies thrown away since the caller was answered last."""
        self.replying: asyncio.Task[None] | None = None
        self.broken: tuple[Part, ProviderError] | None = None
        """What could not be opened."""
        self.changed = asyncio.Event()
        self.over: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def start(self, now: float) -> None:
        """The call begins."""
        self.turns = Turns(self.turns.options, now, self.turns.phrases)

    def end(self, outcome: Outcome) -> None:
        """The conversation is over; the first to say so decides how."""
        if not self.over.done():
            self.over.set_result(outcome)


class Listening:
    """The caller's sound: its activity, and when which part of it arrived."""

    def __init__(self) -> None:
        self.activity = VoiceActivity()
        self.silent_since = 0.0
        """When the last loud sound arrived, if it has ended."""
        self._piece = IDLE
        self._given = 0
        self._arrived = 0.0
        self._end = 0.0

    def hear(self, ulaw: bytes, at: float) -> list[Activity]:
        """Take sound whose last sample arrived `at`; returns the changes of activity."""
        self._given += len(ulaw)
        self._arrived = at
        changes = self.activity.feed(ulaw)
        if changes and not changes[-1].onset:
            self.silent_since = at - changes[-1].ago - HANGOVER
        return changes

    def wants(self) -> float | None:
        """In pieces of how many seconds sound is wanted from now on; None if as before. Each costs the same."""
        before, active = self._piece, self.activity.active
        if self.activity.pending or (not active and self._arrived - self.silent_since < CLOSELY):
            self._piece = PENDING
        else:
            self._piece = SPEAKING if active else IDLE
        return self._piece if self._piece != before else None

    def note(self, transcript: Transcript) -> None:
        """Remember where the last word ended."""
        self._end = transcript.end

    def stopped_at(self) -> float:
        """When the sound of the last word arrived."""
        return self._at(self._end)

    def ago(self, words: tuple[Word, ...], now: float) -> tuple[Spoken, ...]:
        """How long ago the sound of these words arrived."""
        return tuple(Spoken(word.text, now - self._at(word.start), now - self._at(word.end)) for word in words)

    def _at(self, place: float) -> float:
        """When the sound at this place arrived: sound is continuous, so its age is its distance from the end."""
        return self._arrived - max(0.0, self._given / SAMPLE_RATE - place)
