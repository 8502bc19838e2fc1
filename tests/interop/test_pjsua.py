"""PJSIP, which most desk phones and PBXs are measured by, calls our user agent."""

import subprocess
import sys

import pytest

from tests.interop.test_sipp import agent
from tests.waiting import HANG

pytestmark = pytest.mark.programs("pjsua2")


@pytest.fixture(scope="module")
def port():
    yield from agent("autoanswer", "0")


def test_pjsip_insists_on_prack_and_a_session_timer_and_holds_resumes_and_refreshes(port: str) -> None:
    phone = [sys.executable, "-m", "tests.interop.pjsua_demanding", f"sip:early@127.0.0.1:{port}", "1"]
    ran = subprocess.run(phone, capture_output=True, text=True, timeout=HANG, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr[-2000:]
    lines = [line for line in ran.stdout.splitlines() if ":" not in line]
    assert [line for line in lines if line.startswith(("EARLY", "CONFIRMED", "DISCONNECTED"))] == [
        "EARLY 180", "EARLY 183", "CONFIRMED 200", "DISCONNECTED 200",
    ]  # fmt: skip
    assert [line for line in lines if line in ("talking", "holding")] == ["talking", "holding", "talking", "talking"]
    assert [line for line in lines if line.startswith(("PRACK", "UPDATE"))] == ["PRACK 200", "PRACK 200", "UPDATE 200"]
