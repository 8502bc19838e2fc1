"""Offer and answer (RFC 3264) for one G.711 audio stream with telephone events."""

import ipaddress
import zlib
from dataclasses import dataclass, field, replace
from typing import Self

from sipgw.sip import ice, sdes
from sipgw.sip.negotiated import Negotiated
from sipgw.sip.sdes import Policy
from sipgw.sip.sdp import ConnectionLine, Media, Sdp, SdpError

ENCODINGS = {"PCMU": "0", "PCMA": "8"}
"""Encodings that we use, the preferred first: speech services use mu-law, so it is never transcoded."""
DTMF = "101"
PTIME = 20
"""Milliseconds of sound in each packet of ours."""
REPORTS = "rtcp-xr:voip-metrics"
"""The reports that we ask for (RFC 3611 §5): they tell how late the other side hears us."""
PLAIN = ("RTP/AVP", "RTP/AVPF")
SECURE = ("RTP/SAVP", "RTP/SAVPF")
DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_SENDS = frozenset({"sendrecv", "sendonly"})
_RECEIVES = frozenset({"sendrecv", "recvonly"})
_MIRROR = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotAcceptable(Exception):  # noqa: N818  the name of the status it is answered with
    """Nothing in the description can be used (488); the message says what was there, in plain words."""

    def __init__(self, reason: str) -> None:
        super().__init__("".join(char if char.isprintable() else "?" for char in reason[:300]))


@dataclass(frozen=True)
class LocalMedia:
    """Our side of the stream in one call leg. Our offers and answers are made from this alone."""

    address: str
    """Address for the other side: a literal IP address; `sipgw.sip.sdp.UNKNOWN` in the offer of a new call."""
    port: int
    tls: bool = field(kw_only=True)
    """Whether the signalling of the leg is encrypted on its way. If not, our offers have keys only if SRTP is required
    (RFC 4568 §8.3): everybody on the way could read them, and the INVITE would be too large for UDP."""
    session_id: int = 1
    srtp: Policy = "off"
    """Whether SRTP is used. With ``optional`` it is used if the other side can, also over RTP/AVP (RFC 8643)."""
    secret: bytes = field(default=b"", repr=False)
    """`sdes.SECRET` random bytes, which stay the same for one call leg; our keys are made from them."""
    ice: bool = False
    """Whether we answer an offer of ICE: only if the other side reaches `address` and `port` as they are."""
    session: bytes = field(default=b"", repr=False)
    """Our last description in this session, which decides the version, the m-lines, the payload types and the
    protection of the next one; empty in a new session."""

    def of_leg(self, call_id: str, secret: bytes, *, tls: bool) -> Self:
        """This media for another leg: in a session of its own (RFC 8866 §5.2), and with keys that no other leg has."""
        number = zlib.crc32(call_id.encode("utf-8", "surrogateescape"))
        return replace(self, session_id=number, secret=secret, tls=tls, session=b"")

    def as_sent(self, description: bytes) -> Self:
        """This media at the address that `description` got when it was sent, see `sipgw.sip.sdp.UNKNOWN`."""
        return replace(self, address=media_host(description) or self.address)

    @property
    def connection(self) -> ConnectionLine:
        """Our ``c=`` line."""
        return ConnectionLine("IP6" if ":" in self.address else "IP4", self.address)

    def described(self, media: tuple[Media, ...], timing: str = "0 0") -> bytes:
        """Our description with these m-lines: one that differs from the last has the next version (RFC 3264 §8)."""
        version = int(Sdp.parse(self.session).origin.split()[2]) if self.session else 1
        body = self._body(version, media, timing)
        return body if not self.session or body == self.session else self._body(version + 1, media, timing)

    def _body(self, version: int, media: tuple[Media, ...], timing: str) -> bytes:
        origin, lite = f"sipgw {self.session_id} {version} {self.connection}", ice.session_lines(media)
        return Sdp(origin, self.connection, attributes=lite, media=media, timing=timing).to_bytes()


Protection = tuple[str, bool]
"""How a stream is offered: the protocol of its m-line, and whether it has keys."""


def offers(local: LocalMedia) -> tuple[bytes, ...]:
    """Our offers for a new session: the first, and after a 488 the next.

    If SRTP is optional, Asterisk accepts the first offer, whether it encrypts or not (RFC 8643). FreeSWITCH needs
    RTP/SAVP to encrypt, and an offer without keys not to encrypt.
    """
    made: list[bytes] = []
    for protection in _protections(local):
        made.append(_offer(replace(local, session=made[-1]) if made else local, protection, "sendrecv"))
    return tuple(made)


