"""Checks whether the host name of a trunk resolves to addresses (RFC 3263)."""

import asyncio
import ipaddress
import random
from collections.abc import Mapping

from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.locate import DnsQuestion, Naptr, Records, Srv, locate
from sipgw.sip.resolver import Resolver
from sipgw.sip.uri import is_address
from sipgw.tools.doctor.doctor_endpoint import DoctorTimeouts
from sipgw.tools.doctor.finding import Finding, bad, good


async def resolve(
    target: Peer, about: str, key: str, options: EndpointOptions, patience: DoctorTimeouts
) -> tuple[tuple[Peer, ...], Finding]:
    """The addresses of `target` that can be used, best first, and the finding. `key` is the option that has the
    name."""
    if is_address(target.host):
        return _of_our_family((target.completed,), about, options, f"{target.host} is an address")
    answers, troubles, found = await _ask(target, options, patience)
    shown = "; ".join(_shown(question, records) for question, records in answers.items() if records)
    if found:
        return _of_our_family(found, about, options, shown)
    services = [record for records in answers.values() for record in records if isinstance(record, Srv)]
    evidence = f"{target.host}: {shown or 'no NAPTR, SRV, A or AAAA record'}"
    if any(not service.target for service in services):
        return (), bad("resolve.no-service", about, evidence, key=key)
    if services:
        return (), bad("resolve.dangling", about, evidence, key=key)
    if troubles:
        return (), bad("resolve.dns-silent", about, f"{target.host}: {troubles[0]}")
    return (), bad("resolve.no-name", about, evidence, key=key)


async def _ask(
    target: Peer, options: EndpointOptions, patience: DoctorTimeouts
) -> tuple[Mapping[DnsQuestion, Records], list[str], tuple[Peer, ...]]:
    resolver = Resolver(options.dns, lambda address: True, lambda work: work.close(), lambda *_: None)
    troubles: list[str] = []
    answers: dict[DnsQuestion, Records] = {}
    steps = locate(target, ("A", "AAAA"), random.random)
    questions = next(steps)
    try:
        async with asyncio.timeout(patience.answer):
            while True:
                for question in questions:
                    answers[question] = await resolver.ask(question, troubles)
                questions = steps.send({question: answers[question] for question in questions})
    except StopIteration as end:
        return answers, troubles, end.value
    except TimeoutError:
        return answers, [*troubles, "timeout"], ()


def _of_our_family(
    hops: tuple[Peer, ...], about: str, options: EndpointOptions, shown: str
) -> tuple[tuple[Peer, ...], Finding]:
    ours = {4, 6} if options.host == "::" else {ipaddress.ip_address(options.host).version}
    usable = tuple(hop for hop in hops if ipaddress.ip_address(hop.host).version in ours)
    if not usable:
        places = ", ".join(hop.host for hop in hops)
        return (), bad("resolve.family", about, f"the gateway listens on {options.host}; the trunk is at {places}")
    first = usable[0]
    places = ", ".join(dict.fromkeys(f"{hop.transport} {hop.host}:{hop.port}" for hop in usable))
    return usable, good("resolve.ok", about, f"{shown}; tried in this order: {places}" if first.name else places)


def _shown(question: DnsQuestion, records: Records) -> str:
    texts = []
    for record in records:
        match record:
            case Naptr():
                texts.append(f"{record.service} {record.replacement}")
            case Srv():
                texts.append(f"{record.target or '.'}:{record.port} (priority {record.priority})")
            case _:
                texts.append(str(record))
    return f"{question.kind} {question.name} = {', '.join(texts)}"
