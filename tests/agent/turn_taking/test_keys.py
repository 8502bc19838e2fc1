"""When the keys of a telephone number are complete."""

import pytest

from agent.forms.telephone import ExpectedNumber
from agent.turn_taking.expect import Kind
from agent.turn_taking.keys import GAPS, SETTLED
from agent.turn_taking.options import TurnOptions
from agent.turn_taking.words import Words
from tests.agent.turn_taking.calling import answered, final, interim, machine, wait

OPTIONS = TurnOptions()


@pytest.mark.parametrize(
    ("country", "keys"),
    [
        ("US", "14155550132"), ("FR", "0612345678"), ("BE", "0470123456"),
        ("IN", "917410816458"), ("PL", "48501234567"), ("US", "011442079460018"), ("PL", "00442079460018"),
    ],
)  # fmt: skip
def test_the_keys_of_a_telephone_number_are_a_turn_when_no_number_goes_on_from_there(country: str, keys: str) -> None:
    subject = machine()
    subject.expect(ExpectedNumber(Kind.DIGITS, country=country))
    told = [one for at, key in enumerate(keys) for one in subject.press(key, 2.5 + 0.1 * at)]
    assert answered(tuple(told)) == [f"[pressed {' '.join(keys)}]"]


@pytest.mark.parametrize(
    ("country", "keys", "gap", "pause"),
    [
        ("US", "447911123456", 0.1, OPTIONS.digit_pause),
        ("IN", "442079460018", 0.1, OPTIONS.digit_pause),
        ("US", "4155550132", 0.1, SETTLED),
        ("IN", "7410816458", 0.1, SETTLED),
        ("US", "4155550132", 0.6, GAPS * 0.6),
        ("US", "4155550132", 1.2, OPTIONS.digit_pause),
    ],
)
def test_the_keys_of_a_telephone_number_that_may_begin_with_the_code_of_a_country_end_by_a_pause(
    country: str, keys: str, gap: float, pause: float
) -> None:
    """4479111234 is a number of the United States, and the beginning of one of the United Kingdom.

    After a number of the caller's own country the pause is that of their own keys.
    """
    subject = machine()
    subject.expect(ExpectedNumber(Kind.DIGITS, country=country))
    told = [one for at, key in enumerate(keys) for one in subject.press(key, 2.5 + gap * at)]
    assert answered(tuple(told)) == []
    last = 2.5 + gap * (len(keys) - 1)
    assert wait(subject, last + pause - 0.1) == []
    assert [text for *_, text, _ in wait(subject, last + pause + 0.1)] == [f"[pressed {' '.join(keys)}]"]


def test_the_pause_behind_a_whole_number_is_forgotten_with_its_keys() -> None:
    subject = machine()
    subject.expect(ExpectedNumber(Kind.DIGITS, country="US"))
    for at, key in enumerate("4155550132"):
        subject.press(key, 2.5 + 0.1 * at)
    assert wait(subject, 6.0)
    subject.press("1", 6.0)
    assert wait(subject, 6.0 + OPTIONS.digit_pause - 0.1) == []


@pytest.mark.parametrize("eager", [False, True])
def test_words_among_keys_end_no_turn_that_the_keys_have_not_ended(eager: bool) -> None:
    subject = machine()
    interim(subject, "My card is", 1.0)
    told = [*subject.press("1", 1.2), *subject.press("2", 1.6)]
    told += [*subject.hear(Words("My card is one", eager=eager), 1.7), *final(subject, "My card is one two.", 1.8)]
    told += subject.press("3", 2.0)
    assert told == []
    assert answered(subject.press("#", 2.4)) == ["My card is one two. [pressed 1 2 3]"]
