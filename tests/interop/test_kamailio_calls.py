"""Kamailio as the proxy of a company by our guide, and what its phones do with calls of the agent.

It only passes on what phones and agent tell each other: a transfer is a REFER to the agent itself (`accept_refer`), or
an INVITE with Replaces.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from sipgw.calls.session import CallSession
from sipgw.config.config import GatewayConfig
from sipgw.config.gate import GateOptions
from sipgw.sip.digest import Credentials
from sipgw.sip.replaces import Replaces
from sipgw.sip.session_timer import MIN_SE
from tests.cloud import cloud
from tests.fakes.openai import Reply
from tests.interop.company import Company, alone, holds, leg_of, remote_port, scenario
from tests.interop.desks import DeskCall, Desks, refuses, rings, until
from tests.interop.test_kamailio_proxy import DOMAIN, PASSWORD, Proxy, kamailio
from tests.recipes import written

pytestmark = pytest.mark.programs("kamailio")

NAMES = {
    "": "",
    "Ann": "Ann",
    "Ann O'Neil": "Ann O'Neil",
    "J\u00fcrgen Gro\u00df": "J\u00fcrgen Gro\u00df",
    '"J\udcfcrgen"': "J?rgen",
    "Smith (Office)": "Smith (Office)",
    "(415) 555-0123": "(415) 555-0123",
    "Smith, John": "Smith, John",
    "Ann@Home": "Ann@Home",
    '"Ann \\"Annie\\" Lee"': 'Ann "Annie" Lee',
    '"<b>Ann</b>"': "<b>Ann</b>",
    '"sip:ann@example.com"': "sip:ann@example.com",
    '"%41nn %0d%0a"': "%41nn %0d%0a",
    "\U0001f4de Reception": "\U0001f4de Reception",
}
"""What is kept of display names, as phones write them; one is Latin-1, several lack their quotes. Kamailio drops calls
whose name has a semicolon without quotes, or quotes in the middle."""


@dataclass
class Domain(Company):
    """The domain with its proxy."""

    proxy: Proxy


@contextlib.asynccontextmanager
async def domain(
    folder: Path, transport: str = "udp", name: str = "", dns: tuple[str, ...] = (), port: int = 0, **changed: Any
) -> AsyncIterator[Domain]:
    """The domain with its agent, by the recipe, and its phones. `transport`: that of the agent, who finds the proxy, at
    `port`, by its `name` in these `dns`; `changed`: options of its trunk."""
    async with kamailio(folder, port) as proxy:
        variables = {"SIP_DOMAIN": DOMAIN, "SIP_PROXY": f"127.0.0.1:{proxy.port}", "PBX_USER": "agent"}
        recipe = written(folder, "kamailio", variables | {"PBX_PASSWORD": PASSWORD}, everything=False)
        through = f"sip:{name or f'127.0.0.1:{proxy.port}'};transport={transport}"
        trunk = replace(recipe.trunks[0], outbound_proxy=through, accept_refer=True, **changed)

        def change(config: GatewayConfig) -> GatewayConfig:
            agent = replace(config.agent, greeting="Hello caller.", outbound_greeting="Hello caller.")
            sip = replace(config.sip, host="::" if dns else config.sip.host, dns=dns, session_expires=MIN_SE)
            return replace(
                config, sip=sip, trunks=(trunk,), agent=agent, gate=GateOptions(extensions=("2??",)),
                turns=replace(config.turns, reprompts=5),
            )  # fmt: skip

        phones = Desks(proxy.desks, proxy.port, DOMAIN, Credentials("phone", PASSWORD))
        async with phones as desks, cloud(folder, [], [Reply(text=["I am still there."])], change=change) as world:
            await until(lambda: world.gateway.status()[0].registration == "registered")
            yield Domain(world, desks, "kamailio", folder, proxy)


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
    await holds(session, call)
    await call.offer("sendrecv")
    await company.talk(session, call, "Back again.")
    assert remote_port(session) == call.sound.port
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
async def test_the_asked_colleague_still_rings_when_they_get_the_agent(company: Company) -> None:
    """Semi-attended (REFER with Replaces): the colleague's phone takes the agent in the place of the call that rings.

    Until it is picked up, the agent stays with who transfers it.
    """
    session, first = await agent_of(company, "214")
    company.desks.takes["215"] = rings
    company.desks.replaceable("215")
    asked, asking = await company.desks.ring("214", "215")
    (ringing,) = company.desks.calls["215"]
    going = await company.desks.rung_by("215", first.refer(company.desks.uri("215"), asked))
    assert Replaces.parse(going.leg.request.headers.get("replaces") or "") == asked
    ringing.leg.reject(487)
    assert await asking is None
    await company.talk(session, first, "It still rings.")
    going.pick_up()
    await first.over()
    await over(company, session, await heard(company, session, "215"))


@scenario
async def test_the_phone_that_rings_lets_no_call_be_replaced(company: Company) -> None:
    """As RFC 3891 §3 has it. The agent stays with who transfers it, who gives the other call up and goes on blind."""
    session, first = await agent_of(company, "216")
    await first.offer("sendonly")
    company.desks.takes["217"] = rings
    asked, asking = await company.desks.ring("216", "217")
    (ringing,) = company.desks.calls["217"]
    refused = await first.refer(company.desks.uri("217"), asked)
    assert (refused.accepted, refused.status) == (False, 481), refused
    await first.offer("sendrecv")
    await company.talk(session, first, "Still with you.")
    asking.cancel()
    assert (await ringing.over()).how == "CANCEL"
    going = await company.desks.rung_by("217", first.refer(company.desks.uri("217")))
    going.pick_up()
    await over(company, session, await heard(company, session, "217"))


@scenario
async def test_names_of_callers_as_phones_write_them(company: Company) -> None:
    """Kamailio hands them on as they are, also those that RFC 3261 does not allow."""
    numbers = {name: str(220 + at) for at, name in enumerate(NAMES)}
    for name, number in numbers.items():
        await company.visit(number, "agent", name)
    rows = {name: await company.record(number) for name, number in numbers.items()}
    assert {row["ending"] for row in rows.values()} == {"caller_hung_up"}
    assert {name: (row["identity"] or {}).get("name", "") for name, row in rows.items()} == NAMES


@scenario
async def test_a_phone_that_is_busy_or_wants_no_call(company: Company) -> None:
    company.desks.takes |= {"209": refuses(486), "210": refuses(603), "211": refuses(480)}
    placed = {number: company.originate(number) for number in ("209", "210", "211")}
    endings = {number: (await call.ended()).kind for number, call in placed.items()}
    assert endings == {"209": "busy", "210": "declined", "211": "no_answer"}


@scenario
async def test_a_session_timer_of_90_seconds(company: Domain) -> None:
    """In calls of both directions it is refreshed through the proxy: they outlive the time at which one would end."""
    session, call = await agent_of(company, "218")
    placed = company.originate("219")
    out = await company.session("219")
    await company.hears(out, "219")
    now = asyncio.get_running_loop().time
    up = now()
    assert [leg_of(one)._call.session.timer.interval for one in (session, out)] == [MIN_SE, MIN_SE]
    await until(lambda: now() > up + MIN_SE * 2 / 3 + 1)
    log = company.proxy.log.read_text()
    for one in (session, out):
        assert re.search(rf"in call {re.escape(leg_of(one).id)}: (?:INVITE|UPDATE) with timer {MIN_SE}\b", log), log
    await company.talk(session, call, "Still here after a while.")
    await company.hears(out, "219")
    placed.stop()
    await over(company, session, call)


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
