"""Deploys under calls: not one is lost, whichever way it is done. `python -m tests.bench cluster` does it with 100."""

import asyncio
import socket
import time
from pathlib import Path

import pytest

from sipgw.sip.uri import Uri
from tests.interop.rolling import PARROT, deploy
from tests.interop.served import Served, served
from tests.interop.sipp_load import load
from tests.interop.test_cluster import more_sound
from tests.phone import calling
from tests.waiting import HANG, until

pytestmark = pytest.mark.programs("sipp")


@pytest.mark.programs("kamailio")
def test_both_gateways_are_drained_and_started_again_under_calls(tmp_path: Path) -> None:
    done = deploy(tmp_path, calls=60, rate=2, seconds=3)
    assert (done.counts.good, done.counts.bad) == (60, 0), done.counts.log


def test_a_new_process_takes_over_under_calls(tmp_path: Path) -> None:
    async def call(port: int) -> None:
        async with calling(Uri("sip", "agent", "127.0.0.1", port), lambda _: b"\xff" * 160) as phone:
            await more_sound(phone, 5)

    with served(tmp_path, module=PARROT) as old, load(tmp_path / "sipp", old.port, 20, 2, 4) as callers:
        while not any('"call began"' in line for line in list(old.log)):
            time.sleep(0.05)
        with old.next("--take-over", module=PARROT) as new:
            asyncio.run(call(new.port))
            assert old.process.wait(HANG) == 0, "it ends with its last call"
            counts = callers.counts()
            assert any("the next gateway has taken over" in line for line in old.log)
            records = new.calls(21)
    assert (counts.good, counts.bad) == (20, 0), counts.log
    assert [one["ending"] for one in records] == ["caller_hung_up"] * 21
    began = [sum('"call began"' in line for line in one.log) for one in (old, new)]
    assert sum(began) == 21, "no call was taken twice"
    assert all(began), "both had some"


def test_a_new_process_that_goes_before_it_has_the_sockets_costs_no_call(tmp_path: Path) -> None:
    """A signal that ended its start at this moment ended the old gateway too, with a traceback, and all its calls."""

    async def call(old: Served) -> None:
        async with calling(Uri("sip", "agent", "127.0.0.1", old.port), lambda _: b"\xff" * 160) as phone:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as new:
                new.connect(str(tmp_path / "gateway.db.handover"))
            await until(lambda: "gateway is gone" in "".join(old.log) or old.process.poll() is not None)
            assert old.process.poll() is None
            await more_sound(phone, 5)

    with served(tmp_path, module=PARROT) as old:
        asyncio.run(call(old))
        assert old.process.wait(HANG) == 0, "it ends with its last call"
        assert not any("Traceback" in line for line in old.log)
