"""The state of both parties: the caller's voice, the agent's words, and the present silence."""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from typing import NamedTuple

from agent.hearing.changes import CERTAIN, Change, SoundEvidence
from agent.hearing.echo_path import Path
from agent.turn_taking.judging import AROUND
from agent.turn_taking.table import Action
from agent.turn_taking.words import QUESTIONS

WORDLESS = 1.0
"""Seconds after the recogniser has said that the words are all in which a voice that goes on brings more of them."""
BREATH = 1.0
"""Seconds of silence between voices that belong together."""
UNVOICED = 0.2
"""Seconds of the end of a word that are no voice."""
LIKELY = 0.6
"""From which on a short sound is rather a word than a cough: of 276 recorded digits and letters 255 are that, of 300
synthetic coughs, bumps, clicks and breaths none."""
SPEECH = 0.8
"""Seconds of voice that are more than a cough: words should come of it."""
WORD = 0.2
"""Seconds of it that are a word, if the agent has just asked something."""
UNHEARD_AFTER = 2.0
"""Seconds after a voice in which a recogniser that is well has reported words."""
NOTICED_AFTER = 2.6
"""The same where it has noticed the voice."""
DECODED_AFTER = 4.0
"""The same where it only transcribes, and may still be decoding."""
BACKGROUND = 1.0
"""Seconds of voices in the background, since the caller was answered, that are in their place: a quiet television
behind the line brings about one in ten seconds, a single noise 0.1."""
FORGOTTEN = 4.0
"""Seconds of quiet after which a voice of which no words came does not matter any more."""
BORNE, LONGEST_BORNE = 1.2, 1.8
"""Seconds of a voice, or since its last words, over which a reply goes on if the caller only shows that they listen: by
then most recognisers have reported the words of an interruption; and the same of the slowest recogniser."""
LONGEST_LAG = 2.5
"""Seconds after which the first words of a voice tell nothing of the recogniser: it waited for the end of the voice."""
INTERVALS = 64
"""Voices that are remembered for words of the recogniser's turn, which it may report again much later."""
LATELY = 5
"""Voices with words by which the recogniser is judged."""
SLOWER = 0.3
"""Seconds by which the words of a voice may come later than those of earlier ones."""
LONGEST_SILENCE = 60.0
"""Seconds of silence after which the caller is asked at the latest, unless the first question comes later still."""
PUT_OFF = 3
"""How many times as long the silence may be in which there are voices, but no words."""
HARDLY_AFTER = 2
"""After so many questions in a row the caller is told that they can hardly be heard; after more of them a recogniser
that has never reported anything is taken for deaf."""
DEAF_AFTER = 4
"""The same for one that has reported something before: it may leave out the voices of a room."""


@dataclass
class Reported:
    """How late the words of a voice came."""

    began: float
    """When the voice began."""
    lag: float
    """Seconds from there to its first words; 0 if they tell nothing of the recogniser."""
    behind: float = 0.0
    """Seconds from its end to the last words of it; 0 if they came before the end was noticed."""


@dataclass
class CallerManner:
    """How the caller takes a reply, and how long the recogniser takes for the words of a voice."""

    listens: bool = False
    """Whether the caller has only shown in a reply that they listen, not interrupted since then: a reply goes on over
    their next voices for a while."""
    _lately: deque[Reported] = field(default_factory=lambda: deque(maxlen=LATELY), repr=False)
    """The last voices that brought words: one slow answer of a busy recogniser is forgotten after so many."""

    def worded(self, began: float, now: float) -> None:
        """Words of the voice came that began then."""
        if not self._lately or self._lately[-1].began < began:
            lag = now - began
            self._lately.append(Reported(began, lag if lag <= LONGEST_LAG else 0.0))

    def followed(self, until: float, now: float) -> None:
        """Words came that had been missing of the voice that was told last, which had ended `until` then."""
        if now - until <= LONGEST_LAG:
            self._lately[-1].behind = max(self._lately[-1].behind, now - until)

    @property
    def awaited(self) -> float:
        """Seconds after a voice in which its words come, as those of other voices did; 0 if nothing tells."""
        behind = max((one.behind for one in self._lately), default=0.0)
        return behind + SLOWER if behind else 0.0

    @property
    def bearing(self) -> float:
        """Seconds of a voice, or since its last words, over which a reply goes on: words of an interruption need as
        long as those of other voices did."""
        if not self.listens:
            return inf
        lag = max((one.lag for one in self._lately), default=0.0)
        return max(BORNE, min(lag + SLOWER, LONGEST_BORNE))


class VoiceInterval(NamedTuple):
    """The time of one voice."""

    began: float
    until: float
    """When the last sound of it arrived; infinite while it is on."""

    def apart(self, ended: float) -> float:
        """Seconds between it and the end of words whose last sound arrived `ended`: 0 if they came with it."""
        return max(0.0, self.began - ended, ended - self.until - UNVOICED)


