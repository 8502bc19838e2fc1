"""A fault of the configuration is told with its file, its line and its key, by `check` and by `config show` alike."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from sipgw.cli.main import app
from sipgw.config.agent_files import parse_agent
from sipgw.config.config import GatewayConfig, parse
from sipgw.config.errors import ConfigError
from sipgw.config.show import effective

TRUNK = '[[trunks]]\nname = "{}"\nmode = "peer"\nnetworks = ["10.0.0.1"]\n'


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as told:
        parse(text, "sipgw.toml", {"SECRET": "long enough"})
    return str(told.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[sip]\nhost = "0.0.0.0"\nport = 99999', "sipgw.toml:3: sip: port must be from 0 to 65535"),
        ("[media]\nfast = 'auto'\nport_range = [3, 2]", "sipgw.toml:3: media: port_range must be two ports between"),
        ('[[languages]]\nvoice_id = "x"\ncode = "xx"', "sipgw.toml:3: languages.0: code: 'xx' is not one of"),
        ('[web]\nport = 8080\nnames = []\nproxies = ["x"]', "sipgw.toml:4: web: proxies: 'x' is no IP address"),
        ("[openai]\nmodel = 'x'\nmax_tokens = 0", "sipgw.toml:3: openai: max_tokens must be at least 1"),
        (TRUNK.format("a") * 2, "sipgw.toml:6: trunks.1.name: two trunks are called 'a'"),
        (
            '[browser]\nmax_calls = 0\n[embed]\norigins = ["https://a.example"]',
            "sipgw.toml:4: embed.origins: [embed] needs calls from browsers",
        ),
        (
            TRUNK.format("a") + TRUNK.format("b") + 'proof = "digest"',
            "sipgw.toml:9: trunks.1.proof: trunk 'b' asks for a password, but no [[accounts]] has its name",
        ),
        (TRUNK.format("a") + 'verdicts = ["passed"]', "sipgw.toml:5: trunks.0.verdicts: trunk 'a': verdicts: nobody"),
        ('[[routes]]\nagent = "x"\nverdicts = ["passed"]', "sipgw.toml:3: routes.0.verdicts: [[routes]] agent = 'x'"),
        (
            '[[accounts]]\nuser = "ann"\npassword = "${SECRET}"\ntrunk = "x"',
            "sipgw.toml:4: accounts.0.trunk: the account 'ann' names a trunk 'x' that is not there",
        ),
        ('[[people]]\nname = "ann"\nto = "sip:112@10.0.0.9"', "sipgw.toml:3: people.0.to: [[people]] 'ann': '112'"),
        (
            '[recording]\nconsent = "key"\n[gate]\nper_day = 1\nstop_key = "1"',
            "sipgw.toml:5: gate.stop_key: [gate] stop_key cannot be 1",
        ),
        ('[alarms]\nmail_to = ["a@b.example"]', "sipgw.toml:2: alarms.mail_to: [alarms] mail_to needs a server"),
        (
            '[[tenants]]\nname = "a"\nagents = ["x"]\n[[tenants]]\nname = "b"\nagents = ["x"]',
            "sipgw.toml:6: tenants.1.agents: two agents of tenants are called 'x'",
        ),
    ],
)  # fmt: skip
def test_a_rule_between_options_names_the_line_of_a_key(text: str, told: str, tmp_path: Path) -> None:
    assert refused(text).startswith(told)
    file = tmp_path / "sipgw.toml"
    file.write_text(text)
    marked = [row for row in effective(file, "", {"SECRET": "long enough"}) if row.problem]
    assert [row.origin for row in marked] == [f"{file}:{told.split(':')[1]}"]


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
