"""Asterisk by our guide, and what happens there seldom: calls that come back, or are moved, or meet each other."""

import asyncio
import re
from typing import Any

import pytest

from media.g711 import RATE
from sipgw.calls.session import CallSession
from tests.interop.company import alone, holds, remote_port, scenario
from tests.interop.desks import DeskCall, hums, refuses, rings, until
from tests.interop.office import Office, office
from tests.waiting import HANG

pytestmark = pytest.mark.programs("asterisk")
PLACE = office


async def bridged(company: Office, caller: str, person: str, number: str) -> tuple[CallSession, DeskCall, DeskCall]:
    """The agent has connected a caller with a person through the gateway."""
    session, call = await company.met(caller, "700")
    session.call_control.transfer(person)
    await call.sound.hums(number)
    other = company.desks.calls[number][-1]
    await other.sound.hums(caller)
    return session, call, other


@scenario
@alone
async def test_a_colleague_picks_up_a_call_that_rings_at_the_agent(company: Office) -> None:
    """The PBX cancels the agent's call because it was answered elsewhere."""
    with company.world.letting_it_ring():
        calling = company.desks._group.create_task(company.desks.call("200", "617"))
        await until(lambda: re.search("PJSIP/infos-.* is ringing", company.pbx.log))
        colleague = await company.desks.call("203", "698")
        record = await company.record("200")
    caller = await calling
    await caller.sound.hums("203")
    await colleague.sound.hums("200")
    assert (record["ending"], record["answered"]) == ("answered_elsewhere", None), record


@scenario
async def test_direct_media_by_update(company: Office) -> None:
    """`direct_media_method = update`."""
    session, call = await company.met("245", "623")
    await until(lambda: remote_port(session) == call.sound.port)
    await company.talk(session, call, "From you to me.")
    await call.offer("sendonly")
    await call.offer("sendrecv")
    await company.talk(session, call, "Once more.")
    await company.hung_up(session, call)


@scenario
async def test_the_parked_agent_comes_back_when_nobody_picks_it_up(company: Office) -> None:
    session, first = await company.met("205", "700")
    assert (await first.refer(company.desks.uri("780"))).accepted
    call = await company.desks.rung("205")
    await company.talk(session, call, "Back from parking.")
    await company.hung_up(session, call)


@scenario
async def test_a_caller_whom_the_agent_has_parked_comes_back_to_it(company: Office) -> None:
    session, caller = await company.met("213", "700")
    session.call_control.transfer("brief parking")
    assert (await company.record(session.info.id))["ending"] == "transferred"
    again = await company.session("213")
    await company.talk(again, caller, "You again.")
    await company.hung_up(again, caller)


@scenario
async def test_a_person_holds_the_caller_and_hands_them_on(company: Office) -> None:
    """The agent has connected caller and person through the gateway; the person asks a colleague, and connects them."""
    session, caller, person = await bridged(company, "223", "night desk", "224")
    await person.offer("sendonly")
    colleague = await company.desks.call("224", "225")
    await colleague.sound.hums("225")
    await person.offer("sendrecv")
    await caller.sound.hums("224")
    await person.offer("sendonly")
    assert (await person.refer(company.desks.uri("225"), colleague)).accepted
    await caller.sound.hums("225")
    await company.desks.calls["225"][-1].sound.hums("223")
    caller.leg.hangup()
    await company.desks.calls["225"][-1].over()
    assert (await company.record(session.info.id))["ending"] == "transferred"


@scenario
async def test_the_caller_hangs_up_while_the_person_rings(company: Office) -> None:
    company.desks.takes["226"] = rings
    session, call = await company.met("227", "700")
    session.call_control.transfer("porter")
    ringing = await company.desks.rung("226")
    call.leg.hangup()
    assert (await ringing.over()).how == "CANCEL"
    assert (await company.record(session.info.id))["ending"] == "caller_hung_up"


@scenario
async def test_the_person_forwards_to_somebody_else(company: Office) -> None:
    company.desks.takes["229"] = refuses(302, ("Contact", f"<{company.desks.uri('228')}>"))
    session, call = await company.met("230", "700")
    session.call_control.transfer("office")
    await call.sound.hums("228")
    await company.desks.calls["228"][-1].sound.hums("230")
    call.leg.hangup()
    assert (await company.record(session.info.id))["ending"] == "transferred"


@scenario
async def test_the_pbx_moves_the_agent_into_a_conference(company: Office) -> None:
    """As a console or a manager does it, without any signalling."""
    session, call = await company.met("231", "621")
    other = await company.desks.call("232", "801")
    channel = re.search(r"PJSIP/ice-\w+", company.pbx.rx("core show channels concise"))
    assert channel
    company.pbx.rx(f"channel redirect {channel[0]} from-internal,801,1")
    await company.hears(session, "232")
    await until(lambda: not other.sound.loud)
    await company.says(session, "Is this loud enough?", other, heard=lambda sound: sound.loud)
    await call.over()
    session.call_control.end("done")
    assert (await company.record(session.info.id))["ending"] == "ended_here"
    other.leg.hangup()


