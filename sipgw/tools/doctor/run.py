"""All examinations in order."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from sipgw.config.config import GatewayConfig
from sipgw.config.options import secrets_of
from sipgw.sip.tls import TlsOptions
from sipgw.tools.doctor import machine, providers, trunk
from sipgw.tools.doctor.doctor_endpoint import DoctorEndpoint, DoctorTimeouts
from sipgw.tools.doctor.finding import Finding, bad, masked


@dataclass(frozen=True)
class ExaminationOptions:
    """What is to be examined."""

    trunk: str = ""
    """The name of one trunk; empty for all of them, this machine and the providers."""
    number: str = ""
    """The number to call; empty for the trunk's own `test_number`."""
    providers: bool = True
    patience: DoctorTimeouts = field(default_factory=DoctorTimeouts)


async def examine(config: GatewayConfig, wanted: ExaminationOptions) -> AsyncIterator[Finding]:
    """Every finding, as soon as it is made, without any secret of the configuration."""
    secrets = secrets_of(config)
    async for finding in _examined(config, wanted):
        yield masked(finding, secrets)


async def _examined(config: GatewayConfig, wanted: ExaminationOptions) -> AsyncIterator[Finding]:
    failed = set[str]()
    async for finding in machine.examine(config, wanted.patience):
        failed.add(finding.id)
        yield finding
    trunks = [one for one in config.trunks if wanted.trunk in ("", one.name)]
    if "local.tls-files" in failed:
        config = replace(config, sip=replace(config.sip, tls=TlsOptions()))
    if not trunks:
        yield bad("trunk.none", machine.HERE, "the configuration has no [[trunks]]")
    elif "local.sip-host" not in failed:
        async with DoctorEndpoint(config.sip) as endpoint:
            for one in trunks:
                number = wanted.number or one.test_number
                async for finding in trunk.examine(endpoint, config, one, number, wanted.patience):
                    yield finding
    if wanted.providers and not wanted.trunk:
        async for finding in providers.examine(config):
            yield finding
