"""The structured header fields: Via, name-addr (From, To, Contact, Route), CSeq. Each parses and prints itself.

What a peer sent is echoed byte for byte: branches, tags and Record-Route parameters are never re-encoded.
"""

import re
from dataclasses import dataclass, replace
from functools import cached_property

from sipgw.sip.uri import Uri, UriError, format_host_port, parse_host_port

TOKEN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~")
"""Characters of a token (RFC 3261 §25.1)."""
_UNQUOTED = TOKEN | {" ", "\t"}
_BREAKING = frozenset(map(chr, range(33))) | frozenset('<>",\x7f')
"""Characters that a parameter's value may only have in quotes; other oddities, as ``=`` in a tag, are let through."""
MAX_CSEQ = 2**31 - 1
_QVALUE = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


class FieldError(ValueError):
    """A header field does not follow the grammar."""


Params = tuple[tuple[str, str | None], ...]


def split(text: str, separator: str) -> list[str]:
    """Split at `separator` outside quoted strings and angle brackets; pieces are stripped. Raises `FieldError`."""
    if '"' not in text:
        opening = text.find("<")
        if opening < 0:
            return [piece.strip() for piece in text.split(separator)]
        closing = text.find(">", opening) + 1
        if closing and separator not in text[:opening] and "<" not in text[closing:]:
            first, *rest = text[closing:].split(separator)
            return [(text[:closing] + first).strip(), *(piece.strip() for piece in rest)]
    elif text.count('"') == 2 and "\\" not in text:
        opening, closing = text.find('"'), text.rfind('"') + 1
        if separator not in text[:opening] and "<" not in text[:opening]:
            tail = text[closing:]
            space = tail[: len(tail) - len(tail.lstrip())]
            first, *rest = split(tail, separator)
            return [(text[:closing] + space + first).strip(), *rest]
    return _split_slowly(text, separator)


def _split_slowly(text: str, separator: str) -> list[str]:
    pieces: list[str] = []
    start = at = 0
    quoted = angle = False
    while at < len(text):
        char = text[at]
        if quoted:
            if char == "\\":
                at += 1
            elif char == '"':
                quoted = False
        elif char == '"' and not angle:
            quoted = True
        elif char == "<":
            angle = True
        elif char == ">":
            angle = False
        elif char == separator and not angle:
            pieces.append(text[start:at].strip())
            start = at + 1
        at += 1
    if quoted:
        raise FieldError("an unterminated quoted string")
    pieces.append(text[start:].strip())
    return pieces


def parse_params(pieces: list[str]) -> Params:
    """Read ``name=value`` pieces. Raises `FieldError`."""
    params: list[tuple[str, str | None]] = []
    for piece in pieces:
        name, equals, value = piece.partition("=")
        name, value = name.strip(), value.strip()
        breaking = not (_BREAKING.isdisjoint(value) or (len(value) > 1 and value[0] == value[-1] == '"'))
        if breaking or not name or not TOKEN.issuperset(name) or (equals and not value):
            raise FieldError(f"a broken parameter: {piece[:60]!r}")
        params.append((name, value if equals else None))
    return tuple(params)


def _token(text: str) -> bool:
    return bool(text) and TOKEN.issuperset(text)


def format_params(params: Params) -> str:
    """``;name=value`` for each parameter."""
    return "".join(f";{name}" if value is None else f";{name}={value}" for name, value in params)


def param(params: Params, name: str) -> str | None:
    """The value of a parameter: None if absent, empty if it has no value."""
    for key, value in params:
        if key.lower() == name:
            return value or ""
    return None


