"""ICE in session descriptions (RFC 8839), for our end, which is lite (RFC 8445 §2.5). Sans-IO.

A lite end has one address, which the other side must reach, and makes no connectivity checks: it answers those of the
other side, in the media process. So the other side finds the way, through NATs of its own too.
"""

import base64
import hashlib
import hmac
import ipaddress
import re
from typing import NamedTuple

from sipgw.sip.sdp import ICE, Media, Sdp

_USER = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PASSWORD = re.compile(r"[A-Za-z0-9+/]{22,256}")
PRIORITY = 126 << 24 | 65535 << 8
"""The priority of a host candidate, without its component (RFC 8445 §5.1.2.1)."""
COMPONENTS = (1, 2)
"""The components RTP and RTCP."""
NOWHERE = ("0.0.0.0", "::")


class Ice(NamedTuple):
    """Credentials of ICE that a check of the other side must have."""

    username: str
    """Our user fragment, a colon, and theirs (RFC 8445 §7.2.2)."""
    password: str
    """Our password."""

    def __repr__(self) -> str:
        return f"Ice(username={self.username!r})"  # with the password, others could redirect the sound to themselves


class _Ours(NamedTuple):
    """Our answer to an offer of ICE."""

    user: str
    """Empty if the addresses of the offer contradict each other, so that ICE cannot be used."""
    password: str
    theirs: str


def answered(sdp: Sdp, media: Media, secret: bytes, remote: str) -> _Ours | None:
    """Our answer to the ICE offer in `media`. None if there is no offer, or if the other side is ICE lite and does not
    check addresses either.

    `remote` is the default address of the stream. Our user fragment and password are made of `secret` and of those of
    the other side. So they change when the other side restarts ICE, and only then (RFC 8839 §4.4.1.1.1).
    """
    theirs, password = _either(sdp, media, "ice-ufrag"), _either(sdp, media, "ice-pwd")
    usable = _USER.fullmatch(theirs) and _PASSWORD.fullmatch(password)
    if not usable or not secret or sdp.attribute("ice-lite") is not None:
        return None
    # `NOWHERE` means hold, or that the candidates are still to come. It is not an address that a gateway has changed.
    if remote not in NOWHERE and (remote, media.port) not in _candidates(
        media
    ):  # RFC 8839 §4.2.5: a gateway on the way has changed the address
        return _Ours("", "", theirs)
    made = base64.b64encode(hmac.digest(secret, f"ice {theirs} {password}".encode(), hashlib.sha256)).decode()
    return _Ours(made[:8], made[8:40], theirs)


def lines(ours: _Ours | None, media: Media, address: str, port: int) -> tuple[str, ...]:
    """The attributes of our answer to `media`: one candidate for sound, and one for RTCP if that has its own port."""
    if ours is None:
        return ()
    if not ours.user:
        return ("ice-mismatch",)
    components = COMPONENTS[:1] if media.attribute("rtcp-mux") is not None else COMPONENTS
    return (
        f"ice-ufrag:{ours.user}",
        f"ice-pwd:{ours.password}",
        *(f"candidate:1 {one} UDP {PRIORITY | 256 - one} {address} {port + one - 1} typ host" for one in components),
    )


def session_lines(media: tuple[Media, ...]) -> tuple[str, ...]:
    """The attributes of the session in our description with these m-lines."""
    return ("ice-lite",) if any(one.attribute("ice-pwd") for one in media) else ()


def kept(last: Media | None) -> list[str]:
    """The attributes that a further offer of ours repeats, so that ICE goes on (RFC 8839 §4.4.1)."""
    return [one for one in last.attributes if one.startswith(ICE)] if last else []


def agreed(ours: _Ours | None) -> Ice | None:
    """Credentials that checks of the other side must have once our answer is sent; None without ICE."""
    return Ice(f"{ours.user}:{ours.theirs}", ours.password) if ours and ours.user else None


def accepted(ours: Media, sdp: Sdp, media: Media) -> Ice | None:
    """Credentials that checks of the other side must have once it has answered our offer `ours` with `media`."""
    user, password = ours.attribute("ice-ufrag"), ours.attribute("ice-pwd")
    theirs = _either(sdp, media, "ice-ufrag")
    return Ice(f"{user}:{theirs}", password) if user and password and _USER.fullmatch(theirs) else None


def _either(sdp: Sdp, media: Media, name: str) -> str:
    """An attribute of the stream, or else of the session (RFC 8839 §5.4)."""
    found = media.attribute(name)
    return (sdp.attribute(name) if found is None else found) or ""


def _candidates(media: Media) -> set[tuple[str, int]]:
    """The addresses and ports of the candidates for sound."""
    found = set()
    for attribute in media.attributes:
        name, _, value = attribute.partition(":")
        parts = value.split()
        if name == "candidate" and len(parts) >= 8 and parts[1:3] in (["1", "UDP"], ["1", "udp"]):
            port = parts[5]
            if port.isascii() and port.isdigit() and len(port) <= 5:
                found.add((_plain(parts[4]), int(port)))
    return found


def _plain(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address
