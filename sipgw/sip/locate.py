"""Locating SIP servers (RFC 3263): which addresses a name has, and in which order they are tried. Sans-IO.

`locate` is a generator: it yields its questions for the DNS, is sent the answers, and returns the addresses.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from sipgw.sip.dialog import DEFAULT_PORT, Peer

MAX_HOPS = 16
"""Addresses of one name that are used."""
SERVICE = {"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"}
NAPTR_SERVICE = {"SIP+D2U": "udp", "SIP+D2T": "tcp"}
"""NAPTR services for a ``sip:`` URI. TLS is not among them: with TLS a carrier expects other media, so it must be asked
for."""


class DnsQuestion(NamedTuple):
    """One question for the DNS; `kind` is NAPTR, SRV, A or AAAA."""

    name: str
    kind: str


class Naptr(NamedTuple):
    """A NAPTR record (RFC 3403)."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


class Srv(NamedTuple):
    """An SRV record (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: str


Records = Sequence[Naptr] | Sequence[Srv] | Sequence[str]
Answers = Mapping[DnsQuestion, Records]
Steps = Generator[list[DnsQuestion], Answers, tuple[Peer, ...]]


class _Server(NamedTuple):
    transport: str
    name: str
    port: int


def locate(target: Peer, kinds: Iterable[str], fraction: Callable[[], float]) -> Steps:
    """The addresses of `target`, whose host is a name. `kinds` are A, AAAA or both; `fraction` gives random numbers (0
    to 1)."""
    servers = yield from _servers(target, fraction)
    questions = list(dict.fromkeys(DnsQuestion(server.name, kind) for server in servers for kind in kinds))
    answers = yield questions
    hops = [
        Peer(server.transport, address, server.port, name=target.host.lower())
        for server in servers
        for kind in kinds
        # The addresses of one name share the load equally.
        for address in sorted(answers.get(DnsQuestion(server.name, kind), ()), key=lambda _: fraction())
        if isinstance(address, str)
    ]
    return tuple(dict.fromkeys(hops))[:MAX_HOPS]


def _servers(target: Peer, fraction: Callable[[], float]) -> Generator[list[DnsQuestion], Answers, list[_Server]]:
    name = target.host.lower()
    if target.port:
        return [_Server(target.transport or "udp", name, target.port)]
    transports = [target.transport] if target.transport else ["udp", "tcp"]
    services = [(transport, DnsQuestion(f"{SERVICE[transport]}.{name}", "SRV")) for transport in transports]
    naptr = DnsQuestion(name, "NAPTR")
    questions = [question for _, question in services]
    answers = yield (questions if target.transport else [naptr, *questions])
    preferred = _services(answers.get(naptr, ()))
    if preferred:
        services = preferred
        missing = [question for _, question in services if question not in answers]
        answers = {**answers, **((yield missing) if missing else {})}
    offered = [(transport, answers.get(question, ())) for transport, question in services]
    servers = [
        _Server(transport, record.target, record.port)
        for transport, records in offered
        for record in order([record for record in records if isinstance(record, Srv)], fraction)
        if record.target
    ]
    if servers or any(records for _, records in offered):  # a lone "." says that there is no such service
        return servers
    transport = target.transport or "udp"
    return [_Server(transport, name, DEFAULT_PORT[transport])]


def _services(records: Records) -> list[tuple[str, DnsQuestion]]:
    """The services that we speak, best first."""
    usable = sorted(
        record
        for record in records
        if isinstance(record, Naptr) and record.flags.lower() == "s" and record.service.upper() in NAPTR_SERVICE
    )
    return [(NAPTR_SERVICE[record.service.upper()], DnsQuestion(record.replacement, "SRV")) for record in usable]


def order(records: Sequence[Srv], fraction: Callable[[], float]) -> list[Srv]:
    """`records` by priority. Those of equal priority are in random order; a greater weight comes first more often (RFC
    2782)."""
    ordered = []
    for _, group in groupby(sorted(records), key=lambda record: record.priority):
        left = sorted(group, key=lambda record: (record.weight > 0, fraction()))  # those without weight come first
        while left:
            at = fraction() * sum(record.weight for record in left)
            chosen = next((record for record in left if (at := at - record.weight) <= 0), left[-1])
            left.remove(chosen)
            ordered.append(chosen)
    return ordered