def make_offer(local: LocalMedia, direction: str = "sendrecv") -> bytes:
    """Our offer: PCMU, PCMA and telephone events, 20 ms packets. In a session it has all m-lines of the session (RFC
    3264 §8), and keys if the session has some."""
    protection = _protections(local)[0]
    if local.session:
        sections = Sdp.parse(local.session).media
        last = sections[_ours_at(sections)]
        protection = last.protocol, last.protocol in SECURE or bool(_offered_keys(last))
    return _offer(local, protection, direction)


def _protections(local: LocalMedia) -> tuple[Protection, ...]:
    plain, encrypted = (PLAIN[0], False), (SECURE[0], True)
    if local.srtp == "required":
        return (encrypted,)
    return ((PLAIN[0], True), encrypted, plain) if local.srtp == "optional" and local.tls else (plain,)


def _ours_at(sections: tuple[Media, ...]) -> int:
    """Which m-line of a description of ours is our stream: the one in use, or else the first of sound."""
    return min(range(len(sections)), key=lambda at: (not sections[at].port, sections[at].kind != "audio"))


def _offer(local: LocalMedia, protection: Protection, direction: str) -> bytes:
    sections = Sdp.parse(local.session).media if local.session else ()
    at = _ours_at(sections) if sections else 0
    stream = _offered_stream(local, sections[at] if sections else None, protection, direction)
    before, after = map(_refused, sections[:at]), map(_refused, sections[at + 1 :])
    return local.described((*before, stream, *after))


def _offered_stream(local: LocalMedia, last: Media | None, protection: Protection, direction: str) -> Media:
    """Our stream as we offer it; each payload type keeps the meaning that it has in the session (RFC 3264 §8.3.2)."""
    protocol, keyed = protection
    known = {name: payload for payload, (name, _) in last.encodings.items()} if last else {}
    payloads = {name: known.get(name, payload) for name, payload in ENCODINGS.items()}
    free = (number for number in map(str, range(int(DTMF), 128)) if number not in payloads.values())
    events = known.get("TELEPHONE-EVENT") or next(free)
    maps = [f"rtpmap:{payload} {name}/8000" for name, payload in payloads.items()]
    keys = [one.attribute() for one in sdes.own(local.secret)] if keyed else []
    keys += ice.kept(last)
    attributes = (*maps, *_event_lines(events), *keys, f"ptime:{PTIME}", "rtcp-mux", REPORTS, direction)
    return Media("audio", local.port, protocol, (*payloads.values(), events), attributes=attributes)


def _event_lines(payload: str) -> tuple[str, str]:
    return f"rtpmap:{payload} telephone-event/8000", f"fmtp:{payload} 0-16"


def answer(offer: bytes, local: LocalMedia) -> Negotiated:
    """Answer an offer. Raises `NotAcceptable`."""
    sdp = _parse(offer)
    if local.session and sdp.media and not any(media.port for media in sdp.media):
        return _switched_off(sdp, local)
    reasons = [_reason_against(media, local.srtp) for media in sdp.media]
    usable = [at for at, reason in enumerate(reasons) if reason is None]
    if not usable:
        raise NotAcceptable("; ".join(filter(None, reasons)) or "no media at all")
    chosen = min(usable, key=lambda at: sdp.media[at].protocol not in SECURE)  # the same sound may be offered twice
    media = sdp.media[chosen]
    encoding, payload = min(_codecs(media), key=lambda one: list(ENCODINGS).index(one[0]))
    events = _events(media)
    remote = _remote(sdp, media, local)
    direction = _MIRROR[_direction(sdp, media, remote)]
    secured = None if local.srtp == "off" else sdes.chosen(_offered_keys(media), local.secret)
    checks = ice.answered(sdp, media, local.secret, str(remote)) if local.ice else None
    keys = (*((secured[0].attribute(),) if secured else ()), *ice.lines(checks, media, local.address, local.port))
    ours = _describe(media, local, encoding, payload, events, (*keys, f"ptime:{PTIME}"), direction)
    body = local.described(
        tuple(ours if at == chosen else _refused(other) for at, other in enumerate(sdp.media)), sdp.timing
    )
    dtmf = int(events) if events else None
    control = _control(sdp, media, local, muxed=_muxed(media))
    srtp = secured[1] if secured else None
    agreed = ice.agreed(checks)
    return Negotiated(body, encoding, int(payload), dtmf, str(remote), media.port, direction, control, srtp, ice=agreed)


