"""The jitter buffer for a human listener: a frame every 20 ms, late rather than never, corrected in pauses only."""

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from media.g711 import FRAME, RATE, SILENCE
from media.jitter.playout_buffer import BIN, BINS, DEPTH, PlayoutJitterBuffer
from tests.media.far_end import Arrival, Speaker

STEP = 0.020


class Ear:
    """Takes a frame every 20 ms and keeps it."""

    def __init__(self, at: float = 10.003) -> None:
        self.buffer = PlayoutJitterBuffer()
        self.at = at
        self.frames: list[bytes] = []

    def listen(self, arrivals: list[Arrival], until: float | None = None) -> "Ear":
        for packet in sorted(arrivals):
            self.wait(packet.at)
            self.buffer.put(packet.sequence, packet.timestamp, packet.payload, packet.at)
        self.wait(until if until is not None else packet.at + 0.2)
        return self

    def wait(self, until: float) -> None:
        while self.at <= until:
            self.frames.append(self.buffer.take(self.at))
            self.at += STEP

    def heard(self, sent: list[bytes]) -> list[int]:
        """The numbers of the loud frames that were played unchanged, in order."""
        numbers = {frame: number for number, frame in enumerate(sent) if frame[2:4] == b"\x90\x10"}
        return [numbers[frame] for frame in self.frames if frame in numbers]


def test_before_the_first_packet_there_is_silence():
    agent_audio = Ear()
    agent_audio.wait(11.0)
    assert set(agent_audio.frames) == {SILENCE}


def test_a_steady_stream_is_played_whole_a_little_later():
    speaker, agent_audio = Speaker(), Ear()
    agent_audio.listen(speaker.speak(200))
    first = agent_audio.frames.index(speaker.sent[0])
    assert agent_audio.frames[first : first + 200] == speaker.sent
    assert first * STEP <= 0.060
    assert agent_audio.buffer.stats.concealed - 5 <= 5, "none but after the end"


def test_packets_out_of_order_are_put_right_within_the_delay():
    speaker, agent_audio = Speaker(), Ear()
    packets = speaker.speak(100)
    packets[50].at += 0.025
    assert agent_audio.listen(packets).heard(speaker.sent) == list(range(100))


def test_a_lost_packet_is_concealed_in_its_place():
    speaker, agent_audio = Speaker(), Ear()
    packets = speaker.speak(100)
    del packets[50]
    agent_audio.listen(packets)
    first = agent_audio.frames.index(speaker.sent[0])
    assert agent_audio.frames[first + 49] == speaker.sent[49]
    assert agent_audio.frames[first + 50] not in (SILENCE, speaker.sent[49])
    assert agent_audio.frames[first + 51 : first + 100] == speaker.sent[51:]


def test_a_stall_is_played_late_whole_and_made_good_in_the_next_pauses():
    speaker, agent_audio = Speaker(), Ear()
    packets = speaker.speak(1000)
    for packet in packets[950:970]:
        packet.at = max(packet.at, packets[970].at)
    packets += speaker.speak(60, loud=False) + speaker.speak(50)
    agent_audio.listen(packets)
    assert agent_audio.heard(speaker.sent) == [*range(950), *range(951, 1000), *range(1060, 1110)], (
        "but for the overlap"
    )
    assert agent_audio.buffer.stats.dropped >= 15
    last = len(agent_audio.frames) - 1 - agent_audio.frames[::-1].index(speaker.sent[-1])
    assert last * STEP + 10.003 - packets[-1].at <= 0.150


def test_in_a_pause_at_least_every_second_frame_is_kept():
    speaker, agent_audio = Speaker(), Ear()
    packets = speaker.speak(100)
    for packet in packets[40:70]:
        packet.at = max(packet.at, packets[70].at)
    packets += speaker.speak(20, loud=False) + speaker.speak(50)
    agent_audio.listen(packets)
    between = agent_audio.frames[
        agent_audio.frames.index(speaker.sent[99]) + 1 : agent_audio.frames.index(speaker.sent[120])
    ]
    assert 10 <= len(between) < 20


@pytest.mark.parametrize("ppm", [-150, 150])
def test_clocks_that_run_apart_lose_nothing_and_the_delay_stays(ppm):
    speaker, agent_audio = Speaker(), Ear()
    packets = []
    for _ in range(600):
        packets += speaker.speak(40) + speaker.speak(10, loud=False)
    for number, packet in enumerate(packets):
        packet.at = 10.0 + number * STEP * (1 + ppm / 1e6)
    agent_audio.listen(packets)
    heard = agent_audio.heard(speaker.sent[-50:])
    assert heard[-40:] == list(range(40))
    last = len(agent_audio.frames) - 1 - agent_audio.frames[::-1].index(speaker.sent[-11])
    assert 0 <= last * STEP + 10.003 - packets[-11].at <= 0.080


