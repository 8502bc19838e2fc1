"""Both jitter buffers under twenty-two network conditions, on virtual time: the promised figures."""

import functools
import statistics

import pytest

from tests.media.hearing import Figures, figures, to_person, to_recogniser
from tests.media.networks import CONDITIONS, OUTAGES, Condition

SECONDS = 100.0
every_condition = pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)


@functools.cache
def recognised(condition: Condition) -> Figures:
    return figures(condition, to_recogniser, SECONDS)


@functools.cache
def listened(condition: Condition) -> Figures:
    return figures(condition, to_person, SECONDS)


@every_condition
def test_the_recogniser_gets_all_speech_once_in_order_and_in_time(condition):
    seen = recognised(condition)
    assert seen.lost <= (0.05 if condition.sender.overtaking else 0)  # until the buffer knows that it has to wait
    assert seen.disordered == 0
    assert abs(seen.drift) <= 40
    high = condition.loss > 0.03
    assert seen.over_mean <= (6 if high else 1)
    assert seen.over_p95 <= (40 if high else 5)


@every_condition
def test_the_recogniser_is_never_fed_much_faster_than_real_time(condition):
    skew = 300 * 6 * 1000 * max(condition.sender.skew, 0)
    outage = 250
    assert recognised(condition).lead <= 100 + skew + outage


@every_condition
def test_the_recognisers_clock_stops_for_less_than_a_second(condition):
    assert recognised(condition).stall <= 600


@pytest.mark.parametrize("condition", OUTAGES, ids=lambda condition: condition.name)
def test_after_outages_of_seconds_the_recogniser_has_all_speech_at_a_bearable_pace_and_the_right_time(condition):
    seen = recognised(condition)
    assert (seen.lost, seen.disordered) == (0, 0)
    assert abs(seen.drift) <= 40
    assert seen.lead <= 2000 + 5000 + 250, "what may be owed already, and the longest outage"
    assert seen.stall <= 2200, "while pauses are left out"
    assert seen.fastest <= 2.1


def test_the_sums_for_the_recogniser():
    seen = [recognised(condition) for condition in CONDITIONS]
    assert statistics.mean(each.over_mean for each in seen) <= 1
    assert statistics.mean(each.over_p95 for each in seen) <= 5


@every_condition
def test_the_listener_hears_a_frame_every_20_ms_once_and_in_order(condition):
    seen = listened(condition)
    assert seen.stall == pytest.approx(20)
    assert seen.disordered == 0
    assert seen.lost <= (0.5 if condition.sender.overtaking else 0.1)


def test_the_sums_for_the_listener():
    seen = [listened(condition) for condition in CONDITIONS]
    assert statistics.mean(each.lag_mean for each in seen) <= 80
    assert statistics.mean(each.lag_p95 for each in seen) <= 140
    assert statistics.mean(each.lost for each in seen) <= 0.1
