"""A form filled in during a whole call: real SIP and RTP, the cloud providers' protocols, a file of tools."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from sipgw.config.config import GatewayConfig
from tests.calls.test_cloud_call import LENT, records
from tests.cloud import cloud
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.openai import Reply
from tests.phone import calling

TOOLS = '''
from agent.collect import PhoneEmail
from agent.tools import tool


@tool(side_effect=True)
def sign_up(mail: PhoneEmail) -> str:
    """Send the newsletter to an address of e-mail."""
    return f"sent to {mail}"
'''
SAID = "jo dot ray at example dot com"
WRITE_DOWN = Reply(calls=[("c1", "sign_up", f'{{"mail": "{SAID}"}}')])
SAY_BACK = Reply(text=["J-O dot R-A-Y at example dot com, right?"])
DO_IT = Reply(calls=[("c2", "sign_up", f'{{"mail": "{SAID}"}}')])


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "result"), [("Yes.", "sent to jo.ray@example.com"), ("No.", None)])
def test_a_tool_runs_after_the_caller_has_confirmed_its_field(tmp_path: Path, answer: str, result: str | None) -> None:
    (tmp_path / "tools.py").write_text(TOOLS)

    def change(config: GatewayConfig) -> GatewayConfig:
        return replace(config, agent=replace(config.agent, prompt="You are a test.", tools=str(tmp_path / "tools.py")))

    async def scenario():
        said = [Said(SAID, 4000, 5500), Said(answer, 12_000, 12_600)]
        async with cloud(
            tmp_path, said, [WRITE_DOWN, SAY_BACK, DO_IT, Reply(text=["Thank you."])], change=change
        ) as world:
            async with calling(world.target, lambda frame: LENT) as phone:
                await phone.hears(sound_of("Thank you."))
            (record,) = await records(world.gateway)
            return record, world.llm.requests

    record, requests = asyncio.run(scenario())
    assert {"collect", "sign_up"} <= {one["function"]["name"] for one in requests[0]["tools"]}
    first, second = (run for turn in record["turns"] for run in turn["tools"])
    assert first["result"]["say_back"] == {"mail": "J-O dot R-A-Y at example dot com"}
    assert first["arguments"] == {"mail": "jo.ray@example.com"}
    if result:
        assert second["result"] == result
    else:
        assert "said no" in second["result"]["status"]


DELIVER = '''
from agent.collect import PhoneAddress
from agent.tools import tool


@tool(side_effect=True)
def deliver(home: PhoneAddress) -> str:
    """Deliver the lamp."""
    return f"goes to {home.street}, {home.city}"
'''
HOME = {"street": "Mill Lane 3", "code": "89073", "city": "Ulm"}
MENDED = HOME | {"street": "Hill Lane 3"}


def delivering(home: dict[str, str], *, at: str) -> Reply:
    return Reply(calls=[(at, "deliver", json.dumps({"home": home}))])


@pytest.mark.slow
def test_the_caller_corrects_one_part_and_hears_only_it_again(tmp_path: Path) -> None:
    (tmp_path / "tools.py").write_text(DELIVER)

    def change(config: GatewayConfig) -> GatewayConfig:
        return replace(config, agent=replace(config.agent, prompt="You are a test.", tools=str(tmp_path / "tools.py")))

    async def scenario():
        said = [
            Said("Mill Lane 3 in 89073 Ulm", 4000, 5500),
            Said("No, the street is Hill Lane 3.", 12_000, 13_500),
            Said("Yes.", 20_000, 20_600),
        ]
        replies = [
            delivering(HOME, at="c1"), Reply(text=["Mill Lane 3, 89073 Ulm, right?"]),
            delivering(MENDED, at="c2"), Reply(text=["Hill Lane 3, right?"]),
            delivering(MENDED, at="c3"), Reply(text=["Thank you."]),
        ]  # fmt: skip
        async with cloud(tmp_path, said, replies, change=change) as world:
            async with calling(world.target, lambda frame: LENT) as phone:
                await phone.hears(sound_of("Thank you."))
            (record,) = await records(world.gateway)
            return record

    record = asyncio.run(scenario())
    first, second, third = (run["result"] for turn in record["turns"] for run in turn["tools"])
    assert "home street" in first["say_back"] and len(first["say_back"]) > 1
    assert list(second["say_back"]) == ["home street"], "the rest was right"
    assert third == "goes to Hill Lane 3, Ulm"
