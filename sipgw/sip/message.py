"""SIP requests and responses (RFC 3261 §7): values that know their fields and print themselves."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from sipgw.sip.fields import Addresses, CSeq, FieldError, NameAddr, Via, delta_seconds, first, split
from sipgw.sip.uri import Uri

COMPACT = {
    "a": "accept-contact", "b": "referred-by", "c": "content-type", "d": "request-disposition", "e": "content-encoding",
    "f": "from", "i": "call-id", "j": "reject-contact", "k": "supported", "l": "content-length", "m": "contact",
    "n": "identity-info", "o": "event", "r": "refer-to", "s": "subject", "t": "to", "u": "allow-events", "v": "via",
    "x": "session-expires", "y": "identity",
}  # fmt: skip
"""Compact header names (IANA registry of SIP header fields)."""

COMMON = {
    name: name
    for name in (
        "Accept", "Allow", "Authorization", "Call-ID", "Contact", "Content-Length", "Content-Type", "CSeq", "Diversion",
        "Event", "Expires", "From", "Max-Forwards", "Min-SE", "P-Asserted-Identity", "Privacy", "Proxy-Authenticate",
        "Proxy-Authorization", "Reason", "Record-Route", "Refer-To", "Require", "Route", "Server", "Session-Expires",
        "Subscription-State", "Supported", "To", "User-Agent", "Via", "WWW-Authenticate",
    )
}  # fmt: skip
"""Header names in their usual spelling: one string for all messages, because every open call keeps some."""
_FULL = {name: name.lower() for name in COMMON} | COMPACT

LISTS = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "alert-info",
        "allow",
        "allow-events",
        "contact",
        "content-encoding",
        "content-language",
        "diversion",
        "error-info",
        "history-info",
        "in-reply-to",
        "p-asserted-identity",
        "path",
        "proxy-require",
        "reason",
        "record-route",
        "require",
        "route",
        "service-route",
        "supported",
        "unsupported",
        "via",
        "warning",
    }
)
"""Headers whose values may be joined by commas (RFC 3261 §7.3.1). Authorization and similar ones are not among them."""

REASONS = {
    100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress", 200: "OK",
    202: "Accepted", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout",
    413: "Request Entity Too Large", 415: "Unsupported Media Type", 416: "Unsupported URI Scheme",
    420: "Bad Extension", 422: "Session Interval Too Small", 423: "Interval Too Brief",
    429: "Provide Referrer Identity", 430: "Flow Failed", 439: "First Hop Lacks Outbound Support",
    469: "Bad Info Package", 489: "Bad Event",
    480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 482: "Loop Detected", 483: "Too Many Hops",
    484: "Address Incomplete", 486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here",
    491: "Request Pending", 500: "Server Internal Error", 501: "Not Implemented", 503: "Service Unavailable",
    504: "Server Time-out", 505: "Version Not Supported", 513: "Message Too Large", 603: "Decline",
}  # fmt: skip
"""Default reason phrases (RFC 3261 §21 and extensions)."""


def full_name(name: str) -> str:
    """The lower-case full form of a header name."""
    return _FULL.get(name) or COMPACT.get(name.lower(), name.lower())


@dataclass(frozen=True)
class Headers:
    """Header fields in their order, looked up by name without regard to case or compact form."""

    fields: tuple[tuple[str, str], ...] = ()

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.fields)

    @cached_property
    def _values(self) -> dict[str, str | list[str]]:
        """The values by full name. A list is made only for several values, to save memory: open calls keep messages."""
        values: dict[str, str | list[str]] = {}
        for name, value in self.fields:
            full = full_name(name)
            before = values.get(full)
            if before is None:
                values[full] = value
            elif isinstance(before, str):
                values[full] = [before, value]
            else:
                before.append(value)
        return values

    def get(self, name: str) -> str | None:
        """The first value of a header, or None."""
        values = self._values.get(name.lower())
        return values if values is None or isinstance(values, str) else values[0]

    def lines(self, name: str) -> list[str]:
        """The values of a header as they stood in lines."""
        values = self._values.get(name.lower(), [])
        return [values] if isinstance(values, str) else values

    def all(self, name: str) -> list[str]:
        """Every value of a header; those that may be joined by commas are taken apart. Raises `FieldError`."""
        values = self.lines(name)
        if name.lower() not in LISTS:
            return values
        return [item for value in values for item in split(value, ",") if item or value]

    def tokens(self, name: str) -> list[str]:
        """The values of a list of tokens, lower case; empty if it cannot be read."""
        try:
            return [token.lower() for token in self.all(name) if token]
        except FieldError:
            return []

    def with_(self, *fields: tuple[str, str]) -> "Headers":
        """These headers with `fields` at the end."""
        return Headers((*self.fields, *fields))

    def without(self, *names: str) -> "Headers":
        """These headers without those of `names`."""
        gone = {name.lower() for name in names}
        return Headers(tuple(entry for entry in self.fields if full_name(entry[0]) not in gone))


@dataclass(frozen=True)
class Message(ABC):
    """Common part of requests and responses. Every field is read when it is asked for.

    In a message that `sipgw.sip.parse` has accepted, Via, From, To, Call-ID and CSeq can be read. Other fields may be
    broken, and their properties show it. In a message that was not accepted, the properties raise `FieldError`.
    """

    headers: Headers = field(kw_only=True, default=Headers())
    body: bytes = field(kw_only=True, default=b"")

    @cached_property
    def via(self) -> Via:
        """The topmost Via, which routes the response. The other Via values are only copied into it."""
        return Via.parse(first(self.headers.get("via") or "", ",")[0])

    @property
    def direct(self) -> bool:
        """Whether the message has passed no proxy: it has only one Via value. Unreadable values count too."""
        lines = self.headers.lines("via")
        return len(lines) == 1 and not first(lines[0], ",")[1]

    @cached_property
    def from_(self) -> NameAddr:
        """The From field."""
        return NameAddr.party(self.headers.get("from") or "")

    @cached_property
    def to(self) -> NameAddr:
        """The To field."""
        return NameAddr.party(self.headers.get("to") or "")

    @property
    def call_id(self) -> str:
        """The Call-ID."""
        return self.headers.get("call-id") or ""

    @cached_property
    def cseq(self) -> CSeq:
        """The CSeq."""
        return CSeq.parse(self.headers.get("cseq") or "")

    @cached_property
    def contacts(self) -> Addresses:
        """The Contact values; empty for ``*``."""
        lines = self.headers.lines("contact")
        return Addresses.of(() if lines == ["*"] else lines)

    @property
    def contact(self) -> NameAddr | None:
        """The first Contact that can be read."""
        return self.contacts[0] if self.contacts else None

    @cached_property
    def routes(self) -> Addresses:
        """The Route values, the next hop first."""
        return Addresses.of(self.headers.lines("route"))

    @cached_property
    def record_routes(self) -> Addresses:
        """The Record-Route values in their order."""
        return Addresses.of(self.headers.lines("record-route"))

    @property
    def expires(self) -> int | None:
        """The seconds in Expires; None if it is absent or cannot be read."""
        return delta_seconds(self.headers.get("expires"))

    @property
    def require(self) -> list[str]:
        """Option tags that must be understood."""
        return self.headers.tokens("require")

    @property
    def supported(self) -> list[str]:
        """Option tags that are understood."""
        return self.headers.tokens("supported")

    @property
    def content_type(self) -> str:
        """The media type of the body in lower case, without parameters."""
        return (self.headers.get("content-type") or "").partition(";")[0].strip().lower()

    @abstractmethod
    def start_line(self) -> str:
        """The first line, without its end."""

    def to_bytes(self) -> bytes:
        """The message on the wire; Content-Length is always computed."""
        lines = [self.start_line()]
        lines += [f"{name}: {value}" for name, value in self.headers if full_name(name) != "content-length"]
        lines.append(f"Content-Length: {len(self.body)}\r\n\r\n")
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + self.body

    __bytes__ = to_bytes


@dataclass(frozen=True)
class Request(Message):
    """A request."""

    method: str
    uri: Uri

    def start_line(self) -> str:
        """See `Message.start_line`."""
        return f"{self.method} {self.uri} SIP/2.0"

    @property
    def max_forwards(self) -> int | None:
        """How many more hops are allowed, or None."""
        value = self.headers.get("max-forwards")
        return int(value) if value is not None else None

    def with_top_via(self, via: Via) -> "Request":
        """The same request with its topmost Via replaced; those below stay as they came."""
        top, *lines = self.headers.lines("via")
        rest = tuple(("Via", value) for value in (first(top, ",")[1], *lines) if value)
        return replace(self, headers=Headers((("Via", str(via)), *rest, *self.headers.without("via"))))


@dataclass(frozen=True)
class Response(Message):
    """A response."""

    status: int
    reason: str = ""

    def start_line(self) -> str:
        """See `Message.start_line`."""
        return f"SIP/2.0 {self.status} {self.reason}"


def response_to(
    request: Request,
    status: int,
    reason: str = "",
    *,
    to_tag: str = "",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    content_type: str = "",
) -> Response:
    """Answer `request`: Via, From, To, Call-ID, CSeq and Record-Route are copied as they came (RFC 3261 §8.2.6.2)."""
    copied: list[tuple[str, str]] = []
    for name in ("via", "record-route", "from", "to", "call-id", "cseq"):
        values = request.headers.lines(name)
        if name in ("via", "record-route"):
            copied += [(_NAMES[name], value) for value in values if name == "via" or 100 < status < 300]
        else:
            copied += [(_NAMES[name], value) for value in values[:1]]  # of two To a 400 echoes the first
    if status == 100:
        # RFC 3261 §8.2.6.1: the one other header that a 100 repeats.
        copied += [("Timestamp", value) for value in request.headers.lines("timestamp")[:1]]
    if to_tag:
        copied = [
            (name, f"{value.rstrip(SLIP)};tag={to_tag}" if name == "To" and not _has_tag(request) else value)
            for name, value in copied
        ]
    if content_type:
        copied.append(("Content-Type", content_type))
    fields = Headers((*copied, *headers))
    return Response(status, reason or REASONS.get(status, ""), headers=fields, body=body)


SLIP = "; \t"
"""Characters at the end of a To that are removed before a tag is added."""
_NAMES = {
    "via": "Via", "record-route": "Record-Route", "from": "From", "to": "To", "call-id": "Call-ID", "cseq": "CSeq",
}  # fmt: skip


def _has_tag(request: Request) -> bool:
    try:
        return bool(request.to.tag)
    except FieldError:
        return True  # a To that cannot be read is echoed as it is
