"""Answering-machine detection: a human, an answering machine, a call screen or a fax. Sans-IO.

It runs beside the conversation and does not delay it: the agent may speak before the decision. A human says a word or
two and waits; a machine goes on, says the phrases of `machine_phrases`, and beeps.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from agent.ivr.phrases import asks_for_keys, asks_to_wait
from agent.vad import HANGOVER, VoiceActivity
from sipgw.calls.machine_phrases import ASKS, HELLO, HOLDS, LEAVES, POLITE, SCREEN, STRONG, UNFINISHED, WEAK
from sipgw.calls.screen_phrases import Further, further

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from media.tones import Tone, Tones

PIECE = 160
"""Samples that are judged at a time (20 ms)."""
SECONDS = 0.02
PAUSE = 0.6
"""Seconds without speech after which a human waits for an answer; pauses in greetings are shorter."""
WORD = 0.2
"""Least seconds of sound that count as speech."""
SHORT = 2.5
"""Longest first words of a human, in seconds of speech."""
WAITING = 1.5
"""Seconds without speech after which the answerer is a human who waits, however much was said before."""
LONG, VERY_LONG = 3.5, 12.0
"""Seconds of speech without a `PAUSE`: evidence of a machine, and proof of one. Prompts of call
screens take up to 11 s."""
BEEP_AFTER = 2.5
"""Seconds after its greeting within which a machine beeps."""
GREETING = 1.5
"""Shortest greeting of a machine before its beep, in seconds of speech."""
EARLY = 10.0
"""Seconds after the answer within which a beep alone proves a machine."""
WORDS = 3.0
"""Seconds to wait after a beep for the words spoken before it: call screens beep, too, and the recogniser is late. A
machine without a beep gets as many seconds."""
OVER = 1.0
"""Seconds without speech after which a sentence is over, although the recogniser does not say so yet."""
DOUBT = 12.0
"""Seconds after which an unfinished sentence that began as a call screen's is judged by its words so far."""
WATCHED = 30.0
"""Seconds after the answer within which a human can still turn out to be a machine."""
LONGEST = 90.0
"""Seconds after the answer from which the decision stays as it is."""
MANY = 30
"""Least number of words of a long sentence."""
SHOWN = 60
"""Characters of heard words that `why` quotes."""
CALLING, ANSWERING = 1100.0, 2100.0
"""Hz of the tones of fax machines (ITU-T T.30 §4.1: CNG, CED)."""

_STRONG = re.compile("|".join(STRONG.values()))
_WEAK = re.compile("|".join(WEAK.values()))
_SCREEN = re.compile("|".join(SCREEN.values()))
_HELLO = re.compile(HELLO)
_HOLDS = re.compile(HOLDS)
_LEAVES = re.compile(LEAVES)
_ASKS = {what: re.compile(asks) for what, asks in ASKS.items()}
_POLITE = re.compile(POLITE)
_UNFINISHED = re.compile(UNFINISHED)
_ASKED = re.compile(r"(?:do you want to|would you like to|want to|can you|could you|shall i) (?:leave|record)")


class AnsweredParty(Enum):
    """The party that answered an outgoing call."""

    UNKNOWN = "unknown"
    HUMAN = "human"
    MACHINE = "machine"
    SCREEN = "screen"
    """A call screen: a service that asks for name and purpose of the caller for a person who may answer."""
    MENU = "menu"
    """A telephone menu that asks for keys, or a queue. Only if the agent walks through menus; else it is a MACHINE."""
    FAX = "fax"


@dataclass(frozen=True)
class _Beep:
    """A beep: evidence of a machine, unless the words before it are a call screen's."""

    at: float
    """Seconds after the answer."""
    weight: int
    why: str


@dataclass
class _Sound:
    """How much sound, speech and tones were heard, in seconds."""

    heard: float = 0.0
    toned: float = -1.0
    """Seconds after the answer at which the last tone ended; -1 for none."""
    ends_in_tone: bool = False
    """Whether nobody has spoken since a tone was over."""
    spoken: float = 0.0
    run: float = 0.0
    """Seconds of speech since the last pause."""
    wordless: float = 0.0
    """Seconds of speech since the last final transcript."""
    beep: _Beep | None = None
    """The beep that is not judged yet."""


