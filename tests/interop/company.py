"""A company with a PBX: its phones, its agent, and what its people do with calls.

All scenarios of a file run at once in one company, each with phones of its own, as the calls of a company do; the file
then takes as long as the longest of them, and what one call does to another would show.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.call_control import CallControlRefused
from media.g711 import RATE
from sipgw.calls.dtmf_deduplicator import Way
from sipgw.calls.info import SessionState
from sipgw.calls.phone_line import PhoneLine
from sipgw.calls.registry import CallHandle
from sipgw.calls.request import OriginateRequest
from sipgw.calls.session import CallSession
from sipgw.sip.leg import Leg
from tests.cloud import Cloud
from tests.interop.desks import DeskCall, Desks, Sound, hums, rings, until
from tests.waiting import HANG

LETTERS = str.maketrans("0123456789", "aeioubdfgk")
"""So that a voice reads numbers as they are written here."""
AT_ONCE = 8
"""Scenarios that run at the same time."""


@dataclass
class Company:
    """The gateway and the phones."""

    world: Cloud
    desks: Desks
    trunk: str
    """That of calls out."""
    folder: Path

    async def session(self, caller: str) -> CallSession:
        """The agent's call with this caller, once it was answered."""

        def found() -> list[CallSession]:
            calls = self.world.gateway.calls.values()
            return [one for one in calls if one.info.answered and caller in (one.info.caller, one.info.other)]

        await until(found)
        return found()[0]

    async def new_session(self, before: set[str]) -> CallSession:
        """The only call of the agent besides those `before`, once it was answered: for scenarios that run alone."""

        def found() -> list[CallSession]:
            calls = self.world.gateway.calls.items()
            return [one for name, one in calls if name not in before and one.info.answered]

        await until(found)
        (session,) = found()
        return session

    def originate(self, number: str, **more: Any) -> CallHandle:
        """The agent calls an extension."""
        return self.world.gateway.originate(
            OriginateRequest(number, "agent", trunk=more.pop("trunk", self.trunk), **more)
        )

    async def rings(self, placed: CallHandle) -> None:
        """Wait until a call of the agent rings."""
        await until(lambda: self.world.gateway.calls[placed.id].context.state is SessionState.RINGING)

    async def faster(self, caller: str, group: str, phone: str) -> dict[str, Any]:
        """A phone of a group picks up while the agent rings, too; the record of the agent's call."""
        self.desks.takes[phone] = rings
        with self.world.letting_it_ring():
            async with asyncio.TaskGroup() as calling:
                ringing = calling.create_task(self.desks.rung(phone))
                calls = calling.create_task(self.desks.call(caller, group))
                await until(lambda: any(one.info.caller == caller for one in self.world.gateway.calls.values()))
                (await ringing).pick_up()
            await calls.result().sound.hums(phone)
        return await self.record(caller)

    async def hears(self, session: CallSession, *numbers: str) -> None:
        """Wait until the agent's line has the tones of these phones, at the same time."""
        async with asyncio.timeout(HANG):
            with session.listen() as sound:
                heard = b""
                async for stereo in sound:
                    heard = (heard + stereo[0::2])[-RATE * 3 // 4 :]
                    if all(hums(heard, number) for number in numbers):
                        return
        raise AssertionError(f"the call ended before {numbers} were heard")

    async def says(
        self, session: CallSession, text: str, *calls: DeskCall, heard: Callable[[Sound], bool] | None = None
    ) -> None:
        """Wait until these phones have `heard` what the agent is told to say; it says it again if packets were lost."""
        heard = heard or (lambda sound: sound.has(text))
        async with asyncio.timeout(HANG):
            for count in itertools.count():
                if count % 30 == 0:
                    with contextlib.suppress(CallControlRefused):
                        session.call_control.say(text)
                await asyncio.sleep(0.1)
                if all(heard(call.sound) for call in calls):
                    return

    async def talk(self, session: CallSession, call: DeskCall, text: str) -> None:
        """Both hear each other."""
        await self.hears(session, call.number)
        await self.says(session, text, call)

    async def talk_loudly(self, session: CallSession, call: DeskCall) -> None:
        """Both hear each other, through other codecs."""
        await self.hears(session, call.number)
        await until(lambda: not call.sound.loud)
        await self.says(session, "Is this loud enough?", call, heard=lambda sound: sound.loud)

    async def met(self, phone: str, extension: str) -> tuple[CallSession, DeskCall]:
        """A phone calls the agent, and both hear each other."""
        call = await self.desks.call(phone, extension)
        session = await self.session(phone)
        await self.talk(session, call, f"You are {phone.translate(LETTERS)}.")
        return session, call

    async def visit(self, phone: str, extension: str, name: str = "") -> None:
        """A phone with this display name, as it writes it, calls the agent, hears something, and hangs up."""
        call = await self.desks.call(phone, extension, name=name)
        await until(lambda: sum(call.sound.sources.values()) > 25)
        call.leg.hangup()

    async def hung_up(self, session: CallSession, call: DeskCall) -> dict[str, Any]:
        """The phone hangs up; the record of the call."""
        call.leg.hangup()
        record = await self.record(session.info.id)
        assert record["ending"] == "caller_hung_up", record
        return record

    async def record(self, party: str) -> dict[str, Any]:
        """The record of the one call of this identity, caller or called number, once it has ended."""

        async def found() -> list[dict[str, Any]]:
            rows = await self.world.gateway.store.calls()
            return [one for one in rows if one["ended"] and party in (one["id"], one["caller"], one["called"])]

        async with asyncio.timeout(HANG):
            while not (rows := await found()):
                await asyncio.sleep(0.1)
        (row,) = rows
        return row


def keys_of(session: CallSession) -> list[str]:
    """The keys that reach the agent's line from now on."""
    pressed: list[str] = []
    line: PhoneLine = session.context.line
    press = line.press

    def note(key: str, way: Way, at: float) -> None:
        pressed.append(key)
        press(key, way, at)

    line.press = note  # type: ignore[method-assign]
    return pressed


def leg_of(session: CallSession) -> Leg:
    """The SIP leg of a call."""
    leg = session.connection.leg if session.connection else None
    assert leg is not None
    return leg


async def holds(session: CallSession, call: DeskCall) -> None:
    """The other side puts the agent on hold, and the gateway has agreed."""
    await call.offer("sendonly")
    await until(lambda: b"a=recvonly" in leg_of(session).local)


def remote_port(session: CallSession) -> int | None:
    """Where the sound of a call comes from, as it was announced last."""
    agreed = session.context.line._agreed
    return agreed.remote_port if agreed else None


Scenario = Callable[[Any], Awaitable[None]]
SCENARIOS: dict[str, dict[str, Scenario]] = {}
"""By the module and the name of the test."""
ALONE: set[str] = set()
"""Those that run before the others, one after the other."""
Outcomes = dict[str, BaseException | None]
Place = Callable[[Path], AbstractAsyncContextManager[Company]]


def alone(work: Scenario) -> Scenario:
    """Mark a scenario that would disturb the others of its file, or that cannot tell its calls from theirs."""
    ALONE.add(work.__name__)
    return work


def scenario(work: Scenario) -> Callable[[Outcomes], None]:
    """A test that tells how `work` went, which has run beside the others of its file."""
    name = work.__name__
    SCENARIOS.setdefault(work.__module__, {})[name] = work

    def test(outcomes: Outcomes) -> None:
        if (error := outcomes[name]) is not None:
            raise error

    test.__name__, test.__doc__, test.__module__ = name, work.__doc__, work.__module__
    return pytest.mark.slow(test)


async def run(folder: Path, module: str, names: Iterable[str], place: Place) -> Outcomes:
    """Run these scenarios of a module."""
    outcomes: Outcomes = {}
    acting = asyncio.Semaphore(AT_ONCE)

    async def one(company: Company, name: str) -> None:
        try:
            async with acting, asyncio.timeout(HANG):
                await SCENARIOS[module][name](company)
            outcomes[name] = None
        except Exception as error:
            outcomes[name] = error

    async with place(folder) as company:
        for name in ALONE.intersection(names):
            await one(company, name)
        async with asyncio.TaskGroup() as group:
            for name in set(names) - ALONE:
                group.create_task(one(company, name))
    return outcomes
