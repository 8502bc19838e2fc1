"""Asterisk by our guide with the endpoints that companies have: codecs, packets, encryption, transports, timers."""

import asyncio
import contextlib
import re
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from media.g711 import RATE
from media.rtp import packet as rtp
from media.rtp import rtcp
from sipgw.calls.phone_line import NO_RTP_LIMIT
from sipgw.calls.session import CallSession
from sipgw.config.config import GatewayConfig, parse
from sipgw.sip.endpoint import CallFailed
from sipgw.sip.session_timer import MIN_SE
from sipgw.trunks.call_alarms import FOREIGN
from tests.cloud import cloud
from tests.docs.test_pbx_guides import blocks
from tests.interop.company import holds, keys_of, leg_of, remote_port, scenario
from tests.interop.desks import LOOK, PCMU, DeskCall, until
from tests.interop.office import PEER, Office, office
from tests.waiting import HANG

pytestmark = pytest.mark.programs("asterisk")
PLACE = office


@scenario
async def test_only_a_law(company: Office) -> None:
    call = await company.desks.call("235", "605")
    session = await company.session("235")
    await company.talk_loudly(session, call)
    offer = leg_of(session).offer or b""
    assert b"PCMA" in offer and b"PCMU" not in offer
    await company.hung_up(session, call)


@scenario
async def test_g722_is_offered_first(company: Office) -> None:
    session, call = await company.met("236", "606")
    assert b"G722" in (leg_of(session).offer or b"")
    await company.hung_up(session, call)


async def lengths(company: Office, session: CallSession) -> tuple[int, int]:
    """Milliseconds of sound in most packets that came, and in most that the gateway has sent."""
    found: dict[bool, Counter[int]] = {False: Counter(), True: Counter()}
    async for packet in company.world.gateway.services.engine.packets(session.context.line.channel):
        sound = None if packet.control else rtp.parse(packet.data)
        if sound is not None and sound.payload_type == PCMU:
            found[packet.out][len(sound.payload) * 1000 // RATE] += 1
    came, sent = (found[out].most_common(1)[0][0] for out in (False, True))
    return came, sent


async def packets_of(company: Office, milliseconds: int, phone: str, extension: str) -> None:
    """The PBX offers packets of this length, agrees to those of our answer, and passes on what its phone sends."""
    session, call = await company.met(phone, extension)
    assert f"a=ptime:{milliseconds}".encode() in (leg_of(session).offer or b"")
    assert await lengths(company, session) == (20, 20)
    call.sound.hum.length = milliseconds * RATE // 1000
    async with asyncio.timeout(HANG):
        while await lengths(company, session) != (milliseconds, 20):
            await asyncio.sleep(LOOK)
    await company.talk(session, call, "Packets of another length.")
    media = (await company.hung_up(session, call))["media"]
    assert isinstance(media, dict)
    assert media["concealed"] < media["received"] / 10, media


@scenario
async def test_packets_of_30_ms(company: Office) -> None:
    await packets_of(company, 30, "237", "607")


@scenario
async def test_packets_of_40_ms(company: Office) -> None:
    await packets_of(company, 40, "238", "608")


@scenario
async def test_the_pbx_changes_the_codec_in_the_call_and_sends_a_text(company: Office) -> None:
    """The text is refused, and the call goes on."""
    call = await company.desks.call("239", "609")
    session = await company.session("239")
    await until(lambda: b"PCMA" in leg_of(session).local and b"PCMU" not in leg_of(session).local)
    await company.talk_loudly(session, call)
    await company.hung_up(session, call)


def refused_reports(media: dict[str, Any]) -> list[dict[str, Any]]:
    """The sources of refused RTCP, which the page of a call names."""
    return [one for one in media.get("refused_sources", []) if one["reason"].startswith("rtcp_")]


async def reports(session: CallSession, call: DeskCall) -> None:
    """The phone sends RTCP from the port after that of its sound (RFC 3550 §11) until the gateway has taken some."""
    agreed, loop = call.sound._agreed, asyncio.get_running_loop()
    assert agreed is not None
    report = rtcp.encode([rtcp.ReceiverReport(1), rtcp.SourceDescription(1, call.number)])
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol,
        ("127.0.0.1", call.sound.port + 1),
        (agreed.remote_address, agreed.remote_port + 1),
    )
    with contextlib.closing(transport):
        before = (await session.media_stats())["rtcp_received"]
        async with asyncio.timeout(HANG):
            while (media := await session.media_stats())["rtcp_received"] < before + 3:
                assert not refused_reports(media), media
                transport.sendto(report)
                await asyncio.sleep(LOOK)