def test_a_pause_without_packets_is_as_long_as_it_was():
    speaker, agent_audio = Speaker(), Ear()
    packets = speaker.speak(50) + speaker.speak(5, loud=False)
    speaker.pause(70)
    agent_audio.listen(packets + speaker.speak(50))
    assert agent_audio.heard(speaker.sent) == [*range(50), *range(55, 105)]
    first, again = agent_audio.frames.index(speaker.sent[0]), agent_audio.frames.index(speaker.sent[55])
    assert abs(again - first - 125) <= 2


def test_the_delay_after_a_stall_shrinks_in_pauses_without_packets():
    """A sender that suppresses silence leaves holes in place of quiet frames."""
    speaker, ear = Speaker(), Ear()
    packets = speaker.speak(100)
    for packet in packets[10:50]:
        packet.at = max(packet.at, packets[50].at)
    for _ in range(4):
        speaker.pause(25)
        packets += speaker.speak(50)
    ear.listen(packets, until=speaker.at + 1.0)
    last = len(ear.frames) - 1 - ear.frames[::-1].index(speaker.sent[-1])
    assert last * STEP + 10.003 - packets[-1].at <= 0.400
    assert set(range(100, 300)) - set(ear.heard(speaker.sent)) <= {100, 150, 200, 250}, "but for the overlap"


@pytest.mark.parametrize("running", [True, False])
def test_a_hold_of_a_minute_needs_no_clock(running):
    speaker, agent_audio = Speaker(), Ear()
    packets = speaker.speak(50)
    speaker.pause(3000, clock_runs=running)
    agent_audio.listen(packets + speaker.speak(50))
    assert agent_audio.heard(speaker.sent)[-49:] == list(range(51, 100)), "but for the overlap"
    last = len(agent_audio.frames) - 1 - agent_audio.frames[::-1].index(speaker.sent[99])
    assert last * STEP + 10.003 - (speaker.at - STEP) <= 0.120


@pytest.mark.parametrize("jump", [-3600 * 8000, 3600 * 8000, 1 << 31])
def test_a_jump_of_the_senders_clock_is_not_heard(jump):
    speaker, agent_audio = Speaker(), Ear()
    packets = speaker.speak(50)
    speaker.timestamp += jump
    agent_audio.listen(packets + speaker.speak(50))
    assert agent_audio.heard(speaker.sent) == list(range(100))
    assert agent_audio.buffer.stats.clock_jumps == 1


@pytest.mark.parametrize("pause", [0, 15, 250])
@pytest.mark.parametrize("shift", [8, -8, 1, 40, 77, 80, -77, 3333])
def test_a_clock_that_shifts_by_less_than_a_packet_is_heard_on(shift: int, pause: int):
    """Gateways that mix or change over from music to a person begin a new piece where its samples fall."""
    speaker, agent_audio = Speaker(), Ear()
    packets = speaker.speak(100)
    speaker.pause(pause)
    speaker.timestamp += shift
    agent_audio.listen(packets + speaker.speak(500), until=speaker.at + 1.0)
    assert b"".join(speaker.sent[103:]) in b"".join(agent_audio.frames)
    assert agent_audio.buffer.stats.late <= 1 + max(0, -shift) // FRAME


def test_packets_of_no_even_length_are_heard_without_a_hole():
    speaker, agent_audio = Speaker(), Ear()
    packets = speaker.speak(200)
    for number, packet in enumerate(packets):
        packet.timestamp += 4 * number  # 20.5 ms each, of which the last half is no block
        packet.payload = (packet.payload or b"") + bytes(4)
        packet.at += 0.0005 * number
    agent_audio.listen(packets)
    assert len(agent_audio.heard(speaker.sent)) >= 195, (
        "what is missing of the time is concealed, and what follows it overlapped"
    )


def test_half_a_packet_is_played_before_what_stands_for_the_other_half():
    speaker, agent_audio = Speaker(), Ear()
    packets = speaker.speak(20)
    packets[-1].payload = speaker.sent[-1][:80]
    assert speaker.sent[-1][:80] in b"".join(agent_audio.listen(packets).frames)


def test_a_stream_that_ran_far_ahead_of_its_time_is_heard_again_when_it_stops():
    speaker, agent_audio = Speaker(), Ear()
    packets = []
    for _ in range(90):
        packets += speaker.speak(1)
        speaker.timestamp += 7000
    packets += speaker.speak(100, loud=False) + speaker.speak(100)
    agent_audio.listen(packets, until=speaker.at + 1.0)
    assert b"".join(speaker.sent[200:]) in b"".join(agent_audio.frames)


def test_a_new_stream_goes_on_behind_what_waits_of_the_old():
    speaker, agent_audio = Speaker(), Ear()
    packets = speaker.speak(50)
    for packet in packets:
        agent_audio.wait(packet.at)
        agent_audio.buffer.put(packet.sequence, packet.timestamp, packet.payload, packet.at)
    agent_audio.buffer.restart()
    speaker.sequence, speaker.timestamp = 9, 77
    assert agent_audio.listen(speaker.speak(50)).heard(speaker.sent) == list(range(100))


