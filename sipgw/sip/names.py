"""Host names of peers: asked of the DNS by `dnspython`, whose cache keeps answers for their time to live."""

import asyncio
import random
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.resolver
import structlog

from sipgw.sip.dialog import DEFAULT_PORT, Peer
from sipgw.sip.locate import Naptr, Question, Records, Srv, locate
from sipgw.sip.surroundings import Located, as_it_stands
from sipgw.sip.uri import is_address, parse_host_port

log = structlog.get_logger()

LOOKUP_LIMIT = 4.0
"""Seconds that one question may take, with its repetitions."""
TRY_LIMIT = 1.0
"""Seconds until a question is asked of the next DNS server."""
MAX_NAMES = 1000
"""Answers that are kept, and names whose last addresses are remembered for when the DNS is down."""
MAX_LOOKUPS = 100
"""Names that are looked up at the same time."""
MAX_WAITING = 1000
"""Requests that wait for one name; more are told that it has no address."""

FAULTS = (dns.exception.DNSException, OSError, UnicodeError, EOFError)
After = Callable[..., None]


class Names:
    """The addresses of host names. `speaks` tells whether there is a socket for an address."""

    def __init__(
        self,
        servers: tuple[str, ...],
        speaks: Callable[[str], bool],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        after: After,
    ) -> None:
        self._resolver = _resolver(servers)
        self._speaks = speaks
        self._spawn = spawn
        self._after = after
        self._waiting: dict[Peer, list[Located]] = {}
        self._last: dict[Peer, tuple[Peer, ...]] = {}

    def locate(self, peer: Peer, located: Located, now: float) -> None:
        """Find the addresses of `peer` in the order in which they are to be tried; at once if it is an address."""
        if peer.transport and peer.transport not in DEFAULT_PORT:
            located((), now)
        elif is_address(peer.host):
            as_it_stands(peer, located, now)
        elif (waiting := self._waiting.get(peer)) is not None and len(waiting) < MAX_WAITING:
            waiting.append(located)
        elif waiting is None and len(self._waiting) < MAX_LOOKUPS:
            self._waiting[peer] = [located]
            self._spawn(self._find_and_tell(peer))
        else:
            located((), now)

    async def find(self, peer: Peer) -> tuple[Peer, ...]:
        """The addresses of `peer`; none if there is none, which is logged."""
        found: asyncio.Future[tuple[Peer, ...]] = asyncio.get_running_loop().create_future()
        self.locate(peer, lambda hops, now: None if found.done() else found.set_result(hops), 0.0)
        return await found

    async def _find_and_tell(self, peer: Peer) -> None:
        hops: tuple[Peer, ...] = ()
        try:
            hops = await self._look_up(peer)
        finally:
            for located in self._waiting.pop(peer):
                self._after(located, hops)

    async def _look_up(self, peer: Peer) -> tuple[Peer, ...]:
        kinds = [kind for kind, example in (("A", "192.0.2.1"), ("AAAA", "2001:db8::1")) if self._speaks(example)]
        steps = locate(peer, kinds, random.random)
        questions = next(steps)
        while True:
            async with asyncio.TaskGroup() as group:
                asked = {question: group.create_task(self._ask(question)) for question in questions}
            try:
                questions = steps.send({question: task.result() for question, task in asked.items()})
            except StopIteration as end:
                hops: tuple[Peer, ...] = end.value
                break
        if hops:
            if len(self._last) >= MAX_NAMES:
                self._last.clear()
            self._last[peer] = hops
            return hops
        log.warning("name not found", host=peer.host, transport=peer.transport)
        return self._last.get(peer, ())  # a name that led somewhere is not given up when the DNS is down

    async def _ask(self, question: Question) -> Records:
        asks_address = question.kind in ("A", "AAAA")
        records: Records = ()
        if "." in question.name.strip("."):
            try:
                answer = await self._resolver.resolve(question.name, question.kind, raise_on_no_answer=False)
                records = [_record(data) for data in answer.rrset or ()]
            except dns.resolver.NXDOMAIN:
                pass
            except FAULTS as error:
                log.debug("dns failed", name=question.name, kind=question.kind, cause=str(error))
        return records if records or not asks_address else await _of_the_system(question)


async def _of_the_system(question: Question) -> list[str]:
    """What the DNS does not know may stand in ``/etc/hosts``, as ``localhost`` does."""
    family = socket.AF_INET if question.kind == "A" else socket.AF_INET6
    try:
        async with asyncio.timeout(LOOKUP_LIMIT):
            found = await asyncio.get_running_loop().getaddrinfo(
                question.name, None, family=family, type=socket.SOCK_DGRAM
            )
    except (OSError, UnicodeError, TimeoutError):  # UnicodeError: a label of no or of more than 63 letters
        return []
    return [str(place[4][0]) for place in found]


def _record(data: Any) -> Any:
    kind = data.rdtype.name
    if kind == "NAPTR":
        flags, service = (text.decode("ascii", "replace") for text in (data.flags, data.service))
        return Naptr(data.order, data.preference, flags, service, _text(data.replacement))
    if kind == "SRV":
        return Srv(data.priority, data.weight, data.port, _text(data.target))
    return data.address


def _text(name: Any) -> str:
    return str(name.to_text(omit_final_dot=True)).lower().removesuffix(".")


def _resolver(servers: tuple[str, ...]) -> dns.asyncresolver.Resolver:
    try:
        resolver = dns.asyncresolver.Resolver(configure=not servers)
    except dns.resolver.NoResolverConfiguration:  # then ``/etc/hosts`` is all there is
        resolver = dns.asyncresolver.Resolver(configure=False)
    if servers:
        places = [parse_host_port(server) for server in servers]
        resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port or 53) for host, port in places]
    resolver.cache = dns.resolver.LRUCache(MAX_NAMES)
    resolver.timeout, resolver.lifetime = TRY_LIMIT, LOOKUP_LIMIT
    return resolver
