"""A gateway as `sipgw init RECIPE` configures it, against a carrier played on the loopback."""

import contextlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from pathlib import Path

from typer.testing import CliRunner

from sipgw.cli.main import app
from sipgw.config.config import GatewayConfig, parse
from sipgw.config.trunks import TrunkOptions
from tests.cloud import Cloud, cloud
from tests.fakes.assemblyai import Faults
from tests.fakes.carriers.carrier import Carrier
from tests.fakes.dns import DnsServer
from tests.gate_world import ALWAYS

OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n"
)
DEAF = Faults(sessions=99, error=(1008, "Unauthorized Connection: x"), after_ms=200)
"""STT that fails at once: then the agent apologises and transfers the caller."""


def written(folder: Path, recipe: str, variables: Mapping[str, str], *, everything: bool = True) -> GatewayConfig:
    """What `sipgw init` writes; `everything` also uses the options that are commented out."""
    file = folder / "sipgw.toml"
    assert CliRunner().invoke(app, ["init", recipe, "-o", str(file)]).exit_code == 0
    text = file.read_text()
    if everything:
        text = re.sub(r"^# (?=[\w.]+ = |\[\w+\]$)", "", text, flags=re.MULTILINE)
    return parse(text, str(file), variables)


@contextlib.asynccontextmanager
async def configured(
    folder: Path,
    config: GatewayConfig,
    carrier: Carrier,
    *,
    zone: str = "",
    origin: str = "com",
    trunk: Callable[[TrunkOptions], TrunkOptions] = lambda trunk: trunk,
    deaf: bool = False,
    ca: str = "",
    extensions: tuple[str, ...] = ("2??",),
) -> AsyncIterator[Cloud]:
    """Run the gateway with this configuration; its names lead to the loopback by a DNS of its own, its public address
    is the loopback, a carrier's networks are the one that it is played from, and `ca` is whom it believes."""

    def change(base: GatewayConfig) -> GatewayConfig:
        trunks = tuple(
            trunk(replace(one, networks=(f"{carrier.host}/32",) if one.networks else ())) for one in config.trunks
        )
        public = "127.0.0.1" if config.sip.public_address else ""
        tls = replace(config.sip.tls, port=0, ca=ca)
        sip = replace(base.sip, dns=(server.address,), public_address=public, tls=tls)
        gate = replace(config.gate, windows=ALWAYS, extensions=extensions, per_number_per_day=99)
        return replace(base, trunks=trunks, accounts=config.accounts, admission=config.admission, sip=sip, gate=gate)

    async with (
        DnsServer(zone or "nothing 300 IN A 127.0.0.1\n", origin) as server,
        cloud(folder, [], [], change=change, ear_faults=DEAF if deaf else None) as world,
    ):
        yield world