def _refused(media: Media) -> Media:
    """The answer to a stream that is refused, or switched off."""
    return replace(media, port=0, connection=None, attributes=())


def _switched_off(sdp: Sdp, local: LocalMedia) -> Negotiated:
    """RFC 3264 §6, §8.2: a stream that is offered with port 0 is answered with port 0, and the session goes on."""
    return _silent(local.described(tuple(map(_refused, sdp.media)), sdp.timing), local)


def _silent(ours: bytes, local: LocalMedia) -> Negotiated:
    return Negotiated(ours, "PCMU", 0, None, local.address, 0, "inactive")


def accept_answer(offer: bytes, reply: bytes, local: LocalMedia) -> Negotiated:
    """Take the answer to our own offer. Raises `NotAcceptable`.

    In a running session (`LocalMedia.session`) the answer may switch the stream off. If our offer has the stream
    switched off, it stays off (RFC 3264 §6, §8.2). A new session without its stream is not acceptable.
    """
    sdp, ours = _parse(reply), _parse(offer)
    at = _ours_at(ours.media)  # ours may repeat an answer of ours
    if not at < len(sdp.media) <= len(ours.media):
        raise NotAcceptable("the answer does not have the media of the offer")
    media = sdp.media[at]
    if not ours.media[at].port or (local.session and media.kind == "audio" and not media.port):
        return _silent(offer, local)
    if (reason := _reason_against(media, local.srtp)) is not None:
        raise NotAcceptable(reason)
    offered = _offered_keys(ours.media[at])
    keys = _offered_keys(media) if offered else ()
    srtp = sdes.accepted(keys, offered)
    if srtp is None and (keys or media.protocol in SECURE):
        raise NotAcceptable("the answer's a=crypto is not one that was offered")
    encoding, payload = _codecs(media)[0]  # RFC 3264 §6.1: the most preferred first; it is what they send
    events, announced = _events(media), _events(ours.media[at])
    remote = _remote(sdp, media, local)
    direction = _within(_attributed(ours, ours.media[at]), _MIRROR[_direction(sdp, media, remote)])
    dtmf = int(events) if events else None
    control = _control(sdp, media, local, muxed=_muxed(media) and _muxed(ours.media[at]))
    received = int(announced) if events and announced and announced != events else None
    remote_port, checks = media.port, ice.accepted(ours.media[at], sdp, media)
    return Negotiated(
        offer, encoding, int(payload), dtmf, str(remote), remote_port, direction, control, srtp, received, checks
    )


def media_host(description: bytes | None) -> str:
    """The IP address at which the other side wants its sound; empty if `description` has none. Never raises."""
    try:
        sdp = Sdp.parse(description or b"")
    except SdpError:
        return ""
    for media in sdp.media:
        connection = media.connection or sdp.connection
        if media.kind == "audio" and media.port and connection is not None:
            return connection.address if _is_host(connection.address) else ""
    return ""


def _is_host(text: str) -> bool:
    try:
        return not ipaddress.ip_address(text).is_unspecified
    except ValueError:
        return False


def _parse(data: bytes) -> Sdp:
    try:
        return Sdp.parse(data)
    except SdpError as error:
        raise NotAcceptable(str(error)) from None


def _reason_against(media: Media, policy: Policy) -> str | None:
    """Why we cannot take this stream, or None."""
    if media.kind != "audio":
        return f"{media.kind} is not audio"
    if media.port == 0:
        return "the audio stream is switched off (port 0)"
    if (reason := _reason_against_protection(media, policy)) is not None:
        return reason
    if not any(name in ENCODINGS and rate == 8000 for name, rate in media.encodings.values()):
        names = ", ".join(dict.fromkeys(name for name, _ in media.encodings.values())) or "unknown codecs"
        return f"only {names} offered; enable PCMU (G.711 mu-law) or PCMA on the other side"
    limit = (media.attribute("maxptime") or "").strip()
    if limit.isascii() and limit.isdigit() and 0 < int(limit[:6]) < PTIME:  # RFC 8866 §6.4: a limit, not a wish
        return f"packets of at most {limit[:6]} ms wanted (maxptime), and those sent here have {PTIME} ms"
    return None


