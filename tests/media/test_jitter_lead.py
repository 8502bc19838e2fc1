"""Sound that comes faster than time: what waited on its way is heard, and a flood is not."""

import pytest

from media.fast import base, fallback
from media.g711 import FRAME, FRAME_SECONDS, RATE
from media.jitter.buffer import LEAD, JitterBuffer
from media.jitter.gap_filler import SURPLUS_LIMIT
from tests.media.far_end import Listener, Speaker
from tests.media.twins import Twins


@pytest.mark.parametrize("rest", [0.0, 1.2])
def test_a_sender_that_is_faster_than_time_cannot_flood_the_recogniser(rest):
    speaker, buffer, now, heard = Speaker(), JitterBuffer(), 10.0, 0
    for _ in range(20):
        for packet in speaker.speak(2000):
            now += 0.001
            heard += len(buffer.put(packet.sequence, packet.timestamp, packet.payload, now))
        for _ in range(round(rest / FRAME_SECONDS)):  # a hold of a sender whose clock has stopped
            now += FRAME_SECONDS
            heard += len(buffer.poll(now))
    assert heard / RATE <= 1.02 * (now - 10.0) + LEAD + 2 * SURPLUS_LIMIT
    assert buffer.stats.too_fast > 10_000


def test_sound_that_waited_on_its_way_before_the_first_packet_came_is_all_heard():
    speaker, listener = Speaker(), Listener()
    waited = speaker.speak(450)
    for number, packet in enumerate(waited):
        packet.at = speaker.at - (len(waited) - number) * 0.0001
    listener.listen(waited + speaker.speak(50 * 60))
    assert listener.heard == b"".join(speaker.sent)
    assert listener.buffer.stats.too_fast == 0


def test_a_clock_that_is_a_hundredth_too_fast_loses_nothing():
    speaker, listener = Speaker(), Listener()
    packets = speaker.speak(50 * 1800)
    for number, packet in enumerate(packets):
        packet.at = 10.0 + number * FRAME_SECONDS / 1.01
    listener.listen(packets)
    assert len(listener.heard) == 1800 * RATE
    assert listener.buffer.stats.too_fast == 0


@pytest.mark.parametrize("speed", [1.02, 1.088])
def test_of_a_clock_that_is_even_faster_only_the_surplus_is_lost(speed):
    """Such as of a phone that plays 44.1 kHz as 48 kHz: the rest is heard without holes."""
    speaker, listener = Speaker(), Listener()
    packets = speaker.speak(50 * 1200)
    for number, packet in enumerate(packets):
        packet.at = 10.0 + number * FRAME_SECONDS / speed
    listener.listen(packets)
    stats = listener.buffer.stats
    assert stats.too_fast <= (speed - 1.0) * len(packets)
    assert stats.lost == stats.unsent == stats.concealed == 0
    assert len(listener.heard) == (len(packets) - stats.too_fast) * FRAME


@pytest.mark.skipif(base is fallback, reason="SIPGW_FAST=1 tries the path in C here")
def test_the_packet_path_in_c_drops_the_same():
    both = Twins()
    try:
        both.length = 480
        for number in range(300):  # 18 s of sound at one moment
            both.packet(0, 0, 0, 0, 0, 0, 0x80)
            if number % 50 == 49:
                both.judge()
        both.step("wait", 6)
        for _ in range(30):
            both.packet(0, 0, 0, 0, 0, 0, 0x80)
        both.judge()
        assert both.sides[0].worker._channels[1].session.inbound.jitter.stats.too_fast > 100
    finally:
        both.close()
