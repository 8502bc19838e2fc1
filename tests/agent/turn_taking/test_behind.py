"""A caller in front of a television: the recogniser never hears that the turn has ended."""

from agent.hearing.changes import Kind
from agent.turn_taking.table import Action, State
from agent.turn_taking.words import Words
from tests.agent.turn_taking.calling import STATEMENT, actions, begins, ends, machine, speaking, voice, wait


def test_the_turn_ends_by_its_silence_where_somebody_goes_on_behind_the_caller() -> None:
    subject = machine()
    begins(subject, 1.0)
    subject.hear(Words("where is my order"), 2.0)
    assert actions(subject.sound(voice(Kind.VOICE_ENDED, 2.1, behind=True), 2.6)) == (Action.PREPARE,)
    assert not subject.hear(Words("where is my order", ended=2.0, others=True), 2.7)
    ((at, action, text, _),) = wait(subject, 2.9)
    assert (round(at, 2), action, text) == (2.8, Action.ANSWER, "where is my order")
    assert not subject.hear(Words("where is my order", ended=2.0, others=True), 9.0), "no new turn"
    assert not subject.hear(Words("where is my order", final=True, ended=2.0, others=True), 10.0)
    assert subject.state is State.THINKING


def test_words_of_somebody_else_tell_that_the_recogniser_will_not_end_the_turn() -> None:
    subject = machine()
    begins(subject, 1.0)
    subject.hear(Words("where is my order"), 2.0)
    ends(subject, 2.1)
    subject.hear(Words("where is my order", ended=2.0, others=True), 2.7)
    assert [(round(at, 1), action) for at, action, *_ in wait(subject, 3.0)] == [(2.8, Action.ANSWER)]


def test_a_voice_that_was_somebody_else_s_ends_the_pause() -> None:
    subject = speaking()
    assert actions(begins(subject, 1.0)) == (Action.PAUSE,)
    ended = subject.sound(voice(Kind.VOICE_ENDED, 1.5, background=True, behind=True), 2.0)
    assert actions(ended) == (Action.RESUME,)
    assert not subject.hear(Words("", final=True, others=True), 3.0)
    assert subject.state is State.SPEAKING


def test_an_okay_that_comes_again_with_the_television_does_not_break_off_a_question_put_since_then() -> None:
    subject = speaking()
    begins(subject, 1.0)
    subject.hear(Words("okay", ended=1.4), 1.6)
    ends(subject, 1.5, behind=True)
    assert [action for _, action, *_ in wait(subject, 3.0)] == [Action.RESUME]
    subject.says("Shall I send it again?", STATEMENT, 4.0)
    assert not subject.hear(Words("okay", ended=1.4, others=True), 5.0)
    assert subject.state is State.SPEAKING
