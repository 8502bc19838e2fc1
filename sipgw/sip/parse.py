"""Bytes become messages (RFC 3261 §7, §18.3, §25), or a `ParseError` that says what to answer.

A message is cut into lines. Only those of its fields are read that decide whether it is admitted, and to which call or
transaction it belongs.
"""

import re
from dataclasses import dataclass

import structlog

from sipgw.sip.fields import TOKEN, FieldError
from sipgw.sip.identity import cleaned
from sipgw.sip.message import COMMON, Headers, Request, Response, full_name
from sipgw.sip.uri import Uri, UriError

log = structlog.get_logger()

MAX_DATAGRAM = 16 * 1024
"""Bytes of the largest datagram that is read; requests of 1,300 bytes should go by TCP (RFC 3261 §18.1.1)."""
MAX_HEAD = 64 * 1024
"""Bytes of start line and headers."""
MAX_BODY = 64 * 1024
MAX_FIELDS = 256
_ONCE = frozenset({"call-id", "cseq", "from", "to", "max-forwards", "content-length"})
_PING = b"\r\n\r\n"
_EMPTY = re.compile(rb"(?:\r\n)++")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_FOLDED = re.compile(r"\n[ \t]+")
_LENGTH = re.compile(rb"(?im)^(?:content-length|l)[ \t]*:([^\r\n]*)")
_NEEDED = ("via", "from", "to", "call-id", "cseq")


class ParseError(ValueError):
    """A message that cannot be used.

    A request is answered with `status`. `message` is the request as far as it could be read, enough for an answer. It
    is None if no answer is possible (to a response, or to a request without Via).
    """

    def __init__(self, status: int, reason: str, message: Request | None = None) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class Ping:
    """Empty line pairs on a stream: keepalives that want a single empty line back (RFC 5626 §3.5.1).

    All pairs that have come at once count as one. Otherwise every four bytes of a read could cost us an answer.
    """


def parsed(data: bytes) -> "Request | Response | ParseError":
    """Read the message of one datagram, or return the error that says what is wrong with it. Never raises."""
    try:
        return parse_message(data)
    except ParseError as error:
        return error
    except Exception:  # the boundary of one message: what comes after it on the same connection is read
        log.exception("message not read")
        return ParseError(500, "Server Internal Error")


def parse_message(data: bytes) -> Request | Response:
    """Read the message of one datagram; bytes after its Content-Length are ignored. Raises `ParseError`."""
    data = data.lstrip(b"\r\n")
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        head, separator, body = data.partition(b"\n\n")
    if len(head) > MAX_HEAD or len(body) > MAX_BODY:
        raise ParseError(513, "Message Too Large")
    message = _parse_head(head if separator else head.removesuffix(b"\r\n"))
    answerable = message if isinstance(message, Request) and _answerable(message) else None
    try:
        length = _validate(message)
    except FieldError as error:
        raise ParseError(400, f"Bad Request ({_printable(error)})", answerable) from None
    if not separator:
        raise ParseError(400, "Bad Request (no empty line after the headers)", answerable)
    if length is not None:
        if length > len(body):
            raise ParseError(400, "Bad Request (Content-Length beyond the end)", answerable)
        body = body[:length]
    object.__setattr__(message, "body", body)  # the message is new and nobody else holds it
    return message


def _parse_head(head: bytes) -> Request | Response:
    text = head.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    if "\r" in text:  # never legal, and a peer could read it as the end of a line when we echo it
        raise ParseError(400, "Bad Request (a bare carriage return)")
    start, _, rest = text.partition("\n")
    if rest[:1] in (" ", "\t"):
        raise ParseError(400, "Bad Request (folding without a header)")
    lines = _FOLDED.sub(" ", rest).split("\n") if rest else []
    if len(lines) > MAX_FIELDS:
        raise ParseError(400, "Bad Request (too many headers)")
    headers = Headers(tuple(map(_field, lines)))
    if start[:4].upper() == "SIP/":
        return _status_line(start, headers)
    return _request_line(start, headers)


def _field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    known = COMMON.get(name)
    if known is None or not colon:
        known = name.rstrip(" \t")
        if not colon or not known or not TOKEN.issuperset(known):
            raise ParseError(400, "Bad Request (a line that is no header)")
    return known, value.strip(" \t")


def _status_line(start: str, headers: Headers) -> Response:
    version, _, rest = start.partition(" ")
    code, _, reason = rest.partition(" ")
    if (
        version.upper() != "SIP/2.0"
        or len(code) != 3
        or not (code.isascii() and code.isdigit())
        or not "100" <= code < "700"
    ):
        raise ParseError(400, "Bad Request (a broken status line)")
    return Response(int(code), cleaned(reason), headers=headers)


def _request_line(start: str, headers: Headers) -> Request:
    parts = start.split(" ")
    if len(parts) == 3 and TOKEN.issuperset(parts[0]) and parts[0]:
        method, target, version = parts
        try:
            uri = Uri.parse(target)
        except UriError as error:
            raise ParseError(400, f"Bad Request ({_printable(error)})", _partial(method, headers)) from None
        request = Request(method, uri, headers=headers)
        if version.upper() != "SIP/2.0":
            if version.upper().startswith("SIP/"):
                raise ParseError(505, "Version Not Supported", request if _answerable(request) else None)
            raise ParseError(400, "Bad Request (not SIP)")
        if uri.headers:
            raise ParseError(400, "Bad Request (headers in the Request-URI)", _partial(method, headers))
        return request
    method = start.partition(" ")[0]
    if not start.rstrip().endswith("SIP/2.0"):
        raise ParseError(400, "Bad Request (not SIP)")
    raise ParseError(400, "Bad Request (a broken request line)", _partial(method, headers))


