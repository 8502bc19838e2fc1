# mypy: disable-error-code="call-arg"
"""SIPp as carrier and PBX: transfers both ways, a call that is replaced, keys by INFO."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from agent.records import Outcome
from sipgw.calls.transfer_targets import TransferTarget
from sipgw.config.trunks import TrunkOptions
from sipgw.events import Disposition
from sipgw.sip.events import Phase
from sipgw.sip.leg import Leg
from tests.calling import OPEN, TRUNK, World, busy
from tests.info_keys import send_info_digit
from tests.interop.scenario import (
    answered,
    held,
    invite,
    notify,
    refused,
    reply,
    request,
    response,
    scenario,
    wanted,
)
from tests.waiting import HANG, SIPP_LIMIT

pytestmark = [pytest.mark.usefixtures("quick_people"), pytest.mark.programs("sipp")]

HANGUP = wanted("BYE") + reply(200, "OK")


async def sipp(folder: Path, port: int, steps: str) -> None:
    """Run the steps as a caller; SIPp insists on each of them."""
    (folder / "steps.xml").write_text(steps)
    command = ["sipp", f"127.0.0.1:{port}", "-sf", "steps.xml", "-i", "127.0.0.1", "-m", "1", "-nostdin"]
    command += ["-timeout", SIPP_LIMIT, "-timeout_error", "-trace_err", "-error_file", "errors.txt"]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        status = await process.wait()
    except asyncio.CancelledError:
        process.kill()
        raise
    errors = folder / "errors.txt"
    assert status == 0, errors.read_text() if errors.exists() else f"SIPp: {status}"


def one_call(
    folder: Path,
    steps: Callable[[World], str],
    then: Callable[[World], Awaitable[None]],
    trunk: TrunkOptions = TRUNK,
    take: Callable[[Leg], None] | None = None,
    person: TransferTarget | None = None,
) -> Disposition:
    """One call by SIPp to a gateway that does `then` once it is up; returns how the call ended."""

    async def main() -> Disposition:
        world = World(trunk, take)
        if person is not None:
            world.lead_to(person)
        async with asyncio.timeout(HANG), world.alone():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(sipp(folder, world.endpoint.port, steps(world)))
                await world.first
                await world.until_talk()
                while world.call.leg.phase is Phase.ANSWERED:
                    await asyncio.sleep(0.01)
                await then(world)
            return await world.ending

    return asyncio.run(main())


# We refer the caller


CARRIER = "sip:+14155550123@me.pstn.example"
CALL = invite() + answered()
REFER = wanted("REFER", Refer_To="<sip:.14155550123@me.pstn.example>", Referred_By="<sip:agent@")


async def transferred(world: World) -> None:
    assert world.talk.connect
    assert await world.talk.connect()
    world.talk.outcome.set_result(Outcome("transfer", "asked"))


def test_a_carrier_that_holds_us_while_it_rings_and_waits_for_our_bye(tmp_path: Path) -> None:
    trunk = TrunkOptions("twilio", "peer", networks=("127.0.0.1/32",), transfer_to=CARRIER)
    assert trunk.transfer_uri
    steps = (
        CALL, REFER, reply(202, "Accepted"), notify(2, "SIP/2.0 100 Trying"), held(3),
        notify(4, "SIP/2.0 200 OK", "terminated;reason=noresource"), HANGUP,
    )  # fmt: skip
    ending = one_call(
        tmp_path, lambda world: scenario(*steps), transferred, trunk, person=TransferTarget(trunk.transfer_uri)
    )
    assert ending == Disposition("transferred", f"to {CARRIER}: 200 OK")


def test_a_carrier_that_hangs_up_itself(tmp_path: Path) -> None:
    trunk = TrunkOptions("plivo", "peer", networks=("127.0.0.1/32",), transfer_to=CARRIER, await_bye=10)
    assert trunk.transfer_uri
    steps = (
        CALL, REFER, reply(202, "Accepted"), notify(2, "SIP/2.0 100 Trying"),
        notify(3, "SIP/2.0 200 OK", "terminated;reason=noresource"), request("BYE", 4), response(200),
    )  # fmt: skip
    person = TransferTarget(trunk.transfer_uri, await_bye=trunk.await_bye)
    assert one_call(tmp_path, lambda world: scenario(*steps), transferred, trunk, person=person).kind == "transferred"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(reply(405, "REFER not allowed"), id="Telnyx D42"),
        pytest.param(reply(403, "Forbidden"), id="Plivo: another's domain"),
        pytest.param(reply(603, "Decline"), id="PBX"),
        pytest.param(
            reply(202, "Accepted") + notify(2, "SIP/2.0 486 Busy Here", "terminated;reason=noresource"), id="busy"
        ),
    ],
)
def test_a_transfer_that_is_refused_leaves_the_call_up(tmp_path: Path, answer: str) -> None:
    trunk = TrunkOptions("telnyx", "peer", networks=("127.0.0.1/32",), transfer_to=CARRIER)
    assert trunk.transfer_uri

    async def refused_and_going_on(world: World) -> None:
        assert world.talk.connect
        assert not await world.talk.connect()
        assert not world.ending.done()
        world.talk.end()

    steps = scenario(CALL, REFER, answer, HANGUP)
    ending = one_call(
        tmp_path, lambda world: steps, refused_and_going_on, trunk, person=TransferTarget(trunk.transfer_uri)
    )
    assert ending == Disposition("agent_hung_up", "done")


# A PBX refers us


def sent_away(world: World, outcome: str) -> str:
    return scenario(
        CALL,
        request("REFER", 2, f"Refer-To: <{world.third.uri}>", "Referred-By: <sip:pbx@127.0.0.1>"),
        response(202),
        wanted("NOTIFY", Event="refer", Subscription_State="active", body="SIP/2.0 100"),
        reply(200, "OK"),
        wanted("NOTIFY", Event="refer", Subscription_State="terminated", body=outcome),
        reply(200, "OK"),
        request("BYE", 3),
        response(200),
    )


def test_a_pbx_sends_the_agent_to_a_person(tmp_path: Path) -> None:
    async def then(world: World) -> None:
        await world.third.came.wait()
        (leg,) = world.third.legs
        assert leg.request.headers.get("referred-by") == "<sip:pbx@127.0.0.1>"
        assert await world.first.result().over(HANG)
        assert world.peers == [6000, 5000]
        assert not world.ending.done(), "SIPp has hung up, and the agent speaks with the person"
        leg.hangup()

    ending = one_call(tmp_path, lambda world: sent_away(world, "SIP/2.0 200 OK"), then, OPEN)
    assert ending == Disposition("caller_hung_up", "callee: BYE")


def test_a_pbx_hears_that_the_person_is_busy(tmp_path: Path) -> None:
    async def then(world: World) -> None:
        await world.third.came.wait()

    ending = one_call(tmp_path, lambda world: sent_away(world, "SIP/2.0 486 Busy"), then, OPEN, busy)
    assert ending == Disposition("caller_hung_up", "caller: BYE")


def test_a_trunk_that_may_not_send_the_agent_away(tmp_path: Path) -> None:
    async def then(world: World) -> None:
        await world.ending
        assert world.third.legs == []

    steps = scenario(
        CALL, request("REFER", 2, "Refer-To: <sip:x@127.0.0.1>"), response(603), request("BYE", 3), response(200)
    )
    assert one_call(tmp_path, lambda world: steps, then).kind == "caller_hung_up"


# An INVITE takes the place of a call


def replaced(tmp_path: Path, named: Callable[[World], str], *steps: str) -> Disposition:
    async def main() -> Disposition:
        async with asyncio.timeout(HANG), World().up() as world, asyncio.TaskGroup() as tasks:
            text = scenario(invite(f"Replaces: {named(world)}", "Require: replaces"), *steps)
            run = tasks.create_task(sipp(tmp_path, world.endpoint.port, text))
            if "481" in "".join(steps):
                await run
                assert world.peers == [4000]
            else:
                await world.leg.over(HANG)
                assert world.peers == [4000, 6000], "the sound goes where SIPp wants it"
            world.talk.end()
            return await world.ending

    return asyncio.run(main())


def test_sipp_takes_the_place_of_a_caller(tmp_path: Path) -> None:
    ending = replaced(tmp_path, lambda world: str(world.leg.replacement), answered(), HANGUP)
    assert ending == Disposition("agent_hung_up", "done")


def test_sipp_cannot_take_the_place_of_nobody(tmp_path: Path) -> None:
    assert replaced(tmp_path, lambda world: "x;to-tag=1;from-tag=2", refused(481)).kind == "agent_hung_up"


# Keys by INFO


def test_keys_by_info_both_ways(tmp_path: Path) -> None:
    relay = "Content-Type: application/dtmf-relay"
    steps = scenario(
        CALL,
        request("INFO", 2, relay, body="Signal=4\nDuration=160\n"),
        response(200),
        request("INFO", 3, "Content-Type: application/dtmf", body="2"),
        response(200),
        request("INFO", 4, "Content-Type: text/plain", body="2"),
        response(415),
        wanted("INFO", Content_Type="application/dtmf-relay", body="Signal=1"),
        reply(200, "OK"),
        wanted("INFO", body="Signal=#"),
        reply(200, "OK"),
        HANGUP,
    )

    async def then(world: World) -> None:
        while world.talk.keys != "42":
            await asyncio.sleep(0.01)
        for key in "1#":
            send_info_digit(world.call.leg, key)
        while sum(data.startswith(b"SIP/2.0 200") and b" INFO\r\n" in data for data in world.heard) < 2:
            await asyncio.sleep(0.01)
        world.talk.end()

    assert one_call(tmp_path, lambda world: steps, then).kind == "agent_hung_up"
