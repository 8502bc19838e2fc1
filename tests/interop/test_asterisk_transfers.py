"""Asterisk by our guide, and calls that change hands: transfers in every order, park and pick-up, pickup."""

import re

import pytest

from sipgw.calls.session import CallSession
from tests.interop.company import alone, leg_of, scenario
from tests.interop.desks import DeskCall, refuses, rings, until
from tests.interop.office import Office, office

pytestmark = pytest.mark.programs("asterisk")
PLACE = office


async def agent_of(company: Office, phone: str) -> tuple[CallSession, DeskCall]:
    """A phone calls the agent."""
    call = await company.desks.call(phone, "700")
    session = await company.session(phone)
    await company.hears(session, phone)
    return session, call


async def over(company: Office, session: CallSession, call: DeskCall) -> None:
    """The last phone hangs up, and so the agent's call ends."""
    call.leg.hangup()
    assert (await company.record(session.info.id))["ending"] == "caller_hung_up"


async def goes_on(company: Office, session: CallSession, number: str, text: str) -> DeskCall:
    """The agent's conversation goes on with another phone; whom it speaks with stands in the record."""
    call = company.desks.calls[number][-1]
    await company.talk(session, call, text)
    await until(lambda: session.info.caller == number)
    return call


@scenario
async def test_a_colleague_is_asked_then_gets_the_agent(company: Office) -> None:
    """201 speaks with the agent, asks 202, and connects the two (REFER with Replaces in the agent's call)."""
    session, first = await agent_of(company, "201")
    await first.offer("sendonly")
    second = await company.desks.call("201", "202")
    await second.sound.hums("202")
    assert (await first.refer(company.desks.uri("202"), second)).accepted
    await over(company, session, await goes_on(company, session, "202", "Hello two."))
    assert [one["number"] for one in session.info.replaced_by][-1] == "202"


@scenario
async def test_the_agent_is_asked_then_gets_the_caller(company: Office) -> None:
    """203 calls the reception 204, which asks the agent and connects the two."""
    caller = await company.desks.call("203", "204")
    reception = company.desks.calls["204"][-1]
    await reception.offer("sendonly")
    session, asked = await agent_of(company, "204")
    assert (await reception.refer(company.desks.uri("700"), asked)).accepted
    await company.talk(session, caller, "Hello three.")
    await until(lambda: session.info.caller == "203")
    await over(company, session, caller)


@scenario
async def test_the_transfer_is_asked_for_in_the_agents_call(company: Office) -> None:
    """As before, but the REFER goes the other way round: the agent's call replaces that of the caller."""
    caller = await company.desks.call("205", "206")
    reception = company.desks.calls["206"][-1]
    await reception.offer("sendonly")
    session, asked = await agent_of(company, "206")
    assert (await asked.refer(company.desks.uri("205"), reception)).accepted
    await company.talk(session, caller, "Hello five.")
    await over(company, session, caller)


@scenario
async def test_the_colleague_still_rings_when_the_transfer_is_made(company: Office) -> None:
    """Blind, by REFER: the agent waits until somebody answers."""
    session, first = await agent_of(company, "207")
    company.desks.takes["208"] = rings
    ringing = await company.desks.rung_by("208", first.refer(company.desks.uri("208")))
    ringing.pick_up()
    await over(company, session, await goes_on(company, session, "208", "Hello eight."))


@scenario
async def test_the_asked_colleague_still_rings_when_they_get_the_agent(company: Office) -> None:
    """Semi-attended: 234 asks 235, who has not answered yet, and connects the two (REFER with Replaces)."""
    session, first = await agent_of(company, "234")
    await first.offer("sendonly")
    company.desks.takes["235"] = rings
    asked, asking = await company.desks.ring("234", "235")
    assert (await first.refer(company.desks.uri("235"), asked)).accepted
    assert await asking is None
    (ringing,) = company.desks.calls["235"]
    assert ringing.ended is None
    ringing.pick_up()
    await over(company, session, await goes_on(company, session, "235", "Hello after the bell."))


@scenario
@alone
async def test_the_asked_agent_still_rings_when_it_gets_the_caller(company: Office) -> None:
    """The reception 237 does not wait until the agent answers, and connects it with its caller 236."""
    caller = await company.desks.call("236", "237")
    reception = company.desks.calls["237"][-1]
    await reception.offer("sendonly")
    before = set(company.world.gateway.calls)
    with company.world.letting_it_ring():
        asked, asking = await company.desks.ring("237", "700")
        assert (await reception.refer(company.desks.uri("700"), asked)).accepted
        assert await asking is None
    session = await company.new_session(before)
    await company.talk(session, caller, "Hello after the bell.")
    await until(lambda: session.info.caller == "236")
    await over(company, session, caller)


@scenario
async def test_the_agent_transfers_through_the_gateway(company: Office) -> None:
    """A person with `mode = "bridge"`: two calls of the same PBX, joined here."""
    session, caller = await agent_of(company, "209")
    session.call_control.transfer("sales")
    await caller.sound.hums("210")
    await company.desks.calls["210"][-1].sound.hums("209")
    caller.leg.hangup()
    assert (await company.record(session.info.id))["ending"] == "transferred"
    await company.desks.calls["210"][-1].over()


@scenario
async def test_the_agent_asks_a_person_whom_the_pbx_then_connects(company: Office) -> None:
    """`mode = "attended"`: the gateway is out of the call at the end."""
    session, caller = await agent_of(company, "213")
    session.call_control.transfer("manager")
    await caller.sound.hums("211")
    record = await company.record(session.info.id)
    assert record["ending"] == "transferred", record
    await company.desks.calls["211"][-1].sound.hums("213")
    assert caller.ended is None


