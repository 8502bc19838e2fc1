"""Turn-taking as a table: what is heard and the time go in, decisions come out. Sans-IO.

Barge-in has three steps: at the onset of any sound the agent falls silent; words confirm it and the rest of the reply
is discarded; without words (a cough, an "mm-hmm", an echo) the agent goes on where it stopped.
"""

import re
from dataclasses import dataclass
from enum import Enum

ASSENT_KEPT = 2.0
"""Seconds for which a "yes" that came before the end of a question still answers it."""
FAREWELL_LIMIT = 20.0
"""Seconds after which a farewell is over, whatever the line reports."""
GREETINGS = frozenset({"hello", "hey", "hi"})
"""What callers say when a call is answered; the agent's own greeting is the reply to it (English)."""
MURMURS = frozenset(
    {"ah", "aha", "eh", "er", "hm", "hmm", "huh", "mhm", "mm", "mmhmm", "mmm", "oh", "uh", "uhhuh", "um"}
)
ASSENT = frozenset({"alright", "great", "ok", "okay", "right", "sure", "yeah", "yep", "yes"})
"""What says "I am listening" while the agent speaks, but answers it when it has asked something (English)."""


@dataclass(frozen=True)
class TurnOptions:
    """When the agent speaks, and when it lets the caller speak. Durations are in seconds."""

    confirm_after_quiet: float = 1.0
    """How long the words of an interruption may take after its sound has ended; without them the agent goes on."""
    confirm_limit: float = 4.0
    """How long the agent stays silent for a sound that never ends and has no words."""
    reprompt_after: float = 8.0
    """Silence of the caller after which the agent asks whether somebody is there."""
    reprompts: int = 2
    """How often it asks before it says goodbye."""
    max_duration: float = 1800.0
    """Longest call; the agent says goodbye at its end."""
    digit_pause: float = 2.5
    """Pause after which pressed keys are taken as complete; ``#`` completes them at once."""
    max_digits: int = 32
    """Keys taken at a time."""

    def __post_init__(self) -> None:
        if min(self.confirm_after_quiet, self.confirm_limit, self.reprompt_after, self.max_duration) <= 0:
            raise ValueError("durations must be positive")


class State(Enum):
    """Who has the floor."""

    LISTENING = "listening"
    HEARING = "hearing the caller"
    THINKING = "thinking"
    SPEAKING = "speaking"
    HELD = "silent because of a sound"
    CLOSING = "saying goodbye"
    ENDED = "ended"


class Event(Enum):
    """What happened."""

    ONSET = "the caller makes a sound"
    QUIET = "the sound has ended"
    WORDS = "words of the caller"
    STABLE = "words that are probably complete"
    FINAL = "the caller's turn is complete"
    FINAL_MURMUR = "a turn of nothing but backchannel or echo"
    STARTED = "the agent's sound begins"
    COLLIDED = "the agent's sound begins while the caller makes one"
    DONE = "the agent has said everything"
    UNCONFIRMED = "no words came with the sound"
    SILENCE = "the caller says nothing"
    OVERTIME = "the call has lasted long enough"


class Decision(Enum):
    """What to do."""

    PREPARE = "prepare a reply that may be thrown away"
    ANSWER = "reply"
    PAUSE = "fall silent at once"
    RESUME = "go on"
    CUT = "discard what is not said, keep in memory only what was heard"
    DISCARD = "throw the unspoken reply away"
    REPROMPT = "ask whether somebody is there"
    GOODBYE_SILENCE = "say goodbye to nobody"
    GOODBYE_OVERTIME = "say goodbye because it is late"
    END = "hang up"


