"""Addresses of host names, from the DNS by `dnspython`, whose cache keeps answers for their time to live."""

import asyncio
import contextlib
import random
import socket
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.resolver
import structlog

from sipgw.sip.boundaries import contained
from sipgw.sip.client_transactions import Located
from sipgw.sip.dialog import DEFAULT_PORT, Peer
from sipgw.sip.locate import DnsQuestion, Naptr, Records, Srv, locate
from sipgw.sip.uri import is_address, parse_host_port

log = structlog.get_logger()

LOOKUP_LIMIT = 5.0
"""Seconds that a lookup may take, with all its questions."""
QUESTION_LIMIT = 2.0
"""Seconds that one question may take, with its repetitions; some routers never answer questions for NAPTR."""
TRY_LIMIT = 1.0
"""Seconds until a question is asked of the next DNS server."""
MAX_NAMES = 1000
"""Answers that are kept, and names whose last addresses are remembered for when the DNS is down."""
TROUBLE_KEPT = 60.0
"""Seconds that addresses are used without asking, after a lookup in which some question was not answered."""
MAX_LOOKUPS = 100
"""Names that are looked up at the same time; for a further one its last addresses are used, if it has some."""
MAX_SYSTEM = 32
"""Questions that the system has not answered yet, even if no call waits for them any more. Each has a thread."""
MAX_WAITING = 1000
"""Requests that wait for one name; a further one gets its last addresses, if it has some."""

SERVERS_OF_THE_SYSTEM = Path("/etc/resolv.conf")
"""The file that names the DNS servers of this machine; they change with the uplink."""

FAULTS = (dns.exception.DNSException, OSError, UnicodeError, EOFError)
After = Callable[..., None]


class _Known(NamedTuple):
    hops: tuple[Peer, ...]
    until: float
    """Until when nothing is asked. Mostly 0, because `dnspython` itself keeps answers for their time to live."""


