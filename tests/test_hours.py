"""Hours of an office: on its own clock, with holidays, over midnight."""

from datetime import UTC, datetime
from typing import Any

from sipgw.config.hours import WeeklyHours, on_duty
from sipgw.config.messages import MessageOptions


def test_the_office_is_closed_out_of_hours_and_on_holidays() -> None:
    def closed(day: int, hour: int, **more: Any) -> bool:
        given = {"hours": ("mon-fri 09:00-17:30",), "time_zone": "Europe/Berlin"} | more
        return MessageOptions(("closed",), **given).closed(datetime(2026, 12, day, hour, tzinfo=UTC))

    assert not closed(23, 10)
    assert closed(23, 17), "17:00 in UTC is 18:00 there"
    assert closed(26, 10), "a Saturday"
    assert not closed(25, 10)
    assert closed(25, 10, holidays="DE-BY")
    assert closed(25, 10, holidays="DE-BY", hours=())
    assert not MessageOptions(("unreached",), hours=("mon-fri 09:00-17:30",)).closed(datetime(2026, 12, 26, tzinfo=UTC))


def test_a_shift_over_midnight_is_of_the_day_on_which_it_begins() -> None:
    nights = [WeeklyHours.parse("mon-sun 22:00-06:00")]
    duty = [on_duty(nights, datetime(2026, 1, day, 3), "US") for day in (1, 2, 3)]  # noqa: DTZ001  on their clock
    assert duty == [True, False, True]
