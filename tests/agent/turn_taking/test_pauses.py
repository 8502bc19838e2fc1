"""The pauses of a caller: learned wherever they go on, be it that no reply had begun or that it went on."""

import pytest

from agent.turn_taking.endpointing import MORE
from agent.turn_taking.machine import TurnMachine
from agent.turn_taking.table import Action, State
from tests.agent.turn_taking.calling import STATEMENT, actions, answered, begins, ends, final, interim, machine


def asked() -> TurnMachine:
    """The caller begins to ask, and pauses at 2.0."""
    subject = machine()
    subject.says("Hello.", "", 0.0)
    subject.done(0.5)
    begins(subject, 1.0)
    interim(subject, "Where is", 1.8)
    ends(subject, 2.0)
    return subject


def answers(subject: TurnMachine, at: float = 2.6) -> None:
    """The recogniser takes that for the whole turn, and the reply begins."""
    assert answered(final(subject, "Where is", at, 2.0)) == ["Where is"]
    subject.says(STATEMENT, "", at + 0.3)


@pytest.mark.parametrize(("pause", "learned"), [(0.5, 0.0), (0.9, 0.9 * MORE)])
def test_a_pause_that_was_waited_for_is_learned_if_it_is_longer_than_most(pause: float, learned: float) -> None:
    subject = asked()
    begins(subject, 2.0 + pause)
    assert subject.endpointing.pause == pytest.approx(learned)


def test_the_pauses_between_groups_of_digits_are_not_learned() -> None:
    subject = machine()
    begins(subject, 1.0)
    interim(subject, "four one five", 1.8)
    ends(subject, 2.0)
    begins(subject, 3.2)
    assert subject.endpointing.pause == 0.0


def test_the_rest_of_a_turn_tells_its_pause_though_the_reply_goes_on_over_it() -> None:
    subject = asked()
    answers(subject)
    assert actions(begins(subject, 3.2)) == (Action.PAUSE,)
    ends(subject, 3.6)
    assert actions(final(subject, "My parcel", 4.0, 3.6)) == (Action.RESUME,)
    assert subject.endpointing.pause == pytest.approx(1.2 * MORE)


def test_the_rest_of_a_turn_tells_its_pause_though_its_words_come_after_the_reply() -> None:
    subject = asked()
    answers(subject)
    begins(subject, 3.2)
    subject.done(3.5)
    ends(subject, 3.6)
    assert actions(final(subject, "My parcel", 4.0, 3.6)) == (Action.PREPARE,)
    assert subject.endpointing.pause >= 1.2


@pytest.mark.parametrize("text", ["Okay", "Mhm"])
def test_a_murmur_at_the_beginning_of_a_reply_is_no_rest_of_a_turn(text: str) -> None:
    subject = asked()
    answers(subject)
    begins(subject, 3.2)
    ends(subject, 3.6)
    final(subject, text, 4.0, 3.6)
    assert subject.endpointing.pause == 0.0


def test_a_quick_answer_to_a_short_question_is_no_pause() -> None:
    subject = asked()
    assert answered(final(subject, "Where is my parcel.", 2.4, 2.0)) == ["Where is my parcel."]
    subject.says("Your name?", "", 2.6)
    subject.done(3.1)
    begins(subject, 3.3)
    ends(subject, 3.6)
    final(subject, "Miller", 4.0, 3.6)
    assert subject.endpointing.pause == 0.0


def test_a_caller_who_goes_on_before_the_reply_has_begun_makes_such_pauses() -> None:
    subject = asked()
    assert answered(final(subject, "Where is", 2.6, 2.0)) == ["Where is"]
    begins(subject, 3.0)
    interim(subject, "my order", 3.6)
    assert subject.endpointing.pause == pytest.approx(1.0 * MORE)


def test_a_sound_that_answers_nothing_throws_no_reply_away_that_is_being_made() -> None:
    subject = asked()
    assert answered(final(subject, "Where is", 2.6, 2.0)) == ["Where is"]
    begins(subject, 3.0)
    assert actions(interim(subject, "um", 3.4)) == ()
    assert subject.state is State.THINKING
