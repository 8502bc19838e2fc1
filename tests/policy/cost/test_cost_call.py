"""Whole calls whose cost is counted, over real SIP and RTP with the providers' own protocols."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from agent.records import Used
from agent.stock import STOCK
from sipgw.config.config import GatewayConfig
from sipgw.config.cost import CostOptions, PriceOptions
from sipgw.config.inbound import LimitOptions
from sipgw.events import CallEnded, CallReported, Event
from tests.cloud import cloud
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.openai import Reply
from tests.phone import calling
from tests.waiting import HANG

pytestmark = pytest.mark.slow

GOODBYE = STOCK["en"]["goodbye_overtime"]
GREETING = "Hello, this is Acme Store. How can I help you?"
TRUNK = PriceOptions("trunk", "local", "seconds", 0.30, 60, rounding="60/60")
SILENCE = b"\xff" * 160


def test_the_bill_stands_in_the_record_in_the_event_and_in_the_live_call(tmp_path: Path) -> None:
    told: list[Event] = []

    def change(config: GatewayConfig) -> GatewayConfig:
        return replace(config, prices=(TRUNK,))

    async def scenario() -> None:
        said = [Said("Are you there?", 4000, 5000)]
        async with cloud(tmp_path, said, [Reply(text=["Yes, I am."])], change=change) as world:
            world.gateway.watchers.add(told.append)
            async with calling(world.target, lambda frame: SILENCE) as phone:
                await phone.hears(sound_of("Yes, I am."))
                (live,) = world.gateway.calls.values()
                assert live.context.cost is not None
                assert live.context.cost.total >= 0.30
            async with asyncio.timeout(HANG):
                while not any(isinstance(event, CallEnded) for event in told):
                    await asyncio.sleep(0.02)
                while not (records := await world.gateway.store.calls()):
                    await asyncio.sleep(0.02)
        ended = next(event for event in told if isinstance(event, CallEnded))
        assert ended.cost is not None
        assert ended.cost["trunk"] == pytest.approx(0.30)
        used = ended.cost["used"]
        assert used["tts elevenlabs/eleven_flash_v2_5 characters"] == len(GREETING) + len("Yes, I am.")
        assert used["stt assemblyai/universal-3-6-pro seconds"] > 5
        assert used["llm openai/gpt-6-luna tokens_out"] > 0
        assert ended.cost["unpriced"] == []
        assert ended.cost["total"] == pytest.approx(
            sum(ended.cost[part] for part in ("trunk", "stt", "llm", "tts")), abs=1e-5
        )
        assert records[0]["cost"] == pytest.approx(ended.cost["total"], abs=1e-5)
        assert any(isinstance(event, CallReported) and isinstance(event.report, Used) for event in told)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"cost": CostOptions(per_call=0.29)}, "the call has cost 0.30 of 0.29 ([cost] per_call)"),
        (
            {"limits": LimitOptions(money_per_day=0.25)},
            "the calls of today have taken all that they may ([limits] money_per_day)",
        ),
    ],
)
def test_a_call_that_becomes_too_dear_ends_with_a_goodbye(tmp_path: Path, changes: dict, cause: str) -> None:
    async def scenario() -> None:
        async with cloud(tmp_path, [], [], change=lambda config: replace(config, prices=(TRUNK,), **changes)) as world:
            async with calling(world.target, lambda frame: SILENCE) as phone:
                async with asyncio.timeout(HANG):
                    while not (records := await world.gateway.store.calls()):
                        await asyncio.sleep(0.05)
                heard = phone.heard()
            assert records[0]["ending"] == "over_budget"
            assert records[0]["cause"].startswith(cause[:25])
            assert cause.partition("(")[2] in records[0]["cause"]
            assert sound_of(GOODBYE).strip(b"\xff") in heard

    asyncio.run(scenario())