@dataclass
class _Sentence:
    """The sentence that is being said, until it is final."""

    begun: bool = False
    """Whether the sentence began like one of a call screen."""
    doubted: float | None = None
    """Seconds after the answer at which the sentence first seemed a call screen's. None: no doubt (any more)."""

    def doubt(self, at: float) -> None:
        """Note that at `at`, in seconds after the answer, the sentence seems a call screen's."""
        self.doubted = at if self.doubted is None else self.doubted


class _Tones:
    """Finds tones as soon as `make` can make the detector; before that it finds none."""

    def __init__(self, make: "Callable[[], Tones | None]") -> None:
        self._make = make
        self._tones: Tones | None = None

    def feed(self, ulaw: bytes) -> "Iterable[Tone]":
        self._tones = self._tones or self._make()
        return self._tones.feed(ulaw) if self._tones is not None else ()


class AnsweringMachineDetector:
    """Decides from sound and words. `who` is the present decision, `why` its reason in a few words."""

    def __init__(self, *, menus: bool = False, tones: "Callable[[], Tones | None] | None" = None) -> None:
        """`menus`: whether `who` tells menus from machines; menus speak without end, as machines do. `tones` makes the
        detector of tones; it returns None while the detector is not loaded."""
        self.who = AnsweredParty.UNKNOWN
        self.why = ""
        self.beeped = False
        """Whether the beep of a machine is over, so that the machine records."""
        self.quiet = 0.0
        """Seconds since somebody spoke."""
        self.asks = 0
        """How often a call screen has asked who calls. A repeated question counts only after the screen was told."""
        self.refused = False
        """Whether the call screen said that nobody takes the call."""
        self._menus = menus
        self._tones = _Tones(tones or _new_tones)
        self._voice = VoiceActivity()
        self._sound = _Sound()
        self._sentence = _Sentence()
        self._found: dict[str, tuple[int, str]] = {}
        """The evidence of a machine by its key: its weight, and the reason in words."""

    def hear(self, ulaw: bytes) -> bool:
        """Take sound of any length; returns whether `who` has changed."""
        before = self.who
        for at in range(0, len(ulaw), PIECE):
            piece = ulaw[at : at + PIECE]
            self._sound.heard += len(piece) / 8000
            self._voice.feed(piece)
            for tone in self._tones.feed(piece):
                self._sound.toned = self._sound.heard
                self._sound.ends_in_tone |= tone.over and tone.seconds >= WORD
                self._judge_tone(tone)
            # Neither a tone nor its effect on the voice detector is speech.
            self._judge_speech(active=self._voice.active and self._sound.heard - self._sound.toned > HANGOVER + SECONDS)
            self._judge_beep()
        return self.who is not before

    def understand(self, text: str, *, final: bool = True, told: bool = True, meant: bool | None = None) -> bool:
        """Take the words of a partial or final transcript; returns whether `who` has changed.

        Words that are not `final` may be continued: a sentence that begins like a machine's may be a call screen's, and
        one that begins like a call screen's may be a person's. So such words leave the sentence in doubt: evidence is
        noted, but nothing is decided until the last words are known or the sentence `is_over`.
        `told`: whether a call screen has been told who calls; before that only a greeting is the person's. `meant`:
        whether the words mean what a call screen says (`sipgw.calls.screen_classifier`); None: the meaning is not
        known, and patterns decide. `meant` is ignored after a screen, because a person then asks who calls, too.
        """
        before = self.who
        plain = _plain(text)
        if final and any(map(str.isalnum, plain)):
            self._sound.wordless = 0.0
        leaves = _LEAVES.search(plain) is not None
        screen = self._named(text, meant)
        if self._menus and not screen:
            waits = final and before is AnsweredParty.UNKNOWN and asks_to_wait(text)
            if waits or asks_for_keys(plain):
                self._sentence.doubted = None
                self._decide(AnsweredParty.MENU, "it asks to wait" if waits else "it asks for a key")
                return self.who is not before
        begun, over = self._sentence.begun, final or self.is_over
        self._sentence.begun = not final and (begun or bool(screen))
        if screen and not over and before is not AnsweredParty.SCREEN:
            self._sentence.doubt(self._sound.heard)
            return False
        self._sentence.doubted = None
        if screen:
            if before is not AnsweredParty.SCREEN:
                self._begin_screen(screen)
            elif final and told:
                self.asks += any(_ASKS[what].search(plain) for what in ("name", "reason"))
            return self.who is not before
        if not final and not leaves:
            plain = _UNFINISHED.sub(" ", plain)
        if final and before is AnsweredParty.SCREEN and not begun:
            self._follow(plain, told=told)
        for phrase in _STRONG.findall(plain):
            self._evidence(2, f"it said {phrase!r}", "strong")
        for phrase in set(_WEAK.findall(plain)):
            # Menus and queues of companies, too, say "you have reached" and "as soon as possible".
            self._evidence(1, f"it said {phrase!r}", "weak" if self._menus else phrase)
        self._weigh()
        return self.who is not before

    def _named(self, text: str, meant: bool | None) -> str:
        """The words that show a call screen; empty if there are none. For `meant` see `understand`."""
        plain = _plain(text)
        if self.who is AnsweredParty.MENU:
            return ""
        if meant is None or self.who is AnsweredParty.SCREEN:
            return _screen(plain)
        return (_screen(plain) or " ".join(text.split())[:SHOWN]) if meant and not _LEAVES.search(plain) else ""

    def _begin_screen(self, said: str) -> None:
        self._found, self._sound.beep, self.beeped = dict.fromkeys(self._found, (0, "")), None, False
        self.asks, self.refused = self.asks + 1, False
        self._decide(AnsweredParty.SCREEN, f"it said {said!r}")

    def dispel(self) -> bool:
        """End the doubt: the present sentence is not a call screen's. Returns whether `who` has changed."""
        before, self._sentence.doubted = self.who, None
        self._weigh()
        return self.who is not before

    def _follow(self, plain: str, *, told: bool) -> None:
        """Take words after those of a call screen: the screen goes on, or a person has come."""
        if _is_person(plain, told=told):
            self.who, self.why = AnsweredParty.HUMAN, "somebody speaks after the call screen"
        else:
            what = further(plain)
            self.asks += told and what is Further.AGAIN
            self.refused |= what is Further.REFUSED

    @property
    def ends_in_tone(self) -> bool:
        """Whether nobody has spoken since a tone was over."""
        return self._sound.ends_in_tone

    @property
    def is_over(self) -> bool:
        """Whether the sentence is over: a tone or a pause has ended it, or it was in doubt for `DOUBT` seconds."""
        sound, doubted = self._sound, self._sentence.doubted
        return sound.ends_in_tone or self.quiet >= OVER or (doubted is not None and sound.heard - doubted >= DOUBT)

    @property
    def decided(self) -> bool:
        """Whether the decision will not change any more."""
        return (
            (self._sound.heard > LONGEST and self.who is not AnsweredParty.SCREEN)
            or (self.who is AnsweredParty.HUMAN and self._sound.heard > WATCHED)
            or self.who is AnsweredParty.FAX
        )

    def _judge_speech(self, *, active: bool) -> None:
        if active:
            self._sound.spoken += SECONDS
            self._sound.run += SECONDS
            self._sound.wordless += SECONDS
            self.quiet, self._sound.ends_in_tone = 0.0, False
            if self.who is AnsweredParty.UNKNOWN and self._sound.run >= LONG:
                self._evidence(1, "it speaks without a pause", "long")
                if self._sound.run >= VERY_LONG:
                    self._evidence(1, "it speaks on and on", "very long")
            return
        self.quiet += SECONDS
        if self.quiet < PAUSE:
            return
        doubted = self._sentence.doubted is not None
        if self.who is AnsweredParty.UNKNOWN and self._sound.spoken >= WORD and not (self._sound.beep or doubted):
            if WORD <= self._sound.run <= SHORT and not self._found:
                self.who, self.why = AnsweredParty.HUMAN, "a few words and a pause"
            elif self.quiet >= WAITING:
                self.who, self.why = AnsweredParty.HUMAN, "waits for an answer"
        self._sound.run = 0.0

    def _judge_tone(self, tone: "Tone") -> None:
        if abs(tone.hz - ANSWERING) < 25 and tone.seconds >= 0.5:
            self._decide(AnsweredParty.FAX, "the tone of a fax machine, 2100 Hz")
        elif abs(tone.hz - CALLING) < 25 and tone.over and 0.4 <= tone.seconds <= 0.65 and self._sound.spoken < 0.5:
            self._decide(AnsweredParty.FAX, "the tone of a fax machine, 1100 Hz")
        elif (
            self.who is not AnsweredParty.SCREEN
            and self._sound.spoken >= GREETING
            and self.quiet <= BEEP_AFTER
            and tone.hz < 2050
        ):
            if self._sound.beep is None:
                weight = 2 if self.who is AnsweredParty.UNKNOWN or self._sound.heard < EARLY else 1
                self._sound.beep = _Beep(self._sound.heard, weight, f"a beep of {tone.hz:.0f} Hz")
            self.beeped |= tone.over

    def _judge_beep(self) -> None:
        """Judge a beep when the words before it are known, or have not come within `WORDS` seconds."""
        sound = self._sound
        if sound.beep and (sound.wordless < WORD or sound.heard - sound.beep.at >= WORDS):
            self._evidence(sound.beep.weight, sound.beep.why, "beep")
            sound.beep = None

    def _evidence(self, weight: int, why: str, key: str) -> None:
        """Note evidence of a machine; the same evidence counts once."""
        if key in self._found or self.decided or (self._menus and key in ("long", "very long")):
            return
        if self.who is AnsweredParty.MENU and key != "strong":
            return  # a ringing tone and music are no evidence in a queue
        self._found[key] = weight, why
        self._weigh()

    def _weigh(self) -> None:
        """Decide for a machine if the evidence weighs enough and the present sentence is not in doubt."""
        if self._sentence.doubted is None and sum(weight for weight, _ in self._found.values()) >= 2:
            *_, (_, why) = self._found.values()
            self._decide(AnsweredParty.MACHINE, why)

    def _decide(self, who: AnsweredParty, why: str) -> None:
        if self.who not in (AnsweredParty.MACHINE, AnsweredParty.FAX):
            self.who, self.why = who, why


