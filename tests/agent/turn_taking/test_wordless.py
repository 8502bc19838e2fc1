"""A certain voice in a reply that brings too few words, or none: the reply never goes on over it."""

from agent.hearing.changes import Kind
from agent.turn_taking.situation import LONGEST_PAUSE
from agent.turn_taking.table import Action, State
from tests.agent.turn_taking.calling import (
    STATEMENT,
    actions,
    answered,
    begins,
    ends,
    final,
    interim,
    machine,
    speaking,
    voice,
    wait,
)


def test_a_certain_voice_behind_words_that_are_too_few_to_tell_is_an_interruption() -> None:
    subject = speaking()
    begins(subject, 1.0)
    assert interim(subject, "Okay so", 1.6) == ()
    assert [(at, action) for at, action, _, _ in wait(subject, 20.0)] == [(1.6 + LONGEST_PAUSE, Action.CUT)]
    assert subject.state is State.HEARING
    ends(subject, 20.0)
    assert answered(final(subject, "Okay so I moved.", 20.5)) == ["Okay so I moved."]


def test_a_recogniser_that_reports_nothing_of_long_voices_has_failed() -> None:
    subject = speaking()
    told = []
    for at in (1.0, 31.0, 61.0):
        begins(subject, at)
        told += [action for _, action, _, _ in wait(subject, at + LONGEST_PAUSE + 0.1)]
        ends(subject, at + LONGEST_PAUSE + 1.0)
        subject.says(STATEMENT, "", at + 20.0)
    assert told.count(Action.HARDLY) == 2
    assert told[-1] is Action.GIVE_UP


def test_d4_a_long_interruption_without_words_is_not_talked_over() -> None:
    subject = speaking()
    begins(subject, 1.0)
    assert wait(subject, 9.0) == []
    ends(subject, 9.0)
    assert answered(final(subject, "No listen, I moved last week", 9.8)) == ["No listen, I moved last week"]


def test_a_reply_goes_on_at_once_when_the_recogniser_has_found_no_words_in_a_voice() -> None:
    subject = speaking()
    assert actions(begins(subject, 1.0)) == (Action.PAUSE,)
    ends(subject, 2.0)
    assert actions(final(subject, "", 2.4, 2.0)) == (Action.RESUME,)


def test_a_sound_that_becomes_a_certain_voice_after_the_last_words_is_not_talked_over() -> None:
    subject = machine()
    begins(subject, 0.0, probability=0.5)
    assert answered(final(subject, "Where is my order?", 2.0))
    subject.sound(voice(Kind.VOICE_CERTAIN, 3.5), 3.5)
    assert Action.PAUSE in actions(subject.says("It is on its way.", "", 3.6))
    assert not [what for at, what, _, _ in wait(subject, 9.0) if what is Action.RESUME]
