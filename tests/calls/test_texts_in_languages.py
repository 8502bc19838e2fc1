"""What is said beside the conversation is read in the language of the agent: signs become words of that language."""

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from sipgw.calls.request import OriginateRequest
from sipgw.config.agent import LanguageOptions
from sipgw.config.config import GatewayConfig
from sipgw.config.inbound import LimitOptions
from sipgw.config.stock import REFUSED
from sipgw.config.trunks import TrunkOptions
from tests.callee import callee
from tests.calls.test_bridged_transfer import murmur
from tests.cloud import cloud
from tests.outbound.test_answering_machines import BEEP, CLOSED, playing
from tests.outbound.test_call_out import NUMBER, calling_out
from tests.phone import calling
from tests.waiting import HANG, until

pytestmark = pytest.mark.slow

WRITTEN, SPOKEN = "Der Rabatt ist 25 %.", "Der Rabatt ist 25 Prozent."


def german(config: GatewayConfig, sentence: str = "") -> GatewayConfig:
    options = replace(config.agent, answering_machines="message", voicemail=WRITTEN)
    limits = LimitOptions(blocked=("+14155550100",), answer_blocked="spoken", sentence=sentence)
    return replace(config, agent=options, limits=limits, languages=(LanguageOptions("de"),))


def test_the_message_for_an_answering_machine(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            callee(sound=playing(CLOSED + BEEP)) as machine,
            calling_out(tmp_path, machine, change=german) as (world, _),
        ):
            async with asyncio.timeout(HANG):
                ending = await world.gateway.originate(OriginateRequest(NUMBER, "agent")).ended()
            assert ending.kind == "message_left"
            assert world.tts.texts[-1].strip() == SPOKEN

    asyncio.run(scenario())


@pytest.mark.parametrize(("sentence", "spoken"), [(WRITTEN, SPOKEN), ("", REFUSED["de"])])
def test_the_sentence_for_a_caller_who_is_refused(tmp_path: Path, sentence: str, spoken: str) -> None:
    async def scenario() -> None:
        office = TrunkOptions("office", "peer", networks=("127.0.0.1/32",))
        async with cloud(tmp_path, [], [], trunks=(office,), change=partial(german, sentence=sentence)) as world:
            async with calling(world.target, murmur, caller="+14155550100"):
                await until(lambda: world.tts.texts and not world.gateway.calls)
            assert world.tts.texts[-1].strip() == spoken

    asyncio.run(scenario())
