"""Stalls of a second and more: the recogniser gets as much sound as time passes, and late sound complete and paced."""

import math
import random
import struct
from bisect import bisect_right
from itertools import accumulate

import pytest

from media.g711 import FRAME, QUIET_LEVEL, RATE, from_linear, level
from media.jitter.buffer import JitterBuffer
from media.jitter.gap_filler import NOISY_LEVEL, SURPLUS_LIMIT, NoiseFloor
from media.jitter.hold import PACE, WAITING_MAX
from media.jitter.states import TABLE, Event, State
from tests.media.far_end import Arrival, Listener, Speaker


def stalled(packets: list[Arrival], begin: int, seconds: float, rate: float = math.inf) -> list[Arrival]:
    """The network stands from packet `begin` on; then what waited comes `rate` times as fast as it was sent."""
    free = packets[begin].at + seconds
    for packet in packets[begin:]:
        packet.at = max(packet.at, free)
        free = packet.at + (0.020 / rate or 1e-6)
    return packets


def noise(chance: random.Random, loudness: float) -> bytes:
    """A frame of a noisy room."""
    return from_linear(struct.pack("<160h", *(int(chance.gauss(0, loudness)) for _ in range(FRAME))))


def most_in_a_second(listener: Listener) -> float:
    """Seconds of sound in the second in which the recogniser got most."""
    times = [at for at, _ in listener.outputs]
    sums = [0, *accumulate(len(sound) for _, sound in listener.outputs)]
    return max(sums[bisect_right(times, at + 1.0)] - sums[number] for number, at in enumerate(times)) / RATE


@pytest.mark.parametrize("rate", [1.5, 2, 3, 4, 5, 8, 20, math.inf])
@pytest.mark.parametrize("seconds", [1.0, 2.0, 3.0, 5.0])
def test_however_fast_a_stall_drains_its_sound_is_whole_and_its_surplus_is_taken_back(
    seconds: float, rate: float
) -> None:
    speaker, listener = Speaker(), Listener()
    packets = stalled(speaker.speak(1000) + speaker.speak(500, loud=False), 250, seconds, rate)
    listener.listen(packets, until=speaker.at)
    assert listener.spoken() == speaker.sent[:1000]
    assert abs(listener.seconds - (speaker.at - 10.0)) <= 0.040
    assert listener.buffer.stats.inserted == listener.buffer.stats.trimmed > 0


@pytest.mark.parametrize("seconds", [1.0, 2.0, 5.0])
def test_what_a_stall_held_back_comes_at_twice_the_pace_at_most(seconds: float) -> None:
    speaker, listener = Speaker(), Listener()
    listener.listen(stalled(speaker.speak(1500), 250, seconds), until=speaker.at)
    assert listener.spoken() == speaker.sent
    assert most_in_a_second(listener) <= PACE + 0.061
    last = max(at for at, sound in listener.outputs if speaker.sent[250 + int(seconds * 50)] in sound)
    assert last - (15.0 + seconds) <= seconds + 0.060, "caught up with when as much time has passed again"


def test_no_more_than_ten_seconds_wait_and_nothing_is_lost() -> None:
    speaker, listener = Speaker(), Listener()
    packets = stalled(speaker.speak(3000), 250, 40.0)
    listener.listen(packets, until=speaker.at + 10.0)
    assert listener.spoken() == speaker.sent
    burst = packets[250].at + 0.1
    late = sum(len(sound) for at, sound in listener.outputs if burst < at) // FRAME
    assert late <= WAITING_MAX + 800, "750 come live behind it"
    assert listener.buffer.state is State.SURPLUS, "no sound waits"


def test_after_a_stall_of_less_than_a_second_all_comes_at_once() -> None:
    speaker, listener = Speaker(), Listener()
    packets = stalled(speaker.speak(300), 250, 0.9)
    listener.listen(packets, until=speaker.at)
    assert listener.outputs[-6][0] - packets[250].at <= 0.1


def test_a_stall_while_the_last_one_is_caught_up_with_inserts_only_what_is_missing() -> None:
    speaker, listener = Speaker(), Listener()
    packets = stalled(stalled(speaker.speak(1000), 250, 4.0), 460, 3.0)
    packets += speaker.speak(700, loud=False)
    listener.listen(packets, until=speaker.at)
    assert listener.spoken() == speaker.sent[:1000]
    assert abs(listener.seconds - (speaker.at - 10.0)) <= 0.040
    assert listener.longest_wait(15.0, 33.0) <= 1.02
    assert listener.buffer.stats.inserted < 5.5 * RATE, "4 s, and 3 s less what was still to be heard in the second"


def test_a_new_stream_is_heard_behind_what_a_stall_of_the_old_one_held_back() -> None:
    speaker, listener = Speaker(), Listener()
    listener.listen(stalled(speaker.speak(400), 250, 2.0), until=17.1)
    listener.buffer.restart()
    speaker.sequence, speaker.timestamp = 9, 77
    listener.listen(speaker.speak(200) + speaker.speak(300, loud=False), until=speaker.at)
    assert listener.spoken() == speaker.sent[:600]
    assert abs(listener.seconds - (speaker.at - 10.0)) <= 0.060