S, E, D = State, Event, Decision
TABLE: dict[tuple[State, Event], tuple[State, tuple[Decision, ...]]] = {
    (S.LISTENING, E.ONSET): (S.HEARING, ()),
    (S.LISTENING, E.WORDS): (S.HEARING, ()),
    (S.LISTENING, E.STABLE): (S.HEARING, (D.PREPARE,)),
    (S.LISTENING, E.FINAL): (S.THINKING, (D.ANSWER,)),
    (S.LISTENING, E.STARTED): (S.SPEAKING, ()),
    (S.LISTENING, E.COLLIDED): (S.HELD, (D.PAUSE,)),
    (S.LISTENING, E.SILENCE): (S.LISTENING, (D.REPROMPT,)),
    (S.HEARING, E.QUIET): (S.LISTENING, ()),
    (S.HEARING, E.STABLE): (S.HEARING, (D.PREPARE,)),
    (S.HEARING, E.FINAL): (S.THINKING, (D.ANSWER,)),
    (S.HEARING, E.FINAL_MURMUR): (S.LISTENING, ()),
    (S.HEARING, E.STARTED): (S.HELD, (D.PAUSE,)),
    (S.HEARING, E.COLLIDED): (S.HELD, (D.PAUSE,)),
    (S.HEARING, E.SILENCE): (S.LISTENING, (D.REPROMPT,)),
    (S.THINKING, E.WORDS): (S.HEARING, (D.DISCARD,)),
    (S.THINKING, E.STABLE): (S.HEARING, (D.DISCARD, D.PREPARE)),
    (S.THINKING, E.FINAL): (S.THINKING, (D.DISCARD, D.ANSWER)),
    (S.THINKING, E.STARTED): (S.SPEAKING, ()),
    (S.THINKING, E.COLLIDED): (S.HELD, (D.PAUSE,)),
    (S.THINKING, E.DONE): (S.LISTENING, ()),
    (S.SPEAKING, E.ONSET): (S.HELD, (D.PAUSE,)),
    (S.SPEAKING, E.WORDS): (S.HEARING, (D.CUT,)),
    (S.SPEAKING, E.STABLE): (S.HEARING, (D.CUT, D.PREPARE)),
    (S.SPEAKING, E.FINAL): (S.THINKING, (D.CUT, D.ANSWER)),
    (S.SPEAKING, E.DONE): (S.LISTENING, ()),
    (S.HELD, E.WORDS): (S.HEARING, (D.CUT,)),
    (S.HELD, E.STABLE): (S.HEARING, (D.CUT, D.PREPARE)),
    (S.HELD, E.FINAL): (S.THINKING, (D.CUT, D.ANSWER)),
    (S.HELD, E.FINAL_MURMUR): (S.SPEAKING, (D.RESUME,)),
    (S.HELD, E.UNCONFIRMED): (S.SPEAKING, (D.RESUME,)),
    (S.HELD, E.DONE): (S.LISTENING, (D.RESUME,)),
    (S.CLOSING, E.DONE): (S.ENDED, (D.END,)),
}
"""A missing cell means that the event changes nothing there."""

TIMEOUTS = {S.LISTENING: E.SILENCE, S.HEARING: E.SILENCE, S.HELD: E.UNCONFIRMED, S.CLOSING: E.DONE}
"""What happens when nothing happens for long enough."""

_OVERTIME = (S.CLOSING, (D.GOODBYE_OVERTIME,))


