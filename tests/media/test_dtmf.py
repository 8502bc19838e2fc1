"""Keys as RFC 4733 events: each is reported once, at its first packet, under any loss and reordering."""

import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.dtmf.events import KEYS, LONGEST, OLD, DigitReceiver
from media.rtp.packet import Packet, parse


def event(key: str, duration: int, timestamp: int, *, end: bool = False, marker: bool = False, sequence: int = 0):
    payload = bytes([KEYS.index(key), end << 7 | 10]) + duration.to_bytes(2, "big")
    return Packet(101, marker, sequence & 0xFFFF, timestamp & 0xFFFF_FFFF, 7, payload)


def press(key: str, timestamp: int, *, updates: int = 5, first: int = 160, step: int = 160) -> list[Packet]:
    """A key of 100 ms: updates, then the end three times."""
    packets = [event(key, first + at * step, timestamp, marker=at == 0) for at in range(updates)]
    return packets + [event(key, first + updates * step, timestamp, end=True)] * 3


def keys(packets: list[Packet]) -> str:
    receiver = DigitReceiver()
    return "".join(receiver.receive(packet) or "" for packet in packets)


def test_a_key_is_told_at_its_first_packet():
    receiver = DigitReceiver()
    assert [receiver.receive(packet) for packet in press("5", 1000)] == ["5", *[None] * 7]


def test_the_same_key_twice_is_two_keys():
    assert keys(press("1", 0) + press("1", 1600) + press("2", 3200)) == "112"


def test_all_sixteen_keys():
    packets = [packet for at, key in enumerate(KEYS) for packet in press(key, at * 2000)]
    assert keys(packets) == KEYS


def test_as_sipp_writes_them():
    """Durations from 0 in steps of 320 per 20 ms; the end packets repeat one sequence number."""
    packets = []
    for at, key in enumerate("42#"):
        begin = 8000 * at
        packets += [event(key, step * 320, begin, marker=step == 0, sequence=at * 20 + step) for step in range(6)]
        packets += [event(key, 1920, begin, end=True, sequence=at * 20 + 6)] * 3
    assert keys(packets) == "42#"


def test_as_asterisk_writes_them():
    """Numbered end packets, the duration going on growing; the marker on the first."""
    packets = []
    for at, key in enumerate("007"):
        begin = 3000 * at
        packets += [event(key, 160 + step * 160, begin, marker=step == 0, sequence=at * 9 + step) for step in range(5)]
        packets += [event(key, 960, begin, end=True, sequence=at * 9 + 5 + step) for step in range(3)]
    assert keys(packets) == "007"


@pytest.mark.parametrize("survivor", range(8))
def test_one_surviving_packet_is_enough(survivor):
    assert keys(press("8", 0)[survivor : survivor + 1] + press("9", 2000)) == "89"


def test_reordered_packets_neither_double_nor_lose_a_key():
    chance = random.Random(5)
    for _ in range(200):
        packets = [packet for at in range(10) for packet in press(KEYS[at], at * 1600)]
        order = sorted(range(len(packets)), key=lambda at: at + chance.uniform(0, 3))
        assert keys([packets[at] for at in order]) == KEYS[:10]


def test_timestamps_may_wrap_between_keys():
    assert keys(press("3", 0xFFFF_FF00) + press("4", 0xFFFF_FF00 + 1600)) == "34"


@pytest.mark.parametrize("lost", [False, True])
def test_a_key_held_for_more_than_eight_seconds_is_one_key(lost):
    """RFC 4733 §2.5.1.3: the event goes on in a new segment, without marker, 65535 later."""
    segment = [event("0", duration, 0, marker=duration == 160) for duration in range(160, LONGEST, 160)]
    segment += [] if lost else [event("0", LONGEST, 0)]
    assert keys(segment + press("0", LONGEST)[1:]) == "0"


@pytest.mark.parametrize("late", [1, 30])
def test_a_late_packet_of_the_segment_before_is_no_new_key(late: int):
    segment = [event("0", duration, 0, marker=duration == 160) for duration in range(160, LONGEST, 160)]
    assert keys(segment + press("0", LONGEST)[1:] + segment[-late:] + press("7", LONGEST + 8000)) == "07"


