"""The data of the turn machine, with the time until which each value holds. Sans-IO."""

from math import inf

from agent.hearing.echo_path import Path
from agent.turn_taking import judging
from agent.turn_taking.endpointing import Endpointing
from agent.turn_taking.evidence import Evidence
from agent.turn_taking.judging import Scene, Verdict, repeats
from agent.turn_taking.keys import Keypad
from agent.turn_taking.lexicon import Lexicon
from agent.turn_taking.options import TurnOptions
from agent.turn_taking.parties import (
    DECODED_AFTER,
    NOTICED_AFTER,
    SPEECH,
    UNHEARD_AFTER,
    WORD,
    WORDLESS,
    Absence,
    AnsweredTurn,
    CallerVoice,
    Silence,
    Statement,
)
from agent.turn_taking.table import ENDLESS, LIMITS, Event, Since, State
from agent.turn_taking.word_log import Echo, WordLog
from agent.turn_taking.words import Words, words_of

SHORT_SOUND = 0.6
"""Most seconds of a voice that may be a backchannel. For a longer voice the agent waits for the words."""
SHORT_CONFIRM, LEAST_CONFIRM = 0.4, 0.3
"""Seconds after such a voice, during a statement, in which its words must come. If the words only agree, more words
must come. It is longer if words came later in this call. The second value is for a caller who only shows that they
listen: the time in which the end of the voice is noticed."""
LONGEST_PAUSE = 10.0
"""Seconds after which a certain voice during a reply counts as not recognised, if it has brought no words."""
HANGOVER = 0.3
"""Seconds after its end at which the end of a voice is noticed."""
LAG = 0.3
"""Seconds by which a recogniser reports words late."""
THINKS = (State.THINKING, State.RUNNING_TOOL)
SPEAKS = (State.SPEAKING, State.ANNOUNCING, State.CLOSING)
ENDS = (State.CLOSING, State.ENDED)


