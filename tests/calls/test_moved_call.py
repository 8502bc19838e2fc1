"""The address of the gateway changes under a served call: the caller is told, sound goes on. Real SIP, RTP, media."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from media.process.engine import MediaOptions
from sipgw.sip import address_watch
from sipgw.sip.checks import DROP
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Offered
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import LocalMedia, accept_answer, answer, make_offer, media_host
from sipgw.sip.sdp import Sdp
from tests.calling import World
from tests.calls.test_cloud_call import records
from tests.cloud import cloud
from tests.phone import Phone
from tests.sip.test_address_watch import at
from tests.waiting import until, within

OLD, NEW = "127.0.0.1", "127.0.0.2"


def address_in(sdp: bytes) -> str:
    connection = Sdp.parse(sdp).connection
    assert connection is not None
    return connection.address


@pytest.mark.slow
def test_the_caller_is_told_and_a_later_offer_gets_the_new_address_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address_watch, "INTERVAL", 0.05)

    async def offered(leg: Leg) -> bytes:
        async for event in leg.events():
            if isinstance(event, Offered):
                return event.sdp or b""
        raise AssertionError("no offer came")

    async def scenario() -> tuple[str, str]:
        loop = asyncio.get_running_loop()
        transport, phone = await loop.create_datagram_endpoint(Phone, (OLD, 0))
        local = LocalMedia(OLD, transport.get_extra_info("sockname")[1], tls=False)
        everywhere = EndpointOptions("0.0.0.0", 0)
        options = EndpointOptions(OLD, 0, tcp=False)
        async with (
            cloud(
                tmp_path, [], [], sip=everywhere,
                change=lambda config: replace(config, media=MediaOptions(bind_host="0.0.0.0")),
            ) as world,
            Endpoint(options, lambda leg: leg.reject(603), lambda *_: DROP) as caller,
            asyncio.TaskGroup() as tasks,
        ):  # fmt: skip
            at(world.gateway.endpoint, OLD)
            leg, reply = await caller.invite(world.target, "<sip:me@127.0.0.1>", make_offer(local))
            agreed = accept_answer(leg.local, reply or b"", local)
            phone.remote = agreed.remote_address, agreed.remote_port
            talking = tasks.create_task(phone.talk())
            await until(lambda: phone.received)
            assert address_in(reply or b"") == OLD
            at(world.gateway.endpoint, NEW)
            offer = await within(offered(leg))
            assert address_in(offer) == NEW
            negotiated = answer(offer, replace(local, session=leg.local))
            assert negotiated.remote_port == agreed.remote_port
            before = len(phone.received)
            await until(lambda: len(phone.received) > before)  # sound goes on while the offer waits
            leg.accept_offer(negotiated.sdp)
            phone.remote = negotiated.remote_address, negotiated.remote_port
            before = len(phone.received)
            await until(lambda: len(phone.received) > before + 20)
            assert leg.target.host == NEW
            held = await within(leg.reinvite(make_offer(replace(local, session=leg.local), "sendonly")))
            after = address_in(held.sdp or b"")
            talking.cancel()
            leg.hangup()
            (record,) = await records(world.gateway)
            transport.close()
            return after, record["ending"]

    assert asyncio.run(scenario()) == (NEW, "caller_hung_up")


def test_a_leg_that_takes_the_place_of_another_hears_us_in_its_own_network() -> None:
    async def scenario() -> None:
        async with World(options=EndpointOptions("0.0.0.0", 0)).up() as world:  # it is reached there, too
            at(world.endpoint, "127.0.0.7")
            leg = await world.third.call(world.uri, (("Replaces", str(world.leg.replacement)), ("Require", "replaces")))
            assert media_host(leg.remote) == leg.target.host == "127.0.0.7"
            leg.hangup()
            await world.ending

    asyncio.run(within(scenario()))
