"""What cost the agent its reply and was nothing: words that the STT takes back, and an "mm-hmm" while it thinks."""

import asyncio

import pytest

from agent.stt import Transcript
from agent.turn_table import Decision, Event, State
from agent.turns import TurnOptions, Turns
from tests.agent.holding import LONG, PERSONA, Setting, by_last, hold
from tests.fakes.line import calls, now, says

QUESTION = "Where is my order?"


def thinking() -> Turns:
    subject = Turns(TurnOptions(), 0.0)
    subject.hear(QUESTION, final=True, stable=False, now=1.0)
    return subject


@pytest.mark.parametrize("final", [False, True])
def test_a_backchannel_while_the_agent_thinks_is_nothing_but_a_yes_is_not(final: bool) -> None:
    subject = thinking()
    assert subject.hear("Mm-hmm", final=final, stable=False, now=1.5)[1] == ()
    assert subject.state is State.THINKING
    assert Decision.DISCARD in subject.hear("yes", final=final, stable=False, now=1.8)[1]


@pytest.mark.parametrize("quiet", [False, True])
def test_a_question_is_answered_although_words_after_it_were_taken_back(quiet: bool) -> None:
    subject = thinking()
    subject.handle(Event.ONSET, 1.2)
    assert subject.hear("on", final=False, stable=False, now=1.5)[1] == (Decision.DISCARD,)
    if quiet:
        subject.handle(Event.QUIET, 1.7)
    assert subject.hear("", final=True, stable=False, now=2.0) == ("", (Decision.ANSWER,))
    assert subject.state is State.THINKING
    assert subject.hear("", final=True, stable=False, now=2.5)[1] == (), "once is enough"


@pytest.mark.parametrize("held", [False, True])
def test_who_cut_the_agent_short_with_words_that_were_taken_back_is_asked_to_say_it_again(held: bool) -> None:
    subject = thinking()
    subject.says(LONG)
    subject.handle(Event.STARTED, 2.0)
    if held:
        subject.handle(Event.ONSET, 3.0)
    assert subject.hear("on", final=False, stable=False, now=3.3)[1] == (Decision.CUT,)
    assert subject.hear("", final=True, stable=False, now=4.0)[1] == (Decision.ASK_AGAIN,)
    assert subject.hear("", final=True, stable=False, now=4.5)[1] == ()


def test_keys_that_are_being_pressed_are_not_taken_back() -> None:
    subject = thinking()
    assert subject.digit("4", 1.5)[1] == (Decision.DISCARD,)
    assert subject.hear("", final=True, stable=False, now=2.0)[1] == ()
    assert subject.handle_timer(1.5 + TurnOptions().digit_pause) == ("[pressed 4]", (Decision.ANSWER,))


def test_what_was_taken_back_is_forgotten_once_something_is_answered() -> None:
    subject = thinking()
    subject.hear("on", final=False, stable=False, now=1.5)
    subject.hear("on its way?", final=True, stable=False, now=2.0)
    subject.says("Yes.")
    subject.handle(Event.STARTED, 2.5)
    subject.done(3.5)
    assert subject.hear("", final=True, stable=False, now=4.0)[1] == ()


@pytest.mark.parametrize("tool", [False, True])
def test_the_caller_hears_the_answer_all_the_same(tool: bool) -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say(QUESTION)
        await asyncio.sleep(0.2)
        stt.heard.put_nowait(Transcript("on", False, False, 2.0))
        await asyncio.sleep(0.4)
        stt.heard.put_nowait(Transcript("", True, False, 2.0))
        await asyncio.sleep(8)
        caller.hang_up()

    def script(messages):
        if tool and messages[-1]["role"] == "user":
            return [calls("nope")]
        return [0.8, *says("It is here.")]

    held = hold(plan, Setting(script=script))
    assert held.turns[-1].heard == "It is here."
    assert [message["content"] for message in held.last_asked() if message["role"] == "user"] == [QUESTION]


def test_the_caller_who_cut_the_agent_short_is_asked() -> None:
    at: list[float] = []

    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say(QUESTION)
        await asyncio.sleep(1.5)
        stt.heard.put_nowait(Transcript("on", False, False, 2.0))
        await asyncio.sleep(0.4)
        stt.heard.put_nowait(Transcript("", True, False, 2.0))
        at.append(now())
        await asyncio.sleep(6)
        caller.hang_up()

    turns = hold(plan, Setting(script=by_last({"Where": says(LONG)}))).turns
    assert turns[-2].interrupted
    assert turns[-1].heard == PERSONA.again
    assert turns[-1].times.first_packet - at[0] < 1.0


def test_a_yes_that_answers_a_question_during_a_pause_ends_the_pause() -> None:
    subject = Turns(TurnOptions(), 0.0)
    subject.says("It costs ten euros.")
    subject.handle(Event.STARTED, 4.0)
    subject.hear("okay", final=True, stable=False, now=5.0)
    subject.says("Shall I book it?")
    subject.handle(Event.ONSET, 6.0)
    assert subject.done(6.02) == ("okay", (Decision.RESUME, Decision.ANSWER))
