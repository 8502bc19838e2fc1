"""Proxies on the wire, nobody's code but the tests': one without state (RFC 3261 §16.11), one that rings in turn."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

from sipgw.sip.dialog import Peer
from sipgw.sip.message import Headers, Request, Response, response_to
from sipgw.sip.output import Packet
from sipgw.sip.parse import parse_message
from sipgw.sip.transaction import ack_of_failure, cancel_of
from sipgw.sip.uri import Uri
from tests.sip.wire import Wire

Answer = tuple[int, tuple[tuple[str, str], ...]]


@dataclass
class Standing:
    """What a proxy has in common with a user agent, as the wire sees it."""

    host: str
    deadline: float | None = field(default=None, init=False)
    _out: deque[Packet] = field(default_factory=deque, init=False)

    def put_on(self, wire: Wire) -> Self:
        """Stand there."""
        party: Any = type("Party", (), {"agent": self, "handle": lambda party, now: None})()
        wire.parties[self.host] = party
        return self

    def _send(self, message: Request | Response, host: str) -> None:
        self._out.append(Packet(message.to_bytes(), Peer("udp", host, 5060)))

    def to_send(self) -> list[Packet]:
        sent = list(self._out)
        self._out.clear()
        return sent

    def handle_timer(self, now: float) -> None:
        del now


@dataclass
class Proxy(Standing):
    """Passes on what it gets: calls to bob to `onward`, the rest where Route, Request-URI and Via say."""

    onward: str
    refuses: Callable[[Request], Answer | None] = lambda request: None
    alters: Callable[[bytes, bool], bytes] = lambda body, onward: body
    """What it makes of a body; `onward` for one of a request."""
    name: str = ""

    @classmethod
    def between(cls, wire: Wire, host: str, onward: str) -> "Proxy":
        """Put one on the wire."""
        return cls(host, onward).put_on(wire)

    def receive(self, data: bytes, source: Peer, now: float) -> None:
        del now
        message = parse_message(data)
        if isinstance(message, Response):
            headers = without_top(message.headers, "Via")
            rest = replace(message, headers=headers, body=self.alters(message.body, False))
            back = rest.via
            self._send(rest, back.received or back.host)
            return
        assert isinstance(message, Request)
        message = message.with_top_via(message.via.with_received(source.host, source.port))
        if message.method == "ACK" and message.to.tag == f"p{self.host}":
            return  # for a refusal of its own
        refusal = None if message.to.tag else self.refuses(message)
        if refusal is not None:
            status, headers = refusal  # type: ignore[assignment]
            self._send(response_to(message, status, to_tag=f"p{self.host}", headers=headers), source.host)
            return
        if message.routes and message.routes[0].uri.host in (self.host, self.name):
            message = replace(message, headers=without_top(message.headers, "Route"))
        via = f"SIP/2.0/UDP {self.host}:5060;branch={message.via.branch}-{self.host}"
        fields = [("Via", via), *message.headers]
        if message.method == "INVITE":
            fields.insert(0, ("Record-Route", f"<sip:{self.host};lr>"))
        target = message.routes[0].uri.host if message.routes else message.uri.host
        if message.uri.user == "bob" and not message.routes:  # his address of record
            target = self.onward
        self._send(replace(message, headers=Headers(tuple(fields)), body=self.alters(message.body, True)), target)


@dataclass
class InTurn(Standing):
    """Rings `phones` one after the other, each for `patience` seconds, and stays out of the dialog."""

    phones: list[str]
    forwards: bool = False
    """Whether the caller is told that the call goes elsewhere (181)."""
    patience: float = 3.0
    _asked: Request | None = None
    """The caller's INVITE."""
    _branch: Request | None = None
    """What the phone that rings now has got."""

    def receive(self, data: bytes, source: Peer, now: float) -> None:
        message = parse_message(data)
        if isinstance(message, Request):
            if message.method == "INVITE" and self._asked is None:
                self._asked = message.with_top_via(message.via.with_received(source.host, source.port))
                self._back(100)
                self._next(now)
            return
        if message.cseq.method == "CANCEL" or message.status == 100:
            return
        if message.status < 300:
            self.deadline = self.deadline if message.status < 200 else None
            self._send(replace(message, headers=without_top(message.headers, "Via")), self._caller)
            return
        assert self._branch is not None
        self._send(ack_of_failure(self._branch, message), source.host)
        self._next(now)

    def _next(self, now: float) -> None:
        assert self._asked is not None
        if self.forwards and (self._branch is not None or len(self.phones) == 1):
            self._back(181)
        phone = self.phones.pop(0)
        via = f"SIP/2.0/UDP {self.host}:5060;branch={self._asked.via.branch}-{len(self.phones)}"
        fields = (("Via", via), *without_top(self._asked.headers, "Route"))
        self._branch = replace(self._asked, uri=Uri.parse(f"sip:bob@{phone}"), headers=Headers(fields))
        self.deadline = now + self.patience
        self._send(self._branch, phone)

    @property
    def _caller(self) -> str:
        assert self._asked is not None
        return self._asked.via.received or self._asked.via.host

    def _back(self, status: int) -> None:
        assert self._asked is not None
        tag = "" if status == 100 else f"p{self.host}"
        self._send(response_to(self._asked, status, to_tag=tag), self._caller)

    def handle_timer(self, now: float) -> None:
        if self.deadline is not None and now >= self.deadline and self._branch is not None:
            self.deadline = None
            self._send(cancel_of(self._branch), self._branch.uri.host)


def without_top(headers: Headers, name: str) -> Headers:
    """`headers` without the first value of `name`; a line holds one value, as our own messages have it."""
    fields = list(headers)
    at = next(at for at, (key, _) in enumerate(fields) if key == name)
    del fields[at]
    return Headers(tuple(fields))
