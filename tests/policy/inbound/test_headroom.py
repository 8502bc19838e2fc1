"""How many more calls the gateway holds, learnt from the present ones."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipgw.policy.inbound.capacity import Capacity
from sipgw.policy.inbound.headroom import FULL, LEAST, MEASURED, MEMORY, Headroom


def held(headroom: Headroom, calls: int, seconds: int, *, base: float = 0.0, each: float, media: float = 0.0) -> None:
    """So many calls for so many seconds; `base` is what the first call costs, whatever follows."""
    for _ in range(seconds):
        busy = {"gateway": base + each * calls} | ({"media 1": media * calls} if media else {})
        headroom.take(calls, busy, 1.0)


def test_nothing_is_told_before_enough_is_measured() -> None:
    headroom = Headroom()
    held(headroom, 1, round(MEASURED) - 1, each=0.004)
    assert headroom.calls(1) is None
    held(headroom, 1, 1, each=0.004)
    assert headroom.calls(1) == 236


def test_a_steady_number_of_calls_tells_by_their_average() -> None:
    headroom = Headroom()
    held(headroom, 10, 60, each=0.01)
    assert headroom.calls(10) == pytest.approx((FULL - 0.1) / 0.01, abs=1)


def test_what_the_first_call_costs_is_not_counted_for_each_when_the_number_has_changed() -> None:
    """Wake-ups serve all calls: ten calls take three times as much each as a hundred do."""
    headroom = Headroom()
    for calls in (10, 20, 40, 80):
        held(headroom, calls, 15, base=0.1, each=0.003)
    by_average = (FULL - 0.34) / (0.34 / 80)
    told = headroom.calls(80)
    assert told is not None
    assert by_average < 150 < told
    assert told == pytest.approx((FULL - 0.34) / 0.003, rel=0.05)


def test_calls_that_came_after_the_last_measurement_count() -> None:
    headroom = Headroom()
    held(headroom, 10, 60, each=0.01)
    before = headroom.calls(10)
    assert before is not None
    assert headroom.calls(30) == before - 20


def test_the_fullest_process_decides() -> None:
    headroom = Headroom()
    held(headroom, 10, 60, each=0.01, media=0.05)
    assert headroom.calls(10) == pytest.approx((FULL - 0.5) / 0.05, abs=1)
    assert dict(headroom.busy()) == {"gateway": pytest.approx(0.1), "media 1": pytest.approx(0.5)}


def test_a_process_that_is_gone_is_forgotten() -> None:
    headroom = Headroom()
    held(headroom, 10, 60, each=0.01, media=0.09)
    held(headroom, 10, 1, each=0.01)
    assert dict(headroom.busy()).keys() == {"gateway"}
    assert headroom.calls(10) == pytest.approx((FULL - 0.1) / 0.01, abs=1)


def test_a_core_that_two_processes_share_is_full_when_both_together_keep_it_busy() -> None:
    """One virtual CPU: alone each of the two would have room for 216 calls."""
    headroom = Headroom()
    for _ in range(60):
        headroom.take(100, {"gateway": 0.3, "media 1": 0.3, "the machine": 0.6}, 1.0)
    assert headroom.fullest(100) == ("the machine", pytest.approx(0.6), 58)  # type: ignore[comparison-overlap]
    assert headroom.calls(100) == 58


def test_what_has_the_least_room_is_named_not_what_is_busiest() -> None:
    headroom = Headroom()
    for calls in (10, 20, 40, 80):
        for _ in range(15):
            headroom.take(calls, {"gateway": 0.1 + 0.0075 * calls, "media 1": 0.72 + 0.0005 * calls}, 1.0)
    fullest = headroom.fullest(80)
    assert fullest is not None
    assert max(headroom.busy(), key=lambda one: one[1])[0] == "media 1"
    assert fullest[0] == "gateway"


def test_a_process_that_is_started_again_goes_on_with_what_was_known_of_it() -> None:
    headroom = Headroom()
    held(headroom, 10, 60, each=0.005, media=0.005)
    before = headroom.calls(10)
    held(headroom, 10, 20, each=0.005)
    held(headroom, 10, 1, each=0.005, media=0.005)
    assert headroom.calls(10) == pytest.approx(before, abs=1)
    held(headroom, 10, round(MEMORY) + 1, each=0.005)
    assert headroom._processes.keys() == {"gateway"}, "but not for ever"


@pytest.mark.parametrize(("most", "room"), [("auto", 85), (15, 5), (10, 0), (5, 0), (500, 85)])
def test_a_number_in_the_configuration_bounds_what_is_told(most: int | Literal["auto"], room: int) -> None:
    capacity = Capacity(most, 0.1)
    capacity.calls["pbx"] = 10
    assert capacity.room() is None
    held(capacity.headroom, 10, 60, each=0.01)
    assert capacity.room() == room


def test_a_machine_that_becomes_slower_has_less_room_within_seconds() -> None:
    headroom = Headroom()
    held(headroom, 50, 300, each=0.004)
    held(headroom, 50, 10, each=0.019)
    assert headroom.calls(50) in range(10)


@given(st.lists(st.tuples(st.integers(0, 500), st.floats(0, 1), st.floats(0.01, 30)), max_size=50), st.integers(0, 600))
def test_whatever_is_measured_it_is_a_number_of_calls(seconds: list[tuple[int, float, float]], now: int) -> None:
    headroom = Headroom()
    for calls, busy, length in seconds:
        headroom.take(calls, {"gateway": busy}, length)
    told = headroom.calls(now)
    assert told is None or told >= 0
    most = max((calls for calls, _, _ in seconds), default=0)
    least = min((busy / calls for calls, busy, _ in seconds if calls), default=0.0)
    if told is not None and least > 1e-4:
        assert told <= FULL / (LEAST * least) + most + 1
