"""Kamailio as the proxy of a company by our guide, and what its phones do with calls of the agent.

It only passes on what phones and agent tell each other: a transfer is a REFER to the agent itself (`accept_refer`), or
an INVITE with Replaces.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from sipgw.calls.session import CallSession
from sipgw.config.config import GatewayConfig
from sipgw.config.gate import GateOptions
from sipgw.sip.digest import Credentials
from tests.cloud import cloud
from tests.fakes.openai import Reply
from tests.interop.company import Company, alone, leg_of, scenario
from tests.interop.desks import DeskCall, Desks, refuses, rings, until
from tests.interop.test_kamailio_proxy import DOMAIN, PASSWORD, kamailio
from tests.recipes import written

pytestmark = pytest.mark.programs("kamailio")


@contextlib.asynccontextmanager
async def domain(folder: Path) -> AsyncIterator[Company]:
    """The domain with its agent, by the recipe, and its phones."""
    async with kamailio(folder) as proxy:
        variables = {"SIP_DOMAIN": DOMAIN, "SIP_PROXY": f"127.0.0.1:{proxy.port}", "PBX_USER": "agent"}
        recipe = written(folder, "kamailio", variables | {"PBX_PASSWORD": PASSWORD}, everything=False)
        trunk = replace(recipe.trunks[0], accept_refer=True)

        def change(config: GatewayConfig) -> GatewayConfig:
            agent = replace(config.agent, greeting="Hello caller.", outbound_greeting="Hello caller.")
            return replace(config, trunks=(trunk,), agent=agent, gate=GateOptions(extensions=("2??",)))

        phones = Desks(proxy.desks, proxy.port, DOMAIN, Credentials("phone", PASSWORD))
        async with phones as desks, cloud(folder, [], [Reply(text=["I am still there."])], change=change) as world:
            await until(lambda: world.gateway.status()[0].registration == "registered")
            yield Company(world, desks, "kamailio", folder)


PLACE = domain


async def agent_of(company: Company, phone: str) -> tuple[CallSession, DeskCall]:
    call = await company.desks.call(phone, "agent")
    session = await company.session(phone)
    await company.hears(session, phone)
    return session, call


async def over(company: Company, session: CallSession, call: DeskCall) -> None:
    call.leg.hangup()
    assert (await company.record(session.info.id))["ending"] == "caller_hung_up"


@scenario
async def test_a_phone_holds_and_resumes_and_its_sound_is_direct(company: Company) -> None:
    session, call = await agent_of(company, "201")
    await call.offer("sendonly")
    await until(lambda: b"a=recvonly" in leg_of(session).local)
    await call.offer("sendrecv")
    await company.talk(session, call, "Back again.")
    assert session.context.line._agreed is not None
    assert session.context.line._agreed.remote_port == call.sound.port
    await over(company, session, call)


@scenario
@alone
async def test_a_phone_of_the_group_is_faster(company: Company) -> None:
    record = await company.faster("202", "group", "251")
    assert (record["ending"], record["answered"]) == ("answered_elsewhere", None), record


@scenario
async def test_a_colleague_is_asked_then_gets_the_agent(company: Company) -> None:
    session, first = await agent_of(company, "203")
    await first.offer("sendonly")
    second = await company.desks.call("203", "204")
    await second.sound.hums("204")
    done = await first.refer(company.desks.uri("204"), second)
    assert done.accepted, done
    await until(lambda: len(company.desks.calls["204"]) > 1)
    await over(company, session, await heard(company, session, "204"))


@scenario
async def test_the_agent_is_asked_then_gets_the_caller(company: Company) -> None:
    """The reception sends its caller to the agent, whose INVITE with Replaces takes the reception's place."""
    session, asked = await agent_of(company, "205")
    fields = (("Replaces", str(asked.leg.replacement)), ("Require", "replaces"))
    caller = await company.desks.call("206", "agent", fields=fields)
    await company.talk(session, caller, "Hello six.")
    await asked.over()
    assert session.info.caller == "206"
    await over(company, session, caller)


@scenario
async def test_the_colleague_still_rings_when_the_transfer_is_made(company: Company) -> None:
    session, first = await agent_of(company, "207")
    company.desks.takes["208"] = rings
    ringing = await company.desks.rung_by("208", first.refer(company.desks.uri("208")))
    ringing.pick_up()
    await over(company, session, await heard(company, session, "208"))


@scenario
async def test_a_phone_that_is_busy_or_wants_no_call(company: Company) -> None:
    company.desks.takes |= {"209": refuses(486), "210": refuses(603), "211": refuses(480)}
    placed = {number: company.originate(number) for number in ("209", "210", "211")}
    endings = {number: (await call.ended()).kind for number, call in placed.items()}
    assert endings == {"209": "busy", "210": "declined", "211": "no_answer"}


@scenario
async def test_a_phone_that_forwards_its_calls(company: Company) -> None:
    """Its 302 reaches the gateway, which follows it within the domain."""
    company.desks.takes["212"] = refuses(302, ("Contact", f"<{company.desks.uri('213')}>"))
    placed = company.originate("212")
    session = await company.session("212")
    await company.hears(session, "213")
    placed.stop()


async def heard(company: Company, session: CallSession, number: str) -> DeskCall:
    """The agent's conversation goes on with another phone."""
    call = company.desks.calls[number][-1]
    await company.talk(session, call, f"Hello {chr(ord('a') + int(number) % 26)}.")
    return call
