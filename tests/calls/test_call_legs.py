"""A call changes its other side: transfers by us, by a PBX, by an INVITE that replaces; over real SIP on loopback."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from agent.records import Outcome
from sipgw.calls.consult_leg import SipConsultLeg
from sipgw.calls.phone_line import PhoneLine
from sipgw.calls.transfer_targets import TransferTarget, TransferTargets
from sipgw.events import Disposition
from sipgw.sip.endpoint import CallFailed
from sipgw.sip.events import Ended, Phase, Referred, ReferRequested
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import LocalMedia, make_offer
from sipgw.sip.uri import Uri
from tests.calling import OPEN, Legs, World, busy
from tests.info_keys import send_info_digit
from tests.waiting import HANG

pytestmark = pytest.mark.usefixtures("quick_people")


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(HANG):
            await work()

    asyncio.run(limited())


async def last(leg: Leg) -> Ended:
    async for event in leg.events():
        if isinstance(event, Ended):
            return event
    raise AssertionError("the events of a leg end with Ended")


async def asked(leg: Leg) -> ReferRequested:
    async for event in leg.events():
        if isinstance(event, ReferRequested):
            return event
    raise AssertionError("the call ended without a REFER")


# A PBX sends the agent to somebody


def test_the_agent_goes_where_it_is_sent_and_goes_on_talking() -> None:
    async def scenario() -> None:
        async with World(OPEN).up() as world:
            outcome = await world.leg.refer(world.third.uri)
            assert outcome == Referred(True, 200, "OK")
            (leg,) = world.third.legs
            assert leg.request.headers.get("referred-by") == f"<{world.caller.uri}>"
            assert world.peers == [4000, 5000]
            world.leg.hangup()
            send_info_digit(leg, "7")
            while world.talk.keys != "7":
                await asyncio.sleep(0)
            leg.hangup()
            assert (await world.ending) == Disposition("caller_hung_up", "callee: BYE")
            assert world.engine.channels[0].closed

    run(scenario)


def test_who_is_busy_leaves_the_agent_where_it_was() -> None:
    async def scenario() -> None:
        async with World(OPEN, busy).up() as world:
            assert await world.leg.refer(world.third.uri) == Referred(False, 486, "Busy Here")
            assert world.peers == [4000]
            world.talk.end()
            assert (await world.ending).kind == "agent_hung_up"
            assert (await last(world.leg)).by == "callee"

    run(scenario)


def test_the_gate_stands_before_a_number_that_the_other_side_sends_us_to() -> None:
    """Toll fraud: whoever may send the agent to a colleague may not send it to a premium number."""
    asked: list[str] = []

    async def scenario() -> None:
        world = World(OPEN, busy)

        class Gated(Legs):
            @contextlib.asynccontextmanager
            async def follow_refer(self, uri: Uri, *rest: Any) -> AsyncIterator[Leg]:
                asked.append(uri.user)
                if uri.user.startswith("+1900"):
                    raise CallFailed(Ended("gateway", "403", "premium", 403))
                async with self.invite(uri, *rest) as reached:
                    yield reached

        world.legs = Gated
        async with world.up():
            costly = replace(world.third.uri, user="+19005550123")
            assert await world.leg.refer(costly) == Referred(False, 403, "premium")
            assert asked == ["+19005550123"]
            assert world.third.legs == []
            assert (await world.leg.refer(world.third.uri)).status == 486
            assert asked[1:] == [world.third.uri.user]
            world.talk.end()
            assert (await world.ending).kind == "agent_hung_up"

    run(scenario)


def test_who_does_not_let_the_agent_be_sent_around_says_so() -> None:
    async def scenario() -> None:
        async with World().up() as world:
            assert await world.leg.refer(world.third.uri) == Referred(False, 603, "Decline")
            assert world.third.legs == []

    run(scenario)


@pytest.mark.parametrize("answers", [True, False])
def test_who_sends_the_agent_away_may_hang_up_at_once(answers: bool) -> None:
    async def scenario() -> None:
        waiting: list[Leg] = []
        async with World(OPEN, waiting.append).up() as world, asyncio.TaskGroup() as tasks:
            refer = tasks.create_task(world.leg.refer(world.third.uri))
            await world.third.came.wait()
            world.leg.hangup()
            assert not (await refer).accepted, "it did not want to wait for the outcome"
            while world.call.leg.phase is not Phase.ENDED:
                await asyncio.sleep(0)
            (leg,) = waiting
            if answers:
                world.third.pick_up(leg)
                while world.peers != [4000, 5000]:
                    await asyncio.sleep(0)
                assert not world.ending.done()
                leg.hangup()
            else:
                leg.reject(480)
            assert await world.ending == Disposition("caller_hung_up", f"{'callee' if answers else 'caller'}: BYE")

    run(scenario)


def test_a_call_that_ends_leaves_nobody_behind_who_has_not_hung_up_yet() -> None:
    async def scenario() -> None:
        async with World(OPEN).up() as world:
            assert (await world.leg.refer(world.third.uri)).accepted
            world.third.legs[0].hangup()
            assert await world.ending == Disposition("caller_hung_up", "callee: BYE")
            assert await last(world.leg) == Ended("callee", "BYE")

    run(scenario)


def test_who_takes_the_callers_place_while_it_rings_elsewhere_keeps_it() -> None:
    async def scenario() -> None:
        waiting: list[Leg] = []
        async with World(OPEN, waiting.append).up() as world, asyncio.TaskGroup() as tasks:
            refer = tasks.create_task(world.leg.refer(world.third.uri))
            await world.third.came.wait()
            await world.caller.call(world.uri, (("Replaces", str(world.leg.replacement)),))
            assert not (await refer).accepted
            world.third.pick_up(waiting[0])
            assert await last(waiting[0]) == Ended("caller", "BYE")
            assert world.peers == [4000, 4000]
            world.talk.end()
            assert (await world.ending).kind == "agent_hung_up"

    run(scenario)


# An INVITE takes the place of the caller's


def test_the_conversation_goes_on_with_who_takes_the_callers_place() -> None:
    async def scenario() -> None:
        async with World().up() as world:
            leg = await world.third.call(world.uri, (("Replaces", str(world.leg.replacement)),))
            assert await last(world.leg) == Ended("callee", "BYE")
            assert world.peers == [4000, 5000]
            assert not world.ending.done()
            world.talk.end()
            assert (await world.ending).kind == "agent_hung_up"
            assert await last(leg) == Ended("callee", "BYE")

    run(scenario)


def test_a_replacement_whose_sound_is_not_ours_changes_nothing() -> None:
    async def scenario() -> None:
        async with World().up() as world:
            offer = make_offer(world.third.media).replace(b"RTP/AVP 0 8 101", b"RTP/AVP 18")
            with pytest.raises(CallFailed) as failure:
                await world.third.call(world.uri, (("Replaces", str(world.leg.replacement)),), offer)
            assert failure.value.ended.status == 488
            assert world.peers == [4000]
            world.talk.end()
            assert (await world.ending).kind == "agent_hung_up"

    run(scenario)


# The agent sends the caller to a person


async def blindly(world: World, status: int, reason: str) -> None:
    """What a carrier does with our REFER."""
    await asked(world.leg)
    world.leg.report_refer(status, reason)


@pytest.mark.parametrize("theirs", [True, False], ids=["they hang up", "we hang up"])
def test_a_caller_is_transferred(theirs: bool) -> None:
    async def scenario() -> None:
        async with World().up(attended=False, await_bye=10 if theirs else 0) as world, asyncio.TaskGroup() as tasks:
            world.leg.let_refer()
            tasks.create_task(blindly(world, 200, "OK"))
            assert world.talk.connect
            assert await world.talk.connect()  # type: ignore[call-arg]
            world.talk.outcome.set_result(Outcome("transfer", "asked"))
            if theirs:
                world.leg.hangup()
            assert await last(world.leg) == Ended("gateway" if theirs else "callee", "BYE")
            assert await world.ending == Disposition("transferred", f"to {world.third.uri}: 200 OK")

    run(scenario)


def test_a_carrier_that_hangs_up_first_has_transferred_all_the_same() -> None:
    async def scenario() -> None:
        async with World().up(attended=False, await_bye=10) as world, asyncio.TaskGroup() as tasks:
            world.leg.let_refer()
            tasks.create_task(blindly(world, 200, "OK"))
            assert world.talk.connect
            assert await world.talk.connect()  # type: ignore[call-arg]
            world.leg.hangup()  # the conversation hears that nobody is there before it is told to end
            assert (await world.ending).kind == "transferred"

    run(scenario)


@pytest.mark.parametrize("let", [True, False])
def test_a_caller_who_cannot_be_transferred_stays(let: bool) -> None:
    async def scenario() -> None:
        async with World().up(attended=False) as world, asyncio.TaskGroup() as tasks:
            if let:
                world.leg.let_refer()
                tasks.create_task(blindly(world, 404, "Not Found"))
            assert world.talk.connect
            assert not await world.talk.connect()  # type: ignore[call-arg]
            assert not world.ending.done()
            world.talk.end()
            assert await world.ending == Disposition("agent_hung_up", "done")

    run(scenario)


def test_without_a_person_there_are_no_transfers() -> None:
    async def scenario() -> None:
        async with World().up() as world:
            assert world.talk.connect is None

    run(scenario)


def test_a_person_is_asked_first_and_then_gets_the_caller() -> None:
    async def scenario() -> None:
        async with World().up(attended=True) as world, asyncio.TaskGroup() as tasks:
            world.leg.let_refer()

            async def obey() -> None:
                """What the caller's PBX does."""
                request = await asked(world.leg)
                fields = (("Replaces", str(request.replaces)), ("Require", "replaces"))
                await world.caller.call(request.target, fields)
                consulted, connected = world.third.legs
                assert connected.takes(consulted)
                consulted.hangup()
                world.leg.report_refer(200, "OK")

            tasks.create_task(obey())
            assert world.talk.connect
            assert await world.talk.connect()  # type: ignore[call-arg]
            world.talk.outcome.set_result(Outcome("transfer", "asked"))
            assert (await world.ending).kind == "transferred"
            assert [channel.closed for channel in world.engine.channels] == [True, True]

    run(scenario)


