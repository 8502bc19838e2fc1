"""The jitter buffer for speech recognition: at once when in order, complete in time, never speech dropped."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.g711 import FRAME, RATE, SILENCE
from media.jitter.buffer import DEPTH, HOLE_WAIT, HOLE_WAIT_MAX, MAX_FILL, JitterBuffer
from media.jitter.plc import bridge
from tests.media.far_end import Listener, Speaker


def test_packets_in_order_leave_at_once_and_unchanged():
    speaker, listener = Speaker(), Listener()
    packets = speaker.speak(100)
    listener.listen(packets)
    assert [at for at, _ in listener.outputs] == [packet.at for packet in packets]
    assert listener.heard == b"".join(speaker.sent)


def test_sequence_and_timestamp_wrap_unnoticed():
    speaker = Speaker(sequence=65_530, timestamp=0xFFFF_FFFF - 5 * FRAME)
    listener = Listener()
    listener.listen(speaker.speak(50))
    assert listener.heard == b"".join(speaker.sent)
    assert listener.buffer.stats.lost == listener.buffer.stats.clock_jumps == 0


def test_two_packets_swapped_by_the_network_are_put_right():
    speaker, listener = Speaker(), Listener()
    packets = speaker.speak(10)
    packets[4].at += 0.035  # between the arrivals of 5 and 6
    listener.listen(packets)
    assert listener.heard == b"".join(speaker.sent)
    assert (listener.buffer.stats.reordered, listener.buffer.stats.overtaken_by) == (1, 1)
    assert listener.buffer.stats.lost == 0


def test_a_hole_is_given_up_after_forty_milliseconds_and_filled_exactly():
    speaker, listener = Speaker(), Listener()
    packets = speaker.speak(20)
    behind = packets[8]
    del packets[5:8]
    listener.listen(packets)
    filled = bridge(speaker.sent[4], 3 * FRAME, speaker.sent[8])
    assert b"".join(listener.frames()[5:8]) == filled
    assert len(listener.heard) == 20 * FRAME
    assert listener.buffer.stats.lost == 3
    assert (listener.buffer.stats.concealed, listener.buffer.stats.unsent) == (3 * FRAME, 0)
    released = next(at for at, sound in listener.outputs if filled in sound)
    assert HOLE_WAIT <= released - behind.at <= HOLE_WAIT + 0.021


def test_a_packet_that_comes_after_its_hole_was_given_up_widens_the_wait():
    speaker, listener = Speaker(), Listener()
    packets = speaker.speak(40)
    packets[5].at += 0.090  # later than 40 ms after packet 6
    packets[25].at += 0.085
    listener.listen(packets)
    stats = listener.buffer.stats
    assert stats.late == 1, "the second one is waited for"
    assert stats.overtaken_by == 4
    assert stats.lost == 0, "late is counted by itself"
    assert listener.spoken() == [frame for at, frame in enumerate(speaker.sent) if at != 5]


def test_the_wait_never_exceeds_eighty_milliseconds():
    speaker, listener = Speaker(), Listener()
    packets = speaker.speak(200)
    for at in range(5, 60, 10):
        packets[at].at += 0.15
    lost = packets.pop(150)
    listener.listen(packets)
    released = next(at for at, sound in listener.outputs if at > lost.at)
    assert released - (lost.at + 0.02) <= HOLE_WAIT_MAX + 0.021


def test_duplicates_are_counted_and_heard_once():
    speaker, listener = Speaker(), Listener()
    packets = speaker.speak(30)
    listener.listen([*packets, *packets[::3]])
    assert listener.heard == b"".join(speaker.sent)
    assert listener.buffer.stats.duplicate == 10


def test_a_burst_behind_a_hole_is_not_held_longer_than_two_seconds_of_packets():
    speaker, listener = Speaker(), Listener()
    packets = speaker.speak(DEPTH + 10)
    for packet in packets[1:]:
        packet.at = 10.03
    del packets[1]
    listener.listen(packets)
    assert listener.buffer.stats.lost == 1
    assert len(listener.spoken()) == DEPTH + 9


@pytest.mark.parametrize("loss", [0.01, 0.1, 0.3])
def test_with_any_loss_the_time_line_is_that_of_the_sender(loss):
    chance = random.Random(7)
    speaker, listener = Speaker(), Listener()
    packets = speaker.speak(3000)
    kept = [0, *(number for number in range(1, 2999) if chance.random() >= loss), 2999]
    listener.listen([packets[number] for number in kept], until=speaker.at + 0.05)
    assert abs(listener.seconds - 60.0) <= 0.040
    assert listener.spoken() == [speaker.sent[number] for number in kept]


def test_with_jitter_no_frame_is_lost_or_out_of_order():
    chance = random.Random(3)
    speaker, listener = Speaker(), Listener()
    packets = speaker.speak(3000)
    before = 0.0
    for packet in packets:
        before = packet.at = max(before + 1e-5, packet.at + chance.gammavariate(1.5, 0.010))
    listener.listen(packets)
    assert listener.spoken() == speaker.sent
    assert abs(listener.seconds - 60.0) <= 0.040


# Silence that the sender does not send (DTX)


def test_when_packets_stop_after_a_quiet_frame_silence_follows_within_120_ms():
    speaker, listener = Speaker(), Listener()
    packets = speaker.speak(100) + speaker.speak(5, loud=False)
    end = speaker.at
    listener.listen(packets, until=end + 3.0)
    assert listener.longest_wait(end, end + 3.0) <= 0.120
    assert abs(listener.seconds - (end + 3.0 - 10.0)) <= 0.120


def test_pauses_of_the_sender_neither_stretch_nor_shorten_the_time_line():
    speaker, listener = Speaker(), Listener()
    packets = []
    for _ in range(30):
        packets += speaker.speak(60) + speaker.speak(5, loud=False)
        speaker.pause(73)
    packets += speaker.speak(20, loud=False)
    listener.listen(packets)
    assert abs(listener.seconds - (speaker.at - 10.0)) <= 0.040
    assert len(listener.spoken()) == 30 * 60
    assert listener.buffer.stats.lost == 0


def test_after_many_pauses_silence_still_follows_within_120_ms():
    speaker, listener = Speaker(), Listener()
    packets = []
    for _ in range(5):
        packets += speaker.speak(10) + speaker.speak(2, loud=False)
        speaker.pause(50)
    packets += speaker.speak(10) + speaker.speak(2, loud=False)
    listener.listen(packets, until=speaker.at + 1.0)
    assert listener.longest_wait(speaker.at, speaker.at + 1.0) <= 0.120


def test_a_pause_is_silence_even_if_a_packet_was_lost_in_it():
    speaker, listener = Speaker(), Listener()
    packets = [*speaker.speak(10), speaker.packet(None)]
    lost = speaker.packet(None)
    speaker.pause(8)
    packets += speaker.speak(10)
    listener.listen(packets)
    assert listener.buffer.stats.lost == 1
    assert lost not in packets
    assert listener.frames()[10:18] == [SILENCE] * 8


def test_comfort_noise_takes_a_number_and_is_no_loss():
    speaker, listener = Speaker(), Listener()
    packets = [*speaker.speak(10), speaker.packet(None)]
    speaker.pause(50)
    packets += speaker.speak(10)
    listener.listen(packets)
    assert listener.buffer.stats.lost == listener.buffer.stats.concealed == 0
    assert listener.buffer.stats.unsent + listener.buffer.stats.inserted == 50 * FRAME
    assert len(listener.heard) == 70 * FRAME


def test_a_key_held_for_three_seconds_is_silence_while_it_lasts():
    speaker, listener = Speaker(), Listener()
    packets = speaker.speak(10)
    begin = speaker.at
    for _ in range(150):
        packets.append(speaker.packet(None))
        speaker.pause(1)
    packets += speaker.speak(10)
    listener.listen(packets)
    assert listener.longest_wait(begin, begin + 3.0) <= 0.120
    assert abs(listener.seconds - 3.4) <= 0.040
    assert len(listener.spoken()) == 20


# Stalls and hold


def test_in_mid_speech_silence_waits_240_ms_and_is_capped_until_it_is_a_hold():
    speaker, listener = Speaker(), Listener()
    packets = speaker.speak(50)
    last = packets[-1].at
    listener.listen(packets, until=last + 0.99)
    fill = listener.outputs[50:]
    assert 0.24 <= fill[0][0] - last <= 0.261
    assert sum(len(sound) for _, sound in fill) == int(0.2 * RATE)
    listener.listen([], until=last + 5.0)
    assert abs(listener.seconds - (1.0 + 4.98)) <= 0.040, "from one second on, and then all of it, in real time"
    assert max(len(sound) for _, sound in listener.outputs) <= 2 * FRAME, "twice real time at most"


def test_a_stalled_network_delivers_late_speech_whole_and_the_surplus_is_taken_back_from_quiet_frames():
    speaker, listener = Speaker(), Listener()
    packets = speaker.speak(100)
    for packet in packets[50:90]:
        packet.at = max(packet.at, packets[90].at)  # 800 ms of nothing, then all at once
    packets += speaker.speak(40, loud=False)
    listener.listen(packets)
    assert len(listener.spoken()) == 100
    assert listener.buffer.stats.inserted == listener.buffer.stats.trimmed > 0
    assert listener.buffer.surplus == 0
    assert abs(listener.seconds - (speaker.at - 10.0)) <= 0.040


def test_surplus_is_never_taken_back_from_speech():
    speaker, listener = Speaker(), Listener()
    packets = speaker.speak(400)
    for packet in packets[50:90]:
        packet.at = max(packet.at, packets[90].at)
    listener.listen(packets)
    assert listener.spoken() == speaker.sent
    assert listener.buffer.surplus > 0


def test_one_stall_after_another_in_mid_speech_does_not_pile_up_surplus():
    speaker, listener = Speaker(), Listener()
    packets = speaker.speak(500)
    for start in range(50, 450, 50):
        for packet in packets[start : start + 30]:
            packet.at = max(packet.at, packets[start + 30].at)
    listener.listen(packets)
    assert listener.spoken() == speaker.sent
    assert listener.buffer.stats.surplus_max <= 0.2 * RATE


@pytest.mark.parametrize("seconds", [5, 60])
def test_a_hold_with_running_clock_is_filled_once(seconds):
    speaker, listener = Speaker(), Listener()
    packets = speaker.speak(50)
    speaker.pause(seconds * 50)
    packets += speaker.speak(50) + speaker.speak(100, loud=False)
    listener.listen(packets)
    assert abs(listener.seconds - (4.0 + seconds)) <= 0.040
    assert len(listener.spoken()) == 100
    assert listener.buffer.stats.trimmed <= 2 * FRAME, "no quiet frames are left out for a surplus that is gone already"


@pytest.mark.parametrize("seconds", [5, 60])
def test_a_hold_with_frozen_clock_was_real_time_so_its_surplus_is_forgiven(seconds):
    speaker, listener = Speaker(), Listener()
    packets = speaker.speak(50)
    for _ in range(2):
        speaker.pause(seconds * 50, clock_runs=False)
        packets += speaker.speak(50) + speaker.speak(100, loud=False)
    listener.listen(packets)
    assert abs(listener.seconds - (7.0 + 2 * seconds)) <= 0.040
    assert len(listener.spoken()) == 150
    assert listener.buffer.surplus < FRAME


def test_a_five_second_outage_that_loses_everything_is_as_long_as_it_was():
    speaker, listener = Speaker(), Listener()
    packets = speaker.speak(600)
    del packets[100:350]
    listener.listen(packets)
    assert listener.buffer.stats.lost == 250
    assert abs(listener.seconds - 12.0) <= 0.040
    assert len(listener.spoken()) == 350


# Discontinuities


@pytest.mark.parametrize("jump", [-RATE * 3600, -RATE * 5, RATE * 5, RATE * 3600])
def test_a_jump_of_the_senders_clock_is_no_hole(jump):
    speaker, listener = Speaker(), Listener()
    packets = speaker.speak(50)
    speaker.timestamp += jump
    packets += speaker.speak(50)
    listener.listen(packets)
    assert listener.buffer.stats.clock_jumps == 1
    assert listener.heard == b"".join(speaker.sent)


def test_a_sender_that_claims_a_pause_in_every_packet_cannot_flood_the_recogniser():
    speaker, listener = Speaker(), Listener()
    packets = []
    for _ in range(500):
        packets += speaker.speak(1)
        speaker.timestamp += 7000
    listener.listen(packets)
    assert listener.seconds <= 10.0 + 1.2


def test_a_new_stream_goes_on_where_the_wall_clock_is():
    speaker, listener = Speaker(), Listener()
    listener.listen(speaker.speak(50))
    listener.buffer.restart()
    speaker.at, speaker.sequence, speaker.timestamp = speaker.at + 0.3, 9, 77
    after = speaker.speak(50)
    listener.listen(after)
    assert listener.outputs[-50][0] == after[0].at, "its first packet is not held"
    assert abs(listener.seconds - 2.3) <= 0.040
    assert listener.spoken() == speaker.sent


def test_a_new_stream_after_a_long_hold_leaves_no_surplus():
    speaker, listener = Speaker(), Listener()
    listener.listen(speaker.speak(50), until=speaker.at + 30.0)
    listener.buffer.restart()
    speaker.at, speaker.sequence, speaker.timestamp = speaker.at + 30.0, 5, 1 << 31
    listener.listen(speaker.speak(50) + speaker.speak(100, loud=False))
    assert abs(listener.seconds - 34.0) <= 0.040
    assert listener.buffer.stats.trimmed <= 2 * FRAME


def test_a_sequence_number_out_of_the_window_is_ignored_until_a_second_follows_it():
    speaker, listener = Speaker(), Listener()
    packets = speaker.speak(50)
    packets[20].sequence = (packets[20].sequence + 20_000) & 0xFFFF
    speaker.sequence += 10_000
    packets += speaker.speak(50)
    listener.listen(packets)
    assert (listener.buffer.stats.resets, listener.buffer.stats.out_of_window) == (1, 2)
    assert len(listener.spoken()) == 98, "the stray one, and the first after the restart"
    assert abs(listener.seconds - 2.0) <= 0.040


@pytest.mark.parametrize("ppm", [-150, 150])
def test_skew_of_the_clocks_loses_nothing(ppm):
    speaker, listener = Speaker(), Listener()
    packets = speaker.speak(50 * 600)
    for number, packet in enumerate(packets):
        packet.at = 10.0 + number * 0.020 * (1 + ppm / 1e6)
    packets.pop(29_000)
    listener.listen(packets)
    assert len(listener.heard) == 50 * 600 * FRAME
    assert listener.buffer.stats.inserted == listener.buffer.stats.clock_jumps == 0


def test_an_hour_of_call():
    speaker, buffer = Speaker(), JitterBuffer()
    total = 0
    for _ in range(3600):
        for packet in speaker.speak(50):
            total += len(buffer.put(packet.sequence, packet.timestamp, packet.payload, packet.at))
        total += len(buffer.poll(speaker.at))
        speaker.sent.clear()
    assert total == 3600 * RATE


@given(
    st.lists(
        st.tuples(
            st.integers(0, 0xFFFF), st.integers(0, 0xFFFF_FFFF), st.none() | st.binary(max_size=1488), st.floats(0, 3)
        ),
        max_size=60,
    )
)
def test_whatever_arrives_nothing_is_raised_and_output_stays_near_the_wall_clock(packets):
    buffer, now, heard, given = JitterBuffer(), 5.0, 0, 0
    for sequence, timestamp, payload, later in packets:
        for _ in range(int(later / 0.02)):
            now += 0.02
            heard += len(buffer.poll(now))
        given += len(payload or b"")
        heard += len(buffer.put(sequence, timestamp, payload, now))
    assert buffer.surplus >= 0
    assert heard <= given + (now - 5.0 + MAX_FILL + 2.0) * RATE


@given(st.permutations(range(6)))
def test_any_order_within_the_wait_comes_out_in_order(order):
    speaker, listener = Speaker(), Listener()
    packets = speaker.speak(7)
    for place, number in enumerate(order):
        packets[1 + number].at = 10.005 + place * 0.001
    listener.listen(packets, until=10.2)
    assert listener.spoken() == speaker.sent
