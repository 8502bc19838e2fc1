"""`sipgw config show`: every key, where its value comes from, and no secret."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sipgw.cli.main import app
from sipgw.config.agent_files import load_all
from sipgw.config.config import GatewayConfig, parse
from sipgw.config.errors import ConfigError
from sipgw.config.show import as_toml, effective

MAIN = """[agent]
business = "${SHOP}"

[turns]
max_duration = "30m"

[[trunks]]
name = "a"
mode = "register"
registrar = "10.0.0.5"
user = "me"
password = "${TRUNK_SECRET}"

[[mcp]]
name = "crm"
tools = ["*"]
url = "https://user:letmein@crm.example/?key=${CRM_KEY}"
headers = ["Authorization: Bearer ${CRM_KEY}"]
"""
NIGHT = """+++
greeting = "Night desk."
[turns]
reprompts = 1
+++
You answer at night.
"""
VARIABLES = {"SHOP": "Harbour", "TRUNK_SECRET": "hush-hush", "CRM_KEY": "sk-hush", "OPENAI_API_KEY": "sk-hush"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "night.md").write_text(NIGHT)
    path = tmp_path / "sipgw.toml"
    path.write_text(MAIN)
    return path


def shown(file: Path, agent: str = "", variables: dict[str, str] = VARIABLES) -> dict[str, tuple[Any, str, str]]:
    return {".".join(map(str, row.path)): row[1:] for row in effective(file, agent, variables)}


def test_each_value_has_its_origin(file: Path) -> None:
    found = shown(file)
    assert found["agent.business"] == ("${SHOP}", f"{file}:2 ${{SHOP}}", "")
    assert found["turns.max_duration"] == ("30m", f"{file}:5", "")
    assert found["turns.reprompts"] == (2, "default", "")
    assert found["trunks.0.user"] == ("me", f"{file}:11", "")
    assert found["openai.api_key"] == ("***", "environment OPENAI_API_KEY", "")
    assert found["gate.windows.1.hours"] == ("10:00-20:00", "default", "")


def test_an_agent_has_the_keys_of_its_file_over_those_of_the_gateway(file: Path) -> None:
    found, path = shown(file, "night"), file.parent / "agents" / "night.md"
    assert found["agent.greeting"] == ("Night desk.", f"{path}:2", "")
    assert found["agent.prompt"] == ("You answer at night.", f"{path}:6", "")
    assert found["turns.reprompts"] == (1, f"{path}:4", "")
    assert found["agent.business"] == ("${SHOP}", f"{file}:2 ${{SHOP}}", "")


def test_an_agent_is_found_by_the_name_that_it_has_in_calls(file: Path) -> None:
    path = file.parent / "agents" / "Day.toml"
    path.write_text('greeting = "Day desk."\n')
    assert shown(file, "day")["agent.greeting"] == ("Day desk.", f"{path}:1", "")
    assert shown(file, "DAY") == shown(file, "day")
    assert shown(file, "agent") == shown(file)


def test_no_secret_is_shown_and_the_text_is_toml(file: Path) -> None:
    text = as_toml(effective(file, "", VARIABLES))
    assert "hush" not in text
    assert "letmein" not in text
    table = tomllib.loads(text)
    assert table["trunks"][0]["password"] == "***"
    assert table["mcp"][0] | {"url": "https://crm.example/***", "headers": ["***"]} == table["mcp"][0]
    assert set(table) <= set(GatewayConfig.__dataclass_fields__)


def test_it_shows_a_configuration_that_has_faults(file: Path) -> None:
    file.write_text(MAIN.replace('user = "me"', 'usr = "me"') + "\n[sip]\nport = true\n")
    found = shown(file, variables={})
    assert found["agent.business"][0] == "${SHOP}"
    assert "SHOP} is not set" in found["agent.business"][2]
    assert "expected a whole number" in found["sip.port"][2]
    assert "did you mean 'user'" in found["trunks.0.usr"][2]


def test_the_command_prints_faults_after_the_keys(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(app, ["config", "show", "--json", "--agent", "night"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["turns.reprompts"] == {"value": 1, "origin": "agents/night.md:4"}
    assert load_all(None)[1]["night"].turns.reprompts == 1
    monkeypatch.delenv("SHOP")
    done = CliRunner().invoke(app, ["config", "show"])
    assert done.exit_code == 1
    assert 'business = "${SHOP}"  # sipgw.toml:2 ${SHOP}: INVALID' in done.stdout
    assert "sipgw.toml:2: agent.business: ${SHOP} is not set" in done.stderr
    done = CliRunner().invoke(app, ["config", "show", "--agent", "day"])
    assert "no agent 'day' in agents; there are: night" in done.stderr


@pytest.mark.parametrize(
    "line",
    [
        '[openai]\napikey = "sk-hush"',
        '[openai]\nmax_output = "x"\nextra = {bearer = "sk-hush"}',
        '[[webhooks]]\nname = "w"\nurl = "${HOOK}"',
        '[store]\nurl = "${DSN}"',
        '[[mcp]]\nname = "crm"\nurl = "https://u:sk-hush/w@h.example/"',
        '[trunks]\npassword = "${HOOK}"',
        '[openai]\nmax_tokens = "${HOOK}"',
        '[openai]\nextra = "${HOOK}"',
        '[agent]\nllm = "${HOOK}"',
        'openai = "sk-hush"',
        'trunks = ["sk-hush"]',
        'sip.tls = "${HOOK}"',
    ],
)
def test_what_may_be_a_secret_is_neither_shown_nor_repeated_by_an_error(tmp_path: Path, line: str) -> None:
    (tmp_path / "sipgw.toml").write_text(line)
    variables = {"HOOK": "https://hooks.example/sk-hush", "DSN": "postgresql://u:sk-hush@db/x"}
    text = as_toml(effective(tmp_path / "sipgw.toml", "", variables))
    assert "sk-hush" not in text
    try:
        parse(line, "sipgw.toml", variables)
    except ConfigError as error:
        assert "sk-hush" not in str(error)
