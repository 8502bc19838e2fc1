"""The lite end of ICE (RFC 8445 §2.5): answers the connectivity checks of the other side, which chooses by them the
address that we send to. Sans-IO.

A check needs the password of our description. Every other datagram is dropped without an answer. So it costs little,
moves no address, and causes no packet to a third party.
"""

import hmac
import ipaddress
import struct
from enum import IntEnum
from typing import NamedTuple
from zlib import crc32

Address = tuple[str, int]

COOKIE = 0x2112A442
REQUEST, SUCCESS, FAILURE = 0x0001, 0x0101, 0x0111
USERNAME, INTEGRITY, ERROR, XOR_MAPPED = 0x0006, 0x0008, 0x0009, 0x0020
PRIORITY, USE_CANDIDATE, FINGERPRINT, CONTROLLED = 0x0024, 0x0025, 0x8028, 0x8029
FINGERPRINT_MASK = 0x5354554E
LARGEST = 548
"""Bytes of a check: the usual ones have about 100, those of RFC 8445 fit into any packet."""
PER_SECOND, BURST = 50.0, 100.0
"""Checks with the right user name that are looked at each second, and at once. A browser sends 20 a second at most."""
CHOICES_KEPT = 256
"""Remembered checks that chose an address: a copy of such a check from another address chooses nothing."""

_HEADER = struct.Struct("!HHI12s")
_ATTRIBUTE = struct.Struct("!HH")


class Component(IntEnum):
    """A component of a stream: the other side chooses an address for each (RFC 8445 §4)."""

    RTP = 1
    RTCP = 2
    """RTCP; this component has checks only if RTCP has its own port."""


class IceCredentials(NamedTuple):
    """Credentials that checks of the other side must have."""

    username: str
    """Our user fragment, a colon, and theirs (RFC 8445 §7.2.2)."""
    password: str
    """Our password."""

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r})"


def is_stun(data: bytes) -> bool:
    """Whether a datagram is STUN and neither RTP nor RTCP (RFC 7983)."""
    return len(data) >= _HEADER.size and data[0] < 4 and data[4:8] == COOKIE.to_bytes(4, "big")


