"""``sipgw init llamacpp`` and a reply with a tool, with a real llama.cpp server and the smallest instruct model.

SmolLM2-135M calls no tool by itself; the chat template here shows it three calls, which it imitates.
"""

import asyncio
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.llm import Text, ToolCall
from agent.providers.openai_chat import OpenAILlm
from agent.providers.openai_client import OpenAIOptions
from sipgw.cli.main import app
from sipgw.config.config import parse
from sipgw.tools.init.model_servers.trial import PROMPT, QUESTION, TOOL
from tests.fakes.model_servers import RECORDED
from tests.waiting import HANG

pytestmark = pytest.mark.programs("llamacpp")
TEMPLATE = Path(__file__).parents[1] / "data" / "model_servers" / "shots.jinja"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.interop.llamacpp_server", str(TEMPLATE)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdin and server.stdout
        address = server.stdout.readline().strip()
        asked = {"messages": [PROMPT, QUESTION], "tools": [TOOL], "max_tokens": 1}
        read(f"{address}/v1/chat/completions", asked)  # the prompt is read once, however long a busy machine takes
        yield address
        server.stdin.close()
        try:
            server.wait(HANG)
        except subprocess.TimeoutExpired:
            server.kill()


def read(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(
        urllib.request.Request(url, data, {"content-type": "application/json"}), timeout=HANG
    ) as answer:
        return json.loads(answer.read())


def test_the_command_tries_it_and_writes_its_lines(url: str, tmp_path: Path) -> None:
    output = tmp_path / "sipgw.toml"
    ran = CliRunner().invoke(app, ["init", "llamacpp", "--url", url, "-o", str(output)], env={"COLUMNS": "200"})
    assert ran.exit_code == 0, ran.output
    assert "it calls tools: find_book(title='Moby Dick')" in ran.output
    assert parse(output.read_text(), "x", {}).table("openai").url == f"{url}/v1"


def test_what_a_tool_has_told_is_answered_at_once_though_the_server_has_hung_up(url: str) -> None:
    async def scenario() -> tuple[list[Any], str]:
        llm = OpenAILlm(OpenAIOptions(url=f"{url}/v1", model="smollm2"))
        messages: list[Any] = [PROMPT, QUESTION]
        calls = [piece async for piece in llm.reply(messages, [TOOL]) if isinstance(piece, ToolCall)]
        function = {"name": calls[0].name, "arguments": calls[0].arguments}
        call = {"id": calls[0].id, "type": "function", "function": function}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": calls[0].id, "content": '{"stock": "two copies"}'},
        ]
        words = [piece.delta async for piece in llm.reply(messages, [TOOL]) if isinstance(piece, Text)]
        await llm.close()
        return calls, "".join(words)

    calls, words = asyncio.run(scenario())
    assert [(one.name, json.loads(one.arguments)) for one in calls] == [("find_book", {"title": "Moby Dick"})]
    assert "two copies" in words


@pytest.mark.parametrize(("path", "name"), [("/health", "health"), ("/v1/models", "models"), ("/props", "props")])
def test_the_answers_have_the_form_of_those_that_the_fake_gives(path: str, name: str, url: str) -> None:
    assert form(RECORDED[name]["body"], read(url + path)) == []


USED = {"status", "data", "id", "meta", "n_params", "default_generation_settings", "n_ctx"}
"""Names that `sipgw init` reads."""


def form(recorded: Any, real: Any, at: str = "") -> list[str]:
    """Names that are used and are missing or of another type in the `real` answer."""
    if isinstance(recorded, dict) and isinstance(real, dict):
        return [wrong for key in recorded.keys() & USED for wrong in form(recorded[key], real.get(key), f"{at}.{key}")]
    if isinstance(recorded, list) and isinstance(real, list) and recorded:
        return form(recorded[0], real[0] if real else None, f"{at}[0]")
    return [] if type(recorded) is type(real) else [at]
