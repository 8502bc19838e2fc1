"""The SIP endpoint: sockets, the clock and one timer around the sans-IO `UserAgent`."""

import asyncio
import contextlib
import functools
import random
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Self

import structlog

from sipgw.sip import stun
from sipgw.sip.address_watch import AddressWatch
from sipgw.sip.boundaries import bounded, contained
from sipgw.sip.connecting import contenders
from sipgw.sip.connection import PING, StreamCallbacks
from sipgw.sip.connection_key import Needed
from sipgw.sip.dialog import Peer, peer_of
from sipgw.sip.digest import Credentials
from sipgw.sip.edge import by_origin, origin
from sipgw.sip.endpoint_callbacks import Admit, EndpointCallbacks, Screen, answering, guarded, taking
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.environment import Environment
from sipgw.sip.events import CallEvent, Confirmed, Ended, Offered, Phase
from sipgw.sip.handover import Inherited, Link, inherit
from sipgw.sip.invite_client import InviteClient
from sipgw.sip.invite_server import InviteServer
from sipgw.sip.leg import Leg
from sipgw.sip.message import Request, Response
from sipgw.sip.output import Packet, RegisterReceived, Resolve, Unjudged
from sipgw.sip.parse import MAX_DATAGRAM, ParseError, parsed
from sipgw.sip.probe import Probe, ProbeOptions
from sipgw.sip.registrar import Register, no_registrar
from sipgw.sip.registration import Registration, RegistrationOptions
from sipgw.sip.resolver import Resolver
from sipgw.sip.standalone_request import RequestOutcome, send_request
from sipgw.sip.tls import TlsError
from sipgw.sip.trace import Traced, Tracer, redacted
from sipgw.sip.transports import ListenError, Transports, cannot_listen
from sipgw.sip.uri import Uri, parse_host_port
from sipgw.sip.user_agent import AgentEvent, IncomingCall, UserAgent

log = structlog.get_logger()

CLOSING_LIMIT = 2.0
"""Seconds that closing waits for responses to the last requests: REGISTER with Expires 0, BYE."""


class EndpointError(Exception):
    """The endpoint cannot listen; the message is one line that says what to do."""


class CallFailed(Exception):  # noqa: N818  an outcome, not an error
    """A call that we made was not answered."""

    def __init__(self, ended: Ended) -> None:
        super().__init__(str(ended))
        self.ended = ended


Early = Callable[[Leg, CallEvent], None]
"""Takes the events of a call of ours before its answer: `Progress`, perhaps with early media, and `Offered`, which it
must answer."""


def no_change(leg: Leg, event: CallEvent) -> None:
    """Refuse each offer that comes before the answer."""
    if isinstance(event, Offered):
        leg.reject_offer(488)


