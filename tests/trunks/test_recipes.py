"""`sipgw init RECIPE` against the carrier or PBX it is for: real SIP and RTP over UDP to a real gateway."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sipgw.calls.request import OriginateRequest
from sipgw.config.trunks import TrunkOptions
from sipgw.gateway.gateway import Gateway
from sipgw.sip.endpoint import CallFailed
from tests.fakes.carriers.carrier import Carrier
from tests.fakes.carriers.pbx import Pbx
from tests.fakes.carriers.plivo import Plivo
from tests.fakes.carriers.telnyx import Telnyx
from tests.fakes.carriers.twilio import Twilio
from tests.recipes import OFFER, configured, written
from tests.waiting import HANG

pytestmark = pytest.mark.usefixtures("quick_people")

TELNYX = {"TELNYX_USER": "acmegateway", "TELNYX_PASSWORD": "telnyx-password"}
TWILIO = {"TWILIO_TRUNK": "acme", "TWILIO_USER": "acme", "TWILIO_PASSWORD": "twilio-password",
          "PUBLIC_ADDRESS": "203.0.113.7"}  # fmt: skip
PLIVO = {"PLIVO_TRUNK": "1234567890", "PLIVO_USER": "acme", "PLIVO_PASSWORD": "plivo-password",
         "PLIVO_NETWORK": "198.51.100.0/28", "PUBLIC_ADDRESS": "203.0.113.7"}  # fmt: skip
OURS = "+14155550111"


def one_with(trunk: TrunkOptions, **more: Any) -> TrunkOptions:
    return replace(trunk, **more)


def zone(name: str, *carriers: Carrier) -> str:
    """SRV records that lead to the carriers in their order, under the name of the recipe."""
    lines = [f"_sip._udp.{name} 300 IN SRV {at} 10 {one.port} node{at}.{name}\nnode{at}.{name} 300 IN A {one.host}\n"
             for at, one in enumerate(carriers)]  # fmt: skip
    return "".join(lines)


async def ending(gateway: Gateway) -> dict[str, object]:
    async with asyncio.timeout(HANG):
        while not (found := await gateway.store.calls()):
            await asyncio.sleep(0.05)
    return found[-1]


def no_faults(*carriers: Carrier) -> None:
    assert [fault for one in carriers for fault in one.faults] == []


# Telnyx


@pytest.mark.slow
def test_telnyx_registers_answers_and_unregisters(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Telnyx() as carrier:
            config = written(tmp_path, "telnyx", TELNYX, everything=False)
            async with configured(tmp_path, config, carrier, zone=zone("sip.telnyx", carrier)) as world:
                gateway = world.gateway
                await carrier.until(lambda: carrier.bound, "registered")
                await carrier.until(lambda: gateway.status()[0].registration == "registered", "state visible")
                status, call = await carrier.call(carrier.bound, carrier._addr)
                assert status == 200
                await carrier.until(lambda: call.rtp.received > 50, "sound came")
                assert await carrier.hang_up(call) == 200
                assert (await ending(gateway))["ending"] == "caller_hung_up"
            assert carrier.bound == "", "taken back at shutdown"
        no_faults(carrier)

    asyncio.run(scenario())


def test_telnyx_takes_calls_out_and_says_why_not(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Telnyx() as carrier:
            config = written(tmp_path, "telnyx", TELNYX)
            own = {"caller_id": OURS, "caller_ids": ("+14155550199",)}

            async with configured(
                tmp_path, config, carrier, zone=zone("sip.telnyx", carrier), trunk=lambda one: one_with(one, **own)
            ) as world:
                out = world.gateway.originator
                async with out.originate(OriginateRequest("+1 (415) 555-0122"), lambda attempt: (OFFER,)) as made:
                    assert made.trunk == "telnyx"
                    made.leg.hangup()
                    (call,) = carrier.calls.values()
                    await call.ended.wait()
                for flag, caller, says in (("", "+14155550199", "D36"), ("full", "", "D1"), ("srtp_only", "", "B3")):
                    carrier.full, carrier.srtp_only = flag == "full", flag == "srtp_only"
                    with pytest.raises(CallFailed, match=says):
                        async with out.originate(
                            OriginateRequest("+14155550122", caller_id=caller), lambda attempt: (OFFER,)
                        ):
                            pass
        no_faults(carrier)

    asyncio.run(scenario())


@pytest.mark.slow
@pytest.mark.parametrize(("enabled", "how"), [(True, "transferred"), (False, "transfer_failed")])
def test_telnyx_transfers_if_it_is_enabled(tmp_path: Path, enabled: bool, how: str) -> None:
    async def scenario() -> None:
        async with Telnyx() as carrier:
            carrier.refer_enabled = enabled
            config = written(tmp_path, "telnyx", TELNYX)
            async with configured(tmp_path, config, carrier, zone=zone("sip.telnyx", carrier), deaf=True) as world:
                await carrier.until(lambda: carrier.bound, "registered")
                _, call = await carrier.call(carrier.bound, carrier._addr)
                await asyncio.wait_for(call.ended.wait(), HANG)
                record = await ending(world.gateway)
                assert record["ending"] == how
                assert ("D42" in str(record["cause"])) is not enabled
                assert carrier.transferred == (["<sip:+15557654321@sip.telnyx.com>"] if enabled else [])
        no_faults(carrier)

    asyncio.run(scenario())


@pytest.mark.slow
def test_telnyx_second_node_takes_over(tmp_path: Path) -> None:
    """The SRV records name two nodes; the first one is dead. RFC 3263 §4.3, within 4 s."""

    class Second(Telnyx):
        host = "127.0.9.12"

    async def scenario() -> None:
        async with Telnyx() as dead, Second() as alive:
            dead.datagram_received = lambda data, addr: None  # type: ignore[method-assign]
            config = written(tmp_path, "telnyx", TELNYX, everything=False)
            async with configured(tmp_path, config, alive, zone=zone("sip.telnyx", dead, alive)):
                await alive.until(lambda: alive.bound, "registered at the second")
        no_faults(alive)

    asyncio.run(scenario())


# Twilio


@pytest.mark.slow
def test_twilio_calls_in_through_its_edge(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Twilio() as carrier:
            config = written(tmp_path, "twilio", TWILIO, everything=False)
            async with configured(tmp_path, config, carrier, zone=zone("acme.pstn.twilio", carrier)) as world:
                gateway = world.gateway
                here = ("127.0.0.1", gateway.endpoint.port)
                status, call = await carrier.ring(OURS, here)
                assert status == 200
                await carrier.until(lambda: call.rtp.received > 50, "sound came")
                reason = (("Reason", 'Q.850;cause=16;text="Normal call clearing"'),)
                assert await carrier.hang_up(call, reason) == 200
                record = await ending(gateway)
                assert (record["trunk"], record["called"], record["caller"]) == ("twilio", OURS, "+14155550100")
                assert "Q.850 16 Normal call clearing" in str(record["cause"])
                assert ["X-Twilio-CallSid", "CA00000000000000000000000000000000"] in record["identity"]["call_ids"]  # type: ignore[index]
                await carrier.until(lambda: gateway.status()[0].health == "up", "health by OPTIONS")
                gateway.admission.capacity.draining = True
                assert (await carrier.ring(OURS, here))[0] == 503, "on which Twilio tries its next origination URI"
        no_faults(carrier)

    asyncio.run(scenario())


@pytest.mark.slow
def test_twilio_gets_calls_out_at_its_pace(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Twilio() as carrier:
            config = written(tmp_path, "twilio", TWILIO)
            async with configured(
                tmp_path,
                config,
                carrier,
                zone=zone("acme.pstn.twilio", carrier),
                trunk=lambda one: one_with(one, caller_id=OURS),
            ) as world:

                async def call() -> None:
                    async with world.gateway.originator.originate(
                        OriginateRequest("+14155550122"), lambda attempt: (OFFER,)
                    ) as made:
                        made.leg.hangup()

                async with asyncio.TaskGroup() as group:
                    for _ in range(3):
                        group.create_task(call())
                await carrier.until(lambda: all(one.ended.is_set() for one in carrier.calls.values()), "hung up")
                assert len(carrier.calls) == 3, "none was refused with 503 Trunk CPS limit exceeded"
        no_faults(carrier)

    asyncio.run(scenario())


@pytest.mark.slow
def test_twilio_transfers_and_is_hung_up_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Twilio() as carrier:
            config = written(tmp_path, "twilio", TWILIO)
            async with configured(
                tmp_path, config, carrier, zone=zone("acme.pstn.twilio", carrier), deaf=True
            ) as world:
                _, call = await carrier.ring(OURS, ("127.0.0.1", world.gateway.endpoint.port))
                await asyncio.wait_for(call.ended.wait(), HANG)
                assert call.bye is not None, "after the transfer it is the gateway that sends BYE"
                assert carrier.transferred == ["<sip:+15557654321@acme.pstn.twilio.com>"]
                assert (await ending(world.gateway))["ending"] == "transferred"
        no_faults(carrier)

    asyncio.run(scenario())


def test_twilio_gets_no_answer_from_an_address_that_is_not_its_own(tmp_path: Path) -> None:
    class Impostor(Twilio):
        host = "127.0.9.66"

    async def scenario() -> None:
        async with Twilio() as carrier, Impostor() as impostor:
            config = written(tmp_path, "twilio", TWILIO, everything=False)
            async with configured(tmp_path, config, carrier, zone=zone("acme.pstn.twilio", carrier)) as world:
                here = ("127.0.0.1", world.gateway.endpoint.port)
                async with asyncio.TaskGroup() as group:
                    ringing = group.create_task(impostor.ring(OURS, here))
                    assert (await carrier.ring(OURS, here))[0] == 200
                    assert not ringing.done(), "silence; it waits for an answer still"
                    ringing.cancel()

    asyncio.run(scenario())


# Plivo


@pytest.mark.slow
def test_plivo_calls_in_and_hears_something_all_the_time(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Plivo() as carrier:
            config = written(tmp_path, "plivo", PLIVO, everything=False)
            async with configured(tmp_path, config, carrier, zone=zone("1234567890.zt.plivo", carrier)) as world:
                status, call = await carrier.ring(OURS, ("127.0.0.1", world.gateway.endpoint.port))
                assert status == 200
                # 8 s: long after the greeting is over; with silence Plivo would hang up (3020 rtp_timeout).
                await carrier.watch(call, 400)
                assert (await carrier.request(call, "UPDATE")).status == 200, "a session refresh"
                assert await carrier.hang_up(call, (("X-ZT-Hangup-Code", "3000"),)) == 200
                assert (await ending(world.gateway))["ending"] == "caller_hung_up"
        no_faults(carrier)

    asyncio.run(scenario())


def test_plivo_takes_calls_out(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Plivo() as carrier:
            config = written(tmp_path, "plivo", PLIVO)
            async with (
                configured(
                    tmp_path,
                    config,
                    carrier,
                    zone=zone("1234567890.zt.plivo", carrier),
                    trunk=lambda one: one_with(one, caller_id=OURS),
                ) as world,
                world.gateway.originator.originate(OriginateRequest("+14155550122"), lambda attempt: (OFFER,)) as made,
            ):
                made.leg.hangup()
                (call,) = carrier.calls.values()
                await call.ended.wait()
        no_faults(carrier)

    asyncio.run(scenario())


@pytest.mark.slow
def test_plivo_transfers_within_its_domain_and_hangs_up_itself(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Plivo() as carrier:
            config = written(tmp_path, "plivo", PLIVO)
            async with configured(
                tmp_path, config, carrier, zone=zone("1234567890.zt.plivo", carrier), deaf=True
            ) as world:
                _, call = await carrier.ring(OURS, ("127.0.0.1", world.gateway.endpoint.port))
                await asyncio.wait_for(call.ended.wait(), HANG)
                assert carrier.transferred == ["<sip:+15557654321@1234567890.zt.plivo.com>"]
                assert (await ending(world.gateway))["ending"] == "transferred"
        no_faults(carrier)

    asyncio.run(scenario())


# PBXs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "auth_id", "challenge"),
    [("asterisk", "", 401), ("freepbx", "", 401), ("freeswitch", "", 407), ("3cx", "x7Yq2", 407)],
)
def test_a_pbx_has_the_gateway_as_an_extension(tmp_path: Path, recipe: str, auth_id: str, challenge: int) -> None:
    async def scenario() -> None:
        async with Pbx("700", auth_id or "700", "pbx-password", challenge) as pbx:
            variables = {"PBX_USER": "700", "PBX_AUTH_ID": auth_id, "PBX_PASSWORD": "pbx-password"}
            config = written(tmp_path, recipe, variables | {"PBX_ADDRESS": pbx.place}, everything=False)
            async with configured(
                tmp_path, config, pbx, deaf=True, trunk=lambda one: one_with(one, transfer_to="200")
            ) as world:
                await pbx.until(lambda: pbx.bound, "registered")
                assert await pbx.qualify() == 200
                async with world.gateway.originator.originate(
                    OriginateRequest("200"), lambda attempt: (OFFER,)
                ) as made:
                    made.leg.hangup()
                    await next(iter(pbx.calls.values())).ended.wait()
                status, call = await pbx.call(pbx.bound, pbx._addr, caller="200")
                assert status == 200
                await asyncio.wait_for(call.ended.wait(), HANG)
                assert pbx.transferred == [f"<sip:200@{pbx.place}>"]
            assert pbx.bound == ""
        no_faults(pbx)

    asyncio.run(scenario())
