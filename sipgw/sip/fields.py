"""The structured header fields: Via, name-addr (From, To, Contact, Route), CSeq. Each parses and prints itself.

What a peer sent is echoed byte for byte: branches, tags and Record-Route parameters are never re-encoded.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

from sipgw.sip.uri import Uri, UriError, format_host_port, parse_host_port

TOKEN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~")
"""Characters of a token (RFC 3261 §25.1)."""
_BREAKING = frozenset(map(chr, range(33))) | frozenset('<>",\x7f')
"""Characters that a parameter's value may have only in quotes. Other illegal ones, as ``=`` in a tag, are accepted."""
_ANGLES = frozenset('<>"')
MAX_CSEQ = 2**31 - 1
MAX_PARAMS = 100
"""Parameters of one value; a value with more is an attack, and is not read."""
MAX_ADDRESSES = 100
"""Values of one header that are read. No request has passed so many proxies, and no user has so many phones."""
_PIECE = {
    separator: re.compile(rf'(?:[^"<{separator}]++|"(?:[^"\\]++|\\.)*+"|<[^>]*+(?:>|\Z))*+', re.DOTALL)
    for separator in ",;"
}
_QUOTED = r'"(?P<quoted>(?:[^"\\]++|\\.)*+)"\s*'
_ADDRESS = re.compile(rf"(?:{_QUOTED}|(?P<bare>[^<>;]*+))<(?P<uri>[^<>]*+)>\s*(?P<params>.*)", re.DOTALL)
_BEGINS_A_URI = re.compile(r"[A-Za-z][\w+.-]*:\S")
_BACKSLASH = "\ud800"
"""Stands for a backslash in `unescape`: half a surrogate pair, which text decoded from UTF-8 never has."""
_QVALUE = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


class FieldError(ValueError):
    """A header field does not follow the grammar."""


Params = tuple[tuple[str, str | None], ...]


def values(text: str, separator: str) -> Iterator[str]:
    """Take `text` apart at `separator` outside quoted strings and angle brackets, piece by piece as they are asked for.

    The pieces are stripped. Raises `FieldError` where a quoted string does not end.
    """
    piece, at = _PIECE[separator], 0
    while True:
        match = piece.match(text, at)
        end = match.end() if match else at
        yield text[at:end].strip()
        if end == len(text):
            return
        if text[end] != separator:
            raise FieldError("an unterminated quoted string")
        at = end + 1


def first(text: str, separator: str) -> tuple[str, str]:
    """The first of the pieces that `values` gives, and the rest of `text` after the separator; both are stripped."""
    match = _PIECE[separator].match(text)
    end = match.end() if match else 0
    return text[:end].strip(), text[end + 1 :].strip()


def split(text: str, separator: str) -> list[str]:
    """All pieces that `values` gives, as a list. Raises `FieldError`."""
    if '"' not in text and "<" not in text:
        return [piece.strip() for piece in text.split(separator)]
    return list(values(text, separator))


