"""docker/compose.full.yaml as plain processes: Debian's Kamailio with docker/kamailio.cfg before two gateways."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from sipgw.sip.endpoint import CallFailed
from tests.interop.kamailio_edge import Edge
from tests.interop.served import Served, served
from tests.phone import Phone, calling
from tests.waiting import HANG

pytestmark = pytest.mark.programs("kamailio")


def quiet(_frame: int) -> bytes:
    return b"\xff" * 160


async def answered_by(phone: Phone, gateways: list[Served]) -> Served:
    """Which of the gateways has the call: one that could not take it had only begun with it."""
    assert phone.leg
    async with asyncio.timeout(HANG):
        while True:
            for gateway in gateways:
                if any('"call answered"' in line and phone.leg.id in line for line in list(gateway.log)):
                    return gateway
            await asyncio.sleep(0.02)


async def told(gateway: Served, words: str) -> None:
    """Wait until the gateway has printed `words`: a signal is taken when the process comes to it."""
    async with asyncio.timeout(HANG):
        while not any(words in line for line in list(gateway.log)):
            await asyncio.sleep(0.02)


async def more_sound(phone: Phone, packets: int = 50) -> None:
    """Wait until so many packets more have come."""
    before = len(phone.received)
    async with asyncio.timeout(HANG):
        while len(phone.received) < before + packets:
            await asyncio.sleep(0.02)


@contextlib.contextmanager
def cluster(folder: Path, more: str = "") -> Iterator[tuple[Edge, list[Served]]]:
    """Two gateways and the edge in front of them."""
    folders = [folder / "one", folder / "two"]
    for each in folders:
        each.mkdir()
    with served(folders[0], more) as one, served(folders[1], more) as two:
        edge = Edge(folder, [one.port, two.port])
        with edge.running():
            yield edge, [one, two]


async def both_called(edge: Edge, gateways: list[Served], first: Served) -> bool:
    """Call until both gateways have answered; by chance all calls go to one once in 10^12 runs."""
    for _ in range(40):
        async with calling(edge.agent, quiet) as phone:
            if await answered_by(phone, gateways) is not first:
                return True
    return False


async def all_go_elsewhere(edge: Edge, gateways: list[Served], lost: Served) -> None:
    """Six calls, each of which one in two would go to `lost`: none is refused, all are heard."""
    for _ in range(6):
        async with calling(edge.agent, quiet) as phone:
            assert await answered_by(phone, gateways) is not lost
            await more_sound(phone, 5)


def test_calls_are_spread_and_a_gateway_that_drains_keeps_its_call_and_gets_no_other(tmp_path: Path) -> None:
    async def scenario(edge: Edge, gateways: list[Served]) -> Served:
        async with calling(edge.agent, quiet) as phone:
            draining = await answered_by(phone, gateways)
            assert await both_called(edge, gateways, draining), "calls are not spread"
            draining.process.send_signal(signal.SIGTERM)
            await told(draining, "1 calls go on")
            await all_go_elsewhere(edge, gateways, draining)
            await more_sound(phone)
        return draining

    with cluster(tmp_path) as (edge, gateways):
        drained = asyncio.run(scenario(edge, gateways))
        assert drained.process.wait(HANG) == 0
        (other,) = [one for one in gateways if one is not drained]
        records = [*drained.calls(1), *other.calls(6)]
        assert {record["ending"] for record in records} == {"caller_hung_up"}, "BYE finds its way"


def test_the_next_calls_of_a_gateway_that_was_killed_go_to_the_other(tmp_path: Path) -> None:
    async def scenario(edge: Edge, gateways: list[Served]) -> None:
        async with calling(edge.agent, quiet) as phone:
            killed = await answered_by(phone, gateways)
            killed.kill()
            killed.process.wait(HANG)
            await all_go_elsewhere(edge, gateways, killed)

    with cluster(tmp_path) as (edge, gateways):
        asyncio.run(scenario(edge, gateways))


def test_a_carrier_is_told_to_go_elsewhere_when_all_gateways_are_full(tmp_path: Path) -> None:
    async def refused(edge: Edge) -> int:
        with pytest.raises(CallFailed) as failed:
            async with calling(edge.agent, quiet):
                pass
        return failed.value.ended.status

    async def scenario(edge: Edge) -> None:
        async with contextlib.AsyncExitStack() as talking, asyncio.timeout(HANG):
            for _ in range(2):
                phone = await talking.enter_async_context(calling(edge.agent, quiet))
                await more_sound(phone, 1)
            while "all gateways seem to be gone" not in edge.log.read_text():
                assert await refused(edge) == 503, "not the 500 that proxies make of it"

    # The options are in [admission], the last table of `served.CONFIG`.
    with cluster(tmp_path, "max_calls = 1\n") as (edge, gateways):
        asyncio.run(scenario(edge))
        for gateway in gateways:
            assert [line for line in gateway.log if "call sent elsewhere" in line and "[admission] max_calls" in line]
        assert "no gateway takes" in edge.log.read_text()
