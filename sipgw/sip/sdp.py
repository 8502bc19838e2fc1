"""Session descriptions (RFC 8866): parsed as far as a call needs, everything else kept as it came."""

from dataclasses import dataclass, field, replace
from functools import cached_property

MAX_SDP = 16 * 1024
MAX_MEDIA = 32
MAX_LINES = 500
UNKNOWN = "0.0.0.0"
"""The address in an offer of ours whose path is not known yet; `addressed` replaces it by our address on that path."""
ICE = ("ice-", "candidate:")
"""Beginnings of the names of ICE's attributes (RFC 8839 §5)."""


class SdpError(ValueError):
    """The body is not a session description."""


@dataclass(frozen=True)
class ConnectionLine:
    """A ``c=`` line."""

    family: str
    address: str

    def __str__(self) -> str:
        return f"IN {self.family} {self.address}"


@dataclass(frozen=True)
class Media:
    """One ``m=`` section."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    connection: ConnectionLine | None = None
    attributes: tuple[str, ...] = field(default=(), repr=False)
    """The values of ``a=`` lines. They may contain keys (``a=crypto``), so `repr` leaves them out."""

    def attribute(self, name: str) -> str | None:
        """The value of the first ``a=name``: None if absent, empty if it has no value."""
        return _attribute(self.attributes, name)

    @cached_property
    def encodings(self) -> dict[str, tuple[str, int]]:
        """Payload type → encoding name in capitals and clock rate, from rtpmap or the static table (RFC 3551 §6)."""
        formats = frozenset(self.formats)
        found = {form: STATIC[form] for form in self.formats if form in STATIC}
        for attribute in self.attributes:
            name, _, value = attribute.partition(":")
            payload, _, encoding = value.partition(" ")
            if name == "rtpmap" and payload in formats:
                parts = encoding.strip().split("/")
                rate = parts[1] if len(parts) > 1 else ""
                # RFC 4475's own bodies have maps without a clock rate: they name something we do not speak.
                found[payload] = (
                    parts[0].upper(),
                    int(rate) if rate.isascii() and rate.isdigit() and len(rate) < 8 else 0,
                )
        return found


STATIC = {"0": ("PCMU", 8000), "8": ("PCMA", 8000), "9": ("G722", 8000), "13": ("CN", 8000), "18": ("G729", 8000)}


@dataclass(frozen=True)
class Sdp:
    """A session description."""

    origin: str = ""
    connection: ConnectionLine | None = None
    attributes: tuple[str, ...] = ()
    media: tuple[Media, ...] = ()
    name: str = "-"
    timing: str = "0 0"

    @classmethod
    def parse(cls, data: bytes) -> "Sdp":
        """Read a description. Raises `SdpError`."""
        if len(data) > MAX_SDP:
            raise SdpError("a session description over 16 KiB")
        lines = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
        if len(lines) > MAX_LINES:
            raise SdpError("a session description of over 500 lines")
        sections: list[list[tuple[str, str]]] = [[]]
        for line in filter(None, map(str.rstrip, lines)):
            if line[1:2] != "=":
                raise SdpError(f"no SDP line: {line[:20]!r}")
            if line[0] == "m":
                sections.append([])
            sections[-1].append((line[0], line[2:]))
        session, *media = sections
        if not session or session[0][0] != "v":
            raise SdpError("no v= line" if data.strip() else "no session description")
        if len(media) > MAX_MEDIA:
            raise SdpError("over 32 media sections")
        fields = dict(reversed(session))
        return cls(
            origin=fields.get("o", ""),
            connection=_connection(session),
            attributes=tuple(value for key, value in session if key == "a"),
            media=tuple(_media(section) for section in media),
            name=fields.get("s", "-"),
            timing=fields.get("t", "0 0"),
        )

    def to_bytes(self) -> bytes:
        """The description on the wire."""
        lines = ["v=0", f"o={self.origin}", f"s={self.name}"]
        lines += [f"c={self.connection}"] if self.connection else []
        lines += [f"t={self.timing}", *(f"a={value}" for value in self.attributes)]
        for media in self.media:
            lines.append(f"m={media.kind} {media.port} {media.protocol} {' '.join(media.formats)}")
            lines += [f"c={media.connection}"] if media.connection else []
            lines += [f"a={value}" for value in media.attributes]
        return ("\r\n".join(lines) + "\r\n").encode()

    def at(self, address: str) -> "Sdp":
        """This description with the IP address `address` in its origin, in its ``c=`` line, and in the streams that had
        the address of that line."""
        old, new = self.connection, ConnectionLine("IP6" if ":" in address else "IP4", address)
        user, number, version, *_ = self.origin.split()
        media = tuple(replace(one, connection=new) if one.connection == old else one for one in self.media)
        media = self.media if old is None else media
        return replace(self, origin=f"{user} {number} {version} {new}", connection=new, media=media)

    def moved(self, address: str) -> "Sdp":
        """This description in its next version, with `address`; unchanged if `address` is of the other IP version: then
        sound takes another path than messages. Candidates of ICE name the old address, so ICE ends (RFC 8839
        §4.4.1.2)."""
        old = self.connection
        if old is None or old.address == address or (":" in old.address) != (":" in address):
            return self
        user, number, version, rest = self.origin.split(" ", 3)
        media = tuple(replace(one, attributes=_without_ice(one.attributes)) for one in self.media)
        origin = f"{user} {number} {int(version) + 1} {rest}"
        return replace(self, origin=origin, attributes=_without_ice(self.attributes), media=media).at(address)

    def attribute(self, name: str) -> str | None:
        """The value of the first session-level ``a=name``: None if absent, empty if it has no value."""
        return _attribute(self.attributes, name)


def _without_ice(attributes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(one for one in attributes if not one.startswith(ICE))


def _attribute(attributes: tuple[str, ...], name: str) -> str | None:
    for attribute in attributes:
        key, _, value = attribute.partition(":")
        if key == name:
            return value
    return None


def addressed(body: bytes, address: str) -> bytes:
    """Our first offer `body` as it is sent to a side that reaches us at `address`; an offer that names an address
    already stays as it is."""
    return Sdp.parse(body).at(address).to_bytes() if f"c=IN IP4 {UNKNOWN}\r\n".encode() in body else body


def _connection(section: list[tuple[str, str]]) -> ConnectionLine | None:
    for key, value in section:
        if key == "c":
            parts = value.split()
            if len(parts) != 3 or parts[0] != "IN" or parts[1] not in ("IP4", "IP6"):
                raise SdpError(f"no connection: {value[:60]!r}")
            return ConnectionLine(parts[1], parts[2].partition("/")[0])
    return None


def _media(section: list[tuple[str, str]]) -> Media:
    parts = section[0][1].split()
    if len(parts) < 4:
        raise SdpError(f"no media: {section[0][1][:60]!r}")
    port = parts[1].partition("/")[0]
    if not (port.isascii() and port.isdigit()) or len(port) > 5 or int(port) > 65535:
        raise SdpError(f"no media port: {parts[1][:20]!r}")
    attributes = tuple(value for key, value in section if key == "a")
    return Media(parts[0].lower(), int(port), parts[2], tuple(parts[3:]), _connection(section), attributes)
