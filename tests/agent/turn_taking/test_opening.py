"""The beginning of a call: a notice that nobody may interrupt, and the greeting after it."""

import pytest

from agent.turn_taking.machine import TurnMachine
from agent.turn_taking.table import Action, State
from tests.agent.turn_taking.calling import actions, answered, begins, ends, final, interim, machine


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


@pytest.mark.parametrize("last", ["Thank you.", "", "Okay, thank you."])
def test_words_that_are_cut_off_by_the_end_of_a_notice_do_not_cost_the_greeting(last: str) -> None:
    subject = announcing()
    interim(subject, "Okay thank" if last.startswith("Okay") else "Thank", 2.8)
    assert actions(subject.done(3.0)) == (Action.GREET,)
    subject.says("Hello, this is Anna, an AI. What can I do for you?", "", 3.2)
    assert actions(final(subject, last, 3.4)) in ((), (Action.KEEP,))
    assert subject.done(6.0) == ()


def test_words_behind_an_assent_are_answered_with_it() -> None:
    subject = announcing()
    interim(subject, "Okay", 2.8)
    assert actions(subject.done(3.0)) == (Action.GREET,)
    subject.says("Hello, this is Anna, an AI. What can I do for you?", "", 3.2)
    assert answered(final(subject, "Okay, but I do not want that.", 4.0)) == ["Okay, but I do not want that."]


@pytest.mark.parametrize("last", ["", "Thanks."])
def test_the_greeting_follows_when_what_was_said_into_the_notice_comes_to_nothing(last: str) -> None:
    subject = announcing()
    interim(subject, "I want", 2.8)
    assert subject.done(3.0) == ()
    assert subject.state is State.HEARING
    assert actions(final(subject, last, 3.6)) == (Action.GREET,)
    subject.says("Hello, this is Anna, an AI. What can I do for you?", "", 4.0)
    subject.done(6.0)
    assert answered(final(subject, "Thanks.", 8.0)) == ["Thanks."], "once"


@pytest.mark.parametrize("taken", [True, False])
def test_a_greeting_that_was_put_off_does_not_follow_when_somebody_else_gives_the_caller_back(taken: bool) -> None:
    subject = announcing()
    interim(subject, "hello there", 1.0)
    subject.done(2.0)
    if taken:
        subject.away(True, 3.0, taken=True)
        subject.away(False, 100.0)
    else:
        subject.unattended(3.0)
        subject.attended(100.0)
    begins(subject, 110.0)
    assert actions(ends(subject, 110.5)) == ()


def test_nothing_is_announced_to_a_caller_who_is_with_somebody_else() -> None:
    subject = machine()
    subject.away(True, 1.0, taken=True)
    subject.announce(2.0)
    assert subject.state is State.TAKEN
