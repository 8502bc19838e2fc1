"""Words that only agree are known by whole phrases, in the languages that the caller may speak."""

import asyncio

import pytest

from agent.floor import Floor
from agent.phrases import phrases_of
from agent.turn_taking.machine import TurnMachine
from agent.turn_taking.options import TurnOptions
from agent.turn_taking.table import Action
from agent.turn_taking.words import is_made_of
from tests.agent.turn_taking.calling import STATEMENT, actions, answered, begins, ends, final, interim


def speaking(language: str) -> TurnMachine:
    """A machine whose agent speaks, to a caller of this language."""

    async def make() -> TurnMachine:
        return Floor(TurnOptions(), phrases_of((language,))).turns

    subject = asyncio.run(make())
    subject.says("Hello.", "", 0.0)
    subject.done(0.0)
    subject.says(STATEMENT, "", 0.0)
    return subject


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Would you do that for me?"),
        ("en", "Is that all?"),
        ("en", "I do it for you"),
        ("de", "Machen Sie das?"),
        ("de", "Ist das sicher?"),
    ],
)
def test_a_question_of_words_that_agree_elsewhere_interrupts(language: str, text: str) -> None:
    subject = speaking(language)
    begins(subject, 1.0)
    ends(subject, 1.9)
    assert answered(final(subject, text, 2.1)) == [text]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Okay, thank you very much."),
        ("en", "Oh, all right, sounds good."),
        ("de", "Ja genau, vielen Dank."),
        ("fr", "D'accord, c'est ça, merci beaucoup."),
    ],
)
def test_phrases_that_agree_are_a_backchannel_however_many(language: str, text: str) -> None:
    subject = speaking(language)
    words = text.split()
    for number in range(1, len(words)):
        assert Action.CUT not in actions(interim(subject, " ".join(words[:number]), 1.0 + 0.1 * number)), words[:number]
    assert actions(final(subject, text, 2.1)) == (Action.KEEP,)
    assert subject.done(9.0) == ()
    assert answered(final(subject, "Tuesday", 12.0)) == ["Tuesday"]


def test_a_short_question_into_a_statement_is_kept_for_the_next_turn() -> None:
    subject = speaking("de")
    final(subject, "Das geht?", 1.0)
    subject.done(9.0)
    assert answered(final(subject, "Hallo?", 12.0)) == ["Das geht? Hallo?"]


@pytest.mark.parametrize(
    ("text", "final", "made"),
    [
        ("thank you thank you", True, True),
        ("thank", True, False),
        ("right thank", False, True),
        ("right th", False, True),
        ("right you", False, False),
        ("thank you?", True, False),
        ("", True, True),
    ],
)
def test_a_text_is_made_of_whole_phrases(text: str, final: bool, made: bool) -> None:
    assert is_made_of(text, {"thank you", "right"}, final=final) is made