def test_a_person_who_does_not_answer_gets_no_caller() -> None:
    async def scenario() -> None:
        async with World(take=busy).up(attended=True) as world:
            assert world.talk.connect
            assert not await world.talk.connect()  # type: ignore[call-arg]
            assert len(world.third.legs) == 1
            assert [channel.closed for channel in world.engine.channels] == [False, True]
            world.talk.outcome.set_result(Outcome("failed", "llm failed"))
            ending = await world.ending
            assert ending.kind == "transfer_failed"
            assert "486" in ending.cause

    run(scenario)


# The agent briefs a person, and the caller's PBX connects


@contextlib.asynccontextmanager
async def warm(brief: str = "", status: int = 200) -> AsyncIterator[tuple[World, list[str]]]:
    """A call whose PBX is asked to connect the caller with a person who was briefed, which it does with `status`."""
    world, did = World(), list[str]()
    people = TransferTargets(
        (), world.trunk, lambda: TransferTarget(world.third.uri, "warm", name="anna", by_refer=True)
    )

    class Warm(Legs):
        @contextlib.asynccontextmanager
        async def consult(self, target: TransferTarget, beside: int) -> AsyncIterator[SipConsultLeg]:
            local = LocalMedia("127.0.0.1", 20_100, tls=False)
            leg, _ = await world.endpoint.invite(target.uri, "<sip:agent@127.0.0.1>", make_offer(local))
            line = PhoneLine()
            line.attach(await world.engine.open(line.on_media))  # type: ignore[arg-type]
            try:
                yield SipConsultLeg(leg, line, local)
            finally:
                leg.hangup()
                did.append("hung up")

        async def brief(self, line: PhoneLine) -> str:
            did.append("briefed")
            return brief

    world.people, world.legs = people, Warm
    async with world.up() as up, asyncio.TaskGroup() as tasks:
        up.leg.let_refer()

        async def obey() -> None:
            request = await asked(up.leg)
            did.append("asked")
            assert request.replaces is not None
            if status == 200:
                await up.caller.call(request.target, (("Replaces", str(request.replaces)), ("Require", "replaces")))
            up.leg.report_refer(status, "OK" if status == 200 else "No")

        obeying = None if brief else tasks.create_task(obey())
        yield up, did
        if obeying:
            obeying.cancel()