@scenario
async def test_the_configuration_of_the_pbx_is_read_anew_in_a_call(company: Office) -> None:
    session, call = await company.met("233", "700")
    company.pbx.rx("pjsip reload")
    company.pbx.rx("dialplan reload")
    await holds(session, call)
    await call.offer("sendrecv")
    await company.talk(session, call, "After the reload.")
    await company.hung_up(session, call)


@scenario
async def test_the_pbx_tells_the_agent_of_a_message_in_its_box(company: Office) -> None:
    """`mailboxes` in its endpoint: a NOTIFY outside all calls, which is refused and harms nothing."""
    call = await company.desks.call("234", "697")
    await until(lambda: "Recording the message" in company.pbx.log)
    call.leg.hangup()
    await until(lambda: "Messages-Waiting: yes" in company.pbx.log)
    session, call = await company.met("235", "617")
    await company.hung_up(session, call)


@scenario
async def test_numbers_of_callers_in_every_spelling(company: Office) -> None:
    for at in range(1, 11):
        await company.visit("236", f"68{at:02}")
    async with asyncio.timeout(HANG):
        while len(rows := await of_trunk(company, "tones")) < 10:
            await asyncio.sleep(0.1)
    assert {row["ending"] for row in rows} == {"caller_hung_up"}
    assert {"+4930123457", "withheld", "1", "030123458", "Zürich"} <= {row["caller"] for row in rows}


async def of_trunk(company: Office, trunk: str) -> list[dict[str, Any]]:
    """The records of all calls of a trunk that have ended."""
    return [one for one in await company.world.gateway.store.calls() if one["trunk"] == trunk and one["ended"]]


@scenario
async def test_somebody_connects_two_calls_of_the_agent(company: Office) -> None:
    """Two agents speak with each other then, until one of them hangs up."""
    first, one = await company.met("237", "700")
    await one.offer("sendonly")
    second = await company.desks.call("237", "605")
    await until(lambda: second.sound.sources.total() > 50)
    (other,) = (one for one in company.world.gateway.calls.values() if one.info.caller == "237" and one is not first)
    assert (await one.refer(company.desks.uri("605"), second)).accepted
    await until(lambda: first.info.caller == other.info.caller == "700")  # each is told of the other
    first.call_control.end("done")
    assert (await company.record(first.info.id))["ending"] == "ended_here"
    assert (await company.record(other.info.id))["ending"] == "caller_hung_up"


@scenario
async def test_the_password_is_asked_for_by_sha_256(company: Office) -> None:
    """`supported_algorithms_uas = SHA-256` in its `auth`: it registers so, and calls."""
    placed = company.originate("239", trunk="hashed")
    session = await company.session("239")
    await company.hears(session, "239")
    assert "algorithm=SHA-256" in company.pbx.log
    placed.stop()


@scenario
async def test_the_pbx_records_a_call_and_a_supervisor_whispers_through_it(company: Office) -> None:
    """Both make the PBX mix the sound itself, in mid-call, and pass it on again afterwards."""
    session, call = await company.met("240", "624")
    channel = re.search(r"PJSIP/hashed-\w+", company.pbx.rx("core show channels concise"))
    assert channel
    company.pbx.rx(f"mixmonitor start {channel[0]} {company.pbx.here}/recorded.wav")
    await company.talk(session, call, "Recorded.")
    assert (company.pbx.folder / "recorded.wav").exists()
    supervisor = await company.desks.call("241", "696")
    await company.hears(session, "240", "241")
    assert not hums(bytes(call.sound.heard[-RATE // 2 :]), "241")
    supervisor.leg.hangup()
    company.pbx.rx(f"mixmonitor stop {channel[0]}")
    await company.talk(session, call, "No longer recorded.")
    await company.hung_up(session, call)


@scenario
async def test_a_group_calls_the_agent_by_a_channel_of_the_pbx(company: Office) -> None:
    """`Local/…`: the PBX takes it out of the way once the call is answered, or leaves it there (``/n``)."""
    for phone, extension in (("242", "625"), ("243", "626")):
        session, call = await company.met(phone, extension)
        await call.offer("sendonly")
        await call.offer("sendrecv")
        await company.talk(session, call, "Back from hold.")
        await company.hung_up(session, call)


@scenario
async def test_whom_the_agent_calls_holds_it_and_hands_it_on(company: Office) -> None:
    placed = company.originate("244")
    session = await company.session("244")
    await company.hears(session, "244")
    person = company.desks.calls["244"][-1]
    await holds(session, person)
    colleague = await company.desks.call("244", "246")
    await colleague.sound.hums("246")
    assert (await person.refer(company.desks.uri("246"), colleague)).accepted
    await company.talk(session, company.desks.calls["246"][-1], "Hello colleague.")
    placed.stop()
    await placed.ended()


@scenario
async def test_the_agent_takes_the_calls_of_who_does_not_answer(company: Office) -> None:
    """The person whom a caller wants does not answer, and the PBX sends the call to the agent (`Dial()` goes on)."""
    company.desks.takes["247"] = rings
    call = await company.desks.call("248", "627")
    session = await company.session("248")
    await company.talk(session, call, "They are out.")
    await company.hung_up(session, call)
