"""What a call costs is known while it goes on, to the carrier's rounding; who has no price is named."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.records import Used
from sipgw.billing.cost import Bill, Bridged, Expenses
from sipgw.billing.prices import PriceOptions, PriceTable, packaged
from sipgw.inbound.limits import Spent
from sipgw.options import OptionError, build

NOON = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)
MODELS = {("model", "openai"): "gpt-4.1-mini", ("ears", "assemblyai"): "u3-rt-pro"}
OWN = (
    PriceOptions("trunk", "carrier", "seconds", 0.06, 60, rounding="60/60"),
    PriceOptions("trunk", "carrier", "seconds", 0.60, 60, prefix="+44", rounding="1/1"),
    PriceOptions("voice", "mine", "characters", 1, 1000),
)


def bill(number: str = "+14155550100", direction: str = "in") -> Bill:
    one = Bill(PriceTable(OWN), MODELS, direction, number, NOON, "carrier")
    one.answered = NOON
    return one


@pytest.mark.parametrize(
    ("rounding", "seconds", "charged"),
    [
        ("60/60", 0.2, 60), ("60/60", 60, 60), ("60/60", 60.1, 120), ("60/6", 1, 60), ("60/6", 61, 66),
        ("60/6", 66, 66), ("1/1", 0.2, 1), ("1/1", 61.5, 62), ("30/6", 31, 36), ("60/60", 0, 0),
    ],
)  # fmt: skip
def test_what_carriers_make_of_the_seconds_of_a_call(rounding: str, seconds: float, charged: float) -> None:
    assert PriceOptions("trunk", "x", "seconds", 1, rounding=rounding).charged(seconds) == charged


@given(st.floats(0.001, 1e5), st.integers(1, 120), st.integers(1, 120))
def test_a_carrier_never_charges_less_than_was_spoken_nor_a_step_more(seconds: float, first: int, step: int) -> None:
    charged = PriceOptions("trunk", "x", "seconds", 1, rounding=f"{first}/{step}").charged(seconds)
    assert charged >= max(first, seconds) - 1e-6
    assert charged <= max(first, seconds + step)


def test_calls_out_and_those_that_a_caller_is_handed_over_to_are_charged_by_what_they_are() -> None:
    own = (
        PriceOptions("trunk", "carrier", "seconds", 0.06, 60, direction="in"),
        PriceOptions("trunk", "carrier", "seconds", 0.60, 60, direction="out", rounding="1/1"),
        PriceOptions("trunk", "other", "seconds", 6.00, 60, direction="out", prefix="+44"),
    )
    out = Bill(PriceTable(own), MODELS, "out", "+14155550100", NOON, "carrier", NOON)
    assert out.cost(NOON + timedelta(seconds=30)).parts["trunk"] == pytest.approx(0.30)
    handed = Bill(PriceTable(own), MODELS, "in", "+14155550100", NOON, "carrier", NOON)
    began, over = NOON + timedelta(seconds=30), NOON + timedelta(seconds=75)
    handed.bridged += [Bridged("other", "+442079460000", began, over), Bridged("other", "+14155550101", began)]
    cost = handed.cost(NOON + timedelta(seconds=90))
    assert cost.parts["trunk"] == pytest.approx(0.12 + 6.00), "two minutes in, one minute to London"
    assert cost.unpriced == ("trunk other out",), "and who has no price is named"
    assert cost.used["trunk other bridged seconds"] == 45 + 60


def test_the_bill_of_a_call_while_it_goes_on_and_in_its_parts() -> None:
    one = bill()
    assert one.cost(NOON).total == 0
    one.used(Used("ears", "assemblyai", "seconds", 30))
    one.used(Used("ears", "assemblyai", "seconds", 30))
    one.used(Used("model", "openai/openai", "tokens_in", 500_000))
    one.used(Used("model", "openai", "tokens_out", 250_000))
    one.used(Used("voice", "mine", "characters", 200))
    cost = one.cost(NOON + timedelta(seconds=61))
    assert cost.parts == {"trunk": pytest.approx(0.12), "ears": pytest.approx(0.0075), "model": pytest.approx(0.6),
                          "voice": pytest.approx(0.2)}  # fmt: skip
    assert cost.total == pytest.approx(0.9275)
    assert cost.unpriced == ()
    assert cost.as_dict()["used"]["ears assemblyai/u3-rt-pro seconds"] == 60


def test_the_longest_prefix_counts_and_a_price_of_ours_goes_before_that_of_the_package() -> None:
    assert bill("+442079460000").cost(NOON + timedelta(seconds=1.5)).total == pytest.approx(0.02)
    own = PriceOptions("model", "openai/*", "tokens_in", 9, 1_000_000)
    found = PriceTable((own,)).of("model", "openai/gpt-4.1-mini", "tokens_in", NOON)
    assert found is own


def test_a_later_line_follows_the_earlier_from_its_day_on() -> None:
    lines = tuple(PriceOptions("voice", "v", "characters", price, since=day)
                  for price, day in ((1, ""), (2, "2026-11-19"), (3, "2026-11-20")))  # fmt: skip
    table = PriceTable(lines)
    prices = [table.of("voice", "v", "characters", NOON + timedelta(days=day)) for day in (-1, 0, 1)]
    assert [price.price for price in prices if price] == [1, 2, 3]


def test_what_has_no_price_is_named_and_what_is_local_is_free() -> None:
    one = bill()
    one.trunk = "unknown"
    one.used(Used("voice", "acme", "characters", 10))
    one.used(Used("voice", "local", "characters", 10))
    assert one.cost(NOON).unpriced == ("trunk unknown in", "voice acme characters")
    assert one.cost(NOON).total == 0


def test_a_call_that_nobody_answered_has_no_minutes() -> None:
    one = bill()
    one.answered = None
    assert one.cost(NOON + timedelta(hours=1)).total == 0


def test_every_price_of_the_package_has_a_source_and_a_day() -> None:
    for line in packaged():
        assert line.source
        assert date.fromisoformat(line.since) <= date(2026, 12, 31)
        hearsay = any(word in line.source for word in ("note", "comparison", "somebody"))
        assert line.estimate is hearsay, f"{line.name}: what nobody has checked is marked"


def test_a_cost_that_rests_on_an_unchecked_price_says_so() -> None:
    listed = Bill(PriceTable(()), MODELS, "in", "+14155550100", NOON, "telnyx", NOON)
    listed.used(Used("ears", "assemblyai", "seconds", 30))
    cost = listed.cost(NOON + timedelta(seconds=30))
    assert cost.estimated == ("trunk telnyx in",)
    assert cost.as_dict()["estimated"] == ["trunk telnyx in"]
    ours = PriceOptions("trunk", "telnyx", "seconds", 0.0035, 60, source="our contract")
    checked = Bill(PriceTable((ours,)), MODELS, "in", "+14155550100", NOON, "telnyx", NOON)
    assert checked.cost(NOON + timedelta(seconds=30)).estimated == ()


def test_the_day_adds_up_and_begins_anew_at_midnight() -> None:
    now = NOON
    expenses = Expenses(PriceTable(OWN), lambda: now, Spent(10, 1))
    one = expenses.open("a", bill())
    now += timedelta(seconds=90)
    assert expenses.spent() == Spent(pytest.approx(11.5), pytest.approx(1.12))
    cost = expenses.close("a")
    assert cost
    assert cost.total == pytest.approx(0.12)
    now += timedelta(hours=1)
    assert expenses.spent() == Spent(pytest.approx(11.5), pytest.approx(1.12))
    assert one.cost(now).total == pytest.approx(0.12), "it has ended"
    assert expenses.close("a") is None
    now += timedelta(days=1)
    assert expenses.spent() == Spent(0, 0)


@pytest.mark.parametrize(
    "table",
    [
        {"rounding": "60"}, {"rounding": "0/1"}, {"price": -1}, {"per": 0}, {"since": "June"}, {"part": "tax"},
        {"unit": "minutes"},
    ],
)  # fmt: skip
def test_prices_that_cannot_be_used(table: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        build(PriceOptions, {"part": "voice", "name": "x", "unit": "characters", "price": 1.0} | table, {})
