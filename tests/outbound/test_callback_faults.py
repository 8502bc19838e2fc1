"""What goes wrong with one callback ends neither the gateway nor the other callbacks."""

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sipgw.calls.request import OriginateRequest
from sipgw.config.config import GatewayConfig
from sipgw.config.records import StoreOptions
from sipgw.events import CallAnswered, Disposition
from sipgw.outbound.job_dialer import JobDialer, OutboundDialer, Pace
from sipgw.outbound.jobs import Jobs
from sipgw.sip import boundaries
from sipgw.sip.leg import Leg
from sipgw.trunks.route_selector import NoRoom
from tests.callee import Callee, callee
from tests.outbound.test_call_out import calling_out
from tests.outbound.test_callbacks import QUICK, job, until
from tests.outbound.test_outcomes import NOW, Call, House, Table, dialling
from tests.virtual import run


def busy_in_latin_1(_: Callee, leg: Leg) -> None:
    leg.reject(486, "Ger\udce4t besetzt", (("Retry-After", "5 (sp\udce4ter)"),))


def quick(config: GatewayConfig) -> GatewayConfig:
    return replace(config, callbacks=replace(config.callbacks, retry=QUICK))


def test_a_reason_that_is_no_utf_8_is_put_down_as_far_as_it_can_be_read(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with callee(busy_in_latin_1) as person, calling_out(tmp_path, person, change=quick) as (world, _):
            jobs = Jobs(world.gateway.store, "")
            await jobs.add(job())
            async with OutboundDialer(world.gateway):
                waits = await until(jobs, state="planned", attempts=1)
            assert waits.reason == "busy: callee: 486 (Ger?t besetzt; Retry-After: 5 (sp?ter))"

    asyncio.run(scenario())


def test_after_a_fault_callbacks_are_dialled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began: list[float] = []

    async def broken_once(self: JobDialer) -> None:
        began.append(asyncio.get_running_loop().time())
        if len(began) == 1:
            raise ValueError("a fault of ours")
        await self._changed.wait()

    async def scenario() -> None:
        store = SimpleNamespace(options=StoreOptions(str(tmp_path / "x.db")))
        originator = SimpleNamespace(first=lambda: "a trunk")
        gateway = SimpleNamespace(config=GatewayConfig(), store=store, originator=originator)
        async with OutboundDialer(gateway) as running:  # type: ignore[arg-type]
            while len(began) < 2:
                await asyncio.sleep(1)
            running.finish()
            assert running._dialling
            await running._dialling

    monkeypatch.setattr(JobDialer, "run", broken_once)
    run(scenario())
    assert began[1] - began[0] == pytest.approx(boundaries.PAUSE)


def test_an_error_at_one_job_ends_no_call_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts as a failed attempt, so `[callbacks]` limits how often it is tried."""
    right = House.originate

    def wrong_for_8(self: House, request: OriginateRequest) -> Call:
        if request.number.endswith("0008"):
            raise ValueError("a fault of ours")
        return right(self, request)

    monkeypatch.setattr(House, "originate", wrong_for_8)
    table = Table(tmp_path, "one", 7, 8, 9)

    async def act(gateway: House, task: asyncio.Task[None]) -> None:
        await asyncio.sleep(10)
        assert not task.done()
        assert [call.stopped for call in gateway.placed] == ["", ""]
        assert table.told == ["claim 7", "claim 8", "one 8 planned failed: internal error", "claim 9"]

    dialling(table, act)


@pytest.mark.parametrize("step", ["campaigns", "claim", "renew", "put_down", "outcome"])
def test_an_error_in_a_step_ends_no_call(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step is tried again, and then everybody is called."""
    struck: list[str] = []

    def wrong(*_: object, **__: object) -> Any:
        struck.append(step)
        raise ValueError("a fault of ours")

    table = Table(tmp_path, "one", 7, 8)

    async def act(gateway: House, task: asyncio.Task[None]) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Table, step, wrong)
            gateway.watchers.tell(CallAnswered("0", NOW))
            await asyncio.sleep(30)
            gateway.placed[0].over.set_result(Disposition("callee_hung_up", "BYE"))
            await asyncio.sleep(30)
        await asyncio.sleep(30)
        assert struck
        assert not task.done()
        assert [call.stopped for call in gateway.placed] == ["", ""]
        assert ("one 7 done callee hung up: BYE" in table.told) == (step != "outcome"), "it has no outcome, and ends"

    dialling(table, act)


def test_a_callback_that_finds_no_room_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = House.originate

    def full_for_7(self: House, request: OriginateRequest) -> Call:
        if request.number.endswith("7"):
            raise NoRoom("the tenant acme has 1 calls ([[tenants]] max_calls)")
        return right(self, request)

    monkeypatch.setattr(House, "originate", full_for_7)
    table = Table(tmp_path, "one", 7, 8)

    async def act(gateway: House, task: asyncio.Task[None]) -> None:
        await asyncio.sleep(2)
        assert len(gateway.placed) == 1, "the callback of another tenant is made a second later"

    dialling(table, act)


def test_nothing_is_kept_of_campaigns_that_are_over(tmp_path: Path) -> None:
    async def scenario() -> None:
        table = Table(tmp_path, "one")
        dialer = JobDialer(table, House(), Pace(), lambda: NOW)  # type: ignore[arg-type]
        dialer._look = {f"acme/{number}": 5.0 for number in range(100)} | {"": 7.0}
        await dialer._read_campaigns()
        assert dialer._look == {"": 7.0}

    run(scenario())
