"""A call out opens no port and no provider before the gate permits it and a trunk has room; its place is given back."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from media.process.channel import Channel, PortsExhausted
from media.process.engine import MediaEngine
from sipgw.calls.dialed_connection import DialedConnection
from sipgw.calls.request import OriginateRequest
from sipgw.config.config import GatewayConfig
from sipgw.config.inbound import AdmissionOptions
from sipgw.trunks.route_selector import NoRoom
from tests.callee import Callee, callee, rejecting
from tests.cloud import Cloud
from tests.outbound.test_call_out import NUMBER, calling_out, ended
from tests.waiting import HANG, until

pytestmark = [pytest.mark.slow, pytest.mark.faults("C1")]

SECOND = "carrier1"


def full(config: GatewayConfig, *names: str) -> GatewayConfig:
    """The trunks of these names have no room."""
    return replace(
        config, trunks=tuple(replace(one, max_calls=0) if one.name in names else one for one in config.trunks)
    )


def closed(config: GatewayConfig) -> GatewayConfig:
    return replace(config, gate=replace(config.gate, countries=("DE",)))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """For each port that was opened the calls that counted on a trunk then."""
    found: list[int] = []
    counts: list[Callable[[], int]] = []
    real, began = MediaEngine.open, Cloud.__init__

    async def port(engine: MediaEngine, *given: Any, **more: Any) -> Channel:
        found.append(counts[-1]())
        return await real(engine, *given, **more)

    def begin(world: Cloud, *given: Any, **more: Any) -> None:
        began(world, *given, **more)
        counts.append(world.gateway.admission.capacity.calls.total)

    monkeypatch.setattr(MediaEngine, "open", port)
    monkeypatch.setattr(Cloud, "__init__", begin)
    return found


@pytest.mark.parametrize(
    ("change", "kind"),
    [(lambda config: full(config, "carrier0"), "failed"), (closed, "not_permitted")],
    ids=["no room", "the gate"],
)
def test_a_call_that_is_refused_opens_nothing(
    tmp_path: Path, opened: list[int], change: Callable[[GatewayConfig], GatewayConfig], kind: str
) -> None:
    async def scenario() -> None:
        async with callee() as person, calling_out(tmp_path, person, change=change) as (world, _):
            assert (await ended(world, OriginateRequest(NUMBER, "agent"))).kind == kind
            assert (opened, world.stt.sessions, world.llm.requests, world.tts.texts) == ([], [], [], [])
            assert not person.legs
            assert world.gateway.admission.capacity.calls.total() == 0

    asyncio.run(scenario())


def test_the_place_is_taken_first_and_given_back_when_the_next_trunk_takes_the_call(
    tmp_path: Path, opened: list[int]
) -> None:
    during: list[dict[str, int]] = []

    async def scenario() -> None:
        async with (
            callee(rejecting(503)) as first,
            callee() as second,
            calling_out(tmp_path, first, second) as (world, _),
        ):
            placed = world.gateway.originate(OriginateRequest(NUMBER, "agent"))
            await until(lambda: second.legs)
            during.append(dict(+world.gateway.admission.capacity.calls))
            placed.stop()
            async with asyncio.timeout(HANG):
                await placed.ended()
            assert len(first.legs) == 1
            assert world.gateway.admission.capacity.calls.total() == 0

    asyncio.run(scenario())
    assert (opened, during) == ([1], [{SECOND: 1}])


@pytest.mark.parametrize("gate", [lambda config: config, closed], ids=["permitted", "refused by the gate"])
def test_calls_out_that_begin_at_once_keep_to_the_calls_of_the_gateway(
    tmp_path: Path, gate: Callable[[GatewayConfig], GatewayConfig]
) -> None:
    def change(config: GatewayConfig) -> GatewayConfig:
        return gate(replace(config, admission=AdmissionOptions(max_calls=2)))

    async def scenario() -> None:
        async with callee(Callee.ring) as person, calling_out(tmp_path, person, change=change) as (world, _):
            capacity, wanted = world.gateway.admission.capacity, OriginateRequest(NUMBER, "agent")
            made = [world.gateway.originate(wanted) for _ in range(2)]
            with pytest.raises(NoRoom, match="the gateway has 2 calls"):
                world.gateway.originate(wanted)
            if gate is not closed:
                await until(lambda: len(person.legs) == 2)
                assert capacity.calls.total() == 2 and not capacity.starting, "each counts once"
            for one in made:
                one.stop()
                async with asyncio.timeout(HANG):
                    await one.ended()
            assert not capacity.full(0.0), "all places are free again"

    asyncio.run(scenario())


def test_a_call_that_is_stopped_again_and_again_hangs_up_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by the dialer of a stopped campaign, which looks every second."""
    closing, goes_on, close = asyncio.Event(), asyncio.Event(), DialedConnection.close

    async def slowly(connection: DialedConnection) -> None:
        closing.set()
        await goes_on.wait()
        await close(connection)

    async def scenario() -> None:
        async with callee() as person, calling_out(tmp_path, person) as (world, _):
            monkeypatch.setattr(DialedConnection, "close", slowly)
            placed = world.gateway.originate(OriginateRequest(NUMBER, "agent"))
            await until(lambda: person.phones)
            placed.stop("the first reason")
            await closing.wait()
            placed.stop("another reason")
            world.gateway.stop(placed.id, "a third reason")
            await asyncio.sleep(0)
            goes_on.set()
            async with asyncio.timeout(HANG):
                assert (await placed.ended()).cause == "the first reason"
            assert world.gateway.admission.capacity.calls.total() == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("stopped", [False, True], ids=["no port is free", "it is stopped while it rings"])
def test_the_place_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: bool) -> None:
    async def none(*_: Any, **__: Any) -> None:
        raise PortsExhausted

    async def scenario() -> None:
        async with callee(Callee.ring) as person, calling_out(tmp_path, person) as (world, _):
            if not stopped:
                monkeypatch.setattr(MediaEngine, "open", none)
            placed = world.gateway.originate(OriginateRequest(NUMBER, "agent"))
            if stopped:
                await until(lambda: person.legs)
                assert world.gateway.admission.capacity.calls.total() == 1
                placed.stop()
            async with asyncio.timeout(HANG):
                assert (await placed.ended()).kind == ("cancelled" if stopped else "failed")
            assert len(person.legs) == stopped, "without a port no INVITE is sent"
            assert world.gateway.admission.capacity.calls.total() == 0

    asyncio.run(scenario())
