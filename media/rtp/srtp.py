"""SRTP and SRTCP of one call (RFC 3711; AES-GCM of RFC 7714) on libsrtp. Sans-IO."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from media.fast import base
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
OVERHEAD = {"AES_CM_128_HMAC_SHA1_80": 10, "AES_CM_128_HMAC_SHA1_32": 4, "AEAD_AES_128_GCM": 16, "AEAD_AES_256_GCM": 16}
"""By suite: the bytes that encryption adds to an RTP packet, without a key identifier."""
SIGNATURE = "srtp_err_status_t(*)(struct srtp_ctx_t_ *, void *, int *)"
"""C type of the functions of libsrtp 2 that the path in C calls."""
CONTEXT = "struct srtp_ctx_t_ * *"
"""C type of the state of a session of pylibsrtp."""
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
        """The keys as texts, for the private pipe to the media process."""
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
    """RTP packets that were not made with the other side's key, or are damaged."""
    replayed: int = 0
    """RTP packets that were seen before, or are older than the last 128."""
    rtcp_unauthentic: int = 0
    """RTCP packets that were unauthentic or replayed."""
    streams_given_up: int = 0
    """SSRCs that were removed to make room for another one."""


class SrtpContext(base.SrtpContext):
    """A session of libsrtp under one key. The packet path in C calls the same library with the same session, so C and
    Python share the state of the streams."""

    __slots__ = ("session",)

    def __init__(self, suite: str, key: bytes, *, sends: bool) -> None:
        import pylibsrtp

        policy: Any = pylibsrtp.Policy
        profile, direction = getattr(policy, PROFILES[suite][0]), "SSRC_ANY_OUTBOUND" if sends else "SSRC_ANY_INBOUND"
        self.session = pylibsrtp.Session(policy(key, getattr(policy, direction), srtp_profile=profile))
        self.context, self.function = _addresses(self.session, "srtp_protect" if sends else "srtp_unprotect")


def _addresses(session: "pylibsrtp.Session", name: str) -> tuple[int, int]:
    """Addresses of libsrtp's session and of its function `name`; zeros for an unknown version of pylibsrtp."""
    try:
        from pylibsrtp._binding import ffi, lib

        # pylibsrtp has no public access to the session; without the session Python encrypts.
        function, context = ffi.addressof(lib, name), session._srtp  # noqa: SLF001
        if (ffi.typeof(function).cname, ffi.typeof(context).cname) != (SIGNATURE, CONTEXT):
            return 0, 0
        return int(ffi.cast("uintptr_t", context[0])), int(ffi.cast("uintptr_t", function))
    except (ImportError, AttributeError, TypeError):
        return 0, 0


class SrtpStream(base.SrtpStream):
    """One SSRC, with the numbers of its first and its last packet."""

    __slots__ = ("first", "since")

    def __init__(self, ssrc: int, number: int, now: float) -> None:
        self.ssrc, self.first, self.last, self.since = ssrc, number, number, now


class SrtpStreams(base.SrtpStreams):
    """The streams of one session of libsrtp: the SSRC that is received, and one that may follow it.

    libsrtp itself keeps each authentic SSRC for good and searches all of them at every packet. Here a third SSRC
    replaces the one that is not received. A removed SSRC keeps its last number, so that its packets are not accepted
    twice.
    """

    __slots__ = ("_counts", "_mki", "_other", "_removed", "_tag", "_unprotect")
    place = slice(8, 12)
    """The bytes of the SSRC in a packet."""

    def __init__(self, keys: Keys, counts: SrtpCounts) -> None:
        self.context = SrtpContext(keys.suite, keys.theirs, sends=False)
        self._counts = counts
        self._mki, self._tag = keys.mki, PROFILES[keys.suite][1]
        self._overhead = -1 if keys.mki else OVERHEAD[keys.suite]
        self._unprotect: Callable[[bytes], bytes] = self.context.session.unprotect
        self.heard = SrtpStream(-1, 0, 0.0)
        self._other: SrtpStream | None = None
        self._removed: dict[int, int] = {}
        """The number of the last packet of each removed SSRC."""

    def take(self, packet: bytes, now: float) -> bytes:
        """The decrypted packet. Raises `pylibsrtp.Error`, and ValueError if it is too long."""
        if self._mki:
            packet = _bare(packet, self._mki, self._tag)
        ssrc = int.from_bytes(packet[self.place], "big")
        if ssrc == self.heard.ssrc:  # nearly always
            clear = self._unprotect(packet)
            self.heard.last = self.number_of(packet)
            return clear
        if ssrc in self._removed and self.number_of(packet) <= self._removed[ssrc]:
            import pylibsrtp

            raise pylibsrtp.Error("replay check failed (of a stream that was removed)")
        clear = self._unprotect(packet)  # raises if the packet is not authentic
        self._met(ssrc, packet, now)
        return clear

    def number_of(self, packet: bytes) -> int:
        """The sequence number of `packet`."""
        return int.from_bytes(packet[2:4], "big")

    def _met(self, ssrc: int, packet: bytes, now: float) -> None:
        """Note an authentic packet of another stream. After the second such packet, this stream is received."""
        other = self._other
        if other is not None and other.ssrc == ssrc:
            other.last = self.number_of(packet)
            self.heard, self._other = other, self.heard
            return
        self._removed.pop(ssrc, None)
        met = SrtpStream(ssrc, self.number_of(packet), now)
        if self.heard.ssrc < 0:
            self.heard = met
            return
        self._other = met
        if other is not None:
            self._remove(other, now)

    def _remove(self, stream: SrtpStream, now: float) -> None:
        self.context.session.remove_stream(stream.ssrc)
        self._counts.streams_given_up += 1
        self._removed[stream.ssrc] = self._last_of(stream, now)
        if len(self._removed) > REMOVED:
            del self._removed[next(iter(self._removed))]

    def _last_of(self, stream: SrtpStream, now: float) -> int:
        """The highest number of `stream`; 0xFFFF if they may have wrapped, because the rollover counter is lost."""
        return stream.last if stream.last >= stream.first and now - stream.since < WRAP else 0xFFFF


