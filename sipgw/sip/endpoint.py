"""The SIP endpoint: sockets, the clock and one timer around the sans-IO `UserAgent`."""

import asyncio
import contextlib
import ipaddress
import random
import secrets
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Self

import structlog

from sipgw.sip.checks import Refusal
from sipgw.sip.client import InviteClient
from sipgw.sip.dialog import Peer
from sipgw.sip.digest import Credentials
from sipgw.sip.leg import Confirmed, Ended, Leg
from sipgw.sip.message import Request
from sipgw.sip.registration import Registration, RegistrationOptions, RegistrationState
from sipgw.sip.server import InviteServer
from sipgw.sip.streams import Streams
from sipgw.sip.surroundings import Surroundings
from sipgw.sip.uri import Uri
from sipgw.sip.user_agent import UserAgent

log = structlog.get_logger()

UNREGISTER_LIMIT = 2.0
"""Seconds that closing waits for registrars."""
NAMES_KEPT = 60.0
"""Seconds that a resolved name is used."""


class EndpointError(Exception):
    """The endpoint cannot listen; the message is one line that says what to do."""


class CallFailed(Exception):  # noqa: N818  an outcome, not a fault of ours
    """A call that we made was not answered."""

    def __init__(self, ended: Ended) -> None:
        super().__init__(str(ended))
        self.ended = ended


