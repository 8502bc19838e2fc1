"""Reception statistics of RFC 3550: appendices A.1, A.3 and A.8."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.g711 import FRAME
from media.rtp.receiver_stats import ReceiverStats, Tally, fraction_lost


def received(numbers, *, late=lambda number: 0.0) -> ReceiverStats:
    """A stream of which packets `numbers` came, in this order."""
    reception = ReceiverStats(7)
    for number in numbers:
        reception.receive(number & 0xFFFF, number * FRAME & 0xFFFF_FFFF, 100.0 + number * 0.020 + late(number))
    return reception


def test_nothing_is_expected_before_the_first_packet():
    assert ReceiverStats(7).tally == Tally(0, 0)


def test_a_complete_stream_has_no_loss_and_no_jitter():
    reception = received(range(65_000, 67_000))
    assert reception.tally == Tally(2000, 2000)
    assert reception.jitter == pytest.approx(0, abs=1e-3)
    assert reception.highest_sequence == 66_999  # one cycle in the upper 16 bits


def test_lost_is_what_was_expected_and_did_not_come():
    assert received([1, 2, 5, 6, 10]).tally.lost == 5


def test_late_and_doubled_packets_count_as_received():
    assert received([1, 2, 4, 3, 5]).tally.lost == 0
    assert received([1, 2, 2, 2, 3]).tally.lost == -2


def test_a_stray_number_changes_nothing():
    reception = received([100, 101, 30_000, 102])
    assert (reception.tally, reception.jitter) == (Tally(3, 3), 0)


def test_two_far_off_numbers_in_a_row_are_a_restart():
    reception = received([100, 101, 103, 30_000, 30_001, 30_002])
    assert reception.tally == Tally(2, 2)
    assert reception.earlier == 4


def test_a_timestamp_that_wraps_is_no_jitter():
    wrap = 0x1_0000_0000 // FRAME
    assert received(range(wrap - 50, wrap + 50)).jitter == pytest.approx(0, abs=1e-3)


def test_jitter_is_the_smoothed_change_of_transit_time():
    """RFC 3550 A.8, written out a second time from its formula."""
    chance = random.Random(3)
    delays = [chance.expovariate(1 / 0.010) for _ in range(500)]
    expected, before = 0.0, delays[0]
    for delay in delays[1:]:
        expected += (abs(delay - before) * 8000 - expected) / 16
        before = delay
    assert received(range(500), late=lambda number: delays[number]).jitter == pytest.approx(expected)


def test_telephone_events_are_counted_but_their_timestamps_are_no_jitter():
    reception = received(range(100))
    for number in range(100, 110):
        assert reception.count(number)
    assert (reception.tally, reception.jitter) == (Tally(110, 110), pytest.approx(0, abs=1e-3))  # type: ignore[comparison-overlap]


def test_a_stream_may_begin_with_an_event():
    reception = ReceiverStats(7)
    reception.count(65_535)
    reception.receive(0, 160, 1.0)
    reception.receive(1, 320, 1.02)
    assert reception.tally == Tally(3, 3)


def test_the_fraction_is_of_the_last_interval():
    before = Tally(packets=100, expected=120)
    assert fraction_lost(before, Tally(290, 320)) == 10 * 256 // 200
    assert fraction_lost(before, Tally(100, 140)) == 255
    assert fraction_lost(before, Tally(130, 140)) == 0  # more came than was expected
    assert fraction_lost(before, before) == 0


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF_FFFF), st.floats(0, 1e6))))
def test_whatever_comes_every_field_fits_its_place(packets):
    reception = ReceiverStats(7)
    for sequence, timestamp, now in packets:
        reception.receive(sequence, timestamp, now)
    assert 0 <= reception.packets <= len(packets)
    assert 0 <= reception.highest_sequence <= 0xFFFF_FFFF
    assert 0 <= reception.jitter < 2**36
