"""SRTP and SRTCP of one call (RFC 3711; AES-GCM of RFC 7714) on libsrtp. Sans-IO."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from media.rtp.packet import MAX_PACKET

if TYPE_CHECKING:
    import pylibsrtp

PROFILES = {
    "AES_CM_128_HMAC_SHA1_80": ("SRTP_PROFILE_AES128_CM_SHA1_80", 10, 10),
    "AES_CM_128_HMAC_SHA1_32": ("SRTP_PROFILE_AES128_CM_SHA1_32", 4, 10),
    "AEAD_AES_128_GCM": ("SRTP_PROFILE_AEAD_AES_128_GCM", 0, 0),
    "AEAD_AES_256_GCM": ("SRTP_PROFILE_AEAD_AES_256_GCM", 0, 0),
}
"""By suite: libsrtp's name, and the bytes that follow the key identifier in SRTP and in SRTCP."""
REMOVED = 16
"""Streams that are remembered after they were removed."""
WRAP = 1300.0
"""Seconds in which the sequence numbers of a stream do not wrap: 65,536 packets of 20 ms take longer."""
OVERLAP = 5.0
"""Seconds after new keys in which packets under the old keys are still accepted: they were on their way."""


class SrtpUnavailableError(Exception):
    """The library is not installed; the message says what to do."""


def check() -> None:
    """Raises `SrtpUnavailableError` if SRTP cannot be used on this machine."""
    try:
        import pylibsrtp  # noqa: F401
    except ImportError as error:
        raise SrtpUnavailableError(
            f'SRTP needs the package pylibsrtp (pip install pylibsrtp), or srtp = "off" in every trunk: {error}'
        ) from None


@dataclass(frozen=True)
class Keys:
    """The master keys of both directions, with their salts."""

    suite: str
    """One of `PROFILES`."""
    ours: bytes = field(repr=False)
    theirs: bytes = field(repr=False)
    mki: bytes = field(default=b"", repr=False)
    """The key identifier (MKI) in every packet of the other side, if any (RFC 3711 §3.1)."""

    def encode(self) -> list[str]:
        """As text, for the private pipe to the media process."""
        return [self.suite, *(base64.b64encode(part).decode() for part in (self.ours, self.theirs, self.mki))]

    @classmethod
    def decode(cls, texts: list[str]) -> Self:
        """Read what `encode` wrote."""
        suite, *parts = texts
        return cls(suite, *map(base64.b64decode, parts))


@dataclass
class SrtpCounts:
    """Packets that were dropped before they were read."""

    unauthentic: int = 0
    """Not made with the other side's key, or damaged."""
    replayed: int = 0
    """Seen before, or older than the last 128."""
    rtcp_unauthentic: int = 0
    """Either, of RTCP."""
    streams_given_up: int = 0
    """SSRCs that were removed to make room for another one."""


class _Stream:
    """One SSRC: its first and last packet, still encrypted."""

    __slots__ = ("first", "last", "since", "ssrc")

    def __init__(self, ssrc: bytes, packet: bytes, now: float) -> None:
        self.ssrc, self.first, self.last, self.since = ssrc, packet, packet, now


class _Streams:
    """The streams of one session of libsrtp: the SSRC that is received, and one that may follow it.

    libsrtp itself keeps each authentic SSRC for good and searches all of them at every packet. Here a third SSRC
    replaces the one that is not received. Packets of removed SSRCs are not accepted twice either.
    """

    place = slice(8, 12)
    """The bytes of the SSRC in a packet."""

    def __init__(self, session: "pylibsrtp.Session", mki: bytes, tag: int, counts: SrtpCounts) -> None:
        self._session = session
        self._counts = counts
        self._unprotect: Callable[[bytes], bytes] = session.unprotect
        self._mki, self._tag = mki, tag
        self._heard = _Stream(b"", b"", 0.0)
        self._other: _Stream | None = None
        self._removed: dict[bytes, int] = {}
        """The number of the last packet of each removed SSRC."""

    def take(self, packet: bytes, now: float) -> bytes:
        """The decrypted packet. Raises `pylibsrtp.Error`, and ValueError if it is too long."""
        if self._mki:
            packet = _bare(packet, self._mki, self._tag)
        ssrc = packet[self.place]
        if ssrc == self._heard.ssrc:  # nearly always
            clear = self._unprotect(packet)
            self._heard.last = packet
            return clear
        if ssrc in self._removed and self.number_of(packet) <= self._removed[ssrc]:
            import pylibsrtp

            raise pylibsrtp.Error("replay check failed (of a stream that was removed)")
        clear = self._unprotect(packet)  # raises if the packet is not authentic
        self._met(ssrc, packet, now)
        return clear

    def number_of(self, packet: bytes) -> int:
        """Its sequence number."""
        return int.from_bytes(packet[2:4], "big")

    def _met(self, ssrc: bytes, packet: bytes, now: float) -> None:
        """An authentic packet of another stream came; the second one makes that stream the one that is received."""
        other = self._other
        if other is not None and other.ssrc == ssrc:
            other.last = packet
            self._heard, self._other = other, self._heard
            return
        self._removed.pop(ssrc, None)
        met = _Stream(ssrc, packet, now)
        if not self._heard.ssrc:
            self._heard = met
            return
        self._other = met
        if other is not None:
            self._remove(other, now)

    def _remove(self, stream: _Stream, now: float) -> None:
        self._session.remove_stream(int.from_bytes(stream.ssrc, "big"))
        self._counts.streams_given_up += 1
        self._removed[stream.ssrc] = self._last_of(stream, now)
        if len(self._removed) > REMOVED:
            del self._removed[next(iter(self._removed))]

    def _last_of(self, stream: _Stream, now: float) -> int:
        """Its highest number; 0xFFFF if the numbers may have wrapped, for the rollover counter is lost."""
        first, last = self.number_of(stream.first), self.number_of(stream.last)
        return last if last >= first and now - stream.since < WRAP else 0xFFFF