def parse_params(pieces: Iterable[str]) -> Params:
    """Read ``name=value`` pieces; empty pieces are skipped, and values may be empty. Raises `FieldError`."""
    params: list[tuple[str, str | None]] = []
    for count, piece in enumerate(pieces):
        if count >= MAX_PARAMS:
            raise FieldError("too many parameters")
        if not piece:
            continue
        name, equals, value = piece.partition("=")
        name, value = name.strip(), value.strip()
        breaking = not (_BREAKING.isdisjoint(value) or (len(value) > 1 and value[0] == value[-1] == '"'))
        unnamed = equals and not value and name.lower() == "tag"  # it would name no dialog
        if breaking or unnamed or not name or not TOKEN.issuperset(name):
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
    """The number of seconds in `text` (RFC 3261 §25.1), or None if `text` is no such number."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 10 else None


def escape(text: str) -> str:
    """The content of a quoted string that stands for `text`; line ends, which it cannot hold, become spaces."""
    if "\r" in text or "\n" in text:
        text = " ".join(text.splitlines())
    return text.replace("\\", "\\\\").replace('"', '\\"')


def unescape(text: str) -> str:
    """The content of a quoted string without its backslashes."""
    # Whole passes over the text, and none of them in Python: an attacker can send 8,000 backslashes at once.
    return text.replace("\\\\", _BACKSLASH).replace("\\", "").replace(_BACKSLASH, "\\")


@dataclass(frozen=True)
class NameAddr:
    """A display name, a URI and parameters: the value of From, To, Contact, Route and Record-Route."""

    uri: Uri
    display: str = ""
    params: Params = ()

    @classmethod
    def parse(cls, text: str) -> "NameAddr":
        """Read one value, whatever characters its display name has. Raises `FieldError`."""
        display, uri, params = _taken_apart(text)
        try:
            return cls(Uri.parse(uri), display, params)
        except UriError as error:
            raise FieldError(str(error)) from None

    @classmethod
    def party(cls, text: str) -> "NameAddr":
        """Read From or To. A call needs the tag, but only displays the URI, so any text is accepted as a URI.

        Raises `FieldError` if the text does not show where the URI and the tag are.
        """
        display, uri, params = _taken_apart(text)
        try:
            return cls(Uri.parse(uri), display, params)
        except UriError:
            return cls(Uri.opaque(uri), display, params)

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


def _taken_apart(text: str) -> tuple[str, str, Params]:
    """The display name, the text of the URI, and the parameters. Raises `FieldError`.

    A display name without quotes is legal only if it is made of tokens. But callers send ``Jürgen Groß`` and ``(415)
    555-0123``, so all characters are accepted except those with which the text would be another address.
    """
    match = _ADDRESS.match(text.strip())
    if match is None:
        head, *pieces = islice(values(text, ";"), MAX_PARAMS + 2)
        if not head or not _ANGLES.isdisjoint(head):
            raise FieldError(f"no address: {text[:80]!r}")
        # Without angle brackets the parameters belong to the header, and ? and , may not occur (RFC 3261 §20.10).
        if "?" in head or "," in head:
            raise FieldError("a URI with ? or , needs angle brackets")
        return "", head, parse_params(pieces)
    quoted, bare, uri, params = match.group("quoted", "bare", "uri", "params")
    if _BEGINS_A_URI.match(bare or "") or not uri.strip() or params[:1] not in ("", ";"):
        raise FieldError(f"no address: {text[:80]!r}")
    display = " ".join(bare.replace('"', " ").split()) if quoted is None else unescape(quoted)
    return display, uri.strip(), parse_params(values(params[1:], ";"))


@dataclass(frozen=True)
class Malformed:
    """A value that cannot be read; its reader decides what to do with the message."""

    text: str
    why: str


class Addresses(tuple[NameAddr, ...]):
    """Addresses of a header that can be read, in their order."""

    malformed: Malformed | None
    """The first value that cannot be read; None if all can."""

    @classmethod
    def of(cls, lines: Iterable[str]) -> "Addresses":
        """Read the values of a header, `MAX_ADDRESSES` at most."""
        read: list[NameAddr] = []
        malformed: Malformed | None = None
        for count, value in enumerate(islice(_each(lines), MAX_ADDRESSES + 1)):
            try:
                if count == MAX_ADDRESSES:
                    raise FieldError("too many addresses")
                read.append(NameAddr.parse(value))
            except FieldError as error:
                malformed = malformed or Malformed(value, str(error))
        addresses = cls(read)
        addresses.malformed = malformed
        return addresses


def _each(lines: Iterable[str]) -> Iterator[str]:
    """The values of each line. If a quoted string does not end, the whole line follows as one unreadable value."""
    for line in lines:
        try:
            yield from (value for value in values(line, ",") if value or line)
        except FieldError:
            yield line


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
        head, *pieces = islice(values(text, ";"), MAX_PARAMS + 2)
        if "" in pieces[:-1]:  # one empty parameter at the end does no harm; elsewhere its meaning is unclear
            raise FieldError("an empty parameter")
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
