"""An upgrade in place, packet by packet: two endpoints, one after the other on the same sockets."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from sipgw.sip.endpoint import CallFailed, Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Ended
from sipgw.sip.handover import Offer, inherit
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import LocalMedia, answer, make_offer
from sipgw.sip.uri import Uri
from tests.sip.certificates import Authority
from tests.waiting import HANG, until

OFFER = make_offer(LocalMedia("127.0.0.1", 6000, tls=False))


@dataclass
class Side:
    """One of our processes, or the phone that calls."""

    endpoint: Endpoint
    legs: list[Leg] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)


@contextlib.asynccontextmanager
async def side(
    options: EndpointOptions, takes: Callable[[Leg], None] = lambda leg: leg.reject(603)
) -> AsyncIterator[Side]:
    async with asyncio.TaskGroup() as group:
        one: Side
        following: list[asyncio.Task[None]] = []

        def on_invite(leg: Leg) -> None:
            one.legs.append(leg)
            following.append(group.create_task(follow(leg)))
            takes(leg)

        async def follow(leg: Leg) -> None:
            async for event in leg.events():
                if isinstance(event, Ended):
                    one.ended.append(event)

        one = Side(Endpoint(options, on_invite, lambda *_: None))
        async with one.endpoint:
            yield one
            for leg in one.legs:
                leg.hangup()
        for task in following:
            task.cancel()


def picks_up(leg: Leg) -> None:
    leg.answer(answer(leg.offer or b"", LocalMedia("127.0.0.1", 6002, tls=False)).sdp)


@contextlib.asynccontextmanager
async def handed_over(folder: Path, old: Side, takes: Callable[[Leg], None] = picks_up) -> AsyncIterator[Side]:
    """A new endpoint on the sockets of `old`."""
    path, asked = folder / "handover", asyncio.Event()
    async with Offer(path, asked.set) as offer, asyncio.TaskGroup() as group:

        async def give() -> None:
            await asked.wait()
            assert offer.link
            old.endpoint.hand_over(offer.link)

        group.create_task(give())
        options = replace(old.endpoint.options, port=old.endpoint.port, take_over=str(path))
        async with side(options, takes) as new:
            assert new.endpoint.port == old.endpoint.port
            yield new


def target(one: Side, transport: str) -> Uri:
    port = one.endpoint.tls_port if transport == "tls" else one.endpoint.port
    return Uri("sip", "agent", "127.0.0.1", port, params=(("transport", transport),))


def with_tls(folder: Path) -> tuple[EndpointOptions, EndpointOptions]:
    """For a gateway with a TLS listener, and for phones that believe its authority."""
    authority = Authority(folder)
    here = EndpointOptions("127.0.0.1", 0)
    return replace(here, tls=authority.server()), replace(here, tls=authority.client())


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_calls_stay_where_they_are_and_new_ones_go_to_the_new_process(tmp_path: Path, transport: str) -> None:
    async def scenario() -> None:
        ours_are, theirs = with_tls(tmp_path)
        async with side(ours_are, picks_up) as old, side(theirs) as phone, side(theirs) as other:
            first, _ = await phone.endpoint.invite(target(old, transport), "<sip:phone@127.0.0.1>", OFFER)
            ours, _ = await phone.endpoint.invite(target(old, transport), "<sip:phone@127.0.0.1>", OFFER)
            async with handed_over(tmp_path, old) as new:
                second, _ = await other.endpoint.invite(target(new, transport), "<sip:phone@127.0.0.1>", OFFER)
                assert (len(old.legs), len(new.legs)) == (2, 1)
                first.hangup()
                await until(lambda: old.ended)
                assert old.ended[0].by == "caller"
                assert not new.ended
                old.legs[1].hangup()
                assert await ours.over(HANG), "the old process still speaks"
                second.hangup()
                await until(lambda: new.ended)

    asyncio.run(scenario())


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_what_comes_over_a_connection_of_the_new_process_is_answered_over_it(tmp_path: Path, transport: str) -> None:
    """The phone's connection is gone; for its BYE it opens another, which the new process has."""

    async def scenario() -> None:
        ours_are, theirs = with_tls(tmp_path)
        async with side(ours_are, picks_up) as old, side(theirs) as phone:
            leg, _ = await phone.endpoint.invite(target(old, transport), "<sip:phone@127.0.0.1>", OFFER)
            async with handed_over(tmp_path, old):
                phone.endpoint._transports._streams.close()
                await until(lambda: not phone.endpoint._transports._streams._open)
                leg.hangup()
                await until(lambda: old.ended)
                await until(lambda: not phone.endpoint.agent.waiting)  # the 200 of the BYE came

    asyncio.run(scenario())


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_who_is_connected_without_a_call_comes_again_and_meets_the_new_process(tmp_path: Path, transport: str) -> None:
    async def scenario() -> None:
        ours_are, theirs = with_tls(tmp_path)
        async with side(ours_are, picks_up) as old, side(theirs) as busy, side(theirs) as idle:
            stays, _ = await busy.endpoint.invite(target(old, transport), "<sip:phone@127.0.0.1>", OFFER)
            over, _ = await idle.endpoint.invite(target(old, transport), "<sip:phone@127.0.0.1>", OFFER)
            over.hangup()
            await until(lambda: old.ended)
            await until(lambda: not idle.endpoint.agent.waiting)
            async with handed_over(tmp_path, old) as new:
                await until(lambda: not idle.endpoint._transports._streams._open)
                assert len(busy.endpoint._transports._streams._open) == 1
                await idle.endpoint.invite(target(new, transport), "<sip:phone@127.0.0.1>", OFFER)
                assert (len(old.legs), len(new.legs)) == (2, 1)
                old.legs[0].hangup()
                assert await stays.over(HANG), "its way is still there"

    asyncio.run(scenario())


