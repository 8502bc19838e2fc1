"""A whole call in which the language changes and another agent takes over, on real SIP, RTP and provider protocols."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sipgw.config.agent import LanguageOptions
from sipgw.config.agent_files import parse_agent
from sipgw.config.config import GatewayConfig
from sipgw.records.artifacts.wav import write_mono
from tests.calls.test_cloud_call import every_code, records
from tests.cloud import cloud
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.openai import Reply
from tests.phone import calling
from tests.waiting import HANG

BILLING = """\
+++
about = "invoices"
opening = "Le atiende facturación."
ambience = ""
[elevenlabs]
voice_id = "carlos"
[openai]
model = "gpt-4.1"
[[languages]]
code = "es"
+++
You are billing.
"""


def bilingual(config: GatewayConfig) -> GatewayConfig:
    languages = (LanguageOptions("en"), LanguageOptions("es", voice_id="lucia"))
    return replace(config, languages=languages, agent=replace(config.agent, greeting="Hi.", hand_over=("billing",)))


@pytest.mark.slow
@pytest.mark.faults("C1")
def test_a_spanish_caller_is_handed_over_to_billing(tmp_path: Path) -> None:
    said = [
        Said("Hola, quiero saber dónde está mi pedido.", 1000, 2000, "es"),
        Said("Y quiero mi factura, por favor.", 4500, 5500, "es"),
    ]
    handing = Reply(calls=[("c1", "hand_over", '{"to": "billing", "reason": "wants an invoice"}')])
    write_mono(tmp_path / "office.wav", b"\x90\x10" * 8000)

    def humming(config: GatewayConfig) -> GatewayConfig:
        changed = bilingual(config)
        return replace(changed, agent=replace(changed.agent, ambience=str(tmp_path / "office.wav")))

    replies = [Reply(text=["Está en camino."]), handing, Reply(text=["¿Cuál es el número?"])]
    agents: Any = lambda config: {"billing": parse_agent(BILLING, Path("agents/billing.md"), config, {})}  # noqa: E731

    async def scenario():
        async with cloud(tmp_path, said, replies, change=humming, agents=agents) as world:
            async with calling(world.target, every_code) as phone:
                async with asyncio.timeout(HANG):
                    while sound_of("¿Cuál es el número?").strip(b"\xff") not in phone.heard():
                        await asyncio.sleep(0.1)
                (live,) = world.gateway.calls.values()
                agent = live.info.agent
                assert sound_of("Hi.").strip(b"\xff") not in phone.heard(), "there is an ambience under the first one"
            (record,) = await records(world.gateway)
            return world, agent, await world.gateway.store.call(record["id"])

    world, agent, record = asyncio.run(scenario())
    assert agent == "billing"
    tts_sessions = {session.path.split("/")[3]: session.query.get("language_code") for session in world.tts.sessions}
    assert tts_sessions == {"JBFqnCBsd6RMkjVDRZzb": "en", "lucia": "es", "carlos": "es"}
    assert world.tts.texts == ["Hi.", "Está en camino.", "Le atiende facturación.", "¿Cuál es el número?"]
    assert world.stt.sessions[0].query["language_detection"] == "true"
    first, second, third = (request["messages"][0]["content"] for request in world.llm.requests)
    assert "answer in Spanish" in first
    assert "answer in Spanish" in second
    assert third.startswith("You are billing.")
    names = [{tool["function"]["name"] for tool in request["tools"]} for request in world.llm.requests]
    assert {"hand_over", "switch_language"} < names[0]
    assert not {"hand_over", "switch_language"} & names[2]
    used = record["costs"]["used"]
    assert {"llm openai/gpt-6-luna tokens_in", "llm openai/gpt-4.1 tokens_in"} < used.keys(), "each at its price"
    assert "llm openai/gpt-4.1 tokens_in" in record["costs"]["unpriced"]
    kinds = {event["kind"]: event["about"] for event in record["events"]}
    assert kinds["language_changed"]["language"] == "es"
    assert kinds["handed_over"] == {"agent": "billing", "before": "agent", "reason": "wants an invoice"}
