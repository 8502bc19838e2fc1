"""A server of Twilio's published library holds a call of ours, as it holds those of ConversationRelay."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from sipgw.config.config import GatewayConfig
from sipgw.config.people import PersonOptions
from tests.callee import callee
from tests.calls.test_bridged_transfer import NUMBER, heard, murmur, murmured, trunks
from tests.calls.test_cloud_call import records
from tests.cloud import cloud
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.interop.relay_server import serving
from tests.media.networks import loud, number_of
from tests.phone import calling
from tests.ports import free_ports
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.programs("twilio-agent-connect")]

LONG = "Your order is out for delivery and it will be with you before six."
HANDOFF = {"reason": "the caller wants a person"}
KEY = "a-key-of-the-environment"
SERVER = Path(__file__).with_name("twilio_server.py")


@contextlib.asynccontextmanager
async def server(port: int, key: str, handoff: Mapping[str, str] = HANDOFF) -> AsyncIterator[list[dict[str, object]]]:
    """What happens to a server at `port`, which checks signatures with `key`."""
    happened: list[dict[str, object]] = []

    async def follow(output: asyncio.StreamReader) -> None:
        async for line in output:
            if line.startswith(b"{"):
                happened.append(json.loads(line))

    command = (sys.executable, SERVER, str(port), key, LONG, json.dumps(handoff))
    async with serving(port, *command) as process, asyncio.TaskGroup() as group:
        assert process.stdout is not None
        following = group.create_task(follow(process.stdout))
        yield happened
        following.cancel()


def changed(port: int, key: str):
    def change(config: GatewayConfig) -> GatewayConfig:
        return replace(config, agent=replace(config.agent, brain=f"ws://127.0.0.1:{port}/ws", brain_key=key))

    return change


def test_it_holds_a_call_with_barge_in_and_hand_off(tmp_path: Path) -> None:
    async def scenario():
        port = free_ports()
        began: list[int] = []

        def sound(frame: int) -> bytes:
            """Speak for 1.5 s from the moment that the answer is heard."""
            if not began and sound_of(LONG)[:8000] in phone.heard():
                began.append(frame)
                at = len(world.stt.sessions[-1].audio) // 8
                world.stt.script.append(Said("No, a person please.", at, at + 1000))
            return b"\x10\x90" * 80 if began and frame - began[0] < 75 else b"\xff\x7f" * 80

        async with (
            server(port, KEY) as happened,
            cloud(tmp_path, [Said("Where is it?", 2000, 3000)], [], change=changed(port, KEY)) as world,
        ):
            async with calling(world.target, sound, caller="alice") as phone:
                await phone.hears(sound_of("I connect you."))
                (record,) = await records(world.gateway)
            await until(lambda: "ended" in happened[-1])
            return happened, record

    happened, record = asyncio.run(scenario())
    asked, interrupted, again, ended = happened
    assert asked == {"prompt": "Where is it?", "caller": "alice"}
    assert LONG.startswith(str(interrupted["heard"]))
    assert 0 < len(str(interrupted["heard"])) < len(LONG)
    assert interrupted["milliseconds"] > 0
    assert again["prompt"] == "No, a person please."
    assert str(ended["ended"]).startswith("CA")
    assert record["ending"] == "agent_hung_up"
    (end,) = [run for turn in record["turns"] for run in turn["tools"]]
    assert end["arguments"] == {"handoffData": HANDOFF}


def test_its_hand_off_connects_the_caller_with_the_person_it_names(tmp_path: Path) -> None:
    async def scenario():
        port = free_ports()

        def change(config: GatewayConfig) -> GatewayConfig:
            people = (PersonOptions("billing", NUMBER, trunk="carrier"),)
            return replace(changed(port, KEY)(config), people=people)

        said = [Said("A person please.", 2000, 3000)]
        async with callee(sound=loud) as person:
            ways = trunks(person)
            async with (
                server(port, KEY, {"to": "billing"}) as happened,
                cloud(tmp_path, said, [], change=change, trunks=ways) as world,
            ):
                async with calling(world.target, murmur) as caller:
                    await until(lambda: person.phones)
                    await until(lambda: heard(caller, number_of))
                    await until(lambda: heard(person.phones[0], murmured))
                (record,) = await records(world.gateway)
                await until(lambda: "ended" in happened[-1])
        return record, person.legs[0].request.uri.user

    record, called = asyncio.run(scenario())
    assert record["ending"] == "transferred"
    assert called == NUMBER


def test_its_check_of_signatures_refuses_another_key(tmp_path: Path) -> None:
    async def scenario():
        port = free_ports()
        async with (
            server(port, KEY) as happened,
            cloud(tmp_path, [], [], change=changed(port, "another key of mine")) as world,
            calling(world.target, lambda frame: b"\xff" * 160),
        ):
            (record,) = await records(world.gateway)
            return happened, record

    happened, record = asyncio.run(scenario())
    assert happened == []
    assert record["ending"] == "failed"
    assert record["cause"].startswith("llm failed: brain: ")
