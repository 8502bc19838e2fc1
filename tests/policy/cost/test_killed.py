"""What a call has cost counts for the caps of the day, also if the process was killed while it went on."""

import asyncio
import shutil
from pathlib import Path

import pytest

from sipgw.config.records import StoreOptions
from sipgw.events import CallCharged, Watchers
from sipgw.policy.cost.cost import spent_since_midnight
from sipgw.records.cdr.writer import CdrWriter
from sipgw.records.store.store import Store
from tests.cdr_events import START, a_call, at
from tests.waiting import within

CHARGED = {"total": 1.5, "most": 2.0, "used": {"llm openai/gpt tokens_out": 5_000_000.0}}


@pytest.mark.faults("C1")
def test_a_killed_process_leaves_what_its_calls_have_cost(tmp_path: Path) -> None:
    """A kill leaves the files as they are, so a copy of them is what the next process takes up."""
    run, killed = tmp_path / "run", tmp_path / "killed"
    run.mkdir()

    async def scenario() -> None:
        watchers = Watchers()  # type: ignore[var-annotated]
        async with Store(StoreOptions(str(run / "x.db"))) as store, CdrWriter(store, watchers) as writer:
            for event in (*a_call("cut")[:-1], CallCharged("cut", at(41), CHARGED)):
                watchers.tell(event)
            await within(writer.written())
            shutil.copytree(run, killed)
        async with Store(StoreOptions(str(killed / "x.db"))) as store, CdrWriter(store, Watchers()):
            (call,) = await store.calls()
            assert (call["ending"], call["cost"], call["costs"]) == ("interrupted", 1.5, CHARGED)
            spent = await spent_since_midnight(store, START)
            assert list(spent) == [""] and spent[""].money == 2.0

    asyncio.run(scenario())
