"""Host names where a session description may have an address (RFC 8866 §5.7)."""

import asyncio
import socket
from pathlib import Path

import pytest

from sipgw.config.trunks import TrunkOptions
from sipgw.sip.endpoint import CallFailed, Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Ended, Offered
from sipgw.sip.leg import Leg
from sipgw.sip.media_names import MAX_KEPT, MAX_NAMES, MediaNames
from sipgw.sip.offer_answer import LocalMedia, NotAcceptable, answer
from sipgw.sip.resolver import MAX_LOOKUPS, Resolver
from sipgw.sip.uri import Uri
from tests.calls.test_cloud_legs import OFFER, phone
from tests.cloud import cloud
from tests.fakes.dns import DnsServer
from tests.waiting import HANG, NAMES, patient, until, within

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
            await taken[0].find()
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


@pytest.mark.slow
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
def test_a_call_has_its_place_while_the_names_of_its_offer_are_looked_up(tmp_path: Path) -> None:
    trunk = TrunkOptions("pbx", "peer", networks=("127.0.0.0/8",), max_calls=1)

    async def scenario() -> None:
        async with (
            DnsServer(ZONE) as server,
            cloud(tmp_path, [], [], sip=using(server), trunks=(trunk,)) as world,
            phone("127.0.0.1") as p,
            asyncio.TaskGroup() as group,
        ):
            server.silent = True

            async def refused() -> int | None:
                with pytest.raises(CallFailed) as failed:
                    await p.invite(world.target, "<sip:me@127.0.0.1>", named("dead.example"))
                return failed.value.ended.status

            first = group.create_task(refused())
            await until(lambda: server.asked["dead.example", "A"])
            assert len(world.gateway.registry) == 1
            assert await refused() == 503, "the trunk has a call"
            world.gateway.turn_away()
            assert len(world.gateway.registry) == 1
            await world.gateway.registry.stop_all()
            assert await first
            assert len(world.gateway.registry) == 0

    with patient(NAMES):
        asyncio.run(within(scenario()))


@pytest.mark.faults("F8")
def test_who_gives_up_while_the_names_of_the_offer_are_looked_up_leaves_the_place(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            DnsServer(ZONE) as server,
            cloud(tmp_path, [], [], sip=using(server)) as world,
            phone("127.0.0.1") as p,
            asyncio.TaskGroup() as group,
        ):
            server.silent = True
            calling = group.create_task(p.invite(world.target, "<sip:me@127.0.0.1>", named("dead.example")))
            await until(lambda: server.asked["dead.example", "A"])
            calling.cancel()
            await until(lambda: len(world.gateway.registry) == 0)

    with patient(NAMES):
        asyncio.run(within(scenario()))


@pytest.mark.faults("F8")
def test_names_of_one_description_are_bounded() -> None:
    asked: list[tuple[str, int]] = []

    async def locate(host: str, version: int) -> tuple[str, ...]:
        asked.append((host, version))
        return ("192.0.2.1",)

    names = MediaNames(locate)
    lines = b"".join(b"c=IN IP4 host%d.example/127\r\n" % number for number in range(100))
    found = asyncio.run(names.find(lines))
    assert len(asked) == MAX_NAMES
    assert found is not None
    assert found.startswith(b"c=IN IP4 192.0.2.1/127\r\n")
    assert found.endswith(b"c=IN IP4 host99.example/127\r\n")
    assert asyncio.run(names.find(b"c=IN IP4 192.0.2.7\r\n")) == b"c=IN IP4 192.0.2.7\r\n"
    assert len(asked) == MAX_NAMES


@pytest.mark.faults("F8", "A3")
def test_only_the_names_of_the_session_and_of_our_stream_are_looked_up() -> None:
    asked: list[str] = []

    async def locate(host: str, version: int) -> tuple[str, ...]:
        asked.append(host)
        return ()

    offer = b"v=0\r\nc=IN IP4 session.example\r\n" + b"".join(
        b"m=%s RTP/AVP 0\r\nc=IN IP4 %s.example\r\n" % (media, media.split()[0])
        for media in (b"video 6000", b"audio 0", b"application 9", b"audio 4000")
    ).replace(b"audio.example", b"off.example", 1)
    asyncio.run(MediaNames(locate).find(offer))
    assert asked == ["session.example", "audio.example"]


@pytest.mark.faults("F8", "A3")
def test_a_name_that_a_caller_chose_occupies_no_thread_and_no_line_of_the_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("the system was asked"))

    async def scenario() -> None:
        async with DnsServer(ZONE) as server:
            names = Resolver((server.address,), lambda _: True, lambda work: work.close(), lambda *_: None)
            assert await names.addresses("phone.example", 4) == ("127.0.0.1",)
            assert await names.addresses("six.example", 6) == ("2001:db8::1",)
            for host, version in (("six.example", 4), ("none.example", 4), ("none", 4), ("x" * 64 + ".example", 6)):
                assert await names.addresses(host, version) == ()
            assert server.asked["none.example", "A"] == 1

    asyncio.run(within(scenario()))
    assert "not found" not in capsys.readouterr().out


