"""A call over real SIP and RTP whose agent thinks with a server of one's own, on a real websocket."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from agent.relay.messages import signature
from sipgw.calls.relay_call import call_sid
from sipgw.config.config import GatewayConfig
from tests.calls.test_cloud_call import records
from tests.cdr_events import key
from tests.cloud import cloud
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.relay import RelayServer, answers, text, tokens
from tests.phone import calling

pytestmark = pytest.mark.slow

LONG = "Your order is out for delivery and it will be with you before six. "
KEY = "a-key-of-the-environment"
HANDOFF = '{"reasonCode": "live-agent-handoff", "reason": "wants to pay with 4111 1111 1111 1111"}'


def test_a_call_with_barge_in_and_hand_off_data(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    script = answers({"Where": tokens(LONG), "Stop": [text("Goodbye."), {"type": "end", "handoffData": HANDOFF}]})

    async def scenario():
        async with RelayServer(script) as server:
            url = f"{server.url}/relay?token=SECRET-TOKEN"
            began: list[int] = []

            def sound(frame: int) -> bytes:
                """Speak for 1.5 s from the moment that the answer is heard."""
                if not began and sound_of(LONG)[:8000] in phone.heard():
                    began.append(frame)
                    at = len(world.stt.sessions[-1].audio) // 8
                    world.stt.script.append(Said("Stop, please listen.", at, at + 1000))
                loud = began and frame - began[0] < 75
                return b"\x10\x90" * 80 if loud else b"\xff\x7f" * 80

            def change(config: GatewayConfig) -> GatewayConfig:
                parameters = {"shop": "{{business}}", "caller": "{{caller}}"}
                agent = replace(config.agent, brain=url, brain_key=KEY, brain_parameters=parameters)
                return replace(config, agent=agent)

            async with cloud(tmp_path, [Said("Where is it?", 2000, 3000)], [], change=change) as world:
                async with calling(world.target, sound, caller="alice") as phone:
                    await phone.hears(sound_of("Goodbye."))
                    (record,) = await records(world.gateway)
                await server.until(lambda: server.sessions[0].ended)
                return record, server.sessions, url, world.llm.requests, world.tts.texts

    record, (session,), url, asked, spoken = asyncio.run(scenario())
    setup, *messages = session.messages
    assert setup["callSid"] == call_sid(key(record).name)
    assert setup["from"] == "alice"
    assert setup["to"] == "agent"
    assert (setup["direction"], setup["callType"]) == ("inbound", "SIP")
    assert setup["customParameters"] == {"shop": "Acme Store", "caller": "unknown"}
    assert session.headers["X-Twilio-Signature"] == signature(url, KEY)
    assert [one["type"] for one in messages] == ["prompt", "interrupt", "prompt"]
    assert messages[0] == {"type": "prompt", "voicePrompt": "Where is it?", "lang": "en", "last": True}
    heard = messages[1]["utteranceUntilInterrupt"]
    assert LONG.startswith(heard)
    assert 0 < len(heard) < len(LONG.rstrip())
    assert messages[1]["durationUntilInterruptMs"] > 0
    assert messages[2]["voicePrompt"] == "Stop, please listen."
    assert spoken == [LONG.rstrip(), "Goodbye."], "nothing is said that the server has not sent"
    assert asked == [], "no other model is asked"
    cut = next(turn for turn in record["turns"] if turn["interrupted"])
    assert cut["heard"].removesuffix(" —") == heard
    assert record["ending"] == "agent_hung_up"
    (end,) = [run for turn in record["turns"] for run in turn["tools"]]
    assert end["name"] == "end"
    assert end["arguments"]["handoffData"]["reasonCode"] == "live-agent-handoff"
    assert end["arguments"]["handoffData"]["reason"] == "wants to pay with [card ••1111]"
    logged = "".join(capfd.readouterr())
    assert "brain_session" in logged
    assert not [secret for secret in ("SECRET-TOKEN", KEY, "4111", "/relay") if secret in logged]


def test_a_server_that_refuses_the_session_is_apologised_for(tmp_path: Path) -> None:
    async def scenario():
        async with RelayServer(answers({}), refuse_status=401) as server:

            def change(config: GatewayConfig) -> GatewayConfig:
                return replace(config, agent=replace(config.agent, brain=server.url))

            async with cloud(tmp_path, [], [], change=change) as world:
                async with calling(world.target, lambda frame: b"\xff" * 160):
                    (record,) = await records(world.gateway)
                return record

    record = asyncio.run(scenario())
    assert record["ending"] == "failed"
    assert record["cause"].startswith("llm failed: brain: ")
    assert record["turns"][-1]["heard"].startswith("I am sorry, I have a technical problem.")
