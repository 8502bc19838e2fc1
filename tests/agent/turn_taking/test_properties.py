"""What holds whatever happens, in any order."""

from dataclasses import dataclass, field
from math import inf

from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.hearing.changes import Kind
from agent.hearing.echo_path import Path
from agent.turn_taking.decision import Decisions
from agent.turn_taking.machine import TurnMachine
from agent.turn_taking.options import TurnOptions
from agent.turn_taking.parties import BORNE, LONGEST_BORNE, LONGEST_SILENCE, PUT_OFF, WORDLESS
from agent.turn_taking.situation import HANGOVER, LAG, THINKS
from agent.turn_taking.table import ENDLESS, Action, State
from agent.turn_taking.words import Words
from tests.agent.turn_taking.calling import machine, voice

OPTIONS = TurnOptions()
STEPS = (
    "voice", "faint voice", "clearer", "quiet", "background", "short", "noise", "interim", "eager", "final", "empty",
    "says", "done", "tool", "returned", "late", "key", "#", "notice", "hold", "taken", "back", "wait", "announce",
    "transfer", "nobody", "um", "hello", "revised", "same", "fewer",
)  # fmt: skip
USUAL = ("final", "interim", "says", "done")
"""What calls consist of: most of the steps, or hardly a reply is ever heard to its end."""
LINES = st.sampled_from([*Path, None])
TIMES = st.sampled_from(["none", "ends", "sent", "touching", "apart"])
"""What the recogniser tells of when its words sounded: nothing, the end of the last one, how much sound it had been
sent, or also when each word of a final text began, where one word touches the next or not."""
EVENTS = st.lists(
    st.tuples(
        st.one_of(st.sampled_from(USUAL), st.sampled_from(USUAL), st.sampled_from(STEPS)),
        st.sampled_from([0.02, 0.2, 0.5, 1.5, 6.0, 40.0]),
    ),
    max_size=40,
)


def word(number: int) -> str:
    """A word of letters, each another one, which is neither a figure nor a letter."""
    return "w" + "".join(chr(ord("a") + int(figure)) for figure in str(number)) + "x"


def said_in(text: str) -> list[str]:
    """The words of a caller in `text`, as they were before the recogniser wrote them in another way."""
    return [one.rstrip("s") for one in text.split() if one.startswith("w")]


