"""The doctor at a registrar that nobody here wrote: Kamailio, located by SRV; the first of its two servers is gone."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from sipgw.config.trunks import TrunkOptions
from sipgw.sip.endpoint_options import EndpointOptions
from tests.fakes.dns import DnsServer
from tests.interop.kamailio import kamailio
from tests.interop.test_kamailio import DOMAIN, SERVICE, ZONE
from tests.ports import free_ports
from tests.sip.certificates import Authority
from tests.tools.doctor.broken import QUICK, diagnosed, ids

pytestmark = pytest.mark.programs("kamailio")

BRISK = replace(QUICK, answer=2.0)
"""For the server that is gone."""


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_what_works_and_what_does_not_is_named(transport: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    port, tls_port, dead = free_ports(), free_ports(), free_ports()

    async def examined(password: str) -> dict[str, str]:
        zone = ZONE.format(service=SERVICE[transport], dead=dead, port=tls_port if transport == "tls" else port)
        async with DnsServer(zone) as dns:
            sip = EndpointOptions("127.0.0.1", 0, tcp=False, dns=(dns.address,), tls=authority.client())
            place = f"sip:{DOMAIN};transport={transport}"
            found = await diagnosed(
                TrunkOptions("edge", "register", registrar=place, user="agent", password=password),
                sip=sip,
                patience=BRISK,
            )
        assert password not in str(found)
        wrong = {"register.wrong-password"} if password == "no-s3cret" else set()
        assert ids(found) == {"reach.backup"} | wrong, found
        return {one.id: one.evidence for one in found}

    with kamailio(tmp_path, port, tls_port, authority.issue(DOMAIN), DOMAIN):
        told = asyncio.run(examined("s3cret"))
        asyncio.run(examined("no-s3cret"))
    assert "register.ok" in told and "alg.none" in told
    assert str(dead) in told["reach.backup"]
    assert "kamailio" in told["options.ok"]
    if transport == "tls":
        assert "certificate verified" in told["tls.ok"]