def _partial(method: str, headers: Headers) -> Request | None:
    request = Request(method, Uri("sip", host="invalid"), headers=headers)
    return request if _answerable(request) else None


def _answerable(request: Request) -> bool:
    """Whether a response can reach the sender of `request`: it needs the Vias, even if we cannot read them."""
    return bool(request.headers.get("via"))


def _validate(message: Request | Response) -> int | None:
    """Read the fields that admission, transactions and dialogs need, so that they can rely on them; returns
    Content-Length. Raises `FieldError`.

    Every other field is read when it is needed. So little work is done before an unknown sender is refused, and a call
    does not fail because of a broken field that it does not need.
    """
    headers = message.headers
    names = [full_name(name) for name, _ in headers]
    for name in _NEEDED:
        if name not in names:
            raise FieldError(f"no {name}")
    if len(set(names)) != len(names):
        _refuse_repeated(headers, names)
    if not message.call_id:
        raise FieldError("an empty Call-ID")
    if not (message.call_id.isascii() and message.call_id.isprintable()):  # §25.1; it names the call everywhere here
        raise FieldError("a Call-ID that is not plain text")
    _ = message.via, message.from_, message.to, message.cseq
    if isinstance(message, Request):
        if message.cseq.method != message.method:
            raise FieldError("CSeq names another method")
        _number(headers, "max-forwards", 255)
    return _number(headers, "content-length", 2**31)


def _refuse_repeated(headers: Headers, names: list[str]) -> None:
    for name in _ONCE.intersection(names):
        values = headers.lines(name)
        if len(values) > 1 and (name != "content-length" or len(set(values)) > 1):
            raise FieldError(f"more than one {name}")


def _number(headers: Headers, name: str, maximum: int) -> int | None:
    value = headers.get(name)
    if value is None:
        return None
    # Leading zeros are legal, but int() refuses thousands of digits, and later readers of the value call int() too.
    if len(value) > 40 or not (value.isascii() and value.isdigit()) or int(value) > maximum:
        raise FieldError(f"{name} out of range")
    return int(value)


def _printable(error: Exception) -> str:
    return "".join(char if " " <= char <= "~" else "?" for char in str(error))[:100]


class StreamFramer:
    """Cuts a TCP or TLS stream into messages by Content-Length (RFC 3261 §18.3)."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._size: int | None = None

    @property
    def pending(self) -> bool:
        """Whether part of a message waits for the rest. The empty line that answers a keepalive does not count."""
        return not _PING.startswith(bytes(self._buffer[:4]))

    def feed(self, data: bytes) -> None:
        """Take bytes from the stream."""
        self._buffer += data

    def next_message(self) -> Request | Response | Ping | ParseError | None:
        """The next complete message, its error if it cannot be used, or None for none. Raises as `next_data`."""
        found = self.next_data()
        return parsed(found) if isinstance(found, bytes) else found

    def next_data(self) -> bytes | Ping | None:
        """The next complete message as it came, or None.

        Raises `ParseError` if the message does not tell its end. Then the stream cannot be used any more.
        """
        buffer = self._buffer
        if self._size is None:
            lines = found.end() if (found := _EMPTY.match(buffer)) else 0
            if lines >= len(_PING):
                del buffer[: lines - lines % len(_PING)]
                return Ping()
            if not self.pending:  # nothing, or what may become a keepalive
                return None
            del buffer[:lines]
            self._size = self._find_size()
        if self._size is None or len(buffer) < self._size:
            return None
        data = bytes(buffer[: self._size])
        del buffer[: self._size]
        self._searched, self._size = 0, None
        return data

    def _find_size(self) -> int | None:
        """The size of the first message in bytes; None until its head is complete. Each byte is searched only once."""
        end = self._buffer.find(_PING, max(0, self._searched - 3))
        if (end if end >= 0 else len(self._buffer)) > MAX_HEAD:
            raise ParseError(513, "Message Too Large")
        if end < 0:
            self._searched = len(self._buffer)
            return None
        return end + 4 + _body_size(bytes(self._buffer[:end]))


def _body_size(head: bytes) -> int:
    """The Content-Length in `head`, which may be broken elsewhere. Raises `ParseError`."""
    sizes = {value.strip() for value in _LENGTH.findall(_FOLD.sub(b" ", head))}
    size = sizes.pop() if len(sizes) == 1 else b""
    if not size.isdigit() or len(size) > 10:
        raise _unframed(
            head, 400, "Bad Request (Content-Length)" if size or sizes else "Bad Request (no Content-Length)"
        )
    if int(size) > MAX_BODY:
        raise _unframed(head, 413, "Request Entity Too Large")
    return int(size)


def _unframed(head: bytes, status: int, reason: str) -> ParseError:
    try:
        message = _parse_head(head)
    except ParseError as error:
        return error
    return ParseError(status, reason, message if isinstance(message, Request) and _answerable(message) else None)