@pytest.mark.parametrize("loudness", [350, 450, 600])
def test_in_a_noisy_room_a_surplus_is_taken_back_from_noise(loudness: float) -> None:
    chance, speaker, listener = random.Random(4), Speaker(), Listener()
    packets = []
    for _ in range(8):
        words = speaker.speak(200)
        pause = speaker.speak(500, loud=False)
        for packet in pause:
            packet.payload = noise(chance, loudness)
        packets += words + pause
    for begin in range(250, len(packets), 700):
        stalled(packets, begin, 1.5)
    listener.listen(packets, until=speaker.at)
    loud = [frame for frame in speaker.sent if frame[4:6] == b"\x10\x90"]
    assert [frame for frame in listener.frames() if frame[4:] == loud[0][4:]] == loud
    assert listener.buffer.stats.surplus_max <= 2 * RATE
    assert listener.buffer.surplus < FRAME
    assert abs(listener.seconds - (speaker.at - 10.0)) <= 0.040


def test_the_surplus_of_a_speaker_who_never_pauses_is_bounded_and_no_speech_is_left_out() -> None:
    speaker, listener = Speaker(), Listener()
    packets = speaker.speak(5000)
    for begin in range(250, 4500, 500):
        stalled(packets, begin, 1.5)
    listener.listen(packets, until=speaker.at + 1.0)
    assert listener.spoken() == speaker.sent
    assert listener.buffer.stats.surplus_max <= (SURPLUS_LIMIT + 1.6) * RATE
    assert listener.seconds - (speaker.at + 1.0 - 10.0) <= SURPLUS_LIMIT + 1.6


def test_only_sound_that_is_not_much_louder_than_the_quietest_for_long_is_noise() -> None:
    chance, behind = random.Random(1), NoiseFloor()
    room = [noise(chance, 450) for _ in range(500)]
    assert min(map(level, room)) >= QUIET_LEVEL
    judged = [behind.hides(frame) for frame in room]
    assert not any(judged[:99])
    assert sum(judged[100:]) > 390
    assert not behind.hides(noise(chance, 900))
    assert behind.hides(noise(chance, 100))
    music = NoiseFloor()
    assert not any(music.hides(noise(chance, 1.2 * NOISY_LEVEL)) for _ in range(500))


def test_while_the_surplus_is_large_half_of_a_pause_is_kept_so_that_a_turn_ends() -> None:
    speaker, listener = Speaker(), Listener()
    listener.listen(stalled(speaker.speak(750) + speaker.speak(600, loud=False), 250, 5.0), until=speaker.at)
    spoken = next(at for at, sound in listener.outputs if speaker.sent[749] in sound)
    heard = [len(sound) for at, sound in listener.outputs if spoken < at <= spoken + 2.0]
    assert 0.98 <= sum(heard) / RATE <= 1.02
    assert listener.longest_wait(spoken, speaker.at) <= SURPLUS_LIMIT + 0.1
    assert abs(listener.seconds - (speaker.at - 10.0)) <= 0.040


def test_a_hold_with_a_clock_that_stood_is_forgiven_also_when_jitter_looks_like_catching_up() -> None:
    chance, speaker, listener = random.Random(2), Speaker(), Listener()
    packets = speaker.speak(100)
    speaker.pause(500, clock_runs=False)
    packets += speaker.speak(200) + speaker.speak(200, loud=False)
    before = 0.0
    for packet in packets[1:]:
        before = packet.at = max(before + 1e-5, packet.at + chance.gammavariate(1.5, 0.02))
    listener.listen(packets, until=speaker.at)
    assert len(listener.spoken()) == 300
    assert abs(listener.seconds - (speaker.at - 10.0)) <= 0.150
    assert listener.buffer.stats.trimmed < 0.2 * RATE


def test_a_buffer_that_is_in_order_again_takes_the_short_way() -> None:
    speaker, buffer = Speaker(), JitterBuffer()
    listener = Listener(buffer)
    listener.listen(stalled(speaker.speak(300) + speaker.speak(300, loud=False), 250, 3.0), until=speaker.at)
    assert buffer.state is State.IN_STEP


def test_each_state_is_reached_by_a_hold_and_left_again() -> None:
    speaker, buffer = Speaker(), JitterBuffer()
    listener, seen = Listener(buffer), [buffer.state]
    packets = stalled(speaker.speak(300) + speaker.speak(300, loud=False), 250, 3.0)
    for packet in packets:
        listener.listen([packet])
        if buffer.state is not seen[-1]:
            seen.append(buffer.state)
    listener.listen([], until=speaker.at)
    assert seen == [State.IN_STEP, State.CHECKING_CLOCK, State.CATCHING_UP, State.SURPLUS, State.IN_STEP]


def test_what_cannot_occur_is_no_cell_of_the_table() -> None:
    missing = {(state, event) for state in State for event in Event} - TABLE.keys()
    in_step = {Event.HOLD_ENDED, Event.NETWORK_STALLED, Event.CLOCK_STOPPED, Event.DRAINED}
    checked = {Event.NETWORK_STALLED, Event.CLOCK_STOPPED}
    assert missing == (
        {(State.IN_STEP, event) for event in in_step}
        | {(State.SURPLUS, event) for event in checked | {Event.DRAINED}}
        | {(State.CATCHING_UP, event) for event in checked | {Event.INSERTED}}
    )
