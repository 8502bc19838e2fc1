"""Words that a recogniser which only transcribes tells late, because it is busy."""

import pytest

from agent.turn_taking.machine import TurnMachine
from agent.turn_taking.options import TurnOptions
from agent.turn_taking.parties import DECODED_AFTER
from agent.turn_taking.words import Words
from tests.agent.turn_taking.calling import begins, ends, final, machine, wait

OPTIONS = TurnOptions()


def listening(**options: float) -> TurnMachine:
    subject = machine(ends_turns=False, **options)
    subject.says("How can I help you?", "", 0.0)
    subject.done(1.0)
    return subject


def test_part_of_a_sentence_is_not_answered_while_the_rest_is_being_decoded() -> None:
    """A recogniser on a busy machine has told the first words early, and tells the others seconds late."""
    subject = listening()
    begins(subject, 2.0)
    subject.hear(Words("Hi, I will", ended=3.2), 3.8)
    ends(subject, 4.6)
    assert wait(subject, 7.5) == []
    final(subject, "Hi, I would like to know where my order is.", 7.5, 4.6)
    assert [text for *_, text, _ in wait(subject, 8.0)] == ["Hi, I would like to know where my order is."]


@pytest.mark.parametrize(("limit", "at"), [(6.0, 4.6 + DECODED_AFTER), (2.0, 4.6 + 2.0)])
def test_a_rest_that_never_comes_is_not_waited_for(limit: float, at: float) -> None:
    subject = listening(max_endpointing_delay=limit)
    begins(subject, 2.0)
    subject.hear(Words("Hi, I will", ended=3.2), 3.8)
    ends(subject, 4.6)
    assert [(when, text) for when, _, text, _ in wait(subject, 12.0)] == [(pytest.approx(at), "Hi, I will")]  # type: ignore[comparison-overlap]


def test_words_that_reach_to_the_end_of_the_voice_are_answered_at_once() -> None:
    subject = listening()
    begins(subject, 2.0)
    subject.hear(Words("Where is my order?", ended=4.3), 4.4)
    ends(subject, 4.6)
    assert [when for when, *_ in wait(subject, 12.0)] == [pytest.approx(4.6 + OPTIONS.endpointing_delay)]