class _ReportStreams(SrtpStreams):
    """Like `SrtpStreams`, for RTCP: its packets are numbered from 0 to 2³¹ and never wrap (RFC 3711 §3.4)."""

    __slots__ = ()
    place = slice(4, 8)

    def __init__(self, keys: Keys, counts: SrtpCounts) -> None:
        super().__init__(keys, counts)
        self._tag = PROFILES[keys.suite][2]
        self._unprotect = self.context.session.unprotect_rtcp

    def number_of(self, packet: bytes) -> int:
        """Its sequence number."""
        end = len(packet) - self._tag
        return int.from_bytes(packet[max(0, end - 4) : end], "big") & 0x7FFF_FFFF

    def _last_of(self, stream: SrtpStream, now: float) -> int:
        return stream.last


def _bare(packet: bytes, mki: bytes, tag: int) -> bytes:
    """`packet` without its key identifier, which is not authenticated (RFC 3711 §3.1); empty if it has another one."""
    end = len(packet) - tag
    begin = max(0, end - len(mki))
    return packet[:begin] + packet[end:] if packet[begin:end] == mki else b""


class Srtp(base.Srtp):
    """SRTP of one call. Each direction has its own libsrtp session, so that a new key does not affect the other."""

    __slots__ = ("_before", "_before_until", "_control", "_error", "_keys", "counts", "protect", "protect_rtcp")

    def __init__(self, keys: Keys) -> None:
        """Raises `SrtpUnavailableError`."""
        check()
        import pylibsrtp

        self.counts = SrtpCounts()
        self._error = pylibsrtp.Error
        self._keys = keys
        self._receive(keys)
        self._before: tuple[SrtpStreams, SrtpStreams] | None = None
        """Streams of sound and RTCP under the former keys, accepted until `_before_until`."""
        self._before_until = 0.0
        self._send(keys)

    def rekey(self, keys: Keys, now: float) -> bool:
        """Take the keys of a re-INVITE. Returns whether any key has changed; then our stream needs a new SSRC.

        The other side may keep or reset its rollover counter for our stream; both are allowed. For a new SSRC it
        begins at 0 in any case (RFC 3711 §3.3.1).
        """
        before, self._keys = self._keys, keys
        if (keys.suite, keys.theirs, keys.mki) != (before.suite, before.theirs, before.mki):
            self._before, self._before_until = (self.sound, self._control), now + OVERLAP
            self._receive(keys)
        if (keys.suite, keys.ours) != (before.suite, before.ours):
            self._send(keys)
        return keys != before

    def _receive(self, keys: Keys) -> None:
        self.sound = SrtpStreams(keys, self.counts)
        """The packets of sound that we receive under one key."""
        self._control: SrtpStreams = _ReportStreams(keys, self.counts)

    def _send(self, keys: Keys) -> None:
        self._sender = SrtpContext(keys.suite, keys.ours, sends=True)
        sender = self._sender.session
        # Bound here: another Python call in between would cost 5 % more.
        self.protect: Callable[[bytes], bytes] = sender.protect
        """Encrypts an RTP packet."""
        self.protect_rtcp: Callable[[bytes], bytes] = sender.protect_rtcp
        """Encrypts an RTCP compound."""

    def unprotect(self, packet: bytes, now: float) -> bytes | None:
        """The decrypted RTP packet; None, counted, if it is not authentic or not new; `packet` if it is not RTP."""
        try:
            return self.sound.take(packet, now)
        except (self._error, ValueError) as error:
            return self._second_chance(packet, now, str(error), control=False)

    def unprotect_rtcp(self, packet: bytes, now: float) -> bytes | None:
        """The decrypted RTCP compound; None, counted, if it is not authentic or not new; `packet` if it is not RTCP."""
        try:
            return self._control.take(packet, now)
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
                return before[control].take(packet, now)
            except self._error:
                pass
        if cause.startswith("replay"):
            self.counts.replayed += 1
        elif control:
            self.counts.rtcp_unauthentic += 1
        else:
            self.counts.unauthentic += 1
        return None
