"""A fault of ours in a delivery, or in a look at what is due, costs that delivery some time and nothing else."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text
from structlog.testing import capture_logs

from sipgw.bounds import FULL
from sipgw.config.records import StoreOptions, WebhookOptions
from sipgw.records.store.store import Store
from sipgw.records.webhooks import deliveries
from sipgw.records.webhooks.deliveries import Deliveries
from tests.cdr_events import START, a_call
from tests.records.webhooks.test_webhooks import TARGET, TURNS, WHOLE, World, impatient, telling
from tests.waiting import until

__all__ = ["impatient"]


class Faulty(World):
    """Fails in a way that nobody has foreseen, the first time it is given something of the call `bad`."""

    async def send(self, target: WebhookOptions, body: bytes, headers: dict[str, str]) -> None:
        if b'"bad"' in body and not self.down:
            self.down = True
            raise KeyError("a fault of ours")
        self.down, down = False, self.down
        await super().send(target, body, headers)
        self.down = down


def test_a_fault_in_one_delivery_is_tried_again_and_keeps_no_other_waiting(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with telling(tmp_path, world) as watchers:
            for call in ("bad", "good"):
                for event in a_call(call, TURNS):
                    watchers.tell(event)
            await until(lambda: world.of("bad") == world.of("good") == WHOLE)

    asyncio.run(scenario(Faulty()))


def test_a_fault_in_the_queue_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = iter([True])
    right = Deliveries._claim

    async def broken_once(self: Deliveries, target: WebhookOptions):
        if next(faults, False):
            raise KeyError("a fault of ours")
        return await right(self, target)

    async def scenario(world: World) -> None:
        async with telling(tmp_path, world) as watchers:
            for event in a_call("c", TURNS):
                watchers.tell(event)
            await until(lambda: world.of("c") == WHOLE)

    monkeypatch.setattr(Deliveries, "_claim", broken_once)
    asyncio.run(scenario(World()))


@pytest.mark.faults("C11")
def test_a_target_for_which_too_much_waits_is_counted_and_told_of_once_in_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "MOST_WAITING", 10)
    world, counts = World(), list[str]()

    def counted(_: object, __: object, statement: str, *___: object) -> None:
        if "count(" in statement:
            counts.append(statement)

    async def tell(store: Store, queue: Deliveries, calls: Sequence[int]) -> None:
        for number in calls:
            entry = {"told": "completed", "call": f"c{number}", "set": {"ended": START.isoformat()}}
            async with store.write() as session:
                await queue.add(session, [entry])

    async def waiting(store: Store) -> int:
        async with store.read() as session:
            return int(await session.scalar(text("SELECT count(*) FROM deliveries")) or 0)

    async def scenario() -> None:
        full = FULL["webhooks"]
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            queue = Deliveries(store, [TARGET], now=world.now)
            await tell(store, queue, range(10))
            event.listen(store._engine.sync_engine, "before_cursor_execute", counted)
            await tell(store, queue, range(50))
            assert len(counts) == 1
            world.clock -= timedelta(days=1)  # the clock was put right
            async with store.write() as session:
                await session.execute(text("DELETE FROM deliveries WHERE id <= 2"))
            await tell(store, queue, range(3))
            assert await waiting(store) == 10
            world.clock += timedelta(seconds=2 * deliveries.COUNT_AGAIN)
            await tell(store, queue, range(3))
        assert FULL["webhooks"] - full == 54

    with capture_logs() as told:
        asyncio.run(scenario())
    assert [one["event"] for one in told if one["log_level"] == "warning"] == [
        "an event for a webhook is dropped: too many wait for its target"
    ] * 2


@pytest.mark.faults("C11")
def test_what_waits_for_a_target_is_counted_in_an_index(tmp_path: Path) -> None:
    plans = list[str]()

    def explained(connection: Connection, _: object, statement: str, values: object, *__: object) -> None:
        if "count(" in statement and not statement.startswith("EXPLAIN"):
            plans.extend(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values))  # type: ignore[arg-type]

    async def scenario() -> None:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            event.listen(store._engine.sync_engine, "before_cursor_execute", explained)
            async with store.write() as session:
                await Deliveries(store, [TARGET])._takes(session, TARGET.name, 1)

    asyncio.run(scenario())
    assert any("COVERING INDEX deliveries_waiting" in plan for plan in plans), plans
