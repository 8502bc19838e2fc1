"""A whole gateway: what is known of a caller reaches agent and record; only a call's own trunk may replace it."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from agent.persona import Persona
from sipgw.config.cost import PriceOptions
from sipgw.config.gate import GateOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.policy.gate.gate import Gate
from sipgw.sip.endpoint import CallFailed, Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Ended, ReferRequested
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import LocalMedia, make_offer
from sipgw.sip.uri import Uri
from tests.callee import Callee, callee, rejecting
from tests.calls.test_cloud_call import ANSWER, every_code, records
from tests.cloud import cloud
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.openai import Reply
from tests.gate_world import ALWAYS
from tests.phone import calling
from tests.waiting import HANG

pytestmark = pytest.mark.usefixtures("quick_people")

TRUNKS = (
    TrunkOptions("pbx", "peer", networks=("127.0.0.1/32",), max_calls=1),
    TrunkOptions("other", "peer", networks=("127.0.0.2/32",)),
)
OFFER = make_offer(LocalMedia("127.0.0.1", 4000, tls=False))


@pytest.mark.slow
def test_who_calls_is_known_to_the_agent_and_to_the_record(tmp_path: Path) -> None:
    fields = (
        ("P-Asserted-Identity", '"EVE" <sip:+14155550100;verstat=TN-Validation-Passed@carrier.example>'),
        ("Diversion", "<sip:+15005550006@twilio.com>;reason=unconditional"),
        ("X-Twilio-CallSid", "CA0123456789"),
        ("X-Customer", "4711"),
    )

    async def scenario():
        async with cloud(tmp_path, [Said("Where is my order?", 500, 1000)], [ANSWER]) as world:
            async with calling(world.target, every_code, fields):
                async with asyncio.timeout(HANG):
                    while not world.llm.requests:
                        await asyncio.sleep(0.05)
            (record,) = await records(world.gateway)
            return record, world.llm.requests[0]["messages"][0]["content"]

    record, prompt = asyncio.run(scenario())
    assert "The caller's number is +14155550100; the telephone company vouches for it." in prompt
    assert "They dialled +15005550006." in prompt
    assert "EVE" not in prompt
    assert (record["caller"], record["called"]) == ("+14155550100", "+15005550006")
    assert record["identity"]["verstat"] == "TN-Validation-Passed"
    assert record["identity"]["call_ids"] == [["X-Twilio-CallSid", "CA0123456789"]]
    assert ["X-Customer", "4711"] in record["identity"]["headers"]


def phone(host: str) -> Endpoint:
    return Endpoint(EndpointOptions(host, 0), lambda leg: leg.reject(603), lambda *_: None)


async def call(endpoint: Endpoint, target: Uri, replaces: Leg | str | None = None) -> Leg:
    named = replaces.replacement if isinstance(replaces, Leg) else replaces
    fields = (("Replaces", str(named)),) if named else ()
    leg, _ = await endpoint.invite(target, "<sip:me@127.0.0.1>", OFFER, fields=fields)
    return leg


async def over(leg: Leg) -> Ended:
    async with asyncio.timeout(HANG):
        async for event in leg.events():
            if isinstance(event, Ended):
                return event
    raise AssertionError("the events of a leg end with Ended")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("host", "known", "status"), [("127.0.0.2", True, 403), ("127.0.0.1", False, 481), ("127.0.0.1", True, 0)]
)
def test_only_the_trunk_of_a_call_may_replace_it(tmp_path: Path, host: str, known: bool, status: int) -> None:
    async def scenario() -> None:
        async with cloud(tmp_path, [], [Reply()], trunks=TRUNKS) as world, phone("127.0.0.1") as ours:
            first = await call(ours, world.target)
            async with phone(host) as another:
                taking = call(another, world.target, first if known else "x;to-tag=1;from-tag=2")
                if status:
                    with pytest.raises(CallFailed) as failure:
                        await taking
                    assert failure.value.ended.status == status
                    first.hangup()
                else:
                    second = await taking
                    assert (await over(first)).how == "BYE"
                    assert await world.gateway.store.calls() == [], "it is still the same call"
                    second.hangup()
            (record,) = await records(world.gateway)
            assert (record["id"], record["ending"]) == (first.id, "caller_hung_up")
            assert len(record["identity"].get("replaced_by", [])) == (0 if status else 1)

    asyncio.run(scenario())


@pytest.mark.slow
def test_sound_goes_both_ways_with_who_takes_the_callers_place(tmp_path: Path) -> None:
    """Real RTP: the recogniser hears the second phone (nothing else arrives), and the second phone hears the answer."""

    async def scenario() -> bytes:
        said = [Said("Where is my order?", 3000, 4000)]
        async with cloud(tmp_path, said, [ANSWER], trunks=TRUNKS) as world:
            async with calling(world.target, every_code) as first:
                async with asyncio.timeout(HANG):
                    while not first.received:
                        await asyncio.sleep(0.02)
                    assert first.leg
                    fields = (("Replaces", str(first.leg.replacement)),)
                    async with calling(world.target, every_code, fields) as second:
                        assert await first.leg.over(HANG)
                        quiet = len(first.received)
                        while sound_of("Your raincoat is out for delivery.").strip(b"\xff") not in second.heard():
                            await asyncio.sleep(0.1)
                        assert len(first.received) - quiet < 5, "the first hears nothing more"
            (record,) = await records(world.gateway)
            return record["turns"][-1]["caller"]

    assert asyncio.run(scenario()) == "Where is my order?"  # type: ignore[comparison-overlap]


@pytest.mark.slow
@pytest.mark.parametrize(("status", "ending"), [(200, "transferred"), (486, "caller_hung_up")])
def test_the_model_asks_for_a_person_and_the_carrier_finds_one_or_not(tmp_path: Path, status: int, ending: str) -> None:
    person = TrunkOptions(
        "telnyx", "peer", networks=("127.0.0.1/32",),
        transfer_to="+14155550123", refer_to="sip:{e164}@sip.telnyx.com",
    )  # fmt: skip
    connecting = Reply(text=["I connect you."], calls=[("c1", "transfer_to_human", '{"reason": "asked"}')])

    async def scenario() -> None:
        said = [Said("A person please.", 500, 1500)]
        async with cloud(tmp_path, said, [connecting], trunks=(person,)) as world:
            async with calling(world.target, every_code) as phone, asyncio.timeout(HANG):
                assert phone.leg
                phone.leg.let_refer()
                async for event in phone.leg.events():
                    if isinstance(event, ReferRequested):
                        assert str(event.target) == "sip:+14155550123@sip.telnyx.com"
                        assert sound_of("I connect you.").strip(b"\xff") in phone.heard(), "it is said first"
                        phone.leg.report_refer(status, "")
                        break
                sorry = sound_of(Persona("", "").not_connected).strip(b"\xff")
                while status != 200 and sorry not in phone.heard():
                    await asyncio.sleep(0.1)
                if status == 200:
                    assert await phone.leg.over(HANG), "the gateway hangs up"
            (record,) = await records(world.gateway)
            assert record["ending"] == ending
            assert ("sip:+14155550123@sip.telnyx.com: 200" in record["cause"]) is (status == 200)

    asyncio.run(scenario())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("country", "shape", "costly"),
    [
        ("US", "+e164", ("+19005550123", "19005550123", "9005550123", "01144-20-7946-0000", "*6719005550123")),
        ("", "e164", ("442079460000", "00442079460000", "%2B442079460000", "+44-20-7946-0000")),
        ("US", "as_dialled", ("9005550123", "00442079460000", "919005550123")),
    ],
)
def test_a_costly_number_is_none_we_are_sent_to_however_it_is_written(
    tmp_path: Path, country: str, shape: str, costly: tuple[str, ...]
) -> None:
    """Toll fraud by REFER: the number without its +, as the carrier takes it all the same."""

    async def scenario() -> None:
        async with callee(rejecting(486)) as third:
            pbx = third.trunk(name="pbx", country=country, number_format=shape, accept_refer=True, caller_id="")
            async with cloud(tmp_path, [], [], trunks=(pbx,)) as world, calling(world.target, every_code) as phone:
                assert phone.leg
                for user in (*costly, "201", "anna.4155550123"):
                    done = await phone.leg.refer(Uri("sip", user, "127.0.0.1", third.port))
                    assert (user, done.status) == (user, 403 if user in costly else 486)
                assert len(third.legs) == 2

    asyncio.run(asyncio.wait_for(scenario(), HANG))


@pytest.mark.slow
@pytest.mark.faults("C6")
def test_a_number_that_a_pbx_names_is_judged_as_a_call_out(tmp_path: Path) -> None:
    """Neither somebody who must not be called, nor anybody more often than the caps allow."""

    async def scenario() -> None:
        async with callee(rejecting(486)) as third:
            pbx = third.trunk(name="pbx", country="US", accept_refer=True)
            gate = GateOptions(countries=("US",), windows=ALWAYS, per_number_per_day=1)
            change = lambda config: replace(config, gate=gate)  # noqa: E731
            async with cloud(tmp_path, [], [], trunks=(pbx,), change=change) as world:
                held = world.gateway.services.originator.gate
                assert isinstance(held, Gate)
                await held.own.add("+14155550111", "caller")
                async with calling(world.target, every_code) as phone, asyncio.timeout(HANG):
                    assert phone.leg
                    for user, status in (("4155550111", 403), ("4155550123", 486), ("4155550123", 403)):
                        done = await phone.leg.refer(Uri("sip", user, "127.0.0.1", third.port))
                        assert (user, done.status) == (user, status)
                assert len(third.legs) == 1

    asyncio.run(asyncio.wait_for(scenario(), HANG))


@pytest.mark.slow
@pytest.mark.faults("C6")
@pytest.mark.parametrize(("most", "status"), [(1, 503), (2, 200)])
def test_a_call_that_a_pbx_sends_the_agent_on_counts_on_its_trunk_and_on_the_bill(
    tmp_path: Path, most: int, status: int
) -> None:
    price = PriceOptions("trunk", "pbx", "seconds", 0.60, 60, direction="out")

    async def scenario() -> None:
        async with callee(Callee.pick_up) as third:
            pbx = third.trunk(name="pbx", country="US", accept_refer=True, max_calls=most)
            gate = GateOptions(countries=("US",), windows=ALWAYS)
            change = lambda config: replace(config, prices=(price,), gate=gate)  # noqa: E731
            async with cloud(tmp_path, [], [], trunks=(pbx,), change=change) as world:
                async with calling(world.target, every_code) as phone, asyncio.timeout(HANG):
                    assert phone.leg
                    done = await phone.leg.refer(Uri("sip", "415-555-0123;isub=1", "127.0.0.1", third.port))
                    assert done.status == status
                    if status == 200:
                        assert third.legs[0].request.uri.user == "+14155550123", "as the gate has seen it"
                        phone.leg.hangup()
                        while world.gateway.admission.capacity.calls["pbx"] != 1:
                            await asyncio.sleep(0.02)
                        third.legs[0].hangup()
                    else:
                        assert third.legs == []
                (record,) = await records(world.gateway)
                used = record["costs"]["used"]
                assert ("trunk pbx further seconds" in used) is (status == 200)
                assert record["costs"]["trunk"] == pytest.approx(0.60 if status == 200 else 0)
                assert world.gateway.admission.capacity.calls["pbx"] == 0

    asyncio.run(asyncio.wait_for(scenario(), HANG))
