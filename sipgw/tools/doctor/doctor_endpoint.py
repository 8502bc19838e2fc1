"""The doctor's SIP endpoint: sends one request at a time and keeps the unmodified responses."""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from sipgw.sip.dialog import Peer, peer_of
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.leg import Leg
from sipgw.sip.message import Headers, Request, Response
from sipgw.sip.offer_answer import LocalMedia, NotAcceptable, answer
from sipgw.sip.parse import ParseError, parse_message
from sipgw.sip.trace import Traced
from sipgw.sip.uri import Uri

KEPT = 100
"""Maximum number of received messages that are kept."""


@dataclass(frozen=True)
class DoctorTimeouts:
    """Time limits of the doctor, in seconds."""

    answer: float = 6.0
    """Limit for a SIP response, a DNS answer, or a connection."""
    ring: float = 30.0
    """Limit for somebody to answer the test call."""
    listen: float = 6.0
    """Length of the test call after the answer."""


class SipExchange(NamedTuple):
    """One request and its responses."""

    sent: Request
    peer: Peer
    """The address to which the request went."""
    response: Response | None
    strays: tuple[Response, ...]
    """Responses that came meanwhile and match no request as we sent it: a router on the path may have changed them."""
    failure: str

    @property
    def shown(self) -> str:
        """The final response in words, for the evidence of a finding."""
        if self.response is None:
            return self.failure or "no answer"
        warning = self.response.headers.get("warning")
        return f"{self.response.status} {self.response.reason}" + (f" (Warning: {warning})" if warning else "")


class DoctorEndpoint:
    """The doctor's SIP endpoint, an async context manager. It uses the configured port if that is free."""

    def __init__(self, options: EndpointOptions) -> None:
        tls = replace(options.tls, port=0)
        port = options.port if is_free(options.host, options.port) else 0
        options = replace(options, port=port, tls=tls, stun_server="", session_expires=0.0)
        self.endpoint = Endpoint(options, self._on_invite, lambda *_: None, self._trace)
        self._trail: deque[Traced] = deque(maxlen=KEPT)
        self.calling = ""
        """A mark in the session description of the present test call, which a SIP-ALG does not change. It identifies
        the call if it comes back."""
        self.looped: Leg | None = None
        """The test call as an incoming call, if the other side routes it back to us."""

    async def __aenter__(self) -> Self:
        await self.endpoint.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.endpoint.__aexit__(*error)

    def begin(self) -> None:
        """Forget the messages received so far."""
        self._trail.clear()

    async def ask(self, request: Request, peer: Peer, limit: float) -> SipExchange:
        """Send `request`; returns after its final response, or after `limit` seconds."""
        self.begin()
        asked = await self.endpoint.ask(request, peer, limit)
        matched = asked.response
        strays = tuple(one for one in self.responses() if matched is None and one.cseq == asked.request.cseq)
        return SipExchange(asked.request, asked.peer, matched, strays, asked.failure)

    def responses(self) -> list[Response]:
        """The responses received since `begin`, in order."""
        read = (_read(traced.data) for traced in self._trail if traced.direction == "in")
        return [message for message in read if isinstance(message, Response)]

    def request(self, method: str, target: Uri, user: str, fields: Sequence[tuple[str, str]] = ()) -> Request:
        """A request outside any dialog. From, To and Contact have `user` at the domain of `target`."""
        clients, address = self.endpoint.agent.clients, Uri("sip", user, target.host)
        to = f"<{address}>" if method == "REGISTER" else f"<{target.address}>"
        common = (
            ("Max-Forwards", "70"),
            ("From", f"<{address}>;tag={clients.environment.token()}"),
            ("To", to),
            ("Call-ID", clients.environment.token()),
            ("CSeq", f"{clients.first_number()} {method}"),
            ("Contact", f"<{clients.contact(peer_of(target), user)}>"),
        )
        return Request(method, target, headers=Headers((*common, *fields)))

    def end_call(self) -> None:
        """End the test call, and also the calls that came in because it was routed back to us."""
        self.calling, looped, self.looped = "", self.looped, None
        if looped is not None:
            looped.hangup()

    def _on_invite(self, leg: Leg) -> None:
        if not self.calling or self.calling.encode() not in (leg.offer or b"") or self.looped is not None:
            leg.reject(480)  # a caller's real call, while the doctor has the gateway's port
            return
        self.looped = leg
        try:
            leg.answer(answer(leg.offer or b"", LocalMedia("127.0.0.1", 9, tls=False)).sdp)
        except NotAcceptable:
            leg.reject(488)

    def _trace(self, traced: Traced) -> None:
        self._trail.append(traced)


def _read(data: bytes) -> Request | Response | None:
    try:
        return parse_message(data)
    except ParseError:
        return None


def is_free(host: str, port: int) -> bool:
    """Whether UDP and TCP `port` of `host` are free to listen on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(family, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True


async def connects(host: str, port: int, limit: float) -> str:
    """Try a TCP connection; returns the error, or an empty string."""
    try:
        async with asyncio.timeout(limit):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return "timeout"
    except ConnectionRefusedError:
        return "refused"
    except OSError as error:
        return error.strerror or str(error)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return ""


async def refuses_udp(host: str, port: int, limit: float) -> bool:
    """Whether the other machine reports by ICMP that UDP `port` is closed."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect((host, port))
            probe.send(b"\r\n\r\n")
            async with asyncio.timeout(limit):
                await loop.sock_recv(probe, 2048)
        except ConnectionRefusedError:
            return True
        except (OSError, TimeoutError):
            return False
    return False
