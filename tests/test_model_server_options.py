"""``sipgw init ollama`` tries a model with the options that the file has already, as calls will use it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from sipgw.cli.main import app
from sipgw.config.config import parse
from tests.fakes.model_servers import SPEAKS, FakeOllama
from tests.test_model_servers import init, paths


def test_a_model_is_tried_with_what_the_file_says_already(tmp_path: Path) -> None:
    output = tmp_path / "sipgw.toml"
    output.write_text('[openai]\nreasoning_effort = "high"\nextra = { seed = 7 }\napi_key = "${NOBODY_SET_THIS}"\n')
    fake = FakeOllama()
    ran = init("ollama", fake, output, "--yes")
    assert ran.exit_code == 0, ran.output
    assert {(one["reasoning_effort"], one["seed"]) for one in fake.chat.requests} == {("high", 7)}
    assert parse(output.read_text(), "x", {"NOBODY_SET_THIS": "x"}).table("openai").reasoning_effort == "high"


def test_a_model_that_fails_with_what_the_file_says_is_told_with_it(tmp_path: Path) -> None:
    output = tmp_path / "sipgw.toml"
    output.write_text('[openai]\napi = "responses"\n')
    fake = FakeOllama(replies=(SPEAKS,))
    ran = init("ollama", fake, output, "--yes")
    assert ran.exit_code == 1
    assert "/v1/responses" in paths(fake)
    assert "is not fit for calls with api of [openai]" in ran.output
    assert output.read_text() == '[openai]\napi = "responses"\n', "nothing was written"


def test_an_option_that_cannot_be_used_is_told_before_anything_is_loaded(tmp_path: Path) -> None:
    output = tmp_path / "sipgw.toml"
    output.write_text('[openai]\napi = "answers"\n')
    fake = FakeOllama()
    ran = init("ollama", fake, output, "--yes")
    assert ran.exit_code == 1
    assert "[openai] api: " in ran.output
    assert "/api/generate" not in paths(fake)


@pytest.mark.parametrize("url", ["127.0.0.1:99999", "http://[::1", "127.0.0.1:x", "http://\U0001f600", "localhost:0"])
def test_an_address_that_is_none_is_told_in_a_line(url: str, tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["init", "llamacpp", "--url", url, "-o", str(tmp_path / "new.toml")])
    assert (ran.exit_code, ran.output.count("\n")) == (1, 1)
    assert "is no address: write it as http://localhost:8080" in ran.output


def test_an_env_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("KEY: x\n")
    ran = CliRunner().invoke(app, ["init", "ollama"])
    assert (ran.exit_code, ran.output.partition(" ")[0]) == (1, ".env:1:"), ran.output
