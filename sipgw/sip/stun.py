"""STUN on the SIP port (RFC 5389): where the other side sees us, and where we see registered phones. Sans-IO."""

import hashlib
import ipaddress
import struct
from collections.abc import Callable

from sipgw.sip.client_transactions import ClientTransactions
from sipgw.sip.dialog import Peer
from sipgw.sip.output import Packet
from sipgw.sip.timers import Timer

COOKIE = 0x2112A442
PORT = 3478
REQUEST, SUCCESS = 0x0001, 0x0101
MAPPED, XOR_MAPPED = 0x0001, 0x0020
RETRY = (0.5, 8.0)
"""Seconds until an unanswered request is repeated, doubled each time, and the most; after that a `Check` has failed."""
INTERVAL = 25.0
"""Seconds between two requests; they keep the NAT's binding open, too."""


def binding_request(transaction: bytes) -> bytes:
    """Ask for our address; `transaction` is 12 random bytes (§6)."""
    return struct.pack("!HHI", REQUEST, 0, COOKIE) + transaction


def is_stun(data: bytes) -> bool:
    """Whether a datagram is STUN and not SIP (§6: two zero bits and the cookie)."""
    return len(data) >= 20 and data[0] < 0x40 and data[4:8] == COOKIE.to_bytes(4, "big")


def binding_response(request: bytes, source: Peer) -> bytes:
    """The response that tells `source` where its request came from (§15.2)."""
    address = ipaddress.ip_address(source.host.partition("%")[0])
    mixed = bytes(one ^ other for one, other in zip(address.packed, request[4:20], strict=False))
    value = struct.pack("!BBH", 0, 1 if address.version == 4 else 2, source.port ^ COOKIE >> 16) + mixed
    head = struct.pack("!HH", SUCCESS, 4 + len(value)) + request[4:20]
    return head + struct.pack("!HH", XOR_MAPPED, len(value)) + value


def receive(clients: ClientTransactions, data: bytes, source: Peer, known: bool, now: float) -> None:
    """Take a datagram for which `is_stun` is true: the response to a request of ours, or a request, which is answered
    if the source is `known` (RFC 5626 §5.4: phones keep their flow open by it)."""
    waiting = clients.bindings.get(data[8:20])
    if waiting is not None:
        waiting(data, now)
    elif known and struct.unpack_from("!H", data)[0] == REQUEST:
        clients.send(Packet(binding_response(data, source), source))


def mapped_address(data: bytes, transaction: bytes) -> tuple[str, int] | None:
    """The address in `data`, or None if `data` is not the response to our request (§15.1, §15.2)."""
    if not is_stun(data) or data[8:20] != transaction or struct.unpack_from("!H", data)[0] != SUCCESS:
        return None
    data = data[: 20 + struct.unpack_from("!H", data, 2)[0]]
    at, plain = 20, None
    while at + 4 <= len(data):
        kind, size = struct.unpack_from("!HH", data, at)
        value = data[at + 4 : at + 4 + size]
        at += 4 + (size + 3) // 4 * 4
        width = {1: 4, 2: 16}.get(value[1], 0) if len(value) > 1 else 0
        if kind not in (MAPPED, XOR_MAPPED) or not width or len(value) != 4 + width:
            continue
        mask = data[4:20] if kind == XOR_MAPPED else bytes(16)
        port = int.from_bytes(value[2:4], "big") ^ int.from_bytes(mask[:2], "big")
        address = bytes(one ^ other for one, other in zip(value[4:], mask, strict=False))
        found = str(ipaddress.ip_address(address)), port
        if kind == XOR_MAPPED:
            return found
        plain = found
    return plain


class Check:
    """One binding request to a SIP server, repeated until it is answered or has failed (§7.2.1, RFC 5626 §4.4.2).

    `on_result` takes the address at which the server sees us, None if no answer came; and the time.
    """

    def __init__(
        self,
        clients: ClientTransactions,
        hop: Peer,
        on_result: Callable[[tuple[str, int] | None, float], None],
        now: float,
    ) -> None:
        self._clients = clients
        self._hop = hop
        self._on_result = on_result
        self._transaction = _transaction(clients)
        self._pause = RETRY[0]
        self._timer: Timer | None = None
        clients.bindings[self._transaction] = self._received
        self._send(now)

    def _send(self, now: float) -> None:
        if self._pause > RETRY[1]:
            self.stop()
            self._on_result(None, now)
            return
        self._clients.send(Packet(binding_request(self._transaction), self._hop))
        self._timer = self._clients.timers.at(now + self._pause, self._send)
        self._pause *= 2

    def _received(self, data: bytes, now: float) -> None:
        found = mapped_address(data, self._transaction)
        if found is not None:
            self.stop()
            self._on_result(found, now)

    def stop(self) -> None:
        """Stop waiting for an answer."""
        self._clients.bindings.pop(self._transaction, None)
        if self._timer is not None:
            self._timer.cancel()


def _transaction(clients: ClientTransactions) -> bytes:
    return hashlib.sha256(clients.environment.token().encode()).digest()[:12]


class Stun:
    """Asks one server again and again; `on_address` takes each address at which the server sees us, and the time."""

    def __init__(
        self, clients: ClientTransactions, server: Peer, on_address: Callable[[str, int, float], None]
    ) -> None:
        self._clients = clients
        self._server = server
        self._on_address = on_address
        self._transaction = b""
        self._pause = RETRY[0]
        self._timer: Timer | None = None

    def ask(self, now: float) -> None:
        """Ask now, and go on asking."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clients.timers.at(now + self._pause, self.ask)
        self._pause = min(2 * self._pause, RETRY[1])
        self._clients.locate(self._server, self._located, now)

    def _located(self, hops: tuple[Peer, ...], now: float) -> None:
        del now
        for hop in hops[:1]:
            if not self._transaction:  # a repetition is the same request, so that a late answer counts (§7.2.1)
                self._transaction = _transaction(self._clients)
                self._clients.bindings[self._transaction] = self._receive
            self._clients.send(Packet(binding_request(self._transaction), hop))

    def _receive(self, data: bytes, now: float) -> None:
        found = mapped_address(data, self._transaction)
        if found is None:
            return
        del self._clients.bindings[self._transaction]
        self._transaction, self._pause = b"", RETRY[0]
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clients.timers.at(now + INTERVAL, self.ask)
        self._on_address(*found, now)
