"""What the commands about calls out answer when there is nothing to do, and in whose time."""

import re
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from sipgw.cli.main import app

CARRIER = """
[[trunks]]
name = "carrier"
mode = "peer"
networks = ["192.0.2.1/32"]
domain = "carrier.example"
country = "US"
[gate]
consent = "never"
"""
NEVER_OPEN = '[[gate.windows]]\nhours = "{hours}"\ndays = ["mon","tue","wed","thu","fri","sat","sun"]\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "sipgw.toml").write_text(f'store.path = "{tmp_path}/sipgw.db"\n{CARRIER}')
    return tmp_path / "sipgw.toml"


@pytest.mark.faults("H14")
def test_a_campaign_that_is_not_there_and_one_without_anybody_in_it_are_errors(config: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke
    told = run(app, ["campaign", "status", "nope", "-c", str(config)])
    assert (told.exit_code, "there is no campaign 'nope'" in told.stderr) == (1, True)
    assert run(app, ["campaign", "status", "callbacks", "-c", str(config)]).exit_code == 0
    (tmp_path / "people.csv").write_text("number\n12\nx\n")
    told = run(app, ["campaign", "run", str(tmp_path / "people.csv"), "-c", str(config)])
    assert (told.exit_code, "there is nobody to call in it" in told.stderr) == (2, True)


def test_without_a_gateway_a_campaign_waits_and_the_command_says_what_to_do(config: Path, tmp_path: Path) -> None:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["campaign", *arguments, "-c", str(config)])  # type: ignore[return-value]

    (tmp_path / "people.csv").write_text("number\n+14155550123\n")
    told = run("run", str(tmp_path / "people.csv"), "--detach")
    assert (told.exit_code, "people: 1 new rows" in told.stdout) == (0, True)
    assert "start one with `sipgw serve`" in told.stderr
    for command, state in (("pause", "paused"), ("stop", "stopped"), ("resume", "running")):
        told = run(command, "people")
        assert (told.exit_code, told.stdout) == (0, f"people is {state}\n")
        assert ("start one with `sipgw serve`" in told.stderr) is (state == "running")
        assert state in run("status").stdout
    told = run("pause", "nope")
    assert (told.exit_code, "there is no campaign 'nope'" in told.stderr) == (1, True)


@pytest.mark.faults("H12")
@pytest.mark.parametrize("number", ["+14155550123", "4155550123"])
def test_both_times_of_a_refusal_are_by_the_clock_where_the_number_is(config: Path, number: str) -> None:
    for hours in ("00:00-12:00", "12:00-24:00"):  # one of them is closed there now
        config.write_text(config.read_text().partition("[[gate.windows]]")[0] + NEVER_OPEN.format(hours=hours))
        told = CliRunner().invoke(app, ["dnc", "check", number, "-c", str(config)])
        if told.exit_code == 14:
            opens = hours.partition("-")[0]
            found = re.search(r"it may be called from \d\d \w+ (\d\d:\d\d) in America/Los_Angeles on", told.stdout)
            assert found and found[1] == opens, told.stdout
            return
    raise AssertionError("it is never closed")
