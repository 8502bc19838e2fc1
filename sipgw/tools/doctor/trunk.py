"""Examines one trunk from its name to the sound of a call. The failure of a required step ends the examination."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sipgw.config.config import GatewayConfig
from sipgw.config.trunks import TrunkOptions
from sipgw.sip.dialog import Peer, peer_of
from sipgw.sip.message import Response
from sipgw.sip.sdp import Sdp, SdpError
from sipgw.tools.doctor import calling, certificates, echoes, reaching, registering, resolving
from sipgw.tools.doctor.doctor_endpoint import DoctorEndpoint, DoctorTimeouts, SipExchange, connects
from sipgw.tools.doctor.finding import Finding, bad, good

MOST_BACKUPS = 3
"""Maximum number of backup servers that are asked."""


class TransportPath(NamedTuple):
    """The address by which a trunk is reached, and the option that names it."""

    hop: Peer
    """The address to which requests are sent."""
    key: str
    """The option that names this address."""


async def examine(
    endpoint: DoctorEndpoint, config: GatewayConfig, trunk: TrunkOptions, number: str, patience: DoctorTimeouts
) -> AsyncIterator[Finding]:
    """Examine `trunk` step by step, and give each finding as soon as it is made. Call `number` if it is not empty."""
    key = "outbound_proxy" if trunk.outbound_proxy else "domain" if trunk.domain else "registrar"
    target = trunk.domain_uri
    if target is None:
        yield good("trunk.inbound", trunk.name, f"only takes calls from {', '.join(trunk.networks)}; nothing to ask")
        return
    peer = peer_of(trunk.proxy_uri or target)
    hops, finding = await resolving.resolve(peer, trunk.name, key, config.sip, patience)
    yield finding
    if not hops:
        return
    hop, others = await _standing(endpoint, trunk, hops, patience)
    yield await reaching.transports(hop, trunk.name, patience)
    async for finding in _way(hop, trunk, key, config, patience):
        yield finding
        if finding.verdict == "fail":
            return
    silent = False
    async for finding in _answers(endpoint, config, trunk, TransportPath(hop, key), number, patience):
        yield finding
        silent = silent or finding.id in ("options.silent", "reach.filtered", "reach.udp-silent")
    if silent:  # other servers asked in the same way would not answer either
        return
    known = {hop, *(one for one, _ in others)}
    for one in [one for one in hops if one not in known][: MOST_BACKUPS - len(others)]:
        others.append((one, await _options(endpoint, trunk, one, patience)))
    if backups := reaching.backups(others, trunk.name):
        yield backups


async def _standing(
    endpoint: DoctorEndpoint, trunk: TrunkOptions, hops: Sequence[Peer], patience: DoctorTimeouts
) -> tuple[Peer, list[tuple[Peer, SipExchange]]]:
    """The first one of `hops` that answers, to which calls would go, or else the first; and the silent ones before
    it."""
    asked: list[tuple[Peer, SipExchange]] = []
    for hop in hops[: MOST_BACKUPS + 1] if len(hops) > 1 else ():
        if hop.transport == "udp":
            exchange = await _options(endpoint, trunk, hop, patience)
            if exchange.response:
                return hop, asked
            asked.append((hop, exchange))
        elif not await connects(hop.host, hop.port, patience.answer):
            return hop, asked
    return hops[0], []


async def _way(
    hop: Peer, trunk: TrunkOptions, key: str, config: GatewayConfig, patience: DoctorTimeouts
) -> AsyncIterator[Finding]:
    """Findings on the connection to `hop`; none over UDP, which has no connection."""
    if hop.transport in ("tcp", "tls"):
        yield await reaching.connect(hop, trunk.name, key, patience)
    if hop.transport == "tls":
        yield await certificates.examine(hop, trunk.name, key, config.sip.tls, patience)


async def _answers(
    endpoint: DoctorEndpoint,
    config: GatewayConfig,
    trunk: TrunkOptions,
    way: TransportPath,
    number: str,
    patience: DoctorTimeouts,
) -> AsyncIterator[Finding]:
    """Findings on the other side's answers to OPTIONS, REGISTER and a call."""
    exchange = await _options(endpoint, trunk, way.hop, patience)
    for finding in _of_options(exchange, way.hop, config, trunk):
        yield finding
    answered = exchange.response is not None or bool(exchange.strays)
    if trunk.mode == "register":
        assert trunk.registrar_uri is not None  # noqa: S101  the options looked
        elsewhere = way.key == "domain"  # calls go to one host, REGISTER to another
        at = peer_of(trunk.registrar_uri) if elsewhere else way.hop
        exchanges, found = await registering.register(endpoint, trunk, at, patience)
        if not answered:  # a server that does not answer OPTIONS may answer REGISTER
            found = [*_echoes(exchanges[0], config, trunk), *found]
        answered = answered or any(one.response or one.strays for one in exchanges)
        for finding in found if answered else ():
            yield finding
    if not answered:
        yield await reaching.of_silence(exchange, way.hop, trunk.name, way.key, patience)
    elif number:
        for finding in await calling.call(endpoint, trunk, number, config.media, patience):
            yield finding


async def _options(endpoint: DoctorEndpoint, trunk: TrunkOptions, peer: Peer, patience: DoctorTimeouts) -> SipExchange:
    assert trunk.domain_uri is not None  # noqa: S101  the caller looked
    route = ((("Route", f"<{trunk.proxy_uri};lr>"),) if trunk.proxy_uri else ()) + (("Accept", "application/sdp"),)
    return await endpoint.ask(
        endpoint.request("OPTIONS", trunk.domain_uri, trunk.user or "sipgw", route), peer, patience.answer
    )


def _of_options(exchange: SipExchange, hop: Peer, config: GatewayConfig, trunk: TrunkOptions) -> Iterator[Finding]:
    response, evidence = exchange.response, f"OPTIONS to {hop.transport} {hop.host}:{hop.port}: {exchange.shown}"
    if response is None:
        if exchange.strays:
            evidence = "answers come back, but for a branch that was never sent"
        elif trunk.mode == "register":
            yield bad("options.silent", trunk.name, evidence)
    elif response.status == 403:
        yield bad("options.forbidden", trunk.name, evidence)
    elif response.status in (503, 500):
        yield bad("options.down", trunk.name, evidence)
    else:
        software = response.headers.get("server") or response.headers.get("user-agent")
        yield good("options.ok", trunk.name, evidence + (f"; it is {software}" if software else ""))
        yield from _codecs(response, trunk.name)
    yield from _echoes(exchange, config, trunk)


def _codecs(response: Response, about: str) -> Iterator[Finding]:
    """A finding on the codecs of the other side, if its answer to OPTIONS has a session description (RFC 3261
    §11.2)."""
    try:
        media = [one for one in Sdp.parse(response.body).media if one.kind == "audio"] if response.body else []
    except SdpError:
        return
    spoken = list(dict.fromkeys(name for one in media for name, _ in one.encodings.values()))
    if not spoken:
        return
    evidence = f"OPTIONS: it takes {', '.join(spoken)}"
    if {"PCMU", "PCMA"} & set(spoken):
        yield good("options.codecs", about, evidence)
    else:
        yield bad("options.codec", about, evidence)


def _echoes(exchange: SipExchange, config: GatewayConfig, trunk: TrunkOptions) -> list[Finding]:
    fixed, listens = config.sip.public_address, trunk.mode == "peer"
    return list(echoes.read(exchange, trunk.name, fixed=fixed, listens=listens, clock=datetime.now(UTC)))
