"""A whole gateway: what is known of a caller reaches agent and record; only a call's own trunk may replace it."""

import asyncio
from pathlib import Path

import pytest

from sipgw.sip.endpoint import CallFailed, Endpoint, EndpointOptions
from sipgw.sip.leg import Ended, Leg
from sipgw.sip.offer_answer import LocalMedia, make_offer
from sipgw.sip.uri import Uri
from sipgw.trunks import TrunkOptions
from tests.cloud import cloud
from tests.fakes.assemblyai import Said
from tests.fakes.openai import Reply
from tests.phone import calling
from tests.test_cloud_call import ANSWER, every_code, records

TRUNKS = (
    TrunkOptions("pbx", "peer", networks=("127.0.0.1/32",)),
    TrunkOptions("other", "peer", networks=("127.0.0.2/32",)),
)
OFFER = make_offer(LocalMedia("127.0.0.1", 4000))


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
                async with asyncio.timeout(15):
                    while not world.model.requests:
                        await asyncio.sleep(0.05)
            (record,) = await records(world.gateway)
            return record, world.model.requests[0]["messages"][0]["content"]

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
    async with asyncio.timeout(15):
        async for event in leg.events():
            if isinstance(event, Ended):
                return event
    raise AssertionError("the events of a leg end with Ended")


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

    asyncio.run(scenario())
