"""Which words are the agent's own that come back."""

import numpy as np
import pytest

from agent.hearing.caller import CallerSound
from agent.hearing.changes import Kind
from agent.hearing.echo_path import Path
from agent.turn_taking.machine import TurnMachine
from agent.turn_taking.table import Action, State
from agent.turn_taking.words import Words
from tests.agent.hearing.lines import AGENT, heard, line, model, of
from tests.agent.hearing.mixing import RATE, at_level, place, ulaw_clip
from tests.agent.turn_taking.calling import actions, answered, begins, ends, final, interim, speaking, voice


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
        assert subject.hear(Words(text, ended=0.4 + 0.2 * at), 0.5 + 0.2 * at) == ()
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


@pytest.mark.parametrize("kind", [Kind.VOICE_STARTED, Kind.SHORT_VOICE])
def test_final_words_that_were_taken_for_an_echo_come_back_with_the_voice_that_said_them(kind: Kind) -> None:
    subject = measured()
    final(subject, "Cancel it", 1.5, ended=1.2)
    assert subject.state is State.SPEAKING
    told = subject.sound(voice(kind, 1.25 if kind is Kind.SHORT_VOICE else 0.8, seconds=0.4), 1.6)
    assert answered(told) == ["Cancel it"]


@pytest.mark.parametrize("spelled", ["blue one", "blue won", "Blue one."])
def test_a_word_that_is_taken_back_and_told_again_sounded_when_it_was_told_first(spelled: str) -> None:
    """By a recogniser that tells how much sound it has been sent, seconds later."""
    subject = measured()
    subject.hear(Words("blue", ended=1.6), 1.6)
    subject.sound(voice(Kind.SHORT_VOICE, 1.6, seconds=0.6), 1.7)
    subject.hear(Words("blue one", ended=2.0), 2.0)
    subject.sound(voice(Kind.SHORT_VOICE, 1.9, seconds=0.3), 2.1)
    subject.hear(Words("blue", ended=4.5), 4.5)
    subject.hear(Words(spelled, final=True, ended=4.6), 4.6)
    assert subject.state is State.SPEAKING, "it goes on over two words"
    assert subject._agent.aside == spelled, "and keeps them"


def test_another_word_in_the_place_of_one_that_was_taken_back_has_a_sound_of_its_own() -> None:
    subject = measured()
    subject.hear(Words("no blue", ended=1.6), 1.6)
    subject.sound(voice(Kind.SHORT_VOICE, 1.6, seconds=0.6), 1.7)
    subject.hear(Words("no", ended=4.5), 4.5)
    subject.hear(Words("no delivery", ended=4.6), 4.6)
    assert subject._log.dated(Words("no delivery today", ended=5.0)).ended == 5.0
    assert subject._log.dated(Words("no delivery", ended=5.0)).ended == 4.6


def test_words_stay_those_of_their_voice_when_others_have_followed_and_later_words_are_taken_back() -> None:
    subject = measured()
    begins(subject, 1.0)
    subject.hear(Words("the first", ended=1.4), 1.5)
    ends(subject, 1.4)
    subject.hear(Words("the first thing", ended=3.4), 3.5)
    subject.sound(voice(Kind.SHORT_VOICE, 3.4, seconds=0.3), 3.6)
    subject.hear(Words("the first", ended=1.4), 3.7)
    assert answered(subject.hear(Words("the first thing please", final=True, ended=3.6), 3.9)) == [
        "the first thing please"
    ]


def test_final_words_that_were_an_echo_stay_one_when_the_caller_speaks_later() -> None:
    subject = measured()
    final(subject, "for delivery", 1.5, ended=1.2)
    assert actions(begins(subject, 2.0)) == (Action.PAUSE,)
    assert answered(final(subject, "Cancel it", 3.0, ended=2.6)) == ["Cancel it"]


@pytest.mark.parametrize("kind", [Kind.VOICE_STARTED, Kind.SHORT_VOICE])
@pytest.mark.parametrize("began", [(), (2.4, 2.6, 3.2, 3.3, 3.5, 3.9)])
def test_a_caller_who_speaks_into_the_end_of_an_echo_did_not_say_it(kind: Kind, began: tuple[float, ...]) -> None:
    subject = speaking("Your appointment is on Monday at ten.")
    subject.hear_line(Path.ECHO)
    words = Words("your appointment is on monday at", final=True, ended=4.0, began=began)
    assert actions(subject.hear(words, 4.1)) == (Action.KEEP,)
    told = subject.sound(voice(kind, 4.05 if kind is Kind.SHORT_VOICE else 3.9, seconds=0.12), 4.15)
    assert actions(told) == (() if kind is Kind.SHORT_VOICE else (Action.PAUSE,))


