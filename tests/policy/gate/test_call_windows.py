"""People are called by the clock on their own wall, in every zone that they may be in."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipgw.config.gate import WindowOptions, check_holidays
from sipgw.config.hours import DAYS, zone_named
from sipgw.policy.gate.windows import Hours

NEW_YORK, LOS_ANGELES, BERLIN = (
    ZoneInfo(name) for name in ("America/New_York", "America/Los_Angeles", "Europe/Berlin")
)
DAYTIME = Hours((WindowOptions("09:00-20:00"),), (), "US")


def at(text: str, zone: ZoneInfo = NEW_YORK) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def test_the_first_minute_is_in_the_window_and_the_last_is_not() -> None:
    assert DAYTIME.closed(at("2026-11-19 08:59"), [NEW_YORK])
    assert not DAYTIME.closed(at("2026-11-19 09:00"), [NEW_YORK])
    assert not DAYTIME.closed(at("2026-11-19 19:59"), [NEW_YORK])
    assert DAYTIME.closed(at("2026-11-19 20:00"), [NEW_YORK]) == "it is 20:00 on Thursday in America/New_York"


def test_a_number_that_may_be_in_several_zones_is_called_when_it_is_time_in_all_of_them() -> None:
    both = [NEW_YORK, LOS_ANGELES]
    assert DAYTIME.closed(at("2026-11-19 09:30"), both) == "it is 06:30 on Thursday in America/Los_Angeles"
    assert not DAYTIME.closed(at("2026-11-19 12:00"), both)
    assert DAYTIME.closed(at("2026-11-19 20:30"), both) == "it is 20:30 on Thursday in America/New_York"
    assert DAYTIME.opens(at("2026-11-19 20:30"), both) == at("2026-11-20 09:00", LOS_ANGELES)


def test_no_sundays_and_a_window_opens_on_the_next_day_that_has_one() -> None:
    assert DAYTIME.closed(at("2026-11-22 12:00"), [NEW_YORK]) == "it is 12:00 on Sunday in America/New_York"
    assert DAYTIME.opens(at("2026-11-21 21:00"), [NEW_YORK]) == at("2026-11-23 09:00")


def test_a_window_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    night = Hours((WindowOptions("22:00-02:00", ("fri",)),), (), "US")
    assert night.closed(at("2026-11-20 01:00"), [NEW_YORK])  # Friday, but of Thursday's night
    assert not night.closed(at("2026-11-20 23:59"), [NEW_YORK])
    assert not night.closed(at("2026-11-21 01:59"), [NEW_YORK])
    assert night.closed(at("2026-11-21 02:00"), [NEW_YORK])


def test_all_day() -> None:
    always = Hours((WindowOptions("00:00-24:00", DAYS),), (), "US")
    for hour in range(24):
        assert not always.closed(at(f"2026-11-19 {hour:02}:00"), [NEW_YORK])


def test_holidays_of_one_year_of_every_year_and_of_one_country() -> None:
    holidays = ("2026-11-26", "12-25", "DE:10-03")
    us, de = (Hours((WindowOptions(),), holidays, country) for country in ("US", "DE"))
    closed = us.closed(at("2026-11-26 12:00"), [NEW_YORK])
    assert closed == "it is 12:00 on Thursday in America/New_York, and 26 November is a holiday"
    assert not us.closed(at("2027-11-26 12:00"), [NEW_YORK])
    assert us.closed(at("2028-12-25 12:00"), [NEW_YORK])
    assert not us.closed(at("2028-10-03 12:00"), [NEW_YORK])
    assert de.closed(at("2028-10-03 12:00", BERLIN), [BERLIN])
    assert us.opens(at("2026-11-25 21:00"), [NEW_YORK]) == at("2026-11-27 09:00")


def test_a_number_is_called_after_holidays_of_weeks() -> None:
    closed = Hours((WindowOptions("09:00-20:00"),), tuple(f"12-{day}" for day in range(14, 32)), "US")
    assert closed.opens(at("2026-12-12 20:30"), [NEW_YORK]) == at("2027-01-01 09:00")
    always = Hours(
        (WindowOptions("09:00-20:00"),),
        tuple(f"{month:02}-{day:02}" for month in (11, 12, 1, 2) for day in range(1, 32)),
        "US",
    )
    assert always.opens(at("2026-12-01 12:00"), [NEW_YORK]) is None


def test_the_night_of_a_holiday_is_closed_until_its_window_ends() -> None:
    night = Hours((WindowOptions("22:00-02:00", DAYS),), ("12-25",), "US")
    assert night.closed(at("2026-12-25 01:00"), [NEW_YORK])  # it is the 25th
    assert night.closed(at("2026-12-26 01:00"), [NEW_YORK])  # the night began on the 25th
    assert not night.closed(at("2026-12-26 23:00"), [NEW_YORK])


def test_the_clock_on_the_wall_counts_on_both_sides_of_the_change_to_summer_time() -> None:
    early = Hours((WindowOptions("03:00-04:00", DAYS),), (), "DE")
    before = datetime(2026, 3, 29, 0, 59, tzinfo=UTC)
    assert early.closed(before, [BERLIN]) == "it is 01:59 on Sunday in Europe/Berlin"
    assert not early.closed(before + timedelta(minutes=1), [BERLIN])  # 03:00: the hour from two is left out
    assert Hours((WindowOptions(days=DAYS),), (), "US").opens(at("2026-03-07 21:00"), [NEW_YORK]) == datetime(
        2026, 3, 8, 13, tzinfo=UTC
    )


def test_nobody_is_called_in_the_hour_that_comes_twice() -> None:
    always = Hours((WindowOptions("00:00-24:00", DAYS),), (), "DE")
    for minutes in range(0, 120, 10):
        moment = datetime(2026, 10, 25, 0, minutes % 60, tzinfo=UTC) + timedelta(hours=minutes // 60)
        closed = always.closed(moment, [BERLIN])
        assert "where the clocks are just being set back" in closed, moment
    assert not always.closed(datetime(2026, 10, 24, 23, 59, tzinfo=UTC), [BERLIN])
    assert not always.closed(datetime(2026, 10, 25, 2, 0, tzinfo=UTC), [BERLIN])


def test_windows_that_name_the_country_hold_instead_of_the_others() -> None:
    french = tuple(WindowOptions(hours, countries=("FR",)) for hours in ("10:00-13:00", "14:00-20:00"))
    windows = (WindowOptions(), *french)
    france, elsewhere = (Hours.of(windows, (), country) for country in ("FR", "DE"))
    paris = ZoneInfo("Europe/Paris")
    assert france.closed(at("2026-11-19 13:30", paris), [paris])
    assert france.opens(at("2026-11-19 13:30", paris), [paris]) == at("2026-11-19 14:00", paris)
    assert not elsewhere.closed(at("2026-11-19 13:30", BERLIN), [BERLIN])
    assert Hours.of(windows[1:], (), "DE").closed(at("2026-11-19 12:00", BERLIN), [BERLIN])


def test_zones_that_never_agree_have_no_opening() -> None:
    apart = [zone_named("Pacific/Auckland"), zone_named("Pacific/Honolulu")]
    morning = Hours((WindowOptions("09:00-10:00", DAYS),), (), "US")
    assert morning.opens(at("2026-11-19 12:00"), [zone for zone in apart if zone]) is None
    assert zone_named("Etc/Unknown") is None
    assert zone_named("../../etc/passwd") is None


@pytest.mark.parametrize(
    "hours", ["9-20", "09:00", "09:00-09:00", "24:00-02:00", "09:00-24:30", "25:00-26:00", "", "mon 09:00-20:00"]
)
def test_hours_that_are_none(hours: str) -> None:
    with pytest.raises(ValueError, match="hours"):
        WindowOptions(hours)


@pytest.mark.parametrize("holiday", ["2026-02-30", "13-01", "Christmas", "de:12-25", ""])
def test_holidays_that_are_none(holiday: str) -> None:
    with pytest.raises(ValueError, match="must be written like"):
        check_holidays([holiday])


BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(0, 2 * 365 * 24 * 60).map(lambda minutes: BEGIN + timedelta(minutes=minutes))
ZONES = st.lists(st.sampled_from([NEW_YORK, LOS_ANGELES, BERLIN, ZoneInfo("Australia/Lord_Howe")]), min_size=1)
HOURS = st.tuples(st.integers(0, 23), st.integers(0, 59), st.integers(0, 23), st.integers(0, 59)).filter(
    lambda four: four[:2] != four[2:]
)


@given(MOMENTS, ZONES, HOURS)
def test_a_time_that_is_named_as_the_next_opening_is_open(
    now: datetime, zones: list[ZoneInfo], hours: tuple[int, int, int, int]
) -> None:
    window = WindowOptions("{:02}:{:02}-{:02}:{:02}".format(*hours), DAYS[:5])
    rules = Hours((window,), ("12-25",), "US")
    opening = rules.opens(now, zones)
    if opening is not None:
        assert opening > now
        assert not rules.closed(opening, zones)


@given(MOMENTS, ZONES)
def test_open_in_all_zones_means_open_in_each(now: datetime, zones: list[ZoneInfo]) -> None:
    assert bool(DAYTIME.closed(now, zones)) == any(DAYTIME.closed(now, [zone]) for zone in zones)
