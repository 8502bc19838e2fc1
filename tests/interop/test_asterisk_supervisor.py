"""A supervisor on a phone of Asterisk joins a call, and is heard only in the modes that let them be heard."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from sipgw.calls.conference import Mode
from sipgw.config.config import GatewayConfig
from sipgw.config.people import PersonOptions
from sipgw.config.trunks import TrunkOptions
from tests.calls.conference import AGENT, CALLER, THIRD, hears
from tests.calls.test_bridged_transfer import nothing_left, trunks
from tests.calls.test_live_control import answered
from tests.cloud import cloud
from tests.fakes.openai import Reply
from tests.gate_world import ALWAYS
from tests.interop.asterisk import Asterisk, asterisk
from tests.phone import calling
from tests.ports import free_ports
from tests.waiting import until

NUMBER = "+14155550100"
SECONDS = 120


def supervised(config: GatewayConfig, pbx: Asterisk) -> GatewayConfig:
    way = TrunkOptions(
        name="asterisk", mode="peer", networks=("127.0.0.3/32",), domain=f"127.0.0.1:{pbx.port}",
        caller_id="+14155550199", country="US",
    )  # fmt: skip
    people = (PersonOptions("anna", NUMBER, trunk="asterisk"),)
    gate = replace(config.gate, countries=("US",), windows=ALWAYS)
    return replace(config, trunks=(*trunks(None), way), people=people, gate=gate)


@pytest.mark.slow
@pytest.mark.programs("asterisk")
def test_a_supervisor_behind_asterisk_listens_whispers_speaks_and_leaves(tmp_path: Path) -> None:
    async def scenario(pbx: Asterisk) -> None:
        async with cloud(
            tmp_path, [], [Reply(text=["Yes?"])], change=lambda config: supervised(config, pbx), further=[[]]
        ) as world:
            async with calling(world.target, lambda frame: CALLER) as caller:
                call = await answered(world)
                assert await call.join("anna", Mode.LISTEN), call.conference.outcome
                for utterance, (mode, wanted) in enumerate(
                    {
                        Mode.LISTEN: "agent", Mode.WHISPER: "agent", Mode.CONFERENCE: "agent third",
                        Mode.TAKE_OVER: "third",
                    }.items()
                ):  # fmt: skip
                    call.change_mode(mode)
                    call.context.line.say(1_000_000 + utterance, AGENT * 50 * 60)
                    await hears(caller, wanted)
                call.give_back()
                await until(lambda: not world.gateway.admission.capacity.calls["asterisk"])
                call.context.line.say(2_000_000, AGENT * 50 * 60)
                await hears(caller, "agent")
            await until(lambda: nothing_left(world))

    with asterisk(free_ports(), {"menu": THIRD * 50 * SECONDS, "important": THIRD, "ann": THIRD}) as pbx:
        try:
            asyncio.run(scenario(pbx))
        finally:
            print(pbx.log[-4000:])
