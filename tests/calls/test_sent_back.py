"""A person's phone sends our call on to us (RFC 5806): an agent must not be handed over to itself. Over real SIP."""

import asyncio
from pathlib import Path

import pytest

from sipgw.config.people import PersonOptions
from sipgw.sip.endpoint import CallFailed, Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import LocalMedia, make_offer
from tests.callee import Callee, callee
from tests.calls.test_bridged_transfer import NUMBER, SORRY, murmur, nothing_left, told, trunks, world
from tests.phone import calling
from tests.waiting import HANG, until

pytestmark = pytest.mark.slow
SHOWN, OTHER = "+14155550199", "+14155550177"
HISTORY = "<sip:{number}@carrier.example>;index=1, <sip:agent@127.0.0.1>;index=1.1"


@pytest.mark.parametrize(
    ("header", "value"), [("Diversion", "<tel:{number}>;reason=no-answer"), ("History-Info", HISTORY)]
)
def test_a_transfer_that_is_sent_back_is_busy_and_the_caller_keeps_the_agent(
    tmp_path: Path, header: str, value: str
) -> None:
    async def scenario() -> None:
        returned: list[int] = []

        async def back(caller: str) -> int:
            """The phone sends a call of `caller` on to the agent; how that was answered."""
            fields = ((header, value.format(number=NUMBER)),)
            offer = make_offer(LocalMedia("127.0.0.1", 4000, tls=False))
            try:
                came, _ = await phone.invite(gateway.target, f"<sip:{caller}@127.0.0.1>", offer, fields=fields)
            except CallFailed as failed:
                return failed.ended.status
            came.hangup()
            return 200

        async def forward(leg: Leg) -> None:
            returned.extend([await back(SHOWN), await back(OTHER)])
            leg.reject(486)

        def forwards(person: Callee, leg: Leg) -> None:
            assert person._group
            leg.ringing()
            person._group.create_task(forward(leg))

        people = [PersonOptions("billing", NUMBER, trunk="carrier")]
        async with (
            callee(forwards) as person,
            Endpoint(EndpointOptions("127.0.0.1", 0), lambda leg: leg.reject(403), lambda *_: None) as phone,
            world(tmp_path, people, trunks(person)) as gateway,
        ):
            tries = told(gateway)
            async with calling(gateway.target, murmur) as caller:
                async with asyncio.timeout(HANG):
                    await until(lambda: SORRY in caller.heard())
            await until(lambda: nothing_left(gateway))
            refused = list(gateway.gateway.admission.refusals.calls.values())
        assert returned == [486, 200], "another caller of that phone reaches the agent"
        assert [(one.accepted, one.status) for one in tries] == [(False, 486)]
        assert ["speak with itself" in one.why for one in refused] == [True]

    asyncio.run(scenario())
