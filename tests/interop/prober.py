"""A telephone of one UDP socket and text, which knows nothing of our code: it sends exactly what a probe wants."""

import itertools
import os
import select
import socket
import time
from dataclasses import dataclass, field, replace

from tests.waiting import HANG

CRLF = "\r\n"
SDP = (
    "v=0\r\no=- 1 {version} IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
)
PAUSE = 1.2
"""Seconds in which two retransmissions would come (RFC 3261 §17, timers A, E, G: 0.5 s, doubled)."""
_numbers = itertools.count(1)


def sdp(port: int = 4000, version: int = 1, more: str = "", host: str = "127.0.0.1") -> str:
    return SDP.format(host=host, port=port, version=version) + more


@dataclass(frozen=True)
class Message:
    """What came: its first line, its header lines as they are, its body."""

    first: str
    lines: tuple[tuple[str, str], ...]
    body: str
    raw: bytes

    @classmethod
    def read(cls, raw: bytes) -> "Message":
        head, _, body = raw.decode("utf-8", "surrogateescape").partition(CRLF * 2)
        first, *lines = head.split(CRLF)
        fields = (line.partition(":") for line in lines)
        return cls(first, tuple((name.strip().lower(), value.strip()) for name, _, value in fields), body, raw)

    @property
    def status(self) -> int:
        """0 of a request."""
        return int(self.first.split()[1]) if self.first.startswith("SIP/") else 0

    @property
    def method(self) -> str:
        """That of the request, or of what it answers."""
        return self["cseq"].split()[-1]

    def __getitem__(self, name: str) -> str:
        return next((value for one, value in self.lines if one == name), "")

    def all(self, name: str) -> list[str]:
        return [value for one, value in self.lines if one == name]

    @property
    def tag(self) -> str:
        """That of To."""
        return self["to"].partition(";tag=")[2].partition(";")[0]


@dataclass
class Phone:
    """It speaks to the server on `server`."""

    server: int
    host: str = "127.0.0.1"
    sock: socket.socket = field(default_factory=lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))

    def __post_init__(self) -> None:
        self.sock.bind((self.host, 0))
        self.port = self.sock.getsockname()[1]

    def __enter__(self) -> "Phone":
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, message: str | bytes) -> None:
        raw = message if isinstance(message, bytes) else message.encode("utf-8", "surrogateescape")
        self.sock.sendto(raw, ("127.0.0.1", self.server))

    def get(self) -> Message:
        """The next message that comes."""
        ready, _, _ = select.select([self.sock], [], [], HANG)
        assert ready, "nothing came"
        return Message.read(self.sock.recv(65_536))

    def wait(self, status: int = 0, method: str = "") -> Message:
        """The next response of this status, or, without one, the next request of this method; what else comes is past.

        A final response of another status to a request of this method is a failure.
        """
        while True:
            message = self.get()
            if message.status == status and message.method == (method or message.method):
                return message
            if status and message.status >= 200 and message.method == (method or message.method):
                raise AssertionError(f"{message.first}, not {status}")

    def final(self) -> Message:
        """The next final response."""
        while (message := self.get()).status < 200:
            pass
        return message

    def what_comes(self, seconds: float = PAUSE) -> list[Message]:
        """All that comes within this time. A busy machine makes it less, never more."""
        came, until = [], time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if select.select([self.sock], [], [], left)[0]:
                came.append(Message.read(self.sock.recv(65_536)))
        return came

    def dialog(self, user: str = "agent") -> "Dialog":
        """The beginning of a new one."""
        return Dialog(self, user, f"probe-{os.getpid()}-{next(_numbers)}")

    def call(self, user: str = "agent", *fields: str, body: str | None = None) -> "Dialog":
        """One that is up: answered and confirmed."""
        dialog = self.dialog(user)
        self.send(dialog.invite(*fields, body=body))
        answered = dialog.answered(self.wait(200, "INVITE"))
        self.send(answered.ack())
        return answered


@dataclass(frozen=True)
class Dialog:
    """A call as its caller sees it."""

    phone: Phone
    user: str
    id: str
    tag: str = ""
    """Theirs."""
    number: int = 1
    answer: Message | None = None

    def answered(self, answer: Message) -> "Dialog":
        return replace(self, tag=answer.tag, answer=answer)

    def request(
        self, method: str, number: int, *fields: str, body: str = "", kind: str = "application/sdp", branch: str = ""
    ) -> str:
        """Its text; `number` is that of CSeq."""
        phone = self.phone
        to = f"<sip:{self.user}@127.0.0.1:{phone.server}>" + (f";tag={self.tag}" if self.tag else "")
        lines = [
            f"{method} sip:{self.user}@127.0.0.1:{phone.server} SIP/2.0",
            f"Via: SIP/2.0/UDP {phone.host}:{phone.port};branch={branch or f'z9hG4bK{next(_numbers)}x{self.id}'};rport",
            "Max-Forwards: 70",
            f"From: <sip:probe@{phone.host}:{phone.port}>;tag=f{self.id}",
            f"To: {to}",
            f"Call-ID: {self.id}",
            f"CSeq: {number} {method}",
            f"Contact: <sip:probe@{phone.host}:{phone.port}>",
            *fields,
            *((f"Content-Type: {kind}",) if body else ()),
            f"Content-Length: {len(body.encode())}",
        ]
        return CRLF.join([*lines, "", body])

    def invite(self, *fields: str, body: str | None = None, number: int = 1, branch: str = "", **more: str) -> str:
        text = sdp() if body is None else body
        return self.request("INVITE", number, *fields, body=text, branch=branch, **more)

    def ack(self, *fields: str, number: int = 1, body: str = "") -> str:
        """To a 2xx."""
        return self.request("ACK", number, *fields, body=body)

    def bye(self, number: int = 90) -> None:
        """Hang up, and be told so."""
        self.phone.send(self.request("BYE", number))
        self.phone.wait(200, "BYE")


def acknowledged(invite: str, response: Message) -> str:
    """The ACK to a final response that is no 2xx: of the transaction of `invite` (RFC 3261 §17.1.1.3)."""
    head = invite.partition(CRLF * 2)[0].replace("INVITE", "ACK")
    lines = [line for line in head.split(CRLF) if not line.startswith(("Content-", "Contact", "To:"))]
    return CRLF.join([*lines, f"To: {response['to']}", "Content-Length: 0", "", ""])


def cancel(invite: str) -> str:
    """The CANCEL of `invite` (RFC 3261 §9.1)."""
    head = invite.partition(CRLF * 2)[0].replace("INVITE", "CANCEL")
    lines = [line for line in head.split(CRLF) if not line.startswith(("Content-", "Contact"))]
    return CRLF.join([*lines, "Content-Length: 0", "", ""])
