"""A gateway that is told to stop lets its calls come to their end."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from sipgw.sip.endpoint import CallFailed
from sipgw.sip.uri import Uri
from tests.interop.frozen import family
from tests.interop.served import served
from tests.phone import calling
from tests.waiting import HANG


def quiet(_frame: int) -> bytes:
    return b"\xff" * 160


def told(gateway: int) -> None:
    """Stop it as many supervisors do: each of its processes gets the signal."""
    for one in family(gateway):
        os.kill(one, signal.SIGTERM)


def test_calls_go_on_while_new_ones_are_sent_elsewhere(tmp_path: Path) -> None:
    async def scenario(port: int, stop) -> int:
        status = 0
        target = Uri("sip", "agent", "127.0.0.1", port)
        async with calling(target, quiet) as phone:
            stop()
            async with asyncio.timeout(HANG):
                while not status:
                    try:
                        async with calling(target, quiet):
                            await asyncio.sleep(0.1)
                    except CallFailed as refused:
                        status = refused.ended.status
            before = len(phone.received)
            async with asyncio.timeout(HANG):
                while len(phone.received) < before + 100 or len(phone.heard()) < 8000:
                    await asyncio.sleep(0.1)
            return status

    with served(tmp_path) as gateway:
        status = asyncio.run(scenario(gateway.port, lambda: told(gateway.process.pid)))
        assert gateway.process.wait(HANG) == 0
        record = gateway.calls(1)[0]
    assert status == 503
    assert record["ending"] == "caller_hung_up"
    assert any("1 calls go on" in line for line in gateway.log)


@pytest.mark.parametrize(("limit", "signals"), [('"1s"', 1), ('"10m"', 2)])
def test_a_call_that_lasts_hears_goodbye_at_the_limit_and_is_hung_up_at_a_second_signal(
    tmp_path: Path, limit: str, signals: int
) -> None:
    async def scenario(port: int, process) -> None:
        async with calling(Uri("sip", "agent", "127.0.0.1", port), quiet) as phone:
            process.send_signal(signal.SIGTERM)
            if signals == 2:
                await asyncio.sleep(0.5)
                process.send_signal(signal.SIGTERM)
            assert await phone.leg.over(HANG)  # type: ignore[union-attr]

    with served(tmp_path, f"[drain]\nlimit = {limit}\n") as gateway:
        asyncio.run(scenario(gateway.port, gateway.process))
        assert gateway.process.wait(HANG) == 0
        (record,) = gateway.calls(1)
    assert record["ending"] == "gateway_stopped"
    said = record["turns"][-1]["said"] if record["turns"] else ""
    assert ("our time is up" in said) == (signals == 1), "who is in a hurry says no goodbye"
