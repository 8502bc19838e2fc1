"""Two user agents on a wire with a clock of its own: an hour of signalling takes milliseconds, every time the same."""

import heapq
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from types import MappingProxyType

from sipgw.sip import stun
from sipgw.sip.auth import Authenticator
from sipgw.sip.checks import Refusal
from sipgw.sip.client_transactions import PING, Located
from sipgw.sip.dialog import Peer
from sipgw.sip.digest import Credentials
from sipgw.sip.environment import Environment
from sipgw.sip.invite_server import InviteServer
from sipgw.sip.message import Request, Response
from sipgw.sip.output import RegisterReceived, Resolve, Unjudged
from sipgw.sip.parse import ParseError, parse_message
from sipgw.sip.registrar import Register, no_registrar
from sipgw.sip.uri import Uri
from sipgw.sip.user_agent import IncomingCall, UserAgent

DELAY = 0.010
OFFER = b"v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
ANSWER = OFFER.replace(b"10.0.0.1", b"10.0.0.2")


@dataclass
class Party:
    """A user agent and what it was told."""

    host: str
    agent: UserAgent = field(init=False)
    calls: list[InviteServer] = field(default_factory=list)
    on_call: Callable[[InviteServer, float], None] = lambda call, now: None
    admit: Callable[[Request, Peer], Refusal | None] = lambda request, peer: None
    register: Register = no_registrar
    locate: Callable[[Peer, Located, float], None] = lambda peer, located, now: located((peer.completed,), now)

    @property
    def peer(self) -> Peer:
        return Peer("udp", self.host, 5060)

    def handle(self, now: float) -> None:
        """Take the events of the agent, as the endpoint does."""
        while (event := self.agent.next_event()) is not None:
            match event:
                case Resolve(number, peer):
                    self.locate(peer, partial(self.agent.resolved, number), now)
                case Unjudged(request, source):
                    self.agent.judged(event, self.admit(request, source), now)
                case RegisterReceived(request, source):
                    self.agent.respond_register(event, self.register(request, source, now), now)
                case IncomingCall(call):
                    self.calls.append(call)
                    self.on_call(call, now)


def has_registered(agent: UserAgent, credentials: Credentials, realm: str, host: str) -> None:
    """Let `agent` have answered a challenge of the registrar at `host`."""
    auth = agent.clients.registrars[credentials, Uri("sip", host=host)] = Authenticator(credentials, lambda: "c")
    auth.challengers = frozenset({(realm, host)})


