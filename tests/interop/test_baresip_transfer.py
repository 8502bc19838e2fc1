# mypy: disable-error-code="call-arg"
"""baresip as a caller who is transferred, and who transfers the agent."""

import asyncio
import contextlib
import json
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.records import Outcome
from sipgw.sip.leg import Leg
from tests.calling import OPEN, World, busy
from tests.interop.baresip import Baresip
from tests.ports import free_ports
from tests.waiting import HANG

pytestmark = [pytest.mark.usefixtures("quick_people"), pytest.mark.programs("baresip")]


class Softphone:
    """A running baresip that takes orders over its control port."""

    def __init__(self, folder: Path) -> None:
        said = folder / "said.wav"
        with wave.open(str(said), "wb") as out:
            out.setparams((1, 2, 8000, 0, "NONE", ""))
            out.writeframes(bytes(16000 * 20))
        self._folder = folder
        self._control = free_ports()
        self._files = Baresip(folder, said, "")
        with (folder / "config").open("a") as config:
            config.write(f"module_app ctrl_tcp.so\nctrl_tcp_listen 127.0.0.1:{self._control}\n")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Softphone"]:
        process = await asyncio.create_subprocess_exec(
            "baresip", "-f", str(self._folder), "-4",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield self
        finally:
            process.terminate()
            await process.wait()

    async def order(self, command: str, params: str = "") -> None:
        """Give an order (a netstring with JSON in it); waits until baresip listens."""
        text = json.dumps({"command": command, "params": params})
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self._control)
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
                continue
            writer.write(f"{len(text)}:{text},".encode())
            await writer.drain()
            self._writer = writer  # baresip takes one connection at a time, and closes none
            return


@contextlib.asynccontextmanager
async def calling(world: World, folder: Path, *, attended: bool | None = None) -> AsyncIterator[Softphone]:
    """baresip in a call with the gateway's agent."""
    async with asyncio.timeout(HANG), world.alone(attended=attended), Softphone(folder).running() as phone:
        await phone.order("dial", f"{world.uri}")
        await world.first
        await world.until_talk()
        while b"ACK " not in {data[:4] for data in world.heard}:
            await asyncio.sleep(0.01)
        yield phone


def test_baresip_is_transferred_to_a_person(tmp_path: Path) -> None:
    async def scenario() -> None:
        world = World()
        async with calling(world, tmp_path, attended=False):
            assert world.talk.connect
            assert await world.talk.connect()
            (leg,) = world.third.legs
            world.talk.outcome.set_result(Outcome("transfer", "asked"))
            assert (await world.ending).kind == "transferred"
            leg.hangup()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("take", "attended", "status"),
    [
        pytest.param(busy, False, 486, id="the person is busy"),
        # baresip 1.0 knows no Replaces: it writes the headers of the Refer-To into its Request-URI.
        pytest.param(None, True, 400, id="the phone cannot be connected with a person who was asked first"),
    ],
)
def test_baresip_stays_when_the_transfer_fails(tmp_path: Path, take, attended: bool, status: int) -> None:
    async def scenario() -> None:
        world = World(take=take)
        async with calling(world, tmp_path, attended=attended):
            assert world.talk.connect
            assert not await world.talk.connect()
            world.talk.outcome.set_result(Outcome("failed", "the model is down"))
            ending = await world.ending
            assert ending.kind == "transfer_failed"
            assert f": {status} " in ending.cause

    asyncio.run(scenario())


def test_baresip_sends_the_agent_to_a_person(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with calling(world := World(OPEN), tmp_path) as phone:
            await phone.order("transfer", str(world.third.uri))
            await world.third.came.wait()
            leg: Leg = world.third.legs[0]
            assert await world.first.result().over(HANG), "baresip hangs up when it hears of the outcome"
            assert not world.ending.done()
            assert world.peers[-1] == 5000
            leg.hangup()
            assert (await world.ending).kind == "caller_hung_up"

    asyncio.run(scenario())
