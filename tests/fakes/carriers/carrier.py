"""What all carriers have in common: a UDP socket, digest challenges, calls both ways, REFER with its NOTIFYs."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Self

from sipgw.sip.digest import Challenge, Credentials, parse_digest, verify
from sipgw.sip.fields import FieldError
from sipgw.sip.message import Request, Response, response_to
from sipgw.sip.parse import parse_message
from tests.waiting import HANG

Fields = tuple[tuple[str, str], ...]


class Rtp(asyncio.DatagramProtocol):
    """Counts what comes, and sends silence now and then so that the gateway knows where to send."""

    def __init__(self) -> None:
        self.received = 0
        self.port = 0
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.received += 1
        if self.received % 5 == 1:
            self._transport.sendto(self.packet(self.received), addr)

    def packet(self, number: int) -> bytes:
        """20 ms of silence."""
        head = b"\x80\x00" + number.to_bytes(4, "big")[2:] + (number * 160).to_bytes(4, "big") + b"\0\0\0\7"
        return head + b"\xff" * 160

    def close(self) -> None:
        self._transport.close()


@dataclass
class Call:
    """A dialog with the gateway. `outward` is its sight of it: calls that the gateway makes."""

    call_id: str
    ours: str
    theirs: str
    target: str
    """The gateway's Contact."""
    rtp: Rtp
    numbers: Iterator[int] = field(default_factory=lambda: count(2))
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    bye: Request | None = None
    acked: asyncio.Event = field(default_factory=asyncio.Event)


