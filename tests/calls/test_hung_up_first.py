"""All sides of a call are hung up before their sound is measured: nobody waits for a media process that hangs."""

import asyncio
from typing import Any

import pytest

from agent.records import Outcome
from sipgw.sip.events import Ended
from tests.calling import FakeChannel, World
from tests.calls.test_call_legs import last, run, warm

pytestmark = pytest.mark.usefixtures("quick_people")


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Channels tell their counts once this is set."""
    answers = asyncio.Event()

    async def stats(channel: FakeChannel) -> dict[str, Any]:
        await answers.wait()
        return {"received": channel.port}

    monkeypatch.setattr(FakeChannel, "stats", stats)
    return answers


def test_the_caller_is_hung_up_first(answering: asyncio.Event) -> None:
    async def scenario() -> None:
        async with World().up() as world:
            world.talk.end()
            assert await last(world.leg) == Ended("callee", "BYE")
            assert not world.ending.done(), "the sound is measured"
            answering.set()
            await world.ending
            assert world.session.stats == {"received": world.engine.channels[0].port}

    run(scenario)


@pytest.mark.parametrize("by", ["the person", "the caller"])
def test_the_other_side_of_a_bridge_is_hung_up_first(by: str, answering: asyncio.Event) -> None:
    async def scenario() -> None:
        async with warm(status=501) as (world, _):
            assert world.talk.connect
            assert await world.talk.connect("anna")
            world.talk.outcome.set_result(Outcome("transfer", "asked"))
            first, other = world.third.legs[0], world.leg
            if by == "the caller":
                first, other = other, first
            first.hangup()
            assert (await last(other)).how == "BYE"
            assert not world.ending.done(), "the sound is measured"
            answering.set()
            await world.ending
            ports = [one.port for one in world.engine.channels]
            assert world.session.stats == {"received": ports[0]}
            assert [one["received"] for one in world.session.transfers.sound] == ports[1:]

    run(scenario)