@scenario
async def test_the_person_is_busy_and_the_caller_is_not_lost(company: Office) -> None:
    company.desks.takes["212"] = refuses(486)
    session, caller = await agent_of(company, "214")
    session.call_control.transfer("boss")
    await until(lambda: session.transfers.outcome)
    outcome = session.transfers.outcome
    assert outcome is not None and (outcome.accepted, outcome.status) == (False, 486)
    await company.talk(session, caller, "Still here.")
    await over(company, session, caller)


@scenario
async def test_the_agent_is_parked_and_picked_up_elsewhere(company: Office) -> None:
    session, first = await agent_of(company, "215")
    assert (await first.refer(company.desks.uri("760"))).accepted

    call = await company.desks.call("216", await slot(company, "agent"))
    await company.talk(session, call, "Unparked.")
    await over(company, session, call)


@scenario
async def test_a_caller_is_parked_and_picked_up_by_the_agent(company: Office) -> None:
    await company.desks.call("217", "218")
    reception = company.desks.calls["218"][-1]
    assert (await reception.refer(company.desks.uri("760"))).accepted
    place = await slot(company, "217")
    placed = company.originate(place)
    await company.hears(await company.session(place), "217")
    placed.stop()


@scenario
async def test_the_agent_parks_its_caller_and_a_colleague_picks_them_up(company: Office) -> None:
    session, caller = await agent_of(company, "250")
    session.call_control.transfer("parking")
    call = await company.desks.call("254", await slot(company, "250"))
    await caller.sound.hums("254")
    await call.sound.hums("250")
    record = await company.record(session.info.id)
    assert record["ending"] == "transferred", record


async def slot(company: Office, parked: str) -> str:
    """The extension at which somebody was parked."""
    found = re.compile(rf"Parking 'PJSIP/{parked}-\w+' in '?default'? at space (\d+)")
    await until(lambda: found.search(company.pbx.log))
    return found.findall(company.pbx.log)[-1]


@scenario
async def test_a_call_of_the_agent_is_picked_up_while_it_rings_by_replaces(company: Office) -> None:
    company.desks.takes["219"] = rings
    placed = company.originate("219")
    ringing = await company.desks.rung("219")
    await company.rings(placed)
    fields = (("Replaces", str(ringing.leg.replacement)), ("Require", "replaces"))
    call = await company.desks.call("220", "219", fields=fields)
    session = await company.session("219")
    await company.talk(session, call, "Picked up.")
    assert (await ringing.over()).how == "CANCEL"
    call.leg.hangup()
    assert (await placed.ended()).kind == "callee_hung_up"


@scenario
async def test_a_call_of_the_agent_is_picked_up_by_the_code_of_the_group(company: Office) -> None:
    company.desks.takes["221"] = rings
    placed = company.originate("221")
    await company.rings(placed)
    call = await company.desks.call("222", "*8")
    session = await company.session("221")
    await company.hears(session, call.number)
    placed.stop()


@scenario
async def test_a_phone_transfers_by_keys(company: Office) -> None:
    """Asterisk's own attended transfer (``*2``): the agent hears music meanwhile, and then the colleague."""
    call = await company.desks.call("223", "604")
    session = await company.session("223")
    await company.hears(session, "223")
    call.sound.press("*2")
    await until(lambda: "pbx-transfer" in company.pbx.log)
    call.sound.press("224#")
    await until(lambda: company.desks.calls["224"])
    await company.desks.calls["224"][-1].sound.hums("223")
    call.leg.hangup()
    other = company.desks.calls["224"][-1]
    await company.talk(session, other, "Hello four.")
    await over(company, session, other)


@scenario
async def test_the_caller_goes_on_hold_while_the_agent_is_asked_to_wait(company: Office) -> None:
    """Hold, resume and transfer one after the other: the version of our description only rises."""
    session, call = await agent_of(company, "225")
    versions = []
    for direction in ("sendonly", "sendrecv", "inactive", "sendrecv"):
        await call.offer(direction)
        versions.append(leg_of(session).local)
    company.desks.takes["226"] = rings
    ringing = await company.desks.rung_by("226", call.refer(company.desks.uri("226")))
    ringing.pick_up()
    await over(company, session, await goes_on(company, session, "226", "After it all."))


async def sent_back(company: Office, person: str) -> CallSession:
    """This person transfers who speaks with them to the agent, blind; the agent's new call."""
    before = set(company.world.gateway.calls)
    call = company.desks.calls[person][-1]
    assert (await call.refer(company.desks.uri("700"))).accepted
    return await company.new_session(before)


@scenario
@alone
async def test_a_person_sends_the_caller_back_to_the_agent(company: Office) -> None:
    """Through the gateway: the caller stays in the first call, and speaks with the agent in a second."""
    first, caller = await agent_of(company, "230")
    first.call_control.transfer("helper")
    await caller.sound.hums("231")
    second = await sent_back(company, "231")
    await company.talk(second, caller, "Hello again.")
    caller.leg.hangup()
    assert (await company.record(first.info.id))["ending"] == "transferred"
    assert (await company.record(second.info.id))["ending"] == "caller_hung_up"


@scenario
@alone
async def test_a_person_whom_the_pbx_has_connected_sends_the_caller_back_to_the_agent(company: Office) -> None:
    first, caller = await agent_of(company, "232")
    first.call_control.transfer("deputy")
    await caller.sound.hums("233")
    assert (await company.record(first.info.id))["ending"] == "transferred"
    second = await sent_back(company, "233")
    await company.talk(second, caller, "Hello once more.")
    await over(company, second, caller)