@dataclass
class CallerVoice:
    """The caller's voice."""

    since: float | None = None
    """Since when it is on; None while the caller is silent."""
    began: float = -inf
    """When it began last."""
    opened: float = -inf
    """When it began first, breaths apart."""
    sure: float = -inf
    """When it became certain, if it was not from its beginning on."""
    until: float = -inf
    """When the last sound of it arrived, once it has ended."""
    sound: SoundEvidence | None = None
    """The evidence of its sound."""
    path: Path | None = None
    """Whether the agent's sound comes back; None if that is not measured."""
    agrees: bool = False
    """Whether all its words so far are backchannels."""
    unheard: float = 0.0
    """Seconds of it of which no words came."""
    noticed: bool = False
    """Whether the recogniser noticed, at least, that there was something."""
    noticed_at: float = -inf
    """When it did so first after the last words: the caller probably goes on."""
    background: float = 0.0
    """Seconds of steady speech or music behind the caller, or in their place."""
    manner: CallerManner = field(default_factory=CallerManner)
    spoke: float = -inf
    """When a certain one of `SPEECH` had ended last: until then it was no silence, though no words came of it."""
    intervals: deque[VoiceInterval] = field(default_factory=lambda: deque(maxlen=INTERVALS), repr=False)
    """Voices that have ended."""

    @property
    def probability(self) -> float:
        """Probability that it is one."""
        return self.sound.voice if self.sound is not None else 1.0

    @property
    def certain(self) -> bool:
        """Whether it certainly is one."""
        return self.probability >= CERTAIN

    @property
    def likely(self) -> bool:
        """Whether it is rather a word than a cough, however short it is."""
        return self.probability >= LIKELY

    @property
    def certainly_on(self) -> bool:
        """Whether the caller certainly speaks."""
        return self.since is not None and self.certain

    others: bool = False
    """Whether somebody else went on behind the caller when it ended: the recogniser does not hear that it has."""

    def begin(self, change: Change, now: float) -> None:
        """It begins."""
        if self.since is None and now - self.until > FORGOTTEN:
            self.settle()
        if change.at > self.until + BREATH:
            self.opened = change.at
        self.since = self.began = change.at
        self.sure = -inf
        self.agrees = self.others = False
        self.learn(change)

    def confirm(self, change: Change) -> None:
        """It has become certain."""
        if not self.certain:
            self.sure = change.at
        self.learn(change)

    def end(self, change: Change, listening_since: float) -> None:
        """The voice has ended. Words are expected for the part of it after the agent began to listen."""
        evidence = change.evidence
        if self.since is not None and not (evidence.behind and evidence.background):
            self.unheard += max(0.0, change.at - max(self.since, listening_since))
            self._until(max(change.at, self.began))
            if self.certain and self.until - self.since >= SPEECH:
                self.spoke = self.until
        self.since, self.others = None, evidence.behind
        self.learn(change)

    def short(self, change: Change) -> None:
        """There was a short one while the agent spoke."""
        self.began = self.opened = change.at - change.evidence.seconds
        self._until(change.at)
        self.learn(change)

    def _until(self, at: float) -> None:
        """The last sound of it arrived then."""
        self.until = max(self.until, at)
        self.intervals.append(VoiceInterval(self.began, at))

    def learn(self, change: Change) -> None:
        """Take the evidence of the sound."""
        self.sound = change.evidence
        self.note_background(change)

    def note_background(self, change: Change) -> None:
        """Count the seconds of what is not the caller."""
        self.background += change.evidence.seconds if change.evidence.background else 0.0

    def drop(self, now: float) -> None:
        """It goes on and on without words: it is a background."""
        if self.since is not None:
            self._until(now)
            self.since, self.background = None, inf

    def settle(self) -> None:
        """Forget the voice until now: it has been dealt with."""
        self.unheard, self.noticed = 0.0, False

    def length(self, now: float) -> float:
        """Seconds of the last one."""
        if self.since is not None:
            return max(0.0, now - self.since)
        return max(0.0, self.until - self.began) if now < self.until + FORGOTTEN else 0.0

    @property
    def last(self) -> VoiceInterval:
        """The present one, or the last."""
        return VoiceInterval(self.began, inf if self.since is not None else self.until)

    def apart(self, ended: float, now: float) -> float:
        """Seconds between words whose last sound arrived `ended` and the nearest one, however late they are judged."""
        if ended == inf:
            return 0.0 if self.since is not None or now < self.until + FORGOTTEN else inf
        return min(interval.apart(ended) for interval in (*self.intervals, self.last))