class Carrier(asyncio.DatagramProtocol):
    """One address of a carrier. What the gateway does wrong stands in `faults`."""

    host = "127.0.9.1"
    realm = "carrier"
    domain = "carrier.example"
    users = {"user": "password"}  # noqa: RUF012
    transport = "UDP"
    contact = ""
    """Of our side; empty: our address."""
    methods = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REFER", "NOTIFY", "UPDATE")
    hangs_up_after_transfer = False
    media: type[Rtp] = Rtp

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.requests: list[Request] = []
        self.calls: dict[str, Call] = {}
        self.transferred: list[str] = []
        self._answers: dict[tuple[str, str, int], asyncio.Queue[Response]] = {}
        self._done: dict[str, bytes] = {}
        self._nonces: dict[str, str] = {}
        self._counts: set[tuple[str, str]] = set()
        self._tokens = count(1)
        self._tasks = asyncio.TaskGroup()
        self._transport: Any = None

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._transport = await self.opened()
        return self

    async def opened(self) -> Any:
        """What messages are sent through."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, (self.host, 0))
        return transport

    async def __aexit__(self, *_: object) -> None:
        for call in self.calls.values():
            call.rtp.close()
        self._transport.close()
        await self._tasks.__aexit__(None, None, None)

    @property
    def port(self) -> int:
        return int(self._transport.get_extra_info("sockname")[1])

    @property
    def place(self) -> str:
        return f"{self.host}:{self.port}"

    def token(self) -> str:
        return f"{type(self).__name__.lower()}{next(self._tokens)}"

    # Receiving

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if not data.strip():
            return
        message = parse_message(data)
        if isinstance(message, Response):
            key = (message.call_id, message.cseq.method, message.cseq.number)
            if key in self._answers:
                self._answers[key].put_nowait(message)
            return
        key_ = f"{message.via.branch} {message.method}"
        if key_ in self._done:
            self._transport.sendto(self._done[key_], addr)
            return
        self.requests.append(message)
        self._check(message)
        self.answer(message.with_top_via(message.via.with_received(*addr)), addr)

    def _check(self, request: Request) -> None:
        if request.max_forwards is None:
            self.faults.append(f"{request.method} without Max-Forwards")
        if request.via.rport is None and "rport" not in str(request.via):
            self.faults.append(f"{request.method} without rport (NAT)")
        call = self.calls.get(request.call_id)
        if call is not None and request.to.tag and self.contact and request.method != "CANCEL":
            if str(request.uri) != self.contact:
                self.faults.append(f"{request.method} to {request.uri}, not to our Contact {self.contact}")
            if not request.routes:
                self.faults.append(f"{request.method} without the route set")

    def answer(self, request: Request, addr: Any) -> None:
        """Answer one request."""
        if request.method not in self.methods and request.method != "REGISTER":
            self.reply(request, addr, 405)
            return
        getattr(self, f"on_{request.method.lower()}")(request, addr)

    def reply(
        self, request: Request, addr: Any, status: int, reason: str = "", headers: Fields = (), body: bytes = b""
    ) -> None:
        call = self.calls.get(request.call_id)
        tag = request.to.tag or (call.ours if call else self.token())
        kind = "application/sdp" if body else ""
        response = response_to(request, status, reason, to_tag=tag, headers=headers, body=body, content_type=kind)
        data = response.to_bytes()
        if status >= 200:
            self._done[f"{request.via.branch} {request.method}"] = data
        self._transport.sendto(data, addr)

    # Digest

    def opaque(self) -> str | None:
        return None

    def challenged(self, request: Request, addr: Any, status: int) -> bool:
        """Whether the request was answered with a challenge, because it has no right answer to one."""
        asked, given = (
            ("WWW-Authenticate", "authorization") if status == 401 else ("Proxy-Authenticate", "proxy-authorization")
        )
        challenge = Challenge(self.realm, self._nonces.get(request.call_id, ""), "MD5", ("auth",), self.opaque())
        for value in request.headers.lines(given):
            try:
                user = parse_digest(value).get("username", "")
            except FieldError:
                continue
            if user in self.users and verify(value, challenge, Credentials(user, self.users[user]), request.method):
                params = parse_digest(value)
                if params.get("uri") != str(request.uri):
                    self.faults.append(f"digest uri {params.get('uri')} is not the Request-URI {request.uri}")
                if (params["nonce"], params["nc"]) in self._counts:
                    self.faults.append("nonce count used twice")
                self._counts.add((params["nonce"], params["nc"]))
                return False
        nonce = self._nonces[request.call_id] = self.token()
        opaque = f', opaque="{challenge.opaque}"' if challenge.opaque is not None else ""
        value = f'Digest realm="{self.realm}", nonce="{nonce}", algorithm=MD5, qop="auth"{opaque}'
        self.reply(request, addr, status, headers=((asked, value),))
        return True

    # What the gateway asks for

    def on_register(self, request: Request, addr: Any) -> None:
        self.faults.append("REGISTER to a carrier that wants none")
        self.reply(request, addr, 405)

    def on_options(self, request: Request, addr: Any) -> None:
        self.reply(request, addr, 200, headers=(("Allow", ", ".join(self.methods)),))

    def on_invite(self, request: Request, addr: Any) -> None:
        self.reply(request, addr, 501)

    def on_ack(self, request: Request, addr: Any) -> None:
        if request.call_id in self.calls:
            self.calls[request.call_id].acked.set()

    def on_cancel(self, request: Request, addr: Any) -> None:
        self.reply(request, addr, 200)

    def on_update(self, request: Request, addr: Any) -> None:
        self.reply(request, addr, 200, headers=(("Contact", f"<{self._contact}>"),))

    def on_notify(self, request: Request, addr: Any) -> None:
        self.reply(request, addr, 200)

    def on_bye(self, request: Request, addr: Any) -> None:
        call = self.calls.get(request.call_id)
        self.reply(request, addr, 200 if call else 481)
        if call:
            call.bye = request
            call.ended.set()

    def on_refer(self, request: Request, addr: Any) -> None:
        call = self.calls.get(request.call_id)
        refusal = self.refused(request)
        if call is None or refusal:
            self.reply(request, addr, refusal[0] if refusal else 481, refusal[1] if refusal else "")
            return
        self.reply(request, addr, 202)
        self.transferred.append(request.headers.get("refer-to") or "")
        self._tasks.create_task(self._report(call))

    def refused(self, refer: Request) -> tuple[int, str] | None:
        """Why a REFER is refused, or None."""
        return None

    async def _report(self, call: Call) -> None:
        for line, state in (
            ("SIP/2.0 100 Trying", "active;expires=60"),
            ("SIP/2.0 200 OK", "terminated;reason=noresource"),
        ):
            fields = (("Event", "refer"), ("Subscription-State", state))
            response = await self.request(
                call, "NOTIFY", fields, line.encode() + b"\r\n", "message/sipfrag;version=2.0"
            )
            if response.status != 200:
                self.faults.append(f"NOTIFY answered {response.status}")
        if self.hangs_up_after_transfer:
            await self.hang_up(call)

    # Calls out of the gateway

    async def accept(self, request: Request, addr: Any) -> None:
        """Ring and answer a call of the gateway."""
        rtp = await self._rtp()
        sdp = self.answer_sdp(request.body, rtp)
        self.calls[request.call_id] = Call(
            request.call_id, self.token(), request.from_.tag, str(request.contacts[0].uri), rtp
        )
        self.reply(request, addr, 100)
        self.reply(request, addr, 180)
        headers = (("Contact", f"<{self._contact}>"), *((("Record-Route", self._route),) if self.contact else ()))
        self.reply(request, addr, 200, headers=headers, body=sdp)

    # Calls into the gateway

    async def call(
        self, uri: str, addr: tuple[str, int], fields: Fields = (), caller: str = "+14155550100"
    ) -> tuple[int, Call]:
        """Call the gateway at `addr` and acknowledge what comes; returns the status."""
        rtp = await self._rtp()
        call = Call(self.token(), self.token(), "", uri, rtp)
        self._addr = addr
        target = uri
        lines = (
            ("Via", f"SIP/2.0/{self.transport} {self.place};branch=z9hG4bK{self.token()};rport"),
            *(
                (("Via", f"SIP/2.0/{self.transport} 172.18.5.1:5060;rport=5060;branch=z9hG4bKinner+1"),)
                if self.contact
                else ()
            ),
            *((("Record-Route", self._route),) if self.contact else ()),
            ("From", f"<sip:{caller}@{self.domain}>;tag={call.ours}"),
            ("To", f"<{uri}>"),
            ("Call-ID", call.call_id),
            ("CSeq", "1 INVITE"),
            ("Max-Forwards", "68"),
            ("Contact", f"<{self._contact}>"),
            *fields,
            ("Content-Type", "application/sdp"),
        )
        self.calls[call.call_id] = call
        response = await self._exchange("INVITE", target, lines, self.offer_sdp(rtp), call.call_id, 1)
        call.theirs = response.to.tag
        if response.status < 300:
            call.target = str(response.contacts[0].uri)
            self.agreed(rtp, response.body)
        ack = [(name, value) for name, value in lines if name not in ("CSeq", "To", "Content-Type", "Record-Route")]
        if response.status < 300:  # the ACK of a 2xx is a request of its own
            ack[0] = ("Via", f"SIP/2.0/{self.transport} {self.place};branch=z9hG4bK{self.token()};rport")
        ack += [("CSeq", "1 ACK"), ("To", str(response.to))]
        self._send("ACK", call.target if response.status < 300 else target, tuple(ack), b"")
        return response.status, call

    async def request(
        self, call: Call, method: str, fields: Fields = (), body: bytes = b"", kind: str = ""
    ) -> Response:
        """A request inside a call."""
        number = next(call.numbers)
        lines = (
            ("Via", f"SIP/2.0/{self.transport} {self.place};branch=z9hG4bK{self.token()};rport"),
            ("From", f"<sip:carrier@{self.domain}>;tag={call.ours}"),
            ("To", f"<sip:gateway@127.0.0.1>;tag={call.theirs}"),
            ("Call-ID", call.call_id),
            ("CSeq", f"{number} {method}"),
            ("Max-Forwards", "68"),
            ("Contact", f"<{self._contact}>"),
            *fields,
            *((("Content-Type", kind),) if kind else ()),
        )
        return await self._exchange(method, call.target, lines, body, call.call_id, number)

    async def hang_up(self, call: Call, fields: Fields = ()) -> int:
        response = await self.request(call, "BYE", fields)
        call.ended.set()
        return response.status

    async def _exchange(self, method: str, uri: str, lines: Fields, body: bytes, call_id: str, number: int) -> Response:
        queue: asyncio.Queue[Response] = asyncio.Queue()
        self._answers[(call_id, method, number)] = queue
        self._send(method, uri, lines, body)
        async with asyncio.timeout(HANG):
            while (response := await queue.get()).status < 200:
                pass
        return response

    def _send(self, method: str, uri: str, lines: Fields, body: bytes) -> None:
        head = "".join(f"{self.spelled(name)}: {value}\r\n" for name, value in lines)
        data = f"{method} {uri} SIP/2.0\r\n{head}{self.spelled('Content-Length')}: {len(body)}\r\n\r\n".encode() + body
        self._transport.sendto(data, self._addr)

    def spelled(self, name: str) -> str:
        """How a header's name is written."""
        return name

    @property
    def _contact(self) -> str:
        return self.contact or f"sip:{self.place}"

    @property
    def _route(self) -> str:
        return f"<sip:{self.place};transport={self.transport.lower()};lr>"

    async def _rtp(self) -> Rtp:
        _, rtp = await asyncio.get_running_loop().create_datagram_endpoint(self.media, (self.host, 0))
        return rtp

    def sdp(self, port: int) -> bytes:
        lines = (
            "v=0", f"o=carrier 1 1 IN IP4 {self.host}", "s=Media Gateway", f"c=IN IP4 {self.host}", "t=0 0",
            f"m=audio {port} RTP/AVP 0 8 101", "a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000",
            "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-16", "a=ptime:20", "a=maxptime:20", "a=sendrecv",
        )  # fmt: skip
        return "\r\n".join((*lines, "")).encode()

    def offer_sdp(self, rtp: Rtp) -> bytes:
        """What a call of ours offers."""
        return self.sdp(rtp.port)

    def answer_sdp(self, offer: bytes, rtp: Rtp) -> bytes:
        """What a call of the gateway is answered with."""
        return self.sdp(rtp.port)

    def agreed(self, rtp: Rtp, answer: bytes) -> None:
        """The gateway has answered our offer."""

    async def until(self, condition: Any, what: str) -> None:
        """Wait until something has happened."""
        try:
            async with asyncio.timeout(HANG):
                while not condition():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(
                f"{what}; faults {self.faults}, requests {[r.method for r in self.requests]}"
            ) from None
