"""Each word of the caller is answered once, however the recogniser reports it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.turn_taking.word_log import WordLog
from agent.turn_taking.words import Words


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
    assert log.take() == "seven four six"
    assert log.hear(Words("seven four six two nine"), 2.0) == "two nine"
    assert log.hear(Words("Seven, four six two nine.", final=True), 2.5) == "two nine."
    assert log.take() == "two nine."


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
    log.take()
    assert log.hear(later, 1.5) == rest


def test_times_of_words_tell_what_is_new_if_the_recogniser_writes_them_in_another_way() -> None:
    log = heard(Words("seven four six", ended=1.4))
    log.take()
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
    log.take()
    assert log.hear(later, 1.5, NUMERALS) == rest


def test_figures_that_were_answered_in_part_are_placed_again_by_what_comes_next() -> None:
    log = heard(Words("7 4 6"))
    log.take()
    assert log.hear(Words("7462"), 1.5, NUMERALS) == "2"
    assert log.hear(Words("74629", final=True), 1.7, NUMERALS) == "29"


def test_a_late_final_that_is_written_in_another_way_and_ends_where_the_answered_words_do_brings_nothing() -> None:
    log = heard(Words("seven four six", ended=1.4))
    log.take()
    assert log.hear(Words("746", final=True, ended=1.4), 2.5) == ""


def test_a_final_text_of_the_same_words_brings_nothing_however_late_it_comes() -> None:
    log = heard(Words("Where is it?", ended=0.9))
    log.take()
    assert log.hear(Words("Where is it?", final=True, ended=9.0), 9.0) == ""


def test_the_same_words_are_said_again_if_they_sounded_later() -> None:
    """The session with the recogniser was lost, and with it the end of the turn."""
    log = heard(Words("Where is it?", ended=0.9))
    log.take()
    assert log.hear(Words("Where is it?", final=True, ended=9.0, began=(8.1, 8.4, 8.6)), 9.5) == "Where is it?"


def test_a_text_that_is_shorter_for_a_moment_brings_nothing_back() -> None:
    log = heard(Words("Where is it"))
    log.take()
    assert log.hear(Words("Where"), 1.5) == ""
    assert log.hear(Words("Where is it now", final=True), 2.0) == "now"


def test_a_word_that_touches_the_answered_one_is_new() -> None:
    log = heard(Words("Order seven", ended=1.4))
    log.take()
    assert log.hear(Words("Order eleven please", final=True, ended=2.0, began=(0.6, 1.0, 1.39)), 2.5) == "please"


@pytest.mark.parametrize(("later", "rest"), [("Yeah.", ""), ("No.", "No.")])
@pytest.mark.parametrize("began", [(), (1.0,)])
def test_a_word_that_was_answered_and_turns_out_to_be_another_one_is_new(
    later: str, rest: str, began: tuple[float, ...]
) -> None:
    log = heard(Words("Yes", ended=1.4))
    log.take()
    assert log.hear(Words(later, final=True, ended=1.4, began=began), 2.5) == rest


@pytest.mark.parametrize(("later", "rest"), [("No.", "No."), ("Uh stop.", "Uh stop."), ("Uh.", "Uh.")])
@pytest.mark.parametrize("began", [(), (1.0, 1.4)])
def test_what_was_set_aside_is_judged_again_with_the_next_transcript(
    later: str, rest: str, began: tuple[float, ...]
) -> None:
    log = heard(Words("Uh", ended=1.4))
    log.set_aside()
    assert log.text == ""
    assert log.take() == "", "an answer to something else does not make it known"
    assert log.hear(Words(later, final=True, ended=1.4, began=began[: len(later.split())]), 2.5) == rest


def test_an_echo_stays_set_aside_only_while_it_is_one() -> None:
    log = heard(Words("your order", ended=1.4))
    log.set_aside(said="Your order is ready.")
    log.hear(Words("Your order, stop", ended=2.0), 2.0)
    assert log.leave_out(lambda echo, text, unanswered: (echo.ended, text) == (1.4, "Your order,")) == "stop"
    assert log.text == "stop"
    log.hear(Words("Your order, stop", ended=2.0), 2.1)
    assert log.leave_out(lambda echo, text, unanswered: False) == "Your order, stop"


def test_what_is_given_back_is_given_back_with_the_time_at_which_the_answer_before_it_ended() -> None:
    log = heard(Words("My name is", ended=2.0))
    log.take()
    log.hear(Words("My name is John Smith", ended=5.4), 5.7)
    assert log.take() == "John Smith"
    later = Words("My name's John Smith from Oslo.", True, False, 8.9, (1.0, 1.4, 4.6, 5.0, 8.0, 8.4))
    assert log.hear(later, 9.4) == "from Oslo."
    log.give_back()
    assert log.text == "John Smith from Oslo."


def test_what_a_discarded_reply_answered_is_given_back_and_may_be_corrected() -> None:
    log = heard(Words("seven for six"))
    log.take()
    log.hear(Words("seven for six two"), 2.0)
    log.give_back()
    log.hear(Words("seven four six two nine", final=True), 2.5)
    assert log.take() == "seven four six two nine"


def test_what_was_answered_before_stays_answered_when_later_words_are_given_back() -> None:
    log = heard(Words("one", final=True))
    log.take()
    log.hear(Words("two", final=True), 2.0)
    log.take()
    log.give_back()
    assert log.text == "two"


def test_keys_stand_where_they_were_pressed() -> None:
    log = heard(Words("my number is"))
    log.press("12", 1.0)
    assert log.take() == "my number is [pressed 1 2]"


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
            answered += log.take().split()
    answered += log.take().split()
    assert answered == [f"w{number}" for number in range(said)]


def test_a_queue_that_speaks_for_hours_leaves_nothing_behind() -> None:
    log = heard(Words("I want two.", final=True))
    log.take()
    for at in range(1000):
        log.overhear(Words("Please hold the line."), at)
        log.overhear(Words("Please hold the line.", final=True), at + 0.5)
    assert log.text == ""
    assert len(log._spoken) <= 1