@pytest.mark.parametrize("path", [Path.ECHO, Path.UNKNOWN])
@pytest.mark.parametrize("began", [(), (2.4, 2.6, 3.2, 3.3, 3.5, 3.9)])
def test_words_of_the_agent_into_whose_end_the_caller_speaks_do_not_cut_its_reply(
    path: Path, began: tuple[float, ...]
) -> None:
    subject = speaking("Your appointment is on Monday at ten.")
    subject.hear_line(path)
    assert actions(begins(subject, 3.9)) == (Action.PAUSE,)
    assert subject.hear(Words("your appointment is on monday at", ended=4.0, began=began), 4.2) == ()
    assert subject.state is State.PAUSED
    told = subject.hear(Words("your appointment is on monday at no tuesday please", ended=4.9, began=()), 5.2)
    assert Action.CUT in actions(told), "what is said behind it is the caller's"


@pytest.mark.parametrize("path", [Path.ECHO, Path.UNKNOWN])
def test_a_choice_that_a_caller_repeats_in_two_breaths_is_theirs(path: Path) -> None:
    subject = speaking("Monday at nine or Tuesday at ten, as you like.")
    subject.hear_line(path)
    begins(subject, 3.0)
    ends(subject, 3.4)
    begins(subject, 3.8)
    heard = Words("tuesday at ten", final=True, ended=4.2, began=(3.0, 3.8, 4.0))
    assert answered(subject.hear(heard, 4.5)) == ["tuesday at ten"]


def test_a_caller_who_says_what_the_agent_says_is_told_by_their_first_word() -> None:
    subject = speaking("Your appointment is on Monday at ten.")
    subject.hear_line(Path.ECHO)
    words = Words("on monday at", final=True, ended=4.0, began=(3.2, 3.4, 3.8))
    assert actions(subject.hear(words, 4.1)) == (Action.KEEP,)
    assert answered(subject.sound(voice(Kind.VOICE_STARTED, 3.3), 4.15)) == ["on monday at"]


def test_final_words_without_times_stay_an_echo_whoever_speaks_later() -> None:
    subject = measured()
    final(subject, "Cancel it", 1.5)
    assert actions(begins(subject, 20.0)) == (Action.PAUSE,)


@pytest.mark.parametrize("path", [Path.UNKNOWN, None, Path.ECHO])
@pytest.mark.parametrize(("said", "text"), [("four two", "four two"), ("4 2", "42"), ("42", "four"), ("four two", "4")])
def test_the_number_that_the_agent_reads_out_does_not_interrupt_it(path: Path | None, said: str, text: str) -> None:
    subject = speaking(f"Your code is {said}, as I told you.")
    subject.hear_line(path)
    begins(subject, 1.0)
    assert Action.CUT not in actions(final(subject, text, 1.5, ended=1.3))


@pytest.mark.parametrize("path", [Path.UNKNOWN, None, Path.ECHO])
def test_a_number_interrupts_another_one(path: Path | None) -> None:
    subject = speaking("Your code is four two, as I told you.")
    subject.hear_line(path)
    begins(subject, 1.0)
    assert Action.CUT in actions(final(subject, "four three", 1.5, ended=1.3))


def test_the_number_that_the_agent_reads_out_interrupts_it_on_a_line_without_an_echo() -> None:
    subject = speaking("Press four for orders, five for bills, and six for all else.")
    subject.hear_line(Path.CLEAN)
    begins(subject, 1.0)
    assert Action.CUT in actions(final(subject, "four", 1.5, ended=1.3))


def test_an_echo_ends_with_the_sound_of_the_agent_however_late_it_is_told() -> None:
    subject = measured()
    subject.done(6.0)
    assert final(subject, "before six", 7.5, ended=6.3) == ()
    assert answered(final(subject, "and tomorrow?", 7.9, ended=7.2)) == ["and tomorrow?"]


def test_a_word_that_is_told_late_is_no_echo_of_what_the_agent_had_not_begun_to_say() -> None:
    subject = measured()
    subject.done(4.0)
    begins(subject, 20.0, probability=0.5)
    assert actions(subject.says("Are you still there?", "", 20.3)) == (Action.PAUSE,)
    assert answered(final(subject, "Tomorrow.", 20.4, ended=8.0)) == ["Tomorrow."]


def test_an_echo_stays_one_when_it_is_told_after_the_next_sound_of_the_agent_has_begun() -> None:
    subject = measured()
    subject.done(4.0)
    subject.says("And there is one thing more.", "", 5.0)
    for ended in (3.5, 4.5, 4.8):
        assert answered(final(subject, "before six", 5.2, ended)) == []
    assert subject.done(8.0) == ()
    assert subject.state is State.LISTENING


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
