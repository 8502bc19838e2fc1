"""Host names where a session description may have an address (RFC 8866 §5.7)."""

import asyncio
from pathlib import Path

import pytest

from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import CallFailed, Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.leg import Leg, Offered
from sipgw.sip.media_names import MAX_NAMES, MediaNames
from sipgw.sip.uri import Uri
from tests.calls.test_cloud_legs import OFFER, phone
from tests.cloud import cloud
from tests.fakes.dns import DnsServer
from tests.waiting import HANG

ZONE = "phone 300 IN A 127.0.0.1\nsix 300 IN AAAA 2001:db8::1\n"


def named(host: str) -> bytes:
    return OFFER.replace(b"c=IN IP4 127.0.0.1", f"c=IN IP4 {host}".encode())


def using(server: DnsServer) -> EndpointOptions:
    return EndpointOptions("127.0.0.1", 0, dns=(server.address,))


@pytest.mark.faults("F8")
def test_the_offer_of_an_invite_and_of_a_change_is_told_with_addresses() -> None:
    async def scenario() -> None:
        taken: list[Leg] = []

        def take(leg: Leg) -> None:
            taken.append(leg)
            leg.answer(OFFER)

        async with (
            DnsServer(ZONE) as server,
            Endpoint(using(server), take, lambda *_: None) as agent,
            phone("127.0.0.1") as caller,
        ):
            leg, _ = await caller.invite(
                Uri("sip", "agent", "127.0.0.1", agent.port), "<sip:me@127.0.0.1>", named("phone.example")
            )
            assert [one.offer for one in taken] == [OFFER]
            for host, told in (("phone.example", OFFER), ("none.example", named("none.example"))):
                async with asyncio.TaskGroup() as group:
                    group.create_task(leg.reinvite(named(host)))
                    offered = await anext(event async for event in taken[0].events() if isinstance(event, Offered))
                    assert offered.sdp == told
                    taken[0].reject_offer(488)
            leg.hangup()

    asyncio.run(asyncio.wait_for(scenario(), HANG))


@pytest.mark.faults("F8")
def test_the_answer_to_our_call_is_told_with_addresses() -> None:
    async def scenario() -> None:
        async with (
            DnsServer(ZONE) as server,
            Endpoint(EndpointOptions("127.0.0.1", 0), lambda leg: leg.answer(named("phone.example")), lambda *_: None)
            as there,
            Endpoint(using(server), lambda leg: leg.reject(603), lambda *_: None) as agent,
        ):  # fmt: skip
            leg, answer = await agent.invite(Uri("sip", "p", "127.0.0.1", there.port), "<sip:me@127.0.0.1>", OFFER)
            assert answer == leg.remote == OFFER
            leg.hangup()

    asyncio.run(asyncio.wait_for(scenario(), HANG))


@pytest.mark.faults("F8")
@pytest.mark.parametrize(("host", "status"), [("phone.example", 200), ("none.example", 488), ("six.example", 488)])
def test_a_call_with_a_name_is_answered_if_the_name_has_an_address(tmp_path: Path, host: str, status: int) -> None:
    async def scenario() -> int:
        async with (
            DnsServer(ZONE) as server,
            cloud(tmp_path, [], [], sip=using(server)) as world,
            phone("127.0.0.1") as p,
        ):
            try:
                leg, _ = await p.invite(world.target, "<sip:me@127.0.0.1>", named(host))
            except CallFailed as failed:
                return failed.ended.status or 0
            leg.hangup()
            return 200

    assert asyncio.run(asyncio.wait_for(scenario(), HANG)) == status


@pytest.mark.faults("F8")
def test_names_of_one_description_are_bounded() -> None:
    asked: list[Uri] = []

    async def locate(uri: Uri) -> tuple[Peer, ...]:
        asked.append(uri)
        return (Peer("udp", "2001:db8::1", 1), Peer("udp", "192.0.2.1", 1))

    names = MediaNames(locate)
    lines = b"".join(b"c=IN IP4 host%d.example/127\r\n" % number for number in range(100))
    found = asyncio.run(names.find(lines))
    assert len(asked) == MAX_NAMES
    assert found is not None
    assert found.startswith(b"c=IN IP4 192.0.2.1/127\r\n")
    assert found.endswith(b"c=IN IP4 host99.example/127\r\n")
    assert asyncio.run(names.find(b"c=IN IP4 192.0.2.7\r\n")) == b"c=IN IP4 192.0.2.7\r\n"
    assert len(asked) == MAX_NAMES
