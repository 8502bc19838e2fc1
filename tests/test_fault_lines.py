"""A fault of an agent's file is told with its file, its line and its key, by `check` and by `config show` alike."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from sipgw.cli.main import app
from sipgw.config.agent_files import parse_agent
from sipgw.config.config import GatewayConfig
from sipgw.config.errors import ConfigError


def in_agents_file(text: str) -> str:
    with pytest.raises(ConfigError) as told:
        parse_agent(text, Path("agents/sales.toml"), GatewayConfig(), {})
    return str(told.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('about = "x"\n[turn]\nreprompts = 1', "2: turn: unknown key 'turn'; did you mean 'turns'?"),
        ("[privcy]\nredact = []", "1: privcy: unknown key 'privcy'; did you mean 'privacy'?"),
        ('[[language]]\ncode = "en"', "1: language: unknown key 'language'; did you mean 'languages'?"),
        ("turn = 5", "1: turn: unknown key 'turn'; did you mean 'turns'?"),
        ('greting = "x"', "1: greting: unknown key 'greting'; did you mean 'greeting'?"),
        ("[brain_parametrs]\npin = 1", "1: brain_parametrs: unknown key 'brain_parametrs'; did you mean 'brain_param"),
    ],
)
def test_a_misspelt_table_of_an_agents_file_is_told_the_nearest(text: str, told: str) -> None:
    assert in_agents_file(text).startswith(f"agents/sales.toml:{told}")


def test_of_a_table_that_is_like_none_an_agents_file_is_told_the_tables() -> None:
    told = in_agents_file("[zzz]\nx = 1")
    assert "unknown key 'zzz'; known: " in told and "turns" in told and "greeting" not in told
    told = in_agents_file("zzz = 1")
    assert "unknown key 'zzz'; known: " in told and "greeting" in told and "turns" not in told


def test_config_show_tells_a_fault_of_an_agents_file_as_check_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("agents").mkdir()
    Path("sipgw.toml").write_text("")
    Path("agents/sales.toml").write_text('about = "x"\n[sip]\nport = 5070\n[media]\nfast = true\n')
    lines = [
        "agents/sales.toml:2: sip: concerns the whole gateway; move it to sipgw.toml",
        "agents/sales.toml:4: media: concerns the whole gateway; move it to sipgw.toml",
    ]
    for command in (["config", "show", "--agent", "sales"], ["check"]):
        done = CliRunner().invoke(app, command)
        assert done.exit_code and done.stderr.removeprefix("error: ").splitlines()[-2:] == lines, command