@pytest.mark.parametrize("milliseconds", [10, 30, 40, 60])
def test_packets_of_other_lengths(milliseconds):
    speaker, agent_audio = Speaker(), Ear()
    sound = b"".join(packet.payload or b"" for packet in speaker.speak(240))
    length = milliseconds * 8
    packets = [
        Arrival(10.0 + at / 8000, 7 + at // length, 1000 + at, sound[at : at + length])
        for at in range(0, len(sound), length)
    ]
    agent_audio.listen(packets)
    assert sound[FRAME:] in b"".join(agent_audio.frames)


def test_what_waits_is_bounded_and_the_newest_is_kept():
    speaker, buffer = Speaker(), PlayoutJitterBuffer()
    for packet in speaker.speak(1000):
        buffer.put(packet.sequence, packet.timestamp, packet.payload, 10.0)
    assert buffer.stats.overflowed == 2000 - DEPTH
    frames = [buffer.take(10.0 + number * STEP) for number in range(120)]
    assert speaker.sent[-1] in frames


def test_with_jitter_the_delay_grows_to_cover_it_and_shrinks_again():
    chance, speaker, agent_audio = random.Random(2), Speaker(), Ear()
    shaky = speaker.speak(500)
    before = 0.0
    for packet in shaky:
        before = packet.at = max(before + 1e-5, packet.at + chance.uniform(0, 0.1))
    agent_audio.listen(shaky, until=speaker.at)
    assert 0.080 <= agent_audio.buffer.target <= 0.120
    agent_audio.listen(speaker.speak(1500))
    assert agent_audio.buffer.target <= 0.030


PIECES = st.tuples(
    st.integers(0, 2000) | st.integers(-9000, 9000) | st.integers(0, 0xFFFF_FFFF),
    st.floats(0, 3),
    st.sampled_from([80, 160, 240, 480]),
    st.integers(1, 30),
)
"""A step of the sender's clock and a pause, then so many packets of one length."""


@settings(deadline=None)
@given(st.lists(PIECES, max_size=12))
@example(  # 0.4 and 0.9 s forward without a pause: half of the silence went by in a hole that was played whole
    [(0, 0.0, 80, 1)] * 5
    + [(0, 0.25, 80, 1), (0, 0.0, 80, 1), (0, 0.0, 80, 1), (0, 2.8427214940076904, 80, 18)]
    + [(3393, 0.0, 480, 8), (7159, 0.0, 80, 1)]
)
@example(
    [(0, 0.0, 80, 1)] * 7
    + [(0, 2.8427214940076904, 80, 18), (0, 0.25, 80, 1), (3393, 0.0, 480, 13), (7239, 0.0, 80, 1)]
)
@example(  # 2.1 s forward in eight steps: with one frame of three left out, the delay shrank too slowly
    [
        (0, 2.0, 480, 30),
        (0, 0.44349833766958263, 80, 18),
        (0, 0.0, 480, 20),
        (0, 0.0, 480, 22),
        (493, 0.0, 480, 13),
        (862, 0.0, 160, 8),
        (1723, 0.0, 160, 19),
        (7868, 0.0, 160, 30),
        (104, 0.0, 160, 7),
        (748, 0.0, 160, 7),
        (655, 0.0, 160, 1),
        (4662, 0.0, 80, 1),
    ]
)
def test_however_the_senders_clock_steps_its_sound_is_played_again_within_400_ms_of_a_pause(pieces):
    speaker, agent_audio = Speaker(), Ear()
    packets = []
    for step, pause, length, count in [*pieces, (0, 0.0, FRAME, 100)]:
        speaker.timestamp += step
        speaker.at += pause
        for _ in range(count):
            packet = speaker.packet(SILENCE[:1] * length)
            packets.append(packet)
            speaker.timestamp += length
            speaker.at += length / RATE
    words = speaker.speak(50)
    agent_audio.listen(packets + words, until=speaker.at + 0.5)
    heard, meant = b"".join(agent_audio.frames), b"".join(speaker.sent[1:])
    assert meant in heard, "all but the first, which may be overlapped"
    assert (heard.index(meant) + len(meant)) / RATE + 9.983 - words[-1].at <= 0.400
    assert min(agent_audio.buffer._blocks, default=agent_audio.buffer._at) >= agent_audio.buffer._at


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 0xFFFF), st.integers(0, 0xFFFF_FFFF), st.none() | st.binary(max_size=1488), st.floats(0, 3)
        ),
        max_size=60,
    )
)
def test_whatever_arrives_a_frame_comes_every_20_ms(packets):
    buffer, now = PlayoutJitterBuffer(), 5.0
    for sequence, timestamp, payload, later in packets:
        for _ in range(int(later / STEP)):
            now += STEP
            assert len(buffer.take(now)) == FRAME
        buffer.put(sequence, timestamp, payload, now)
        assert len(buffer.take(now)) == FRAME
    assert 0 <= buffer.target <= BIN * BINS