@dataclass
class Call:
    """One call: what its driver does with the decisions, and what must hold after each."""

    subject: TurnMachine
    times: str = "none"
    now: float = 0.0
    turn: list[str] = field(default_factory=list)
    """The words of the recogniser's turn that is not final."""
    spoken: list[tuple[float, float]] = field(default_factory=list)
    """When each of them sounded."""
    said: int = 0
    forgotten: int = 0
    """How many of them were said before somebody else gave the caller back: nobody answers them."""
    memory: str = ""
    """What the model is told that the caller said, in order."""
    replying: bool = False
    silent: bool = True
    """Whether nothing of the agent can be heard: it has not begun, or has paused."""
    voice: float | None = None
    """Since when the caller certainly speaks."""
    told: bool = False
    """Whether the caller has been told since then that they are not heard."""

    def happen(self, step: str) -> None:
        before = self.subject.state
        decisions = getattr(self, f"_{step.replace(' ', '_').replace('#', 'hash')}")()
        self._obey(decisions or (), before)
        if self.subject.state is State.TAKEN or step == "taken":
            self.forgotten = self.said

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

    # The caller

    def _voice(self) -> Decisions:
        if self.voice is None:
            self.voice, self.told = self.now - 0.1, False
        return self.subject.sound(voice(Kind.VOICE_STARTED, self.now - 0.1), self.now)

    def _faint_voice(self) -> Decisions:
        self.voice = None
        return self.subject.sound(voice(Kind.VOICE_STARTED, self.now - 0.1, 0.5), self.now)

    def _clearer(self) -> Decisions:
        if self.voice is None and self.subject._voice.since is not None:
            self.voice, self.told = self.now, False
        return self.subject.sound(voice(Kind.VOICE_CERTAIN, self.now - 0.02), self.now)

    def _quiet(self) -> Decisions:
        self.voice = None
        return self.subject.sound(voice(Kind.VOICE_ENDED, self.now - 0.3), self.now)

    def _background(self) -> Decisions:
        self.voice = None
        return self.subject.sound(voice(Kind.VOICE_ENDED, self.now - 0.3, background=True), self.now)

    def _short(self) -> Decisions:
        return self.subject.sound(voice(Kind.SHORT_VOICE, self.now - 0.1), self.now)

    def _noise(self) -> Decisions:
        return self.subject.sound(voice(Kind.NOISE, self.now - 0.1), self.now)

    def _say(self, text: str) -> None:
        """The caller says one more word, which ends now; on a line with an echo its voice is told at the latest now."""
        last = self.spoken[-1][1] if self.spoken else -inf
        began = last if self.times == "touching" and last > self.now - 2.0 else max(last, self.now - 0.3)
        self.turn.append(text)
        self.spoken.append((began, max(began + 0.06, self.now - 0.05)))

    def _report(self, *, final: bool = False, eager: bool = False) -> Decisions:
        """What the recogniser has heard of its turn until now."""
        if not self.turn:
            return ()
        ended = {"none": inf, "sent": self.now}.get(self.times, self.spoken[-1][1])
        began = tuple(one for one, _ in self.spoken) if final and self.times in ("touching", "apart") else ()
        words = Words(" ".join(self.turn), final, eager, ended, began)
        if final:
            return (*self._tell_voice(), *self.subject.hear(words, self.now), *self._begin_anew())
        return (*self.subject.hear(words, self.now), *self._tell_voice())

    def _tell_voice(self) -> Decisions:
        """The voice of the last word is told, later than an interim text with it; without it the word is an echo."""
        if self.subject._voice.path not in (Path.ECHO, Path.UNKNOWN) or self.subject._voice.since is not None:
            return ()
        return self.subject.sound(voice(Kind.SHORT_VOICE, self.spoken[-1][1], seconds=0.3), self.now)

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
        decisions = self.subject.hear(Words(" ".join(self.turn[:-1])), self.now)
        self._obey(decisions, self.subject.state)
        return self._report()

    def _empty(self) -> Decisions:
        return self.subject.hear(Words("", final=True), self.now) if not self.turn else ()

    def _key(self) -> Decisions:
        return self.subject.press("1", self.now)

    def _hash(self) -> Decisions:
        return self.subject.press("#", self.now)

    def _hold(self) -> None:
        self.subject.away(True, self.now)

    def _taken(self) -> Decisions:
        return self.subject.away(True, self.now, taken=True)

    def _back(self) -> None:
        self.subject.away(False, self.now)

    # The agent

    def _notice(self) -> None:
        self.subject.notice(self.now)

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
        return () if self.replying else self.subject.late(self.now)

    def _wait(self) -> None:
        if self.replying:
            self.subject.wait(self.now)

    def _announce(self) -> None:
        self.subject.announce(self.now)
        self.replying = self.silent = True

    def _transfer(self) -> None:
        self.subject.transfer(self.now, rings=True)

    def _nobody(self) -> None:
        self.subject.transfer(self.now, rings=False)


def held(events: list[tuple[str, float]], *, ends_turns: bool, path: Path | None = None, times: str = "none") -> Call:
    if times == "none" and path in (Path.ECHO, Path.UNKNOWN):
        times = "ends"  # by nothing but the times a voice is told to belong to words of a while ago
    call = Call(machine(ends_turns=ends_turns, max_duration=100_000.0), times)
    call.subject.hear_line(path)
    for step, seconds in events:
        call.happen(step)
        never_over_a_certain_voice(call)
        call.pass_time(seconds)
        never_over_a_certain_voice(call)
    return call


