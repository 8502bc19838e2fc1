"""The offer of a browser and our answer (JSEP, RFC 9429): one stream of mu-law with keys, over ICE and DTLS.

Sans-IO. The addresses in the offer are not read: the browser is the peer that proves the password of our answer (RFC
8445 §7.3.1.3). So no offer can make the gateway send anything to a third party.
"""

import re
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from sipgw.sip.offer_answer import NotAcceptable
from sipgw.sip.sdp import ConnectionLine, Media, Sdp, SdpError

PROTOCOLS = ("UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF")
"""Protocols of a stream, all of which must be accepted (RFC 9429 §5.1.2)."""
NOWHERE = ConnectionLine("IP4", "0.0.0.0")
DISCARD = 9
"""The port of a stream whose addresses are candidates (RFC 8840 §4.1.1)."""
MIRROR = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}

_USER = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PASSWORD = re.compile(r"[A-Za-z0-9+/]{22,256}")
_FINGERPRINT = re.compile(r"(sha-256|sha-384|sha-512) ((?:[0-9A-F]{2}:){31,63}[0-9A-F]{2})", re.IGNORECASE)
_MID = re.compile(r"[!#$%&'*+.^_`{|}~A-Za-z0-9-]{1,32}")


class Ends(NamedTuple):
    """The ICE and DTLS parameters that one end sends to the other."""

    user: str
    password: str
    fingerprints: tuple[tuple[str, str], ...]
    """Fingerprints of the certificate: hash function and value."""
    candidates: tuple[str, ...] = ()
    """The candidates of our end, each as in ``a=candidate``; those of the browser are not read."""

    def __repr__(self) -> str:
        return f"Ends(user={self.user!r})"  # the password would allow others to speak in the call


@dataclass(frozen=True)
class BrowserOffer:
    """An offer with a stream that can be used."""

    far: Ends
    payload_type: int
    """The payload type of mu-law."""
    dtmf_payload_type: int | None
    sdp: Sdp = field(repr=False)
    chosen: int
    """The index of the stream."""

    @classmethod
    def parse(cls, data: bytes) -> "BrowserOffer":
        """Read an offer. Raises `NotAcceptable` with a reason in plain words."""
        try:
            sdp = Sdp.parse(data)
        except SdpError as error:
            raise NotAcceptable(f"this is no session description: {error}") from None
        reasons = []
        for at, media in enumerate(sdp.media):
            reason = _reason_against(sdp, media)
            if not reason:
                mulaw, events = _payload(media, "PCMU"), _payload(media, "TELEPHONE-EVENT")
                return cls(_far(sdp, media), mulaw or 0, events, sdp, at)
            reasons.append(reason)
        raise NotAcceptable("; ".join(dict.fromkeys(reasons)) or "the offer has no media at all")

    @property
    def direction(self) -> str:
        """Our direction: ``sendrecv``, ``sendonly``, ``recvonly`` or ``inactive``."""
        media = self.sdp.media[self.chosen]
        return next((MIRROR[one] for one in (*media.attributes, *self.sdp.attributes) if one in MIRROR), "sendrecv")

    def answer(self, ours: Ends, session: int) -> bytes:
        """Our answer; every other stream is refused. `session` is a unique number of the session (RFC 8866 §5.2)."""
        media = self.sdp.media[self.chosen]
        mid, codec = media.attribute("mid") or "0", str(self.payload_type)
        attributes = [f"rtpmap:{codec} PCMU/8000", "ptime:20", "rtcp-mux", "setup:active", self.direction, f"mid:{mid}"]
        formats = [codec]
        if self.dtmf_payload_type is not None:
            formats.append(str(self.dtmf_payload_type))
            attributes += [f"rtpmap:{formats[1]} telephone-event/8000", f"fmtp:{formats[1]} 0-16"]
        attributes += [f"ice-ufrag:{ours.user}", f"ice-pwd:{ours.password}"]
        attributes += [f"fingerprint:{name} {value}" for name, value in ours.fingerprints]
        attributes += [*(f"candidate:{one}" for one in ours.candidates), "end-of-candidates"]
        stream = Media("audio", DISCARD, media.protocol, tuple(formats), NOWHERE, tuple(attributes))
        sections = tuple(
            stream if at == self.chosen else replace(other, port=0, connection=NOWHERE, attributes=_mid_of(other))
            for at, other in enumerate(self.sdp.media)
        )
        bundle = (f"group:BUNDLE {mid}",) if self.sdp.attribute("group") else ()
        return Sdp(f"- {session} 1 {NOWHERE}", attributes=bundle, media=sections).to_bytes()


def _reason_against(sdp: Sdp, media: Media) -> str:
    """Why the stream cannot be used; empty if it can."""
    if media.kind != "audio":
        return f"a {media.kind[:20]} stream is of no use to a phone"
    if media.protocol not in PROTOCOLS:
        return f"sound over {media.protocol[:40]} is not WebRTC"
    if not media.port or "bundle-only" in media.attributes:
        return "the sound is offered without a transport of its own"
    if "rtcp-mux" not in media.attributes:
        return "RTCP is not multiplexed (RFC 8858)"
    if _payload(media, "PCMU") is None:
        return "the sound is not offered as PCMU"
    if (_either(sdp, media, "setup") or "") not in ("actpass", "passive"):
        return "we are to begin the DTLS handshake, but the offer does not let us (RFC 8842 §5.2)"
    if not _MID.fullmatch(media.attribute("mid") or "0"):
        return "the name of the stream (mid) is malformed"
    far = _far(sdp, media)
    if not (_USER.fullmatch(far.user) and _PASSWORD.fullmatch(far.password)):
        return "there are no user name and password for ICE"
    if not far.fingerprints:
        return "there is no fingerprint of the certificate"
    return ""


def _far(sdp: Sdp, media: Media) -> Ends:
    prints = []
    for level in (media, sdp):
        for attribute in level.attributes:
            name, _, value = attribute.partition(":")
            if name == "fingerprint" and (found := _FINGERPRINT.fullmatch(value.strip())):
                prints.append((found[1].lower(), found[2].upper()))
        if prints:
            break
    user, password = _either(sdp, media, "ice-ufrag"), _either(sdp, media, "ice-pwd")
    return Ends(user or "", password or "", tuple(prints[:4]))


def _either(sdp: Sdp, media: Media, name: str) -> str | None:
    """An attribute of the stream, or else of the session (RFC 8839 §5.4)."""
    found = media.attribute(name)
    return sdp.attribute(name) if found is None else found


def _payload(media: Media, encoding: str) -> int | None:
    """The payload type of `encoding` at 8 kHz."""
    for payload in media.formats:
        if media.encodings.get(payload) == (encoding, 8000) and payload.isascii() and payload.isdigit():
            number = int(payload[:4])
            return number if number < 128 else None
    return None


def _mid_of(media: Media) -> tuple[str, ...]:
    mid = media.attribute("mid")
    return (f"mid:{mid}",) if mid and _MID.fullmatch(mid) else ()
