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
"""Seconds after the end of a recogniser's turn within which a voice that goes on must bring more words."""
BREATH = 1.0
"""Seconds of silence between voices that belong together."""
UNVOICED = 0.2
"""Seconds at the end of a word that have no voice."""
LIKELY = 0.6
"""Probability of voice from which on a short sound is rather a word than a cough. It is reached by 255 of 276 recorded
digits and letters, and by none of 300 synthetic coughs, bumps, clicks and breaths."""
SPEECH = 0.8
"""Seconds of voice that are more than a cough, so that words should come."""
WORD = 0.2
"""Seconds of voice that are a word, if the agent has just asked something."""
UNHEARD_AFTER = 2.0
"""Seconds after a voice in which a recogniser that is well has reported words."""
NOTICED_AFTER = 2.6
"""Like `UNHEARD_AFTER`, if the recogniser has noticed the voice."""
DECODED_AFTER = 4.0
"""Like `UNHEARD_AFTER`, if the recogniser only transcribes, and may be decoding."""
BACKGROUND = 1.0
"""Seconds of background voices since the caller was answered that show voices in the caller's place. A quiet television
brings about 1 s of them in ten seconds, a single noise 0.1 s."""
FORGOTTEN = 4.0
"""Seconds of quiet after which a voice that brought no words does not matter any more."""
BORNE, LONGEST_BORNE = 1.2, 1.8
"""Seconds of a voice, or since its last words, over which a reply goes on if the caller only shows that they listen. By
then most recognisers have reported the words of an interruption; the second value is for the slowest one."""
LONGEST_LAG = 2.5
"""Seconds from the beginning of a voice after which its first words tell nothing: the recogniser waited for its end."""
INTERVALS = 64
"""Number of remembered voices: the recogniser may report words of its present turn again much later."""
LATELY = 5
"""Voices with words by which the recogniser is judged."""
SLOWER = 0.3
"""Seconds by which the words of a voice may come later than those of earlier ones."""
LONGEST_SILENCE = 60.0
"""Most seconds of silence before the caller is asked, unless `reprompt_after` is longer."""
PUT_OFF = 3
"""How many times as long a silence may be, if it has voices without words."""
HARDLY_AFTER = 2
"""Number of questions in a row after which the caller is told that they can hardly be heard. A recogniser that has
never reported anything is taken for deaf after more of them."""
DEAF_AFTER = 4
"""Number of such questions after which a recogniser that has reported something before is taken for deaf: it may leave
out the voices of a room."""


@dataclass
class Reported:
    """How late the words of a voice came."""

    began: float
    """When the voice began."""
    lag: float
    """Seconds from the beginning of the voice to its first words; 0 if they say nothing about the recogniser."""
    behind: float = 0.0
    """Seconds from the end of the voice to its last words; 0 if they came before the end was noticed."""


@dataclass
class CallerManner:
    """How the caller takes a reply, and how long the recogniser takes for the words of a voice."""

    listens: bool = False
    """Whether the caller has shown during a reply that they only listen, and has not interrupted since: replies then go
    on over their next voices for a while."""
    _lately: deque[Reported] = field(default_factory=lambda: deque(maxlen=LATELY), repr=False)
    """The latest voices that brought words: so few that one slow answer of the recogniser is soon forgotten."""

    def worded(self, began: float, now: float) -> None:
        """Note that words came of the voice that began at `began`."""
        if not self._lately or self._lately[-1].began < began:
            lag = now - began
            self._lately.append(Reported(began, lag if lag <= LONGEST_LAG else 0.0))

    def followed(self, until: float, now: float) -> None:
        """Note that the missing words of the last voice have come; the voice ended at `until`."""
        if now - until <= LONGEST_LAG:
            self._lately[-1].behind = max(self._lately[-1].behind, now - until)

    @property
    def awaited(self) -> float:
        """Seconds after a voice in which its words come, to judge by earlier voices; 0 if nothing is known."""
        behind = max((one.behind for one in self._lately), default=0.0)
        return behind + SLOWER if behind else 0.0

    @property
    def bearing(self) -> float:
        """Seconds of a voice, or since its last words, over which a reply goes on: as long as earlier voices needed for
        words."""
        if not self.listens:
            return inf
        lag = max((one.lag for one in self._lately), default=0.0)
        return max(BORNE, min(lag + SLOWER, LONGEST_BORNE))


class VoiceInterval(NamedTuple):
    """The time of one voice."""

    began: float
    until: float
    """When the last sound of the voice arrived; infinite while the voice is on."""

    def apart(self, ended: float) -> float:
        """Seconds between the voice and the end of words whose last sound arrived at `ended`; 0 if the words came with
        the voice."""
        return max(0.0, self.began - ended, ended - self.until - UNVOICED)