class Resolver:
    """The addresses of host names. `speaks` tells whether there is a socket for an address."""

    def __init__(
        self,
        servers: tuple[str, ...],
        speaks: Callable[[str], bool],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        after: After,
    ) -> None:
        self._servers = servers
        self._written = _written()
        self._resolver = _resolver(servers)
        self._speaks = speaks
        self._spawn = spawn
        self._after = after
        self.counts: Counter[str] = Counter()
        """How many lookups were refused because too many were running, and how many names were forgotten."""
        self._media = 0
        self._system = set[Future[Any]]()
        """Questions to the system; one that nobody waits for any more still occupies its thread."""
        self._waiting: dict[Peer, list[Located]] = {}
        self._known: dict[Peer, _Known] = {}

    def locate(self, peer: Peer, located: Located, now: float) -> None:
        """Find the addresses of `peer` in the order in which they are to be tried; at once if it is an address."""
        if peer.transport and peer.transport not in DEFAULT_PORT:
            located((), now)
        elif is_address(peer.host):
            located((peer.completed,), now)
        elif (known := self._known.get(peer)) and asyncio.get_running_loop().time() < known.until:
            located(known.hops, now)
        elif (waiting := self._waiting.get(peer)) is not None and len(waiting) < MAX_WAITING:
            waiting.append(located)
        elif waiting is None and len(self._waiting) < MAX_LOOKUPS:
            self._waiting[peer] = [located]
            self._spawn(self._find_and_tell(peer))
        else:
            self.counts["lookup refused"] += 1
            located(known.hops if known else (), now)  # names that callers choose must not cut off our trunks

    async def find(self, peer: Peer) -> tuple[Peer, ...]:
        """The addresses of `peer`; empty if there is none, which is logged."""
        found: asyncio.Future[tuple[Peer, ...]] = asyncio.get_running_loop().create_future()
        self.locate(peer, lambda hops, now: None if found.done() else found.set_result(hops), 0.0)
        return await found

    async def addresses(self, host: str, version: int) -> tuple[str, ...]:
        """The IPv4 or IPv6 addresses of `host`, a name in a session description; empty if there is none.

        Callers choose these names. So only the DNS is asked, for `QUESTION_LIMIT` at most, and nothing is logged.
        """
        if self._media >= MAX_LOOKUPS:
            self.counts["lookup refused"] += 1
            return ()
        self._media += 1
        try:
            found = await self._of_the_dns(DnsQuestion(host, "A" if version == 4 else "AAAA"))
        except FAULTS:
            return ()
        finally:
            self._media -= 1
        return tuple(map(str, found))

    async def _find_and_tell(self, peer: Peer) -> None:
        hops: tuple[Peer, ...] = ()
        try:
            hops = await self._look_up(peer)
        finally:
            for located in self._waiting.pop(peer):
                with contained("addresses not taken"):
                    self._after(located, hops)

    async def _look_up(self, peer: Peer) -> tuple[Peer, ...]:
        troubles: list[str] = []
        try:
            async with asyncio.timeout(LOOKUP_LIMIT):
                hops = await self._ask_all(peer, troubles)
        except TimeoutError:
            hops = ()
            troubles.append("timeout")
        if not hops:
            log.warning("name not found", host=peer.host, transport=peer.transport, cause="; ".join(troubles)[:200])
        if not hops and troubles and peer in self._known:
            hops = self._known[peer].hops  # the last known addresses, because the DNS is down
        self._known.pop(peer, None)
        if hops:
            if len(self._known) >= MAX_NAMES:
                self.counts["name forgotten"] += 1
                del self._known[next(iter(self._known))]
            until = asyncio.get_running_loop().time() + TROUBLE_KEPT if troubles else 0.0
            self._known[peer] = _Known(hops, until)
        return hops

    async def _ask_all(self, peer: Peer, troubles: list[str]) -> tuple[Peer, ...]:
        kinds = [kind for kind, example in (("A", "192.0.2.1"), ("AAAA", "2001:db8::1")) if self._speaks(example)]
        steps = locate(peer, kinds, random.random)
        questions = next(steps)
        while True:
            async with asyncio.TaskGroup() as group:
                asked = {question: group.create_task(self.ask(question, troubles)) for question in questions}
            try:
                questions = steps.send({question: task.result() for question, task in asked.items()})
            except StopIteration as end:
                hops: tuple[Peer, ...] = end.value
                return hops

    async def ask(self, question: DnsQuestion, troubles: list[str]) -> Records:
        """The records that answer `question`; its errors are added to `troubles`."""
        if "." in question.name.strip("."):
            try:
                return await self._of_the_dns(question)
            except dns.resolver.NXDOMAIN:
                pass
            except FAULTS as error:
                troubles.append(str(error))
        return await self._of_the_system(question) if question.kind in ("A", "AAAA") else ()

    async def _of_the_dns(self, question: DnsQuestion) -> list[Any]:
        if not self._servers and (written := _written()) not in (0, self._written):
            self._written, self._resolver = written, _resolver(())
        answer = await self._resolver.resolve(question.name, question.kind, raise_on_no_answer=False)
        return [_record(data) for data in answer.rrset or ()]

    async def _of_the_system(self, question: DnsQuestion) -> list[str]:
        """Ask the system, which also reads ``/etc/hosts``, e.g. for ``localhost``."""
        self._system = {one for one in self._system if not one.done()}
        if len(self._system) >= MAX_SYSTEM:
            self.counts["lookup refused"] += 1
            return []
        asked = _asked(question.name, socket.AF_INET if question.kind == "A" else socket.AF_INET6)
        self._system.add(asked)
        try:
            found = await asyncio.shield(asyncio.wrap_future(asked))
        except (OSError, UnicodeError):  # UnicodeError: a label of no or of more than 63 letters
            return []
        return [str(place[4][0]) for place in found]


def _asked(name: str, family: int) -> Future[list[Any]]:
    """The system's answer, for which a thread waits. The thread cannot be stopped and may take 10 s or more. It is a
    daemon, so the process ends without it."""
    asked: Future[list[Any]] = Future()
    asked.set_running_or_notify_cancel()

    def ask() -> None:
        try:
            asked.set_result(socket.getaddrinfo(name, None, family=family, type=socket.SOCK_DGRAM))
        except Exception as error:  # noqa: BLE001  it is raised where it was asked for
            asked.set_exception(error)

    threading.Thread(target=ask, name="name of the system", daemon=True).start()
    return asked


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


def _written() -> int:
    """When `SERVERS_OF_THE_SYSTEM` was written, in nanoseconds since 1970; 0 if there is none."""
    with contextlib.suppress(OSError):
        return SERVERS_OF_THE_SYSTEM.stat().st_mtime_ns
    return 0


def _resolver(servers: tuple[str, ...]) -> dns.asyncresolver.Resolver:
    try:
        resolver = dns.asyncresolver.Resolver(str(SERVERS_OF_THE_SYSTEM), configure=not servers)
    except dns.resolver.NoResolverConfiguration:  # then only ``/etc/hosts`` is left
        resolver = dns.asyncresolver.Resolver(configure=False)
    if servers:
        places = [parse_host_port(server) for server in servers]
        resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port or 53) for host, port in places]
    resolver.cache = dns.resolver.LRUCache(MAX_NAMES)
    resolver.timeout, resolver.lifetime = TRY_LIMIT, QUESTION_LIMIT
    return resolver
