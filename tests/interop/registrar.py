"""A registrar of its own on real sockets, which knows nothing of our code and checks every digest (RFC 2617, 7616)."""

import asyncio
import contextlib
import hashlib
import re
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from tests.interop.prober import Message

USER, PASSWORD, REALM = "agent", "s3cret", "pbx.example"
HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
HEADERS = {401: ("WWW-Authenticate", "authorization"), 407: ("Proxy-Authenticate", "proxy-authorization")}


@dataclass
class Registrar:
    """What it asks for, and what has come."""

    algorithms: tuple[str, ...] = ("MD5",)
    qop: str = "auth"
    """Empty: none is offered."""
    status: int = 401
    """That of its challenge; 0: it believes everybody."""
    stale: bool = False
    """Whether the first nonce is used up when it is used."""
    minimum: int = 0
    """Seconds that are to be asked for at least."""
    lost: int = 0
    """How many of the first requests never arrive."""
    grant: int = 3600
    """Seconds that it grants at most."""
    requests: list[Message] = field(default_factory=list)
    granted: list[int] = field(default_factory=list)
    """The seconds of each binding that it has made or taken away."""
    used: list[dict[str, str]] = field(default_factory=list)
    """The credentials that were right."""
    wrong: list[str] = field(default_factory=list)
    """What it found wrong."""
    nonce: int = 1
    _answers: dict[bytes, bytes] = field(default_factory=dict)

    def answer(self, raw: bytes) -> bytes | None:
        """To one request; a copy gets the same."""
        if self.lost:
            self.lost -= 1
            return None
        if raw not in self._answers:
            self._answers[raw] = self._first(Message.read(raw))
        return self._answers[raw]

    def _first(self, request: Message) -> bytes:
        self.requests.append(request)
        if request.method != "REGISTER" or len(request.all("contact")) != 1:
            self.wrong.append(request.first)
        if self.status:
            told, given = HEADERS[self.status]
            right = any(self._right(request, value) for value in request.all(given))
            if right and self.stale:
                self.stale, right, self.nonce = False, False, self.nonce + 1
                return self._challenge(request, told, ", stale=true")
            if not right:
                return self._challenge(request, told, "")
        asked = int(request["expires"])
        if 0 < asked < self.minimum:
            return _response(request, "423 Interval Too Brief", f"Min-Expires: {self.minimum}")
        self.granted.append(min(asked, self.grant))
        return _response(request, "200 OK", f"Contact: {request['contact']};expires={self.granted[-1]}")

    def _challenge(self, request: Message, header: str, more: str) -> bytes:
        qop = f', qop="{self.qop}"' if self.qop else ""
        lines = (
            f'{header}: Digest realm="{REALM}", nonce="n{self.nonce}", algorithm={one}, opaque="node-7"{qop}{more}'
            for one in self.algorithms
        )
        return _response(request, f"{self.status} Prove it", *lines)

    def _right(self, request: Message, value: str) -> bool:
        """RFC 7616 §3.4; whatever is not as it has to be is written down."""
        pairs = re.findall(r'(\w+)=(?:"([^"]*)"|([^,\s]+))', value.partition(" ")[2])
        given = {name.lower(): quoted or plain for name, quoted, plain in pairs}
        one = HASHES[given.get("algorithm", "MD5")]

        def hashed(text: str) -> str:
            return one(text.encode()).hexdigest()

        uri, qop = request.first.split()[1], given.get("qop", "")
        last = f":{hashed(request.body)}" if qop == "auth-int" else ""
        parts = [hashed(f"{USER}:{REALM}:{PASSWORD}"), given.get("nonce", "")]
        parts += [given.get("nc", ""), given.get("cnonce", ""), qop] if qop else []
        wanted = hashed(":".join([*parts, hashed(f"REGISTER:{uri}{last}")]))
        found = {
            "response": (given.get("response"), wanted),
            "uri": (given.get("uri"), uri),
            "opaque": (given.get("opaque"), "node-7"),
            "qop": (qop in self.qop.split(","), True),
            "algorithm": (given.get("algorithm", "MD5") in self.algorithms, True),
            "nonce count": ((given.get("nonce"), given.get("nc")) not in self._counts() or not qop, True),
        }
        faults = [f"{name}: {is_}, not {should}" for name, (is_, should) in found.items() if is_ != should]
        if given.get("nonce") != f"n{self.nonce}":
            return False  # it is old, which is no fault
        self.wrong += faults
        if not faults:
            self.used.append(given)
        return not faults

    def _counts(self) -> list[tuple[str | None, str | None]]:
        return [(one.get("nonce"), one.get("nc")) for one in self.used]


def _response(request: Message, status: str, *more: str) -> bytes:
    copied = [f"{name}: {value}" for name, value in request.lines if name in ("via", "from", "call-id", "cseq")]
    lines = [f"SIP/2.0 {status}", *copied, f"To: {request['to']};tag=r", *more, "Content-Length: 0", "", ""]
    return "\r\n".join(lines).encode()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, registrar: Registrar) -> None:
        self._registrar = registrar

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data.strip() and (answer := self._registrar.answer(data)):
            self._transport.sendto(answer, addr)


@contextlib.asynccontextmanager
async def listening(
    registrar: Registrar, transport: str = "udp", certificate: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """It listens until the block ends; gives the port."""
    loop = asyncio.get_running_loop()
    if transport == "udp":
        datagrams, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(registrar), ("127.0.0.1", 0))
        yield datagrams.get_extra_info("sockname")[1]
        datagrams.close()
        return

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                raw = (await reader.readuntil(b"\r\n\r\n")).lstrip()
                if raw and (answer := registrar.answer(raw)):
                    writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=certificate)
    yield server.sockets[0].getsockname()[1]
    server.close()