def delta_seconds(text: str | None) -> int | None:
    """A number of seconds (RFC 3261 §25.1), or None for what cannot be read."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 10 else None


def escape(text: str) -> str:
    """The content of a quoted string that stands for `text`; line ends, which it cannot hold, become spaces."""
    if "\r" in text or "\n" in text:
        text = " ".join(text.splitlines())
    return text.replace("\\", "\\\\").replace('"', '\\"')


def unescape(text: str) -> str:
    """The content of a quoted string without its backslashes."""
    if "\\" not in text:
        return text
    out, at = [], 0
    while at < len(text):
        at += text[at] == "\\"
        out.append(text[at : at + 1])
        at += 1
    return "".join(out)


@dataclass(frozen=True)
class NameAddr:
    """A display name, a URI and parameters: the value of From, To, Contact, Route and Record-Route."""

    uri: Uri
    display: str = ""
    params: Params = ()

    @classmethod
    def parse(cls, text: str) -> "NameAddr":
        """Read one value. Raises `FieldError`."""
        head, *pieces = split(text, ";")
        try:
            if head.endswith(">"):
                display, uri = _split_display(head)
                return cls(Uri.parse(uri), display, parse_params(pieces))
            if "<" in head or ">" in head or '"' in head:
                raise FieldError(f"no address: {text[:80]!r}")
            # Without angle brackets the parameters belong to the header, and ? and , may not occur (RFC 3261 §20.10).
            if "?" in head or "," in head:
                raise FieldError("a URI with ? or , needs angle brackets")
            return cls(Uri.parse(head), "", parse_params(pieces))
        except UriError as error:
            raise FieldError(str(error)) from None

    def __str__(self) -> str:
        display = ""
        if self.display:
            display = f'"{escape(self.display)}" '
        return f"{display}<{self.uri}>{format_params(self.params)}"

    @property
    def tag(self) -> str:
        """The tag parameter, or an empty string."""
        return param(self.params, "tag") or ""

    @property
    def preference(self) -> float:
        """The `q` of a Contact (RFC 3261 §20.10), from 0 to 1: higher is tried first."""
        text = param(self.params, "q") or "1"
        return float(text) if _QVALUE.fullmatch(text) else 1.0

    def with_tag(self, tag: str) -> "NameAddr":
        """The same address with another tag."""
        rest = tuple(entry for entry in self.params if entry[0].lower() != "tag")
        return replace(self, params=(*rest, ("tag", tag)))


def _split_display(head: str) -> tuple[str, str]:
    if head.startswith('"'):
        at = 1
        while at < len(head) and head[at] != '"':
            at += 2 if head[at] == "\\" else 1
        display, rest = head[1:at], head[at + 1 :].lstrip()
        if not rest.startswith("<"):
            raise FieldError("no < behind the display name")
        return unescape(display), rest[1:-1]
    display, _, uri = head.partition("<")
    display = display.strip()
    if not _UNQUOTED.issuperset(display):
        raise FieldError(f"a display name that needs quotes: {display[:60]!r}")
    return " ".join(display.split()), uri[:-1]


@dataclass(frozen=True)
class Via:
    """One hop of a request's way (RFC 3261 §20.42)."""

    transport: str
    host: str
    port: int | None = None
    params: Params = ()

    @classmethod
    def parse(cls, text: str) -> "Via":
        """Read one value. Raises `FieldError`."""
        head, *pieces = split(text, ";")
        protocol, separator, rest = head.partition("/")
        version, slash, rest = rest.partition("/")
        transport, *sent_by = rest.split(None, 1)[:2] if rest.strip() else ("",)
        if not (separator and slash and sent_by) or not TOKEN.issuperset(transport):
            raise FieldError(f"no Via: {text[:80]!r}")
        if protocol.strip().upper() != "SIP" or not _token(version.strip()):
            raise FieldError(f"a Via of another protocol: {text[:40]!r}")
        try:
            # LWS may stand round the colon (RFC 4475 §3.1.1.1).
            host, port = parse_host_port(":".join(map(str.strip, sent_by[0].split(":"))))
        except UriError as error:
            raise FieldError(str(error)) from None
        params = parse_params(pieces)
        rport = param(params, "rport")
        if rport and not (rport.isascii() and rport.isdigit() and len(rport) <= 5):
            raise FieldError("an rport that is no number")
        return cls(transport, host, port, params)

    def __str__(self) -> str:
        return f"SIP/2.0/{self.transport} {format_host_port(self.host, self.port)}{format_params(self.params)}"

    @cached_property
    def branch(self) -> str:
        """The branch parameter, or an empty string (RFC 2543)."""
        return param(self.params, "branch") or ""

    @property
    def received(self) -> str:
        """The address that a server saw, or an empty string."""
        return param(self.params, "received") or ""

    @property
    def rport(self) -> int | None:
        """The port that a server saw (RFC 3581), 0 if it is only asked for, None if absent."""
        value = param(self.params, "rport")
        return None if value is None else int(value or 0)

    def with_received(self, host: str, port: int) -> "Via":
        """Note where the request really came from (RFC 3261 §18.2.1, RFC 3581 §4)."""
        asked = self.rport is not None
        params = tuple(entry for entry in self.params if entry[0].lower() not in ("received", "rport"))
        if asked:
            params = (*params, ("received", host), ("rport", str(port)))
        elif host != self.host:
            params = (*params, ("received", host))
        return replace(self, params=params)


@dataclass(frozen=True)
class CSeq:
    """The sequence number and method of a request."""

    number: int
    method: str

    @classmethod
    def parse(cls, text: str) -> "CSeq":
        """Read a value. Raises `FieldError`."""
        number, *method = text.split() or ("",)
        if not (number.isascii() and number.isdigit()) or len(method) != 1 or not TOKEN.issuperset(method[0]):
            raise FieldError(f"no CSeq: {text[:40]!r}")
        digits = number.lstrip("0") or "0"
        if len(digits) > 10 or int(digits) > MAX_CSEQ:
            raise FieldError("a CSeq of 2**31 or more")
        return cls(int(digits), method[0])

    def __str__(self) -> str:
        return f"{self.number} {self.method}"
