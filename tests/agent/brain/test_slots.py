"""Slots: times, topics, yes and no, keypad digits."""

import pytest

from agent.providers.local.brain.callback import LONGEST, Callback
from agent.providers.local.brain.slots import answer, bare_time, slots


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("Sorry, can someone call me back tomorrow morning?", "tomorrow morning"),
        ("call me on Monday at three thirty p.m. please", "Monday at three thirty p.m"),
        ("tomorrow at 10am", "tomorrow at 10am"),
        ("tomorrow at ten thirty", "tomorrow at ten thirty"),
        ("between two and four tomorrow", "between two and four tomorrow"),
        ("in half an hour", "in half an hour"),
        ("next Friday in the afternoon", "next Friday in the afternoon"),
        ("on Tuesday, around 3", "Tuesday, around 3"),
        ("any time", "any time"),
        ("as soon as possible", "as soon as possible"),
        ("after lunch would be good", "after lunch"),
        ("the day after tomorrow", "the day after tomorrow"),
        ("it's 3:30 pm", "3:30 pm"),
        ("half past three", "half past three"),
        ("good morning, where is my order", ""),
        ("my number is seven three four six", ""),
        ("it's about one two three four", ""),
    ],
)
def test_times_are_kept_in_the_callers_words(text: str, when: str) -> None:
    assert slots(text).when == when


@pytest.mark.parametrize(
    ("text", "when", "digits"),
    [
        ("tomorrow at 10 am on 415 555 0123", "tomorrow at 10 am", "4155550123"),
        ("call me at four one five five five five zero one two three tomorrow", "tomorrow", "4155550123"),
        ("at three p.m. at 8005551", "at three p.m", "8005551"),
        ("seven three four six", "", "7346"),
    ],
)
def test_a_time_is_not_taken_for_a_number(text: str, when: str, digits: str) -> None:
    found = slots(text)
    assert (found.when, found.digits) == (when, digits)


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("call me about my broken lamp", "my broken lamp"),
        ("regarding the invoice please", "the invoice please"),
        ("call me back", ""),
    ],
)
def test_topic(text: str, topic: str) -> None:
    assert slots(text).topic == topic


@pytest.mark.parametrize(
    "text", ["Yes.", "yeah", "Yes, that's right.", "sure", "uh, correct", "that is right", "Mm-hmm"]
)
def test_yes(text: str) -> None:
    assert answer(text) is True


@pytest.mark.parametrize(
    "text", ["No.", "nope", "that's not right", "No, thank you", "not really", "well, no", "wrong"]
)
def test_no(text: str) -> None:
    assert answer(text) is False


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "nothing", "where is my order", "know", "yesterday", "okay wait, that's wrong"]
)
def test_neither_yes_nor_no(text: str) -> None:
    assert answer(text) is None


def test_keypad_digits() -> None:
    found = slots("[pressed 7 3 4 6 #]")
    assert (found.digits, found.keypad, found.words) == ("7346", True, "")


@pytest.mark.parametrize(
    ("text", "digits"), [("it's six", "6"), ("can some one call me back", ""), ("Ken Son 1, call me back today", "")]
)
def test_a_single_digit_counts_only_in_a_short_answer(text: str, digits: str) -> None:
    assert slots(text).digits == digits


def test_noises_that_the_recogniser_describes_are_dropped() -> None:
    assert slots("[inaudible] (coughs) *music*").words == ""
    assert slots("(415) 555-0123").digits == "4155550123"


@pytest.mark.parametrize(
    ("text", "when"), [("three", "at three"), ("around ten thirty", "at ten thirty"), ("7346", ""), ("my house", "")]
)
def test_a_lone_hour_answers_when(text: str, when: str) -> None:
    assert bare_time(text) == when


def test_a_phone_number_grows_until_it_is_whole_and_its_ending_can_be_corrected() -> None:
    plan = Callback(when="tomorrow").dictated("415555", correcting=False)
    assert not plan.phone_complete
    plan = plan.dictated("0123", correcting=False)
    assert plan.complete
    assert plan.phone == "4155550123"
    assert plan.dictated("24", correcting=True).phone == "4155550124"
    assert plan.dictated("8005551", correcting=False).phone == "8005551"


def test_a_phone_number_that_is_too_long_is_asked_again() -> None:
    assert Callback().dictated("1" * LONGEST + "2", correcting=False).phone == ""


def test_a_number_that_is_said_twice_counts_once() -> None:
    assert Callback().dictated("4155550123" * 2, correcting=False).phone == "4155550123"
    assert Callback().dictated("+14155550123" + "14155550123", correcting=True).phone == "+14155550123"
