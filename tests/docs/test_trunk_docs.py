"""What docs/trunks.md says is so: its configuration, its recipes, its numbers, its files."""

import re
from dataclasses import fields
from pathlib import Path

from sipgw.config.config import parse
from sipgw.config.inbound import AdmissionOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.sip import challenge, registrar, registration
from sipgw.tools.init.answers import RECIPES
from sipgw.trunks.causes import ELSEWHERE, PERSON, TRUNK
from sipgw.trunks.route_selector import LONGEST_WAIT

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "trunks.md").read_text()
PLAIN = " ".join(TEXT.split())


def test_its_configuration_is_valid() -> None:
    (block,) = re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    variables = {"ANNA_PASSWORD": "annas password", "PBX_TRUNK_PASSWORD": "pbxs password"}
    config = parse(re.sub(r"(?m)^# ", "", block), "docs", variables)
    assert [account.user for account in config.accounts] == ["anna", "pbx"]
    assert config.trunks[0].proof == "digest"


def test_its_recipes_are_all_there_are() -> None:
    rows = re.findall(r"^\| (`[a-z0-9`, -]+`) \|", TEXT.partition("## Who")[0], re.MULTILINE)
    assert sorted(re.findall(r"`([\w-]+)`", " ".join(rows))) == sorted(RECIPES)
    readme = (ROOT / "README.md").read_text()
    assert all(recipe in readme for recipe in RECIPES)


def test_its_limits_are_those_of_the_code() -> None:
    defaults = {field.name: field.default for field in fields(AdmissionOptions)}
    rows = {
        "calls_per_second": "new calls of one known address",
        "stranger_per_second": "messages of one unknown address",
        "failures_per_minute": "wrong passwords of one address",
    }
    for name, row in rows.items():
        (value,) = re.findall(rf"^\| {row}[^|]*\| (\d+) \|", TEXT, re.MULTILINE)
        assert float(value) == defaults[name]
    assert f"| {defaults['max_calls']}; {TrunkOptions.max_calls} |" in TEXT
    assert f"valid for {challenge.NONCE_LIFE:.0f} s" in PLAIN
    assert f"After {defaults['failures_per_minute']:.0f} wrong passwords" in PLAIN
    assert f"{registrar.MAX_BINDINGS} phones" in PLAIN
    assert f"{registrar.SHORTEST} to {registrar.LONGEST} s" in PLAIN
    low, high = registration.REFRESH
    assert f"{100 * low:.0f} to {100 * high:.0f} %" in PLAIN
    first, most = registration.BACKOFF
    assert f"after {first:.0f} s, then after growing pauses up to {most / 60:.0f} minutes" in PLAIN
    assert f"up to {LONGEST_WAIT:.0f} s" in PLAIN
    (statuses,) = re.findall(r"tries the next trunk after the answers ([0-9, and]+)\.", PLAIN)
    assert set(map(int, re.findall(r"\d+", statuses))) == ELSEWHERE
    told = [
        {*map(int, re.findall(r"\d+", causes))} for causes in re.findall(r"[Tt]he causes ([0-9, and]+) concern", PLAIN)
    ]
    assert told == [set(PERSON), set(TRUNK)]


def test_its_options_exist() -> None:
    known = {field.name for field in fields(TrunkOptions)} | {field.name for field in fields(AdmissionOptions)}
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \|", TEXT.partition("## Calls out")[2].partition("## Reg")[0], re.MULTILINE)
    named = set(re.findall(r"`(\w+)`", " ".join(rows)))
    assert len(named) > 8
    assert named <= known


def test_its_files_exist() -> None:
    named = set(re.findall(r"`((?:sipgw|tests)/[\w/.]+)`", TEXT))
    assert len(named) > 15
    for name in named:
        assert (ROOT / name).exists(), name
