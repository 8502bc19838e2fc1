"""Trunks that are broken in one way each, and the name that the doctor gives to it."""

import asyncio
import re
import socket
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from media.process.engine import MediaOptions
from sipgw.config.config import GatewayConfig
from sipgw.sip.dialog import Peer
from sipgw.sip.message import Headers, Request, Response
from sipgw.sip.uri import Uri
from sipgw.tools.doctor import echoes, run
from sipgw.tools.doctor.calling import out_of_reach
from sipgw.tools.doctor.catalogue import CATALOGUE
from sipgw.tools.doctor.doctor_endpoint import SipExchange
from tests.tools.doctor.broken import (
    PASSWORD,
    QUICK,
    SHORT,
    SIP,
    SOME,
    Faults,
    broken,
    date,
    diagnosed,
    header,
    ids,
    on_loop,
    peer,
    trunk,
    via,
)  # fmt: skip

REGISTERING = [
    (Faults(), set()),
    (Faults(mangle=header("Date", lambda _: f"Mon, 01 Jan {9**20} 00:00:00 GMT")), set()),
    (Faults(register="405"), {"register.unsupported"}),
    (Faults(register="403"), {"register.forbidden"}),
    (Faults(register="404"), {"register.unknown-user"}),
    (Faults(register="gone"), {"register.unknown-user"}),
    (Faults(register="forbidden"), {"register.refused"}),
    (Faults(register="bearer"), {"register.digest"}),
    (Faults(register="realms"), {"register.realm"}),
    (Faults(register="stale"), {"register.stale-loop"}),
    (Faults(register="brief"), {"register.interval"}),
    (Faults(register="brief for ever"), {"register.interval-loop"}),
    (Faults(register="unbound"), {"register.not-bound"}),
    (Faults(register="rewritten"), {"alg.contact"}),
    (Faults(register="short"), {"register.short"}),
    (Faults(register="503"), {"register.unavailable"}),
    (Faults(register="302"), {"register.odd"}),
    (Faults(options=403), {"options.forbidden"}),
    (Faults(options=503), {"options.down"}),
    (Faults(speaks="9 18"), {"options.codec"}),
    (Faults(speaks="18 8"), set()),
    (Faults(mangle=via(received="203.0.113.9", rport="5060")), {"nat.spotted"}),
    (Faults(mangle=via(host="192.0.2.1")), {"alg.via"}),
    (Faults(mangle=header("From", lambda value: value.replace("acme", "acne"))), {"alg.fields"}),
    (Faults(mangle=date(4000)), {"clock.skew"}),
    (Faults(mangle=date(-4000)), {"clock.skew"}),
]


@pytest.mark.parametrize(
    ("faults", "expected"), REGISTERING, ids=lambda one: ",".join(one) if isinstance(one, set) else ""
)
@on_loop
async def test_registering(faults: Faults, expected: set[str]) -> None:
    async with broken(faults) as carrier:
        found = await diagnosed(trunk(carrier.place))
    assert ids(found) == expected, found
    assert all(PASSWORD not in str(one.as_dict()) for one in found)


@pytest.mark.faults("G6")
@on_loop
async def test_a_carrier_that_leaves_transport_out_of_to_is_no_alg() -> None:
    """RFC 3261 §19.1.1 does not allow it there, so that we do not send it either."""
    plain = header("To", lambda value: re.sub(";transport=[a-z]+", "", value))
    async with broken(Faults(mangle=plain)) as carrier:
        found = await diagnosed(trunk(f"{carrier.place};transport=udp"))
    assert ids(found) == set(), found


CREDENTIALS = [
    ({"password": "wrong"}, "register.wrong-password"),
    ({"user": "nobody"}, "register.wrong-password"),
    ({"password": ""}, "register.no-password"),
]


@pytest.mark.parametrize(("more", "expected"), CREDENTIALS)
@on_loop
async def test_credentials(more: dict[str, Any], expected: str) -> None:
    async with broken(Faults()) as carrier:
        assert ids(await diagnosed(trunk(carrier.place, **more))) == {expected}


@on_loop
async def test_calls_and_registrations_may_go_to_different_hosts() -> None:
    async with broken(Faults(register="503")) as calls, broken(Faults()) as registrar:
        found = await diagnosed(trunk(registrar.place, domain=calls.place))
    assert not ids(found), found
    assert {"options.ok", "register.ok"} <= {one.id for one in found}


