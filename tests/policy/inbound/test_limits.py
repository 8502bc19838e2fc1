"""Nobody takes more of us than was agreed, and each is told so in the answer that fits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipgw.config.inbound import LimitOptions, NumberLimit
from sipgw.config.options import OptionError, build
from sipgw.policy.inbound.limits import Caller, Declined, InboundLimits, SpentToday

ANN = Caller("+14155550100", "+14155550199", "192.0.2.1")
BOB = Caller("+14155550101", "+14155550199", "192.0.2.1")
UNKNOWN = Caller("", "+14155550199", "192.0.2.7")


def test_without_limits_everybody_is_let_in() -> None:
    limits = InboundLimits(LimitOptions())
    for at in range(1000):
        assert limits.admit(ANN, at / 1000) is None


def test_calls_of_one_number_within_the_window() -> None:
    limits = InboundLimits(LimitOptions(per_number=2, window=60))
    assert limits.admit(ANN, 0) is None
    assert limits.admit(ANN, 30) is None
    declined = limits.admit(ANN, 59)
    assert declined == Declined(
        "decline", "per_number", "+14155550100 has called 2 times within 60 s ([limits] per_number)"
    )
    assert declined.status == 603
    assert limits.admit(BOB, 59) is None
    assert limits.admit(ANN, 60) is None
    assert limits.admit(ANN, 89), "those that were turned away do not count, those that came in do"
    assert limits.admit(ANN, 90) is None
    for at in range(10):
        assert limits.admit(UNKNOWN, at) is None


def test_calls_of_one_network_within_the_window() -> None:
    limits = InboundLimits(LimitOptions(per_network=2, window=60))
    assert limits.admit(ANN, 0) is None
    assert limits.admit(BOB, 0) is None
    declined = limits.admit(ANN, 1)
    assert declined
    assert declined.reason == "192.0.2.1 has called 2 times within 60 s ([limits] per_network)"
    assert limits.admit(UNKNOWN, 1) is None
    six = [Caller("1", "2", f"2001:db8::{at}") for at in range(3)]
    assert [bool(limits.admit(one, 1)) for one in six] == [False, False, True]


def test_calls_of_one_number_at_the_same_time() -> None:
    limits = InboundLimits(LimitOptions(at_once_per_number=1))
    assert limits.admit(ANN, 0) is None
    declined = limits.admit(ANN, 0)
    assert declined
    assert declined.reason == "+14155550100 has 1 calls at the same time ([limits] at_once_per_number)"
    assert limits.admit(BOB, 0) is None
    limits.over(ANN)
    assert limits.admit(ANN, 0) is None
    assert limits.admit(UNKNOWN, 0) is None
    assert limits.admit(UNKNOWN, 0) is None


def test_the_number_of_a_person_who_speaks_is_busy() -> None:
    limits = InboundLimits(LimitOptions(people=(NumberLimit("+1415555019*"),)))
    assert limits.admit(ANN, 0) is None
    declined = limits.admit(BOB, 0)
    assert declined
    assert (declined.status, declined.rule) == (486, "busy")
    assert declined.reason == "1 at once speak at +1415555019* already ([[limits.people]])"
    assert limits.admit(BOB._replace(dialled="+14155550200"), 0) is None
    limits.over(ANN)
    assert limits.admit(BOB, 0) is None


def test_the_block_list_names_numbers_withheld_ones_and_networks() -> None:
    limits = InboundLimits(
        LimitOptions(
            blocked=(
                "+1900*",
                "withheld",
                "1976*",
                "198.51.100.0/24",
            )
        )
    )
    assert limits.admit(ANN, 0) is None
    for caller, words in (
        (ANN._replace(number="+19005551234"), "calls from +1900* are blocked ([limits] blocked)"),
        (ANN._replace(number="+19765551234"), "calls from 1976* are blocked ([limits] blocked)"),
        (UNKNOWN, "calls from withheld are blocked ([limits] blocked)"),
        (ANN._replace(host="198.51.100.9"), "calls from 198.51.100.9 are blocked ([limits] blocked)"),
    ):
        declined = limits.admit(caller, 0)
        assert declined == Declined("decline", "blocked", words)


def test_minutes_and_money_of_a_day() -> None:
    spent = SpentToday()
    limits = InboundLimits(LimitOptions(minutes_per_day=100, money_per_day=5, answer_spent="spoken"), lambda: spent)
    assert limits.admit(ANN, 0) is None
    spent = SpentToday(minutes=100)
    assert limits.admit(ANN, 0) == Declined(
        "spoken", "minutes_per_day", "the calls of today have taken all that they may ([limits] minutes_per_day)"
    )
    spent = SpentToday(minutes=99, money=5.004)
    declined = limits.admit(ANN, 0)
    assert declined
    assert declined.reason == "the calls of today have taken all that they may ([limits] money_per_day)"


def test_each_answer_has_its_status() -> None:
    assert [Declined(answer, "", "").status for answer in ("busy", "overload", "decline", "spoken")] == [
        486, 503, 603, 200,
    ]  # fmt: skip


@pytest.mark.slow
def test_a_flood_of_numbers_takes_bounded_memory() -> None:
    limits = InboundLimits(LimitOptions(per_number=1))
    for number in range(25_000):
        caller = ANN._replace(number=f"+1{number}")
        assert limits.admit(caller, 0) is None
        limits.over(caller)
    assert len(limits._recent) == 20_000
    assert not limits._going


@given(st.lists(st.tuples(st.sampled_from([ANN, BOB]), st.floats(0, 50), st.booleans())), st.integers(1, 3))
def test_never_more_than_so_many_calls_in_any_window(steps: list[tuple[Caller, float, bool]], most: int) -> None:
    limits, now = InboundLimits(LimitOptions(per_number=most, window=60, at_once_per_number=2)), 0.0
    admitted: list[tuple[Caller, float]] = []
    going: list[Caller] = []
    for caller, wait, ends in steps:
        now += wait
        if ends and going:
            limits.over(going.pop())
        if limits.admit(caller, now) is None:
            admitted.append((caller, now))
            going.append(caller)
        assert sum(one == caller and at > now - 60 for one, at in admitted) <= most
        assert going.count(caller) <= 2


@pytest.mark.parametrize(
    "table",
    [
        {"window": 0}, {"per_number": -1}, {"blocked": ["home/24"]}, {"blocked": ["198.51.100.*"]},
        {"blocked": ["198.51.100"]}, {"answer_blocked": "404"}, {"people": [{"number": "1", "at_once": 0}]},
    ],
)  # fmt: skip
def test_options_that_cannot_be_used(table: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        build(LimitOptions, table, {})
