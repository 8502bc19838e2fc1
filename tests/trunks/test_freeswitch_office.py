"""Hold, queues and parking of FreeSWITCH with the blocks of its guide: what its source says that it sends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sipgw.calls.session import CallSession
from sipgw.sip import transferor
from sipgw.sip.message import Response
from sipgw.sip.sdp import Sdp
from tests.cloud import Cloud
from tests.fakes.carriers.carrier import Call
from tests.fakes.carriers.freeswitch import BridgedRtp, FreeSwitchOffice
from tests.interop.desks import hums, tone
from tests.recipes import configured, written
from tests.trunks.test_freeswitch import VARIABLES
from tests.trunks.test_recipes import ending, no_faults
from tests.waiting import HANG, until

PHONE, MUSIC, COLLEAGUE = "1002", "1010", "1020"
"""Who is heard, by their tones."""
ON_THE_WAY = 8
"""Packets that may be on their way when a call is put on hold."""
PAUSE = 0.5
"""Seconds in which 25 packets would come. A busy machine makes them fewer, never more."""


@contextlib.asynccontextmanager
async def office(folder: Path, **more: Any) -> AsyncIterator[tuple[FreeSwitchOffice, Cloud]]:
    async with FreeSwitchOffice() as pbx:
        config = written(folder, "freeswitch", VARIABLES | {"PBX_ADDRESS": pbx.place}, everything=False)
        async with configured(folder, config, pbx, **more) as world:
            await pbx.until(lambda: pbx.bound, "registered")
            yield pbx, world
    no_faults(pbx)


async def called(pbx: FreeSwitchOffice) -> Call:
    """The phone calls the agent, and hums."""
    status, call = await pbx.rings(PHONE)
    assert status == 200
    assert isinstance(call.rtp, BridgedRtp)
    call.rtp.playing = tone(PHONE)
    return call


async def answered(pbx: FreeSwitchOffice, world: Cloud) -> tuple[Call, BridgedRtp, CallSession]:
    """The phone calls the agent; the agent is heard."""
    call = await called(pbx)
    sound = call.rtp
    assert isinstance(sound, BridgedRtp)
    await pbx.until(lambda: sound.received > 25, "the agent is heard")
    (session,) = world.gateway.calls.values()
    return call, sound, session


async def hears(session: CallSession, number: str) -> None:
    """Wait until the agent's line has the tone of this phone, and of no other."""
    async with asyncio.timeout(HANG):
        with session.listen() as sound:
            heard = b""
            async for stereo in sound:
                heard = (heard + stereo[0::2])[-4000:]
                if hums(heard, number):
                    return
    raise AssertionError(f"the call ended before {number} was heard")


async def recorded(pbx: FreeSwitchOffice, world: Cloud, call: Call) -> dict[str, Any]:
    """The phone hangs up; the record."""
    assert await pbx.hang_up(call) == 200
    return dict(await ending(world.gateway))


def direction(answer: Response) -> str:
    assert answer.status == 200
    (audio,) = Sdp.parse(answer.body).media
    return next(one for one in ("sendrecv", "recvonly", "inactive") if audio.attribute(one) is not None)


def version(answer: Response) -> int:
    return int(Sdp.parse(answer.body).origin.split()[2])


@pytest.mark.slow
def test_a_phone_holds_the_agent_and_resumes(tmp_path: Path) -> None:
    """`hold_music=indicate_hold`: FreeSWITCH passes the hold on, and sends nothing meanwhile (CF_SUSPEND)."""

    async def scenario() -> None:
        async with office(tmp_path) as (pbx, world):
            call, sound, session = await answered(pbx, world)
            await hears(session, PHONE)
            sound.playing = b""
            held = await pbx.change(call, "sendonly")
            assert direction(held) == "recvonly"
            before = sound.received
            await asyncio.sleep(PAUSE)
            assert sound.received <= before + ON_THE_WAY
            again = await pbx.change(call, "sendonly")
            assert (direction(again), version(again)) == ("recvonly", version(held)), "a refresh of the hold"
            resumed = await pbx.change(call, "sendrecv")
            assert (direction(resumed), version(resumed)) == ("sendrecv", version(held) + 1)
            before, sound.playing = sound.received, tone(PHONE)
            await pbx.until(lambda: sound.received > before + 25, "the agent is heard again")
            await hears(session, PHONE)
            assert (await recorded(pbx, world, call))["ending"] == "caller_hung_up"

    asyncio.run(scenario())