class Situation:
    """The state of the turn and of both parties, with the conditions that the machine needs."""

    def __init__(self, options: TurnOptions, now: float, *, ends_turns: bool = True) -> None:
        """`ends_turns`: whether the recogniser ends turns itself."""
        self.options = options
        self.state = State.LISTENING
        self.endpointing = Endpointing(options, ends_turns)
        self._entered = now
        self._voice = CallerVoice()
        self._log = WordLog()
        self._agent = Statement()
        self._silence = Silence(options.reprompts, now)
        self._keys = Keypad(options.max_digits)
        self._turn = AnsweredTurn()
        self._ends_at = now + options.max_duration

    @property
    def lexicon(self) -> Lexicon:
        """The small words of the languages that the caller may speak."""
        return self.endpointing.lexicon

    @property
    def said(self) -> str:
        """Present or last words of the agent."""
        return self._agent.said

    @property
    def is_away(self) -> bool:
        """Whether no caller waits for the agent: the line is on hold, or a recording speaks."""
        return bool(self._silence.absent)

    @property
    def hears_recording(self) -> bool:
        """Whether a recording speaks in the place of a person: nothing that is heard begins a turn."""
        return Absence.RECORDING in self._silence.absent

    @property
    def is_heard(self) -> bool:
        """Whether the other side hears what the agent says, even if the other side is a recording."""
        return self.state is not State.TAKEN and Absence.HOLD not in self._silence.absent

    @property
    def answer_stands(self) -> float | None:
        """When the caller's last turn was answered, if that turn can be a yes; None if it cannot.

        It cannot be a yes if the caller said some of it before the agent had put its question. It cannot be a yes any
        more if the caller has said or pressed something else since, or has broken the reply off, unless they only
        agreed. The first word counts already, whatever it is judged to be later.
        """
        return None if self._turn.early or self._turn.more else self._turn.at

    def stopped(self, text: str, sound: float) -> float:
        """When the caller stopped saying `text`: for keys the time of the last key, for words the time of their
        `sound`."""
        return self._silence.since if text.endswith("]") and "[pressed" in text else sound

    @property
    def deadline(self) -> float | None:
        """When `handle_timer` has to be called next."""
        return min((at for at, _ in self._limits()), default=None)

    def _limits(self) -> list[tuple[float, Event]]:
        limits = [] if self.state in ENDS else [(self._ends_at, Event.OVERTIME)]
        for event, since, seconds in LIMITS.get(self.state, ()):
            moment = self._moment(since)
            length = getattr(self, seconds) if isinstance(seconds, str) else seconds
            if moment is not None and length < inf:
                limits.append((moment + length, event))
        return [(at, event) for at, event in limits if at < inf]

    def _moment(self, since: Since) -> float | None:
        voice = self._voice
        match since:
            case Since.ENTERED:
                return self._entered
            case Since.SILENCE:
                return self._silent_since()
            case Since.VOICE:
                return max(voice.since, self._log.last_at) if voice.since is not None else None
            case Since.TAIL:
                late = (
                    voice.since is not None
                    and voice.began <= self._turn.at
                    and self._entered < self._turn.at + HANGOVER
                )
                return self._turn.at + HANGOVER if late else None
            case Since.KEY:
                return self._keys.last

    def _silent_since(self) -> float | None:
        """When the present silence of the caller began; None while the caller's voice is certain."""
        voice = self._voice
        if self.state in (State.LISTENING, State.HOLDING):
            return self._wordless_since
        if voice.since is None:
            last_at = self._log.last_at
            goes_on = self.state is State.DECIDING and voice.noticed_at > last_at
            return max(voice.until, -inf if voice.others else last_at - LAG, voice.noticed_at if goes_on else -inf)
        until = self._awaited(voice.since)
        return until if until < inf else None

    @property
    def _wordless_since(self) -> float:
        """When the caller last said something, even if it was not recognised."""
        return max(self._silence.since, self._voice.spoke)

    def _awaited(self, since: float) -> float:
        """Until when the agent waits for words of a voice that began at `since`. Without words the voice is not the
        caller's."""
        log, voice = self._log, self._voice
        if not voice.certain:
            return max(since, log.last_at) + self.options.confirm_limit
        before = max(since, voice.sure) < log.final_at - HANGOVER - LAG
        return log.final_at + WORDLESS if log.complete and before else inf

    @property
    def patience(self) -> float:
        """Seconds of silence before the agent asks whether the caller is there."""
        awaited = self._voice.until + self._overdue - self._wordless_since
        return self._silence.patience(self.options.reprompt_after, awaited)

    @property
    def grace(self) -> float:
        """Seconds of the present silence that the caller may use, because they have asked for time or are away."""
        return self._silence.end - self._wordless_since

    @property
    def unheard_after(self) -> float:
        """Seconds of silence after which words of the last voice are overdue; infinite if none need to come.

        If the caller has asked for time, no voice needs words. If the time is left to voices in the caller's place,
        only the first voice does.
        """
        voice, silence = self._voice, self._silence
        if self.state is State.HOLDING and (silence.absent or silence.wished or silence.unheard):
            return inf
        if voice.unheard < (WORD if self._agent.asks and voice.likely else SPEECH):
            return inf
        return max(0.0, voice.until - self._wordless_since) + self._overdue

    @property
    def _overdue(self) -> float:
        """Seconds after a voice in which a recogniser that is well has reported its words."""
        if not self._voice.noticed:
            return UNHEARD_AFTER
        return NOTICED_AFTER if self.endpointing.ends_turns else DECODED_AFTER

    @property
    def endpointing_delay(self) -> float:
        """Seconds of silence that end the caller's turn; without words, the seconds after which the voice counts as
        nothing.

        A recogniser that only transcribes gets time for words of a voice that went on after its last transcript: a busy
        one is late.
        """
        if not self._log.text:
            return self.options.confirm_after_quiet
        complete = self._log.complete
        seconds = self.endpointing.delay(self._log.text, ended=complete, others=self._voice.others)[0]
        if not self.endpointing.ends_turns and self._log.is_behind(self._voice.until):
            seconds = max(seconds, min(DECODED_AFTER, self.options.max_endpointing_delay or inf))
        return seconds if seconds or complete else ENDLESS

    @property
    def confirm_after(self) -> float:
        """Seconds after a voice that paused the agent in which its words must come."""
        voice, longest = self._voice, self.options.confirm_after_quiet + HANGOVER
        if self._agent.asks or not (voice.agrees or voice.length(self._entered) < SHORT_SOUND):
            return longest
        if voice.manner.listens:
            return LEAST_CONFIRM
        return SHORT_CONFIRM if voice.agrees else min(max(SHORT_CONFIRM, voice.manner.awaited), longest)

    @property
    def pause_limit(self) -> float:
        """Seconds that the agent stays silent for a voice that does not end, and is not certainly the caller's."""
        since = self._voice.since
        return inf if since is None else self._awaited(since) - max(since, self._log.last_at)

    @property
    def wordless_limit(self) -> float:
        """Seconds of a certain voice during a reply that may pass without words. The agent never speaks on over such a
        voice."""
        if not self._voice.certainly_on:
            return inf
        return LONGEST_PAUSE if self.endpointing.ends_turns or self._silence.early else ENDLESS

    @property
    def bearing(self) -> float:
        """Seconds of a voice over which a reply goes on."""
        return self._voice.manner.bearing

    @property
    def key_pause(self) -> float:
        """Seconds without a key after which pressed keys are complete."""
        return self._keys.pause(self.options.digit_pause)

    def _judge(self, new: str, words: Words, now: float) -> tuple[Verdict, str]:
        agent = self._agent
        if not agent.greeted and set(words_of(new)) <= set(self.lexicon.greetings):
            return Verdict.GREETING, ""
        if self._log.assents and self.lexicon.agrees(new, final=words.final):
            return Verdict.GREETING, "agrees to the notice"
        passed = words_of(self._log.passed)
        if passed and (words_of(new) == passed or self._is_filler(new)):
            return Verdict.GREETING, "the same again"
        waits = now < self._silence.end and self._log.text == new  # nothing but this since they asked for time
        if (waits or self.state in THINKS) and self._is_filler(new):
            return Verdict.BACKCHANNEL, "a sound that answers nothing"
        scene = self._scene(agent.said, words.last_began(len(new.split())), words.ended, now)
        return judging.judge(new, scene, self.lexicon, final=words.final, eager=words.eager)

    def _is_echo(self, echo: Echo, text: str, unanswered: str, now: float) -> bool:
        """Whether words that were taken for an echo still are one, now that more is known of the voice, of the line and
        of the words behind them."""
        path = self._voice.path
        if path is Path.UNKNOWN and not repeats(unanswered, f"{echo.said} {self._agent.said}"):
            return False
        return judging.echo(text, self._scene(echo.said, echo.began, echo.ended, now)) is not None

    def _scene(self, said: str, began: float, ended: float, now: float) -> Scene:
        """The scene for words whose sound `began` and `ended` then, and that came while the agent
        `said` that sentence."""
        agent, voice = self._agent, self._voice
        speaking = self.state in (*SPEAKS, State.PAUSED)
        until = self._entered if self.state is State.PAUSED else agent.until
        return Scene(
            said, agent.asks, speaking, agent.silent_for(min(ended, now), until), voice.length(now), voice.path,
            voice.apart(ended, now), voice.opened - began,
        )  # fmt: skip

    @property
    def _agrees(self) -> bool:
        """Whether what is not answered only agrees; the last word may be cut off while the recogniser has not ended."""
        return self.lexicon.agrees(self._log.text, final=self._log.complete)

    @property
    def _interrupts(self) -> bool:
        """Whether the words without an answer interrupt the agent, if nothing follows them."""
        return bool(self.lexicon.interruption(self.lexicon.content(self._log.text)))

    def _is_filler(self, text: str) -> bool:
        return set(words_of(text)) <= set(self.lexicon.fillers)

    def _last_sound(self, now: float) -> float:
        """When the last sound of the latest words arrived."""
        heard = self._log.last_at - LAG
        return min(now, heard if self._voice.since is not None else max(self._voice.until, heard))

    def _evidence(self, reason: str, now: float, *, text: str = "", because: str = "") -> Evidence:
        """The evidence for a decision about the words `text`: also how much of the expected answer these words are."""
        voice, told = self._voice, ""
        if text and self.state in (State.HEARING, State.DECIDING):
            _, told, why = self.endpointing.delay(text, ended=self._log.complete)
            because = because or why
        silent = None if voice.since is not None else max(0.0, now - max(voice.until, self._log.last_at - LAG))
        silent = silent if silent is not None and silent < inf else None
        heard = voice.since is not None or self.state is State.PAUSED
        sound = str(voice.sound) if heard and voice.sound is not None else ""
        return Evidence(reason, silent, sound, told, self.endpointing.vote, because)

    def _unanswered(self) -> str:
        return f"{self._agent.kept} {self._log.text}".strip()
