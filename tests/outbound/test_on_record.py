"""A call is on the spool before anybody notices it: a kill afterwards leaves no call that rang without a record."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sipgw.calls.request import OriginateRequest
from sipgw.records.cdr import spool_feed
from sipgw.sip.leg import Leg
from tests.callee import SILENCE, Callee, callee
from tests.cloud import cloud
from tests.outbound.test_call_out import NUMBER, calling_out, ended
from tests.phone import calling
from tests.waiting import HANG

pytestmark = [pytest.mark.slow, pytest.mark.faults("C15")]


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The thread of the spool does nothing until this is set."""
    monkeypatch.setattr(spool_feed, "PATIENCE", HANG)
    answers = threading.Event()
    yield answers
    answers.set()


def hold(disk: threading.Event) -> None:
    """Let the thread wait, for a time in which an INVITE or its answer would otherwise be sent."""
    spool_feed.SPOOL.submit(disk.wait, HANG)
    asyncio.get_running_loop().call_later(0.3, disk.set)


def test_a_call_out_is_on_the_spool_before_its_invite_is_sent(tmp_path: Path, disk: threading.Event) -> None:
    kept: list[bool] = []

    def declines(person: Callee, leg: Leg) -> None:
        del person
        kept.append(disk.is_set())
        leg.reject(603)

    async def scenario() -> None:
        async with callee(declines) as person, calling_out(tmp_path, person) as (world, _):
            hold(disk)
            assert (await ended(world, OriginateRequest(NUMBER, "agent"))).kind == "declined"
            assert kept == [True]

    asyncio.run(scenario())


def test_a_call_in_is_on_the_spool_before_it_is_answered(tmp_path: Path, disk: threading.Event) -> None:
    async def scenario() -> None:
        async with cloud(tmp_path, [], []) as world:
            hold(disk)
            async with calling(world.target, lambda frame: SILENCE):
                assert disk.is_set()

    asyncio.run(scenario())