def test_sockets_that_the_new_process_does_not_speak_are_closed(tmp_path: Path) -> None:
    async def scenario() -> None:
        ours_are, theirs = with_tls(tmp_path)
        async with side(ours_are, picks_up) as old, side(theirs) as phone:
            there, before = target(old, "tls"), replace(old.endpoint.options, tls=theirs.tls)
            old.endpoint.options = before
            async with handed_over(tmp_path, old):
                with pytest.raises(CallFailed, match="Connect call failed"):
                    await phone.endpoint.invite(there, "<sip:phone@127.0.0.1>", OFFER)

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_call_that_rings_is_answered_and_cancelled_by_the_old_process(tmp_path: Path) -> None:
    async def scenario() -> None:
        here = EndpointOptions("127.0.0.1", 0)
        async with side(here, Leg.ringing) as old, side(here) as phone, asyncio.TaskGroup() as group:
            calls = [
                group.create_task(phone.endpoint.invite(target(old, "udp"), "<sip:phone@127.0.0.1>", OFFER))
                for _ in range(2)
            ]
            await until(lambda: len(old.legs) == 2)
            async with handed_over(tmp_path, old) as new:
                picks_up(old.legs[0])
                await until(lambda: any(call.done() for call in calls))
                for call in calls:
                    call.cancel()
                await until(lambda: old.ended)
                assert "CANCEL" in str(old.ended[0])
                assert not new.legs

    asyncio.run(scenario())


@pytest.mark.faults("A9")
def test_however_many_calls_there_are_the_sockets_are_handed_over(tmp_path: Path) -> None:
    async def scenario() -> None:
        calls = frozenset(f"{number}@{'x' * 500}" for number in range(5000))
        path, asked = tmp_path / "handover", asyncio.Event()
        async with Offer(path, asked.set) as offer, asyncio.TaskGroup() as group:
            taking = group.create_task(inherit(str(path)))
            await asked.wait()
            assert offer.link
            ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            ours.bind(("127.0.0.1", 0))
            place = ours.getsockname()
            offer.link.bequeath({"udp4": ours}, calls)
            older = await taking
        assert older
        assert older.calls == calls
        assert older.sockets["udp4"].getsockname() == place
        assert ours.fileno() < 0, "it is given away"
        older.sockets["udp4"].close()
        older.link.close()

    asyncio.run(scenario())


def test_where_nobody_waits_the_sockets_are_our_own(tmp_path: Path) -> None:
    async def scenario() -> None:
        options = EndpointOptions("127.0.0.1", 0, take_over=str(tmp_path / "nobody"))
        async with side(options, picks_up) as one, side(EndpointOptions("127.0.0.1", 0)) as phone:
            await phone.endpoint.invite(target(one, "udp"), "<sip:phone@127.0.0.1>", OFFER)

    asyncio.run(scenario())


def test_when_the_old_process_is_gone_what_was_its_own_is_unknown(tmp_path: Path) -> None:
    async def scenario() -> None:
        here = EndpointOptions("127.0.0.1", 0)
        async with side(here) as phone, contextlib.AsyncExitStack() as news:
            async with side(here, picks_up) as old:
                leg, _ = await phone.endpoint.invite(target(old, "udp"), "<sip:phone@127.0.0.1>", OFFER)
                new = await news.enter_async_context(handed_over(tmp_path, old))
            assert await leg.over(HANG), "the old one said goodbye"
            await phone.endpoint.invite(target(new, "udp"), "<sip:phone@127.0.0.1>", OFFER)
            with pytest.raises(CallFailed):
                await new.endpoint.invite(
                    Uri("sip", "x", "127.0.0.1", phone.endpoint.port), "<sip:agent@127.0.0.1>", OFFER
                )

    asyncio.run(scenario())


def test_only_one_is_given_the_sockets_and_the_file_is_gone_then(tmp_path: Path) -> None:
    async def scenario() -> None:
        path, asked = tmp_path / "handover", asyncio.Event()
        async with Offer(path, asked.set) as offer:
            assert path.stat().st_mode & 0o777 == 0o600
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
                asking.connect(str(path))
                await asked.wait()
                assert offer.link
                assert not path.exists()

    asyncio.run(scenario())
