"""Seams of a call: somebody takes the caller and gives them back, a recording begins or ends, the line is on hold."""

from math import inf

import pytest

from agent.turn_taking.machine import TurnMachine
from agent.turn_taking.table import Action, State
from agent.turn_taking.words import Words
from tests.agent.turn_taking.calling import actions, answered, begins, final, interim, machine, speaking, wait

MENU = "[telephone menu] For sales, press 1."


def given_back(since: float = 10.0, until: float = 20.0) -> TurnMachine:
    """A machine whose caller was with somebody else, and began to say something just before that."""
    subject = speaking()
    interim(subject, "I want", since - 0.5)
    subject.away(True, since, taken=True)
    subject.away(False, until)
    return subject


@pytest.mark.parametrize("taken", [True, False])
def test_a_hold_that_began_while_a_person_was_waited_for_lasts_when_they_come(taken: bool) -> None:
    subject = speaking()
    subject.unattended(1.0)
    if taken:
        subject.away(True, 2.0, taken=True)
    subject.away(True, 3.0)
    subject.attended(4.0)
    assert (subject.is_away, subject.state) == (True, State.HOLDING)
    assert wait(subject, 1000.0) == []
    subject.away(False, 1000.0)
    assert (subject.is_away, subject.state) == (False, State.LISTENING)


def test_a_recording_is_still_there_after_a_hold() -> None:
    subject = speaking()
    subject.unattended(1.0)
    subject.away(True, 2.0)
    subject.away(False, 3.0)
    assert (subject.hears_recording, subject.state) == (True, State.HOLDING)
    subject.attended(4.0)
    assert not subject.is_away


def test_a_wish_for_time_does_not_end_a_hold() -> None:
    subject = speaking()
    subject.away(True, 1.0)
    subject.wait(2.0)
    subject.done(3.0)
    assert subject.is_away
    assert wait(subject, 1000.0) == [], "nobody hears a question"


def test_words_that_ended_before_the_caller_was_given_back_need_no_answer_however_late_they_come() -> None:
    subject = given_back()
    assert final(subject, "I want to cancel my order.", 20.5, 9.9) == ()
    assert (subject.state, wait(subject, 22.0)) == (State.LISTENING, [])
    assert answered(final(subject, "I want to cancel my order.", 25.0, 24.9)) == ["I want to cancel my order."]


def test_words_that_follow_late_ones_in_the_same_turn_of_the_recogniser_are_answered_alone() -> None:
    subject = given_back()
    interim(subject, "I want", 20.4)
    subject.hear(Words("I want to cancel", ended=9.9), 20.5)
    assert answered(final(subject, "I want to cancel. Are you there?", 23.0, 22.8)) == ["Are you there?"]


def test_words_are_taken_apart_where_the_caller_was_given_back_if_the_recogniser_tells_their_times() -> None:
    subject = given_back()
    began = (9.2, 9.4, 9.6, 9.7, 21.5, 21.8, 22.0)
    words = Words("I want to cancel. Are you there?", final=True, ended=22.4, began=began)
    assert answered(subject.hear(words, 23.0)) == ["Are you there?"]


def test_a_discarded_reply_does_not_bring_late_words_back() -> None:
    subject = given_back()
    subject.press("5", 20.2)
    assert answered(subject.press("#", 20.3)) == ["[pressed 5]"]
    subject.hear(Words("I want to cancel", ended=9.9), 20.5)
    assert actions(final(subject, "I want to cancel. Hello?", 21.0, 20.9))[0] is Action.DISCARD
    assert [text for *_, text, _ in wait(subject, 26.0)] == ["Hello? [pressed 5]"]


def test_late_words_do_not_make_a_babble_of_a_voice_that_goes_on() -> None:
    subject = given_back()
    begins(subject, 20.1)
    final(subject, "I want to cancel.", 20.9, 9.9)
    assert wait(subject, 25.0) == []
    assert subject.state is State.HEARING, "and the agent begins no reply over it"


def test_words_without_a_time_are_the_callers() -> None:
    assert answered(final(given_back(), "I want to cancel.", 20.5, inf)) == ["to cancel."]


def test_late_words_of_a_menu_that_is_being_answered_are_no_turn() -> None:
    subject = machine()
    subject.unattended(1.0)
    assert answered(subject.asked(MENU, 10.0)) == [MENU]
    assert final(subject, "Calls are recorded.", 10.5, 7.9) == ()
    assert subject.state is State.THINKING


def test_what_a_person_said_before_it_was_known_that_they_are_there_is_answered() -> None:
    subject = machine()
    subject.unattended(1.0)
    subject.attended(10.0)
    assert answered(final(subject, "Hello, this is Ann.", 10.0, 9.8)) == ["Hello, this is Ann."]


@pytest.mark.parametrize("ended", [9.7, 6.5], ids=["after the menu was answered", "before"])
def test_words_of_a_person_who_speaks_while_a_key_is_chosen_are_answered_though_they_are_reported_after_it(
    ended: float,
) -> None:
    subject = machine()
    subject.unattended(1.0)
    subject.asked(MENU, 8.0)
    subject.unattended(10.0, breaks_off=False)
    subject.done(10.1)
    subject.attended(10.4)
    heard = answered(final(subject, "Hello, this is Ann.", 10.4, ended))
    assert heard == (["Hello, this is Ann."] if ended > 8.0 else [])


def test_what_a_person_had_begun_to_say_before_a_key_is_answered_whole() -> None:
    subject = speaking()
    interim(subject, "hello", 9.8)
    subject.unattended(10.0, breaks_off=False)
    subject.done(10.1)
    subject.attended(10.6)
    assert answered(final(subject, "Hello, this is Ann.", 10.6, 10.4)) == ["Hello, this is Ann."]


def test_a_menu_that_ends_while_somebody_else_has_the_call_is_not_answered_and_nobody_is_there_by_it() -> None:
    subject = machine()
    subject.unattended(1.0)
    subject.away(True, 2.0, taken=True)
    assert subject.asked(MENU, 10.0) == ()
    subject.away(False, 20.0)
    assert (subject.hears_recording, subject.state) == (True, State.HOLDING)
    assert wait(subject, 1000.0) == [], "nobody asks a menu whether it is there"
    assert answered(subject.asked(MENU, 1000.0)) == [MENU]


def test_a_person_who_comes_while_somebody_else_has_the_call_is_there_afterwards() -> None:
    subject = machine()
    subject.unattended(1.0)
    subject.away(True, 2.0, taken=True)
    subject.attended(10.0)
    assert subject.state is State.TAKEN
    subject.away(False, 20.0)
    assert (subject.is_away, subject.state) == (False, State.LISTENING)
    assert [action.name for _, action, *_ in wait(subject, 40.0)][:1] == ["REPROMPT"]


def test_nobody_hears_the_agent_on_hold_or_while_somebody_else_speaks() -> None:
    subject = speaking()
    heard = [subject.is_heard]
    subject.away(True, 1.0)
    heard.append(subject.is_heard)
    subject.away(True, 2.0, taken=True)
    heard.append(subject.is_heard)
    subject.away(False, 3.0)
    heard.append(subject.is_heard)
    assert actions(subject.unattended(4.0)), "what is said to a person breaks off"
    assert [*heard, subject.is_heard] == [True, False, False, True, True], "a recording may be told something"
