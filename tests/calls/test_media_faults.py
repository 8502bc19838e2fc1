"""What becomes of new calls when all ports of the sound are taken."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from media.process.engine import MediaOptions
from sipgw.calls.request import OriginateRequest
from sipgw.config.config import GatewayConfig
from sipgw.events import CallEnded, Disposition
from sipgw.sip.endpoint import CallFailed
from tests.callee import Callee, callee
from tests.cloud import Cloud, cloud
from tests.outbound.test_call_out import calling_out, ended
from tests.phone import calling
from tests.ports import free_ports
from tests.waiting import until


def quiet(_: int) -> bytes:
    return b"\xff" * 160


def room_for(calls: int) -> Callable[[GatewayConfig], GatewayConfig]:
    """So few pairs of ports, at a place where nobody else is."""
    first = free_ports(2 * calls)
    return lambda config: replace(config, media=MediaOptions("127.0.0.1", (first, first + 2 * calls - 1)))


def endings(world: Cloud) -> list[Disposition]:
    told: list[Disposition] = []
    world.gateway.watchers.add(lambda event: told.append(event.ending) if isinstance(event, CallEnded) else None)
    return told


def test_when_all_ports_are_taken_the_next_caller_is_told_503_and_a_time(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with cloud(tmp_path, [], [], change=room_for(1)) as world, calling(world.target, quiet) as first:
            told = endings(world)
            with pytest.raises(CallFailed) as caught:
                async with calling(world.target, quiet):
                    pass
            assert caught.value.ended.status == 503
            assert "Retry-After" in caught.value.ended.text
            await until(lambda: told)
            assert [(one.kind, "no free pair" in one.cause) for one in told] == [("refused", True)]
            before = len(first.received)
            await until(lambda: len(first.received) > before + 10)

    asyncio.run(scenario())


def test_when_all_ports_are_taken_nobody_is_called(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with callee(Callee.play_early) as person, calling_out(tmp_path, person, change=room_for(1)) as (world, _):
            async with calling(world.target, quiet):
                ending = await ended(world, OriginateRequest("+14155550100", "agent"))
            assert (ending.kind, "no free pair" in ending.cause) == ("failed", True)

    asyncio.run(scenario())