def _reason_against_protection(media: Media, policy: Policy) -> str | None:
    if media.protocol not in PLAIN + SECURE:
        return f"audio over {media.protocol}, and only RTP/AVP and RTP/SAVP (SRTP with SDES keys) are spoken here"
    if media.protocol in SECURE and policy == "off":
        return f"audio over {media.protocol} (SRTP), which is switched off for this trunk (srtp)"
    keyed = any(map(sdes.Crypto.parse, _offered_keys(media)))
    if media.protocol in SECURE and not keyed:
        return f"audio over {media.protocol} without an a=crypto that is spoken here ({', '.join(sdes.SUITES)})"
    if policy == "required" and not keyed:
        return "unencrypted audio, and this trunk requires SRTP; enable SRTP with SDES keys on the other side"
    return None


def _offered_keys(media: Media) -> tuple[str, ...]:
    values = (attribute.partition(":") for attribute in media.attributes)
    return tuple(value for name, _, value in values if name == "crypto")


def _codecs(media: Media) -> list[tuple[str, str]]:
    """Codecs of `media` that we support, encoding and payload type, in its own order. Raises `NotAcceptable` if there
    are none.
    """
    named = [(*media.encodings.get(payload, ("", 0)), payload) for payload in media.formats if _payload_type(payload)]
    spoken = [(name, payload) for name, rate, payload in named if name in ENCODINGS and rate == 8000]
    if not spoken:
        raise NotAcceptable("no G.711 payload type")
    return spoken


def _events(media: Media) -> str | None:
    return next(
        (
            payload
            for payload in media.formats
            if media.encodings.get(payload) == ("TELEPHONE-EVENT", 8000) and _payload_type(payload)
        ),
        None,
    )


def _payload_type(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 3 and int(text) < 128


def _attributed(sdp: Sdp, media: Media) -> str:
    for attributes in (media.attributes, sdp.attributes):
        for direction in DIRECTIONS:
            if direction in attributes:
                return direction
    return "sendrecv"


def _direction(sdp: Sdp, media: Media, remote: _Address) -> str:
    """The other side's direction; ``c=0.0.0.0`` is the hold of RFC 2543 (RFC 3264 §8.4): nothing is sent there."""
    direction = _attributed(sdp, media)
    return "inactive" if remote.is_unspecified and direction != "sendonly" else direction


def _within(offered: str, answered: str) -> str:
    """Our direction: what was answered, but nothing that we had not offered (RFC 3264 §6.1)."""
    sends = _SENDS.issuperset((offered, answered))
    receives = _RECEIVES.issuperset((offered, answered))
    if sends:
        return "sendrecv" if receives else "sendonly"
    return "recvonly" if receives else "inactive"


def _remote(sdp: Sdp, media: Media, local: LocalMedia) -> _Address:
    connection = media.connection or sdp.connection
    if connection is None:
        raise NotAcceptable("no c= line: nowhere to send sound to")
    try:
        parsed = ipaddress.ip_address(connection.address)
    except ValueError:
        raise NotAcceptable(f"the media address {connection.address[:60]!r} is no IP address") from None
    if parsed.is_multicast or str(parsed) == "255.255.255.255":
        raise NotAcceptable("a media address of many receivers (multicast or broadcast)")
    if (parsed.version == 6) != (":" in local.address) and not parsed.is_unspecified:
        raise NotAcceptable(f"an IPv{parsed.version} media address, which cannot be reached from {local.address}")
    return parsed


def _muxed(media: Media) -> bool:
    return media.attribute("rtcp-mux") is not None


def _control(sdp: Sdp, media: Media, local: LocalMedia, *, muxed: bool) -> tuple[str, int] | None:
    """Where RTCP goes: with RTP (RFC 5761), or where ``a=rtcp`` says (RFC 3605); None for the next port."""
    if muxed:
        return str(_remote(sdp, media, local)), media.port
    port, _, connection = (media.attribute("rtcp") or "").partition(" ")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= 65535):
        return None
    _, _, address = connection.strip().rpartition(" ")
    named = replace(media, connection=ConnectionLine("", address)) if address else media
    try:
        return str(_remote(sdp, named, local)), int(port)
    except NotAcceptable:  # a bad hint is no reason to refuse a call
        return None


def _describe(
    media: Media,
    local: LocalMedia,
    encoding: str,
    payload: str,
    events: str | None,
    more: tuple[str, ...],
    direction: str,
) -> Media:
    attributes = [f"rtpmap:{payload} {encoding}/8000"]
    if events:
        attributes += _event_lines(events)
    attributes += [*more, *(["rtcp-mux"] if _muxed(media) else []), REPORTS, direction]
    formats = (payload, events) if events else (payload,)
    return Media("audio", local.port, media.protocol, formats, None, tuple(attributes))