def never_over_a_certain_voice(call: Call) -> None:
    """The agent's sound has stopped, but for what nobody may interrupt, for the first 0.3 s after a turn's end, for
    words that it cannot hear the caller, over a voice that brought no more words after the recogniser had said that
    they were all, and for `LONGEST_BORNE` at most over one of a caller who has only shown that they listen."""
    subject, log = call.subject, call.subject._log
    if call.voice is None or subject.state in (State.ANNOUNCING, State.CLOSING, State.ENDED):
        return
    borne = subject._voice.manner.bearing if subject._voice.manner.listens else 0.0
    assert borne == 0.0 or BORNE <= borne <= LONGEST_BORNE
    if subject.state is State.SPEAKING and call.now < max(call.voice, log.last_at) + borne:
        return
    if call.now < subject._turn.at + HANGOVER or call.now - call.voice >= ENDLESS or call.told:
        return
    if log.complete and call.voice < log.final_at - HANGOVER - LAG and call.now >= log.final_at + WORDLESS - 1e-9:
        call.voice = None  # a babble, from then on
        return
    assert call.silent or subject.state is State.PAUSED, subject.state


@settings(max_examples=400)
@given(EVENTS, st.booleans(), LINES, TIMES)
@example(
    [("key", 0.02), ("announce", 0.02), ("final", 40.0), *[("voice", 40.0)] * 4, ("interim", 1.5)], False, None, "none"
)
@example([("final", 0.5), ("says", 0.5), ("voice", 6.0), ("noise", 6.0)], True, None, "none")
@example([("final", 1.5), ("voice", 0.02), ("says", 0.5), ("final", 0.5)], False, Path.UNKNOWN, "none")
@example([("final", 0.5), ("says", 0.5), ("final", 1.5), ("voice", 0.5), ("voice", 6.0)], True, Path.CLEAN, "none")
@example(
    [("final", 1.5), ("says", 40.0), ("interim", 0.5), ("interim", 1.5), ("fewer", 40.0), ("same", 1.5)],
    False, Path.ECHO, "sent",
)  # fmt: skip
@example(
    [*[(one, 0.02) for one in ("final", "says")], ("interim", 1.5), *[(one, 0.02) for one in ("interim", "fewer", "final")]],
    True, Path.ECHO, "none",
)  # fmt: skip
def test_no_word_is_answered_twice_or_lost_and_no_certain_voice_is_talked_over(
    events, ends_turns: bool, path: Path | None, times: str
) -> None:
    call = held(events, ends_turns=ends_turns, path=path, times=times)
    told = said_in(call.memory)
    assert len(told) == len(set(told)), "twice"
    subject = call.subject
    waits = said_in(" ".join((subject._unanswered(), subject._agent.aside, *call.turn)))
    lost = {word(number) for number in range(call.forgotten, call.said)}.difference(told, waits)
    assert not lost or subject.state in (State.CLOSING, State.ENDED)


LONGEST = {
    State.LISTENING: PUT_OFF * LONGEST_SILENCE,
    State.HEARING: ENDLESS + OPTIONS.max_endpointing_delay,
    State.DECIDING: ENDLESS + OPTIONS.max_endpointing_delay,
    State.THINKING: 90.0,
    State.RUNNING_TOOL: 240.0,
    State.SPEAKING: 180.0,
    State.PAUSED: ENDLESS,
    State.HOLDING: OPTIONS.wait_limit,
    State.COLLECTING: OPTIONS.digit_pause,
    State.ANNOUNCING: 180.0,
    State.TRANSFERRING: 900.0,
    State.CLOSING: 20.0,
}
"""Seconds for which a caller who says nothing more stays in each state."""


@settings(max_examples=200)
@given(EVENTS, st.booleans(), LINES, TIMES, st.booleans())
def test_every_state_is_left_in_its_time_and_silence_has_an_end(
    events, ends_turns: bool, path: Path | None, times: str, replies: bool
) -> None:
    """Whatever has happened: a caller who says nothing more hears a goodbye in the end, whether the agent's replies
    are heard or never come."""
    call = held(events, ends_turns=ends_turns, path=path, times=times)
    subject = call.subject
    if subject._voice.since is not None:
        call.happen("quiet")
    subject.away(False, call.now)
    quiet, limit = call.now, call.now + 4000
    while subject.state is not State.ENDED and call.now < limit:
        assert subject.deadline is not None
        assert subject.deadline - max(quiet, subject._entered) <= LONGEST[subject.state] + 1e-6, subject.state
        call.pass_time(max(0.0, subject.deadline - call.now))
        if call.replying and (replies or subject.state is State.LISTENING):
            call.happen("says")
            call.replying and call.happen("done")  # type: ignore[func-returns-value]
    assert subject.state is State.ENDED
