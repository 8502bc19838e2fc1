# mypy: disable-error-code="call-arg"
"""PJSIP (pjsua2 from PyPI) in attended transfers: as the caller, as the person, and as the PBX that sends the agent."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

import pytest

from agent.records import Outcome
from sipgw.calls.transfer_targets import TransferTarget
from sipgw.sip.uri import Uri
from tests.calling import OPEN, World
from tests.waiting import HANG

pytestmark = [pytest.mark.usefixtures("quick_people"), pytest.mark.programs("pjsua2")]


class Pjsua:
    """A telephone in a process of its own that answers every call."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.printed: list[str] = []

    async def until(self, text: str) -> str:
        """Wait for a line that holds `text`, and return it."""
        async with asyncio.timeout(HANG):
            return await self._until(text)

    async def _until(self, text: str) -> str:
        assert self._process.stdout
        while not (found := [line for line in self.printed if text in line]):
            line = (await self._process.stdout.readline()).decode()
            assert line, f"it ended without {text!r}: {self.printed}"
            self.printed.append(line.strip())
        return found[0]

    def order(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n".encode())

    async def uri(self) -> str:
        return (await self.until("ready sip:")).split()[1]


@contextlib.asynccontextmanager
async def pjsua() -> AsyncIterator[Pjsua]:
    command = [sys.executable, "-m", "tests.interop.pjsua_transferring"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL)
    try:
        yield Pjsua(process)
    finally:
        if process.stdin:
            process.stdin.close()  # then it hangs up and ends
        try:
            async with asyncio.timeout(HANG):
                await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()


def test_a_caller_is_connected_with_a_person_who_was_asked_first() -> None:
    """All but the agent is PJSIP: it takes our REFER, sends the INVITE with Replaces, and finds the call it means."""

    async def scenario() -> None:
        world = World()
        async with asyncio.timeout(HANG), world.alone(), pjsua() as caller, pjsua() as person:
            world.lead_to(TransferTarget(Uri.parse(await person.uri()), "attended"))
            await caller.uri()
            caller.order(f"call {world.uri}")
            await caller.until("1 CONFIRMED")
            assert world.talk.connect
            assert await world.talk.connect()
            await caller.until("1 REFERRED")
            await caller.until("2 CONFIRMED")
            await person.until("1 CONFIRMED")
            await person.until("2 CONFIRMED")
            await person.until("1 DISCONN")
            world.talk.outcome.set_result(Outcome("transfer", "asked"))
            assert (await world.ending).kind == "transferred"
            await caller.until("1 DISCONN")
            assert "2 DISCONN" not in " ".join(caller.printed + person.printed), "they speak with each other"

    asyncio.run(scenario())


def test_a_caller_is_transferred_blindly() -> None:
    async def scenario() -> None:
        world = World()
        async with asyncio.timeout(HANG), world.alone(attended=False), pjsua() as caller:
            await caller.uri()
            caller.order(f"call {world.uri}")
            await caller.until("1 CONFIRMED")
            assert world.talk.connect
            assert await world.talk.connect()
            await caller.until("2 CONFIRMED")
            world.talk.outcome.set_result(Outcome("transfer", "asked"))
            assert (await world.ending).kind == "transferred"
            world.third.legs[0].hangup()
            await caller.until("2 DISCONN")

    asyncio.run(scenario())


async def both_called(pbx: Pjsua, world: World, person: Pjsua) -> None:
    """The PBX is connected with the agent (its call 1) and with the person (2)."""
    await pbx.uri()
    pbx.order(f"call {world.uri}")
    await pbx.until("1 CONFIRMED")
    pbx.order(f"call {await person.uri()}")
    await pbx.until("2 CONFIRMED")


def test_the_agent_is_sent_to_a_person_who_was_asked_first() -> None:
    """PJSIP calls the agent and the person and connects the two; the person is PJSIP too, and finds what we replace."""

    async def scenario() -> None:
        world = World(OPEN)
        async with asyncio.timeout(HANG), world.alone(), pjsua() as pbx, pjsua() as person:
            await both_called(pbx, world, person)
            pbx.order("connect 1 2")
            await person.until("2 CONFIRMED")
            await pbx.until("1 TRANSFER 200 final")
            await pbx.until("2 DISCONN")
            pbx.order("hangup 1")
            await pbx.until("1 DISCONN")
            assert not world.ending.done()
            assert len(world.peers) == 2
            person.order("hangup 2")
            assert (await world.ending).kind == "caller_hung_up"

    asyncio.run(scenario())


def test_a_person_takes_the_place_of_the_pbx() -> None:
    """PJSIP calls the agent and a second PJSIP, and sends that one to us: its INVITE with Replaces takes over."""

    async def scenario() -> None:
        world = World()
        async with asyncio.timeout(HANG), world.alone(), pjsua() as pbx, pjsua() as person:
            await both_called(pbx, world, person)
            pbx.order("connect 2 1")
            await person.until("2 CONFIRMED")
            await pbx.until("1 DISCONN")
            assert not world.ending.done()
            assert len(world.peers) == 2
            world.talk.end()
            assert (await world.ending).kind == "agent_hung_up"
            await person.until("2 DISCONN")

    asyncio.run(scenario())
