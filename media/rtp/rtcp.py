"""RTCP packets (RFC 3550 §6.4): reports, source description and BYE, and the compounds they travel in."""

import struct
from collections.abc import Iterable
from typing import NamedTuple

from media.rtp import xr
from media.rtp.packet import MAX_PACKET, signed
from media.rtp.xr import VoipMetrics

SR, RR, SDES, BYE, XR = 200, 201, 202, 203, 207
CNAME = 1

_HEADER = struct.Struct("!BBH")
_SENDER = struct.Struct("!IQIII")
_BLOCK = struct.Struct("!IIIIII")
_WORD = struct.Struct("!I")


class ReportBlock(NamedTuple):
    """A receiver's report on one source (RFC 3550 §6.4.1)."""

    ssrc: int
    fraction_lost: int
    """Part of the packets expected since the last report that was lost, in 1/256."""
    lost: int
    """Packets lost since the beginning; below zero if there were more duplicates than losses."""
    highest_sequence: int
    """Highest sequence number received; the upper 16 bits count its cycles."""
    jitter: int
    """Interarrival jitter in units of the RTP clock."""
    last_report: int
    """Middle 32 bits of the NTP time of the last sender report received, 0 if none."""
    delay: int
    """Time since that sender report was received, in 1/65536 s."""

    def encode(self) -> bytes:
        """The 24 bytes of the block."""
        lost = max(-0x80_0000, min(self.lost, 0x7F_FFFF)) & 0xFF_FFFF
        tally = self.fraction_lost << 24 | lost
        return _BLOCK.pack(self.ssrc, tally, self.highest_sequence, self.jitter, self.last_report, self.delay)


class SenderReport(NamedTuple):
    """SR: the packets that a sender sent, and its reports on the packets it received."""

    ssrc: int
    ntp: int
    """Time of the report since 1900, in 1/2**32 s (NTP)."""
    timestamp: int
    """The time of the report on the RTP clock."""
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()

    def encode(self) -> bytes:
        """Its bytes."""
        counts = self.packets & 0xFFFF_FFFF, self.octets & 0xFFFF_FFFF
        head = _SENDER.pack(self.ssrc, self.ntp, self.timestamp & 0xFFFF_FFFF, *counts)
        return _packet(SR, len(self.blocks), head + b"".join(block.encode() for block in self.blocks))


class ReceiverReport(NamedTuple):
    """RR: the reports of a participant that sends nothing."""

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()

    def encode(self) -> bytes:
        """Its bytes."""
        return _packet(RR, len(self.blocks), _WORD.pack(self.ssrc) + b"".join(block.encode() for block in self.blocks))


class SourceDescription(NamedTuple):
    """SDES: the canonical name of a source; other items are ignored."""

    ssrc: int
    cname: str

    def encode(self) -> bytes:
        """Its bytes, the name cut at 255 bytes."""
        name = self.cname.encode()[:255]
        chunk = _WORD.pack(self.ssrc) + bytes([CNAME, len(name)]) + name
        return _packet(SDES, 1, chunk + bytes(4 - len(chunk) % 4))  # at least one zero ends the list of items


class Bye(NamedTuple):
    """BYE: sources that leave."""

    sources: tuple[int, ...]

    def encode(self) -> bytes:
        """Its bytes, for at most 31 sources."""
        return _packet(BYE, len(self.sources), b"".join(map(_WORD.pack, self.sources)))


class ExtendedReport(NamedTuple):
    """XR (RFC 3611): the VoIP metrics of one call; other blocks are ignored."""

    ssrc: int
    metrics: tuple[VoipMetrics, ...]

    def encode(self) -> bytes:
        """Its bytes."""
        return _packet(XR, 0, _WORD.pack(self.ssrc) + b"".join(block.encode() for block in self.metrics))


Rtcp = SenderReport | ReceiverReport | SourceDescription | Bye | ExtendedReport


def is_rtcp(data: bytes) -> bool:
    """Whether a datagram on a port shared with RTP is RTCP (RFC 5761 §4)."""
    return len(data) >= 4 and 192 <= data[1] <= 223


def encode(packets: Iterable[Rtcp]) -> bytes:
    """The compound of `packets`; the first must be a report (RFC 3550 §6.1)."""
    return b"".join(packet.encode() for packet in packets)


def parse(data: bytes) -> list[Rtcp] | None:
    """Read a compound; None if it fails the checks of RFC 3550 A.2. Packets of unknown types are left out.

    It is not checked that a report comes first (RFC 5506): baresip begins its last compound with BYE.
    """
    if not 4 <= len(data) <= MAX_PACKET or len(data) % 4 or not SR <= data[1] <= XR:
        return None
    found: list[Rtcp] = []
    at = 0
    while at < len(data):
        first, kind, words = _HEADER.unpack_from(data, at)
        start, end = at + 4, at + 4 * (words + 1)
        if first >> 6 != 2 or end > len(data):
            return None
        at = end
        if first & 0x20:  # padding: in the last packet only, counted by its last byte
            padding = data[end - 1]
            if end != len(data) or not 0 < padding <= end - start or padding % 4:
                return None
            end -= padding
        packets = _read(kind, first & 0x1F, data[start:end])
        if packets is None:
            return None
        found += packets
    return found


def _read(kind: int, count: int, body: bytes) -> list[Rtcp] | None:
    if kind == SR:
        if len(body) < 24 + 24 * count:
            return None
        return [SenderReport(*_SENDER.unpack_from(body))._replace(blocks=_blocks(body, 24, count))]
    if kind == RR:
        if len(body) < 4 + 24 * count:
            return None
        return [ReceiverReport(_word(body), _blocks(body, 4, count))]
    if kind == SDES:
        return _names(count, body)
    if kind == BYE:
        if len(body) < 4 * count:
            return None
        return [Bye(struct.unpack_from(f"!{count}I", body))]
    if kind == XR:
        return _extended(body)
    return []


def _blocks(body: bytes, start: int, count: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for at in range(count):
        ssrc, tally, *rest = _BLOCK.unpack_from(body, start + 24 * at)
        blocks.append(ReportBlock(ssrc, tally >> 24, signed(tally & 0xFF_FFFF, 24), *rest))
    return tuple(blocks)


def _names(count: int, body: bytes) -> list[Rtcp] | None:
    names: list[Rtcp] = []
    at = 0
    for _ in range(count):
        if at + 4 > len(body):
            return None
        ssrc = _word(body, at)
        at += 4
        while at < len(body) and body[at]:
            if at + 2 > len(body) or at + 2 + body[at + 1] > len(body):
                return None
            item, length = body[at], body[at + 1]
            if item == CNAME:
                names.append(SourceDescription(ssrc, body[at + 2 : at + 2 + length].decode("utf-8", "replace")))
            at += 2 + length
        at += 4 - at % 4  # the zero that ends the items, up to the next word
    return names


def _extended(body: bytes) -> list[Rtcp] | None:
    if len(body) < 4:
        return None
    ssrc = _word(body)
    metrics = []
    at = 4
    while at < len(body):  # blocks are whole words, and so is the body
        kind, _, words = _HEADER.unpack_from(body, at)
        end = at + 4 * (words + 1)
        if end > len(body):
            return None
        if kind == xr.BLOCK_TYPE and end - at == xr.SIZE:
            metrics.append(VoipMetrics.parse(body[at:end]))
        at = end
    return [ExtendedReport(ssrc, tuple(metrics))]


def _word(body: bytes, at: int = 0) -> int:
    return int.from_bytes(body[at : at + 4], "big")


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return _HEADER.pack(0x80 | count, kind, len(body) // 4) + body
