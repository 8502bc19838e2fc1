"""Each word of the caller is answered once, however the recogniser reports it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.turn_taking.words import LATE, WordLog, Words


def heard(*texts: Words, log: WordLog | None = None) -> WordLog:
    log = log or WordLog()
    for at, words in enumerate(texts):
        log.hear(words, float(at))
    return log


def test_transcripts_of_one_turn_replace_each_other_and_turns_follow_each_other() -> None:
    log = heard(
        Words("I"), Words("I want"), Words("I want two.", final=True), Words("no"), Words("No, three.", final=True)
    )
    assert log.text == "I want two. No, three."
    assert log.complete


def test_words_that_were_answered_are_not_reported_again_when_the_turn_goes_on() -> None:
    log = heard(Words("seven four six"))
    assert log.take(0.5) == "seven four six"
    assert log.hear(Words("seven four six two nine"), 2.0) == "two nine"
    assert log.hear(Words("Seven, four six two nine.", final=True), 2.5) == "two nine."
    assert log.take(3.0) == "two nine."


@pytest.mark.parametrize(
    ("later", "rest"),
    [
        (Words("I would like to change my flight", final=True), ""),
        (Words("I'd like to change my flight to Monday", final=True), "to Monday"),
        (Words("Thanks", final=True), "Thanks"),
        (Words("I would like to change my flights", final=True), ""),
    ],
)
def test_a_late_final_brings_only_what_is_new(later: Words, rest: str) -> None:
    log = heard(Words("I would like to change my flight"))
    log.take(1.0)
    assert log.hear(later, 1.5) == rest


def test_times_of_words_tell_what_is_new_if_the_recogniser_writes_them_in_another_way() -> None:
    log = heard(Words("seven four six", ended=1.4))
    log.take(2.0)
    assert log.hear(Words("746 29", final=True, began=(0.5, 3.4)), 4.0) == "29"


NUMERALS = frozenset(("seven", "four", "six", "two", "nine"))


@pytest.mark.parametrize(
    ("first", "later", "rest"),
    [
        ("seven four six", Words("746 29", final=True), "29"),
        ("seven four six", Words("74629.", final=True), "29."),
        ("7 4 6", Words("74629", final=True), "29"),
        ("7 4 6", Words("7 4 6 2"), "2"),
        ("746", Words("746-29", final=True), "29"),
        ("7 4 6", Words("My number is 74629 thanks", final=True), "29 thanks"),
        ("746 29", Words("seven four six two nine seven", final=True), "seven"),
        ("I want to", Words("I'd like to order", final=True), "order"),
        ("I want to", Words("Tuesday morning please", final=True), "Tuesday morning please"),
        ("I want to", Words("No thanks we had to", final=True), "No thanks we had to"),
        ("7 4 6", Words("3 2 9", final=True), "3 2 9"),
        ("7 4 6", Words("746", final=True), ""),
    ],
)
def test_words_that_are_written_otherwise_later_are_not_answered_twice(first: str, later: Words, rest: str) -> None:
    log = heard(Words(first))
    log.take(1.0)
    assert log.hear(later, 1.5, NUMERALS) == rest


def test_figures_that_were_answered_in_part_are_placed_again_by_what_comes_next() -> None:
    log = heard(Words("7 4 6"))
    log.take(1.0)
    assert log.hear(Words("7462"), 1.5, NUMERALS) == "2"
    assert log.hear(Words("74629", final=True), 1.7, NUMERALS) == "29"


def test_a_late_final_that_is_written_in_another_way_and_ends_where_the_answered_words_do_brings_nothing() -> None:
    log = heard(Words("seven four six", ended=1.4))
    log.take(2.0)
    assert log.hear(Words("746", final=True, ended=1.4), 2.5) == ""


def test_the_same_words_later_are_said_again() -> None:
    log = heard(Words("Where is it?"))
    log.take(1.0)
    assert log.hear(Words("Where is it?", final=True), 1.0 + LATE) == "Where is it?"


def test_what_a_discarded_reply_answered_is_given_back_and_may_be_corrected() -> None:
    log = heard(Words("seven for six"))
    log.take(1.0)
    log.hear(Words("seven for six two"), 2.0)
    log.give_back()
    log.hear(Words("seven four six two nine", final=True), 2.5)
    assert log.take(3.0) == "seven four six two nine"


def test_what_was_answered_before_stays_answered_when_later_words_are_given_back() -> None:
    log = heard(Words("one", final=True))
    log.take(1.0)
    log.hear(Words("two", final=True), 2.0)
    log.take(2.0)
    log.give_back()
    assert log.text == "two"


def test_keys_stand_where_they_were_pressed() -> None:
    log = heard(Words("my number is"))
    log.press("12", 1.0)
    assert log.take(1.0) == "my number is [pressed 1 2]"


@given(st.lists(st.tuples(st.integers(1, 4), st.booleans(), st.booleans()), min_size=1, max_size=12))
def test_no_word_is_answered_twice_or_lost(steps: list[tuple[int, bool, bool]]) -> None:
    """Cumulative transcripts of words that differ, answered at any moment."""
    log, said, turn, answered = WordLog(), 0, [], []
    for at, (more, final, take) in enumerate(steps):
        new = [f"w{said + number}" for number in range(more)]
        said += more
        turn += new
        log.hear(Words(" ".join(turn), final=final), float(at))
        turn = [] if final else turn
        if take:
            answered += log.take(float(at)).split()
    answered += log.take(100.0).split()
    assert answered == [f"w{number}" for number in range(said)]
