"""A call of steps in any order: the acts of its parties, and what its driver does with the turn machine's decisions."""

from dataclasses import dataclass, field
from functools import partialmethod
from math import inf

from agent.hearing.changes import Kind
from agent.hearing.echo_path import Path
from agent.turn_taking.decision import Decisions
from agent.turn_taking.expect import OPEN, Expected
from agent.turn_taking.expect import Kind as Answer
from agent.turn_taking.parties import Absence
from agent.turn_taking.situation import ENDS, THINKS
from agent.turn_taking.table import Action, State
from agent.turn_taking.words import Words
from tests.agent.turn_taking.calling import machine, voice
from tests.agent.turn_taking.steps import Setting
from tests.agent.turn_taking.telling import DIGITS, Turn, pressed_in, said_in, word

UNMEASURED = (Path.ECHO, Path.UNKNOWN)
FREE = (State.LISTENING, State.HOLDING, State.TRANSFERRING)
MENU = "For orders press the star."


@dataclass
class RandomCall:
    """One call: what its driver does with the decisions of the machine."""

    setting: Setting
    now: float = 0.0
    turn: Turn = field(default_factory=Turn)
    seam: float = -inf
    """When it was somebody else last who was there: what is said after it sounds after it."""
    said: int = 0
    pressed: str = ""
    """The keys that the model has to be told of."""
    gone: set[str] = field(default_factory=set)
    """Words that were said before somebody else gave the caller back: nobody answers them."""
    either: set[str] = field(default_factory=set)
    """Those of them of which the recogniser does not tell that they were: they may be answered."""
    memory: str = ""
    """What the model is told that the caller said, in order."""
    replying: bool = False
    silent: bool = True
    """Whether nothing of the agent can be heard: it has not begun, or has paused."""
    absent: set[Absence] = field(default_factory=set)
    """While there is a recording the machine is told neither sounds nor words."""
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
        if State.TAKEN in (before, self.subject.state):
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
    def dates(self) -> bool:
        """Whether the recogniser tells when a word sounded, however late it reports it."""
        return self.times not in ("none", "sent")

    @property
    def recorded(self) -> bool:
        return Absence.RECORDING in self.absent

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

    def _forget(self, *, but_present: bool = False) -> None:
        """`but_present`: the recogniser may have begun to hear a person in its present turn."""
        before = set(self.gone)
        self._forget_words()
        self.turn.over |= not but_present
        if but_present:
            self.gone -= set(said_in(" ".join(self.turn.words))) - before
        self.pressed, self.seam = pressed_in(self.memory), self.now

    def _forget_words(self) -> None:
        """Nobody answers what is not answered yet."""
        self.gone |= self.all_said.difference(said_in(self.memory))
        self.either |= self.turn.undated(self.now if self.dates else -inf)

    # The caller's sound

    def _sound(self, kind: Kind, ago: float, probability: float = 0.93, **more: float | bool) -> Decisions:
        if self.recorded:
            return ()
        return self.subject.sound(voice(kind, self.now - ago, probability, **more), self.now)  # type: ignore[arg-type]

    def _voice(self) -> Decisions:
        if self.voice is None and not self.recorded:
            self.voice, self.told = self.now - 0.1, False
        return self._sound(Kind.VOICE_STARTED, 0.1)

    def _faint_voice(self) -> Decisions:
        self.voice = None
        return self._sound(Kind.VOICE_STARTED, 0.1, 0.5)

    def _clearer(self) -> Decisions:
        if self.subject._voice.since is None or self.subject._voice.certain or self.recorded:
            return ()  # it is told once of each voice
        self.voice, self.told = self.now, False
        return self._sound(Kind.VOICE_CERTAIN, 0.02)

    def _end_voice(self, **more: bool) -> Decisions:
        self.voice = None
        return self._sound(Kind.VOICE_ENDED, 0.3, **more)

    _quiet = partialmethod(_end_voice)
    _quiet_behind = partialmethod(_end_voice, behind=True)
    _background = partialmethod(_end_voice, background=True)
    _short = partialmethod(_sound, Kind.SHORT_VOICE, 0.1)
    _noise = partialmethod(_sound, Kind.NOISE, 0.1)

    def _notice(self) -> None:
        if not self.recorded:
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
        last = self.turn.spoken[-1][1] if self.turn.spoken else -inf
        began = last if self.times == "touching" and last > self.now - 2.0 else max(last, self.now - 0.3)
        began = max(began, self.seam)
        self._run_on()
        self.turn.words.append(text)
        self.turn.spoken.append((began, max(began + 0.06, self.now - 0.05)))

    def _report(self, *, final: bool = False, eager: bool = False, others: bool = False) -> Decisions:
        """What the recogniser has heard of its turn until now."""
        if not self.turn.words:
            return ()
        self.turn.unreported = []
        ended = {"none": inf, "sent": self.now}.get(self.times, self.turn.spoken[-1][1])
        began = tuple(one for one, _ in self.turn.spoken) if final and self.times in ("touching", "apart") else ()
        words = Words(" ".join(self.turn.words), final, eager, ended, began, others)
        if self.recorded:
            self.subject.overhear(words, self.now)
            return self._end_overheard() if final else ()
        if final:
            return (*self._tell_voice(), *self.subject.hear(words, self.now), *self._begin_anew())
        return (*self.subject.hear(words, self.now), *self._tell_voice())

    def _run_on(self) -> None:
        """The time of what is not reported yet is not told: only that of the last word is."""
        self.either |= self.gone.intersection(self.turn.unreported)

    def _end_overheard(self) -> Decisions:
        self._forget_words()
        return self._begin_anew()

    def _tell_voice(self) -> Decisions:
        """The voice of the last word is told, later than an interim text with it; without it the word is an echo."""
        if self.subject._voice.path not in UNMEASURED or self.subject._voice.since is not None:
            return ()
        return self._sound(Kind.SHORT_VOICE, self.now - self.turn.spoken[-1][1], seconds=0.3)

    def _begin_anew(self) -> Decisions:
        self.turn = Turn()
        return ()

    def _words(self, *, final: bool = False, eager: bool = False) -> Decisions:
        self._say(word(self.said))
        self.said += 1
        return self._report(final=final, eager=eager)

    _interim = partialmethod(_words)
    _eager = partialmethod(_words, eager=True)
    _final = partialmethod(_words, final=True)

    def _unreported(self) -> Decisions:
        if self.times == "sent" and self.setting.path in UNMEASURED:
            return ()  # the time that is told later would be that of an echo
        self._say(word(self.said))
        self.turn.unreported.append(word(self.said))
        self.said += 1
        return () if self.recorded else self._tell_voice()

    def _begin(self, text: str) -> Decisions:
        """What may turn out to be another word stands in front."""
        if self.turn.words:
            return ()
        self._say(text)
        return self._report()

    _um = partialmethod(_begin, "um")
    _hello = partialmethod(_begin, "hello")

    def _revised(self) -> Decisions:
        """The recogniser writes its last word in another way: what it had taken for "um" is a word, or it is longer."""
        if self.turn.words and self.turn.words[-1] in ("um", "hello"):
            self.turn.words[-1] = word(self.said)
            self.said += 1
            self.gone.update(self.turn.words if self.turn.over else ())
            self.either.update(() if self.dates else self.turn.words)
        elif sum(one.startswith("w") for one in self.turn.words) > 1:
            self.turn.words[-1] += "s"
        return self._report(final=self.said % 2 == 0)

    def _same(self) -> Decisions:
        """The recogniser says late that what it has reported was all."""
        return self._report(final=True)

    def _fewer(self) -> Decisions:
        """It takes the last word back, and reports it again at once."""
        if len(self.turn.words) < 2:
            return ()
        self._run_on()
        words = Words(" ".join(self.turn.words[:-1]))
        if self.recorded:
            self.subject.overhear(words, self.now)
        else:
            self._obey(self.subject.hear(words, self.now), self.subject.state)
        return self._report()

    def _behind(self) -> Decisions:
        """It has heard words of somebody behind the caller, too, which are left out."""
        return self._report(others=True)

    def _empty(self) -> Decisions:
        if self.turn.words or self.recorded:
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
        self.absent.add(Absence.HOLD)
        return self.subject.away(True, self.now)

    def _taken(self) -> Decisions:
        self.voice = None
        self.absent.discard(Absence.HOLD)
        self._forget()
        return self.subject.away(True, self.now, taken=True)

    def _back(self) -> Decisions:
        self.absent.discard(Absence.HOLD)
        return self.subject.away(False, self.now)

    def _recording(self) -> Decisions:
        """A recording speaks in the place of a person who may come."""
        return self._wait_for_a_person(breaks_off=True)

    def _queue(self) -> Decisions:
        """The same, when the reply that goes on has nothing more to say."""
        return self._wait_for_a_person(breaks_off=False)

    def _wait_for_a_person(self, *, breaks_off: bool) -> Decisions:
        if self.subject.state in ENDS or self.recorded:
            return ()
        self.absent.add(Absence.RECORDING)
        self.voice = None
        self._forget(but_present=not (breaks_off or self.subject._turn.returned))
        return self.subject.unattended(self.now, breaks_off=breaks_off)

    def _person(self, text: str = "") -> Decisions:
        if not self.recorded or self.subject.state in ENDS:
            return ()
        self.absent.discard(Absence.RECORDING)
        self._forget(but_present=not text)
        if not text:
            self.subject.attended(self.now)
        return self.subject.asked(text, self.now) if text else ()

    def _menu(self) -> Decisions:
        taken = self.subject.state is State.TAKEN
        return self.subject.asked(MENU, self.now) if taken else self._person(MENU)

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
