"""Spoken numbers: whatever a recogniser writes for digits said aloud becomes the digits, and nothing else does."""

import pytest

from agent.providers.local.brain.numbers import MAX_TEXT, runs, separated


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("seven three four six", "7346"),
        ("Seven, three, four, six.", "7346"),
        ("7 3 4 6.", "7346"),
        ("7, 3, 4, 6", "7346"),
        ("7,346", "7346"),
        ("73-46", "7346"),
        ("It's number 7346, please.", "7346"),
        ("seven three uh four um six", "7346"),
        ("seven three and then four six", "7346"),
        ("double five oh", "550"),
        ("double 5 0", "550"),
        ("triple nine one", "9991"),
        ("oh eight zero", "080"),
        ("thirty-four", "34"),
        ("seven three thirty four", "7334"),
        ("seventy three forty six", "7346"),
        ("twelve thirty-four", "1234"),
        ("nineteen eighty", "1980"),
        ("eight hundred", "800"),
        ("eight hundred five five five one two three four", "8005551234"),
        ("eight hundred and five", "805"),
        ("seven hundred forty six", "746"),
        ("seven thousand three hundred forty six", "7346"),
        ("seven thousand and five", "7005"),
        ("(415) 555-0123", "4155550123"),
        ("four one five, five five five, zero one two three", "4155550123"),
        ("4-1-5-5-5-5-0-1-2-3", "4155550123"),
        ("plus four four 20 7946 0958", "+442079460958"),
        ("+1 415 555 0123", "+14155550123"),
    ],
)
def test_digits_are_found(text: str, digits: str) -> None:
    assert [run.digits for run in runs(text)] == [digits]


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("seven three for six", "7346"),
        ("seven to four six", "7246"),
        ("7 3 4 ate", "7348"),
        ("seven too one won", "7211"),
        ("eight tree five five", "8355"),
    ],
)
def test_words_that_sound_like_digits_count_inside_a_row(text: str, digits: str) -> None:
    assert [run.digits for run in runs(text)] == [digits]


@pytest.mark.parametrize(
    "text",
    ["it is for my order", "I want to go too", "she ate it", "double trouble", "double", "", "...", "٣٤٥", "no number"],
)
def test_other_words_are_not_digits(text: str) -> None:
    assert runs(text) == []


def test_a_preposition_after_a_number_is_not_part_of_it() -> None:
    assert [run.digits for run in runs("7346 for me")] == ["7346"]


def test_separate_numbers_stay_separate() -> None:
    assert [run.digits for run in runs("I have two orders, number 7346")] == ["2", "7346"]


def test_a_run_knows_where_it_stands() -> None:
    text = "it is seven three, thanks"
    (run,) = runs(text)
    assert text[run.start : run.end] == "seven three"


def test_no_more_than_the_bound_is_read() -> None:
    assert len(runs("1" * 50_000)[0].digits) == MAX_TEXT


@pytest.mark.parametrize(
    ("digits", "spoken"),
    [
        ("7346", "7 3 4 6"),
        ("30865", "3 0 8 6 5"),
        ("8005551", "8 0 0, 5 5 5 1"),
        ("4155550123", "4 1 5, 5 5 5, 0 1 2 3"),
        ("+442079460958", "plus 4 4, 2 0 7, 9 4 6, 0 9 5 8"),
    ],
)
def test_digits_are_said_one_by_one(digits: str, spoken: str) -> None:
    assert separated(digits) == spoken
    assert [run.digits for run in runs(spoken)] == [digits]
