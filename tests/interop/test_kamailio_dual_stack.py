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

pytestmark = [pytest.mark.slow, pytest.mark.programs("kamailio")]


class Silent(asyncio.DatagramProtocol):
    """Takes what comes, and answers nothing."""

    def __init__(self) -> None:
        self.came: list[bytes] = []

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.came.append(data)

    def got(self, method: str, call: str = "") -> bool:
        """Whether a request with this method came, of this call."""
        return any(one.startswith(f"{method} ".encode()) and call.encode() in one for one in self.came)


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


async def is_called(company: Domain) -> None:
    """A phone calls the agent."""
    session, call = await company.met("201", "agent")
    assert leg_of(session).source.host == "127.0.0.1"
    await company.hung_up(session, call)


async def calls(company: Domain) -> str:
    """The agent calls a phone: the Call-ID."""
    placed = company.originate("202")
    session = await company.session("202")
    await company.hears(session, "202")
    await company.says(session, "Hello by the old way.", company.desks.calls["202"][-1])
    leg = leg_of(session)
    assert leg.source.host == "127.0.0.1"
    assert b"IN IP4" in leg.local and b"IP6" not in leg.local
    placed.stop()
    return leg.id


@contextlib.asynccontextmanager
async def beside(folder: Path, transport: str) -> AsyncIterator[tuple[Domain, Silent]]:
    """The domain by IPv4, and who is silent by IPv6; the trunk has registered."""
    port = free_ports()
    async with (
        DnsServer(ZONE.format(transport=transport, port=port)) as server,
        silent(transport, port) as six,
        domain(folder, transport, "both.example", (server.address,), port=port) as company,
    ):
        yield company, six


def test_over_tcp_both_are_tried_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "CONNECT_LIMIT", HANG)  # so that only the race gets past the silent one
    monkeypatch.setattr(failover, "PATIENCE", HANG)

    async def scenario() -> None:
        async with beside(tmp_path, "tcp") as (company, _):
            await is_called(company)
            await calls(company)

    asyncio.run(scenario())


def test_over_udp_an_invite_goes_to_the_other_one_after_a_short_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The REGISTER has found out who is silent. That is forgotten before the call, whose INVITE finds it out again."""

    async def scenario() -> None:
        async with beside(tmp_path, "udp") as (company, six):
            assert six.got("REGISTER")
            await is_called(company)
            company.world.gateway.endpoint.agent.clients.health._failures.clear()
            monkeypatch.setattr(failover, "PATIENCE", HANG)
            assert six.got("INVITE", await calls(company)), six.came

    asyncio.run(scenario())
