"""A served call whose session changes: hold, resume, moved sound, another codec, refreshes. Real SIP, RTP and media."""

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest

from agent.line import Audio, Away, Gone
from media.process import channel as media
from sipgw.calls.phone_line import PhoneLine
from sipgw.sip import endpoint_options, session_timer
from sipgw.sip.checks import DROP
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Offered, Phase
from sipgw.sip.offer_answer import LocalMedia, answer, make_offer
from sipgw.sip.offer_exchange import OfferExchange
from sipgw.sip.sdp import Sdp
from tests.calls.test_cloud_call import records
from tests.cloud import cloud
from tests.phone import Phone, calling
from tests.waiting import until


def lines(sdp: bytes | None) -> list[str]:
    return (sdp or b"").decode().splitlines()


def taken(line: PhoneLine) -> list[object]:
    """The events that the agent has got since the last look."""
    events: list[object] = []

    async def listen() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0):
                await line.listen(events.append)

    asyncio.run(listen())
    return events


def port_of(phone: Phone) -> int:
    return int(phone._transport.get_extra_info("sockname")[1])


@pytest.mark.slow
def test_a_call_is_held_resumed_moved_and_recoded(tmp_path: Path) -> None:
    async def scenario():
        loop = asyncio.get_running_loop()
        async with cloud(tmp_path, [], []) as world, calling(world.target, lambda _: b"\x7f" * 160) as phone:
            assert phone.leg is not None
            await until(lambda: phone.received)
            first = phone.leg.remote
            local = LocalMedia("127.0.0.1", port_of(phone), tls=False, session=phone.leg.local)
            held = await phone.leg.reinvite(make_offer(local, "sendonly"))
            assert "a=recvonly" in lines(held.sdp)
            again = await phone.leg.reinvite(make_offer(local, "sendonly"))
            assert again.sdp == held.sdp, "RFC 3264 §8: nothing changed, not even the version"
            off = await phone.leg.reinvite(make_offer(local, "inactive"))
            assert "a=inactive" in lines(off.sdp)
            other_transport, other = await loop.create_datagram_endpoint(Phone, ("127.0.0.1", 0))
            moved = LocalMedia("127.0.0.1", port_of(other), tls=False, session=phone.leg.local)
            phone._transport = other_transport  # it talks from there too, or symmetric RTP would follow it back
            recoded = make_offer(moved).replace(b"RTP/AVP 0 8 101", b"RTP/AVP 8 101")
            resumed = await phone.leg.reinvite(recoded)
            assert "a=sendrecv" in lines(resumed.sdp)
            await until(lambda: len(other.received) > 20)  # what was on its way to the old port has been read meanwhile
            old = len(phone.received)
            await until(lambda: len(other.received) > 70)
            other_transport.close()
            versions = [Sdp.parse(sdp or b"").origin.split()[2] for sdp in (first, held.sdp, off.sdp, resumed.sdp)]
            return other.received[-1][1].payload_type, len(phone.received) - old, versions

    payload_type, late, versions = asyncio.run(scenario())
    assert payload_type == 8
    assert late == 0, "nothing goes to the old port any more"
    assert [int(version) for version in versions] == sorted({int(version) for version in versions})


@pytest.mark.slow
def test_an_offer_without_g711_is_refused_and_the_call_goes_on(tmp_path: Path) -> None:
    async def scenario():
        async with cloud(tmp_path, [], []) as world, calling(world.target, lambda _: b"\x7f" * 160) as phone:
            assert phone.leg is not None
            offer = make_offer(LocalMedia("127.0.0.1", port_of(phone), tls=False, session=phone.leg.local))
            outcome = await phone.leg.reinvite(offer.replace(b"AVP 0 8 101", b"AVP 9"))
            before = len(phone.received)
            await until(lambda: len(phone.received) > before)
            return outcome, phone.leg.phase

    outcome, phase = asyncio.run(scenario())
    assert (outcome.sdp, outcome.status) == (None, 488)
    assert phase is Phase.CONFIRMED