@scenario
async def test_direct_media_moves_the_sound_to_the_phone(company: Office) -> None:
    """While the PBX hands over, packets come from both. None of the phone's is dropped after its announcement."""
    session, call = await company.met("244", "601")
    ours = session.context.line._agreed
    await until(lambda: remote_port(session) == call.sound.port)
    assert ours is not None
    await company.talk(session, call, "From you to me.")
    await reports(session, call)
    record = await company.hung_up(session, call)
    assert record["trunk"] == "direct"
    media = record["media"]
    assert isinstance(media, dict)
    phone = [one for one in media.get("refused_sources", []) if one["port"] == call.sound.port]
    assert not [one for one in phone if one["last"] >= one["announced"]], media
    assert not refused_reports(media), media


@scenario
async def test_music_on_hold_comes_from_another_address_than_the_phone(company: Office) -> None:
    """The PBX takes the sound back to play its music, and gives it to the phone again: none of it is refused."""
    session, call = await company.met("259", "619")
    await until(lambda: remote_port(session) == call.sound.port)
    call.sound.sending = False  # a phone that holds sends nothing
    await call.offer("sendonly")
    await until(lambda: remote_port(session) != call.sound.port)
    before = (await session.media_stats())["received"]
    async with asyncio.timeout(HANG):
        while (await session.media_stats())["received"] < before + 50:
            await asyncio.sleep(LOOK)
    await call.offer("sendrecv")
    call.sound.sending = True  # what it sent before, straight to us, would be refused beside the music
    await until(lambda: remote_port(session) == call.sound.port)
    await company.talk(session, call, "No more music.")
    await reports(session, call)
    media = (await company.hung_up(session, call))["media"]
    assert isinstance(media, dict)
    assert media["foreign"] < FOREIGN, media["refused_sources"]
    assert not refused_reports(media), media


def refused(media: dict[str, Any], call: DeskCall) -> int:
    """Packets of the phone itself that were refused as those of another source."""
    sources = [one for one in media.get("refused_sources", []) if one["port"] == call.sound.port]
    return sum(one["packets"] for one in sources if one["reason"] == "foreign")


@scenario
async def test_direct_media_is_heard_again_after_both_sides_have_sent(company: Office) -> None:
    """A phone holds and goes on sending, straight to us, beside the music of the PBX: its sound is refused until it is
    announced again, and then heard at once."""
    session, call = await company.met("257", "619")
    await until(lambda: remote_port(session) == call.sound.port)
    await call.offer("sendonly")
    await until(lambda: remote_port(session) != call.sound.port)
    call.sound._agreed = replace(call.sound._agreed, direction="sendrecv")  # type: ignore[type-var]
    async with asyncio.timeout(HANG):
        while refused(await session.media_stats(), call) < FOREIGN:
            await asyncio.sleep(LOOK)
    await call.offer("sendrecv")
    await until(lambda: remote_port(session) == call.sound.port)
    since = refused(await session.media_stats(), call)
    await company.talk(session, call, "No more music.")
    media = (await company.hung_up(session, call))["media"]
    assert isinstance(media, dict)
    assert refused(media, call) < since + FOREIGN, media["refused_sources"]


async def hears_nothing(session: CallSession, seconds: float) -> None:
    """Wait until no packet has come to the gateway for so long."""
    now = asyncio.get_running_loop().time
    count, since = -1, now()
    while now() < since + seconds:
        received = (await session.media_stats()).get("received", count)
        if received != count:
            count, since = received, now()
        await asyncio.sleep(LOOK)


@scenario
async def test_a_muted_phone_holds_for_longer_than_a_lost_line_lasts(company: Office) -> None:
    """With direct media and `moh_passthrough` nobody sends anything meanwhile, sound or RTCP: no line is lost by it."""
    session, call = await company.met("258", "601")
    await until(lambda: remote_port(session) == call.sound.port)
    call.sound.sending = False
    await holds(session, call)
    await hears_nothing(session, NO_RTP_LIMIT + 3)
    await call.offer("sendrecv")
    await until(lambda: b"a=sendrecv" in leg_of(session).local)
    call.sound.sending = True
    await company.talk(session, call, "No longer mute.")
    await company.hung_up(session, call)


@scenario
async def test_tls_and_srtp(company: Office) -> None:
    session, call = await company.met("240", "603")
    leg = leg_of(session)
    assert leg.source.transport == "tls"
    assert b"RTP/SAVP" in (leg.offer or b"") and b"a=crypto" in leg.local
    assert (await company.hung_up(session, call))["trunk"] == "secure"
    placed = company.originate("241", trunk="secure")
    session = await company.session("241")
    await company.hears(session, "241")
    assert b"a=crypto" in leg_of(session).local
    placed.stop()


@scenario
async def test_without_g711_the_call_is_refused_and_the_record_says_why(company: Office) -> None:
    with pytest.raises(CallFailed):
        await company.desks.call("229", "611")
    record = await company.record("229")
    assert record["ending"] == "refused" and "G722" in record["cause"], record


