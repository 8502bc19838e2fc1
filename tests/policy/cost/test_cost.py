# mypy: disable-error-code="arg-type"
"""What a call costs is known while it goes on, to the carrier's rounding; who has no price is named."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.providers.assemblyai_session import AssemblyAIOptions
from agent.providers.elevenlabs import ElevenLabsOptions
from agent.providers.openai_client import OpenAIOptions
from agent.providers.openai_live import OpenAILiveOptions
from agent.providers.openai_realtime import OpenAIRealtimeOptions
from agent.records import Used
from sipgw.agents.agents import Agents
from sipgw.agents.products import prices_of
from sipgw.config.agent import AgentOptions
from sipgw.config.config import GatewayConfig
from sipgw.config.cost import CostOptions, PriceOptions
from sipgw.config.options import OptionError, build
from sipgw.config.registry import provider
from sipgw.config.trunks import TrunkOptions
from sipgw.policy.cost.cost import Bill, Expenses, FurtherLeg
from sipgw.policy.cost.prices import PriceTable, bound, packaged
from sipgw.policy.inbound.limits import SpentToday

NOON = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)
OWN = (
    PriceOptions("trunk", "carrier", "seconds", 0.06, 60, rounding="60/60"),
    PriceOptions("trunk", "carrier", "seconds", 0.60, 60, prefix="+44", rounding="1/1"),
    PriceOptions("tts", "mine", "characters", 1, 1000),
)


def bill(number: str = "+14155550100", direction: str = "in") -> Bill:
    one = Bill(PriceTable(OWN), direction, number, NOON, "carrier")
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
    out = Bill(PriceTable(own), "out", "+14155550100", NOON, "carrier", NOON)
    assert out.cost(NOON + timedelta(seconds=30)).parts["trunk"] == pytest.approx(0.30)
    handed = Bill(PriceTable(own), "in", "+14155550100", NOON, "carrier", NOON)
    began, over = NOON + timedelta(seconds=30), NOON + timedelta(seconds=75)
    handed.further += [FurtherLeg("other", "+442079460000", began, over), FurtherLeg("other", "+14155550101", began)]
    cost = handed.cost(NOON + timedelta(seconds=90))
    assert cost.parts["trunk"] == pytest.approx(0.12 + 6.00), "two minutes in, one minute to London"
    assert cost.unpriced == ("trunk other out",), "and who has no price is named"
    assert cost.used["trunk other further seconds"] == 45 + 60


def test_the_bill_of_a_call_while_it_goes_on_and_in_its_parts() -> None:
    one = bill()
    assert one.cost(NOON).total == 0
    one.used(Used("stt", "assemblyai/u3-rt-pro", "seconds", 30))
    one.used(Used("stt", "assemblyai/u3-rt-pro", "seconds", 30))
    one.used(Used("llm", "openai/gpt-4.1-mini", "tokens_in", 500_000))
    one.used(Used("llm", "openai/gpt-4.1-mini", "tokens_out", 250_000))
    one.used(Used("tts", "mine", "characters", 200))
    cost = one.cost(NOON + timedelta(seconds=61))
    assert cost.parts == {"trunk": pytest.approx(0.12), "stt": pytest.approx(0.0075), "llm": pytest.approx(0.6),
                          "tts": pytest.approx(0.2)}  # fmt: skip
    assert cost.total == pytest.approx(0.9275)
    assert cost.unpriced == ()
    assert cost.as_dict()["used"]["stt assemblyai/u3-rt-pro seconds"] == 60


def test_the_longest_prefix_counts_and_a_price_of_ours_goes_before_that_of_the_package() -> None:
    assert bill("+442079460000").cost(NOON + timedelta(seconds=1.5)).total == pytest.approx(0.02)
    own = PriceOptions("llm", "openai/*", "tokens_in", 9, 1_000_000)
    found = PriceTable((own,)).of("llm", "openai/gpt-4.1-mini", "tokens_in", NOON)
    assert found is own


def test_a_later_line_follows_the_earlier_from_its_day_on() -> None:
    lines = tuple(PriceOptions("tts", "v", "characters", price, since=day)
                  for price, day in ((1, None), (2, date(2026, 11, 19)), (3, date(2026, 11, 20))))  # fmt: skip
    table = PriceTable(lines)
    prices = [table.of("tts", "v", "characters", NOON + timedelta(days=day)) for day in (-1, 0, 1)]
    assert [price.price for price in prices if price] == [1, 2, 3]


def test_what_has_no_price_is_named_and_what_is_local_is_free() -> None:
    one = bill()
    one.trunk = "unknown"
    one.used(Used("tts", "acme", "characters", 10))
    one.used(Used("tts", "local", "characters", 10))
    one.used(Used("llm", "localai/large", "tokens_in", 10))
    assert one.cost(NOON).unpriced == ("trunk unknown in", "tts acme characters", "llm localai/large tokens_in")
    assert one.cost(NOON).total == 0


def test_a_call_that_nobody_answered_has_no_minutes() -> None:
    one = bill()
    one.answered = None
    assert one.cost(NOON + timedelta(hours=1)).total == 0


def test_every_price_of_the_package_has_a_source_and_a_day() -> None:
    for line in packaged():
        assert line.source
        assert line.since and line.since <= date(2026, 12, 31)
        hearsay = any(word in line.source for word in ("note", "comparison", "somebody"))
        assert line.estimate is hearsay, f"{line.name}: what nobody has checked is marked"


def test_a_cost_that_rests_on_an_unchecked_price_says_so() -> None:
    listed = Bill(PriceTable(()), "in", "+14155550100", NOON, "telnyx", NOON)
    listed.used(Used("stt", "assemblyai/u3-rt-pro", "seconds", 30))
    cost = listed.cost(NOON + timedelta(seconds=30))
    assert cost.estimated == ("trunk telnyx in",)
    assert cost.as_dict()["estimated"] == ["trunk telnyx in"]
    ours = PriceOptions("trunk", "telnyx", "seconds", 0.0035, 60, source="our contract")
    checked = Bill(PriceTable((ours,)), "in", "+14155550100", NOON, "telnyx", NOON)
    assert checked.cost(NOON + timedelta(seconds=30)).estimated == ()


def test_the_day_adds_up_and_begins_anew_at_midnight() -> None:
    now = NOON
    expenses = Expenses(PriceTable(OWN), lambda: now, {"": SpentToday(10, 1)})
    one = expenses.open("a", bill())
    now += timedelta(seconds=90)
    assert expenses.spent() == SpentToday(pytest.approx(11.5), pytest.approx(1.12))
    cost = expenses.close("a")
    assert cost
    assert cost.total == pytest.approx(0.12)
    now += timedelta(hours=1)
    assert expenses.spent() == SpentToday(pytest.approx(11.5), pytest.approx(1.12))
    assert one.cost(now).total == pytest.approx(0.12), "it has ended"
    assert expenses.close("a") is None
    now += timedelta(days=1)
    assert expenses.spent() == SpentToday(0, 0)


@pytest.mark.parametrize(
    "table",
    [
        {"rounding": "60"}, {"rounding": "0/1"}, {"price": -1}, {"per": 0}, {"since": "June"}, {"part": "tax"},
        {"unit": "minutes"},
    ],
)  # fmt: skip
def test_prices_that_cannot_be_used(table: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        build(PriceOptions, {"part": "tts", "name": "x", "unit": "characters", "price": 1.0} | table, {})


@pytest.mark.faults("C1")
def test_caps_count_an_upper_bound_for_what_has_no_price() -> None:
    one = bill()
    one.trunk = "unknown"
    one.used(Used("llm", "openai/new-model", "tokens_out", 1_000_000))
    one.used(Used("llm", "local", "tokens_out", 1_000_000))
    cost = one.cost(NOON + timedelta(seconds=61))
    assert cost.total == 0, "nothing is guessed in what is told as the cost"
    assert cost.most == pytest.approx(2 * 1.00 + 180), "two begun minutes of the trunk, and the tokens"
    assert cost.as_dict()["most"] == pytest.approx(182)
    expenses = Expenses(PriceTable(OWN), lambda: NOON + timedelta(seconds=61))
    expenses.open("a", one)
    assert expenses.spent().money == pytest.approx(182)


@pytest.mark.faults("C1")
def test_every_part_has_an_upper_bound_above_every_price_of_the_package() -> None:
    for line in packaged():
        most = bound(line.part, line.unit)
        assert most.price / most.per > line.price / line.per, line.name


@pytest.mark.faults("C1")
def test_a_leg_that_took_the_place_of_the_first_is_charged_as_a_call_out() -> None:
    own = (
        PriceOptions("trunk", "carrier", "seconds", 0.06, 60, direction="in"),
        PriceOptions("trunk", "carrier", "seconds", 0.60, 60, direction="out"),
    )
    one = Bill(PriceTable(own), "in", "+14155550100", NOON, "carrier", NOON)
    one.left = NOON + timedelta(seconds=50)
    one.leg("carrier", "+14155550101", NOON + timedelta(seconds=45))
    assert one.cost(NOON + timedelta(seconds=150)).total == pytest.approx(0.06 + 2 * 0.60)
    one.ended = NOON + timedelta(seconds=200)
    assert one.cost(NOON + timedelta(hours=1)).total == pytest.approx(0.06 + 3 * 0.60), "until the call has ended"


@pytest.mark.faults("C1")
def test_what_a_cap_is_set_for_and_has_no_price_is_told() -> None:
    capped = GatewayConfig().having(
        cost=CostOptions(per_call=1),
        openai=OpenAIOptions(api_key="k", model="gpt-new"),
        elevenlabs=ElevenLabsOptions(api_key="k"),
        trunks=(TrunkOptions("office", "peer", networks=("10.0.0.0/8",)),),
    )
    found = Agents(capped, {}).unpriced()
    assert len(found) == 3, "both kinds of tokens, and calls in; STT is local, the voice has a price"
    assert "no price of llm openai/gpt-new for tokens_in: caps count 30 for 1e+06 of them" in found[0]
    assert "trunk office, calls in, for seconds: caps count 1 for 60" in found[2]
    assert Agents(replace(capped, cost=CostOptions()), {}).unpriced() == [], "without caps nothing hangs on it"
    ours = tuple(PriceOptions("llm", "*", unit, 1) for unit in ("tokens_in", "tokens_out"))
    lines = (*ours, PriceOptions("trunk", "office", "seconds", 0))
    assert Agents(replace(capped, prices=lines), {}).unpriced() == []


@pytest.mark.parametrize(
    ("model", "keyterms", "hourly"),
    [
        ("universal-streaming-english", (), 0.15),
        ("universal-streaming-english", ("Rasheed",), 0.19),
        ("universal-3-6-pro", ("Rasheed",), 0.45),
    ],
)
def test_key_terms_cost_more_where_they_do(model: str, keyterms: tuple[str, ...], hourly: float) -> None:
    product = provider("stt", "assemblyai").product(AssemblyAIOptions(model=model, keyterms=keyterms))
    price = PriceTable(()).of("stt", product, "seconds", NOON)
    assert price is not None and price.cost(3600) == pytest.approx(hourly)


@pytest.mark.parametrize("model", ["gpt-transcribe", "whisper-9", ""])
def test_a_model_that_only_transcribes_has_a_price_too(model: str) -> None:
    realtime = OpenAIRealtimeOptions(api_key="k", transcription=model)
    capped = GatewayConfig().having(
        cost=CostOptions(per_call=1), agent=AgentOptions(realtime="openai"), openai_realtime=realtime
    )
    told = [
        "no price of realtime openai/whisper-9 for seconds: caps count 0.6 for 60 of them; give it one in [[prices]]"
    ]
    assert Agents(capped, {}).unpriced() == (told if model == "whisper-9" else [])


@pytest.mark.parametrize("model", ["gpt-6-luna", "gpt-9"])
def test_a_model_that_only_calls_tools_has_a_price_too(model: str) -> None:
    live = OpenAILiveOptions(api_key="k", backend=model)
    capped = GatewayConfig().having(
        cost=CostOptions(per_call=1), agent=AgentOptions(realtime="openai_live"), openai_live=live
    )
    told = Agents(capped, {}).unpriced()
    assert [one.split(":")[0] for one in told] == [
        f"no price of realtime openai/gpt-9 for {unit}" for unit in ("tokens_in", "tokens_out") if model == "gpt-9"
    ]


@pytest.mark.faults("C1")
def test_phones_of_our_own_and_the_browser_cost_no_carrier() -> None:
    table = prices_of(GatewayConfig())
    for name in ("local", "accounts", "browser"):
        assert Bill(table, "in", "anna", NOON, name, NOON).cost(NOON + timedelta(hours=1)).most == 0
    own = GatewayConfig(trunks=(TrunkOptions("local", "peer", networks=("10.0.0.0/8",)),))
    assert Bill(prices_of(own), "in", "anna", NOON, "local", NOON).cost(NOON + timedelta(hours=1)).most == 60


@pytest.mark.faults("C1")
@pytest.mark.parametrize(
    ("part", "known", "unknown"),
    [
        ("realtime", "openai/gpt-realtime-mini", "openai/gpt-realtime-3"),
        ("realtime", "openai/gpt-live-transcribe", "openai/whisper-1"),
        ("stt", "elevenlabs/scribe_v2_realtime", "elevenlabs/scribe_v2_realtime+keyterms"),
    ],
)
def test_a_price_holds_for_no_model_that_it_does_not_name(part, known: str, unknown: str) -> None:
    table, now = PriceTable(()), NOON + timedelta(days=9)
    assert table.of(part, known, "seconds", now) is not None
    assert table.of(part, unknown, "seconds", now) is None


def test_the_price_of_the_fast_voices_is_not_that_of_models_to_come() -> None:
    table = PriceTable(())
    for kind in ("flash", "turbo"):
        now, later = (
            table.of("tts", f"elevenlabs/eleven_{kind}_{version}", "characters", NOON) for version in ("v2_5", "v3")
        )
        assert now and later
        assert now.price < later.price
