"""The embedded brain answers from passages what its script does not know."""

import pytest

from agent.passages import Passage, with_passages
from agent.providers.local.brain.documents import answer_of
from tests.agent.brain.caller import Caller

PARKING = (
    "There is no car park of our own. The multi-storey in Mill Lane is three minutes away. Bicycles stand in the yard."
)


def behind(words: str, text: str = PARKING) -> str:
    return with_passages(words, [Passage("visiting.md", "Parking", 1, text, 0.6)], set())


@pytest.mark.parametrize(
    ("asked", "answer"),
    [("Where can I lock my bike?", "Bicycles stand in the yard."), ("Tell me about quantum physics.", "")],
)
def test_the_sentence_that_is_most_like_the_question_answers_it(asked: str, answer: str) -> None:
    assert answer_of(asked, [PARKING]) == answer
    assert answer_of(asked, []) == ""


def test_the_brain_says_the_sentence_and_asks_whether_there_is_more() -> None:
    caller = Caller()
    assert caller.says(behind("Do you have a place for bicycles?")) == (
        "Bicycles stand in the yard. Is there anything else I can help you with?"
    )
    assert "order number" in caller.says("Where is my order?"), "the script is as it was"


def test_an_order_is_looked_up_whatever_the_documents_say() -> None:
    caller = Caller()
    caller.says(behind("Where is my order?", "Where is my order? It is lost."))
    caller.says(behind("seven three four six", "The number seven three four six is ours."))
    assert caller.calls == [("get_order_status", {"order_number": "7346"})]


def test_questions_that_were_answered_are_not_counted_as_not_understood() -> None:
    caller = Caller()
    for _ in range(4):
        assert "yard" in caller.says(behind("Do you have a place for bicycles?"))
    assert "I do not understand" not in caller.says("Do you know quantum physics?")
