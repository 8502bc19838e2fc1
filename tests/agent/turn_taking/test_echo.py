"""Which words are the agent's own that come back."""

import numpy as np
import pytest

from agent.hearing.caller import CallerSound
from agent.hearing.changes import Kind
from agent.hearing.echo_path import Path
from agent.turn_taking.machine import TurnMachine
from agent.turn_taking.table import Action, State
from tests.agent.hearing.lines import AGENT, heard, line, model, of
from tests.agent.hearing.mixing import RATE, at_level, place, ulaw_clip
from tests.agent.turn_taking.calling import actions, answered, begins, ends, final, interim, speaking


def measured() -> TurnMachine:
    subject = speaking()
    subject.hear_line(Path.ECHO)
    return subject


@pytest.mark.parametrize("text", ["for delivery", "today before six and no other", "your order"])
def test_words_without_a_voice_are_an_echo_where_it_is_measured(text: str) -> None:
    subject = measured()
    assert interim(subject, text, 1.0) == ()
    assert Action.CUT not in actions(final(subject, text, 1.5))
    assert subject.done(6.0) == ()
    assert subject.state is State.LISTENING


@pytest.mark.parametrize("noticed", [True, False])
def test_until_the_line_is_known_only_words_that_the_agent_has_said_are_its_echo(noticed: bool) -> None:
    subject = speaking("Welcome to the store, what can I do for you?")
    subject.hear_line(Path.UNKNOWN)
    assert actions(final(subject, "store word can", 0.8, ended=0.6)) == (Action.KEEP,), "one of them was misheard"
    interim(subject, "Please note", 1.2)
    if noticed:
        begins(subject, 2.0)
    assert answered(final(subject, "Please note down this.", 2.5, ended=2.2)) == ["Please note down this."]


@pytest.mark.parametrize("path", [Path.UNKNOWN, Path.CLEAN])
def test_words_that_began_like_an_echo_come_back_with_those_that_show_that_they_were_none(path: Path) -> None:
    subject = speaking("This call is recorded, because the law wants it to be.")
    subject.hear_line(Path.UNKNOWN)
    for at, text in enumerate(("I", "I want")):
        assert interim(subject, text, 0.5 + 0.2 * at) == ()
    subject.hear_line(path)
    if path is Path.UNKNOWN:
        interim(subject, "I want it never to cost me", 1.5)
    assert answered(final(subject, "I want it never to cost me anything.", 2.5, 2.2)) == [
        "I want it never to cost me anything."
    ]


def test_a_soft_caller_who_speaks_into_the_greeting_of_a_new_line_is_answered() -> None:
    """Recorded speech, which is too soft for a voice to be noticed over the agent at once."""
    sound, said = CallerSound(model()), at_level(ulaw_clip("lv_0880.wav"), -40.0)
    greeting = at_level(ulaw_clip("jfk.wav")[: 4 * RATE], AGENT)
    call = line(1.1, np.random.default_rng(3), greeting, place(4 * RATE, (0.3, said)))
    subject = speaking("Hello, this is Acme Store, and we are happy that you call.")
    changes = heard(sound, call)
    assert not of(changes, Kind.VOICE_STARTED), "it is not noticed"
    subject.hear_line(sound.path)
    assert sound.path is Path.UNKNOWN
    interim(subject, "he was", 1.1)
    assert answered(final(subject, "he was not an ill disposed young man", 3.0, ended=2.7)) == [
        "he was not an ill disposed young man"
    ]


def test_a_caller_over_an_echo_is_heard() -> None:
    subject = measured()
    begins(subject, 1.0, return_loss=20.0)
    assert answered(final(subject, "out for delivery you say?", 2.0)) == ["out for delivery you say?"]


def test_an_echo_beside_the_voice_of_the_caller_is_told_by_when_it_sounded() -> None:
    subject = measured()
    begins(subject, 3.0, return_loss=20.0)
    assert final(subject, "Your order", 3.3, ended=2.8) == ()
    assert actions(final(subject, "Not that order", 4.5, ended=4.0))[:2] == (Action.CUT, Action.ANSWER)
    ends(subject, 4.0)
    subject.says("Which order?", "", 4.2)
    assert actions(final(subject, "Which ord", 4.8, ended=4.45)) == (Action.KEEP,)
    assert Action.CUT in actions(final(subject, "The other one", 5.2, ended=4.15))


def test_an_echo_ends_with_the_sound_of_the_agent_however_late_it_is_told() -> None:
    subject = measured()
    subject.done(6.0)
    assert final(subject, "before six", 7.5, ended=6.3) == ()
    assert answered(final(subject, "and tomorrow?", 7.9, ended=7.2)) == ["and tomorrow?"]


def test_without_a_measurement_a_run_of_three_of_its_words_is_an_echo() -> None:
    subject = speaking()
    assert actions(final(subject, "order is out for", 1.5)) == (Action.KEEP,)
    assert subject.done(9.0) == ()


@pytest.mark.parametrize("ended", [2.7, 3.6])
@pytest.mark.parametrize("noticed", [True, False])
def test_on_a_line_without_echo_a_choice_that_is_repeated_is_the_answer(ended: float, noticed: bool) -> None:
    subject = speaking("Would you like Monday at nine or Tuesday at ten?")
    subject.hear_line(Path.CLEAN)
    if ended > 3.0:
        subject.done(3.0)
    if noticed:
        begins(subject, ended - 0.5)
        ends(subject, ended)
    assert answered(final(subject, "Tuesday at ten.", ended + 0.3, ended)) == ["Tuesday at ten."]
