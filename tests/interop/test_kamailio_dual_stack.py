"""Kamailio behind a name of both IP versions, IPv6 first, where it answers on IPv4 only: nobody answers on IPv6."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sipgw.sip import connecting, failover
from tests.fakes.dns import DnsServer
from tests.interop.company import leg_of
from tests.interop.test_kamailio_calls import Domain, domain
from tests.ports import free_ports
from tests.sip.test_dual_stack import hole
from tests.waiting import HANG

SENT = 7
"""Times that an INVITE is sent until it is given up (RFC 3261 §17.1.1.2)."""
pytestmark = [pytest.mark.slow, pytest.mark.programs("kamailio")]


class Silent(asyncio.DatagramProtocol):
    """Takes what comes, and answers nothing."""

    def __init__(self) -> None:
        self.came = list[bytes]()
        """The methods of the requests."""

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.came.append(data.split(b" ", 1)[0])


ZONE = """
_sip._{transport}.both 300 IN SRV 1 1 {port} six
_sip._{transport}.both 300 IN SRV 2 1 {port} four
six 300 IN AAAA ::1
four 300 IN A 127.0.0.1
"""


@contextlib.asynccontextmanager
async def silent(transport: str, port: int) -> AsyncIterator[Silent]:
    """The same port of the IPv6 address, where nobody answers."""
    if transport == "tcp":
        with hole("::1", port):
            yield Silent()
        return
    mute, one = await asyncio.get_running_loop().create_datagram_endpoint(Silent, ("::1", port))
    with contextlib.closing(mute):
        yield one


async def talks(company: Domain, six: Silent) -> None:
    """A phone calls the agent, and the agent a phone, which nobody has tried by IPv6 before."""
    session, call = await company.met("201", "agent")
    assert leg_of(session).source.host == "127.0.0.1"
    await company.hung_up(session, call)
    company.world.gateway.endpoint.agent.clients.health._failures.clear()  # of the REGISTER
    six.came.clear()
    placed = company.originate("202")
    session = await company.session("202")
    await company.hears(session, "202")
    await company.says(session, "Hello by the old way.", company.desks.calls["202"][-1])
    assert leg_of(session).source.host == "127.0.0.1"
    assert b"IN IP4" in leg_of(session).local and b"IP6" not in leg_of(session).local
    placed.stop()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_the_trunk_registers_and_calls_by_ipv4(tmp_path: Path, transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over TCP both are tried at the same time; over UDP the other one after a short silence."""
    monkeypatch.setattr(connecting, "CONNECT_LIMIT", HANG)  # so that only the race gets past the silent one

    async def scenario() -> None:
        port = free_ports()
        async with (
            DnsServer(ZONE.format(transport=transport, port=port)) as server,
            silent(transport, port) as six,
            domain(tmp_path, transport, "both.example", (server.address,), port=port) as company,
        ):
            monkeypatch.setattr(failover, "PATIENCE", HANG)  # the same for an INVITE; the trunk is registered by now
            await talks(company, six)
            assert transport == "tcp" or 0 < six.came.count(b"INVITE") < SENT, "not given up before the end"

    asyncio.run(scenario())
