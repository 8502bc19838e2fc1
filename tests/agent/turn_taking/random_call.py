"""A call of steps in any order: the acts of its parties, and what its driver does with the turn machine's decisions."""

from dataclasses import dataclass, field
from math import inf

from agent.hearing.changes import Kind
from agent.hearing.echo_path import Path
from agent.turn_taking.decision import Decisions
from agent.turn_taking.expect import OPEN, Expected
from agent.turn_taking.expect import Kind as Answer
from agent.turn_taking.situation import ENDS, THINKS
from agent.turn_taking.table import Action, State
from agent.turn_taking.words import Words
from tests.agent.turn_taking.calling import machine, voice
from tests.agent.turn_taking.steps import Setting

UNMEASURED = (Path.ECHO, Path.UNKNOWN)
FREE = (State.LISTENING, State.HOLDING, State.TRANSFERRING)
DIGITS = "123456789"


def word(number: int) -> str:
    """A word of letters, each another one, which is neither a figure nor a letter."""
    return "w" + "".join(chr(ord("a") + int(figure)) for figure in str(number)) + "x"


def said_in(text: str) -> list[str]:
    """The words of a caller in `text`, as they were before the recogniser wrote them in another way."""
    return [one.rstrip("s") for one in text.split() if one.startswith("w")]


def pressed_in(text: str) -> str:
    """The keys in `text`."""
    return "".join(one for one in text.replace("]", "").split() if one in DIGITS)


