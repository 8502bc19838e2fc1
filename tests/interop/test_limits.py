"""SIPp as callers whom the limits turn away: each gets the answer that fits, from a gateway as a user runs it."""

import subprocess
import time
from pathlib import Path

import pytest

from tests.interop.scenario import answered, invite, refused, request, response, scenario, wanted
from tests.interop.scenario import reply as answer_with
from tests.interop.served import served
from tests.waiting import HANG, SIPP_LIMIT

pytestmark = pytest.mark.programs("sipp")

LIMITS = """
[limits]
blocked = ["+1900*"]
per_number = 2
at_once_per_number = 1
{more}
[[limits.people]]
number = "agent"
at_once = 1
"""
BLOCKED, ANN, BOB = (
    f"P-Asserted-Identity: <sip:+{number}@127.0.0.1>" for number in (19005551234, 14155550100, 14155550101)
)
PAUSE = '<pause milliseconds="{}"/>'


def sipp(port: int, folder: Path, name: str, *steps: str) -> "subprocess.Popen[str]":
    file = folder / f"{name}.xml"
    file.write_text(scenario(*steps))
    command = ["sipp", f"127.0.0.1:{port}", "-i", "127.0.0.1", "-sf", str(file), "-m", "1", "-nostdin",
               "-timeout", SIPP_LIMIT, "-timeout_error"]  # fmt: skip
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def succeeds(process: "subprocess.Popen[str]") -> None:
    text = process.communicate(timeout=HANG)[0]
    assert process.returncode == 0, text[-3000:]


def hung_up(seconds: float) -> tuple[str, ...]:
    return (PAUSE.format(int(1000 * seconds)), request("BYE", 2), response(200))


def refused_with(status: int, **headers: str) -> tuple[str, ...]:
    ack = refused(status).partition(f'<recv response="{status}"/>')[2]
    return ('<recv response="100" optional="true"/>', wanted(str(status), **headers), ack)


def test_each_who_is_turned_away_gets_the_answer_that_fits(tmp_path: Path) -> None:
    with served(tmp_path, LIMITS.format(more="")) as gateway:
        succeeds(sipp(gateway.port, tmp_path, "blocked", invite(BLOCKED), refused(603)))
        talking = sipp(gateway.port, tmp_path, "ann", invite(ANN), answered(), *hung_up(4))
        until = time.monotonic() + HANG
        while sum('"call began"' in line for line in gateway.log) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        succeeds(sipp(gateway.port, tmp_path, "busy", invite(BOB), refused(486)))
        succeeds(talking)
        succeeds(sipp(gateway.port, tmp_path, "again", invite(ANN), answered(), *hung_up(0.2)))
        succeeds(sipp(gateway.port, tmp_path, "often", invite(ANN), refused(603)))
        records = gateway.calls(5)
        assert [(one["caller"], one["ending"]) for one in records] == [
            ("+19005551234", "refused"), ("+14155550100", "caller_hung_up"), ("+14155550101", "refused"),
            ("+14155550100", "caller_hung_up"), ("+14155550100", "refused"),
        ]  # fmt: skip
        assert records[2]["cause"] == "1 at once speak at agent already ([[limits.people]])"
        assert "has called 2 times within 3600 s ([limits] per_number)" in records[4]["cause"]


def test_a_day_whose_minutes_are_spent_answers_503_and_when_to_try_again(tmp_path: Path) -> None:
    more = "minutes_per_day = 0.01"
    with served(tmp_path, LIMITS.format(more=more)) as gateway:
        succeeds(sipp(gateway.port, tmp_path, "ann", invite(ANN), answered(), *hung_up(1)))
        gateway.calls(1)
        steps = refused_with(503, Retry_After="60")
        succeeds(sipp(gateway.port, tmp_path, "spent", invite(BOB), *steps))
        assert "([limits] minutes_per_day)" in gateway.calls(2)[1]["cause"]


def test_one_sentence_may_be_spoken_instead(tmp_path: Path) -> None:
    more = 'answer_blocked = "spoken"\nsentence = "We are closed."'
    with served(tmp_path, LIMITS.format(more=more)) as gateway:
        steps = (invite(BLOCKED), answered(), wanted("BYE"), answer_with(200, "OK"))
        succeeds(sipp(gateway.port, tmp_path, "spoken", *steps))
        (record,) = gateway.calls(1)
        assert (record["ending"], record["turns"]) == ("refused", [])
        assert record["cause"] == "calls from +1900* are blocked ([limits] blocked)"
        assert record["media"]["sent"] > 25, record["media"]