@dataclass(frozen=True)
class EndpointOptions:
    """Where SIP is spoken."""

    host: str = "0.0.0.0"
    """Local address to listen on."""
    port: int = 5060
    """UDP and TCP port; 0 lets the system choose."""
    tcp: bool = True
    """Whether to listen on TCP too."""
    public_address: str = ""
    """The IP address that the other sides send to; empty: the local address that leads to each of them."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError("port must be from 0 to 65535")
        for name in ("host", "public_address"):
            if value := getattr(self, name):
                try:
                    ipaddress.ip_address(value)
                except ValueError:
                    raise ValueError(f"{name} must be an IP address, not {value!r}") from None


Admit = Callable[[Request, Peer], Refusal | None]
DROP = Refusal(0)
"""Turn away without an answer."""


class Endpoint:
    """One SIP user agent on the network. Use it as an async context manager."""

    def __init__(self, options: EndpointOptions, on_invite: Callable[[Leg], None], admit: Admit) -> None:
        self.options = options
        self.port = options.port
        self._on_invite = on_invite
        world = Surroundings(lambda: secrets.token_hex(10), random.random, self._address, admit, self._incoming)
        self.agent = UserAgent(world)
        self._streams = Streams(lambda message, peer: self._after(self.agent.receive_message, message, peer))
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._group = asyncio.TaskGroup()
        self._names: dict[str, tuple[str, float]] = {}
        self._registrations: list[Registration] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        host = self.options.host
        try:
            self._udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), (host, self.options.port))
            self.port = self._udp.get_extra_info("sockname")[1]
            if self.options.tcp:
                self._tcp = await loop.create_server(self._streams.accept, host, self.port)
        except OSError as error:
            if self._udp:
                self._udp.close()
            cause = error.strerror or str(error)
            raise EndpointError(
                f"cannot listen on {host} port {self.options.port}: {cause}; stop the other program or set [sip] port"
            ) from None
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._unregister()
        self._flush()
        if self._tcp:
            self._tcp.close()
        self._streams.close()
        await self._group.__aexit__(None, None, None)  # the body's own error stays what it is
        if self._timer:
            self._timer.cancel()
        if self._udp:
            self._udp.close()

    def contact_host(self, peer: Peer) -> str:
        """The IP address under which `peer` can reach us."""
        return self._address(peer)[0]

    async def invite(
        self,
        target: Uri,
        from_: str,
        offer: bytes,
        *,
        credentials: Credentials | None = None,
        proxy: Uri | None = None,
        ring_timeout: float = 60.0,
    ) -> tuple[Leg, bytes | None]:
        """Call `target`; returns the leg and the answer. Raises `CallFailed`; cancelling it cancels the call."""
        usage = InviteClient.to(
            self.agent, target, from_, offer, proxy=proxy, credentials=credentials, ring_timeout=ring_timeout
        )
        leg = self._leg(usage, Peer(target.transport, target.host, target.port or 5060))
        self._after(usage.start)
        try:
            async for event in leg.events():
                if isinstance(event, Confirmed):
                    return leg, event.sdp
                if isinstance(event, Ended):
                    raise CallFailed(event)
        except BaseException:
            leg.hangup()
            raise
        raise CallFailed(Ended("gateway", "cancelled"))

    def register(self, options: RegistrationOptions) -> Registration:
        """Register, and stay registered until the endpoint closes."""
        registration = Registration(self.agent, options)
        self._registrations.append(registration)
        self._after(registration.register)
        return registration

    async def _unregister(self) -> None:
        done = asyncio.Event()

        def check() -> None:
            if all(one.state is RegistrationState.CLOSED and one.reason != "closing" for one in self._registrations):
                done.set()

        for one in self._registrations:
            one.reason = "closing"
            one.changed = check
            self._after(one.close)
        check()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(UNREGISTER_LIMIT):
                await done.wait()

    # Around the core

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _after(self, action: Callable[..., None], *args: Any) -> None:
        """Let the core do something, then send what it wants sent."""
        action(*args, self._now())
        self._flush()

    def _flush(self) -> None:
        for packet in self.agent.to_send():
            self._send(packet.data, packet.peer)
        if self._timer:
            self._timer.cancel()
        deadline = self.agent.deadline
        self._timer = None
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline, self._after, self.agent.handle_timer)

    def _incoming(self, usage: InviteServer, now: float) -> None:
        del now
        self._on_invite(self._leg(usage, usage.source))

    def _leg(self, usage: InviteServer | InviteClient, source: Peer) -> Leg:
        return Leg(usage, source, self._now, self._flush)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._group.create_task(work)

    def datagram(self, data: bytes, host: str, port: int) -> None:
        """Take a datagram; empty lines are keepalives of the other side's NAT binding."""
        if data.strip(b"\r\n\0"):
            self._after(self.agent.receive, data, Peer("udp", host, port))

    def _send(self, data: bytes, peer: Peer) -> None:
        if peer.transport not in ("udp", "tcp"):
            log.warning("sip transport not supported", transport=peer.transport, peer=peer.host)
            return
        try:
            ipaddress.ip_address(peer.host)
        except ValueError:
            known = self._names.get(peer.host)
            if known is None or known[1] < self._now():
                self._spawn(self._resolve_and_send(data, peer))
                return
            peer = peer._replace(host=known[0])
        if peer.transport == "tcp":
            self._streams.send(data, peer, self._spawn)
        elif self._udp:
            self._udp.sendto(data, (peer.host, peer.port))

    async def _resolve_and_send(self, data: bytes, peer: Peer) -> None:
        try:
            async with asyncio.timeout(4):
                found = await asyncio.get_running_loop().getaddrinfo(peer.host, peer.port, family=socket.AF_INET)
        except (OSError, TimeoutError) as error:
            log.warning("name not found", host=peer.host, cause=str(error) or "timeout")
            return
        if len(self._names) > 1000:
            self._names.clear()
        self._names[peer.host] = (str(found[0][4][0]), self._now() + NAMES_KEPT)
        self._send(data, peer)

    def _address(self, peer: Peer) -> tuple[str, int]:
        if self.options.public_address:
            return self.options.public_address, self.port
        if not ipaddress.ip_address(self.options.host).is_unspecified:
            return self.options.host, self.port
        host = self._names.get(peer.host, (peer.host, 0.0))[0]
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((host, peer.port or 5060))  # nothing is sent: the kernel only looks up the route
            return probe.getsockname()[0], self.port
        return "127.0.0.1", self.port


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._endpoint.datagram(data, addr[0], addr[1])