def _new_tones() -> "Tones":
    """Make the detector of tones. The import is here because a gateway without outgoing calls needs no numpy."""
    from media.tones import Tones

    return Tones()


def _is_person(plain: str, *, told: bool) -> bool:
    """Whether a person, and not the call screen, says these words after a call screen's request."""
    if not any(map(str.isalnum, plain)) or any(one.search(plain) for one in (_STRONG, _WEAK, _HOLDS)):
        return False
    what = further(plain)
    if _HELLO.match(plain):
        return what in (Further.OTHER, Further.AGAIN)
    return told and what is Further.OTHER


def names_screen(text: str) -> bool:
    """Whether the patterns find the words of a call screen in `text`."""
    return bool(_screen(_plain(text)))


def hints(text: str) -> list[float]:
    """Results of the patterns for a text, each from 0 to 1; then whether it is a question, and its length."""
    plain = _plain(text)
    patterns = (_SCREEN, *_ASKS.values(), _POLITE, _STRONG, _WEAK, _HOLDS, _LEAVES, _HELLO)
    found = [float(one.search(plain) is not None) for one in patterns]
    return [*found, float(plain.endswith("?")), min(len(plain.split()), MANY) / MANY]


def _plain(text: str) -> str:
    return _ASKED.sub(" ", " ".join(text.lower().replace("’", "'").split()))


def _screen(plain: str) -> str:
    """The words in `plain` that show a call screen; empty if there are none."""
    if _LEAVES.search(plain):
        return ""
    if found := _SCREEN.search(plain):
        return found[0]
    asks = {what: found[0] for what, one in _ASKS.items() if (found := one.search(plain))}
    told = len(asks) >= 2 and ("name" in asks or "reason" in asks)
    return " … ".join(asks.values()) if told and not _POLITE.search(plain) else ""
