"""An agent calls a company whose telephone is Asterisk: it presses a key in the menu, waits in the queue, and talks."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from agent.ivr.options import IvrOptions
from sipgw.calls.request import OriginateRequest
from sipgw.config.config import GatewayConfig
from sipgw.config.trunks import TrunkOptions
from sipgw.events import AnsweredBy
from tests.calls.test_cloud_call import records
from tests.cloud import cloud
from tests.fakes.openai import Reply
from tests.gate_world import ALWAYS
from tests.interop.asterisk import Asterisk, asterisk
from tests.ports import free_ports
from tests.waiting import HANG

NUMBER = "+14155550100"
WORDS = {
    "menu": "For sales, press one. For support, press two.",
    "important": "Your call is important to us. Please stay on the line.",
    "ann": "Thank you for holding, this is Ann from support, how can I help you?",
}
ANSWER = "It is Acme Store, about our order."


def walking(config: GatewayConfig, pbx: Asterisk) -> GatewayConfig:
    trunk = TrunkOptions(
        name="pbx", mode="peer", networks=("127.0.0.1/32",), domain=f"127.0.0.1:{pbx.port}", caller_id="+14155550199"
    )
    gate = replace(config.gate, countries=("US",), windows=ALWAYS)
    agent = replace(config.agent, stt="local")
    return replace(config, trunks=(trunk,), gate=gate, agent=agent, ivr=IvrOptions(press_keys=True))


@pytest.mark.slow
@pytest.mark.programs("asterisk")
def test_a_key_leads_through_the_menu_and_the_queue_to_a_person_and_the_wait_costs_no_request(tmp_path: Path) -> None:
    from agent.providers.local.hibari_tts import HibariTts

    voice = HibariTts(1)
    says = {name: b"".join(voice.speak(text)) for name, text in WORDS.items()}

    async def scenario(pbx: Asterisk) -> None:
        replies = [Reply(calls=[("c1", "press_keys", '{"keys": "2"}')]), Reply(text=[ANSWER])]
        told: list[AnsweredBy] = []
        async with cloud(tmp_path, [], replies, change=lambda config: walking(config, pbx)) as world:
            world.gateway.watchers.add(lambda event: told.append(event) if isinstance(event, AnsweredBy) else None)
            placed = world.gateway.originate(OriginateRequest(NUMBER, "agent"))

            async def heard() -> list[str]:
                found = await world.gateway.store.call(placed.id)
                return [turn["heard"] for turn in found["turns"]] if found else []

            async with asyncio.timeout(HANG):
                while ANSWER not in await heard():
                    await asyncio.sleep(0.5)
            placed.stop()
            await placed.ended()
            (record,) = await records(world.gateway)
            first, *others = [one["messages"][-1]["content"] for one in world.llm.requests]
            assert "[telephone menu]" in first
            # Two if the recogniser takes her greeting and her question for two turns; none is for the announcement.
            assert others and all("help you" in one.lower() for one in others), others
            assert "menu" in [event.who for event in told]
            assert record["answered"]

    with asterisk(free_ports(), says) as pbx:
        try:
            asyncio.run(scenario(pbx))
        finally:
            print(pbx.log[-6000:])
        assert "Executing [2@menu:1] Queue(" in pbx.log
        assert "/important.slin" in pbx.log, "the model was not asked about it"
