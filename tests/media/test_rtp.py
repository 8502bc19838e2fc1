"""RTP packets (RFC 3550 §5.1), with aiortc as an independent reader and writer; G.711 tables."""

import audioop

import pytest
from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from media.g711 import ALAW_TO_ULAW, ULAW_SILENCE, ULAW_TO_ALAW, level, ramp
from media.rtp import packet as rtp

HEADER = {
    "payload_type": st.integers(0, 63),
    "marker": st.booleans(),
    "sequence": st.integers(0, 0xFFFF),
    "timestamp": st.integers(0, 0xFFFF_FFFF),
    "ssrc": st.integers(0, 0xFFFF_FFFF),
    "payload": st.binary(max_size=400),
}


@given(**HEADER)
def test_what_we_write_aiortc_reads(payload_type, marker, sequence, timestamp, ssrc, payload):
    read = RtpPacket.parse(rtp.build(payload_type, marker, sequence, timestamp, ssrc, payload))
    assert (read.payload_type, bool(read.marker), read.sequence_number) == (payload_type, marker, sequence)
    assert (read.timestamp, read.ssrc, read.payload) == (timestamp, ssrc, payload)


@given(**HEADER, sources=st.lists(st.integers(0, 0xFFFF_FFFF), max_size=15), padding=st.integers(0, 255))
def test_what_aiortc_writes_we_read(payload_type, marker, sequence, timestamp, ssrc, payload, sources, padding):
    packet = RtpPacket(payload_type, int(marker), sequence, timestamp, ssrc, payload)
    packet.csrc, packet.padding_size = sources, padding
    assert rtp.parse(packet.serialize()) == (payload_type, marker, sequence, timestamp, ssrc, payload)


def test_a_header_extension_is_skipped():
    plain = rtp.build(0, False, 1, 2, 3, b"")
    extended = bytes([plain[0] | 0x10]) + plain[1:] + b"\xbe\xde\x00\x02" + b"extended" + b"sound"
    assert rtp.parse(extended) == (0, False, 1, 2, 3, b"sound")


GOOD = rtp.build(0, False, 1, 2, 3, b"sound")


@pytest.mark.parametrize(
    ("fault", "data"),
    [
        ("shorter than a header", GOOD[:11]),
        ("version 1", b"\x40" + GOOD[1:]),
        ("more contributing sources than bytes", b"\x8f" + GOOD[1:]),
        ("an extension cut short", b"\x90" + GOOD[1:12] + b"\xbe\xde"),
        ("an extension longer than the packet", b"\x90" + GOOD[1:12] + b"\xbe\xde\xff\xff" + b"x" * 8),
        ("padding of no bytes", b"\xa0" + GOOD[1:-1] + b"\x00"),
        ("padding longer than the packet", b"\xa0" + GOOD[1:-1] + b"\xff"),
        ("RTCP on the same port", b"\x80\xc8" + GOOD[2:]),
        ("longer than any packet", GOOD + b"x" * 1500),
    ],
)
def test_malformed_packets_are_not_read(fault, data):
    assert rtp.parse(data) is None, fault


@given(st.binary(max_size=60))
def test_no_bytes_make_the_parser_raise(data):
    packet = rtp.parse(data)
    assert packet is None or len(packet.payload) <= len(data) - 12


def test_differences_of_wrapping_counters():
    assert rtp.signed(0x0001 - 0xFFFF, 16) == 2
    assert rtp.signed(0xFFFF - 0x0001, 16) == -2
    assert rtp.signed(0 - 0xFFFF_FF60, 32) == 160


def test_a_law_and_back_is_as_near_as_the_coarser_law_allows():
    for code in range(256):
        before = audioop.ulaw2lin(bytes([code]), 2)
        after = audioop.ulaw2lin(bytes([code]).translate(ULAW_TO_ALAW).translate(ALAW_TO_ULAW), 2)
        loud = abs(int.from_bytes(before, "little", signed=True))
        assert abs(loud - abs(int.from_bytes(after, "little", signed=True))) <= max(16, loud // 16)


def test_level_of_silence_and_of_full_scale():
    assert level(bytes([ULAW_SILENCE]) * 160) == 0
    assert level(b"\x00\x80" * 80) > 30_000
    assert level(b"") == 0


def test_a_ramp_begins_or_ends_in_silence():
    loud = b"\x10" * 40
    levels = [level(ramp(loud, rising=True)[at : at + 5]) for at in range(0, 40, 5)]
    assert levels == sorted(levels)
    assert [level(ramp(loud, rising=False)[at : at + 5]) for at in range(0, 40, 5)] == levels[::-1]
    assert ramp(b"", rising=True) == b""