TWO = b"v=0\r\nc=IN IP4 session.example\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP4 audio.example\r\n"


@pytest.mark.faults("F8")
def test_the_names_of_one_description_are_looked_up_at_the_same_time() -> None:
    async def scenario() -> None:
        both = asyncio.Barrier(2)

        async def locate(host: str, version: int) -> tuple[str, ...]:
            await both.wait()
            return ("192.0.2.1",)

        found = await within(MediaNames(locate).find(TWO))
        assert found is not None
        assert found.count(b"c=IN IP4 192.0.2.1\r\n") == 2

    asyncio.run(scenario())


@pytest.mark.faults("F8")
def test_who_hangs_up_while_names_are_looked_up_has_hung_up() -> None:
    async def scenario() -> None:
        taken: list[Leg] = []

        def take(leg: Leg) -> None:
            taken.append(leg)
            leg.answer(OFFER)

        async with (
            DnsServer(ZONE) as server,
            Endpoint(using(server), take, lambda *_: None) as agent,
            phone("127.0.0.1") as caller,
            asyncio.TaskGroup() as group,
        ):
            server.silent = True
            leg, _ = await caller.invite(Uri("sip", "agent", "127.0.0.1", agent.port), "<sip:me@127.0.0.1>", OFFER)
            changing = group.create_task(leg.reinvite(named("dead.example")))
            events = group.create_task(anext(one async for one in taken[0].events() if isinstance(one, Ended)))
            await until(lambda: server.asked["dead.example", "A"])
            leg.hangup()
            assert isinstance(await events, Ended)
            changing.cancel()

    with patient(NAMES):
        asyncio.run(within(scenario()))


@pytest.mark.faults("F8")
def test_the_address_of_a_name_stays_for_as_long_as_it_is_one_of_its_addresses() -> None:
    """Servers of the DNS turn the order round with each answer; a refresh of the session must not move the sound."""
    zone = [["192.0.2.1", "192.0.2.2"], ["192.0.2.2", "192.0.2.1"], [], ["192.0.2.2", "192.0.2.3"]]

    async def locate(host: str, version: int) -> tuple[str, ...]:
        return tuple(zone.pop(0))

    async def scenario() -> list[bytes | None]:
        names = MediaNames(locate)
        return [await names.find(b"c=IN IP4 phone.example\r\n") for _ in range(4)]

    at = [b"c=IN IP4 192.0.2.%d\r\n" % number for number in (1, 1, 1, 2)]
    assert asyncio.run(scenario()) == at, "moves only where the name moves; the DNS may be down for a while"


@pytest.mark.faults("F8")
def test_an_offer_that_is_refused_takes_no_address_from_what_was_agreed_on() -> None:
    async def locate(host: str, version: int) -> tuple[str, ...]:
        return () if host == "none.example" else ("192.0.2.1",)

    async def scenario() -> None:
        names, agreed = MediaNames(locate), b"c=IN IP4 phone.example\r\n"
        await names.find(agreed)
        for other in (b"c=IN IP4 none.example\r\n", TWO):
            await names.find(other)
            assert names.known(agreed) == b"c=IN IP4 192.0.2.1\r\n"
        for number in range(1000):
            await names.find(b"c=IN IP4 host%d.example\r\n" % number)
        assert len(names._found) == MAX_KEPT

    asyncio.run(scenario())


@pytest.mark.faults("F8")
@pytest.mark.parametrize("host", ["192.168.001.010", "203.0.113.010", "127.1", "2130706433", "host.7", "10.0.0.1."])
def test_what_ends_in_a_number_is_no_name(host: str) -> None:
    """RFC 1123 §2.1. Read as C reads numbers, 192.168.001.010 would be 192.168.1.8."""

    async def locate(host: str, version: int) -> tuple[str, ...]:
        pytest.fail(f"{host} was looked up")

    names = MediaNames(locate)
    assert not names.any_in(named(host))
    assert asyncio.run(names.find(named(host))) == named(host)
    with pytest.raises(NotAcceptable, match="no IP address"):
        answer(named(host), LocalMedia("127.0.0.1", 4000, tls=False))


@pytest.mark.faults("A3")
def test_names_of_media_that_are_looked_up_at_a_time_are_bounded() -> None:
    async def scenario() -> None:
        async with DnsServer(ZONE) as server:
            server.silent = True
            names = Resolver((server.address,), lambda _: True, lambda work: work.close(), lambda *_: None)
            async with asyncio.TaskGroup() as group:
                dead = (f"dead{number}.example" for number in range(MAX_LOOKUPS))
                lookups = [group.create_task(names.addresses(host, 4)) for host in dead]
                await asyncio.sleep(0)
                assert await names.addresses("one.example", 4) == ()
                assert names.counts["lookup refused"] == 1
                for lookup in lookups:
                    lookup.cancel()
            server.silent = False
            assert await names.addresses("phone.example", 4) == ("127.0.0.1",)

    asyncio.run(within(scenario()))
