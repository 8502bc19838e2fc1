"""Bodies (RFC 3261 §7.4, §8.2.3; RFC 5621): finds the part of a multipart that the method of a message uses.

Carriers send session descriptions together with ISUP (RFC 3372) or the caller's place (PIDF-LO, RFC 6442). The code
behind the user agent gets a message whose body is only the part that its method uses, or that has no body.
"""

import re
from dataclasses import replace
from itertools import islice
from typing import NamedTuple, TypeVar

from sipgw.sip.fields import FieldError, param, parse_params, split, unescape
from sipgw.sip.message import Headers, Message, Request

SDP = "application/sdp"
RELAY, PLAIN = "application/dtmf-relay", "application/dtmf"
"""Content types of a pressed key in an INFO: with the duration of the key, or with the key alone."""
UNDERSTOOD = {
    **dict.fromkeys(("INVITE", "ACK", "UPDATE", "PRACK"), (SDP,)),
    "INFO": (RELAY, PLAIN),
    "NOTIFY": ("message/sipfrag",),
}
"""The content types that requests of a method, and responses to them, use."""
MAX_PARTS = 16
"""Parts of one multipart that are read; a multipart with more counts as not understood."""
LONGEST_BOUNDARY = 70
"""Bytes of the longest boundary (RFC 2046 §5.1.1)."""
DEEPEST = 3
"""How deep multiparts may be nested."""
_ABOUT_BODY = (
    "content-type", "content-disposition", "content-encoding", "content-language", "content-id",
    "content-transfer-encoding", "mime-version",
)  # fmt: skip
_BLANK = re.compile(rb"\r?\n\r?\n")
_FOLD = re.compile(r"\r?\n[ \t]+")
AnyMessage = TypeVar("AnyMessage", bound=Message)


class _NotUnderstood(Exception):  # noqa: N818  an answer, not a fault
    """A part whose handling is required is not understood."""


class _Part(NamedTuple):
    headers: Headers
    content: bytes

    @property
    def kind(self) -> str:
        return _head(self.headers.get("content-type"))

    @property
    def encoded(self) -> bool:
        """Whether the bytes of the part are encoded, e.g. compressed."""
        transfer = _head(self.headers.get("content-transfer-encoding"))
        return transfer not in ("", "7bit", "8bit", "binary") or encoded(self.headers)

    @property
    def disposition(self) -> tuple[str, str]:
        """Purpose and handling of the part: ``required``, ``optional``, or empty if the header says nothing."""
        value = self.headers.get("content-disposition")
        return _head(value), _param(value, "handling").lower()


def understands(request: Request) -> bool:
    """Whether we understand every part of the body of `request` whose handling is required (§8.2.3)."""
    try:
        _wanted(request)
    except _NotUnderstood:
        return False
    return True


def encoded(headers: Headers) -> bool:
    """Whether the body is encoded, e.g. compressed."""
    return not {"identity"}.issuperset(headers.tokens("content-encoding"))


def plain(message: AnyMessage) -> AnyMessage:
    """`message` with only the part of the body that its method uses.

    A request stays whole if a part must be understood and is not: the caller of this function refuses the request. An
    ACK or a response cannot be refused, so it loses its body.
    """
    if not message.body or message.cseq.method not in UNDERSTOOD:
        return message
    try:
        part = _wanted(message)
    except _NotUnderstood:
        if isinstance(message, Request) and message.method != "ACK":
            return message
        part = None
    if part is not None and part.content is message.body and part.kind:
        return message
    headers = message.headers.without(*_ABOUT_BODY)
    if part is None:
        return replace(message, headers=headers, body=b"")
    kind = part.headers.get("content-type") or SDP
    return replace(message, headers=headers.with_(("Content-Type", kind)), body=part.content)


def _wanted(message: Message) -> _Part | None:
    """The part that the method uses, if there is one. Raises `_NotUnderstood`."""
    if not message.body:
        return None
    kinds = UNDERSTOOD.get(message.cseq.method, (SDP,))
    whole = _Part(message.headers, message.body)
    if not whole.kind and kinds == (SDP,) and whole.content.startswith(b"v=0") and not whole.encoded:
        return whole  # without a Content-Type (§20.15); the content shows it
    return _found(whole, kinds, 0)


def _found(part: _Part, kinds: tuple[str, ...], depth: int) -> _Part | None:
    """The first part that is one of `kinds`, in `part` or below it. Raises `_NotUnderstood`."""
    purpose, handling = part.disposition
    wanted = part.kind in kinds and purpose != "early-session"  # RFC 3959: that session is not the one of the call
    try:
        if part.kind.startswith("multipart/") and depth < DEEPEST and not part.encoded:
            return _among(part, kinds, depth + 1)
        if wanted and not part.encoded:
            return part
        raise _NotUnderstood
    except _NotUnderstood:
        # §20.11 makes "required" the default. But inside a multipart it is not meant: the PIDF-LO of RFC 6442 §4.1
        # has no handling parameter, and no call should fail because of the location of its caller.
        beside = depth and not wanted and not part.kind.startswith("multipart/")
        if handling == "optional" or (beside and handling != "required"):
            return None
        raise


def _among(whole: _Part, kinds: tuple[str, ...], depth: int) -> _Part | None:
    parts = _parts(whole)
    if whole.kind != "multipart/alternative":
        found = [_found(part, kinds, depth) for part in parts]
        return next((part for part in found if part is not None), None)
    for part in reversed(parts):  # RFC 2046 §5.1.4: the last part that is understood is the best
        try:
            found_one = _found(part, kinds, depth)
        except _NotUnderstood:
            continue
        if found_one is not None:
            return found_one
    raise _NotUnderstood


def _parts(whole: _Part) -> list[_Part]:
    """The parts of a multipart (RFC 2046 §5.1.1); the last may lack its end. Raises `_NotUnderstood`."""
    boundary = _param(whole.headers.get("content-type"), "boundary").encode("utf-8", "surrogateescape")
    if not 0 < len(boundary) <= LONGEST_BOUNDARY:
        raise _NotUnderstood
    delimiter = re.compile(rb"(?:\A|\r?\n)--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r?\n|\Z)")
    marks = list(islice(delimiter.finditer(whole.content), MAX_PARTS + 2))
    ends = [mark.start() for mark in marks[1:]] + [len(whole.content)]
    parts = []
    for mark, end in zip(marks, ends, strict=False):
        if mark[1]:
            break
        parts.append(_part(whole.content[mark.end() : end]))
    if not parts or len(parts) > MAX_PARTS:
        raise _NotUnderstood
    return parts


def _part(section: bytes) -> _Part:
    blank = _BLANK.search(section)
    head, content = (section[: blank.start()], section[blank.end() :]) if blank else (section, b"")
    lines = _FOLD.sub(" ", head.decode("utf-8", "surrogateescape")).splitlines()
    fields = (line.partition(":") for line in lines if ":" in line)
    return _Part(Headers(tuple((name.strip(), value.strip()) for name, _, value in fields)), content)


def _head(value: str | None) -> str:
    """The value of a header field before its parameters, in lower case."""
    return (value or "").partition(";")[0].strip().lower()


def _param(value: str | None, name: str) -> str:
    """A parameter without its quotes; empty if there is none."""
    try:
        found = param(parse_params(split(value or "", ";")[1:]), name) or ""
    except FieldError:
        return ""
    return unescape(found[1:-1]) if found.startswith('"') else found