class Turns:
    """The turn-taking of one call."""

    def __init__(self, options: TurnOptions, now: float) -> None:
        self.options = options
        self.state = State.LISTENING
        self.said = ""
        """What the agent is saying or said last; the caller's echo of it is not an interruption."""
        self._since = now
        self._greeted = False
        self._onset_at = now
        self._quiet_since: float | None = now
        """Since when neither a sound nor words come from the caller; None while there is a sound."""
        self._asked = 0
        self._digits = ""
        self._digit_at = 0.0
        self._assent = ("", 0.0)
        self._end_at: float | None = now + options.max_duration

    def handle(self, event: Event, now: float) -> tuple[Decision, ...]:
        """Let `event` happen."""
        if event is E.ONSET:
            self._onset_at, self._quiet_since = now, None
        elif event is E.QUIET or (self._quiet_since is not None and event in (E.WORDS, E.STABLE)):
            self._quiet_since = now
        elif event is E.STARTED and self._quiet_since is None and now < self._onset_at + self.options.confirm_limit:
            event = E.COLLIDED
        if event is E.OVERTIME and self.state not in (S.CLOSING, S.ENDED):
            return self._go(now, *_OVERTIME)
        if event is E.SILENCE and self._asked >= self.options.reprompts:
            return self._go(now, S.CLOSING, (D.GOODBYE_SILENCE,))
        row = TABLE.get((self.state, event))
        if row is None:
            return ()
        self._asked += event is E.SILENCE
        if D.ANSWER in row[1]:
            self._asked = 0
        self._greeted |= event is E.DONE or D.CUT in row[1] or D.ANSWER in row[1]
        return self._go(now, *row)

    def hear(self, text: str, *, final: bool, stable: bool, now: float) -> tuple[Decision, ...]:
        """Let a transcript arrive; what it means depends on what the agent is saying."""
        empty = not words_of(text)
        murmur = empty or self._is_murmur(text)
        if final:
            if empty:
                return self.handle(E.UNCONFIRMED if self.state is S.HELD else E.QUIET, now)
            if murmur and not ASSENT.isdisjoint(words_of(text)):
                self._assent = (text, now)
            return self.handle(E.FINAL_MURMUR if murmur else E.FINAL, now)
        if murmur:
            return ()
        return self.handle(E.STABLE if stable else E.WORDS, now)

    def done(self, now: float) -> tuple[str, tuple[Decision, ...]]:
        """The agent has said everything; a "yes" that came a little before the end of a question is its answer."""
        (text, at), self._assent = self._assent, ("", 0.0)
        decisions = self.handle(E.DONE, now)
        if text and now - at <= ASSENT_KEPT and self.said.endswith("?") and self.state is S.LISTENING:
            return text, self.handle(E.FINAL, now)
        return "", decisions

    def digit(self, key: str, now: float) -> tuple[str, tuple[Decision, ...]]:
        """Let a key be pressed; returns the completed input, if this completes it, and what to do."""
        if key != "#":
            self._digits = (self._digits + key)[: self.options.max_digits]
            self._digit_at = now
            return "", self.handle(E.WORDS, now)
        return self._take_digits(now)

    def close(self, now: float) -> None:
        """The agent says goodbye: nothing interrupts it any more."""
        self._go(now, S.CLOSING, ())

    @property
    def deadline(self) -> float | None:
        """When `handle_timer` has to be called next."""
        times = [self._end_at] if self._end_at is not None else []
        if self._digits:
            times.append(self._digit_at + self.options.digit_pause)
        if (end := self._state_ends()) is not None:
            times.append(end)
        return min(times, default=None)

    def handle_timer(self, now: float) -> tuple[str, tuple[Decision, ...]]:
        """Let the time be `now`; returns keys that are complete, and what to do."""
        if self._digits and now >= self._digit_at + self.options.digit_pause:
            return self._take_digits(now)
        if self._end_at is not None and now >= self._end_at:
            self._end_at = None
            return "", self.handle(E.OVERTIME, now)
        if (end := self._state_ends()) is not None and now >= end:
            return "", self.handle(TIMEOUTS[self.state], now)
        return "", ()

    def _state_ends(self) -> float | None:
        """When the state is over if nothing happens; the event that ends it stands in `TIMEOUTS`."""
        options, quiet_since = self.options, self._quiet_since
        match self.state:
            case S.LISTENING:
                return self._since + options.reprompt_after
            case S.HEARING if quiet_since is not None:
                return max(self._since, quiet_since) + options.reprompt_after  # the final words were lost
            case S.HELD if quiet_since is not None:
                return min(self._since + options.confirm_limit, quiet_since + options.confirm_after_quiet)
            case S.HELD:
                return self._since + options.confirm_limit
            case S.CLOSING:
                return self._since + FAREWELL_LIMIT
        return None

    def _take_digits(self, now: float) -> tuple[str, tuple[Decision, ...]]:
        digits, self._digits = self._digits, ""
        if not digits:
            return "", ()
        return f"[pressed {' '.join(digits)}]", self.handle(E.FINAL, now)

    def _is_murmur(self, text: str) -> bool:
        words = words_of(text)
        if not self._greeted and GREETINGS.issuperset(words):
            return True
        if self.state not in (S.SPEAKING, S.HELD, S.CLOSING):
            return False
        if all(word in MURMURS or (word in ASSENT and not self.said.endswith("?")) for word in words):
            return True
        said = f" {' '.join(words_of(self.said))} "
        return len(words) >= 2 and f" {' '.join(words)} " in said

    def _go(self, now: float, state: State, decisions: tuple[Decision, ...]) -> tuple[Decision, ...]:
        if state is not self.state or D.REPROMPT in decisions:
            self._since = now
        self.state = state
        return decisions


def words_of(text: str) -> list[str]:
    """The words of `text`, lower case, without punctuation."""
    return re.findall(r"[^\W_]+", text.lower().replace("-", "").replace("'", ""))
