"""A reply that has paused for a short voice waits as long for its words as the words of other voices took."""

import pytest

from agent.turn_taking.machine import TurnMachine
from agent.turn_taking.parties import BORNE, LATELY, LONGEST_LAG, SLOWER, CallerManner
from agent.turn_taking.situation import HANGOVER, SHORT_CONFIRM
from agent.turn_taking.table import Action, State
from agent.turn_taking.words import Words
from tests.agent.turn_taking.calling import STATEMENT, actions, begins, ends, final, interim, speaking, wait

LONGEST = 1.0 + HANGOVER


def paused(late: float, text: str = "Where is my order?") -> TurnMachine:
    """The words of the caller's turn came so late after its voice; then a voice of 0.4 s, until second 20, has paused
    the reply to it."""
    subject = speaking()
    begins(subject, 1.0)
    ends(subject, 5.0)
    final(subject, text, 5.0 + late, ended=5.0)
    interrupt(subject)
    return subject


def interrupt(subject: TurnMachine, said: str = STATEMENT) -> None:
    """A voice of 0.4 s, until second 20, pauses the reply."""
    wait(subject, 12.0)
    subject.says(said, "", 12.0)
    assert actions(begins(subject, 19.6)) == (Action.PAUSE,)
    assert ends(subject, 20.0) == ()


def resumed(subject: TurnMachine) -> float:
    """When the paused reply goes on."""
    at, action, *_ = wait(subject, 25.0)[0]
    assert action is Action.RESUME
    return at


@pytest.mark.parametrize(
    ("late", "until"),
    [(0.4, 0.4 + SLOWER), (0.7, 0.7 + SLOWER), (1.2, LONGEST), (LONGEST_LAG + 0.1, SHORT_CONFIRM)],
)
def test_the_reply_goes_on_when_words_are_later_than_they_were_before(late: float, until: float) -> None:
    subject = paused(late)
    assert resumed(subject) == pytest.approx(20.0 + until)
    assert subject.state is State.SPEAKING


def test_the_words_of_a_short_answer_to_a_question_are_given_longer() -> None:
    subject = speaking()
    interrupt(subject, "Would you like a new one, or do you want your money back and the old one, too?")
    assert resumed(subject) == pytest.approx(20.0 + LONGEST)


def test_words_that_come_as_late_as_before_interrupt_a_reply_that_has_not_gone_on() -> None:
    subject = paused(0.7)
    assert wait(subject, 20.7) == []
    assert Action.CUT in actions(subject.hear(Words("One.", eager=True, ended=20.0), 20.7))


def test_a_murmur_lets_the_reply_go_on_as_soon_as_its_words_are_known() -> None:
    subject = paused(1.0)
    assert actions(final(subject, "Okay.", 20.5, ended=20.0)) == (Action.RESUME,)


def test_words_that_come_before_the_end_of_the_voice_is_noticed_tell_nothing() -> None:
    subject = speaking()
    begins(subject, 1.0)
    interim(subject, "Where is my order", 5.15)
    ends(subject, 5.0)
    final(subject, "Where is my order?", 6.4, ended=5.0)  # the end of the turn, and no word more
    interrupt(subject)
    assert resumed(subject) == pytest.approx(20.0 + SHORT_CONFIRM)


def test_words_that_are_not_of_the_last_voice_tell_nothing() -> None:
    subject = speaking()
    begins(subject, 1.0)
    ends(subject, 5.0)
    final(subject, "Where is my order?", 5.3, ended=5.0)
    final(subject, "The blue one.", 7.0, ended=6.9)  # a voice that was not noticed
    interrupt(subject)
    assert resumed(subject) == pytest.approx(20.0 + 0.3 + SLOWER)


def test_one_slow_answer_of_a_busy_recogniser_is_forgotten() -> None:
    manner = CallerManner(listens=True)
    manner.worded(1.0, 2.4)
    manner.followed(2.0, 3.2)
    for voice in range(LATELY):
        assert manner.awaited == pytest.approx(1.2 + SLOWER)
        assert manner.bearing == pytest.approx(1.4 + SLOWER)
        manner.worded(10.0 + voice, 10.5 + voice)
    assert (manner.awaited, manner.bearing) == (0.0, BORNE)
