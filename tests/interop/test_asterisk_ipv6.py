"""Asterisk by our guide where PBX, phones and gateway have IPv6 alone."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.interop.company import holds, leg_of, scenario
from tests.interop.office import Office, office

pytestmark = pytest.mark.programs("asterisk")


@contextlib.asynccontextmanager
async def place(folder: Path) -> AsyncIterator[Office]:
    async with office(folder, host="::1") as company:
        yield company


PLACE = place


@scenario
async def test_a_phone_holds_the_agent_and_resumes_over_ipv6(company: Office) -> None:
    session, call = await company.met("200", "700")
    assert b"IN IP6 ::1" in leg_of(session).local
    await holds(session, call)
    await call.offer("sendrecv")
    await company.talk(session, call, "Back from hold.")
    await company.hung_up(session, call)


@scenario
async def test_tls_and_srtp_over_ipv6(company: Office) -> None:
    session, call = await company.met("201", "603")
    assert b"RTP/SAVP" in (leg_of(session).offer or b"")
    await company.hung_up(session, call)


@scenario
async def test_the_agent_transfers_over_ipv6(company: Office) -> None:
    """Through the gateway, and by REFER with Replaces, whose Refer-To has an address in brackets."""
    for phone, person, number in (("209", "sales", "210"), ("213", "manager", "211")):
        session, caller = await company.met(phone, "700")
        session.call_control.transfer(person)
        await caller.sound.hums(number)
        caller.leg.hangup()
        assert (await company.record(session.info.id))["ending"] == "transferred"