@pytest.mark.slow
@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
def test_a_served_call_is_refreshed_and_follows_what_the_answer_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """A session timer of 6 s that the gateway asks for; the caller's answers to its re-INVITEs move the sound."""
    monkeypatch.setattr(session_timer, "MIN_SE", 6)
    monkeypatch.setattr(endpoint_options, "MIN_SE", 6)
    if method == "INVITE":
        monkeypatch.setattr(OfferExchange, "learn", lambda self, message: None)  # nobody is known to take UPDATE
    seen: list[bytes] = []

    async def scenario():
        loop = asyncio.get_running_loop()
        _, sound = await loop.create_datagram_endpoint(Phone, ("127.0.0.1", 0))
        _, moved = await loop.create_datagram_endpoint(Phone, ("127.0.0.1", 0))
        local, options = LocalMedia("127.0.0.1", port_of(sound), tls=False), EndpointOptions("127.0.0.1", 0, tcp=False)
        phone = Endpoint(
            options, lambda leg: leg.reject(603), lambda *_: DROP, lambda traced: seen.append(bytes(traced.data))
        )
        sip = EndpointOptions("127.0.0.1", 0, session_expires=6)
        async with cloud(tmp_path, [], [], sip=sip) as world, phone as caller, asyncio.TaskGroup() as tasks:
            leg, _ = await caller.invite(world.target, "<sip:me@127.0.0.1>", make_offer(local))

            async def answer_offers():
                async for event in leg.events():
                    if isinstance(event, Offered):
                        leg.accept_offer(make_offer(replace(local, port=port_of(moved), session=leg.local)))

            answering = tasks.create_task(answer_offers())
            await until(lambda: sound.received)
            first = sum(data.startswith(b"INVITE") for data in seen) if method == "INVITE" else 0
            await until(lambda: sum(data.startswith(method.encode()) for data in seen) >= first + 2)
            if method == "INVITE":
                await until(lambda: moved.received)
            phase = leg.phase
            leg.hangup()
            await answering
            (record,) = await records(world.gateway)
            return phase, record["ending"]

    assert asyncio.run(scenario()) == (Phase.CONFIRMED, "caller_hung_up")


def test_a_caller_on_hold_may_be_silent_for_as_long_as_it_likes() -> None:
    """Who holds us may play music, but need not, and it is not for us: only silence of who should speak ends a call."""
    line = PhoneLine()
    line.attach(Mock())
    local = LocalMedia("127.0.0.1", 4000, tls=False)

    def events(direction: str) -> list[object]:
        line.exchange(answer(make_offer(local, direction), local))
        line.on_media(media.Frames(b"\x7f" * 4, 1.0))
        line.on_media(media.NoRtp(30.0, 30.0))
        return taken(line)

    music = Audio(b"\xff" * 4, 1.0)
    assert events("sendonly") == [Away(True), music]
    assert events("inactive") == [music]
    assert events("sendrecv") == [Away(False), Audio(b"\x7f" * 4, 1.0), Gone("no sound arrived for 30 s", lost=True)]


@pytest.mark.faults("F7")
def test_nothing_flows_while_a_stream_is_switched_off_and_it_comes_back() -> None:
    """RFC 3264 §6: port 0; the caller is away as on hold."""
    line, channel = PhoneLine(), Mock()
    line.attach(channel)
    local = LocalMedia("127.0.0.1", 4000, tls=False)
    on = make_offer(local)
    first = answer(on, local)
    line.exchange(first)
    line.exchange(off := answer(on.replace(b"m=audio 4000", b"m=audio 0"), replace(local, session=first.sdp)))
    _, where = channel.connect.call_args.args
    assert (where, channel.connect.call_args.kwargs["send"]) == (("127.0.0.1", 4000), False)
    assert channel.connect.call_args.kwargs["receive"] is False
    line.exchange(answer(on, replace(local, session=off.sdp)))
    assert channel.connect.call_args.kwargs["send"] is True
    assert taken(line) == [Away(True), Away(False)]


def test_who_listens_for_long_on_a_phone_that_sends_nothing_in_silence_is_not_hung_up() -> None:
    line = PhoneLine()
    line.attach(Mock())
    for seconds, lost in ((2.0, 2.0), (10.0, 4.0), (40.0, 5.0), (50.0, 29.9)):
        line.on_media(media.NoRtp(seconds, lost))
    assert not taken(line)
    line.on_media(media.NoRtp(60.0, 30.0))
    assert taken(line) == [Gone("no sound arrived for 60 s", lost=True)]


@pytest.mark.faults("C2")
def test_keys_that_a_caller_presses_with_a_person_are_not_kept_and_are_no_consent() -> None:
    line = PhoneLine()
    line.attach(Mock())
    line.line_recorder = line_recorder = Mock()
    line.suspend_agent()
    line.press("1", "rtp", 1.0)
    line_recorder.pressed.assert_called_once_with("1")
    line_recorder.agree.assert_not_called()
    assert taken(line) == [Away(True, taken=True)], "the agent, who tells what is consent, does not get the key"
