"""One trunk from its name to the sound of a call. What a later step cannot do without ends the examination."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from sipgw.config import Config
from sipgw.doctor import calling, certificates, echoes, reaching, registering, resolving
from sipgw.doctor.asking import Asker, Exchange, Patience
from sipgw.doctor.finding import Finding, bad, good
from sipgw.sip.dialog import Peer, peer_of
from sipgw.trunks.trunks import TrunkOptions


class Way(NamedTuple):
    """How a trunk is reached."""

    peer: Peer
    """As the configuration names it."""
    hop: Peer
    """Its first address."""
    key: str
    """The option that names it."""


async def examine(
    asker: Asker, config: Config, trunk: TrunkOptions, number: str, patience: Patience
) -> AsyncIterator[Finding]:
    """Findings as they are made; `number` is called if it is not empty."""
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
    async for finding in _way(hops[0], trunk, key, config, patience):
        yield finding
        if finding.verdict == "fail":
            return
    async for finding in _answers(asker, config, trunk, Way(peer, hops[0], key), number, patience):
        yield finding


async def _way(hop: Peer, trunk: TrunkOptions, key: str, config: Config, patience: Patience) -> AsyncIterator[Finding]:
    """The connection, where there is one."""
    if hop.transport in ("tcp", "tls"):
        yield await reaching.connect(hop, trunk.name, key, patience)
    if hop.transport == "tls":
        yield await certificates.examine(hop, trunk.name, key, config.sip.tls, patience)


async def _answers(
    asker: Asker, config: Config, trunk: TrunkOptions, way: Way, number: str, patience: Patience
) -> AsyncIterator[Finding]:
    """What the other side says to OPTIONS, REGISTER and a call."""
    exchange = await _options(asker, trunk, way.peer, patience)
    for finding in _of_options(exchange, way.hop, config, trunk):
        yield finding
    answered = exchange.response is not None or bool(exchange.strays)
    if trunk.mode == "register":
        exchanges, found = await registering.register(asker, trunk, patience)
        if not answered:  # who does not answer OPTIONS may answer REGISTER
            found = [*_echoes(exchanges[0], config, trunk), *found]
        answered = answered or any(one.response or one.strays for one in exchanges)
        for finding in found if answered else ():
            yield finding
    if not answered:
        yield await reaching.of_silence(exchange, way.hop, trunk.name, way.key, patience)
    elif number:
        for finding in await calling.call(asker, trunk, number, config.media, patience):
            yield finding


async def _options(asker: Asker, trunk: TrunkOptions, peer: Peer, patience: Patience) -> Exchange:
    assert trunk.domain_uri is not None  # noqa: S101  the caller looked
    route = ((("Route", f"<{trunk.proxy_uri};lr>"),) if trunk.proxy_uri else ()) + (("Accept", "application/sdp"),)
    return await asker.ask(
        asker.request("OPTIONS", trunk.domain_uri, trunk.user or "sipgw", route), peer, patience.answer
    )


def _of_options(exchange: Exchange, hop: Peer, config: Config, trunk: TrunkOptions) -> Iterator[Finding]:
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
        yield good("options.ok", trunk.name, evidence)
    yield from _echoes(exchange, config, trunk)


def _echoes(exchange: Exchange, config: Config, trunk: TrunkOptions) -> list[Finding]:
    fixed, listens = config.sip.public_address, trunk.mode == "peer"
    return list(echoes.read(exchange, trunk.name, fixed=fixed, listens=listens, clock=datetime.now(UTC)))
