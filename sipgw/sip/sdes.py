"""Keys of SRTP in session descriptions (SDES, RFC 4568), for the suites of RFC 4568 §6.2 and RFC 7714. Sans-IO."""

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, Self

Policy = Literal["off", "optional", "required"]

SUITES = {
    "AES_CM_128_HMAC_SHA1_80": 30,
    "AES_CM_128_HMAC_SHA1_32": 30,
    "AEAD_AES_256_GCM": 44,
    "AEAD_AES_128_GCM": 28,
}
"""The suites that we support, the preferred first: bytes of master key and salt together."""
SECRET = sum(SUITES.values())
"""Random bytes from which the keys of one call leg are made."""
MAX_LIFETIME = 2**48
"""Packets under one key at most (RFC 3711 §9.2)."""
MAX_MKI = 128

_LINE = re.compile(r"([0-9]{1,9})[ \t]+([A-Za-z0-9_]+)[ \t]+inline:([^;\s]+)((?:[ \t]+\S+)*)[ \t]*", re.ASCII)
_LIFETIME = re.compile(r"(2\^)?([0-9]{1,15})", re.ASCII)
_MKI = re.compile(r"([0-9]{1,40}):([0-9]{1,3})", re.ASCII)
_WINDOW = re.compile(r"WSH=[0-9]{2,5}", re.ASCII)


@dataclass(frozen=True)
class Crypto:
    """One usable ``a=crypto``: the key under which its sender encrypts."""

    tag: int
    suite: str
    key: bytes = field(repr=False)
    """Master key, then master salt."""
    mki: bytes = field(default=b"", repr=False)
    """The key identifier that stands in every packet, if any (RFC 3711 §3.1)."""

    @classmethod
    def parse(cls, value: str) -> Self | None:
        """Read what follows ``a=crypto:``.

        None for a suite or a parameter that we do not support, for several keys, and for a malformed line. Such a line
        is no offer to us (RFC 4568 §5.1.2).
        """
        match = _LINE.fullmatch(value)
        if match is None or match[2] not in SUITES or not _harmless(match[4].split()):
            return None
        encoded, *rest = match[3].split("|")
        key = _decoded(encoded)
        mki = _identifier(rest)
        if key is None or len(key) != SUITES[match[2]] or mki is None:
            return None
        return cls(int(match[1]), match[2], key, mki)

    def attribute(self) -> str:
        """The attribute as it is sent, without lifetime and MKI: one key for the whole call."""
        return f"crypto:{self.tag} {self.suite} inline:{base64.b64encode(self.key).decode()}"


@dataclass(frozen=True)
class Secured:
    """Both sides' keys under one suite."""

    suite: str
    ours: bytes = field(repr=False)
    theirs: bytes = field(repr=False)
    mki: bytes = field(default=b"", repr=False)
    """Master key identifier in each packet of the other side; empty if there is none. Our packets have none."""


def own(secret: bytes) -> tuple[Crypto, ...]:
    """Our offer: a key of its own for every suite (RFC 4568 §6.1), always the same from the same `secret`."""
    made, at = [], 0
    for tag, (suite, length) in enumerate(SUITES.items(), 1):
        made.append(Crypto(tag, suite, secret[at : at + length]))
        at += length
    return tuple(made)


def chosen(values: Iterable[str], secret: bytes) -> tuple[Crypto, Secured] | None:
    """Our answer to the offered `values`, and the keys on which it agrees: for the first value that we support, with
    its tag; None if we support none."""
    theirs = next(filter(None, map(Crypto.parse, values)), None)
    if theirs is None:
        return None
    ours = next(one for one in own(secret) if one.suite == theirs.suite)
    answer = Crypto(theirs.tag, ours.suite, ours.key)
    return answer, Secured(ours.suite, ours.key, theirs.key, theirs.mki)


def accepted(values: tuple[str, ...], offered: tuple[str, ...]) -> Secured | None:
    """Keys on which the `values` of an answer to our `offered` ones agree, or None (RFC 4568 §5.1.3)."""
    theirs = Crypto.parse(values[0]) if len(values) == 1 else None
    if theirs is None:
        return None
    for ours in filter(None, map(Crypto.parse, offered)):
        if (ours.tag, ours.suite) == (theirs.tag, theirs.suite):
            return Secured(ours.suite, ours.key, theirs.key, theirs.mki)
    return None


def _decoded(encoded: str) -> bytes | None:
    bare = encoded.rstrip("=")  # some write the padding and some do not
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except ValueError:
        return None


def _identifier(parts: list[str]) -> bytes | None:
    """The MKI of the parts after the key: an optional lifetime, an optional MKI; None if they are anything else."""
    if parts and (lifetime := _LIFETIME.fullmatch(parts[0])):
        number = int(lifetime[2])
        packets = (2**number if number <= 48 else 0) if lifetime[1] else number
        if not 0 < packets <= MAX_LIFETIME:
            return None
        parts = parts[1:]
    if not parts:
        return b""
    mki = _MKI.fullmatch(parts[0])
    if len(parts) > 1 or mki is None or not 0 < int(mki[2]) <= MAX_MKI:
        return None
    try:
        return int(mki[1]).to_bytes(int(mki[2]), "big")
    except OverflowError:
        return None


def _harmless(parameters: list[str]) -> bool:
    """Whether every session parameter is a hint, or one that may be ignored (RFC 4568 §6.3, §6.3.7)."""
    return all(one == "KDR=0" or one.startswith("-") or _WINDOW.fullmatch(one) for one in parameters)
