"""RTP packets (RFC 3550 §5.1)."""

import struct
from typing import NamedTuple

MAX_PACKET = 1500
"""Bytes of the longest datagram that is read."""

_HEADER = struct.Struct("!BBHII")
HEADER = _HEADER.size
"""Bytes of the shortest datagram that can be RTP."""


class Packet(NamedTuple):
    """One RTP packet. A NamedTuple because fifty are made per second and call."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


_new = tuple.__new__  # as Packet(...), without a Python call, which would cost more than the rest of `parse`


def parse(data: bytes) -> Packet | None:
    """Read a datagram; None if it is not RTP version 2, is too short, or is RTCP on the same port (RFC 5761 §4)."""
    if not HEADER <= len(data) <= MAX_PACKET:
        return None
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if first == 0x80 and second < 128:  # nearly always: no padding, extension, sources or marker
        return _new(Packet, (second, False, sequence, timestamp, ssrc, data[12:]))
    if first >> 6 != 2 or 192 <= second <= 223:
        return None
    start, end = 12 + 4 * (first & 0x0F), len(data)
    if first & 0x10:  # header extension, RFC 3550 §5.3.1
        if start + 4 > end:
            return None
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    if first & 0x20:  # padding: the last byte counts it
        padding = data[-1]
        if padding == 0:
            return None
        end -= padding
    if start > end:
        return None
    return Packet(second & 0x7F, second >> 7 == 1, sequence, timestamp, ssrc, data[start:end])


def build(payload_type: int, marker: bool, sequence: int, timestamp: int, ssrc: int, payload: bytes) -> bytes:
    """Write a packet without extension, padding or contributing sources."""
    return _HEADER.pack(0x80, payload_type | marker << 7, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc) + payload


def signed(difference: int, bits: int) -> int:
    """A difference of two wrapping counters as a number around zero."""
    half = 1 << (bits - 1)
    return ((difference + half) & ((1 << bits) - 1)) - half