class Wire:
    """The network: delays, and on request loses and doubles."""

    def __init__(
        self,
        *hosts: str,
        seed: int = 1,
        lost: float = 0.0,
        doubled: float = 0.0,
        session: tuple[str, int] = ("", 0),
        registrars: Mapping[str, Register] = MappingProxyType({}),
    ) -> None:
        self.now = 1000.0
        self.pings: list[tuple[float, str]] = []
        self.trace: list[tuple[float, str, str, Request | Response]] = []
        self.stun: list[float] = []
        self.drop: Callable[[str, Request | Response], bool] = lambda source, message: False
        self.spoil: Callable[[bytes], bytes] = lambda data: data
        self._random = random.Random(seed)
        self._faults = (lost, doubled)
        self._flying: list[tuple[float, int, bytes, str, str]] = []
        self._order = count()
        self._tokens = count(1)
        self.parties = {
            host: self._party(host, session[1] if session[0] == host else 0, registrars.get(host, no_registrar))
            for host in hosts or ("10.0.0.1", "10.0.0.2")
        }

    def _party(self, host: str, session: int, register: Register) -> Party:
        party = Party(host, register=register)

        party.agent = UserAgent(
            Environment(
                lambda: f"t{next(self._tokens):05d}",
                self._random.random,
                lambda peer: (host, 5060),
                session_expires=session,
            )
        )
        return party

    def send(self, data: bytes | str, source: str = "10.0.0.1", target: str = "10.0.0.2") -> None:
        """Put raw bytes on the wire."""
        raw = data.replace("\n", "\r\n").encode() if isinstance(data, str) else data
        heapq.heappush(self._flying, (self.now + DELAY, next(self._order), raw, source, target))

    def collect(self) -> None:
        """Take what the agents want to send."""
        lost, doubled = self._faults
        for host, party in self.parties.items():
            party.handle(self.now)
            for packet in party.agent.to_send():
                if packet.data == PING:
                    self.pings.append((round(self.now - 1000, 3), host))
                    continue
                if stun.is_stun(packet.data):
                    self._asked(party, packet.data)
                    continue
                message = _read(packet.data)
                self.trace.append((round(self.now - 1000, 3), host, packet.peer.host, message))
                if self.drop(host, message) or self._random.random() < lost:
                    continue
                for _ in range(1 + (self._random.random() < doubled)):
                    jitter = DELAY * (1 + self._random.random()) if doubled or lost else DELAY
                    arrives = self.now + jitter
                    data = self.spoil(packet.data)
                    heapq.heappush(self._flying, (arrives, next(self._order), data, host, packet.peer.host))

    def sees(self, host: str) -> tuple[str, int] | None:
        """Where a STUN server sees `host`; None if it does not answer. A test may put another in its place."""

    def owner(self, address: str) -> str:
        """The party that has `address`. A test may put another in its place."""
        return address

    def _asked(self, party: Party, data: bytes) -> None:
        self.stun.append(round(self.now - 1000, 3))
        if (seen := self.sees(party.host)) is None:
            return
        agent, reply = party.agent, stun.binding_response(data, Peer("udp", *seen))
        server = Peer("udp", "10.0.0.5", 5060)
        agent.core.timers.at(self.now + DELAY, lambda at: stun.receive(agent.clients, reply, server, True, at))

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while True:
            self.collect()
            times = [party.agent.deadline for party in self.parties.values() if party.agent.deadline is not None]
            times += [self._flying[0][0]] if self._flying else []
            following = min(times, default=until + 1)
            if following > until:
                self.now = until
                return
            self.now = max(self.now, following)
            for party in self.parties.values():
                party.agent.handle_timer(self.now)
            while self._flying and self._flying[0][0] <= self.now:
                _, _, data, source, target = heapq.heappop(self._flying)
                target = self.owner(target)
                if target in self.parties:
                    self.parties[target].agent.receive(data, Peer("udp", source, 5060), self.now)

    def seen(self, source: str, what: str | int) -> list[float]:
        """When `source` sent requests of a method or responses of a status."""
        return [
            at
            for at, host, _, message in self.trace
            if host == source and what == (message.method if isinstance(message, Request) else message.status)
        ]

    def last(self, source: str, what: str | int) -> Request | Response:
        """The last such message."""
        return [
            message
            for _, host, _, message in self.trace
            if host == source and what == (message.method if isinstance(message, Request) else message.status)
        ][-1]


INVITE = """INVITE sip:agent@10.0.0.2 SIP/2.0
Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKinv{call_id};rport
From: <sip:me@10.0.0.1>;tag=far
To: <sip:agent@10.0.0.2>
Call-ID: {call_id}
CSeq: 1 INVITE
Contact: <sip:me@10.0.0.1:5060>
Max-Forwards: 70
Content-Length: 0

"""


def in_dialog(method: str, number: int, call_id: str, tag: str, body: str = "") -> str:
    return f"""{method} sip:agent@10.0.0.2 SIP/2.0
Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK{method}{number}{call_id};rport
From: <sip:me@10.0.0.1>;tag=far
To: <sip:agent@10.0.0.2>;tag={tag}
Call-ID: {call_id}
CSeq: {number} {method}
Max-Forwards: 70
Event: refer
Content-Type: message/sipfrag
Content-Length: {len(body)}

{body}"""


def _read(data: bytes) -> Request | Response:
    """For the trace; an answer that had to echo something unreadable counts as its status alone."""
    try:
        return parse_message(data)
    except ParseError:
        version, status, reason = data.partition(b"\r\n")[0].decode().split(" ", 2)
        assert version == "SIP/2.0"
        return Response(int(status), reason)
