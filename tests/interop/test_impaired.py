"""200 calls of SIPp to a gateway as a user runs it, over a network that loses or doubles what both of them send."""

import time
import urllib.request
from pathlib import Path

import pytest

from tests.interop.impaired import impaired
from tests.interop.rolling import PARROT
from tests.interop.served import Served, served
from tests.interop.sipp_load import load
from tests.ports import free_ports
from tests.waiting import HANG

pytestmark = pytest.mark.programs("sipp")

CALLS, RATE, SECONDS = 200, 10, 1.0
MORE = """
[web]
port = {web}
[[trunks]]
name = "carrier"
mode = "peer"
networks = ["127.0.0.1/32"]
max_calls = 250
calls_per_second = 50
"""


def going(web: int) -> float:
    """The calls that the gateway has, by its metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{web}/metrics", timeout=HANG) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("sipgw_live_calls{"))


def events(gateway: Served, event: str) -> int:
    return sum(f'"{event}"' in line for line in list(gateway.log))


@pytest.mark.parametrize(
    ("lost", "doubled"),
    [(0.05, 0.0), (0.0, 0.20), (0.05, 0.20)],
    ids=["5 % lost both ways", "20 % doubled both ways", "5 % lost and 20 % doubled both ways"],
)
def test_two_hundred_calls_of_two_hundred(tmp_path: Path, lost: float, doubled: float) -> None:
    """Each is answered, confirmed and ended by its caller, and none is taken twice or left behind."""
    web = free_ports()
    with (
        served(tmp_path, MORE.format(web=web), module=PARROT) as gateway,
        impaired(gateway.port, lost=lost, doubled=doubled) as path,
        load(tmp_path / "sipp", path.port, CALLS, RATE, SECONDS) as callers,
    ):
        counts = callers.counts(HANG)
        records = gateway.calls(CALLS, HANG)
        until = time.monotonic() + HANG
        while going(web) and time.monotonic() < until:
            time.sleep(0.1)
        left = going(web)
        began = events(gateway, "call began")
    print(f"\n{counts.good}/{CALLS}; there {path.there}; back {path.back}")
    assert (counts.good, counts.bad) == (CALLS, 0), counts.log
    assert counts.answered == counts.well == counts.every
    assert left == 0, "no call is left behind"
    assert began == len(records) == CALLS, "no call is taken twice"
    assert {(one["ending"], one["cause"]) for one in records} == {("caller_hung_up", "caller: BYE")}
    assert {one["id"].split()[0] for one in records} == counts.every, "each has one record"
    for way in (path.there, path.back):
        assert (way.dropped > 0, way.copied > 0) == (lost > 0, doubled > 0)
