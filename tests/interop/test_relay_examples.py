"""Servers for ConversationRelay hold calls with barge-in: the vendors' public examples, and one by their pages.

Twilio's is https://github.com/twilio-samples/conversationrelay-elevenlabs-openai, in JavaScript; Telnyx' is
conversation-relay-voice-bot-python of https://github.com/team-telnyx/telnyx-code-examples. Neither hands a call off.
The one by the pages does, and runs everywhere.
"""

import asyncio
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.history import CUT_MARK
from sipgw.config.config import GatewayConfig
from sipgw.config.people import PersonOptions
from tests.callee import callee
from tests.calls.test_bridged_transfer import NUMBER, heard, murmur, murmured, trunks
from tests.calls.test_cloud_call import records
from tests.cloud import cloud
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.openai import FakeOpenAI, Reply
from tests.interop.relay_server import serving
from tests.media.networks import loud, number_of
from tests.phone import Phone, calling
from tests.ports import free_ports
from tests.programs import RELAYS, path
from tests.waiting import until

pytestmark = pytest.mark.slow

LONG = "Your order is out for delivery and it will be with you before six."
SHORT = "The other one is lost."
KEY = "sk-test-key"
Server = Callable[[int, str], AbstractAsyncContextManager[Any]]


def twilio(port: int, model: str) -> AbstractAsyncContextManager[Any]:
    """Its model is at the URL `model`."""
    more = {"PORT": str(port), "OPENAI_BASE_URL": model, "OPENAI_API_KEY": KEY, "OPENAI_MODEL": "gpt-4o-mini"}
    return serving(port, path("node") or "node", f"{RELAYS}/twilio/index.js", **more)


def telnyx(port: int, model: str) -> AbstractAsyncContextManager[Any]:
    more = {"PORT": str(port), "HOST": "127.0.0.1", "CHATBOT_BASE_URL": model, "CHATBOT_TOKEN": KEY}
    app = f"{RELAYS}/telnyx/conversation-relay-voice-bot-python/app.py"
    return serving(port, f"{RELAYS}/telnyx/venv/bin/python", app, **more)


def by_the_pages(port: int, model: str) -> AbstractAsyncContextManager[Any]:
    more = {"OPENAI_BASE_URL": model, "OPENAI_API_KEY": KEY}
    return serving(port, sys.executable, Path(__file__).with_name("relay_pages_server.py"), str(port), **more)


def thinking_at(port: int, place: str) -> Callable[[GatewayConfig], GatewayConfig]:
    return lambda config: replace(config, agent=replace(config.agent, brain=f"ws://127.0.0.1:{port}/{place}"))


def interrupting(words: str, phone: Callable[[], Phone], world: Callable[[], Any]) -> Callable[[int], bytes]:
    """A caller who murmurs, and speaks for 1.5 s from the moment that the answer is heard."""
    began: list[int] = []

    def sound(frame: int) -> bytes:
        if not began and sound_of(LONG)[:8000] in phone().heard():
            began.append(frame)
            at = len(world().stt.sessions[-1].audio) // 8
            world().stt.script.append(Said(words, at, at + 1000))
        return b"\x10\x90" * 80 if began and frame - began[0] < 75 else murmur(frame)

    return sound


@pytest.mark.parametrize(
    ("server", "place"),
    [
        pytest.param(twilio, "ws", id="twilio", marks=pytest.mark.programs("relay-twilio")),
        pytest.param(by_the_pages, "relay", id="the pages"),
        pytest.param(telnyx, "ws/conversation-relay", id="telnyx", marks=pytest.mark.programs("relay-telnyx")),
    ],
)
def test_it_holds_a_call_with_barge_in(tmp_path: Path, server: Server, place: str) -> None:
    async def scenario() -> tuple[list[dict[str, Any]], dict[str, Any]]:
        port = free_ports()
        sound = interrupting("And the other one?", lambda: phone, lambda: world)
        words = [Reply([f"{word} " for word in text.split()]) for text in (LONG, SHORT)]
        said, change = [Said("Where is it?", 2000, 3000)], thinking_at(port, place)
        async with (
            FakeOpenAI(words, key=KEY) as model,
            server(port, model.base_url),
            cloud(tmp_path, said, [], change=change) as world,
        ):
            async with calling(world.target, sound) as phone:
                await phone.hears(sound_of(SHORT))
            (record,) = await records(world.gateway)
            return model.requests, record

    requests, record = asyncio.run(scenario())
    asked = [[one["content"] for one in request["messages"] if one["role"] == "user"] for request in requests]
    assert asked == [["Where is it?"], ["Where is it?", "And the other one?"]]
    first, second = (turn for turn in record["turns"] if turn["caller"])
    assert first["interrupted"]
    assert 0 < len(first["heard"]) < len(LONG)
    assert second["heard"] == SHORT
    assert record["ending"] == "caller_hung_up"


def test_a_server_by_the_pages_hands_a_call_off_after_a_barge_in(tmp_path: Path) -> None:
    async def scenario() -> tuple[dict[str, Any], str, list[dict[str, Any]]]:
        port = free_ports()

        def change(config: GatewayConfig) -> GatewayConfig:
            people = (PersonOptions("billing", NUMBER, trunk="carrier"),)
            return replace(thinking_at(port, "relay")(config), people=people)

        sound = interrupting("No, a person please.", lambda: phone, lambda: world)
        said = [Said("Where is it?", 2000, 3000)]
        async with (
            FakeOpenAI([Reply([f"{word} " for word in LONG.split()])], key=KEY) as model,
            callee(sound=loud) as person,
        ):
            ways = trunks(person)
            async with (
                by_the_pages(port, model.base_url),
                cloud(tmp_path, said, [], change=change, trunks=ways) as world,
            ):
                async with calling(world.target, sound) as phone:
                    await until(lambda: person.phones)
                    await until(lambda: heard(phone, number_of))
                    await until(lambda: heard(person.phones[0], murmured))
                (record,) = await records(world.gateway)
        return record, person.legs[0].request.uri.user, model.requests

    record, called, requests = asyncio.run(scenario())
    assert len(requests) == 1
    assert record["ending"] == "transferred"
    assert called == NUMBER
    cut = next(turn for turn in record["turns"] if turn["interrupted"])
    (end,) = [run for turn in record["turns"] for run in turn["tools"]]
    told = end["arguments"]["handoffData"]
    assert told["to"] == "billing"
    assert cut["heard"].removesuffix(CUT_MARK) == told["heard"]
    assert LONG.startswith(told["heard"])
    assert 0 < len(told["heard"]) < len(LONG)
