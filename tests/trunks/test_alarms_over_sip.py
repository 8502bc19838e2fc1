"""Calls with bad sound on a trunk raise an alarm, and good ones end it: over real SIP and RTP, for each fault."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from media.g711 import FRAME
from media.rtp import packet as rtp
from sipgw import events
from sipgw.config.alarms import AlarmOptions
from sipgw.events import Event, Fault, TrunkAlarm
from tests.calls.test_cloud_call import records
from tests.cloud import Cloud, cloud
from tests.phone import Phone, calling
from tests.waiting import until, within

pytestmark = pytest.mark.slow

ENOUGH = 60
"""Packets that each call is long."""
VOICE = b"\x7f" * FRAME
Caller = Callable[[Phone], Awaitable[None]]


async def heard(phone: Phone, packets: int = ENOUGH) -> None:
    """Wait until so many more have come: the pace of the gateway is that of sound."""
    until_then = len(phone.received) + packets
    await until(lambda: len(phone.received) >= until_then)


async def speaks(phone: Phone, sock: socket.socket | None = None, *, every: int = 1) -> None:
    """Send a voice from `sock`, or from the phone, of whose packets only one in `every` arrives."""
    for number in range(0, ENOUGH * every, every):
        packet = rtp.build(0, number == 0, number, number * FRAME, 0xCA11, VOICE)
        (sock or phone._transport).sendto(packet, phone.remote)
        await heard(phone, every)


async def loses(phone: Phone) -> None:
    """Two of three of its packets are lost."""
    await speaks(phone, every=3)


async def is_spoken_over(phone: Phone) -> None:
    """Somebody at another address sends to the call, too."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.bind(("127.0.0.2", 0))
        await speaks(phone)
        await speaks(phone, sock)


BAD: dict[Fault, Caller] = {"one_way": heard, "foreign": is_spoken_over, "quality": loses}


@contextlib.asynccontextmanager
async def alarmed(folder: Path, told: list[Event]) -> AsyncIterator[Cloud]:
    """A gateway that raises an alarm when the latest two calls of a trunk were bad."""
    options = AlarmOptions(share=1.0, calls=2, least=2, mos=3.5)
    async with cloud(folder, [], [], change=lambda config: replace(config, alarms=options)) as world:
        world.gateway.watchers.add(told.append)
        yield world


async def goes_deaf(phone: Phone) -> None:
    """Its sound is good, and then it comes from another address only."""
    await speaks(phone)
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.bind(("127.0.0.2", 0))
        await speaks(phone, sock)
        await speaks(phone, sock)


def test_calls_that_go_deaf_half_way_raise_the_alarm_of_one_way_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "UNHEARD", 1.0)
    told: list[Event] = []

    async def scenario() -> list[Any]:
        async with alarmed(tmp_path, told) as world:
            for caller in (goes_deaf, goes_deaf):
                async with calling(world.target, lambda _: VOICE, sends=False) as phone:
                    await within(caller(phone))
                await until(lambda: not world.gateway.calls)
            return await records(world.gateway, 2)

    kept = asyncio.run(scenario())
    assert all(one["media"]["unheard"] >= 1.0 for one in kept)
    assert {(one.fault, one.raised) for one in told if isinstance(one, TrunkAlarm)} == {
        ("one_way", True), ("foreign", True)
    }  # fmt: skip


@pytest.mark.parametrize("fault", BAD)
def test_bad_sound_of_the_latest_calls_raises_an_alarm_and_good_sound_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    monkeypatch.setattr(events, "SHORTEST", ENOUGH // 2)
    told: list[Event] = []

    async def scenario() -> list[tuple[bool, int, int]]:
        async with alarmed(tmp_path, told) as world:
            for caller in (speaks, BAD[fault], BAD[fault], speaks):
                async with calling(world.target, lambda _: VOICE, sends=False) as phone:
                    await within(caller(phone))
                await until(lambda: not world.gateway.calls)
        alarms = [one for one in told if isinstance(one, TrunkAlarm)]
        assert {one.fault for one in alarms} == {fault}
        return [(one.raised, one.bad, one.calls) for one in alarms]

    assert asyncio.run(scenario()) == [(True, 2, 2), (False, 1, 2)]


def test_calls_that_an_operator_ends_count_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who hears nobody hangs up."""
    monkeypatch.setattr(events, "SHORTEST", ENOUGH // 2)
    told: list[Event] = []

    async def scenario() -> list[Any]:
        async with alarmed(tmp_path, told) as world:
            for _ in range(2):
                async with calling(world.target, lambda _: VOICE, sends=False) as phone:
                    await within(heard(phone))
                    (call,) = world.gateway.calls
                    world.gateway.stop(call, "I hear nobody")
                await until(lambda: not world.gateway.calls)
            return await records(world.gateway, 2)

    kept = asyncio.run(scenario())
    assert {one["ending"] for one in kept} == {"ended_here"}
    assert all(one["media"]["sent"] > one["media"]["received"] == 0 for one in kept)
    assert [(one.fault, one.raised) for one in told if isinstance(one, TrunkAlarm)] == [("one_way", True)]
