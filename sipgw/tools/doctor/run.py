"""Runs all examinations of the doctor, in order."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from sipgw.config.config import GatewayConfig
from sipgw.config.masking import secrets_of
from sipgw.sip.tls import TlsOptions
from sipgw.tools.doctor import kept_calls, machine, providers, signing_in, storing, trunk
from sipgw.tools.doctor.doctor_endpoint import DoctorEndpoint, DoctorTimeouts
from sipgw.tools.doctor.finding import Finding, bad, masked

PROVIDERS = "providers"
"""Word in the place of a trunk's name that stands for the providers."""


@dataclass(frozen=True)
class ExaminationOptions:
    """Options of an examination."""

    trunk: str = ""
    """The name of one trunk; `PROVIDERS`: only the providers; empty: this machine, all trunks and the providers."""
    number: str = ""
    """The number to call; empty for the trunk's own `test_number`."""
    providers: bool = True
    live: Path | None = None
    """Folder into which the messages of the providers are recorded; None: they are not recorded."""
    patience: DoctorTimeouts = field(default_factory=DoctorTimeouts)


async def examine(config: GatewayConfig, wanted: ExaminationOptions) -> AsyncIterator[Finding]:
    """Give every finding as soon as it is made, with the secrets of the configuration masked."""
    secrets = secrets_of(config)
    async for finding in _examined(config, wanted):
        yield masked(finding, secrets)


async def _examined(config: GatewayConfig, wanted: ExaminationOptions) -> AsyncIterator[Finding]:
    if wanted.trunk == PROVIDERS:
        async for finding in providers.examine(config, wanted.live):
            yield finding
        return
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
    for finding in await kept_calls.examine(config.store, [one.name for one in trunks], config.alarms):
        yield finding
    if not wanted.trunk:
        async for finding in _services(config, wanted):
            yield finding


async def _services(config: GatewayConfig, wanted: ExaminationOptions) -> AsyncIterator[Finding]:
    if config.web.oidc.issuer:
        yield await signing_in.examine(config.web.oidc)
    if config.storage.url:
        yield await storing.examine(config.storage)
    if wanted.providers:
        async for finding in providers.examine(config):
            yield finding