@scenario
async def test_an_endpoint_with_ice_avpf_rtcp_mux_and_reliable_ringing(company: Office) -> None:
    session, call = await company.met("228", "612")
    offer = leg_of(session).offer or b""
    assert b"RTP/AVPF" in offer and b"a=rtcp-mux" in offer and "100rel" in leg_of(session).request.require
    agreed = leg_of(session).local
    assert b"RTP/AVPF" in agreed and b"a=rtcp-mux" in agreed, agreed
    assert b"a=ice-mismatch" in agreed, "Asterisk has no candidate for loopback: the sound goes without ICE"
    await company.hung_up(session, call)


@scenario
async def test_srtp_where_it_can_be_had(company: Office) -> None:
    """`media_encryption_optimistic`: keys in RTP/AVP (RFC 8643), which the recipe's trunk takes."""
    session, call = await company.met("227", "613")
    offer = leg_of(session).offer or b""
    assert b"RTP/AVP " in offer and b"a=crypto" in offer and b"a=crypto" in leg_of(session).local
    await company.hung_up(session, call)


@scenario
async def test_an_endpoint_over_tcp(company: Office) -> None:
    session, call = await company.met("226", "614")
    assert leg_of(session).source.transport == "tcp"
    await company.hung_up(session, call)


@scenario
async def test_keys_come_as_the_endpoint_has_them(company: Office) -> None:
    """`dtmf_mode = info`, and `inband` with `inband_keys = true` in the trunk."""
    for phone, extension in (("204", "617"), ("205", "618")):
        session, call = await company.met(phone, extension)
        pressed = keys_of(session)
        call.sound.press("12#")
        await until(lambda: "".join(pressed) == "12#")  # noqa: B023
        await company.hung_up(session, call)


@scenario
async def test_a_trunk_of_its_own(company: Office) -> None:
    """Another gateway, which does not register, by the guide's blocks; calls both ways."""
    (toml,) = blocks("asterisk.md", "toml")
    toml = toml.replace('networks = ["10.0.0.5"]', 'networks = ["127.0.0.1"]')
    (trunk,) = parse(toml.replace("10.0.0.5", f"127.0.0.1:{company.pbx.port}"), "guide", {}).trunks
    folder = company.folder / "trunk"
    folder.mkdir()

    def change(config: GatewayConfig) -> GatewayConfig:
        sip = replace(config.sip, host=PEER, port=company.gateway)
        gate = replace(config.gate, extensions=("2??",))
        return replace(config, sip=sip, trunks=(trunk,), gate=gate, media=replace(config.media, bind_host=PEER))

    async with cloud(folder, [], [], change=change) as world:
        other = replace(company, world=world)
        company.pbx.rx("pjsip qualify gateway")  # it would not ask before half a minute
        session, call = await other.met("219", "711")
        assert (session.info.identity.dialled, session.info.trunk.name) == ("711", "asterisk")
        await other.hung_up(session, call)
        placed = other.originate("220")
        session = await other.session("220")
        await other.hears(session, "220")
        assert company.desks.calls["220"][0].leg.request.from_.uri.user == "710"
        placed.stop()


def refreshes(log: str, call_id: str) -> set[str]:
    """The CSeq of each request inside this call that has carried the timer on, as its answer has (RFC 4028 §7, §9)."""
    parts = [part for part in log.split("<--- ") if call_id in part]
    carrying = [part for part in parts if re.search(r"(?mi)^Session-Expires: *90", part)]
    asked = {cseq(part) for part in carrying if re.search(r"(?m)^(?:INVITE|UPDATE) (?s:.*)^To:[^\n]*;tag=", part)}
    return asked & {cseq(part) for part in carrying if re.search(r"(?m)^SIP/2\.0 200 ", part)}


def cseq(message: str) -> str:
    """Number and method of a request, or of the one that was answered."""
    found = re.search(r"(?m)^CSeq: *(\d+ \w+)", message)
    return found[1] if found else ""


@scenario
async def test_a_session_timer_of_90_seconds(company: Office) -> None:
    """In calls of both directions it is refreshed: they outlive the time at which either side would give up (§10)."""
    session, call = await company.met("242", "602")
    placed = company.originate("245", trunk="timed")
    out = await company.session("245")
    await company.hears(out, "245")
    now = asyncio.get_running_loop().time
    up = now()
    assert [leg_of(one)._call.session.timer.interval for one in (session, out)] == [MIN_SE, MIN_SE]
    await until(lambda: now() > up + MIN_SE * 2 / 3 + 1)
    assert all(refreshes(company.pbx.log, leg_of(one).id) for one in (session, out))
    await company.talk(session, call, "Still here after a while.")
    await company.hears(out, "245")
    placed.stop()
    await company.hung_up(session, call)
