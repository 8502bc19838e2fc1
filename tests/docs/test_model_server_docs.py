"""The page of Ollama and llama.cpp: its commands run against the fakes of both, and print and write what it shows."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sipgw.cli.main import app
from sipgw.config.config import parse
from sipgw.program import command
from sipgw.tools.init.model_servers.llamacpp import START
from sipgw.tools.init.model_servers.ollama import EXAMPLE
from sipgw.tools.init.model_servers.setup import SERVERS
from tests.fakes.model_servers import FakeLlamaCpp, FakeOllama, ModelServerFake
from tests.test_model_servers import serving

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "providers" / "own-server.md").read_text()
COMMANDS = re.findall(r"^sipgw (init .*)$", PAGE, re.MULTILINE)


def blocks(language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


def fake_of(command: str) -> ModelServerFake:
    if "ollama" in command:
        return FakeOllama(models={EXAMPLE: ["completion", "tools"]}, default_keep_alive=1e9)
    return FakeLlamaCpp(models=("qwen2.5-3b-instruct", "other"), router="--model" in command)


def ran(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What `command` prints when its server is the fake: at the address that it names, or at the usual one."""
    monkeypatch.chdir(tmp_path)
    words = shlex.split(command)
    with serving(fake_of(command)) as url:
        monkeypatch.setattr(SERVERS[words[1]], "default_url", url)
        if "--url" in words:
            words[words.index("--url") + 1] = url
        done = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.output.replace(url, "http://localhost:11434")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_runs_and_writes_a_valid_configuration(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran(command, tmp_path, monkeypatch)
    config = parse((tmp_path / "sipgw.toml").read_text(), "x", {})
    assert config.agent.llm == "openai"
    assert config.table("openai").model in command or "--model" not in command


def test_the_page_shows_what_is_printed_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def plain(text: str) -> str:
        return re.sub(r"\d+(?:\.\d+)? (ms|s)\b", r"N \1", text).strip()

    printed = ran("init ollama", tmp_path, monkeypatch).replace(command(), "sipgw")
    assert plain(printed) == plain(blocks("")[0])
    (shown,) = blocks("toml")
    written = (tmp_path / "sipgw.toml").read_text()
    assert parse(shown, "page", {}).table("openai").model == parse(written, "x", {}).table("openai").model
    assert len(COMMANDS) == 4


def test_the_servers_are_started_as_the_errors_say() -> None:
    assert START in PAGE
    assert f"ollama pull {EXAMPLE}" in PAGE
    assert all((ROOT / path).exists() for path in re.findall(r"`(tests/[\w/]+\.py)`", PAGE))