@pytest.mark.slow
@pytest.mark.parametrize("music", [tone(MUSIC), b""], ids=["hold_music", "hold_music=silence"])
def test_a_hold_without_signalling_ends_no_call(tmp_path: Path, music: bytes) -> None:
    """Its default: the agent's leg gets music, or nothing, in the same stream. Then the phone is there again."""

    async def scenario() -> None:
        async with office(tmp_path) as (pbx, world):
            call, sound, session = await answered(pbx, world)
            await hears(session, PHONE)
            sound.playing = music
            if music:
                await hears(session, MUSIC)
            else:
                await asyncio.sleep(PAUSE)
            before, sound.playing = sound.received, tone(PHONE)
            await pbx.until(lambda: sound.received > before + 25, "the agent is heard")
            await hears(session, PHONE)
            assert (await recorded(pbx, world, call))["ending"] == "caller_hung_up"

    asyncio.run(scenario())


@pytest.mark.slow
def test_another_member_of_the_queue_is_faster(tmp_path: Path) -> None:
    """mod_callcenter with `ring-all`, mod_fifo and `bridge` to several: it is no missed call."""

    async def scenario() -> None:
        async with office(tmp_path) as (pbx, world):
            with world.letting_it_ring():
                async with asyncio.TaskGroup() as calling:
                    ringing = calling.create_task(pbx.rings(PHONE))
                    await until(lambda: world.gateway.calls)
                    (call_id,) = pbx.calls
                    pbx.cancel(call_id)
                assert ringing.result()[0] == 487
            record = await ending(world.gateway)
            assert (record["ending"], record["answered"]) == ("answered_elsewhere", None)

    asyncio.run(scenario())


@pytest.mark.slow
def test_the_agent_is_a_member_of_a_queue(tmp_path: Path) -> None:
    """mod_callcenter calls the agent with the caller's number, plays the announcement of the queue to the agent, and
    only then joins the caller (`switch_ivr_uuid_bridge`): the same stream goes on, without signalling. Where the
    guide's `update_ignore_ua` is set, an UPDATE without SDP says who it is."""

    async def scenario() -> None:
        async with office(tmp_path) as (pbx, world):
            call, sound, session = await answered(pbx, world)
            sound.playing = tone(MUSIC)
            await hears(session, MUSIC)
            sound.playing = tone(PHONE)
            answer = await pbx.display(call, PHONE)
            assert (answer.status, answer.body) == (200, b"")
            await hears(session, PHONE)
            record = await recorded(pbx, world, call)
            assert (record["ending"], record["caller"]) == ("caller_hung_up", PHONE)

    asyncio.run(scenario())


@pytest.mark.slow
@pytest.mark.parametrize("told", [True, False], ids=["update_ignore_ua", "by default"])
def test_the_agent_is_parked_and_picked_up_by_a_colleague(tmp_path: Path, told: bool) -> None:
    """A phone transfers the agent to 6001 (`valet_park`): music, then the colleague who calls 6001. All of it is in
    the agent's one call."""

    async def scenario() -> None:
        async with office(tmp_path) as (pbx, world):
            call, sound, session = await answered(pbx, world)
            await hears(session, PHONE)
            sound.playing = tone(MUSIC)
            await hears(session, MUSIC)
            sound.playing = tone(COLLEAGUE)
            if told:
                assert (await pbx.display(call, COLLEAGUE)).status == 200
            await hears(session, COLLEAGUE)
            record = await recorded(pbx, world, call)
            assert (record["ending"], record["caller"]) == ("caller_hung_up", COLLEAGUE if told else PHONE)

    asyncio.run(scenario())


@pytest.mark.slow
def test_the_agent_parks_its_caller(tmp_path: Path) -> None:
    """By REFER to the place of `valet_park`, or to 5900 (`fifo`). It is reported at once, before anything is proven."""

    async def scenario() -> None:
        to = lambda one: replace(one, transfer_to="6001")  # noqa: E731
        async with office(tmp_path, deaf=True, trunk=to, extensions=("60??",)) as (pbx, world):
            call = await called(pbx)
            await asyncio.wait_for(call.ended.wait(), HANG)
            assert (await ending(world.gateway))["ending"] == "transfer_unproven"
            assert ["sip:6001@" in one for one in pbx.transferred] == [True]

    asyncio.run(scenario())


@pytest.mark.slow
@pytest.mark.parametrize(("busy", "ends"), [(False, "transferred"), (True, "transfer_failed")])
def test_a_blind_transfer_that_is_confirmed_loses_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, busy: bool, ends: str
) -> None:
    """`confirm_blind_transfer`: it reports once the person was bridged; a busy one gives the caller back."""
    monkeypatch.setattr(transferor, "ANSWER_TIME", -1.0)  # it takes no second to answer here

    async def scenario() -> None:
        to = lambda one: replace(one, transfer_to="200")  # noqa: E731
        async with office(tmp_path, deaf=True, trunk=to) as (pbx, world):
            pbx.confirms, pbx.busy = True, {"200"} if busy else set()
            call = await called(pbx)
            await asyncio.wait_for(call.ended.wait(), HANG)
            assert (await ending(world.gateway))["ending"] == ends

    asyncio.run(scenario())