@dataclass
class RandomCall:
    """One call: what its driver does with the decisions of the machine."""

    setting: Setting
    now: float = 0.0
    turn: list[str] = field(default_factory=list)
    """The words of the recogniser's turn that is not final."""
    spoken: list[tuple[float, float]] = field(default_factory=list)
    """When each of them sounded."""
    said: int = 0
    pressed: str = ""
    """The keys that the model has to be told of."""
    gone: set[str] = field(default_factory=set)
    """Words that were said before somebody else gave the caller back: nobody answers them."""
    memory: str = ""
    """What the model is told that the caller said, in order."""
    replying: bool = False
    silent: bool = True
    """Whether nothing of the agent can be heard: it has not begun, or has paused."""
    unattended: bool = False
    """Whether a recording speaks in the place of a person: the machine is told neither sounds nor words."""
    voice: float | None = None
    """Since when the caller certainly speaks."""
    told: bool = False
    """Whether the caller has been told since then that they are not heard."""

    def __post_init__(self) -> None:
        ends_turns, path, times, lasts = self.setting
        if times == "none" and path in UNMEASURED:
            times = "ends"  # by nothing but the times a voice is told to belong to words of a while ago
        self.times = times
        self.subject = machine(ends_turns=ends_turns, max_duration=lasts)
        self.subject.hear_line(path)

    def happen(self, step: str) -> None:
        before = self.subject.state
        decisions = getattr(self, f"_{step.replace(' ', '_').replace('#', 'hash')}")()
        self._obey(decisions or (), before)
        if self.subject.state is State.TAKEN:
            self._forget()

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        for _ in range(1000):
            at = self.subject.deadline
            if at is None or at > until:
                break
            self.now = max(self.now, at)
            before, entered = self.subject.state, at
            self._obey(self.subject.handle_timer(self.now), before)
            assert self.subject.deadline != entered or self.subject.state is not before, f"stuck in {before}"
        else:
            raise AssertionError("the limits have no end")
        self.now = until

    @property
    def all_said(self) -> set[str]:
        return {word(number) for number in range(self.said)}

    def _obey(self, decisions: Decisions, before: State) -> None:
        for one in decisions:
            assert str(one.evidence), "each decision tells why"
            match one.action:
                case Action.ANSWER | Action.TELL:
                    assert self.memory.endswith(one.instead)
                    self.memory = self.memory[: len(self.memory) - len(one.instead)].strip() + f" {one.text}"
                    self.replying, self.silent = True, True
                case Action.CUT | Action.DISCARD | Action.END:
                    self.replying, self.silent = False, True
                case Action.PAUSE:
                    self.silent = True
                case Action.RESUME:
                    self.silent = not self.replying or self.subject.state in THINKS
                case Action.REPROMPT | Action.ASK_AGAIN | Action.HARDLY | Action.GREET:
                    self.replying = self.silent = True
                    self.told |= one.action in (Action.ASK_AGAIN, Action.HARDLY)
                case Action.GOODBYE_OVERTIME | Action.GOODBYE_SILENCE:
                    self.replying = True
                case Action.GIVE_UP:
                    self._close()

    def _forget(self) -> None:
        """Nobody answers what is not answered yet."""
        self._forget_words()
        self.pressed = pressed_in(self.memory)

    def _forget_words(self) -> None:
        self.gone |= self.all_said.difference(said_in(self.memory))

    # The caller's sound

    def _sound(self, kind: Kind, ago: float, probability: float = 0.93, **more: float | bool) -> Decisions:
        if self.unattended:
            return ()
        return self.subject.sound(voice(kind, self.now - ago, probability, **more), self.now)  # type: ignore[arg-type]

    def _voice(self) -> Decisions:
        if self.voice is None and not self.unattended:
            self.voice, self.told = self.now - 0.1, False
        return self._sound(Kind.VOICE_STARTED, 0.1)

    def _faint_voice(self) -> Decisions:
        self.voice = None
        return self._sound(Kind.VOICE_STARTED, 0.1, 0.5)

    def _clearer(self) -> Decisions:
        if self.subject._voice.since is None or self.subject._voice.certain or self.unattended:
            return ()  # it is told once of each voice
        self.voice, self.told = self.now, False
        return self._sound(Kind.VOICE_CERTAIN, 0.02)

    def _quiet(self) -> Decisions:
        self.voice = None
        return self._sound(Kind.VOICE_ENDED, 0.3)

    def _quiet_behind(self) -> Decisions:
        self.voice = None
        return self._sound(Kind.VOICE_ENDED, 0.3, behind=True)

    def _background(self) -> Decisions:
        self.voice = None
        return self._sound(Kind.VOICE_ENDED, 0.3, background=True)

    def _short(self) -> Decisions:
        return self._sound(Kind.SHORT_VOICE, 0.1)

    def _noise(self) -> Decisions:
        return self._sound(Kind.NOISE, 0.1)

    def _notice(self) -> None:
        if not self.unattended:
            self.subject.notice(self.now)

    def _measured(self) -> None:
        if self.subject._voice.path is Path.UNKNOWN:
            self.subject.hear_line(Path.ECHO)

    def _complete(self, probability: float = 0.9) -> None:
        self.subject.vote(probability, self.subject._voice.until)

    def _incomplete(self) -> None:
        self._complete(0.1)

    # The caller's words

    def _say(self, text: str) -> None:
        """The caller says one more word, which ends now; on a line with an echo its voice is told at the latest now."""
        last = self.spoken[-1][1] if self.spoken else -inf
        began = last if self.times == "touching" and last > self.now - 2.0 else max(last, self.now - 0.3)
        self.turn.append(text)
        self.spoken.append((began, max(began + 0.06, self.now - 0.05)))

    def _report(self, *, final: bool = False, eager: bool = False, others: bool = False) -> Decisions:
        """What the recogniser has heard of its turn until now."""
        if not self.turn:
            return ()
        ended = {"none": inf, "sent": self.now}.get(self.times, self.spoken[-1][1])
        began = tuple(one for one, _ in self.spoken) if final and self.times in ("touching", "apart") else ()
        words = Words(" ".join(self.turn), final, eager, ended, began, others)
        if self.unattended:
            self.subject.overhear(words, self.now)
            return self._end_overheard() if final else ()
        if final:
            return (*self._tell_voice(), *self.subject.hear(words, self.now), *self._begin_anew())
        return (*self.subject.hear(words, self.now), *self._tell_voice())

    def _end_overheard(self) -> Decisions:
        self._forget_words()
        return self._begin_anew()

    def _tell_voice(self) -> Decisions:
        """The voice of the last word is told, later than an interim text with it; without it the word is an echo."""
        if self.subject._voice.path not in UNMEASURED or self.subject._voice.since is not None:
            return ()
        return self._sound(Kind.SHORT_VOICE, self.now - self.spoken[-1][1], seconds=0.3)

    def _begin_anew(self) -> Decisions:
        self.turn, self.spoken = [], []
        return ()

    def _words(self, *, final: bool = False, eager: bool = False) -> Decisions:
        self._say(word(self.said))
        self.said += 1
        return self._report(final=final, eager=eager)

    def _interim(self) -> Decisions:
        return self._words()

    def _eager(self) -> Decisions:
        return self._words(eager=True)

    def _final(self) -> Decisions:
        return self._words(final=True)

    def _um(self) -> Decisions:
        return self._begin("um")

    def _hello(self) -> Decisions:
        return self._begin("hello")

    def _begin(self, text: str) -> Decisions:
        """What may turn out to be another word stands in front."""
        if self.turn:
            return ()
        self._say(text)
        return self._report()

    def _revised(self) -> Decisions:
        """The recogniser writes its last word in another way: what it had taken for "um" is a word, or it is longer."""
        if self.turn and self.turn[-1] in ("um", "hello"):
            self.turn[-1] = word(self.said)
            self.said += 1
        elif sum(one.startswith("w") for one in self.turn) > 1:
            self.turn[-1] += "s"
        return self._report(final=self.said % 2 == 0)

    def _same(self) -> Decisions:
        """The recogniser says late that what it has reported was all."""
        return self._report(final=True)

    def _fewer(self) -> Decisions:
        """It takes the last word back, and reports it again at once."""
        if len(self.turn) < 2:
            return ()
        words = Words(" ".join(self.turn[:-1]))
        if self.unattended:
            self.subject.overhear(words, self.now)
        else:
            self._obey(self.subject.hear(words, self.now), self.subject.state)
        return self._report()

    def _behind(self) -> Decisions:
        """It has heard words of somebody behind the caller, too, which are left out."""
        return self._report(others=True)

    def _empty(self) -> Decisions:
        if self.turn or self.unattended:
            return ()
        return self.subject.hear(Words("", final=True), self.now)

    # The caller's keys, and where they are

    def _key(self) -> Decisions:
        key = DIGITS[len(self.pressed) % len(DIGITS)]
        self.pressed += key
        return self.subject.press(key, self.now)

    def _hash(self) -> Decisions:
        return self.subject.press("#", self.now)

    def _key_apart(self) -> Decisions:
        return self.subject.press_apart(self.now)

    def _hold(self) -> Decisions:
        return self.subject.away(True, self.now)

    def _taken(self) -> Decisions:
        self.voice = None
        self._forget()
        return self.subject.away(True, self.now, taken=True)

    def _back(self) -> Decisions:
        return self.subject.away(self.unattended, self.now)

    def _recording(self) -> Decisions:
        """A recording speaks in the place of a person who may come."""
        return self._wait_for_a_person(breaks_off=True)

    def _queue(self) -> Decisions:
        """The same, when the reply that goes on has nothing more to say."""
        return self._wait_for_a_person(breaks_off=False)

    def _wait_for_a_person(self, *, breaks_off: bool) -> Decisions:
        if self.subject.state in ENDS or self.unattended:
            return ()
        self.unattended, self.voice = True, None
        self._forget()
        return self.subject.unattended(self.now, breaks_off=breaks_off)

    def _person(self, text: str = "") -> Decisions:
        if not self.unattended or self.subject.state in ENDS:
            return ()
        self.unattended, before = False, set(self.gone)
        self._forget()
        if not text:  # the recogniser may have begun to hear them before they were known
            self.gone -= set(said_in(" ".join(self.turn))) - before
        return self.subject.attended(self.now, text)

    def _menu(self) -> Decisions:
        return self._person("For orders press the star.")

    # The agent

    def _says(self) -> Decisions:
        if not self.replying or self.subject.state in (State.PAUSED, State.TAKEN):
            return ()
        self.silent = False
        return self.subject.says("It is on its way.", "", self.now)

    def _done(self) -> Decisions:
        if not self.replying or self.subject.state is State.PAUSED:
            return ()
        self.replying, self.silent = False, True
        return self.subject.done(self.now)

    def _tool(self, *, runs: bool = True) -> Decisions:
        if not self.replying:
            return ()
        self.silent = True
        return self.subject.silent(self.now, runs=runs)

    def _returned(self) -> Decisions:
        return self._tool(runs=False)

    def _late(self) -> Decisions:
        idle = not self.replying and self.subject.state in FREE and not self.subject.is_away
        return self.subject.late(self.now) if idle else ()

    def _wait(self) -> None:
        if self.replying:
            self.subject.wait(self.now)

    def _digits(self) -> None:
        self.subject.expect(Expected(Answer.DIGITS, 4))

    def _yes_or_no(self) -> None:
        self.subject.expect(Expected(Answer.YES_NO))

    def _open(self) -> None:
        self.subject.expect(OPEN)

    def _announce(self) -> None:
        self.subject.announce(self.now)
        if self.subject.state is State.ANNOUNCING:
            self.replying = self.silent = True

    def _transfer(self) -> None:
        self.subject.transfer(self.now, rings=True)

    def _nobody(self) -> None:
        self.subject.transfer(self.now, rings=False)

    def _close(self) -> None:
        if self.subject.state not in ENDS:
            self.subject.close(self.now)
            self.replying = self.silent = True
