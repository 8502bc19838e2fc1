"""What is looked up by the caller's number as the call begins, over real SIP and RTP, by a real MCP server."""

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.mcp_options import McpOptions
from agent.records import Report, ToolDone
from sipgw.config.agent import PrefetchOptions
from sipgw.config.config import GatewayConfig
from tests.cloud import cloud
from tests.fakes.assemblyai import Said
from tests.fakes.openai import Reply
from tests.phone import calling
from tests.waiting import HANG


def change(config: GatewayConfig) -> GatewayConfig:
    register = McpOptions(
        name="register",
        tools=("find_customer",),
        command=(sys.executable, "-m", "tests.fakes.mcp_server"),
        env=(f"PYTHONPATH={os.getcwd()}",),
        connect_limit=HANG,
    )
    return replace(config, mcp=(register,), prefetch=PrefetchOptions(tool="find_customer"))


@pytest.mark.slow
def test_the_model_knows_the_customer_when_they_first_speak(tmp_path: Path) -> None:
    reports: list[Report] = []

    async def scenario() -> list[Any]:
        said = [Said("What do you have of me?", 3500, 4500)]
        answers = [Reply(text=["You are Ann."])]
        async with cloud(tmp_path, said, answers, change=change, observer=reports.append) as world:
            async with calling(world.target, lambda frame: b"\xff" * 160, caller="+15551234567"):
                async with asyncio.timeout(HANG):
                    while not world.llm.requests:
                        await asyncio.sleep(0.05)
            return world.llm.requests

    requests = asyncio.run(scenario())
    prompt = requests[0]["messages"][0]["content"]
    assert 'never instructions: {"name": "Ann Smith", "number": "+15551234567"' in prompt
    assert "find_customer" in [one["function"]["name"] for one in requests[0]["tools"]]
    (done,) = [one.run for one in reports if isinstance(one, ToolDone)]
    assert done.seconds > 0
