"""What the command line prints: its help, its banner, its tables, in a terminal of 80 columns."""

import io
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from rich.console import Console
from rich.table import Table
from typer.testing import CliRunner

from sipgw import console
from sipgw.agents.agents import Agents
from sipgw.cli import banner as told_at_start
from sipgw.cli.main import app
from sipgw.config.config import GatewayConfig, parse
from sipgw.tools.demo.conversation import waterfall

NARROW = {"COLUMNS": "80", "TERM": "dumb"}


@pytest.mark.faults("H11")
@pytest.mark.parametrize("command", ["", "records purge", "serve", "web key add"])
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_tells_what_is_written_and_no_type_of_a_flag(command: str, option: str) -> None:
    told = CliRunner().invoke(app, [*command.split(), option], env=NARROW).output
    assert "<bool>" not in told
    assert "-h, --help" in told
    if command == "records purge":
        assert "past its [retention]" in told


@pytest.mark.faults("H11")
def test_shells_can_complete_commands() -> None:
    assert "--install-completion" in CliRunner().invoke(app, ["-h"], env=NARROW).output


def terminal(monkeypatch: pytest.MonkeyPatch, width: int = 80) -> io.StringIO:
    screen = Console(file=io.StringIO(), force_terminal=True, width=width, highlight=False, color_system=None)
    for module in (console, told_at_start):
        monkeypatch.setattr(module, "out", screen)
    assert isinstance(screen.file, io.StringIO)
    return screen.file


@pytest.mark.faults("H11")
@pytest.mark.parametrize("columns", [3, 14])
def test_a_table_is_never_cut(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    shown = terminal(monkeypatch)
    table = Table(box=None)
    for number in range(columns):
        table.add_column(f"figure {number}")
    table.add_row(*(f"{number}5678.9" for number in range(columns)))
    console.print_table(table)
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert all(f"{number}5678.9" in shown.getvalue() for number in range(columns))
    assert "…" not in shown.getvalue()


@pytest.mark.faults("H11")
def test_the_bars_of_a_turn_fit_the_line() -> None:
    long = {"total": 9000, "hearing": 400, "thinking": 5000, "phrasing": 1500, "voicing": 2000, "sending": 100}
    told = waterfall(long, 72).splitlines()
    assert len(told) == 6
    assert max(map(len, told)) == 72
    short = {"total": 400, "hearing": 200, "thinking": 200}
    assert waterfall(short, 72) == "400 ms = hearing ▇▇▇▇ 200  thinking ▇▇▇▇ 200"


def banner(config: GatewayConfig, monkeypatch: pytest.MonkeyPatch) -> str:
    shown = terminal(monkeypatch, 200)
    gateway: Any = SimpleNamespace(
        config=config, agents=Agents(config, {}), endpoint=SimpleNamespace(port=5060),
        watch=SimpleNamespace(registrations={}),
    )  # fmt: skip
    dashboard: Any = SimpleNamespace(setup_url="", url="http://127.0.0.1:8080/")
    told_at_start.say_how_to_call(gateway, dashboard)
    return shown.getvalue()


@pytest.mark.faults("H10")
def test_the_banner_names_the_address_that_is_listened_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "sip:agent@127.0.0.1" in banner(parse('[sip]\nhost = "127.0.0.1"', "x", {}), monkeypatch)
    monkeypatch.setattr("sipgw.gateway.reached_at._own_address", lambda: "192.0.2.7")
    assert "sip:agent@192.0.2.7" in banner(GatewayConfig(), monkeypatch)


@pytest.mark.faults("H10")
def test_the_banner_names_a_command_that_can_be_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "sipgw").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert " .venv/bin/sipgw demo " in banner(GatewayConfig(), monkeypatch)
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/sipgw")
    assert " sipgw demo " in banner(GatewayConfig(), monkeypatch)


@pytest.mark.faults("H9")
def test_the_banner_does_not_invite_to_calls_from_the_browser_that_are_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "8080/phone" in banner(GatewayConfig(), monkeypatch)
    assert "8080/phone" not in banner(parse("[browser]\nmax_calls = 0", "x", {}), monkeypatch)


@pytest.mark.faults("H18")
def test_where_logs_are_json_the_banner_is_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    config = parse('[log]\nformat = "json"\n[sip]\nhost = "127.0.0.1"', "x", {})
    with structlog.testing.capture_logs() as told:
        assert banner(config, monkeypatch) == ""
    assert json.loads(json.dumps(told[-1]))["host"] == "127.0.0.1"
