"""Words over which the agent went on: what they answer, and that none is lost."""

import pytest

from agent.phrases import PHRASES, phrases_of
from agent.turn_taking.expect import AT, BETWEEN, DOT, REPEATS, Expected, characters
from agent.turn_taking.expect import Kind as Answer
from agent.turn_taking.lexicon import Lexicon
from agent.turn_taking.table import Action, State
from tests.agent.turn_taking.calling import (
    STATEMENT,
    actions,
    answered,
    begins,
    ends,
    final,
    interim,
    speaking,
    wait,
)  # fmt: skip


@pytest.mark.parametrize(("late", "told"), [(1.9, ["Tuesday"]), (3.1, [])])
def test_an_early_answer_answers_the_question_that_follows(late: float, told: list[str]) -> None:
    subject = speaking()
    final(subject, "Tuesday", 1.0)
    subject.says("Which day?", STATEMENT, 1.1)
    assert answered(subject.done(1.0 + late)) == told
    assert subject.answer_stands is None or not told, "and is never a yes to it"


@pytest.mark.parametrize("cut", [False, True])
def test_an_okay_before_the_question_is_put_does_not_answer_it(cut: bool) -> None:
    subject = speaking("I will cancel order seven and nothing can bring it back.")
    assert actions(final(subject, "Okay.", 2.0, 1.6)) == (Action.KEEP,)
    subject.says("Shall I do that?", "I will cancel order seven and nothing can bring it back.", 2.4)
    if cut:
        assert answered(final(subject, "Yes.", 2.9)) == ["Yes."]
        assert subject.answer_stands == 2.9
    else:
        assert subject.done(2.9) == ()


@pytest.mark.parametrize("goes_on", [False, True])
def test_an_okay_while_the_question_is_put_answers_it_but_is_no_consent(goes_on: bool) -> None:
    subject = speaking("Just tell me whether I shall do that now.")
    assert actions(final(subject, "Okay.", 2.0, 1.6)) == (Action.KEEP,)
    subject.expect(Expected(Answer.YES_NO))
    if goes_on:
        subject.says("It takes a minute.", "Just tell me whether I shall do that now.", 2.4)
    assert answered(subject.done(3.5)) == ["Okay."]
    assert subject.answer_stands is None
    subject.says("Shall I do that?", "", 4.0)
    subject.done(5.0)
    assert answered(final(subject, "Yes.", 6.0)) == ["Yes."]
    assert subject.answer_stands == 6.0


def test_words_that_were_set_aside_are_no_consent_with_the_next_turn_either() -> None:
    subject = speaking()
    final(subject, "Then Monday", 1.0)
    subject.done(9.0)
    begins(subject, 12.0)
    assert answered(final(subject, "Hm?", 12.5)) == ["Then Monday Hm?"]
    assert subject.answer_stands is None
    assert Action.DISCARD in actions(interim(subject, "well", 12.9))
    ends(subject, 13.0)
    assert [text for _, action, text, _ in wait(subject, 20.0) if action is Action.ANSWER] == ["Then Monday Hm? well"]
    assert subject.answer_stands is None, "it is given back with the turn"


def test_words_over_which_the_agent_went_on_stand_before_the_next_turn_unless_they_only_agree() -> None:
    subject = speaking()
    final(subject, "Tuesday morning", 1.0)
    subject.done(9.0)
    assert answered(final(subject, "Are you there?", 12.0)) == ["Tuesday morning Are you there?"]
    subject.says(STATEMENT, "", 13.0)
    final(subject, "thank you", 14.0)
    subject.done(20.0)
    assert answered(final(subject, "And when?", 22.0)) == ["And when?"]


def test_words_set_aside_are_given_back_with_the_turn_that_they_stand_in() -> None:
    subject = speaking()
    final(subject, "Blue one.", 1.0)
    subject.done(10.0)
    assert answered(final(subject, "I want to order", 12.4, 12.0)) == ["Blue one. I want to order"]
    assert Action.DISCARD in actions(interim(subject, "for two", 12.9))
    answer = final(subject, "for two", 13.4, 13.2)[-1]
    assert (answer.text, answer.instead) == ("Blue one. I want to order for two", "Blue one. I want to order")


@pytest.mark.parametrize("state", ["said just before", "kept", "being thought about", "waiting for more", "keys"])
def test_nothing_is_said_to_a_caller_whom_somebody_else_has_taken(state: str) -> None:
    subject = speaking()
    if state == "said just before":
        final(subject, "Blue one.", 9.5, 9.4)
    elif state == "kept":
        final(subject, "Blue one.", 1.0, 0.9)
    elif state == "being thought about":
        assert answered(final(subject, "No, the blue one.", 9.0, 8.9))
    elif state == "waiting for more":
        interim(subject, "No, the", 9.0)
    else:
        subject.press("1", 9.0)
    broken = actions(subject.away(True, 10.0, taken=True))
    assert set(broken) <= {Action.CUT}
    assert subject.state is State.TAKEN
    begins(subject, 11.0)
    assert final(subject, "No, the blue one is broken.", 12.0, 11.9) == ()
    assert subject.press("1", 13.0) == subject.press("#", 13.5) == ()
    assert wait(subject, 3000.0) == []
    assert subject.away(False, 3000.0) == ()
    assert answered(final(subject, "Hello there again?", 3002.0)) == ["Hello there again?"]


def test_a_caller_who_speaks_while_the_other_person_leaves_is_not_talked_over() -> None:
    subject = speaking()
    subject.away(True, 10.0, taken=True)
    begins(subject, 19.5)
    subject.away(False, 20.0)
    interim(subject, "And one more", 21.0)
    assert wait(subject, 26.0) == []
    ends(subject, 26.5)
    assert answered(final(subject, "And one more thing.", 26.8, 26.5)) == ["And one more thing."]


def test_who_is_given_back_while_the_line_is_on_hold_is_waited_for() -> None:
    subject = speaking()
    subject.away(True, 10.0, taken=True)
    subject.away(True, 20.0)
    assert subject.state is State.HOLDING
    assert subject.is_away


def test_words_set_aside_are_told_with_a_late_result() -> None:
    subject = speaking()
    final(subject, "Blue one.", 1.0)
    subject.done(10.0)
    (told,) = subject.late(11.0)
    assert (told.action, told.text) == (Action.TELL, "Blue one.")
    subject.says(STATEMENT, "", 12.0)
    assert subject.late(13.0) == (), "not into what is being said"


@pytest.mark.parametrize("text", ["two", "Seven seven", "4", "okay three"])
def test_a_number_into_a_statement_interrupts_however_short_it_is(text: str) -> None:
    subject = speaking()
    begins(subject, 1.0)
    assert actions(interim(subject, text, 1.5)) == (Action.CUT,)


def test_what_stands_between_digits_is_no_number() -> None:
    subject = speaking()
    begins(subject, 1.0)
    assert Action.CUT not in actions(final(subject, "dot", 1.5, ended=1.3))


def test_what_the_phrases_have_besides_digits_is_no_digit() -> None:
    known = phrases_of(PHRASES).digits
    assert {word for word in known if characters(f"1 {word}", Lexicon(digits=known)) != 2} == known & {
        *BETWEEN, *REPEATS
    }  # fmt: skip
    assert known & AT and known & DOT and known >= {"double", "triple", "dash"}
