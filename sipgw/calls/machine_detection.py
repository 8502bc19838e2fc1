"""Answering-machine detection: a human, an answering machine, a call screen or a fax. Sans-IO.

It runs beside the conversation and does not delay it: the agent may speak before the decision. A human says a word or
two and waits; a machine goes on, says the phrases of `machine_phrases`, and beeps.
"""

import re
from enum import Enum

from agent.vad import HANGOVER, VoiceActivity
from media.tones import Tone, Tones
from sipgw.calls.machine_phrases import HOLDS, SCREEN, STRONG, UNFINISHED, WEAK

PIECE = 160
"""Samples that are judged at a time (20 ms)."""
SECONDS = 0.02
PAUSE = 0.6
"""Seconds without speech after which a human waits for an answer; pauses in greetings are shorter."""
WORD = 0.2
"""Seconds of sound that are speech at least."""
SHORT = 2.5
"""Longest first words of a human, in seconds of speech."""
WAITING = 1.5
"""Seconds without speech after which the answerer is a human who waits, however much was said before."""
LONG, VERY_LONG = 3.5, 7.0
"""Seconds of speech without a `PAUSE`: evidence of a machine, and proof of one."""
BEEP_AFTER = 2.5
"""Seconds after its greeting within which a machine beeps."""
GREETING = 1.5
"""Shortest greeting of a machine before its beep, in seconds of speech."""
EARLY = 10.0
"""Seconds after the answer within which a beep alone proves a machine."""
WATCHED = 30.0
"""Seconds after the answer within which a human can still turn out to be a machine."""
LONGEST = 90.0
"""Seconds after which no decision is made any more."""
CALLING, ANSWERING = 1100.0, 2100.0
"""Hz of the tones of fax machines (ITU-T T.30 §4.1: CNG, CED)."""

_STRONG = re.compile("|".join(STRONG.values()))
_WEAK = re.compile("|".join(WEAK.values()))
_SCREEN = re.compile("|".join(SCREEN.values()))
_HOLDS = re.compile(HOLDS)
_UNFINISHED = re.compile(UNFINISHED)
_ASKED = re.compile(r"(?:do you want to|would you like to|want to|can you|could you|shall i) (?:leave|record)")


class AnsweredParty(Enum):
    """The party that answered an outgoing call."""

    UNKNOWN = "unknown"
    HUMAN = "human"
    MACHINE = "machine"
    SCREEN = "screen"
    """A service that asks for the caller's name and purpose on behalf of a person who may answer."""
    FAX = "fax"


class AnsweringMachineDetector:
    """Decides from sound and words. `who` is the present decision, `why` its reason in a few words."""

    def __init__(self) -> None:
        self.who = AnsweredParty.UNKNOWN
        self.why = ""
        self.beeped = False
        """Whether a machine's beep is over: it listens."""
        self.quiet = 0.0
        """Seconds since somebody spoke."""
        self._voice = VoiceActivity()
        self._tones = Tones()
        self._heard = 0.0
        self._toned = -1.0
        self._spoken = 0.0
        self._run = 0.0
        self._found: set[str] = set()
        self._score = 0

    def hear(self, ulaw: bytes) -> bool:
        """Take sound of any length; returns whether `who` has changed."""
        before = self.who
        for at in range(0, len(ulaw), PIECE):
            piece = ulaw[at : at + PIECE]
            self._heard += len(piece) / 8000
            self._voice.feed(piece)
            for tone in self._tones.feed(piece):
                self._toned = self._heard
                self._judge_tone(tone)
            # A tone is no speech, nor is its effect on the voice detector.
            self._judge_speech(active=self._voice.active and self._heard - self._toned > HANGOVER + SECONDS)
        return self.who is not before

    def understand(self, text: str, *, final: bool = True) -> bool:
        """Take words that were heard, as soon as there are some; returns whether `who` has changed.

        Words that are not `final` may be continued: a sentence that begins like a machine's may be a call screen's.
        """
        before = self.who
        plain = _ASKED.sub(" ", " ".join(text.lower().replace("’", "'").split()))
        if screen := _SCREEN.search(plain):
            if before is not AnsweredParty.SCREEN:
                self._score = 0
                self._decide(AnsweredParty.SCREEN, f"it said {screen[0]!r}")
            return self.who is not before
        if not final:
            plain = _UNFINISHED.sub(" ", plain)
        elif (
            before is AnsweredParty.SCREEN and plain and not any(one.search(plain) for one in (_STRONG, _WEAK, _HOLDS))
        ):
            self.who, self.why = AnsweredParty.HUMAN, "somebody speaks after the call screen"
        for phrase in _STRONG.findall(plain):
            self._evidence(2, f"it said {phrase!r}", "strong")
        for phrase in set(_WEAK.findall(plain)):
            self._evidence(1, f"it said {phrase!r}", phrase)
        return self.who is not before

    @property
    def decided(self) -> bool:
        """Whether the decision will not change any more."""
        return (
            self._heard > LONGEST
            or (self.who is AnsweredParty.HUMAN and self._heard > WATCHED)
            or self.who is AnsweredParty.FAX
        )

    def _judge_speech(self, *, active: bool) -> None:
        if active:
            self._spoken += SECONDS
            self._run += SECONDS
            self.quiet = 0.0
            if self.who is AnsweredParty.UNKNOWN and self._run >= LONG:
                self._evidence(1, "it speaks without a pause", "long")
                if self._run >= VERY_LONG:
                    self._evidence(1, "it speaks on and on", "very long")
            return
        self.quiet += SECONDS
        if self.quiet < PAUSE:
            return
        if self.who is AnsweredParty.UNKNOWN and self._spoken >= WORD:
            if WORD <= self._run <= SHORT and not self._found:
                self.who, self.why = AnsweredParty.HUMAN, "a few words and a pause"
            elif self.quiet >= WAITING:
                self.who, self.why = AnsweredParty.HUMAN, "waits for an answer"
        self._run = 0.0

    def _judge_tone(self, tone: Tone) -> None:
        if abs(tone.hz - ANSWERING) < 25 and tone.seconds >= 0.5:
            self._decide(AnsweredParty.FAX, "the tone of a fax machine, 2100 Hz")
        elif abs(tone.hz - CALLING) < 25 and tone.over and 0.4 <= tone.seconds <= 0.65 and self._spoken < 0.5:
            self._decide(AnsweredParty.FAX, "the tone of a fax machine, 1100 Hz")
        elif (
            self.who is not AnsweredParty.SCREEN
            and self._spoken >= GREETING
            and self.quiet <= BEEP_AFTER
            and tone.hz < 2050
        ):
            self._evidence(
                2 if self.who is AnsweredParty.UNKNOWN or self._heard < EARLY else 1,
                f"a beep of {tone.hz:.0f} Hz",
                "beep",
            )
            self.beeped |= tone.over

    def _evidence(self, weight: int, why: str, key: str) -> None:
        """Note evidence of a machine; the same evidence counts once."""
        if key in self._found or self.decided:
            return
        self._found.add(key)
        self._score += weight
        if self._score >= 2:
            self._decide(AnsweredParty.MACHINE, why)

    def _decide(self, who: AnsweredParty, why: str) -> None:
        if self.who not in (AnsweredParty.MACHINE, AnsweredParty.FAX):
            self.who, self.why = who, why
