"""Watching the messages of an endpoint, with credentials masked. Sans-IO."""

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

_SECRET = re.compile(rb"(?im)^((?:proxy-)?authorization[ \t]*:)[^\n]*(?:\n[ \t][^\n]*)*")


def redacted(data: bytes) -> bytes:
    """`data` without what Authorization and Proxy-Authorization say, folded lines included."""
    return _SECRET.sub(rb"\1 ***\r", data)
