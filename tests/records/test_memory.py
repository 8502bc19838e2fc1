"""What was deleted from the records is soon in no memory of a running gateway either."""

import asyncio
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path

from sipgw.config.records import StoreOptions
from sipgw.events import CallKey
from sipgw.records.artifacts.memory import BATCH, MemoryCleaner
from sipgw.records.artifacts.retention import forget
from sipgw.records.store.store import Store
from sipgw.records.store.tables import CallRecord
from tests.waiting import until
from tests.web.gateway_view import Visit
from tests.web.test_one_call import NOW, hold, looking

NUMBER = "+14155550123"


def record(call: str, caller: str = NUMBER) -> CallRecord:
    return CallRecord(
        id=call, trunk="office", agent="agent", caller=caller, called="2", began=NOW, ended=NOW, direction="in",
        ending="caller_hung_up", cause="", media={},
    )  # fmt: skip


def test_a_gateway_shows_nothing_of_a_call_that_was_forgotten_while_it_runs(tmp_path: Path) -> None:
    async def look(visitor: Visit) -> None:
        store, evidence = visitor.gateway.store, visitor.gateway.evidence
        cleaner = MemoryCleaner(store, evidence)
        hold(visitor, "a@1", words=NUMBER)
        hold(visitor, "b@1", words="+14155550199")
        await until(lambda: not any(map(evidence.timelines.going, ("a@1", "b@1"))))
        await cleaner.look()
        assert NUMBER in (await visitor.browser.get("/calls/a@1")).text, "its row may be on its way"
        async with store.write() as session:
            session.add_all((record("a@1"), record("b@1", "+14155550199")))
        await cleaner.look()
        assert (await forget(store, NUMBER, NOW)).calls == 1
        await cleaner.look()
        for part in ("", "/timeline.json", "/pcap", "/bundle"):
            assert (await visitor.browser.get(f"/calls/a@1{part}")).status_code == 404, part
        assert "+14155550199" in (await visitor.browser.get("/calls/b@1")).text

    looking(tmp_path, look)


class Remembered:
    def __init__(self, calls: Collection[CallKey]) -> None:
        self._calls = calls
        self.gone: list[CallKey] = []

    def calls(self) -> Collection[CallKey]:
        return self._calls

    def forget(self, calls: Collection[CallKey]) -> None:
        self.gone += calls


def test_a_row_is_that_of_the_call_with_its_start_alone(tmp_path: Path) -> None:
    """A later call with the Call-ID of an earlier one has a row of another name."""
    first, later = CallKey("a@1", NOW), CallKey("a@1", NOW + timedelta(hours=1))
    many = [CallKey(f"{number}@1", NOW) for number in range(2 * BATCH)]

    async def scenario() -> None:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            memory = Remembered([first, later, *many])
            cleaner = MemoryCleaner(store, memory)
            async with store.write() as session:
                session.add_all((record("a@1"), record(later.name, "+1555"), *(record(one.call) for one in many)))
                await session.flush()
                (await session.get_one(CallRecord, later.name)).began = later.began
            await cleaner.look()
            await forget(store, "+1555", NOW)
            await cleaner.look()
            assert memory.gone == [later]
            await forget(store, NUMBER, NOW)
            await cleaner.look()
            assert set(memory.gone) == {first, later, *many}

    asyncio.run(scenario())
