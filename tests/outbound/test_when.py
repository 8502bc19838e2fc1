"""When a call back is due, on a Saturday afternoon."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipgw.outbound.when import FARTHEST, WhenError, due, spoken

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 21, 13, 30, tzinfo=BERLIN)


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as machine:
        machine.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-11-23T17:00", "2026-11-23 17:00"),
        ("2026-11-23T17:00:00Z", "2026-11-23 18:00"),
        ("2026-11-23T17:00:00-05:00", "2026-11-23 23:00"),
        ("now", "2026-11-21 13:30"),
        ("as soon as possible", "2026-11-21 13:30"),
        ("in two hours", "2026-11-21 15:30"),
        ("In an hour.", "2026-11-21 14:30"),
        ("in half an hour", "2026-11-21 14:00"),
        ("in an hour and a half", "2026-11-21 15:00"),
        ("in 20 minutes", "2026-11-21 13:50"),
        ("in 3 days", "2026-11-24 13:30"),
        ("tomorrow at five", "2026-11-22 17:00"),
        ("tomorrow morning at ten", "2026-11-22 10:00"),
        ("tomorrow at 5 p.m.", "2026-11-22 17:00"),
        ("at 9 am tomorrow", "2026-11-22 09:00"),
        ("tomorrow at 7:45 in the morning", "2026-11-22 07:45"),
        ("tomorrow afternoon", "2026-11-22 15:00"),
        ("tonight", "2026-11-21 19:00"),
        ("tonight at eight", "2026-11-21 20:00"),
        ("today at half past four", "2026-11-21 16:30"),
        ("at quarter to six", "2026-11-21 17:45"),
        ("four thirty", "2026-11-21 16:30"),
        ("at five oh five", "2026-11-21 17:05"),
        ("at four forty five", "2026-11-21 16:45"),
        ("on Tuesday at noon", "2026-11-24 12:00"),
        ("next Monday around eleven", "2026-11-23 11:00"),
        ("the day after tomorrow at three o'clock", "2026-11-23 15:00"),
        ("Friday between two and four", "2026-11-27 14:00"),
        ("17:30", "2026-11-21 17:30"),
        ("tomorrow at 12 am", "2026-11-22 00:00"),
    ],
)
def test_what_is_meant(text: str, meant: str) -> None:
    assert due(text, NOW, BERLIN, BERLIN).strftime("%Y-%m-%d %H:%M") == meant


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("tomorrow", "the hour is missing"),
        ("2026-11-23", "the hour is missing"),
        ("Friday", "the hour is missing"),
        ("next week", "'next' is not clear"),
        ("whenever it suits you", "not clear"),
        ("later", "not clear"),
        ("before five", "'before' is not clear"),
        ("at nine", "has passed today"),
        ("at ten this morning", "not clear"),
        ("today at ten in the morning", "has passed"),
        ("2020-01-01T10:00", "has passed"),
        ("2027-06-01T10:00", "days ahead"),
        ("Saturday at five", "today is Saturday"),
        ("tomorrow at 25", "no hour 25"),
        ("tomorrow at 14 pm", "no hour 14"),
        ("five or six", "not clear"),
        ("", "the hour is missing"),
    ],
)
def test_what_is_not_clear_is_asked_again(text: str, asks: str) -> None:
    with pytest.raises(WhenError, match=asks):
        due(text, NOW, BERLIN, BERLIN)


@pytest.mark.parametrize("hour", ["2027-03-28T02:30", "2026-10-25T02:30"])
def test_an_hour_that_the_clock_shows_twice_or_never_is_asked_again(hour: str) -> None:
    before = datetime.fromisoformat(hour).replace(tzinfo=BERLIN) - timedelta(days=3)
    with pytest.raises(WhenError, match="clocks change"):
        due(hour, before, BERLIN, BERLIN)


@pytest.mark.parametrize(
    ("now", "text", "after"),
    [
        ("2027-03-28T01:30+01:00", "in two hours", timedelta(hours=2)),
        ("2026-10-25T01:30+02:00", "in two hours", timedelta(hours=2)),
        ("2026-10-25T02:10+02:00", "in an hour", timedelta(hours=1)),
        ("2026-10-25T02:40+01:00", "in ten minutes", timedelta(minutes=10)),
        ("2027-03-27T15:00+01:00", "in half a day", timedelta(hours=12)),
        ("2027-03-26T15:00+01:00", "in three days", timedelta(days=3, hours=-1)),
        ("2026-10-23T15:00+02:00", "in three days", timedelta(days=3, hours=1)),
    ],
)
@pytest.mark.parametrize("zone", [BERLIN, None], ids=["of the number", "of the machine"])
@pytest.mark.usefixtures("in_berlin")
def test_hours_are_hours_and_days_keep_the_hour_when_the_clocks_change(
    now: str, text: str, after: timedelta, zone: ZoneInfo | None
) -> None:
    said = datetime.fromisoformat(now).astimezone(UTC)
    assert due(text, said, zone).astimezone(UTC) - said == after


def test_whole_days_that_end_in_an_hour_of_change_are_asked_again() -> None:
    with pytest.raises(WhenError, match="clocks change"):
        due("in three days", datetime(2027, 3, 25, 2, 30, tzinfo=BERLIN), BERLIN)


WORDS = ("at", "in", "five", "half", "past", "tomorrow", "pm", "a", "and", "hours", "999", "to", "12", "oh", "24:00")


@pytest.mark.slow
@given(st.text(max_size=100) | st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join))
def test_whatever_is_said_is_a_time_ahead_or_a_question(text: str) -> None:
    try:
        found = due(text, NOW, BERLIN, BERLIN)
    except WhenError as error:
        assert "ask" in str(error)
        return
    assert found.tzinfo is not None
    assert NOW - timedelta(minutes=1) <= found <= NOW + FARTHEST


def test_it_is_told_for_the_ear() -> None:
    assert spoken(due("tomorrow at five", NOW, BERLIN)) == "Sunday 22 November at 17:00"