@pytest.mark.slow
@on_loop
async def test_a_carrier_that_is_silent_to_one_method_only() -> None:
    async with broken(Faults(options=None)) as carrier:
        found = await diagnosed(trunk(carrier.place), patience=SOME)
        assert ids(found) == {"options.silent"}
        assert "register.ok" in {one.id for one in found}
    async with broken(Faults(register="silent")) as carrier:
        assert ids(await diagnosed(trunk(carrier.place), patience=SOME)) == {"register.silent"}


@pytest.mark.slow
@on_loop
async def test_an_alg_that_changes_the_branch_leaves_answers_that_nobody_asked_for() -> None:
    async with broken(Faults(mangle=via(branch="z9hG4bKother"))) as carrier:
        assert "alg.via" in ids(await diagnosed(peer(carrier.place), patience=SOME))


PUBLIC = [
    (Faults(mangle=via(received="203.0.113.9")), "", {"address.private"}),
    (Faults(mangle=via(received="203.0.113.9", rport="61000")), "", {"address.private", "nat.port"}),
    (Faults(mangle=via(received="203.0.113.9")), "203.0.113.9", set()),
    (Faults(mangle=via(received="203.0.113.9")), "198.51.100.7", {"address.wrong"}),
]


@pytest.mark.parametrize(("faults", "public", "expected"), PUBLIC)
@on_loop
async def test_the_public_address(
    faults: Faults, public: str, expected: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("sipgw.sip.transports", "sipgw.tools.doctor.echoes"):
        monkeypatch.setattr(f"{module}.is_private", lambda host: False)  # the loopback plays the Internet
    async with broken(faults) as carrier:
        assert ids(await diagnosed(peer(carrier.place), sip=replace(SIP, public_address=public))) == expected


@on_loop
async def test_a_public_address_is_not_what_a_private_trunk_should_see() -> None:
    async with broken(Faults()) as carrier:
        assert ids(await diagnosed(peer(carrier.place), sip=replace(SIP, public_address="198.51.100.7"))) == set()


PCMA_ONLY = "m=audio {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
G729 = "m=audio {port} RTP/AVP 18\r\na=rtpmap:18 G729/8000\r\n"
CALLS = [
    (Faults(), set()),
    (Faults(sdp=PCMA_ONLY), set()),
    (Faults(sound="none"), {"audio.dead-both"}),
    (Faults(sound="mute", sdp=PCMA_ONLY + "a=rtcp-mux\r\n"), {"audio.dead-in"}),
    (Faults(sound="deaf"), {"audio.dead-out"}),
    (Faults(sound="plain"), {"audio.unsure-out"}),
    (Faults(sound="lossy"), {"audio.lossy"}),
    (Faults(sound="elsewhere"), {"audio.other-source"}),
    (Faults(sdp=G729), {"call.answer"}),
    (Faults(sdp=PCMA_ONLY + "a=sendonly\r\n"), {"call.held"}),
    (Faults(invite=(488, "Not Acceptable Here")), {"call.codec"}),
    (Faults(invite=(488, "Media Encryption Required B3")), {"call.srtp-required"}),
    (Faults(invite=(403, "Caller Origination Number is Invalid D35")), {"call.caller-id"}),
    (Faults(invite=(403, "Concurrency limit exceeded D1")), {"call.limit"}),
    (Faults(invite=(403, "Forbidden")), {"call.forbidden"}),
    (Faults(invite=(402, "Payment Required")), {"call.credit"}),
    (Faults(invite=(404, "No route D40")), {"call.number"}),
    (Faults(invite=(484, "")), {"call.number"}),
    (Faults(invite=(486, "")), {"call.busy"}),
    (Faults(invite=(480, "")), {"call.no-answer"}),
    (Faults(invite=(407, "")), {"call.wrong-password"}),
    (Faults(invite=(500, "Incompatible media")), {"call.codec"}),
    (Faults(invite=(500, "Server Error")), {"call.refused"}),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("faults", "expected"), CALLS, ids=lambda one: ",".join(one) if isinstance(one, set) else "")
@on_loop
async def test_a_call(faults: Faults, expected: set[str]) -> None:
    async with broken(faults) as carrier:
        found = await diagnosed(peer(carrier.place), number="600")
    assert ids(found) == expected, found


@on_loop
async def test_a_call_without_a_password() -> None:
    async with broken(Faults(invite=(407, ""))) as carrier:
        assert ids(await diagnosed(peer(carrier.place, password=""), number="600")) == {"call.no-password"}


SAVP = "m=audio {port} RTP/SAVP 0\r\na={crypto}\r\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("faults", "expected"),
    [(Faults(sdp=SAVP), set()), (Faults(sdp=SAVP, sound="keys"), {"audio.keys"}), (Faults(), {"call.answer"})],
)
@on_loop
async def test_a_call_on_a_trunk_that_wants_its_sound_encrypted(faults: Faults, expected: set[str]) -> None:
    async with broken(faults) as carrier:
        found = await diagnosed(peer(carrier.place, srtp="required"), number="600")
    assert ids(found) == expected, found
    if not expected:
        assert "the gateway's own signal among them" in found[-1].evidence


