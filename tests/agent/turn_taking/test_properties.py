"""What holds whatever happens, in any order."""

from dataclasses import dataclass, field

from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.hearing.changes import Kind
from agent.turn_taking.decision import Decisions
from agent.turn_taking.machine import TurnMachine
from agent.turn_taking.parties import LONGEST_SILENCE, PUT_OFF
from agent.turn_taking.situation import HANGOVER, THINKS
from agent.turn_taking.table import ENDLESS, Action, State
from agent.turn_taking.words import Words
from tests.agent.turn_taking.calling import machine, voice

STEPS = (
    "voice", "faint voice", "clearer", "quiet", "background", "short", "noise", "interim", "eager", "final", "empty",
    "says", "done", "tool", "returned", "late", "key", "#", "notice", "hold", "taken", "back", "wait", "announce",
    "transfer", "nobody",
)  # fmt: skip
USUAL = ("final", "interim", "says", "done")
"""What calls consist of: most of the steps, or hardly a reply is ever heard to its end."""
EVENTS = st.lists(
    st.tuples(
        st.one_of(st.sampled_from(USUAL), st.sampled_from(USUAL), st.sampled_from(STEPS)),
        st.sampled_from([0.02, 0.2, 0.5, 1.5, 6.0, 40.0]),
    ),
    max_size=40,
)


@dataclass
class Call:
    """One call: what its driver does with the decisions, and what must hold after each."""

    subject: TurnMachine
    now: float = 0.0
    turn: list[str] = field(default_factory=list)
    """The words of the recogniser's turn that is not final."""
    said: int = 0
    forgotten: int = 0
    """How many of them were said before somebody else gave the caller back: nobody answers them."""
    memory: str = ""
    """What the model is told that the caller said, in order."""
    replying: bool = False
    silent: bool = True
    """Whether nothing of the agent can be heard: it has not begun, or has paused."""

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
                case Action.GOODBYE_OVERTIME | Action.GOODBYE_SILENCE:
                    self.replying = True

    # The caller

    def _voice(self) -> Decisions:
        return self.subject.sound(voice(Kind.VOICE_STARTED, self.now - 0.1), self.now)

    def _faint_voice(self) -> Decisions:
        return self.subject.sound(voice(Kind.VOICE_STARTED, self.now - 0.1, 0.5), self.now)

    def _clearer(self) -> Decisions:
        return self.subject.sound(voice(Kind.VOICE_CERTAIN, self.now - 0.02), self.now)

    def _quiet(self) -> Decisions:
        return self.subject.sound(voice(Kind.VOICE_ENDED, self.now - 0.3), self.now)

    def _background(self) -> Decisions:
        return self.subject.sound(voice(Kind.VOICE_ENDED, self.now - 0.3, background=True), self.now)

    def _short(self) -> Decisions:
        return self.subject.sound(voice(Kind.SHORT_VOICE, self.now - 0.1), self.now)

    def _noise(self) -> Decisions:
        return self.subject.sound(voice(Kind.NOISE, self.now - 0.1), self.now)

    def _words(self, **how: bool) -> Decisions:
        self.turn.append(f"w{self.said}")
        self.said += 1
        decisions = self.subject.hear(Words(" ".join(self.turn), **how), self.now)
        self.turn = [] if how.get("final") else self.turn
        return decisions

    def _interim(self) -> Decisions:
        return self._words()

    def _eager(self) -> Decisions:
        return self._words(eager=True)

    def _final(self) -> Decisions:
        return self._words(final=True)

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
        if not self.replying or self.subject.state is State.PAUSED:
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


def held(events: list[tuple[str, float]], *, ends_turns: bool) -> Call:
    call = Call(machine(ends_turns=ends_turns, max_duration=100_000.0))
    call.subject.lexicon = type(call.subject.lexicon)()
    for step, seconds in events:
        call.happen(step)
        never_over_a_certain_voice(call)
        call.pass_time(seconds)
        never_over_a_certain_voice(call)
    return call


def never_over_a_certain_voice(call: Call) -> None:
    """The agent's sound has stopped, but for what nobody may interrupt, for the first 0.3 s after a turn's end, and
    over a voice that brought no more words after the recogniser had said that they were all, or too few to tell."""
    known, log = call.subject._voice, call.subject._log
    if known.since is None or not known.certain or call.subject.state in (State.ANNOUNCING, State.CLOSING, State.ENDED):
        return
    if call.now < call.subject._turn.at + HANGOVER or call.now - known.since >= ENDLESS:
        return
    if call.now >= call.subject._awaited(known.since) - 1e-9:
        return
    if known.since < call.subject._agent.since and log.text and not log.complete:
        return
    assert call.silent or call.subject.state is State.PAUSED, call.subject.state


@settings(max_examples=300)
@given(EVENTS, st.booleans())
@example([("key", 0.02), ("announce", 0.02), ("final", 40.0), *[("voice", 40.0)] * 4, ("interim", 1.5)], False)
def test_no_word_is_answered_twice_or_lost_and_no_certain_voice_is_talked_over(events, ends_turns: bool) -> None:
    call = held(events, ends_turns=ends_turns)
    told = [word for word in call.memory.split() if word.startswith("w")]
    assert len(told) == len(set(told)), "twice"
    waits = call.subject._unanswered().split() + call.subject._agent.aside.split() + call.turn
    assert {f"w{number}" for number in range(call.forgotten, call.said)} <= {*told, *waits} or call.subject.state in (
        State.CLOSING, State.ENDED,
    )  # fmt: skip


@settings(max_examples=200)
@given(EVENTS, st.booleans())
def test_every_state_is_left_and_silence_has_an_end(events, ends_turns: bool) -> None:
    """Whatever has happened: a caller who says nothing more, to an agent that replies, hears a goodbye in the end."""
    call = held(events, ends_turns=ends_turns)
    subject = call.subject
    if subject._voice.since is not None:
        call.happen("quiet")
    subject.away(False, call.now)
    limit = call.now + 1000 + PUT_OFF * 3 * LONGEST_SILENCE
    while subject.state is not State.ENDED and call.now < limit:
        assert subject.deadline is not None
        call.pass_time(max(0.0, subject.deadline - call.now))
        if call.replying:
            call.happen("says")
            call.replying and call.happen("done")
    assert subject.state is State.ENDED