@dataclass
class CallerVoice:
    """The caller's voice."""

    since: float | None = None
    """When the present voice began; None while the caller is silent."""
    began: float = -inf
    """When the last voice began."""
    opened: float = -inf
    """When the last voice began, with voices before it that are only a breath apart."""
    sure: float = -inf
    """When the voice became certain, if it was not certain from its beginning."""
    until: float = -inf
    """When the last sound of the voice arrived, once the voice has ended."""
    sound: SoundEvidence | None = None
    """The evidence of its sound."""
    path: Path | None = None
    """Whether the agent's sound comes back; None if that is not measured."""
    agrees: bool = False
    """Whether all words of the voice so far are backchannels."""
    unheard: float = 0.0
    """Seconds of voice that brought no words."""
    noticed: bool = False
    """Whether the recogniser has at least noticed the voice."""
    noticed_at: float = -inf
    """When the recogniser first noticed a voice after the last words: the caller probably goes on."""
    background: float = 0.0
    """Seconds of steady speech or music behind the caller, or in the caller's place; infinite if such a voice does not
    end."""
    manner: CallerManner = field(default_factory=CallerManner)
    spoke: float = -inf
    """When the last certain voice of at least `SPEECH` seconds ended: it was no silence, even if it
    brought no words."""
    intervals: deque[VoiceInterval] = field(default_factory=lambda: deque(maxlen=INTERVALS), repr=False)
    """Voices that have ended."""

    @property
    def probability(self) -> float:
        """Probability, 0 to 1, that the sound is a voice."""
        return self.sound.voice if self.sound is not None else 1.0

    @property
    def certain(self) -> bool:
        """Whether the sound is certainly a voice."""
        return self.probability >= CERTAIN

    @property
    def likely(self) -> bool:
        """Whether the sound is rather a word than a cough, even if it is short."""
        return self.probability >= LIKELY

    @property
    def certainly_on(self) -> bool:
        """Whether the caller certainly speaks."""
        return self.since is not None and self.certain

    others: bool = False
    """Whether somebody else went on behind the caller when the voice ended: the recogniser does not notice that end."""

    def begin(self, change: Change, now: float) -> None:
        """Take the beginning of a voice."""
        if self.since is None and now - self.until > FORGOTTEN:
            self.settle()
        if change.at > self.until + BREATH:
            self.opened = change.at
        self.since = self.began = change.at
        self.sure = -inf
        self.agrees = self.others = False
        self.learn(change)

    def confirm(self, change: Change) -> None:
        """Note that the voice has become certain."""
        if not self.certain:
            self.sure = change.at
        self.learn(change)

    def end(self, change: Change, listening_since: float) -> None:
        """Take the end of the voice. Words are expected for the part of it after the agent began to listen."""
        evidence = change.evidence
        if self.since is not None and not (evidence.behind and evidence.background):
            self.unheard += max(0.0, change.at - max(self.since, listening_since))
            self._until(max(change.at, self.began))
            if self.certain and self.until - self.since >= SPEECH:
                self.spoke = self.until
        self.since, self.others = None, evidence.behind
        self.learn(change)

    def short(self, change: Change) -> None:
        """Take a short voice that came while the agent spoke."""
        self.began = self.opened = change.at - change.evidence.seconds
        self._until(change.at)
        self.learn(change)

    def _until(self, at: float) -> None:
        """Note the end of a voice: its last sound arrived at `at`."""
        self.until = max(self.until, at)
        self.intervals.append(VoiceInterval(self.began, at))

    def learn(self, change: Change) -> None:
        """Take the evidence of the sound."""
        self.sound = change.evidence
        self.note_background(change)

    def note_background(self, change: Change) -> None:
        """Add the seconds of the sound, if it is a background and not the caller."""
        self.background += change.evidence.seconds if change.evidence.background else 0.0

    def drop(self, now: float) -> None:
        """Take a voice that goes on without words for a background, if one is on."""
        if self.since is not None:
            self._until(now)
            self.since, self.background = None, inf

    def settle(self) -> None:
        """Forget the voice until now: it has been dealt with."""
        self.unheard, self.noticed = 0.0, False

    def length(self, now: float) -> float:
        """Seconds of the present voice, or of the last one if it ended a moment ago."""
        if self.since is not None:
            return max(0.0, now - self.since)
        return max(0.0, self.until - self.began) if now < self.until + FORGOTTEN else 0.0

    @property
    def last(self) -> VoiceInterval:
        """The times of the present voice, or of the last one."""
        return VoiceInterval(self.began, inf if self.since is not None else self.until)

    def apart(self, ended: float, now: float) -> float:
        """Seconds between words whose last sound arrived at `ended` and the nearest voice, even if the words are judged
        late."""
        if ended == inf:
            return 0.0 if self.since is not None or now < self.until + FORGOTTEN else inf
        return min(interval.apart(ended) for interval in (*self.intervals, self.last))


