"""A call out through a PBX that is named by host, on a machine with several networks: it hears us where it calls us."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from media.process.engine import MediaOptions
from sipgw.calls.request import OriginateRequest
from sipgw.config.gate import GateOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.leg import Leg
from sipgw.sip.sdp import Sdp
from tests.cloud import cloud
from tests.fakes.dns import DnsServer
from tests.gate_world import ALWAYS
from tests.waiting import until

INNER = "127.0.0.6"
"""Our address in the network of the PBX."""
GATE = GateOptions(windows=ALWAYS, extensions=("2??",))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("default", "public"),
    [(None, ""), ("192.168.1.20", ""), ("192.168.1.20", "198.51.100.7")],
    ids=["no default route", "another network", "behind a NAT of another trunk"],
)
def test_the_offer_names_the_address_that_the_contact_names(tmp_path: Path, default: str | None, public: str) -> None:
    rung: list[Leg] = []

    async def scenario() -> None:
        async with (
            Endpoint(EndpointOptions("127.0.0.5", 0, tcp=False), rung.append, lambda *_: None) as pbx,
            DnsServer("pbx 300 IN A 127.0.0.5\n") as server,
            cloud(
                tmp_path,
                [],
                [],
                sip=EndpointOptions("0.0.0.0", 0, tcp=False, dns=(server.address,)),
                trunks=(
                    TrunkOptions(
                        "office", "peer", domain=f"pbx.example:{pbx.port}", number_format="as_dialled",
                        networks=("127.0.0.5/32",),
                    ),
                ),
                change=lambda config: replace(config, media=MediaOptions(bind_host="0.0.0.0"), gate=GATE),
            ) as world,
        ):  # fmt: skip
            transports = world.gateway.endpoint._transports
            transports.route = lambda peer: INNER if peer.host == "127.0.0.5" else default  # type: ignore[method-assign]
            transports.observed(Peer("udp", "203.0.113.5", 5060), public, 5060)
            call = world.gateway.originate(OriginateRequest("201", agent="agent", trunk="office"))
            await until(lambda: rung)
            invite = rung[0].request
            connection = Sdp.parse(invite.body).connection
            assert connection is not None
            assert invite.contact is not None
            assert (connection.address, invite.contact.uri.host, invite.via.host) == (INNER, INNER, INNER)
            rung[0].reject(486)
            await call.ended()

    asyncio.run(scenario())