@dataclass
class Statement:
    """Present or last words of the agent."""

    said: str = ""
    """A sentence and the one before in the same reply."""
    asks: bool = False
    """Whether it asks the caller something."""
    until: float = -inf
    """When its sound ended; infinite while it goes on."""
    pause: tuple[float, float] = (-inf, -inf)
    """The silence before its sound: from the end of the sound before to the beginning."""
    since: float = inf
    """When the first sound of what answers the caller's last turn began; infinite as long as there is none."""
    greeted: bool = False
    """Whether the caller has been greeted or answered."""
    owes: bool = False
    """Whether the greeting has been put off for words that were said into the notice before it."""
    broke: Action | None = None
    """Action by which words changed it, or the reply before anything was heard; the recogniser may take them back."""
    aside: str = ""
    """Words of the caller over which it went on."""
    aside_at: float = -inf
    """When they came."""
    aside_until: float = -inf
    """When their sound had ended."""
    asked_at: float = -inf
    """When the sentence that asks began, or the latest one."""
    early: bool = False
    """Whether some of the words for the caller's next turn were said while it went on."""
    kept: str = ""
    """Older ones that were no answer to it, but say something: a part of the caller's next turn."""

    def begin(self, now: float) -> None:
        """Its sound begins, or goes on with the next sentence."""
        if self.until < inf:
            self.pause, self.until = (self.until, now), inf

    def silent_for(self, ended: float, until: float) -> float:
        """Seconds from its last sound, which ended `until` then at the latest, to the end of words; 0 while it goes on.

        Words from before its sound were said into the silence before.
        """
        before, began = self.pause
        return max(0.0, ended - (before if ended < began - AROUND else until))


class Absence(Enum):
    """Why there is no caller who waits for the agent. Each begins and ends by itself."""

    HOLD = "the line is on hold"
    RECORDING = "a recording speaks in the place of a person who may come"


@dataclass
class Silence:
    """The present silence: whose it is, and how often the caller was asked about it."""

    most: int
    """How often it is asked whether somebody is there."""
    since: float
    """Since when the caller has said nothing that was recognised, and the agent nothing either."""
    asked: int = 0
    unheard: int = 0
    """How often in a row there was a voice, and nothing was recognised."""
    alive: bool = False
    """Whether the recogniser ever reported anything."""
    early: bool = False
    """Whether it ever reported words before they were final."""
    connecting: bool = False
    """Whether it rings at a person to whom the caller is being transferred."""
    deaf: int = 0
    """How often in a row there was a voice, and it has reported nothing at all since the time before."""
    free_until: float = -inf
    """Until when it is the caller's, who has asked for time."""
    wished: bool = False
    """Whether that was their wish; else there are voices or music in their place."""
    absent: set[Absence] = field(default_factory=set)
    """While there is a reason in it the silence means nothing."""

    def begin(self, now: float) -> None:
        """Somebody else is there from now on, or the same again: it begins anew, and no time was asked for."""
        self.since, self.asked, self.free_until = now, 0, -inf

    @property
    def end(self) -> float:
        """When it is not the caller's any more."""
        return inf if self.absent else self.free_until

    def patience(self, first: float, awaited: float) -> float:
        """Seconds before the next question: twice as long each time, since a caller who is looking for a card, or whom
        a PBX has parked, comes back when they come back. Words of a voice of a moment ago are `awaited` for so many."""
        seconds = max(first, min(first * (1 << self.asked), LONGEST_SILENCE))
        return max(seconds, min(awaited, PUT_OFF * seconds))

    @property
    def is_deaf(self) -> bool:
        """Whether the recogniser reports nothing of what is said."""
        return self.deaf > (DEAF_AFTER if self.alive else HARDLY_AFTER)

    def reported(self) -> None:
        """The recogniser has reported something, even if it is that there are no words."""
        self.alive, self.deaf = True, 0

    def heard(self) -> None:
        """The caller has said something: it was no silence, and a time that they had asked for is over."""
        self.asked = self.unheard = 0
        self.free_until = -inf


class AnsweredTurn(NamedTuple):
    """A turn of the caller that is being answered."""

    text: str = ""
    at: float = -inf
    """When it was decided that it had ended."""
    silent_since: float = -inf
    """When the last sound of it arrived."""
    acted: bool = False
    """Whether a tool has run for it or something of its reply was heard, so that it stays answered."""
    returned: bool = False
    """Whether its reply was thrown away, so that it is a part of the next turn."""
    early: bool = False
    """Whether some of it was said while the agent went on."""
    more: bool = False
    """Whether the caller has said or pressed since what does not only agree, or has broken the reply off."""

    @property
    def asks(self) -> bool:
        """Whether the caller has asked something, after which the agent has to speak."""
        return self.text.rstrip().endswith(QUESTIONS)
