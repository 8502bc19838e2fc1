"""The gateway's estimate of the playout position, and of the sound that the caller has heard."""

from collections.abc import Iterator

import pytest

from media.g711 import RATE
from media.process.playout_estimator import PlayoutEstimator
from media.session.playout import Heard
from tests.media.reporting import Call
from tests.media.test_remote_stats import FarEnd


def test_between_two_reports_the_position_moves_with_the_clock():
    estimate = PlayoutEstimator()
    estimate.said(1, 8000)
    estimate.report(Heard(1, 0), 10.0)
    assert estimate.stop(10.5) == Heard(1, 4000)


def test_the_position_goes_over_into_the_next_utterance_and_not_beyond_what_was_said():
    estimate = PlayoutEstimator()
    estimate.said(1, 800)
    estimate.said(2, 1600)
    estimate.report(Heard(1, 0), 10.0)
    assert estimate.stop(99.0) == Heard(2, 1600)


def test_a_pause_that_was_reported_back_is_exact():
    estimate = PlayoutEstimator()
    estimate.said(1, 80_000)
    estimate.report(Heard(1, 0), 10.0)
    estimate.pausing()
    estimate.halted(Heard(1, 1760), 10.22)
    assert estimate.stop(15.0) == Heard(1, 1760)


def test_a_report_of_a_pause_that_is_over_does_not_freeze_the_position():
    estimate = PlayoutEstimator()
    estimate.said(1, 80_000)
    estimate.report(Heard(1, 0), 10.0)
    estimate.pausing()
    estimate.moving(10.1)
    estimate.halted(Heard(1, 800), 10.12)
    estimate.report(Heard(1, 8000), 11.0)
    assert estimate.stop(11.5) == Heard(1, 12_000)


def test_reports_about_what_was_discarded_are_old_news():
    estimate = PlayoutEstimator()
    estimate.said(1, 8000)
    estimate.report(Heard(1, 160), 10.0)
    position = estimate.stop(10.0)
    estimate.report(Heard(1, 320), 10.02)
    assert estimate.stop(12.0) == position


# What the caller has heard


BEGINS = {1: 10.0, 2: 13.0, 3: 14.3}
LASTS = {1: 2.5, 2: 1.3, 3: 4.0}
"""Seconds: a pause of half a second between the first two utterances, none between the last two."""


def playing(moment: float) -> Heard:
    """The sample that plays at `moment` if the utterances begin at `BEGINS`."""
    begun = [utterance for utterance, begins in BEGINS.items() if begins <= moment]
    return Heard(begun[-1], int(min(moment - BEGINS[begun[-1]], LASTS[begun[-1]]) * RATE)) if begun else Heard(0, 0)


def spoken(position: Heard) -> float:
    """All sound up to a position, in seconds."""
    return sum(LASTS[number] for number in range(1, position.utterance)) + position.samples / RATE


def followed(until: float, step: float = 0.060) -> Iterator[tuple[float, PlayoutEstimator]]:
    """A position that is told of what is playing each `step` and at each beginning; and the time, each 10 ms."""
    estimate, told = PlayoutEstimator(), 0.0
    for now in (9.5 + tick * 0.010 for tick in range(int((until - 9.5) * 100))):
        for utterance, begins in BEGINS.items():
            if now - 0.010 < begins <= now:
                estimate.said(utterance, int(LASTS[utterance] * RATE))
                estimate.report(Heard(utterance, 0), begins)
        if now - told >= step:
            estimate.report(playing(now), now)
            told = now
        yield now, estimate


@pytest.mark.parametrize("delay", [0.0, 0.070, 0.400])
def test_the_position_of_a_moment_ago_is_exact_while_reports_come(delay):
    for now, estimate in followed(18.0):
        assert spoken(estimate.at(now - delay)) == pytest.approx(spoken(playing(now - delay)), abs=0.001), now


@pytest.mark.parametrize("one_way", [0.002, 0.030, 0.150])
@pytest.mark.parametrize("buffer", [0.020, 0.050, 0.080])
def test_what_the_caller_has_heard_is_known_to_forty_milliseconds(one_way, buffer):
    """The far end plays each frame `buffer` after it came; its reports are aiortc's."""
    call = Call().run(100)
    FarEnd(call, one_way=one_way).answer()
    remote_delay = call.session.rtcp.remote.delay
    for now, estimate in followed(18.0):
        heard_there = playing(now - one_way - buffer)
        assert spoken(estimate.at(now - remote_delay)) == pytest.approx(spoken(heard_there), abs=0.040), now


def test_what_is_on_its_way_at_a_stop_is_still_heard():
    for now, estimate in followed(11.0):
        last = now, estimate
    now, estimate = last
    left = estimate.stop(now)
    assert spoken(left) == pytest.approx(spoken(playing(now)), abs=0.001)
    heard = [spoken(estimate.at(now + later - 0.200)) for later in (0.0, 0.1)]
    assert heard == pytest.approx([spoken(left) - 0.2, spoken(left) - 0.1], abs=0.001)
    assert estimate.at(now) == estimate.at(now + 5.0) == left


def test_during_a_pause_the_caller_hears_the_rest_and_no_more():
    for now, estimate in followed(11.0):
        last = now, estimate
    now, estimate = last
    estimate.pausing()
    estimate.halted(playing(now + 0.020), now + 0.020)
    assert spoken(estimate.at(now - 0.200)) == pytest.approx(spoken(playing(now - 0.200)), abs=0.001)
    assert estimate.at(now + 5.0) == playing(now + 0.020)
    estimate.moving(now + 5.0)
    assert spoken(estimate.at(now + 5.3)) == pytest.approx(spoken(playing(now + 0.320)), abs=0.001)


def test_before_the_first_word_nothing_was_heard():
    assert PlayoutEstimator().at(10.0) == Heard(0, 0)
    ((_, estimate),) = list(followed(9.52))[:1]
    assert estimate.at(9.0) == Heard(0, 0)