class _ReportStreams(_Streams):
    """The same for RTCP, whose packets are numbered from 0 to 2³¹ and never wrap (RFC 3711 §3.4)."""

    place = slice(4, 8)

    def __init__(self, session: "pylibsrtp.Session", mki: bytes, tag: int, counts: SrtpCounts) -> None:
        super().__init__(session, mki, tag, counts)
        self._unprotect = session.unprotect_rtcp

    def number_of(self, packet: bytes) -> int:
        """Its sequence number."""
        end = len(packet) - self._tag
        return int.from_bytes(packet[max(0, end - 4) : end], "big") & 0x7FFF_FFFF

    def _last_of(self, stream: _Stream, now: float) -> int:
        return self.number_of(stream.last)


class _Receiver:
    """The packets that we receive under one key."""

    def __init__(self, keys: Keys, counts: SrtpCounts) -> None:
        _, tag, control_tag = PROFILES[keys.suite]
        sound, control = (_session(keys.suite, keys.theirs, "SSRC_ANY_INBOUND") for _ in range(2))
        self.sound: _Streams = _Streams(sound, keys.mki, tag, counts)
        self.control: _Streams = _ReportStreams(control, keys.mki, control_tag, counts)


def _bare(packet: bytes, mki: bytes, tag: int) -> bytes:
    """`packet` without its key identifier, which is not authenticated (RFC 3711 §3.1); empty if it has another one."""
    end = len(packet) - tag
    begin = max(0, end - len(mki))
    return packet[:begin] + packet[end:] if packet[begin:end] == mki else b""


class Srtp:
    """SRTP of one call: one session of libsrtp per direction, so that a new key of one does not affect the other."""

    def __init__(self, keys: Keys) -> None:
        """Raises `SrtpUnavailableError`."""
        check()
        import pylibsrtp

        self.counts = SrtpCounts()
        self._error = pylibsrtp.Error
        self._keys = keys
        self._receiver = _Receiver(keys, self.counts)
        self._before: _Receiver | None = None
        self._before_until = 0.0
        self._send(keys)

    def rekey(self, keys: Keys, now: float) -> bool:
        """Follow a re-INVITE; returns whether any key has changed: then our stream needs a new SSRC.

        The other side may keep or reset its rollover counter for our stream; both are allowed. For a new SSRC it
        begins at 0 in any case (RFC 3711 §3.3.1).
        """
        before, self._keys = self._keys, keys
        if (keys.suite, keys.theirs, keys.mki) != (before.suite, before.theirs, before.mki):
            self._before, self._before_until = self._receiver, now + OVERLAP
            self._receiver = _Receiver(keys, self.counts)
        if (keys.suite, keys.ours) != (before.suite, before.ours):
            self._send(keys)
        return keys != before

    def _send(self, keys: Keys) -> None:
        sender = _session(keys.suite, keys.ours, "SSRC_ANY_OUTBOUND")
        # Bound here: another Python call in between would cost 5 % more.
        self.protect: Callable[[bytes], bytes] = sender.protect
        """An RTP packet, encrypted."""
        self.protect_rtcp: Callable[[bytes], bytes] = sender.protect_rtcp
        """A compound of RTCP, encrypted."""

    def unprotect(self, packet: bytes, now: float) -> bytes | None:
        """The decrypted RTP packet; None, counted, if it is not authentic or not new; `packet` if it is not RTP."""
        try:
            return self._receiver.sound.take(packet, now)
        except (self._error, ValueError) as error:
            return self._second_chance(packet, now, str(error), control=False)

    def unprotect_rtcp(self, packet: bytes, now: float) -> bytes | None:
        """The decrypted RTCP compound, likewise."""
        try:
            return self._receiver.control.take(packet, now)
        except (self._error, ValueError) as error:
            return self._second_chance(packet, now, str(error), control=True)

    def _second_chance(self, packet: bytes, now: float, cause: str, *, control: bool) -> bytes | None:
        if not b"\x80" <= packet[:1] < b"\xc0":  # STUN and others (RFC 7983 §7), which our parsers drop
            return packet
        before = self._before
        if before is not None and now >= self._before_until:
            self._before = before = None
        if before is not None and len(packet) <= MAX_PACKET:
            try:
                return (before.control if control else before.sound).take(packet, now)
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
