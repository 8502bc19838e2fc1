"""The E-model, and the loss pattern that is its input."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.jitter.buffer import JitterBuffer
from media.jitter.losses import Losses, LossPattern
from media.rtp.xr import GMIN
from media.session.quality import INTERVAL, KEPT, Meter, burst_ratio, judge, mos, rating
from tests.media.far_end import Listener, Speaker

VECTORS = (
    (0, 1, 20, True, 92.72, 4.40),
    (1, 1, 20, True, 89.08, 4.32),
    (3, 1, 20, True, 82.58, 4.12),
    (5, 1, 20, True, 76.94, 3.90),
    (10, 1, 20, True, 65.65, 3.39),
    (0, 1, 150, True, 89.60, 4.33),
    (3, 1, 150, True, 79.46, 4.00),
    (0, 1, 250, True, 79.20, 3.99),
    (5, 1, 250, True, 63.42, 3.28),
    (1, 1, 20, False, 74.80, 3.81),
    (3, 1, 20, False, 53.68, 2.77),
    (3, 2, 100, True, 80.09, 4.03),
)
"""Percent lost, burst ratio, milliseconds and whether losses are concealed; the R factor and the score."""


@pytest.mark.parametrize(("percent", "burstiness", "milliseconds", "concealed", "r", "score"), VECTORS)
def test_the_vectors_of_g107(percent, burstiness, milliseconds, concealed, r, score):
    rated = rating(percent / 100, burstiness, milliseconds / 1000, concealed=concealed)
    assert rated == pytest.approx(r, abs=0.01)
    assert mos(rated) == pytest.approx(score, abs=0.01)


@given(st.floats(0, 1), st.floats(1, 100), st.floats(0, 60), st.booleans())
def test_whatever_is_measured_the_score_is_one(loss, burstiness, delay, concealed):
    r = rating(loss, burstiness, delay, concealed=concealed)
    assert 0 <= r <= 100
    assert 1 <= mos(r) <= 4.5


def losses(numbers: set[int]) -> LossPattern:
    """The pattern of the packets lost, by their numbers."""
    lost, missing = Losses(), sorted(numbers)
    begins = [number for number in missing if number - 1 not in numbers]
    ends = [number + 1 for number in missing if number + 1 not in numbers]
    for first, until in zip(begins, ends, strict=True):
        lost.add(first, until, 0.0)
    return lost.pattern


def test_a_single_loss_is_in_the_gap():
    assert losses({5, 5 + GMIN + 1}) == LossPattern(lost=2, runs=2)


def test_losses_less_than_gmin_apart_are_a_burst_with_what_came_between():
    assert losses({100, 101, 110}) == LossPattern(3, 2, bursts=1, burst_packets=11, burst_lost=3)


def test_gmin_packets_received_end_a_burst():
    apart = losses({100, 101, 102 + GMIN, 103 + GMIN})
    assert (apart.bursts, apart.burst_packets, apart.burst_lost) == (2, 4, 4)
    close = losses({100, 101, 101 + GMIN, 102 + GMIN})
    assert (close.bursts, close.burst_packets, close.burst_lost) == (1, 3 + GMIN, 4)


def test_numbers_of_a_new_stream_end_a_burst():
    lost = Losses()
    lost.add(60_000, 60_004, 0.0)
    lost.restart()
    lost.add(3, 5, 0.0)
    assert lost.pattern == LossPattern(6, 2, bursts=2, burst_packets=6, burst_lost=6)


@given(st.sets(st.integers(0, 400)))
def test_a_pattern_agrees_with_itself(numbers):
    pattern = losses(numbers)
    assert pattern.burst_lost <= pattern.lost == len(numbers)
    assert pattern.burst_lost <= pattern.burst_packets <= 401
    assert 2 * pattern.bursts <= pattern.burst_lost


def test_the_burst_ratio_of_random_loss_is_one():
    chance = random.Random(7)
    pattern = losses({number for number in range(200_000) if chance.random() < 0.05})
    assert burst_ratio(pattern, 200_000) == pytest.approx(1, abs=0.02)


def test_the_burst_ratio_of_bursts_is_their_length():
    assert burst_ratio(LossPattern(lost=300, runs=100), 10_000) == pytest.approx(3 * 0.97)


def test_no_loss_and_no_packets_are_not_bursty():
    assert burst_ratio(LossPattern(), 100) == burst_ratio(LossPattern(3, 1), 0) == 1


def test_what_comes_too_late_is_as_bad_as_what_never_comes():
    speaker, listener = Speaker(), Listener(JitterBuffer())
    packets = speaker.speak(500)
    packets[100].at += 0.300
    del packets[200:203]
    listener.listen(packets)
    assert listener.buffer.stats.lost == 3
    assert listener.buffer.stats.late == 1
    assert listener.buffer.losses.pattern == LossPattern(lost=4, runs=2, bursts=1, burst_packets=3, burst_lost=3)


def test_each_interval_is_judged_by_itself():
    meter = Meter(concealed=True)
    meter.start(100.0)
    assert meter.deadline == 100.0 + INTERVAL
    meter.close_interval(105.0, 250, LossPattern(), 0.02)
    meter.close_interval(110.0, 500, LossPattern(lost=25, runs=25), 0.02)
    assert meter.latest is not None
    assert meter.latest.loss == 0.1
    assert list(meter.scores) == pytest.approx([4.40, mos(rating(0.1, 1, 0.02, concealed=True))], abs=0.01)


def test_time_without_sound_has_no_score():
    meter = Meter(concealed=False)
    meter.start(0.0)
    meter.close_interval(5.0, 0, LossPattern(), 0.02)
    assert (meter.latest, len(meter.scores)) == (None, 0)
    assert judge(0, LossPattern(), 0.02, concealed=False) is None


def test_the_latest_hour_is_remembered():
    meter = Meter(concealed=False)
    meter.start(0.0)
    for at in range(KEPT + 10):
        meter.close_interval(at * INTERVAL, 250 * (at + 1), LossPattern(), 0.02)
    assert len(meter.scores) == KEPT


def test_after_a_stall_the_next_interval_is_whole():
    meter = Meter(concealed=False)
    meter.start(0.0)
    meter.close_interval(63.0, 250, LossPattern(), 0.02)
    assert meter.deadline == 63.0 + INTERVAL
