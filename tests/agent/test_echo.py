"""The agent's own voice comes back from the line: it neither stutters nor answers itself, and callers are heard."""

import asyncio
from collections import deque
from itertools import groupby

import pytest

from agent.echo import PAUSES
from agent.line import SAMPLE_RATE, Audio
from agent.stt import Transcript
from agent.turn_table import Decision, Event, State
from agent.turns import TurnOptions, Turns
from agent.vad import HANGOVER, ONSET
from tests.agent.holding import LONG, Held, Setting, by_last, hold, spoken_seconds
from tests.fakes.line import LETTER, FakeCaller, FakeLine, FakeStt, now, says

SLOT = 160
SILENT = b"\xff\x7f" * (SLOT // 2)
LOUD = b"\x10\x90" * (SLOT // 2)
QUESTION = "Where is my order"
PIZZA = "Would you like the large pizza or the small pizza?"


class Understanding:
    """STT that understands what comes back of the fake voice, whose sound is its letters; some time later, as STT does.

    Of a word that is cut off they make what there is of it, and a turn ends after 0.4 s of silence.
    """

    def __init__(self, stt: FakeStt, *, loses_finals: bool) -> None:
        self._stt, self._loses_finals = stt, loses_finals
        self._sound, self._given, self._end = bytearray(), 0, 0.0
        self._told = ""
        self.finals: list[str] = []

    def hear(self, slot: bytes, given: float) -> None:
        if slot not in (SILENT, LOUD):
            self._sound += slot
            self._given, self._end = 0, given
            text = self._text()
            if len(text.split()) > len(self._told.split()):
                self._told = text
                self._later(0.3, text, final=False)
        elif self._sound:
            self._given += SLOT
            if self._given >= 0.4 * SAMPLE_RATE:
                self.finals.append(self._text())
                self._later(0.1, "" if self._loses_finals else self._text(), final=True)
                self._sound.clear()
                self._told = ""

    def _text(self) -> str:
        runs = [(chr(byte), len(list(run))) for byte, run in groupby(self._sound) if byte != 0xFF]
        return "".join(letter * round(length / LETTER) for letter, length in runs)

    def _later(self, seconds: float, text: str, *, final: bool) -> None:
        if not text:
            return
        put, heard = self._stt.heard.put_nowait, Transcript(text, final, False, self._end)
        asyncio.get_running_loop().call_later(seconds, put, heard)


class Loop:
    """A line on which all that is played comes back."""

    def __init__(self, caller: FakeCaller, line: FakeLine, stt: FakeStt, delay: float, *, loses_finals: bool) -> None:
        self._line, self._given = line, 0.2
        self.stt = Understanding(stt, loses_finals=loses_finals)
        self._way = deque([SILENT] * round(delay / 0.02))
        self._played = 0
        self.silent_since = now()
        """Since when nothing was played."""
        self.caller = 0
        """Slots in which the caller still makes a sound."""

    async def run(self, seconds: float) -> None:
        """Let time go by."""
        for _ in range(round(seconds / 0.02)):
            await asyncio.sleep(0.02)
            played = bytes(self._line.played[self._played :]).ljust(SLOT, b"\xff")[:SLOT]
            sounds = len(self._line.played) > self._played
            self._played = len(self._line.played)
            self._way.append(played if sounds else SILENT)
            if sounds:
                self.silent_since = now()
            slot = self._way.popleft()
            if self.caller:
                self.caller, slot = self.caller - 1, LOUD
            self._given += 0.02
            self._line.incoming.put_nowait(Audio(slot, now()))
            self.stt.hear(slot, self._given)

    def transcript(self, text: str, *, final: bool) -> Transcript:
        return Transcript(text, final, False, self._given)


def looped(plan, script, *, delay: float = 0.16, loses_finals: bool = False) -> Held:
    """A call whose caller does as planned, on a line with an echo."""

    async def person(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        loop = Loop(caller, line, stt, delay, loses_finals=loses_finals)
        await loop.run(5.0)
        await plan(loop, caller, stt)
        caller.hang_up()

    return hold(person, Setting(script=by_last(script), options=TurnOptions()))


@pytest.mark.parametrize("delay", [0.06, 0.16, 0.3, 0.56])
@pytest.mark.parametrize("loses_finals", [False, True])
def test_an_echo_makes_it_stutter_twice_and_is_never_answered(delay: float, loses_finals: bool) -> None:
    took: list[float] = []
    stt: list[str] = []

    async def plan(loop: Loop, caller: FakeCaller, _: FakeStt) -> None:
        for _ in range(3):
            caller.hear(QUESTION)
            began = now()
            await loop.run(spoken_seconds(LONG) + 8.0)
            took.append(loop.silent_since - began)
            stt.extend(loop.stt.finals)

    held = looped(plan, {"Where": says(LONG)}, delay=delay, loses_finals=loses_finals)
    assert stt, "something did come back"
    asked = [(turn.caller, turn.heard) for turn in held.turns if turn.caller]
    assert asked == [(QUESTION, LONG)] * 3
    assert not held.line.cuts[:-1], "nothing was broken off before the call ended"
    pause = delay + HANGOVER + TurnOptions().confirm_after_quiet + 0.5
    assert took[0] < spoken_seconds(LONG) + PAUSES * pause
    assert max(took[1:]) < spoken_seconds(LONG) + pause, "once it is known that pausing is no use it is tried but once"


def test_an_echo_may_be_as_long_as_the_reply() -> None:
    async def plan(loop: Loop, caller: FakeCaller, stt: FakeStt) -> None:
        caller.hear(QUESTION)
        await loop.run(25.0)

    said = f"I have it here. It left our warehouse this morning. {LONG}"
    held = looped(plan, {"Where": says(said)})
    assert [turn.heard for turn in held.turns if turn.caller] == [said]


@pytest.mark.parametrize("interrupts", [0.5, 3.0])
def test_a_caller_who_speaks_over_an_echo_is_heard(interrupts: float) -> None:
    async def plan(loop: Loop, caller: FakeCaller, stt: FakeStt) -> None:
        caller.hear(QUESTION)
        await loop.run(interrupts)
        loop.caller = 60
        await loop.run(0.6)
        stt.heard.put_nowait(loop.transcript("no cancel", final=False))
        await loop.run(0.7)
        stt.heard.put_nowait(loop.transcript("no cancel that", final=True))
        await loop.run(8.0)

    held = looped(plan, {"Where": says(LONG), "cancel": says("Cancelled.")})
    assert [turn.caller for turn in held.turns if turn.caller] == [QUESTION, "no cancel that"]
    assert held.turns[-1].heard == "Cancelled."


def speaking(said: str, at: float = 0.0) -> Turns:
    subject = Turns(TurnOptions(), at)
    subject.says(said)
    subject.handle(Event.STARTED, at)
    return subject


def test_after_two_pauses_for_nothing_a_sound_is_no_reason_for_another_but_words_are() -> None:
    subject, at = speaking(LONG), 1.0
    for _ in range(PAUSES):
        assert subject.handle(Event.ONSET, at) == (Decision.PAUSE,)
        subject.handle(Event.QUIET, at + 0.4)
        assert subject.handle_timer(at + 1.4)[1] == (Decision.RESUME,)
        at += 2.0
    assert subject.handle(Event.ONSET, at) == ()
    assert subject.handle(Event.NOTICED, at + 0.1) == ()
    assert subject.hear("cancel", final=False, stable=False, now=at + 0.5)[1] == (Decision.CUT,)


def test_a_cough_or_two_in_one_reply_cost_nothing_in_the_next() -> None:
    subject = speaking(LONG)
    subject.handle(Event.ONSET, 1.0)
    subject.handle(Event.QUIET, 1.4)
    subject.handle_timer(2.4)
    subject.done(6.0)
    subject.handle(Event.STARTED, 8.0)
    for at in (9.0, 12.0):
        assert subject.handle(Event.ONSET, at) == (Decision.PAUSE,)
        subject.handle(Event.QUIET, at + 0.4)
        subject.handle_timer(at + 1.4)


@pytest.mark.parametrize(
    ("sound", "text", "answered"),
    [
        ((5.2, 5.3), "today before six", False),
        ((5.2, 5.3), "six", False),
        ((5.2, 5.3), "no", True),
        ((5.2, 5.3), "today before seven", True),
        ((5.2, 6.2), "today before six", True),
        ((5.9, 6.9), "today before six", True),
    ],
)
def test_the_end_of_an_echo_comes_after_the_agent_has_said_everything(
    sound: tuple[float, float], text: str, answered: bool
) -> None:
    """A sound that outlasts the agent's, or begins after it, is the caller's."""
    subject = speaking(LONG)
    subject.handle(Event.ONSET, 0.3)
    subject.handle(Event.QUIET, 0.6)
    subject.handle_timer(1.6)
    if sound[0] > 5.5:
        subject.done(5.0)
    subject.handle(Event.ONSET, sound[0])
    if subject.state is State.HELD:
        subject.done(5.2)
    subject.handle(Event.QUIET, sound[1] + HANGOVER)
    assert subject.hear(text, final=True, stable=False, now=7.0)[1] == ((Decision.ANSWER,) if answered else ())
    assert subject.state is (State.THINKING if answered else State.LISTENING)


def test_what_was_understood_of_an_echo_is_not_answered_when_its_final_words_are_lost() -> None:
    subject = speaking(LONG)
    subject.handle(Event.ONSET, 0.3)
    subject.hear("your", final=False, stable=False, now=0.6)
    subject.handle(Event.QUIET, 0.7)
    subject.handle_timer(1.7)
    subject.hear("today before six", final=False, stable=False, now=6.2)
    subject.done(6.2)
    assert subject.handle_timer(6.2 + TurnOptions().final_limit)[1] == ()
    assert subject.deadline == 6.2 + TurnOptions().reprompt_after


@pytest.mark.parametrize(("until", "asked"), [(3.4, False), (4.0, True)])
def test_the_end_of_an_echo_is_no_answer_that_the_stt_have_missed(until: float, asked: bool) -> None:
    subject = speaking("Shall I send it?")
    subject.handle(Event.ONSET, 0.3)
    subject.handle(Event.QUIET, 0.6)
    subject.handle_timer(1.6)
    subject.handle(Event.ONSET, 2.9)
    subject.done(3.0)
    subject.handle(Event.SPOKEN, until + HANGOVER)
    assert (subject.handle_timer(until + HANGOVER + 2.1)[1] == (Decision.ASK_AGAIN,)) is asked


def answers(words: str, until: float, seconds: float) -> tuple[Turns, tuple[Decision, ...]]:
    """The caller speaks into a question of which so much was said; what is decided at the final words."""
    subject = speaking(PIZZA)
    onset = spoken_seconds(until) + ONSET
    assert subject.handle(Event.ONSET, onset) == (Decision.PAUSE,)
    subject.handle(Event.SPOKEN, onset - ONSET + seconds + HANGOVER)
    return subject, subject.hear(words, final=True, stable=False, now=onset + seconds + 0.5)[1]


@pytest.mark.parametrize("until", ["Would you like the large", "Would you like the large pizza or the sm"])
def test_an_answer_in_the_words_of_the_question_is_heard_while_it_is_being_asked(until: str) -> None:
    assert answers("The small pizza.", until, 0.9)[1] == (Decision.CUT, Decision.ANSWER)


def test_words_that_were_not_said_yet_are_no_echo_however_short_they_are() -> None:
    assert answers("The small pizza.", "Would you like the", 0.4)[1] == (Decision.CUT, Decision.ANSWER)


def test_what_may_be_an_echo_or_the_answer_counts_when_the_question_has_been_asked() -> None:
    subject, decisions = answers("Large pizza.", "Would you like the large pizza or", 0.4)
    assert decisions == (Decision.RESUME,)
    assert subject.done(4.5) == ("Large pizza.", (Decision.ANSWER,))


def test_but_not_on_a_line_where_something_has_come_back_before() -> None:
    subject = speaking(PIZZA)
    for at, text in ((0.3, "Would"), (2.8, "large pizza")):
        subject.handle(Event.ONSET, at)
        subject.handle(Event.QUIET, at + 0.3)
        assert subject.hear(text, final=True, stable=False, now=at + 0.8)[1] == (Decision.RESUME,)
    assert subject.done(4.5) == ("", ())
