"""A caller presses the key that stops our calls: a second later no command and no campaign may call them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop.scenario import answered, invite, request, response
from tests.interop.served import served
from tests.interop.test_limits import ANN, PAUSE, hung_up, sipp, succeeds
from tests.waiting import HANG

pytestmark = pytest.mark.programs("sipp")

CONFIG = """
[gate]
stop_key = "*"
countries = ["US"]
[[gate.windows]]
hours = "00:00-24:00"
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
[[trunks]]
name = "carrier"
mode = "peer"
networks = ["127.0.0.1"]
domain = "127.0.0.1:9"
caller_id = "+14155550199"
"""


def sipgw(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "sipgw", *arguments, "--config", str(folder / "gateway.toml")]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=HANG, check=False)


def test_a_key_keeps_the_caller_from_ever_being_called_again(tmp_path: Path) -> None:
    key = request("INFO", 2, "Content-Type: application/dtmf-relay", body="Signal=*\nDuration=160\n")
    with served(tmp_path, CONFIG) as gateway:
        assert sipgw(tmp_path, "dnc", "check", "+14155550100").returncode == 0
        steps = (invite(ANN), answered(), PAUSE.format(1500), key, response(200))
        end = (step.replace("CSeq: 2 BYE", "CSeq: 3 BYE") for step in hung_up(4))
        succeeds(sipp(gateway.port, tmp_path, "stop", *steps, *end))
        (record,) = gateway.calls(1)
        assert record["turns"][-1]["said"] == "I have put your number on our list. We will not call you again."
        checked = sipgw(tmp_path, "dnc", "check", "+14155550100")
        assert checked.returncode == 14, checked.stderr
        assert "they asked for it in a call" in checked.stdout
        called = sipgw(tmp_path, "call", "+14155550100")
    assert called.returncode == 14, called.stdout + called.stderr
    assert "is on our own do-not-call list" in called.stdout + called.stderr
    audit = (tmp_path / "gateway.db.gate").glob("gate-*.jsonl")
    (line,) = next(audit).read_text().splitlines()
    assert '"rule": "do_not_call"' in line
