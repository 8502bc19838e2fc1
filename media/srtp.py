"""SRTP and SRTCP of one call (RFC 3711; AES-GCM of RFC 7714) on libsrtp. Sans-IO."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from media.rtp import MAX_PACKET

if TYPE_CHECKING:
    import pylibsrtp

PROFILES = {
    "AES_CM_128_HMAC_SHA1_80": ("SRTP_PROFILE_AES128_CM_SHA1_80", 10, 10),
    "AES_CM_128_HMAC_SHA1_32": ("SRTP_PROFILE_AES128_CM_SHA1_32", 4, 10),
    "AEAD_AES_128_GCM": ("SRTP_PROFILE_AEAD_AES_128_GCM", 0, 0),
    "AEAD_AES_256_GCM": ("SRTP_PROFILE_AEAD_AES_256_GCM", 0, 0),
}
"""By suite: libsrtp's name, and the bytes that follow the key identifier in SRTP and in SRTCP."""
OVERLAP = 5.0
"""Seconds after new keys in which packets under the old ones are still taken: they were on their way."""


class SrtpUnavailableError(Exception):
    """The library is not there; the message says what to do."""


def check() -> None:
    """Raises `SrtpUnavailableError` if SRTP cannot be spoken on this machine."""
    try:
        import pylibsrtp  # noqa: F401
    except ImportError as error:
        raise SrtpUnavailableError(
            f'SRTP needs the package pylibsrtp (pip install pylibsrtp), or srtp = "off" in every trunk: {error}'
        ) from None


@dataclass(frozen=True)
class Keys:
    """What both sides send under: master keys with their salts."""

    suite: str
    """One of `PROFILES`."""
    ours: bytes = field(repr=False)
    theirs: bytes = field(repr=False)
    mki: bytes = field(default=b"", repr=False)
    """The key identifier in every packet of theirs, if any (RFC 3711 §3.1)."""

    def encode(self) -> list[str]:
        """As text, for the private pipe of the media process."""
        return [self.suite, *(base64.b64encode(part).decode() for part in (self.ours, self.theirs, self.mki))]

    @classmethod
    def decode(cls, texts: list[str]) -> Self:
        """Read what `encode` wrote."""
        suite, *parts = texts
        return cls(suite, *map(base64.b64decode, parts))


@dataclass
class SrtpCounts:
    """Packets that were dropped before anything looked at them."""

    unauthentic: int = 0
    """Not made with their key, or damaged."""
    replayed: int = 0
    """Seen before, or older than the last 128."""
    rtcp_unauthentic: int = 0
    """Either, of RTCP."""


class _Receiver:
    """One direction's packets in, under one key."""

    def __init__(self, keys: Keys) -> None:
        session, mki = _session(keys.suite, keys.theirs, "SSRC_ANY_INBOUND"), keys.mki
        _, tag, control_tag = PROFILES[keys.suite]
        self.unprotect: Callable[[bytes], bytes] = session.unprotect
        self.unprotect_rtcp: Callable[[bytes], bytes] = session.unprotect_rtcp
        if (
            mki
        ):  # no methods of ours: bound to it, they would keep it for good in a process that does not look for cycles
            self.unprotect = lambda packet: session.unprotect(_bare(packet, mki, tag))
            self.unprotect_rtcp = lambda packet: session.unprotect_rtcp(_bare(packet, mki, control_tag))


def _bare(packet: bytes, mki: bytes, tag: int) -> bytes:
    """`packet` without its key identifier, which nothing authenticates (RFC 3711 §3.1)."""
    end = len(packet) - tag
    begin = max(0, end - len(mki))
    return packet[:begin] + packet[end:] if packet[begin:end] == mki else b""


class Srtp:
    """One call's SRTP: a session of libsrtp per direction, so that a new key of one leaves the other as it is."""

    def __init__(self, keys: Keys) -> None:
        """Raises `SrtpUnavailableError`."""
        check()
        import pylibsrtp

        self.counts = SrtpCounts()
        self._error = pylibsrtp.Error
        self._keys = keys
        self._receiver = _Receiver(keys)
        self._before: _Receiver | None = None
        self._before_until = 0.0
        self._send(keys)

    def rekey(self, keys: Keys, now: float) -> bool:
        """Follow a re-INVITE; returns whether any key has changed, and our stream so needs a new SSRC.

        The other side may have kept or lost its rollover counter for our stream, and both is allowed; for a new SSRC
        it begins at 0 in any case (RFC 3711 §3.3.1).
        """
        before, self._keys = self._keys, keys
        if (keys.suite, keys.theirs, keys.mki) != (before.suite, before.theirs, before.mki):
            self._before, self._before_until = self._receiver, now + OVERLAP
            self._receiver = _Receiver(keys)
        if (keys.suite, keys.ours) != (before.suite, before.ours):
            self._send(keys)
        return keys != before

    def _send(self, keys: Keys) -> None:
        sender = _session(keys.suite, keys.ours, "SSRC_ANY_OUTBOUND")
        # Bound here, for each call in between costs 5 % of it.
        self.protect: Callable[[bytes], bytes] = sender.protect
        """An RTP packet as it goes over the network."""
        self.protect_rtcp: Callable[[bytes], bytes] = sender.protect_rtcp
        """A compound of RTCP as it goes over the network."""

    def unprotect(self, packet: bytes, now: float) -> bytes | None:
        """The RTP packet in `packet`; None, counted, if it is not authentic or not new; `packet` if it is no RTP."""
        try:
            return self._receiver.unprotect(packet)
        except (self._error, ValueError) as error:
            return self._second_chance(packet, now, str(error), control=False)

    def unprotect_rtcp(self, packet: bytes, now: float) -> bytes | None:
        """The RTCP compound in `packet`, likewise."""
        try:
            return self._receiver.unprotect_rtcp(packet)
        except (self._error, ValueError) as error:
            return self._second_chance(packet, now, str(error), control=True)

    def _second_chance(self, packet: bytes, now: float, cause: str, *, control: bool) -> bytes | None:
        if not b"\x80" <= packet[:1] < b"\xc0":  # STUN and the like (RFC 7983 §7), which no parser of ours takes
            return packet
        before = self._before
        if before is not None and now >= self._before_until:
            self._before = before = None
        if before is not None and len(packet) <= MAX_PACKET:
            try:
                return before.unprotect_rtcp(packet) if control else before.unprotect(packet)
            except self._error:
                pass
        if control:
            self.counts.rtcp_unauthentic += 1
        elif cause.startswith("replay"):
            self.counts.replayed += 1
        else:
            self.counts.unauthentic += 1
        return None


def _session(suite: str, key: bytes, direction: str) -> "pylibsrtp.Session":
    import pylibsrtp

    policy: Any = pylibsrtp.Policy
    profile = getattr(policy, PROFILES[suite][0])
    return pylibsrtp.Session(policy(key, getattr(policy, direction), srtp_profile=profile))
