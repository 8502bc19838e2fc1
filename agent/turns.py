"""Turn-taking: what is heard and the time go in, decisions come out, by the table of `agent.turn_table`. Sans-IO.

Barge-in has three steps: at the onset of any sound the agent falls silent; words confirm it and the rest of the reply
is discarded; without words (a cough, an "mm-hmm", an echo) the agent goes on where it stopped.
"""

from dataclasses import dataclass, field
from math import inf

from agent.caller_sound import Sound
from agent.dtmf import DtmfBuffer
from agent.echo import LATE, Echo
from agent.patience import Patience
from agent.phrases import Phrases, is_dictated, phrases_of, words_of
from agent.turn_table import TABLE, TIMEOUTS, Decision, Event, State

ASSENT_KEPT = 2.0
"""Seconds for which a "yes" that came before the end of a question still answers it."""
FAREWELL_LIMIT = 20.0
"""Seconds after which a farewell is over, whatever the line reports."""
DICTATION_LIMIT = 6.0
"""Seconds after its last words in which a dictation is complete, whatever sounds there are."""
PUT_OFF = 3
"""How many times as long as silence the time may be in which there are sounds, but no words."""
FIXED = {"fixed": True}
"""Metadata of a field that bundles hold and a configuration does not: nobody can know what to write there."""
ENGLISH = phrases_of(("en",))


@dataclass(frozen=True)
class TurnOptions:
    """When the agent speaks, and when it lets the caller speak. Durations are in seconds."""

    confirm_after_quiet: float = field(default=1.0, metadata=FIXED)
    """How long the words of an interruption may take after its sound has ended; without them the agent goes on."""
    confirm_limit: float = field(default=4.0, metadata=FIXED)
    """How long the agent stays silent for a sound that never ends and has no words."""
    reprompt_after: float = 8.0
    """Silence of the caller after which the agent asks whether somebody is there; before each further question the
    silence may last twice as long, up to a minute."""
    reprompts: int = 2
    """How often it asks before it says goodbye. Behind a PBX that parks callers to music, 5: about four minutes."""
    max_duration: float = 1800.0
    """Longest call; the agent says goodbye at its end."""
    digit_pause: float = 2.5
    """Pause after which pressed keys are taken as complete; ``#`` completes them at once."""
    max_digits: int = field(default=32, metadata=FIXED)
    """Keys taken at a time."""
    dictation_pause: float = 1.0
    """Silence that completes a number, code or address that the agent has asked for; 0 takes the ears' word for it."""
    hesitation_limit: float = 1.0
    """Longest pause in the middle of a sentence that is waited for, with callers who have shown that they make such
    pauses; 0 takes the ears' word for the end of a turn."""

    final_limit: float = 2.0
    """Silence after words that the ears do not say to be all; then those are answered, `dictation_pause` later if they
    look like a part of something dictated. 0 waits for the ears."""

    def __post_init__(self) -> None:
        if min(self.confirm_after_quiet, self.confirm_limit, self.reprompt_after, self.max_duration) <= 0:
            raise ValueError("durations must be positive")


S, E, D = State, Event, Decision
_LISTENS = (S.LISTENING, S.HEARING)
_SPEAKS = (S.SPEAKING, S.ANNOUNCING, S.CLOSING)
_OVERTIME = (S.CLOSING, (D.GOODBYE_OVERTIME,))