@dataclass
class Statement:
    """The agent's present or last words."""

    said: str = ""
    """The last sentence, and the one before it in the same reply."""
    asks: bool = False
    """Whether it asks the caller something."""
    until: float = -inf
    """When its sound ended; infinite while it goes on."""
    pause: tuple[float, float] = (-inf, -inf)
    """The silence before the agent's sound: the end of the sound before it, and the beginning of this one."""
    since: float = inf
    """When the sound of the reply to the caller's last turn began; infinite as long as it has not begun."""
    greeted: bool = False
    """Whether the caller has been greeted or answered."""
    owes: bool = False
    """Whether the greeting is still due, because of words that the caller said during the notice before it."""
    broke: Action | None = None
    """Action by which words cut or discarded the reply; the recogniser may still take those words back."""
    aside: str = ""
    """Words of the caller over which the agent went on speaking."""
    aside_at: float = -inf
    """When the words in `aside` came."""
    aside_until: float = -inf
    """When the sound of the words in `aside` had ended."""
    asked_at: float = -inf
    """When the sentence that asks something began; without one, when the latest sentence began."""
    early: bool = False
    """Whether some of the words for the caller's next turn were said while it went on."""
    kept: str = ""
    """Older words like those in `aside` that say something: they become a part of the caller's next turn."""

    def begin(self, now: float) -> None:
        """Note that the agent's sound begins, or goes on with the next sentence."""
        if self.until < inf:
            self.pause, self.until = (self.until, now), inf

    def silent_for(self, ended: float, until: float) -> float:
        """Seconds from the agent's last sound to the end of words at `ended`; 0 while the agent speaks. The sound ended
        at `until` at the latest.

        Words from before the present sound belong to the silence before it.
        """
        before, began = self.pause
        return max(0.0, ended - (before if ended < began - AROUND else until))


class Absence(Enum):
    """Reasons why no caller waits for the agent. Each reason begins and ends independently of the other."""

    HOLD = "the line is on hold"
    RECORDING = "a recording speaks in the place of a person who may come"


@dataclass
class Silence:
    """The present silence: whose it is, and how often the caller was asked about it."""

    most: int
    """How often the agent asks at most whether somebody is there."""
    since: float
    """When the agent last spoke, or the caller last said something that was recognised."""
    asked: int = 0
    unheard: int = 0
    """How often in a row there was a voice, and nothing was recognised."""
    alive: bool = False
    """Whether the recogniser ever reported anything."""
    early: bool = False
    """Whether the recogniser has ever reported words before they were final."""
    connecting: bool = False
    """Whether a person is being called to whom the caller is transferred."""
    deaf: int = 0
    """How often in a row the recogniser reported nothing at all of a voice."""
    free_until: float = -inf
    """Until when the silence is the caller's, who has asked for time, or of voices in the caller's place."""
    wished: bool = False
    """Whether the caller has asked for that time; if not, there are voices or music in their place."""
    absent: set[Absence] = field(default_factory=set)
    """Reasons why no caller waits for the agent; with any of them a silence means nothing."""

    def begin(self, now: float) -> None:
        """Begin a new silence, with somebody else or with the same caller again; no time was asked for in it."""
        self.since, self.asked, self.free_until = now, 0, -inf

    @property
    def end(self) -> float:
        """When the silence is no longer the caller's; infinite while no caller waits for the agent."""
        return inf if self.absent else self.free_until

    def patience(self, first: float, awaited: float) -> float:
        """Seconds before the next question: `first`, then twice as long each time. A caller who looks for a card, or
        whom a PBX has parked, needs time. Words of a voice that has just ended may take `awaited` seconds."""
        seconds = max(first, min(first * (1 << self.asked), LONGEST_SILENCE))
        return max(seconds, min(awaited, PUT_OFF * seconds))

    @property
    def is_deaf(self) -> bool:
        """Whether the recogniser reports nothing of what is said."""
        return self.deaf > (DEAF_AFTER if self.alive else HARDLY_AFTER)

    def reported(self) -> None:
        """Note that the recogniser has reported something, even if only that there are no words."""
        self.alive, self.deaf = True, 0

    def heard(self) -> None:
        """Note that the caller has said something: there was no silence, and a time that they have
        asked for is over."""
        self.asked = self.unheard = 0
        self.free_until = -inf


class AnsweredTurn(NamedTuple):
    """A turn of the caller that is being answered."""

    text: str = ""
    at: float = -inf
    """When the turn was taken as complete."""
    silent_since: float = -inf
    """When the last sound of the turn arrived."""
    acted: bool = False
    """Whether the turn stays answered, because a tool has run for it or something of its reply was heard."""
    returned: bool = False
    """Whether the reply to the turn was thrown away, so that the turn is a part of the next one."""
    early: bool = False
    """Whether some of the turn was said while the agent was still speaking."""
    more: bool = False
    """Whether the caller has since broken the reply off, pressed a key, or said more than an agreement."""

    @property
    def asks(self) -> bool:
        """Whether the caller has asked something, after which the agent has to speak."""
        return self.text.rstrip().endswith(QUESTIONS)
