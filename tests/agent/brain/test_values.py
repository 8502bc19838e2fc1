"""Quantities, dates and times of day in a caller's words."""

from datetime import date, time

import pytest

from agent.providers.local.brain.days import clock_of, day_of
from agent.providers.local.brain.quantities import quantities

MONDAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("said", "values"),
    [
        ("two large pizzas", [2]),
        ("a hundred and twenty dollars", [120]),
        ("twelve thousand three hundred and five", [12_305]),
        ("two and a half kilos", [2.5]),
        ("1,250.75 euros", [1250.75]),
        ("three point one four", [3.14]),
        ("a dozen eggs and a couple of lemons", [12, 2]),
        ("half a dozen", [6]),
        ("twenty-two", [22]),
        ("this one please, and no one else", []),
        ("oh, it is for me", []),
        ("5 thousand", [5000]),
        ("minus two point five degrees", [-2.5]),
        ("make it -7, from 5-7 to 9", [-7, 5, 7, 9]),
        ("ten degrees below zero", [-10]),
        ("5 below", [-5]),
        ("anything below zero", []),
        ("negative a hundred", [-100]),
        ("two of those below the shelf", [2]),
    ],
)
def test_quantities(said: str, values: list[float]) -> None:
    assert [one.value for one in quantities(said)] == values
    assert all(said[one.start : one.end].strip() for one in quantities(said))


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("tomorrow morning", date(2026, 11, 24)),
        ("the day after tomorrow", date(2026, 11, 25)),
        ("on monday", date(2026, 11, 30)),
        ("thursday at three", date(2026, 11, 26)),
        ("december the second", date(2026, 12, 2)),
        ("the 5th of march", date(2027, 3, 5)),
        ("the twenty first of january 2028", date(2028, 1, 21)),
        ("in three weeks", date(2026, 12, 14)),
        ("2026-12-24", date(2026, 12, 24)),
        ("february 30", None),
        ("soon", None),
    ],
)
def test_days(said: str, day: date | None) -> None:
    assert day_of(said, MONDAY) == day


@pytest.mark.parametrize(
    ("said", "clock"),
    [
        ("at three p.m.", time(15)),
        ("nine thirty a.m.", time(9, 30)),
        ("half past ten in the morning", time(10, 30)),
        ("quarter to five", time(16, 45)),
        ("15:20", time(15, 20)),
        ("tomorrow at seven", time(7)),
        ("noon", time(12)),
        ("at three", time(15)),
        ("whenever", None),
    ],
)
def test_clocks(said: str, clock: time | None) -> None:
    assert clock_of(said) == clock