class Endpoint:
    """One SIP user agent on the network. Use it as an async context manager.

    `on_invite` takes each new call and must not block: host names in its offer are for `Leg.find`. `admit` judges every
    request outside a dialog; `trace` takes every message, credentials masked. `screen` says whether messages from an
    address are read at all, and `known` whether places are kept for the address. `met` takes each address that we send
    a request to. `register` answers REGISTER requests, and `bound` gives the numbers of the connections that lead to
    registered phones at a time. `forbidden` is that of `Environment`.
    """

    def __init__(
        self,
        options: EndpointOptions,
        on_invite: Callable[[Leg], None],
        admit: Admit,
        trace: Tracer | None = None,
        *,
        screen: Screen = lambda host: True,
        met: Callable[[str], None] = lambda host: None,
        register: Register = no_registrar,
        known: Screen = lambda host: True,
        bound: Callable[[float], Iterable[int]] = lambda now: (),
        forbidden: Callable[[Uri, float], str] = lambda target, now: "",
    ) -> None:
        self.options = options
        callbacks = StreamCallbacks(
            self._streamed, self._unreachable, self._lost, self._spawn, screen, known, self._needed
        )
        self._transports = Transports(options, self.datagram, callbacks)
        admit = guarded(by_origin(admit, options.edge), self._transports.judged)
        self._callbacks = EndpointCallbacks(taking(on_invite), admit, trace, screen, met, answering(register), bound)
        self._resolver = Resolver(options.dns, self._transports.speaks, self._spawn, self._after)
        environment = Environment(
            lambda: secrets.token_hex(10),
            random.random,
            self._transports.address,
            self._transports.observed,
            int(options.session_expires),
            forbidden,
        )
        self.agent = UserAgent(environment)
        self._stun: stun.Stun | None = None
        if options.stun_server:
            host, port = parse_host_port(options.stun_server)
            server = Peer("udp", host, port or stun.PORT)
            self._stun = stun.Stun(self.agent.clients, server, self._moved)
        self._timer: asyncio.TimerHandle | None = None
        self._group = asyncio.TaskGroup()
        self._registrations: list[Registration] = []
        self._settled: asyncio.Event | None = None
        self._open = False
        self._older: Inherited | None = None

    async def __aenter__(self) -> Self:
        try:
            self._older = await inherit(self.options.take_over) if self.options.take_over else None
            await self._transports.open(self._older.sockets if self._older else None)
        except (TlsError, ListenError) as error:
            raise EndpointError(str(error)) from None
        except OSError as error:
            raise EndpointError(cannot_listen(self.options.host, self.options.port, error)) from None
        await self._group.__aenter__()
        self._open = True
        self._flush()  # packets of the time before the sockets were open
        if self._older:
            self._older.link.listen(self._transports.send)
        if self._stun:
            self._after(self._stun.ask)
        self._after(AddressWatch(self.agent.core, self._registrations, self._stun).look)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.unregister()
        await self._settle()
        self._open = False
        self._transports.stop_listening()
        await self._group.__aexit__(None, None, None)  # an error of the body is raised unchanged
        if self._timer:
            self._timer.cancel()
        await self._transports.close()

    async def _settle(self) -> None:
        """Wait up to `CLOSING_LIMIT` for responses to the last requests, e.g. to a BYE that was lost."""
        self._settled = asyncio.Event()
        self._flush()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSING_LIMIT):
                await self._settled.wait()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._transports.port("udp")

    @property
    def tls_port(self) -> int:
        """The port that is listened on for TLS."""
        return self._transports.port("tls")

    @property
    def counts(self) -> Counter[str]:
        """How many messages were dropped or refused, and connections refused, by cause."""
        failures = Counter({"failure forgotten": self.agent.clients.health.forgotten})
        return self.agent.counts + self._transports.counts + self._resolver.counts + failures

    def contact_host(self, peer: Peer) -> str:
        """The IP address under which `peer` can reach us."""
        return self._transports.address(peer)[0]

    def reaches(self, peer: Peer) -> bool:
        """Whether this machine has a route to the address of `peer`."""
        return self._transports.way(peer) is not None

    def reached(self, peer: Peer) -> bool:
        """Whether `peer` reaches every port of this machine, and not only those that a NAT has opened."""
        return self._transports.reached(peer)

    async def locate(self, target: Uri) -> tuple[Peer, ...]:
        """The addresses to which requests to `target` are sent, best first (RFC 3263); empty if there is none."""
        return await self._resolver.find(peer_of(target))

    async def invite(
        self,
        target: Uri,
        from_: str,
        *offers: bytes,
        credentials: Credentials | None = None,
        proxy: Uri | None = None,
        peer: Peer | None = None,
        ring_timeout: float = 60.0,
        fields: tuple[tuple[str, str], ...] = (),
        early: Early = no_change,
    ) -> tuple[Leg, bytes | None]:
        """Call `target`, at `peer` if that is given, with the headers `fields`; returns the leg and the answer.

        If the other side cannot accept one of the `offers`, the next is made: see `offer_answer.offers`.

        If another call takes the place of this one while it rings (`Leg.give_way`), the leg of that call is returned,
        which must still be answered. Raises `CallFailed`. Cancelling `invite` cancels the call.
        """
        usage = InviteClient.to(
            self.agent.core, target, from_, *offers,
            proxy=proxy, peer=peer, credentials=credentials, ring_timeout=ring_timeout, fields=fields,
        )  # fmt: skip
        leg = self._leg(usage, peer or peer_of(proxy or target))
        self._after(usage.start)
        try:
            async for event in leg.events():
                if isinstance(event, Confirmed):
                    leg.source = usage.dialog.source if usage.dialog else leg.source
                    return leg, leg.remote or None
                if isinstance(event, Ended):
                    raise CallFailed(event)
                if leg.successor is not None:
                    leg.hangup()
                    return leg.successor, None
                early(leg, event)
        except BaseException:
            for one in filter(None, (leg.successor, leg)):
                one.hangup()
            raise
        raise CallFailed(Ended("gateway", "cancelled"))

    async def ask(self, request: Request, peer: Peer, limit: float) -> RequestOutcome:
        """Send one request outside any dialog to `peer`, and wait `limit` seconds at most for its final response."""
        return await send_request(self.agent.clients, self._after, request, peer, limit)

    def register(self, options: RegistrationOptions) -> Registration:
        """Register, and stay registered until the endpoint closes."""
        registration = Registration(self.agent.clients, options)
        self._registrations.append(registration)
        self._after(registration.register)
        return registration

    def unregister(self, only: Registration | None = None) -> None:
        """Remove all registrations, or one, so that no calls are sent here any more."""
        for registration in [one for one in self._registrations if only in (None, one)]:
            self._registrations.remove(registration)
            self._after(registration.close)

    def probe(self, options: ProbeOptions) -> Probe:
        """Ask by OPTIONS whether the other side is there, again and again until the endpoint closes."""
        probe = Probe(self.agent.clients, options)
        self._after(probe.ask)
        return probe

    # Around the core

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _after(self, action: Callable[..., Any], *args: Any) -> Any:
        """Let the core act, then handle its events and send its packets; returns the result of `action`."""
        try:
            return action(*args, self._now())
        finally:
            self._flush()

    def _flush(self) -> None:
        if not self._open:
            return
        while (event := self.agent.next_event()) is not None:
            with contained("event not handled"):
                self._handle(event)
        for packet in self.agent.to_send():
            with contained("packet not sent"):
                self._send(packet)
        if self._settled is not None and not self.agent.waiting:
            self._settled.set()
        if self._timer:
            self._timer.cancel()
        deadline = self.agent.deadline
        self._timer = None
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline, self._after, self.agent.handle_timer)

    def _handle(self, event: AgentEvent) -> None:
        match event:
            case Resolve(number, peer):
                self._resolver.locate(peer, functools.partial(self._found, number), self._now())
            case Unjudged(request, source):
                self.agent.judged(event, self._callbacks.admit(request, source), self._now())
            case RegisterReceived(request, source):
                answer = self._callbacks.register(request, source, self._now())
                self.agent.respond_register(event, answer, self._now())
            case IncomingCall(call) if call.phase is not Phase.ENDED:
                leg = self._leg(call, origin(call.invite, call.source, self.options.edge))
                if leg.named and leg.replaces:  # it replaces a call that is counted already, so it can wait uncounted
                    self._spawn(self._find_and_take(leg))
                else:
                    self._callbacks.on_invite(leg)

    def _found(self, number: int, hops: tuple[Peer, ...], now: float) -> None:
        good = tuple(self.agent.clients.health.order(hops, now))  # else each call waits for a server that is down
        if contenders(good):
            self._spawn(self._race(number, good))
        else:
            self.agent.resolved(number, hops, now)

    async def _race(self, number: int, hops: tuple[Peer, ...]) -> None:
        self._after(self.agent.resolved, number, await self._transports.first(hops))

    def _send(self, packet: Packet) -> None:
        if not stun.is_stun(packet.data):
            self._watched("out", packet.peer, packet.data)
            if not packet.data.startswith(b"SIP/2.0 "):
                self._callbacks.met(packet.peer.host)
        self._transports.send(packet.data, packet.peer)

    async def _find_and_take(self, leg: Leg) -> None:
        await leg.find()
        if leg.phase is not Phase.ENDED:
            self._callbacks.on_invite(leg)

    def _leg(self, usage: InviteServer | InviteClient, source: Peer) -> Leg:
        return Leg(usage, source, self._after, self._resolver.addresses, self.agent.counts)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._group.create_task(bounded(work, None, "sip work failed"))

    def datagram(self, data: bytes, peer: Peer) -> None:
        """Take a datagram. Empty lines are keepalives of a NAT binding; a datagram that is too large is counted."""
        if len(data) > MAX_DATAGRAM:
            self.agent.counts["oversized"] += 1
        elif stun.is_stun(data):
            known = self._transports.callbacks.is_known(peer.host) and self._callbacks.screen(peer.host)
            self._after(stun.receive, self.agent.clients, data, peer, known)
        elif data.strip(b"\r\n\0") and self._callbacks.screen(peer.host):
            self._watched("in", peer, data)
            self._take(parsed(data), data, peer)

    def _take(self, message: Request | Response | ParseError, data: bytes, peer: Peer) -> None:
        """Give a message to its owner: an older process, or our core."""
        with contained("message not taken"):  # else asyncio closes a connection that many calls share
            if self._older and self._older.takes(message, self.agent):
                self._older.link.send(data, peer)
            else:
                self._after(self.agent.receive_message, message, peer)

    def hand_over(self, link: Link) -> None:
        """Give the sockets to the next process, which sends back messages of our calls; the calls go on."""
        while self._registrations:
            self._registrations.pop().leave()
        link.bequeath(self._transports.hand_over(link, self.agent.connections), self.agent.call_ids)
        link.listen(self._sent_back)

    def _sent_back(self, data: bytes, peer: Peer) -> None:
        # A number below zero is a connection of the next process: responses to it go over the link.
        self._take(parsed(data), data, peer._replace(connection=-peer.connection))

    def _streamed(self, message: Request | Response | ParseError, peer: Peer) -> None:
        if not isinstance(message, ParseError) and self.agent.knows(message):
            self._transports.judged(peer, welcome=True)  # a message inside a call is not judged by `admit`
        if self._callbacks.trace is not None and not isinstance(message, ParseError):
            self._watched("in", peer, message.to_bytes())
        self._take(message, b"" if isinstance(message, ParseError) else message.to_bytes(), peer)

    def _unreachable(self, peer: Peer, cause: str) -> None:
        asyncio.get_running_loop().call_soon(self._after, self.agent.unreachable, peer, cause)

    def _needed(self) -> Needed:
        numbers, places = self.agent.needed
        registered = (one.reached_over for one in self._registrations)
        return Needed(
            numbers.union(self._callbacks.bound(self._now())), places.union(peer[:3] for peer in registered if peer)
        )

    def _lost(self, peer: Peer) -> None:
        if self._open:
            self._after(self.agent.clients.lost, peer)
            for registration in self._registrations:
                with contained("registration not told"):
                    self._after(registration.lost, peer)

    def _moved(self, host: str, port: int, now: float) -> None:
        if self._transports.observed(None, host, port):
            log.info("public address", host=host, port=port)
            for registration in self._registrations:
                registration.moved(now)

    def _watched(self, direction: str, peer: Peer, data: bytes) -> None:
        if self._callbacks.trace is not None and data != PING:
            with contained("trace failed"):
                self._callbacks.trace(Traced(direction, peer, redacted(data), self._now()))