@pytest.mark.slow
@on_loop
async def test_a_looped_call_shows_what_was_done_to_our_description() -> None:
    async with broken(Faults(loops=lambda sdp: sdp)) as carrier:
        found = await diagnosed(peer(carrier.place), number="600")
        assert "alg.body-ok" in {one.id for one in found}
    async with broken(Faults(loops=lambda sdp: sdp.replace(b"IP4 127.0.0.1", b"IP4 192.0.2.77"))) as carrier:
        found = await diagnosed(peer(carrier.place), number="600")
        assert "alg.body" in ids(found)
        assert "192.0.2.77" in next(one.evidence for one in found if one.id == "alg.body")


@pytest.mark.slow
@on_loop
async def test_a_call_that_is_not_ours_is_refused_and_says_nothing_of_ours() -> None:
    async with broken(Faults(loops=lambda sdp: re.sub(rb"o=sipgw \d+", b"o=sipgw 7", sdp))) as carrier:
        found = await diagnosed(peer(carrier.place), number="600")
        assert ids(found) == set(), found
        assert carrier.last_status == 480
    async with broken(Faults(loops=lambda sdp: sdp)) as looping, broken(Faults()) as plain:
        trunks = tuple(
            replace(peer(one.place), name=name, test_number="600") for one, name in ((looping, "a"), (plain, "b"))
        )
        config = GatewayConfig(sip=SIP, trunks=trunks, media=MediaOptions("127.0.0.1", (41000, 43000)))
        found = [one async for one in run.examine(config, run.ExaminationOptions(providers=False, patience=QUICK))]
        assert [(one.about, one.id) for one in found if one.id.startswith("alg.body")] == [("a", "alg.body-ok")]


@pytest.mark.slow
@on_loop
async def test_a_closed_port_a_silent_one_and_one_that_only_speaks_tcp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.9.41", 0))
        place = f"127.0.9.41:{taken.getsockname()[1]}"
        assert ids(await diagnosed(peer(place), patience=SHORT)) == {"reach.filtered"}
        server = await asyncio.start_server(lambda reader, writer: None, *taken.getsockname())
        async with server:
            assert "reach.udp-silent" in ids(await diagnosed(peer(place), patience=SHORT))
    assert ids(await diagnosed(peer(place), patience=SHORT)) == {"reach.closed"}
    assert ids(await diagnosed(peer(f"sip:{place};transport=tcp"), patience=SHORT)) == {"reach.closed"}


@on_loop
async def test_which_transports_the_other_machine_takes() -> None:
    async with broken(Faults()) as carrier:
        server = await asyncio.start_server(lambda reader, writer: writer.close(), carrier.host, carrier.port)
        async with server:
            found = await diagnosed(peer(carrier.place))
    (told,) = [one.evidence for one in found if one.id == "reach.transports"]
    assert f"tcp {carrier.port}: connects, tls 5061: refused (udp {carrier.port} is configured)" in told


@on_loop
async def test_an_address_that_no_route_leads_to() -> None:
    assert ids(await diagnosed(peer("192.0.2.1"), patience=SHORT)) == {"reach.unreachable"}, "we are on loopback only"


def test_addresses_inside_a_network_are_of_no_use_outside() -> None:
    private = out_of_reach("10.0.0.5", "203.0.113.7", "t")
    assert private is not None
    assert private.id == "call.private-media"
    assert out_of_reach("10.0.0.5", "10.0.0.1", "t") is None
    sent = Request(
        "OPTIONS", Uri("sip", host="x"), headers=Headers((("Via", "SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK1"),))
    )
    exchange = SipExchange(sent, Peer("udp", "203.0.113.7", 5060), Response(200, "OK", headers=sent.headers), (), "")
    found = echoes.read(exchange, "t", fixed="10.0.0.9", listens=True, clock=datetime.now(UTC))
    assert "address.private-set" in {one.id for one in found}


@on_loop
async def test_what_is_found_is_in_the_catalogue_with_something_to_change() -> None:
    tested = {id_ for table in (REGISTERING, CALLS, PUBLIC) for *_, expected in table for id_ in expected}
    assert tested <= CATALOGUE.keys()
    assert len(tested) >= 35, "the faults that are injected here alone"
    assert all(one.cause and one.fix for one in CATALOGUE.values())
    assert QUICK.answer > SHORT.answer
