"""The present state of one conversation: whose turn it is, what is being said, and how the caller's sound arrived."""

import asyncio
from collections import deque
from functools import lru_cache

from agent.errors import ProviderError
from agent.hearing.caller import CallerSound, Pieces
from agent.hearing.changes import Change, Kind
from agent.line import SAMPLE_RATE
from agent.phrases import Phrases
from agent.records import Outcome, Part, Spoken
from agent.stt import Transcript, Word
from agent.turn_taking.lexicon import Lexicon
from agent.turn_taking.machine import TurnMachine
from agent.turn_taking.options import TurnOptions
from agent.turn_taking.words import Words, words_of

EVEN = 0.02
"""Seconds of sound in each chunk, if all chunks are to be short."""
UNSETTLED = 1.0
"""Seconds after a word in which it may turn out that it was not the caller's."""
WITHHELD = 8
"""Transcripts that are kept until it is known whether they are of somebody behind the caller: of some ten seconds."""


@lru_cache(64)
def lexicon_of(phrases: Phrases) -> Lexicon:
    """The words of `phrases` in the form that turn-taking uses; calls in the same languages share the result."""

    def spoken(*kinds: frozenset[str]) -> frozenset[str]:
        return frozenset(" ".join(words_of(phrase)) for kind in kinds for phrase in kind)

    return Lexicon(
        fillers=phrases.backchannels,
        greetings=phrases.greetings,
        nods=spoken(phrases.assent, phrases.consent, phrases.courtesy, phrases.understanding),
        little=spoken(phrases.little),
        interrupts=phrases.interrupts,
        answers=spoken(phrases.assent, phrases.consent, phrases.refusal),
        courtesy=spoken(phrases.courtesy),
        digits=phrases.digits,
        teens=phrases.teens,
        tens=phrases.tens,
    )


class Floor:
    """State of the turn, the reply that is being said, and the end of the conversation."""

    def __init__(self, options: TurnOptions, phrases: Phrases) -> None:
        self.turns = TurnMachine(options, 0.0)
        self.speak(phrases)
        self.replying: asyncio.Task[None] | None = None
        self.broken: tuple[Part, ProviderError] | None = None
        """Part that could not be opened, and its error."""
        self.changed = asyncio.Event()
        self.over: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def start(self, now: float) -> None:
        """Begin the call."""
        self.turns = self.turns.restarted(now)

    def speak(self, phrases: Phrases) -> None:
        """Set the words of the languages that the caller may speak."""
        self.turns.endpointing.lexicon = lexicon_of(phrases)

    def end(self, outcome: Outcome) -> None:
        """End the conversation with `outcome`; later calls change nothing."""
        if not self.over.done():
            self.over.set_result(outcome)


