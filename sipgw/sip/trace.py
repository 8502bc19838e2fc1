"""Traces of the messages of an endpoint, with credentials and keys masked. Sans-IO."""

import re
from collections.abc import Callable
from typing import NamedTuple

from sipgw.sip.dialog import Peer


class Traced(NamedTuple):
    """One message as it went over the network."""

    direction: str
    """``in`` or ``out``."""
    peer: Peer
    data: bytes
    at: float
    """When, on the endpoint's clock, in seconds."""


Tracer = Callable[[Traced], None]

_SECRET = re.compile(rb"(?im)^((?:(?:proxy-)?authorization|identity|y)[ \t]*:)[^\n]*(?:\n[ \t][^\n]*)*")
_KEY = re.compile(rb"(?<![^\r\n])(a=ice-pwd:|a=crypto:[0-9]*[ \t]*(?:[A-Z0-9]+_[A-Z0-9_]+)?[ \t]*(?:inline:)?)[^\r\n]*")
"""A suite name is shown, a key is not: base64 has no underscore."""


_SIGNAL = re.compile(rb"(?im)^([ \t]*signal[ \t]*=)[^\r\n]*")
_DTMF = re.compile(rb"(?im)^(?:content-type|c)[ \t]*:\s*application/dtmf\b")


_BLANK = re.compile(rb"\r?\n\r?\n")


def redacted(data: bytes) -> bytes:
    """`data` without the values of Authorization, Proxy-Authorization and Identity (folded lines included), SRTP keys
    and passwords of ICE. A signed number (Identity, RFC 8224) could be used again, and has the numbers in a form that
    nothing else masks. With a password of ICE, a reader could redirect the sound of a running call.

    The pressed key in an INFO is masked too, also in one of several parts: it may belong to a card number.
    """
    key = _DTMF.search(data)
    blank = _BLANK.search(data, key.end()) if key else None
    if blank and (body := data[blank.end() :]):
        data = data[: blank.end()] + (_SIGNAL.sub(rb"\1*", body) if _SIGNAL.search(body) else b"*")
    return _KEY.sub(rb"\1***", _SECRET.sub(rb"\1 ***\r", data))
