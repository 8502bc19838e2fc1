"""Times of day as they stand in sentences."""

import pytest

from agent.forms.moments import moments


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("24. November, 2 Uhr nachts", (2, 0)),
        ("24. November, 12 Uhr nachts", (0, 0)),
        ("24. November, 10 Uhr nachts", (22, 0)),
        ("24 November, 2:30 at night", (2, 30)),
        ("24 November, 2:30 am at night", (2, 30)),
        ("24 नवंबर, रात 2:00 बजे", (2, 0)),
        ("24 नवंबर, रात 9:00 बजे", (21, 0)),
        ("24 November, 5:30 tonight", (17, 30)),
        ("24. November, 2 Uhr nachmittags", (14, 0)),
        ("24 de noviembre, a las 11 horas de la noche", (23, 0)),
    ],
)
def test_hours_of_the_night_are_before_midnight_or_after_it(text: str, time: tuple[int, int]) -> None:
    (one,) = moments(text)
    assert one.times == {time}


def test_a_dotted_capital_is_no_error() -> None:
    assert moments("5 aprİl 15:00") == []
