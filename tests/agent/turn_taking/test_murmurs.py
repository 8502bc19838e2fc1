# mypy: disable-error-code="comparison-overlap"
"""A caller who only shows that they listen: the reply goes on over their next voice, until words say otherwise."""

import pytest

from agent.hearing.echo_path import Path
from agent.turn_taking.expect import Expected, Kind
from agent.turn_taking.machine import TurnMachine
from agent.turn_taking.parties import BORNE, LONGEST_BORNE, SLOWER
from agent.turn_taking.table import Action, State
from tests.agent.turn_taking.calling import STATEMENT, actions, begins, ends, final, interim, speaking, wait


def murmured(text: str = "Okay.", path: Path | None = Path.CLEAN) -> TurnMachine:
    """The agent speaks, has paused for a word of the caller, and has gone on."""
    subject = speaking()
    subject.hear_line(path)
    assert actions(begins(subject, 1.0)) == (Action.PAUSE,)
    ends(subject, 1.5)
    assert actions(final(subject, text, 1.85)) == (Action.RESUME,)
    return subject


def test_the_next_murmur_makes_no_hole() -> None:
    subject = murmured()
    for at in (4.0, 8.0, 12.0):
        assert begins(subject, at) == ()
        assert interim(subject, "Right", at + 0.6) == ()
        assert ends(subject, at + 0.8) == ()
        assert actions(final(subject, "Right.", at + 1.2)) == (Action.KEEP,)
    assert subject.state is State.SPEAKING


def test_an_interruption_cuts_at_its_words_and_the_next_voice_pauses_at_once_again() -> None:
    subject = murmured()
    begins(subject, 4.0)
    assert actions(interim(subject, "Where is my", 4.6)) == (Action.CUT,)
    final(subject, "Where is my order?", 6.0)
    subject.says(STATEMENT, "", 7.0)
    assert actions(begins(subject, 8.0)) == (Action.PAUSE,)


def test_a_caller_who_goes_on_with_their_turn_into_the_beginning_of_a_reply_still_listens() -> None:
    subject = murmured()
    subject.done(3.0)
    final(subject, "One.", 3.5)
    assert subject.state is State.THINKING
    subject.says(STATEMENT, "", 4.0)
    begins(subject, 4.3)
    ends(subject, 4.8)
    assert Action.CUT in actions(final(subject, "Where is my order?", 5.2))
    assert [action for _, action, *_ in wait(subject, 7.0)] == [Action.ANSWER]
    subject.says(STATEMENT, "", 7.0)
    assert begins(subject, 9.0) == ()


def test_a_caller_who_stops_a_reply_at_its_beginning_does_not_listen() -> None:
    subject = murmured()
    subject.done(3.0)
    final(subject, "One.", 3.5)
    subject.says(STATEMENT, "", 4.0)
    begins(subject, 4.3)
    ends(subject, 4.8)
    assert Action.CUT in actions(final(subject, "Stop!", 5.2))
    wait(subject, 7.0)
    subject.says(STATEMENT, "", 7.0)
    assert actions(begins(subject, 9.0)) == (Action.PAUSE,)


def test_words_that_may_be_an_interruption_pause() -> None:
    subject = murmured()
    begins(subject, 4.0)
    assert actions(interim(subject, "Where", 4.4)) == (Action.PAUSE,)


@pytest.mark.parametrize(("words", "since"), [("", 4.0), ("Okay", 4.6)])
def test_a_voice_pauses_that_brings_no_more_words(words: str, since: float) -> None:
    subject = murmured()
    begins(subject, 4.0)
    if words:
        assert interim(subject, words, since) == ()
    assert wait(subject, since + BORNE)[0][:2] == (pytest.approx(since + BORNE), Action.PAUSE)


@pytest.mark.parametrize(("lag", "longest"), [(0.5, BORNE), (1.2, 1.2 + SLOWER), (2.4, LONGEST_BORNE), (5.0, BORNE)])
def test_a_slow_recogniser_is_given_as_long_for_its_words_as_it_took_before(lag: float, longest: float) -> None:
    subject = speaking()
    subject.hear_line(Path.CLEAN)
    begins(subject, 1.0)
    ends(subject, 1.5)
    final(subject, "Okay.", 1.0 + lag)
    begins(subject, 10.0)
    assert wait(subject, 10.0 + longest)[0][:2] == (pytest.approx(10.0 + longest), Action.PAUSE)


@pytest.mark.parametrize(
    "text", ["That's not right.", "I don't understand.", "That is wrong.", "Make it seven.", "H-A-N-N-A-H", "Operator!"]
)
def test_one_word_that_says_something_interrupts_also_after_murmurs(text: str) -> None:
    subject = murmured()
    begins(subject, 4.0)
    ends(subject, 5.1)
    assert Action.CUT in actions(final(subject, text, 5.4))


def test_a_reply_that_has_paused_for_a_listening_caller_goes_on_when_their_voice_has_ended() -> None:
    subject = murmured()
    begins(subject, 4.0)
    (at, *_), *_ = wait(subject, 4.0 + BORNE)
    assert interim(subject, "Right", at + 0.1) == ()
    assert ends(subject, at + 0.2) == ()
    assert actions(subject.handle_timer(at + 0.5)) == (Action.RESUME,)


def test_an_echo_is_no_murmur_of_the_caller() -> None:
    subject = speaking()
    subject.hear_line(Path.ECHO)
    assert actions(final(subject, "Today before", 1.9, 1.5)) == (Action.KEEP,)
    assert actions(begins(subject, 4.0)) == (Action.PAUSE,)


@pytest.mark.parametrize("text", ["O-O-K", "M-M-I-C!", "i c", "M, M.", "M-M-M-M-M", "M-H-M"])
def test_a_hum_that_was_written_as_letters_is_a_murmur_however_long(text: str) -> None:
    subject = murmured()
    begins(subject, 4.0)
    assert interim(subject, text, 5.0) == ()
    ends(subject, 5.6)
    assert actions(final(subject, text, 6.0)) == (Action.KEEP,)


@pytest.mark.parametrize(
    "text", ["S-C-H-M", "S C H M I D T", "H-A-N-N-A-H", "E-M-M-A", "D-H-L", "D H L.", "O, T, T, O, T", "I, I", "B 4"]
)
def test_letters_that_say_something_interrupt(text: str) -> None:
    subject = speaking()
    begins(subject, 1.0)
    ends(subject, 2.6)
    assert Action.CUT in actions(final(subject, text, 3.0))


def test_letters_answer_an_agent_that_expects_some() -> None:
    subject = speaking()
    subject.expect(Expected(Kind.SPELLING))
    begins(subject, 1.0)
    assert Action.CUT in actions(interim(subject, "B-C", 1.8))