def test_after_the_briefing_the_pbx_connects_caller_and_person() -> None:
    async def scenario() -> None:
        async with warm() as (world, did):
            assert world.talk.connect
            assert await world.talk.connect("anna")
            world.talk.outcome.set_result(Outcome("transfer", "asked"))
            ending = await world.ending
            assert did == ["briefed", "asked", "hung up"]
            assert ending == Disposition("transferred", f"to anna ({world.third.uri}): 200 OK")
            assert world.engine.channels[0].did[:1] == ["music"], "and the caller heard music"
            assert "bridge" not in world.engine.channels[0].did

    run(scenario)


def test_a_pbx_that_does_not_connect_them_leaves_it_to_us() -> None:
    async def scenario() -> None:
        async with warm(status=501) as (world, did):
            assert world.talk.connect
            assert await world.talk.connect("")
            assert did == ["briefed", "asked"]
            assert world.engine.channels[0].did == ["music", "bridge"]
            world.talk.outcome.set_result(Outcome("transfer", "asked"))
            for _ in range(100):
                await asyncio.sleep(0)
            assert not world.ending.done(), "they speak"
            world.third.legs[0].hangup()
            ending = await world.ending
            assert ending.kind == "transferred"
            assert ending.cause.endswith(" s, anna hung up")

    run(scenario)


def test_a_person_who_declines_the_briefing_is_hung_up_and_the_agent_is_heard_again() -> None:
    async def scenario() -> None:
        async with warm("declined") as (world, did):
            assert world.talk.connect
            assert not await world.talk.connect("anna")
            assert did == ["briefed", "hung up"]
            assert world.engine.channels[0].did == ["music", "unbridge"]
            world.talk.end()
            assert (await world.ending).kind == "agent_hung_up"

    run(scenario)
