"""Capture files that Wireshark opens: SIP and RTP with IP, UDP and TCP headers made for them. Sans-IO.

The format is that of libpcap (draft-ietf-opsawg-pcap) with link type RAW. A message over TLS is written as TCP on port
5060, readable.
"""

import ipaddress
import struct
from collections.abc import Iterator

Address = tuple[str, int]
"""Host and port."""

SNAP = 65_535
DATAGRAM = 65_507
"""Bytes of a UDP datagram at most (IPv4)."""
LINKTYPE_RAW = 101
UDP, TCP = 17, 6
SIP_PORT = 5060
PIECE = 32_768
"""Bytes of a TCP segment at most."""
_FILE = struct.Struct("<IHHiIII")
_RECORD = struct.Struct("<IIII")


class Pcap:
    """Makes the bytes of one capture file, packet by packet. Times are Unix seconds."""

    def __init__(self) -> None:
        self._sent: dict[tuple[Address, Address], int] = {}

    def header(self) -> bytes:
        """The header of a file."""
        return _FILE.pack(0xA1B2C3D4, 2, 4, 0, 0, SNAP, LINKTYPE_RAW)

    def sip(self, at: float, transport: str, source: Address, target: Address, data: bytes) -> bytes:
        """A SIP message."""
        if transport == "udp":
            return self.udp(at, source, target, data[:DATAGRAM])  # masked secrets may have made the message longer
        if transport == "tls":
            source, target = (source[0], _readable(source[1])), (target[0], _readable(target[1]))
        return b"".join(self._segments(at, source, target, data))

    def udp(self, at: float, source: Address, target: Address, data: bytes, size: int | None = None) -> bytes:
        """A datagram of `size` bytes, of which `data` was kept."""
        missing = 0 if size is None else size - len(data)
        length = 8 + len(data) + missing
        head = struct.pack("!HHHH", source[1], target[1], length, 0)
        return _packet(at, UDP, source[0], target[0], head + data, 6, missing)

    def _segments(self, at: float, source: Address, target: Address, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE]
            ours, theirs = self._sent.get((source, target), 1), self._sent.get((target, source), 1)
            self._sent[source, target] = (ours + len(piece)) & 0xFFFF_FFFF
            push_and_ack = 5 << 12 | 0x018
            head = struct.pack("!HHIIHHHH", source[1], target[1], ours, theirs, push_and_ack, 65_535, 0, 0)
            yield _packet(at, TCP, source[0], target[0], head + piece, 16)


def _readable(port: int) -> int:
    """The port to write: 5060 instead of a port of TLS, whose content Wireshark takes for encrypted."""
    return SIP_PORT if port in (5061, 443) else port


def _packet(at: float, protocol: int, source: str, target: str, body: bytes, sum_at: int, missing: int = 0) -> bytes:
    """A record of the file: an IP packet whose checksum covers the kept bytes."""
    ours, theirs = _addresses(source, target)
    length = len(body) + missing
    if not missing:  # the checksum of dropped bytes is unknown; for IPv4 zero means none (RFC 768)
        pseudo = ours + theirs + struct.pack("!IHBB", length, 0, 0, protocol)
        checked = _checksum(pseudo + body) or 0xFFFF
        body = body[:sum_at] + struct.pack("!H", checked) + body[sum_at + 2 :]
    if len(ours) == 4:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0x4000, 64, protocol, 0) + ours + theirs
        head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
    else:
        head = struct.pack("!IHBB", 6 << 28, length, protocol, 64) + ours + theirs
    packet = head + body
    seconds, micros = divmod(max(0, round(at * 1e6)), 1_000_000)
    return _RECORD.pack(seconds & 0xFFFF_FFFF, micros, len(packet), len(packet) + missing) + packet


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _addresses(source: str, target: str) -> tuple[bytes, bytes]:
    """Both addresses in four bytes (IPv4), or both in sixteen (IPv6)."""
    ours, theirs = _ip(source), _ip(target)
    if ours.version != theirs.version:
        return _in_six(ours), _in_six(theirs)
    return ours.packed, theirs.packed


def _in_six(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bytes:
    return address.packed if address.version == 6 else b"\0" * 10 + b"\xff\xff" + address.packed


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address of `host`; for an unknown name, a documentation address (RFC 5737)."""
    try:
        found = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return ipaddress.ip_address("192.0.2.1")
    return getattr(found, "ipv4_mapped", None) or found
