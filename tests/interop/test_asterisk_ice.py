"""Asterisk by our guide on an address of the network, where it has candidates: its endpoint with `ice_support` is a
full agent of ICE, and the gateway a lite one.
"""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sipgw.sip.sdp import Sdp
from tests.interop.company import leg_of, remote_port, scenario
from tests.interop.desks import until
from tests.interop.office import Office, office
from tests.interop.test_turn import own_address

pytestmark = pytest.mark.programs("asterisk")


@contextlib.asynccontextmanager
async def place(folder: Path) -> AsyncIterator[Office]:
    """On loopback Asterisk has no candidate."""
    async with office(folder, host=own_address()) as company:
        yield company


PLACE = place


async def chosen(company: Office, port: int) -> None:
    """Wait until Asterisk sends its sound to our `port` by the pair that its checks have found. Without one it would
    send to the address of our answer."""
    company.pbx.rx("rtp set debug on")
    await until(lambda: f" {own_address()}:{port} (via ICE)" in company.pbx.log)
    company.pbx.rx("rtp set debug off")


async def checked(company: Office, phone: str, extension: str, components: int) -> None:
    """A call whose sound goes where the checks of Asterisk lead, also after a hold."""
    session, call = await company.met(phone, extension)
    leg = leg_of(session)
    assert b"a=candidate:" in (leg.offer or b"")
    assert b"a=ice-lite" in leg.local and leg.local.count(b"a=candidate:") == components, leg.local
    await chosen(company, Sdp.parse(leg.local).media[0].port)
    for direction, ours in (("sendonly", b"a=recvonly"), ("sendrecv", b"a=sendrecv")):
        await call.offer(direction)
        await until(lambda: ours in leg.local)  # noqa: B023
    assert b"a=ice-lite" in leg.local and leg.local.count(b"a=candidate:") == components, leg.local
    await company.talk(session, call, "Back from hold.")
    media = (await company.hung_up(session, call))["media"]
    assert isinstance(media, dict)
    assert media["ice_checks"] >= components, media
    reasons = {one["reason"] for one in media.get("refused_sources", [])}  # another stream comes after the hold
    assert not reasons - {"wrong_ssrc", "unexpected"}, media["refused_sources"]


@scenario
async def test_an_endpoint_with_ice(company: Office) -> None:
    await checked(company, "229", "621", 2)


@scenario
async def test_an_endpoint_with_ice_and_rtcp_mux(company: Office) -> None:
    await checked(company, "228", "612", 1)


@scenario
async def test_direct_media_ends_ice(company: Office) -> None:
    """The PBX announces the phone's address, and candidates of its own: RFC 8839 §4.2.5."""
    session, call = await company.met("244", "622")
    await until(lambda: remote_port(session) == call.sound.port)
    assert b"a=ice-mismatch" in leg_of(session).local
    ours = Sdp.parse(leg_of(session).local).media[0].port
    await until(lambda: call.sound.sources[ours] > 50)
    await company.talk(session, call, "From you to me.")
    await company.hung_up(session, call)
