"""What docs/operations.md says is so: its commands, its options, its ports, its figures."""

import re
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from media.process.heartbeat import BEAT, PATIENCE
from sipgw.cli.main import app
from sipgw.config.config import GatewayConfig, parse
from sipgw.config.drain import DrainOptions
from sipgw.config.web import PORT
from sipgw.gateway.drain import GOODBYE
from sipgw.outbound.jobs import LEASE
from sipgw.sip.endpoint_options import EndpointOptions

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "operations.md").read_text()
COMMANDS = sorted(set(re.findall(r"sipgw ((?:dnc |records )?[a-z]+)(?= |`)([^`\n]*)`", TEXT)))


def asked_for_help(command: str) -> Result:
    return CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "200", "TERM": "dumb"})  # type: ignore[return-value]


@pytest.mark.parametrize(("command", "rest"), COMMANDS)
def test_its_commands_and_their_options_exist(command: str, rest: str) -> None:
    shown = asked_for_help(command)
    assert shown.exit_code == 0, shown.output
    for option in re.findall(r"(?<!\S)--?[a-z-]+", rest):
        assert re.search(rf"(?<!\S){option}\b", shown.output), option


def test_there_are_commands() -> None:
    assert {"doctor", "support", "load", "check", "simulate"} <= {command for command, _ in COMMANDS}


def test_its_ports_are_those_of_the_code() -> None:
    options = EndpointOptions()
    for port in (options.port, options.tls.port, PORT):
        assert f"\n| {port} " in TEXT
    first, last = GatewayConfig().media.port_range
    assert f"\n| {first}–{last} UDP" in TEXT


def test_its_times_are_those_of_the_code() -> None:
    assert f"`[drain] limit` ({DrainOptions().limit / 60:.0f} min)" in TEXT
    assert f"say goodbye and hang up,\n  within {GOODBYE:.0f} s" in TEXT
    assert f"a lease of {LEASE:.0f} s" in TEXT
    assert f"hangs for {PATIENCE * BEAT:.0f} s" in TEXT
    compose = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
    assert f"are {compose['services']['sipgw']['stop_grace_period'].removesuffix('s')} s in our files" in TEXT
    kamailio = (ROOT / "docker" / "kamailio.cfg").read_text()
    assert re.findall(r'"ds_ping_interval", (\d+)', kamailio) == re.findall(r"OPTIONS every (\d+) s", TEXT)


def test_its_configuration_is_valid() -> None:
    (block,) = re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    config = parse(block, "docs", {})
    stop = re.findall(r"TimeoutStopSec=(\d+)", block)
    assert int(stop[0]) > config.drain.limit
    for table, key in re.findall(r"`\[(\w+)\] (\w+)`", TEXT):
        assert hasattr(getattr(GatewayConfig(), table), key), f"[{table}] {key}"


def test_its_metrics_exist() -> None:
    documented = (ROOT / "docs" / "metrics.md").read_text()
    for metric in set(re.findall(r"sipgw_\w+", TEXT)):
        assert metric.removesuffix("_bucket") in documented, metric