class Listening:
    """The caller's sound: the times of its voice, and of the arrival of its parts."""

    def __init__(self) -> None:
        self.voice = CallerSound()
        self.silent_since = 0.0
        """When the caller's last sound arrived, if it has ended."""
        self.even = False
        """Whether the line should bring sound in short chunks all the time."""
        self._ordered: Pieces | None = None
        """The chunks for which the line was asked last."""
        self._given = 0
        self._arrived = 0.0
        self._end = 0.0
        self._ends: list[float] = []
        """When each word of the recogniser's present turn was heard, by the first report of that word."""
        self._theirs: list[bool] = []
        """Whether each of these words is the caller's."""
        self.among = False
        """Whether others are heard on the line, too, as the recogniser was told."""
        self.withheld = deque[Transcript](maxlen=WITHHELD)
        """Transcripts with words of somebody who is presumed behind the caller."""

    def begin(self, now: float) -> None:
        """Note that the call begins: a sound that is on then may come from somebody behind the caller."""
        self.voice.begin(now)

    def hear(self, ulaw: bytes, at: float, played: bytes = b"") -> list[Change]:
        """Take sound whose last sample arrived `at`; returns what changed. `played`: see `agent.line.Audio`."""
        self._given += len(ulaw)
        self._arrived = at
        changes = self.voice.feed(ulaw, at, played)
        return self._note(changes) if changes else changes

    def wants(self) -> Pieces | None:
        """The pieces in which sound should come from now on; None if the line was asked for them last."""
        wanted = self.voice.wants()
        before, self._ordered = self._ordered, Pieces(EVEN) if self.even else wanted
        return self._ordered if self._ordered != before else None

    def lapse(self, now: float) -> list[Change]:
        """Changes that are due because no sound came until `now`."""
        return self._note(self.voice.lapse(now))

    def next_look(self, deadline: float | None) -> float | None:
        """When `lapse` may tell something although no sound comes, or the deadline, if that is sooner."""
        return min((at for at in (self.voice.due, deadline) if at is not None), default=None)

    def _note(self, changes: list[Change]) -> list[Change]:
        for change in changes:
            if change.kind in (Kind.VOICE_ENDED, Kind.SHORT_VOICE):
                self.silent_since = change.at
        return changes

    def followed(self, changes: list[Change]) -> list[tuple[bool | None, float]]:
        """Part of these changes that the recogniser has to know: arguments of `agent.stt.SpeechToText.follow_voice`."""
        before, self.among = self.among, self.voice.others
        if not (self.among or before):
            return []
        told: list[tuple[bool | None, float]] = [] if before else [(self.voice.speaking, self._arrived)]
        for kind, at, evidence in changes:
            if kind is Kind.SHORT_VOICE:
                told.append((True, at - evidence.seconds))
            if kind in (Kind.VOICE_STARTED, Kind.VOICE_ENDED, Kind.SHORT_VOICE):
                told.append((kind is Kind.VOICE_STARTED, at))
        if not self.among:
            told.append((None, self._arrived))
        return [(speaking, self._arrived - at) for speaking, at in told]

    def note(self, transcript: Transcript) -> None:
        """Remember where the last word ended."""
        self._end = transcript.end

    def stopped_at(self) -> float:
        """When the sound of the last word arrived."""
        return self._at(self._end)

    def ago(self, words: tuple[Word, ...], now: float) -> tuple[Spoken, ...]:
        """How many seconds ago the sound of each of these words began and ended to arrive."""
        return tuple(Spoken(word.text, now - self._at(word.start), now - self._at(word.end)) for word in words)

    def words(self, transcript: Transcript) -> Words:
        """The transcript on the clock, without the words of somebody behind the caller."""
        told, placed = transcript.text.split(), transcript.words
        if len(placed) == len(told):
            self._ends = [self._at((word.start + word.end) / 2) for word in placed]
        else:
            del self._ends[len(told) :]
            self._ends += [self._at(transcript.end)] * (len(told) - len(self._ends))
        del self._theirs[len(told) :]
        for number, end in enumerate(self._ends):
            if number >= len(self._theirs):
                self._theirs.append(self.voice.theirs(end))
            elif end > self._arrived - UNSETTLED:
                self._theirs[number] = self.voice.theirs(end)
        kept = [number for number in range(len(told)) if self._theirs[number]]
        others = len(kept) < len(told)
        self._withhold(transcript, left_out=others and not (transcript.final and kept))
        ends = self._ends
        if transcript.final:
            self._ends, self._theirs = [], []
        return Words(
            " ".join(told[number] for number in kept) if others else transcript.text,
            transcript.final, transcript.eager, ends[kept[-1]] if others and kept else self._at(transcript.end),
            tuple(self._at(placed[number].start) for number in kept) if len(placed) == len(told)
            else tuple(self._at(word.start) for word in placed), others,
        )  # fmt: skip

    def _withhold(self, transcript: Transcript, *, left_out: bool) -> None:
        """Keep a transcript if words of it were left out; the next one of the same turn replaces it."""
        if self.withheld and not self.withheld[-1].final:
            self.withheld.pop()
        if left_out and self.voice.presumes:
            self.withheld.append(transcript)

    def restored(self) -> list[Words]:
        """Transcripts that were withheld, once it is known that they are the caller's; each is given once."""
        if not self.withheld or self.voice.presumes:
            return []
        withheld = list(self.withheld)
        self.withheld.clear()
        return [] if self.voice.others else [self.words(one) for one in withheld]

    def _at(self, place: float) -> float:
        """When the sound at `place`, in seconds of sound, arrived: sound is continuous, so its age is its distance from
        the end."""
        return self._arrived - max(0.0, self._given / SAMPLE_RATE - place)
