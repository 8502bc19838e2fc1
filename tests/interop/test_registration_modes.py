"""A gateway registers over real sockets in every way that registrars ask for, with one that checks every digest.

What these do on virtual time, in hours, is in tests/sip/test_registration.py; Kamailio's part in test_kamailio*.py.
"""

import asyncio
import itertools
import ssl
from pathlib import Path

import pytest

from sipgw.config.trunks import TrunkOptions
from sipgw.sip.endpoint_options import EndpointOptions
from tests.cloud import Cloud, cloud
from tests.fakes.dns import DnsServer
from tests.interop.registrar import PASSWORD, USER, Registrar, listening
from tests.sip.certificates import Authority
from tests.waiting import until

LOCAL = EndpointOptions("127.0.0.1", 0)
SIP = EndpointOptions("127.0.0.1", 0, tcp=False)


def trunk(registrar: str, password: str = PASSWORD, expires: float = 600) -> TrunkOptions:
    return TrunkOptions("pbx", "register", registrar=registrar, user=USER, password=password, expires=expires)


async def registered(world: Cloud) -> str:
    """How, once it is."""
    status = world.gateway.status
    await until(lambda: status()[0].registration == "registered")
    return status()[0].registration_reason


def in_order(registrar: Registrar) -> None:
    """All that came is of one registration, was right, and is taken back at the end."""
    assert registrar.wrong == []
    assert len({one["call-id"] for one in registrar.requests}) == 1
    numbers = [int(one["cseq"].split()[0]) for one in registrar.requests]
    assert all(later > earlier for earlier, later in itertools.pairwise(numbers)), numbers
    assert registrar.granted[-1] == 0, "it unregisters"


MODES = [
    pytest.param(Registrar(qop=""), id="MD5 without qop"),
    pytest.param(Registrar(), id="MD5 qop=auth"),
    pytest.param(Registrar(qop="auth,auth-int"), id="qop=auth,auth-int"),
    pytest.param(Registrar(algorithms=("SHA-256",)), id="SHA-256 only"),
    pytest.param(Registrar(algorithms=("MD5", "SHA-256")), id="MD5 and SHA-256"),
    pytest.param(Registrar(status=407), id="407"),
    pytest.param(Registrar(stale=True), id="second challenge stale"),
    pytest.param(Registrar(minimum=1800), id="423 Min-Expires 1800"),
    pytest.param(Registrar(lost=2), id="first two lost"),
    pytest.param(Registrar(grant=8), id="8 s granted and renewed"),
    pytest.param(Registrar(status=0), id="no password"),
]


@pytest.mark.parametrize("registrar", MODES)
def test_registration_over_udp(tmp_path: Path, registrar: Registrar) -> None:
    async def scenario() -> str:
        wanted = 3 if registrar.grant == 8 else 1
        async with listening(registrar) as port:
            there = trunk(f"sip:127.0.0.1:{port}", PASSWORD if registrar.status else "")
            async with cloud(tmp_path, [], [], trunks=(there,), sip=LOCAL) as world:
                await until(lambda: len(registrar.granted) >= wanted)
                reason = await registered(world)
        return reason

    reason = asyncio.run(scenario())
    granted = 1800 if registrar.minimum else min(600, registrar.grant)
    assert reason == f"registered for {granted} s"
    in_order(registrar)
    strongest = "SHA-256" if "SHA-256" in registrar.algorithms else "MD5"
    assert {one.get("algorithm", "MD5") for one in registrar.used} <= {strongest}


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_registration_over_a_connection(tmp_path: Path, transport: str) -> None:
    """We listen on neither: calls come over the connection that we open."""
    registrar, authority = Registrar(), Authority(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority.issue("127.0.0.1"))
    sip = EndpointOptions("127.0.0.1", 0, tcp=False, tls=authority.client())

    async def scenario() -> str:
        async with listening(registrar, transport, context if transport == "tls" else None) as port:
            there = trunk(f"sip:127.0.0.1:{port};transport={transport}")
            async with cloud(tmp_path, [], [], trunks=(there,), sip=sip) as world:
                return await registered(world)

    assert asyncio.run(scenario()) == "registered for 600 s"
    in_order(registrar)
    assert f"transport={transport}" in registrar.requests[0]["contact"]


def test_registration_fails_over_to_the_second_server(tmp_path: Path) -> None:
    dead, registrar = Registrar(lost=10**6), Registrar()

    async def scenario() -> str:
        async with listening(dead) as first, listening(registrar) as second:
            zone = (
                f"_sip._udp.edge 60 IN SRV 1 1 {first} host\n_sip._udp.edge 60 IN SRV 2 1 {second} host\n"
                "host 60 IN A 127.0.0.1\n"
            )
            async with DnsServer(zone) as dns:
                sip = EndpointOptions("127.0.0.1", 0, dns=(dns.address,))
                async with cloud(tmp_path, [], [], trunks=(trunk("edge.example"),), sip=sip) as world:
                    return await registered(world)

    assert asyncio.run(scenario()) == "registered for 600 s"
    assert dead.lost < 10**6
    in_order(registrar)


def test_registration_with_a_wrong_password_is_told(tmp_path: Path) -> None:
    registrar = Registrar()

    async def scenario() -> str:
        async with listening(registrar) as port:
            there = trunk(f"sip:127.0.0.1:{port}", "other")
            async with cloud(tmp_path, [], [], trunks=(there,), sip=LOCAL) as world:
                status = world.gateway.status
                await until(lambda: status()[0].registration == "failed")
                return status()[0].registration_reason

    assert "wrong user or password" in asyncio.run(scenario())
    assert registrar.granted == []
    assert all("response" in one for one in registrar.wrong)
