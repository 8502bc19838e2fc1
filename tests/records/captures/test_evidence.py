"""What is kept of real calls: the SIP of each leg, the packets of its sound, the timeline, told of the right call."""

import asyncio
import json
from pathlib import Path

import pytest

from sipgw.calls.request import OriginateRequest
from sipgw.events import CallBegan, CallMeasured, Event
from tests.callee import callee, rejecting
from tests.calls.test_cloud_call import every_code
from tests.cloud import cloud
from tests.fakes.elevenlabs import sound_of
from tests.outbound.test_call_out import GREETING, NUMBER, calling_out
from tests.phone import calling
from tests.waiting import HANG

pytestmark = pytest.mark.slow


def test_a_call_out_has_its_messages_though_its_name_is_not_a_call_id(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            callee(rejecting(503)) as down,
            callee() as person,
            calling_out(tmp_path, down, person) as (world, _),
        ):
            evidence = world.gateway.evidence
            async with asyncio.timeout(HANG):
                placed = world.gateway.originate(OriginateRequest(NUMBER, "agent"))
                call = placed.info.key
                while not person.phones or len(person.phones[0].heard()) < 4000:
                    await asyncio.sleep(0.02)
                person.legs[0].hangup()
                await placed.ended()
                while evidence.timelines.version(call):
                    await asyncio.sleep(0.02)
            found = await evidence.timelines.of(call)
            assert found
            starts = [message["start"] for message in found["sip"]["messages"]]
            assert [start.split()[0] for start in starts].count("INVITE") == 2, "one for each trunk that was tried"
            assert any(start.startswith("SIP/2.0 503") for start in starts)
            assert starts[-1] == "SIP/2.0 200 OK" and starts[-2].startswith("BYE")
            assert found["ending"]["kind"] == "callee_hung_up" and found["answered"] is not None
            assert found["turns"][0]["said"] == GREETING
            captured = b"".join([piece async for piece in evidence.pcap(call)])
            sound = sound_of(GREETING)
            assert any(sound[at : at + 80] in captured for at in (1000, 1080)), "half a frame is whole in a packet"

    asyncio.run(scenario())


def test_two_calls_at_once_do_not_mix(tmp_path: Path) -> None:
    told: list[Event] = []

    async def scenario() -> None:
        async with cloud(tmp_path, [], []) as world:
            world.gateway.watchers.add(told.append)
            evidence = world.gateway.evidence
            async with calling(world.target, every_code) as one, calling(world.target, every_code) as other:
                assert one.leg and other.leg
                names = one.leg.id, other.leg.id
                async with asyncio.timeout(HANG):
                    while {event.call for event in told if isinstance(event, CallMeasured)} < set(names):
                        await asyncio.sleep(0.05)
            for name, another in (names, names[::-1]):
                began = evidence.sip.latest(name)
                assert began
                ladder = evidence.sip.of(began.key)
                assert ladder
                assert all(name.encode() in message.data for message in ladder.messages)
                assert not any(another.encode() in message.data for message in ladder.messages)
                found = await evidence.timelines.of(began.key)
                assert found and found["quality"][0][1] > 4 and 4.5 < found["quality"][0][0] < 9
                json.dumps(found)

    asyncio.run(scenario())
    assert len([event for event in told if isinstance(event, CallBegan)]) == 2
