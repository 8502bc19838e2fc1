"""Whole calls with GPT-Live: real SIP and RTP, its own protocol, mu-law from end to end."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.providers.openai_live import OpenAILiveOptions
from sipgw.config.agent_files import parse_agent
from sipgw.config.config import GatewayConfig
from tests.calls.test_realtime_call import GREETING, LOOK_UP, SILENCE, TONE, the_record
from tests.cloud import cloud
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.openai_live import FakeLive
from tests.fakes.realtime_server import Say
from tests.phone import Phone, calling
from tests.waiting import until

pytestmark = pytest.mark.slow

ORDER = Said("Where is my order 7346?", 4000, 4800)
NOD = Said("Mhm.", 8000, 8600)
STOP = Said("Stop, please.", 10_500, 11_300)
LONG = "Your raincoat is out for delivery and it will be there today before six, with a shirt and two pairs of socks."


def live(fake: FakeLive) -> OpenAILiveOptions:
    return OpenAILiveOptions(api_key="k", url=fake.url)


def caller(*said: Said) -> Any:
    """Loud while something is said: the line must not fall silent for it."""
    return lambda frame: TONE if any(one.start_ms <= 20 * frame < one.end_ms for one in said) else SILENCE


def spoken(phone: Phone) -> bytes:
    """What the caller heard, without silence: on a busy machine the sound, which comes at its own pace, has gaps."""
    packets = sorted((packet for _, packet in phone.received), key=lambda packet: packet.timestamp)
    return b"".join(packet.payload for packet in packets if packet.payload != SILENCE)


def test_a_call_with_a_tool_a_nod_an_interruption_and_its_end(tmp_path: Path) -> None:
    replies = [LOOK_UP, Say(LONG), Say(calls=[("c2", "hang_up", "{}")]), Say("Goodbye.")]
    fake = FakeLive([ORDER, NOD, STOP], replies, key="k")

    def change(config: GatewayConfig) -> GatewayConfig:
        return config.having(agent=replace(config.agent, realtime="openai_live"), openai_live=live(fake))

    async def scenario() -> tuple[bytes, dict[str, Any], list[Any]]:
        async with fake, cloud(tmp_path, [], [], change=change) as world:
            async with calling(world.target, caller(ORDER, NOD, STOP)) as phone:
                await until(lambda: sound_of(GREETING) in spoken(phone))
                control = next(iter(world.gateway.calls.values())).call_control
                await until(lambda: not world.gateway.calls)
            return spoken(phone), await the_record(world.gateway), control.messages

    heard, record, messages = asyncio.run(scenario())
    (session,) = fake.sessions
    assert "raincoat" in fake.results[0]["result"]
    for text in (GREETING, "Goodbye."):
        assert sound_of(text) in heard, "what the caller got is byte for byte what the model said"
    whole = sound_of(LONG)
    begins = heard.index(whole[:4000])
    played = next(at for at in range(0, len(whole), 160) if heard[begins : begins + at + 160] != whole[: at + 160])
    cut = next(turn for turn in record["turns"] if turn["interrupted"])
    assert cut["caller"] == ORDER.text
    assert cut["tools"][0]["result"]["item"] == "a blue raincoat"
    words = cut["heard"].removesuffix(" —")
    assert LONG.startswith(words)
    assert len(words) == pytest.approx(played / 480, abs=10), "a word, and the tenth of a second of a piece"
    assert [one["content"] for one in messages if one["role"] == "assistant" and one["content"]][:2] == [
        GREETING,
        cut["heard"],
    ]
    assert f"{NOD.text} {STOP.text}" in [turn["caller"] for turn in record["turns"]]
    assert record["ending"] == "agent_hung_up"
    assert session.messages[-1]["type"] == "session.close"
    assert not [one for one in session.sent if one["type"] == "error"]


def test_another_agent_takes_the_call_over(tmp_path: Path) -> None:
    """Its session is a new one, with its voice and what was said."""
    handing = Say(calls=[("c1", "hand_over", '{"to": "billing", "reason": "wants an invoice"}')])
    billing = '+++\nrealtime = "openai_live"\n[openai_live]\nvoice_id = "cedar"\n+++\nYou are billing.\n'
    fake = FakeLive([ORDER], [handing, Say("Which invoice?")], key="k")

    def change(config: GatewayConfig) -> GatewayConfig:
        agent = replace(config.agent, realtime="openai_live", hand_over=("billing",))
        return config.having(agent=agent, openai_live=live(fake))

    def others(config: GatewayConfig) -> dict[str, GatewayConfig]:
        return {"billing": parse_agent(billing, Path("agents/billing.md"), config, {})}  # type: ignore[dict-item]

    async def scenario() -> dict[str, Any]:
        async with fake, cloud(tmp_path, [], [], change=change, agents=others) as world:
            async with calling(world.target, caller(ORDER)) as phone:
                await until(lambda: sound_of("Which invoice?") in spoken(phone))
                sent = len(fake.sessions[1].audio)
                await until(lambda: len(fake.sessions[1].audio) > sent + 12_000)  # silence ends the reply
            return await the_record(world.gateway)

    record = asyncio.run(scenario())
    first, second = fake.sessions
    config = second.messages[0]["session"]
    assert first.ended
    assert config["audio"]["output"]["voice"] == "cedar"
    assert config["instructions"].startswith("You are billing.")
    assert f"Caller: {ORDER.text}" in config["instructions"]
    assert record["turns"][-1]["heard"] == "Which invoice?"
