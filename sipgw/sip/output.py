"""Output of the core for its driver: packets to send, host names to resolve, requests to judge, REGISTER requests."""

from typing import NamedTuple

from sipgw.sip.dialog import Peer
from sipgw.sip.message import Request
from sipgw.sip.parse import ParseError
from sipgw.sip.transaction import Transaction


class Packet(NamedTuple):
    """Bytes to send to `peer`, whose host is an IP address. The driver opens the connection that this needs."""

    data: bytes
    peer: Peer


class Resolve(NamedTuple):
    """A request to find the addresses of `peer` (RFC 3263); `UserAgent.resolved` takes them with this `number`."""

    number: int
    peer: Peer


class Unjudged(NamedTuple):
    """A request that belongs to no call and no transaction. `UserAgent.judged` takes the verdict on it."""

    request: Request
    source: Peer
    error: ParseError | None = None
    """Why a part of the request cannot be read; then it is refused, whatever the verdict is."""


class RegisterReceived(NamedTuple):
    """An admitted REGISTER. `UserAgent.respond_register` takes the response to it."""

    request: Request
    source: Peer
    transaction: Transaction
