"""The share of each worker of ``sipgw serve --workers``: its part of the configuration, and the plan of the edge before
all workers."""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address

from media.process.cores import cores
from media.process.engine import MANY_CORES, MediaOptions
from sipgw.cluster.edge import EdgePlan
from sipgw.config.config import AgentConfig, GatewayConfig
from sipgw.config.errors import ConfigError
from sipgw.config.trunks import TrunkOptions
from sipgw.gateway.reached_at import reached_at
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.trunks.trunks import LOCAL_TRUNK, Trunks

FIRST = 10
"""The SIP port of the first worker is `[sip] port` plus this; the port of each further one is 2 higher."""
ANY = "0.0.0.0"
SHARED = (
    'workers share records and limits: set [store] url = "${DATABASE_URL}", a PostgreSQL database, and '
    "[cluster] redis = \"${REDIS_URL}\" (pip install 'sipgw[postgresql,redis]'), and both names in .env"
)


def check(config: GatewayConfig, workers: int) -> None:
    """Raises `ConfigError` with the changes that the configuration needs before `workers` processes can share it."""
    sip = config.sip
    own = reached_at(replace(sip, public_address=""))
    if not (config.store.url and config.cluster.redis):
        raise ConfigError(f"--workers: {SHARED}")
    for wrong, advice in (
        (config.accounts, "phones register at one gateway: run it without --workers, or remove [[accounts]]"),
        (sip.take_over, "--take-over goes without --workers"),
        (not sip.port, "Kamailio needs a port: set [sip] port"),
        (":" in sip.host, "Kamailio listens on IPv4 here: set [sip] host to an IPv4 address"),
        (
            sip.host != ANY and sip.public_address not in ("", own),
            f'with a public_address Kamailio also needs the loopback address: set [sip] host = "{ANY}"',
        ),
        (sip.tls.clients == "verified", 'Kamailio asks for no certificate: set [sip.tls] clients = "any"'),
    ):
        if wrong:
            raise ConfigError(f"--workers: {advice}")
    try:
        for number in range(1, workers + 1):
            share(config, {}, number, workers)
    except ValueError as error:
        raise ConfigError(f"--workers {workers}: {error}") from None


def share(
    config: GatewayConfig, agents: Mapping[str, AgentConfig], number: int, workers: int
) -> tuple[GatewayConfig, Mapping[str, AgentConfig]]:
    """The configuration of the worker `number`, from 1 on, and those of the agents beside it."""
    shift, sip, web, store = _shift(number), config.sip, config.web, config.store
    own = "" if number == 1 else f".worker{number}"
    at = _inside(sip)
    browser = config.browser
    if browser.port_range:
        browser = replace(browser, port_range=MediaOptions(port_range=browser.port_range).parts(workers)[number - 1])
    media = replace(config.media, port_range=config.media.parts(workers)[number - 1])
    if media.processes == "auto" and cores() < MANY_CORES * workers:
        media = replace(media, processes=1)
    shared = replace(
        config,
        sip=replace(sip, port=sip.port + shift, edge=at, tls=replace(sip.tls, port=sip.tls.port + shift)),
        media=media,
        browser=browser,
        trunks=_trunks(config, at),
        web=replace(web, port=web.port and web.port + number - 1),
        store=replace(store, path=store.path + own, spool=store.spool and store.spool + own),
        gate=replace(config.gate, audit=config.gate.audit and config.gate.audit + own),
        cluster=replace(config.cluster, name=f"{config.cluster.called[:60]}-{number}"),
    )
    return shared, {name: replace(one, gate=replace(one.gate, audit=shared.gate.audit)) for name, one in agents.items()}


def edge(config: GatewayConfig, workers: int) -> EdgePlan:
    """The plan of Kamailio in front of `workers` workers."""
    sip = config.sip
    own = reached_at(replace(sip, public_address=""))
    hidden = sip.host == ANY and sip.public_address not in ("", own)
    listening = () if sip.host == ANY and not hidden else (own,)
    return EdgePlan(
        port=sip.port,
        listening=listening,
        public_address=sip.public_address if hidden else "",
        gateways=tuple((_inside(sip), sip.port + _shift(number)) for number in range(1, workers + 1)),
        networks=tuple(network for trunk in config.trunks or (LOCAL_TRUNK,) for network in trunk.networks),
        tls_port=sip.tls.port if sip.tls.certificate else 0,
        certificate=sip.tls.certificate,
        key=sip.tls.key or sip.tls.certificate,
    )


def _shift(number: int) -> int:
    return FIRST + 2 * (number - 1)


def _inside(sip: EndpointOptions) -> str:
    """The address at which Kamailio and the workers see each other."""
    return "127.0.0.1" if ip_address(sip.host).is_unspecified else sip.host


def _trunks(config: GatewayConfig, edge: str) -> tuple[TrunkOptions, ...]:
    """The trunks, and one for the OPTIONS of Kamailio itself if none of them has its address."""
    trunks = config.trunks or (LOCAL_TRUNK,)
    if Trunks(trunks).match(edge):
        return trunks
    return (*trunks, TrunkOptions(name="edge", mode="peer", networks=(edge,)))
