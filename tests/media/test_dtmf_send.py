"""Keys that we send: RFC 4733 as a strict receiver expects it, and tones if there are no events."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.dtmf.events import KEYS, DigitReceiver
from media.dtmf.sender import ENDS, HIGH, LONGEST, LOW, PAD, SHORTEST, SHORTEST_PAUSE, WAITING, check
from media.g711 import FRAME, SILENCE, ULAW_TO_ALAW, to_linear
from media.rtp import packet as rtp
from media.session.format import Format
from media.session.session import CATCH_UP, RtpSession

SPEECH = bytes(range(1, 161))


EVENTS = Format("PCMU", 0, 101)


def session(form: Format = EVENTS) -> RtpSession:
    one = RtpSession(random.Random(1).getrandbits)
    one.connect(form, ("192.0.2.1", 4000), 0.0)
    return one


def wire(one: RtpSession, slots) -> list[rtp.Packet]:
    packets = [rtp.parse(data) for slot in slots for data in one.transmit(slot)[0]]
    return [packet for packet in packets if packet]


def fields(packet: rtp.Packet) -> tuple[int, bool, int]:
    """Event, end bit, duration."""
    return packet.payload[0], bool(packet.payload[1] & 0x80), int.from_bytes(packet.payload[2:], "big")


def test_one_key_on_the_wire() -> None:
    """RFC 4733 §2.5.1: one packet in each 20 ms; the end three times; then sound again on the same clock."""
    one = session()
    before = wire(one, range(2))
    one.digits.send("5", 0.1, 0.1)
    packets = wire(one, range(2, 14))
    events, rest = packets[:8], packets[8:]
    assert {packet.payload_type for packet in events} == {101}
    assert [fields(packet) for packet in events] == [
        (5, False, 160), (5, False, 320), (5, False, 480), (5, False, 640), (5, False, 800),
        (5, True, 800), (5, True, 800), (5, True, 800),
    ]  # fmt: skip
    assert [packet.marker for packet in events] == [True, *[False] * 7]
    assert {rtp.signed(packet.timestamp - before[-1].timestamp, 32) for packet in events} == {FRAME}
    assert all(packet.payload_type == 0 and not packet.marker for packet in rest)
    assert [rtp.signed(p.timestamp - before[-1].timestamp, 32) // FRAME for p in rest] == [9, 10, 11, 12]
    assert [rtp.signed(p.sequence - before[0].sequence, 16) for p in before + packets] == list(range(14))
    assert {packet.payload for packet in rest} == {SILENCE}
    assert {packet.payload[1] & 0x40 for packet in events} == {0}, "reserved"


def test_speech_waits_for_the_keys_and_goes_on_where_it_was() -> None:
    one = session()
    one.playout.say(1, b"".join(bytes([at + 1]) * FRAME for at in range(6)))
    first = wire(one, range(2))
    one.digits.send("12", 0.1, 0.1)
    during = wire(one, range(2, 22))
    after = wire(one, range(22, 26))
    assert [packet.payload[0] for packet in first + after] == [1, 2, 3, 4, 5, 6]
    assert all(packet.payload_type == 101 or packet.payload == SILENCE for packet in during)


@pytest.mark.parametrize(("tone", "pause"), [(0.04, 0.06), (0.1, 0.1), (0.24, 0.5)])
def test_between_keys_it_is_quiet_for_as_long_as_asked(tone: float, pause: float) -> None:
    one = session()
    one.digits.send("11", tone, pause)
    slots = round((tone + pause) / 0.02)
    packets = wire(one, range(2 * slots))
    starts = [packet.timestamp for packet in packets if packet.marker and packet.payload_type == 101]
    assert rtp.signed(starts[1] - starts[0], 32) == slots * FRAME
    durations = [fields(packet)[2] for packet in packets if packet.payload_type == 101 and fields(packet)[1]]
    assert durations == [round(tone * 8000)] * 2 * ENDS
    assert slots * FRAME - durations[0] >= 0.05 * 8000


def test_all_keys_arrive_even_with_any_two_packets_in_three_lost() -> None:
    one = session()
    one.digits.send(KEYS, 0.1, 0.1)
    packets = [packet for packet in wire(one, range(160)) if packet.payload_type == 101]
    for remainder in range(3):
        receiver = DigitReceiver()
        kept = [packet for at, packet in enumerate(packets) if at % 3 == remainder]
        assert "".join(receiver.receive(packet) or "" for packet in kept) == KEYS


def test_keys_that_are_late_are_as_long_as_the_clock_says() -> None:
    """The process stood still for a second in the middle of a key: its duration has no hole."""
    one = session()
    wire(one, [0])
    one.digits.send("7", 0.1, 0.1)
    packets = wire(one, [1, 2, 52, 53, 54, 55, 56])
    assert [fields(packet)[2] for packet in packets] == [160, 320, 8320, 8480, 8640, 8640, 8640]
    assert len({packet.timestamp for packet in packets}) == 1


def test_a_frame_that_is_caught_up_is_a_packet_more() -> None:
    one = session()
    wire(one, [0])
    one.digits.send("7", 0.1, 0.1)
    packets = wire(one, [1, 1 + CATCH_UP])
    assert [fields(packet)[2] for packet in packets] == [160, 320, 480]


def test_the_queue_of_keys_is_bounded() -> None:
    one = session()
    for _ in range(10):
        one.digits.send("1" * WAITING, SHORTEST, SHORTEST_PAUSE)
    packets = wire(one, range(WAITING * 20))
    assert sum(packet.marker and packet.payload_type == 101 for packet in packets) == WAITING


@pytest.mark.parametrize(
    ("keys", "tone", "pause"),
    [
        ("1E", 0.1, 0.1),
        ("a", 0.1, 0.1),
        ("1 2", 0.1, 0.1),
        ("1" * (WAITING + 1), 0.1, 0.1),
        ("1", SHORTEST - 0.001, 0.1),
        ("1", LONGEST + 0.1, 0.1),
        ("1", 0.1, SHORTEST_PAUSE - 0.001),
        ("1", float("nan"), 0.1),
    ],
)
def test_what_cannot_be_sent(keys: str, tone: float, pause: float) -> None:
    with pytest.raises(ValueError, match="key"):
        check(keys, tone, pause)


def test_what_can_be_sent() -> None:
    check(KEYS, 0.1, 0.1)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("encoding", ["PCMU", "PCMA"])
def test_without_events_keys_are_tones(key: str, encoding: str) -> None:
    """ITU-T Q.23: one frequency of the row, one of the column, at -9 and -7 dBm0."""
    one = session(Format(encoding, 0 if encoding == "PCMU" else 8))
    one.digits.send(key, 0.1, 0.1)
    packets = wire(one, range(10))
    sound = b"".join(packet.payload for packet in packets)
    if encoding == "PCMA":
        sound = sound.translate(bytes(ULAW_TO_ALAW.index(code) if code in ULAW_TO_ALAW else 0 for code in range(256)))
    assert [packet.marker for packet in packets[1:]] == [False] * 9
    linear = np.frombuffer(to_linear(sound), "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(linear[:800]))
    row = next(at for at, keys in enumerate(PAD) if key in keys)
    expected = {round(LOW[row] / 10), round(HIGH[PAD[row].index(key)] / 10)}
    assert set(np.argsort(spectrum)[-2:]) == expected
    assert np.abs(linear[800:]).max() <= 8


@given(st.lists(st.tuples(st.text(KEYS, max_size=5), st.integers(0, 30)), max_size=6))
def test_whenever_keys_are_pressed_the_clock_stays_true(presses) -> None:
    one, slot, packets = session(), 0, []
    for keys, slots in presses:
        one.digits.send(keys, 0.1, 0.1)
        packets += wire(one, range(slot, slot + slots))
        slot += slots
    sound = [(at, packet) for at, packet in enumerate(packets) if packet.payload_type == 0]
    for at, packet in sound:
        assert rtp.signed(packet.timestamp - sound[0][1].timestamp, 32) == (at - sound[0][0]) * FRAME