@pytest.mark.parametrize("back", [OLD, 16_001, 8000 * 3600, 1_500_000_000, (1 << 31) - 1, 1 << 31])
def test_after_the_senders_clock_has_jumped_back_keys_are_told(back: int):
    """As in a transfer inside an exchange that keeps its SSRC: without this none would be for half of 2**32."""
    begin = 3_000_000_000
    assert keys(press("1", begin) + press("2", begin - back) + press("3", begin - back + 4000)) == "123"


@pytest.mark.parametrize("payload", [b"", b"\x05", b"\x05\x00\x01", b"\x10\x8a\x03\x20", b"\xff\x8a\x03\x20"])
def test_short_payloads_and_other_events_are_no_keys(payload):
    assert DigitReceiver().receive(Packet(101, True, 1, 1, 1, payload)) is None


class Network:
    """Loses packets in bursts of a mean length (Gilbert), and delays each by up to some slots of 20 ms."""

    def __init__(self, seed: int, loss: float, burst: float = 1.0, delay: float = 0.0) -> None:
        self.chance = random.Random(seed)
        self.end, self.delay = 1 / burst, delay
        self.begin = loss * self.end / (1 - loss)
        self.bad = False

    def loses(self) -> bool:
        self.bad = self.chance.random() >= self.end if self.bad else self.chance.random() < self.begin
        return self.bad

    def carry(self, count: int, slots: int = 10) -> tuple[str, str]:
        """`count` keys of 100 ms, one each 200 ms, with sound between them; what was pressed and what was told."""
        pressed, arrived = [], []
        for at in range(count):
            key = self.chance.choice(KEYS)
            pressed.append(key)
            packets: list[Packet | None] = [*press(key, at * slots * 160), *[None] * (slots - 8)]
            for slot, packet in enumerate(packets, at * slots):
                if not self.loses() and packet is not None:
                    arrived.append((slot + self.chance.uniform(0, self.delay), slot, packet))
        return "".join(pressed), keys([packet for *_, packet in sorted(arrived)])


@pytest.mark.parametrize("delay", [0, 1, 5])
@pytest.mark.parametrize("loss", [0.01, 0.05])
def test_no_key_is_missed_or_doubled_at_five_percent_loss_and_reordering_by_100_ms(loss: float, delay: float) -> None:
    pressed, told = Network(3, loss, delay=delay).carry(5_000)
    assert told == pressed


@pytest.mark.slow
def test_at_ten_percent_in_bursts_of_three_all_but_seven_of_a_thousand_keys_arrive() -> None:
    """Only a key of which not one packet arrives is missed; none is doubled."""
    pressed, told = Network(4, 0.10, burst=3).carry(100_000)
    rest = iter(pressed)
    assert all(key in rest for key in told), "what is told was pressed, in that order"
    assert 0 <= len(pressed) - len(told) <= 700


CAPTURES = Path("/usr/share/sip-tester")


@pytest.mark.programs("sipp-captures")
@pytest.mark.parametrize("key", [*"0123456789", "star", "pound"])
def test_the_captures_of_sipp(key: str) -> None:
    packets = [parse(data) for data in udp_payloads((CAPTURES / f"dtmf_2833_{key}.pcap").read_bytes())]
    events = [packet for packet in packets if packet]
    assert len(events) >= 8
    assert keys(events) == {"star": "*", "pound": "#"}.get(key, key)


def udp_payloads(pcap: bytes) -> Iterator[bytes]:
    """The payloads of a classic pcap file of Ethernet, IPv4 and UDP."""
    order = "<" if pcap[:4] == b"\xd4\xc3\xb2\xa1" else ">"
    assert struct.unpack_from(order + "I", pcap, 20)[0] == 1, "Ethernet"
    at = 24
    while at < len(pcap):
        (length,) = struct.unpack_from(order + "I", pcap, at + 8)
        frame = pcap[at + 16 : at + 16 + length]
        at += 16 + length
        header = 14 + 4 * (frame[14] & 0x0F)
        if frame[12:14] == b"\x08\x00" and frame[23] == 17:
            (udp,) = struct.unpack_from("!H", frame, header + 4)
            yield frame[header + 8 : header + udp]


@given(st.lists(st.tuples(st.integers(0, 0xFFFF_FFFF), st.binary(max_size=8), st.booleans()), max_size=50))
def test_whatever_arrives_only_keys_come_out(packets):
    receiver = DigitReceiver()
    for timestamp, payload, marker in packets:
        assert receiver.receive(Packet(101, marker, 0, timestamp, 1, payload)) in {None, *KEYS}