class IceLite:
    """One stream of one session."""

    __slots__ = ("_at", "_choices", "_priority", "_room", "checked", "checks", "credentials", "nominated", "refused")

    def __init__(self, credentials: IceCredentials, now: float) -> None:
        self.credentials = credentials
        self.nominated: dict[Component, Address] = {}
        """The address that the other side has chosen last, for each component."""
        self.checked: set[Address] = set()
        """Addresses whose checks of RTP were answered, up to `CHOICES_KEPT`: until one is chosen, sound may come from
        each of them (RFC 8445 §12.2)."""
        self.checks = 0
        """Checks that were answered."""
        self.refused = 0
        """Refused datagrams of STUN: without the right user name or password, malformed, or too many."""
        self._priority: dict[Component, int] = {}
        """Priority of the chosen candidate of each component (RFC 8445 §5.1.2)."""
        self._choices: dict[bytes, tuple[Component, Address]] = {}
        """By transaction: the component and the source of a check. All components share this table; otherwise each
        would believe the copy of a check for another component."""
        self._room = BURST
        self._at = now

    def receive(self, data: bytes, sender: Address, now: float, component: Component) -> tuple[bytes, bool]:
        """Take a datagram for which `is_stun` is true and that came in on the port of `component`. Returns the response
        to it, which may be empty, and whether it made `sender` the chosen address of `component`."""
        kind, length, _, transaction = _HEADER.unpack_from(data)
        if kind != REQUEST:
            return b"", False  # e.g. an indication, which keeps a NAT's binding open
        check = _read(data) if length + _HEADER.size == len(data) <= LARGEST else None
        if check is None or not self._authentic(check, data, now):
            self.refused += 1
            return b"", False
        self.checks += 1
        if check.controlled:  # §7.3.1.1: a lite end never is in control
            return self._response(FAILURE, transaction, ERROR, b"\0\0\x04\x57Role Conflict"), False
        if component is Component.RTP and len(self.checked) < CHOICES_KEPT:
            self.checked.add(sender)
        moved = check.chosen and self._chooses(check.priority, transaction, component, sender)
        return self._response(SUCCESS, transaction, XOR_MAPPED, _mapped(sender, transaction)), moved

    def _chooses(self, priority: int, transaction: bytes, component: Component, sender: Address) -> bool:
        """Whether a check makes `sender` the chosen address. Agents of RFC 5245 choose every pair that works, and mean
        the best one."""
        chosen = component, sender
        if self._choices.get(transaction, chosen) != chosen or priority < self._priority.get(component, 0):
            return False
        if len(self._choices) >= CHOICES_KEPT:
            del self._choices[next(iter(self._choices))]
        self._choices[transaction] = chosen
        self._priority[component] = priority
        before, self.nominated[component] = self.nominated.get(component), sender
        return sender != before

    def _authentic(self, check: "_Check", data: bytes, now: float) -> bool:
        if not hmac.compare_digest(check.username, self.credentials.username.encode()):
            return False
        self._room, self._at = min(BURST, self._room + PER_SECOND * (now - self._at)), now
        if self._room < 1:
            return False
        self._room -= 1
        signed = data[: check.integrity_at]
        return hmac.compare_digest(check.integrity, self._integrity(signed))

    def _integrity(self, signed: bytes) -> bytes:
        """The value of MESSAGE-INTEGRITY after `signed`. The length in the header counts up to the end of this
        attribute (RFC 5389 §15.4)."""
        length = len(signed) + _ATTRIBUTE.size + 20 - _HEADER.size
        counted = signed[:2] + struct.pack("!H", length) + signed[4:]
        return hmac.digest(self.credentials.password.encode(), counted, "sha1")

    def _response(self, kind: int, transaction: bytes, attribute: int, value: bytes) -> bytes:
        padded = value + bytes(-len(value) % 4)
        message = _HEADER.pack(kind, 0, COOKIE, transaction) + _ATTRIBUTE.pack(attribute, len(value)) + padded
        message += _ATTRIBUTE.pack(INTEGRITY, 20) + self._integrity(message)
        message = message[:2] + struct.pack("!H", len(message) + 8 - _HEADER.size) + message[4:]
        return message + _ATTRIBUTE.pack(FINGERPRINT, 4) + struct.pack("!I", crc32(message) ^ FINGERPRINT_MASK)


class _Check(NamedTuple):
    """A connectivity check, not yet known to be authentic."""

    username: bytes
    integrity: bytes
    integrity_at: int
    priority: int
    chosen: bool
    controlled: bool


def _read(data: bytes) -> _Check | None:
    """The attributes of a binding request; None if it is malformed, or has no integrity or no right fingerprint."""
    found: dict[int, bytes] = {}
    at, end, integrity_at, whole = _HEADER.size, len(data), 0, False
    while at + _ATTRIBUTE.size <= end:
        kind, size = _ATTRIBUTE.unpack_from(data, at)
        value = data[at + _ATTRIBUTE.size : at + _ATTRIBUTE.size + size]
        if len(value) != size:
            return None
        if kind == FINGERPRINT:
            # RFC 5389 §15.5: the fingerprint is the last attribute.
            whole = at + 8 == end and value == struct.pack("!I", crc32(data[:at]) ^ FINGERPRINT_MASK)
        elif not integrity_at:  # the integrity does not protect the attributes after it
            found.setdefault(kind, value)
            integrity_at = at if kind == INTEGRITY else 0
        at += _ATTRIBUTE.size + (size + 3) // 4 * 4
    if at != end or not whole or len(found.get(INTEGRITY, b"")) != 20 or USERNAME not in found:
        return None
    priority = int.from_bytes(found.get(PRIORITY, b"")[:4], "big")
    chosen, controlled = USE_CANDIDATE in found, CONTROLLED in found
    return _Check(found[USERNAME], found[INTEGRITY], integrity_at, priority, chosen, controlled)


def _mapped(sender: Address, transaction: bytes) -> bytes:
    address = ipaddress.ip_address(sender[0].partition("%")[0])
    mask = COOKIE.to_bytes(4, "big") + transaction
    mixed = bytes(one ^ other for one, other in zip(address.packed, mask, strict=False))
    return struct.pack("!BBH", 0, 1 if address.version == 4 else 2, sender[1] ^ COOKIE >> 16) + mixed