class Turns:
    """The turn-taking of one call."""

    def __init__(self, options: TurnOptions, now: float, phrases: Phrases = ENGLISH) -> None:
        """`phrases` are the small words of the languages that the caller may speak."""
        self.options = options
        self.phrases = phrases
        self.state = State.LISTENING
        self._echo = Echo()
        self._since = now
        self._greeted = False
        self._sound = Sound(now, now)
        self._patience = Patience(options.reprompts, options.hesitation_limit, quiet_from=now)
        self._keys = DtmfBuffer(options.digit_pause, options.max_digits)
        self._assent = ("", 0.0)
        self._kept = ""
        """Words that are answered later: the parts of a dictation, or what was said into an announcement."""
        self._end_at: float | None = now + options.max_duration

    @property
    def said(self) -> str:
        """What the agent is saying or said last; the caller's echo of it is not an interruption."""
        return self._echo.said

    def says(self, sentence: str, before: str = "") -> None:
        """The agent begins to say `sentence`, and said the one `before` in the same reply."""
        self._echo.says(sentence, before)

    def handle(self, event: Event, now: float) -> tuple[Decision, ...]:
        """Let `event` happen."""
        event = self._sense(event, now)
        if event is E.OVERTIME and self.state not in (S.CLOSING, S.ENDED):
            return self._go(now, *_OVERTIME)
        if event is E.SILENCE and self._patience.at_end:
            return self._go(now, S.CLOSING, (D.GOODBYE_SILENCE,))
        row = TABLE.get((self.state, event))
        if row is None:
            return ()
        if self.state is S.THINKING and D.DISCARD in row[1]:
            self._patience.went_on(now - self._since)
        elif self.state is S.THINKING and row[0] is S.SPEAKING:
            self._patience.answered()
        self._patience.asked += event is E.SILENCE
        self._echo.holds += row == (S.SPEAKING, (D.RESUME,))
        if broke := next((done for done in row[1] if done in (D.CUT, D.DISCARD)), None):
            self._sound.broke = broke
        if D.ANSWER in row[1]:
            self._sound.broke = None
            self._patience.asked = self._patience.unheard = 0
        self._greeted |= event is E.DONE or D.CUT in row[1] or D.ANSWER in row[1]
        return self._go(now, *row)

    def _sense(self, event: Event, now: float) -> Event:
        """Follow the caller's sound; returns what the event is in its light."""
        sound = self._sound
        if event in (E.ONSET, E.NOTICED):
            sound.begin(now)
        elif event in (E.QUIET, E.SPOKEN):
            heard_since = max(self._since, self._echo.until) if self.state in _LISTENS else None
            sound.end(now, heard_since, voiced=event is E.SPOKEN)
            return E.QUIET
        elif event in (E.WORDS, E.STABLE):
            if sound.quiet_since is not None:
                sound.quiet_since = now
            if self.state is S.DICTATING:
                self._since = now
        elif event is E.DONE:
            self._echo.finish()
        elif event is E.STARTED:
            if self.state is not S.HELD:
                self._echo.sound(now)
            answered = self._since if self.state is S.THINKING else None
            return E.COLLIDED if sound.collides(now, answered, self.options.confirm_limit) else event
        if event in (E.NOTICED, E.WORDS, E.STABLE):
            sound.noticed = True
        if event in (E.WORDS, E.STABLE, E.FINAL, E.PART, E.DONE):
            self._patience.quiet_from = now
        if event not in (E.ONSET, E.NOTICED):
            return event
        return E.NOISE if self.state is S.SPEAKING and self._echo.endless else E.ONSET

    def hear(
        self, text: str, *, final: bool, stable: bool, now: float, ended: float = inf
    ) -> tuple[str, tuple[Decision, ...]]:
        """Let a transcript arrive; what it means depends on what the agent is saying.

        `ended` is when its last word arrived, as far as the ears tell. Returns the words that the decisions are about,
        and the decisions.
        """
        words = words_of(text)
        self._sound.settle(now)
        self._patience.understood |= bool(words)
        if answered := self._sound.answered:
            if tuple(words) == answered[: len(words)] and now < self._sound.answered_at + LATE:
                return text, ()
            self._sound.answered = ()
        echo = self._is_echo(words, min(ended, self._sound.loud(now)), now, final=final)
        murmur = not words or echo or self._is_murmur(words)
        self._sound.words = "" if final or murmur else text
        if not final:
            return text, () if murmur else self.handle(E.STABLE if stable else E.WORDS, now)
        if not words:
            return text, self._nothing_said(E.UNCONFIRMED if self.state is S.HELD else E.QUIET, now)
        if murmur:
            if not self.phrases.assent.isdisjoint(words) or (echo and self._may_answer):
                self._assent = (text, now)
            return text, self._nothing_said(E.FINAL_MURMUR, now)
        return self._final(text, now)

    def _nothing_said(self, event: Event, now: float) -> tuple[Decision, ...]:
        """The ears have ended a turn without words; if it cost the agent its reply, that is made good."""
        broke = self._sound.broke if self.state in _LISTENS and self._keys.complete_at is None else None
        if broke is None:
            return self.handle(event, now)
        self._sound.broke = None
        return self.handle(E.WITHDRAWN, now) if broke is D.DISCARD else self._ask_again(now)

    def _final(self, text: str, now: float) -> tuple[str, tuple[Decision, ...]]:
        self._kept = f"{self._kept} {text}".strip()
        if self.state is S.ANNOUNCING:
            return "", ()
        dictated = self._is_part(text)
        if dictated or (self._patience.wait and not text.startswith("[")):
            self._since = now
            self._patience.pause = self.options.dictation_pause if dictated else self._patience.wait
            return self._kept, self.handle(E.PART, now)
        return self._take_kept(now)

    def _take_kept(self, now: float) -> tuple[str, tuple[Decision, ...]]:
        text, self._kept = self._kept, ""
        return text, self.handle(E.FINAL, now)

    def _is_part(self, text: str) -> bool:
        """Whether more may follow: the agent has asked for something that people dictate, and this looks like it."""
        phrases = self.phrases
        if not self.options.dictation_pause or phrases.dictated.isdisjoint(words_of(self.said)):
            return False
        return is_dictated(text, phrases)

    def done(self, now: float) -> tuple[str, tuple[Decision, ...]]:
        """The agent has said everything; a "yes" that came a little before the end of a question is its answer."""
        (text, at), self._assent = self._assent, ("", 0.0)
        if self.state is S.ANNOUNCING and self._kept:
            return self._take_kept(now)
        decisions = self.handle(E.DONE, now)
        if text and now - at <= ASSENT_KEPT and self.said.endswith("?") and self.state is S.LISTENING:
            resumed = tuple(one for one in decisions if one is D.RESUME)  # nobody is greeted who has answered
            return text, (*resumed, *self.handle(E.FINAL, now))
        return "", decisions

    def digit(self, key: str, now: float) -> tuple[str, tuple[Decision, ...]]:
        """Let a key be pressed; returns the completed input, if this completes it, and what to do."""
        self._sound.settle(now)
        self._keys.last = now
        if key == "#":
            return self._take_digits(now)
        self._keys.press(key, now)
        return "", self.handle(E.WORDS, now)

    def stopped(self, text: str, sound: float) -> float:
        """When the caller stopped saying `text`: keys at the last of them, words with their `sound`."""
        return self._keys.last if "[pressed" in text and text.endswith("]") else sound

    def announce(self, now: float) -> None:
        """The agent says something that nothing interrupts; what the caller says meanwhile is answered after it."""
        self._go(now, S.ANNOUNCING, ())

    def away(self, away: bool, now: float, *, taken: bool = False) -> None:
        """The caller puts us on hold, or comes back: meanwhile its silence means nothing.

        If it is `taken`, somebody else speaks with them: for as long as they like.
        """
        self._patience.away, self._patience.asked = away, 0
        self._since = self._patience.quiet_from = now
        if taken or self._end_at is None:
            self._end_at = None if taken else now + self.options.max_duration

    @property
    def is_away(self) -> bool:
        """Whether the caller does not hear us."""
        return self._patience.away

    def close(self, now: float) -> None:
        """The agent says goodbye: nothing interrupts it any more."""
        self._go(now, S.CLOSING, ())

    @property
    def deadline(self) -> float | None:
        """When `handle_timer` has to be called next."""
        times = [self._end_at] if self._end_at is not None else []
        if self._keys.complete_at is not None:
            times.append(self._keys.complete_at)
        if (end := self._state_ends()) is not None:
            times.append(end)
        return min(times, default=None)

    def handle_timer(self, now: float) -> tuple[str, tuple[Decision, ...]]:
        """Let the time be `now`; returns keys that are complete, and what to do."""
        if self._keys.complete_at is not None and now >= self._keys.complete_at:
            return self._take_digits(now)
        if self._end_at is not None and now >= self._end_at:
            self._end_at = None
            return "", self.handle(E.OVERTIME, now)
        if (end := self._state_ends()) is not None and now >= end:
            if self.options.final_limit and (text := self._sound.words) and self.state in _LISTENS:
                self._sound.words, self._sound.answered = "", tuple(words_of(text))
                self._sound.answered_at = now
                self._kept = f"{self._kept} {text}".strip()
                return self._take_kept(now)
            if self.state is S.DICTATING:
                return self._take_kept(now)
            overdue = self.state is S.LISTENING and self._due() is not None
            return "", self._ask_again(now) if overdue else self.handle(TIMEOUTS[self.state], now)
        return "", ()

    def _state_ends(self) -> float | None:
        """When the state is over if nothing happens; the event that ends it stands in `TIMEOUTS`."""
        options, quiet_since = self.options, self._sound.quiet_since
        match self.state:
            case S.LISTENING | S.HEARING if self._patience.away:
                return None
            case S.LISTENING | S.HEARING if self._sound.words and quiet_since is not None and options.final_limit:
                # Ears wait longer for the rest of a number themselves: 1.8 s of silence and the time to decode it.
                more = options.dictation_pause if self._is_part(self._sound.words) else 0.0
                return quiet_since + options.final_limit + more
            case S.LISTENING if (due := self._due()) is not None:
                return min(due, self._put_off_until)
            case S.LISTENING | S.HEARING if self.state is S.LISTENING or quiet_since is not None:
                silence = self._patience.silence(options.reprompt_after)
                awaited = self._sound.awaited(options.final_limit, silence)
                return max(self._patience.quiet_from + silence, min(awaited, self._put_off_until))
            case S.DICTATING if quiet_since is not None:
                return max(self._since, quiet_since) + self._patience.pause
            case S.DICTATING:
                return self._since + DICTATION_LIMIT
            case S.HELD if quiet_since is not None:
                return min(self._since + options.confirm_limit, quiet_since + options.confirm_after_quiet)
            case S.HELD:
                return self._since + options.confirm_limit
            case S.SPEAKING:
                return self._sound.tail_until
            case S.CLOSING:
                return self._since + FAREWELL_LIMIT
        return None

    @property
    def _put_off_until(self) -> float:
        """How long sounds without words may put it off that the caller is asked something."""
        silence = self._patience.silence(self.options.reprompt_after)
        return inf if self._sound.followed else self._patience.quiet_from + PUT_OFF * silence

    def _due(self) -> float | None:
        return self._sound.due(self.options.final_limit, asked=self.said.endswith("?"))

    def _ask_again(self, now: float) -> tuple[Decision, ...]:
        self._sound.settle(now)
        self._patience.unheard += 1
        return (D.GIVE_UP,) if self._patience.deaf else self.handle(E.UNHEARD, now)

    def _take_digits(self, now: float) -> tuple[str, tuple[Decision, ...]]:
        keys = self._keys.take()
        return self._final(f"[pressed {' '.join(keys)}]", now) if keys else ("", ())

    @property
    def _may_answer(self) -> bool:
        """Whether the words of a question may be those of its answer: nothing has come back of what the agent says."""
        return self.said.endswith("?") and not self._echo.holds

    def _is_echo(self, words: list[str], ended: float, now: float, *, final: bool) -> bool:
        if (final and self.phrases.refusal.issuperset(words)) or (self.state in _LISTENS and self._may_answer):
            return False
        return self._echo.may_be(words, ended, now, final=final)

    def _is_murmur(self, words: list[str]) -> bool:
        phrases = self.phrases
        if not self._greeted and phrases.greetings.issuperset(words):
            return True
        if self.state is S.THINKING:
            return phrases.backchannels.issuperset(words)
        if self.state not in (S.SPEAKING, S.HELD, S.ANNOUNCING, S.CLOSING):
            return False
        asked = self.said.endswith("?")
        return all(word in phrases.backchannels or (word in phrases.assent and not asked) for word in words)

    def _go(self, now: float, state: State, decisions: tuple[Decision, ...]) -> tuple[Decision, ...]:
        if state is not self.state or D.REPROMPT in decisions or D.ASK_AGAIN in decisions:
            self._since = now
        if D.REPROMPT in decisions or D.ASK_AGAIN in decisions:
            self._patience.quiet_from = now
        if state not in _LISTENS:
            self._sound.settle(now)
        if state in _SPEAKS:
            self._echo.sound(now)
        else:
            self._echo.fall_silent(now)
        if self.state in (*_LISTENS, S.THINKING) and state in (S.SPEAKING, S.HELD):
            self._echo.begin()
        self.state = state
        return decisions
