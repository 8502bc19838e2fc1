"""The beginning of a call: a notice that nobody may interrupt, and the greeting behind it."""

import pytest

from agent.turn_taking.machine import TurnMachine
from agent.turn_taking.table import Action, State
from tests.agent.turn_taking.calling import actions, answered, final, interim, machine


def announcing() -> TurnMachine:
    subject = machine()
    subject.announce(0.0)
    subject.says("This call is recorded.", "", 0.1)
    return subject


@pytest.mark.parametrize("how", [final, interim])
@pytest.mark.parametrize("text", ["Okay.", "Hello?", "Um, okay.", "mm-hmm"])
def test_words_that_only_agree_to_a_notice_do_not_stand_for_the_greeting(how, text: str) -> None:
    subject = announcing()
    how(subject, text, 2.6)
    assert actions(subject.done(3.0)) == (Action.GREET,)
    subject.says("Hello, this is Anna, an AI. What can I do for you?", "", 3.2)
    if how is interim:
        assert actions(final(subject, text, 3.3)) in ((), (Action.KEEP,)), "the same words again"


def test_what_is_said_into_a_notice_is_answered_after_it() -> None:
    subject = announcing()
    assert final(subject, "I do not want that.", 2.6) == ()
    assert answered(subject.done(3.0)) == ["I do not want that."]


@pytest.mark.parametrize("noticed", [False, True])
def test_a_hello_into_the_greeting_does_not_break_it_off(noticed: bool) -> None:
    subject = announcing() if noticed else machine()
    if noticed:
        subject.done(3.0)
    subject.says("Hello, this is Anna. What can I do for you?", "", 3.2)
    assert actions(final(subject, "Hello?", 4.0, 3.9)) == (Action.KEEP,)
    assert subject.state is State.SPEAKING
