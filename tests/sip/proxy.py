"""A stateless record-routing proxy on the wire (RFC 3261 §16.11), nobody's code but the tests'."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from sipgw.sip.dialog import Peer
from sipgw.sip.message import Headers, Request, Response, response_to
from sipgw.sip.parse import parse_message
from sipgw.sip.surroundings import Packet
from tests.sip.wire import Wire

Answer = tuple[int, tuple[tuple[str, str], ...]]


@dataclass
class Proxy:
    """Passes on what it gets: calls to bob to `onward`, the rest where Route, Request-URI and Via say."""

    host: str
    onward: str
    refuses: Callable[[Request], Answer | None] = lambda request: None
    deadline: float | None = None
    _out: deque[Packet] = field(default_factory=deque)

    @classmethod
    def between(cls, wire: Wire, host: str, onward: str) -> "Proxy":
        """Put one on the wire."""
        proxy = cls(host, onward)
        party: Any = type("Standing", (), {"agent": proxy})()
        wire.parties[host] = party
        return proxy

    def receive(self, data: bytes, source: Peer, now: float) -> None:
        del now
        message = parse_message(data)
        if isinstance(message, Response):
            rest = replace(message, headers=without_top(message.headers, "Via"))
            back = rest.via
            self._send(rest, back.received or back.host)
            return
        assert isinstance(message, Request)
        message = message.with_top_via(message.via.with_received(source.host, source.port))
        refusal = None if message.to.tag else self.refuses(message)
        if refusal is not None:
            if message.method != "ACK":
                status, headers = refusal
                self._send(response_to(message, status, to_tag=f"p{self.host}", headers=headers), source.host)
            return
        if message.routes and message.routes[0].uri.host == self.host:
            message = replace(message, headers=without_top(message.headers, "Route"))
        via = f"SIP/2.0/UDP {self.host}:5060;branch={message.via.branch}-{self.host}"
        fields = [("Via", via), *message.headers]
        if message.method == "INVITE":
            fields.insert(0, ("Record-Route", f"<sip:{self.host};lr>"))
        target = message.routes[0].uri.host if message.routes else message.uri.host
        if message.uri.user == "bob" and not message.routes:  # his address of record
            target = self.onward
        self._send(replace(message, headers=Headers(tuple(fields))), target)

    def _send(self, message: Request | Response, host: str) -> None:
        self._out.append(Packet(message.to_bytes(), Peer("udp", host, 5060)))

    def to_send(self) -> list[Packet]:
        sent = list(self._out)
        self._out.clear()
        return sent

    def handle_timer(self, now: float) -> None:
        del now


def without_top(headers: Headers, name: str) -> Headers:
    """`headers` without the first value of `name`; a line holds one value, as our own messages have it."""
    fields = list(headers)
    at = next(at for at, (key, _) in enumerate(fields) if key == name)
    del fields[at]
    return Headers(tuple(fields))
