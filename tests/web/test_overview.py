"""What the home page tells of the records, out of SQLite; tests/interop/test_overview.py asks PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from sipgw.config.records import StoreOptions
from sipgw.records.store.store import Store
from sipgw.web import overview as module
from sipgw.web.overview import Overviews
from sipgw.web.trouble import CallFaults, judged
from tests.web import sample_days


@pytest.mark.slow
@pytest.mark.parametrize("scenario", [sample_days.hold, sample_days.hold_worst, sample_days.hold_many])
def test_what_is_told_of_two_days(tmp_path: Path, scenario: Callable[[Store], Awaitable[None]]) -> None:
    async def look() -> None:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            await scenario(store)

    asyncio.run(look())


def test_many_browsers_ask_the_database_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def look() -> None:
        asked: list[str] = []
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            await sample_days.fill(store)
            event.listen(store._engine.sync_engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
            kept = Overviews(lambda: sample_days.NOW)
            async with asyncio.TaskGroup() as browsers:
                for _ in range(20):
                    browsers.create_task(kept.of(store, "day"))
            once = len(asked)
            assert (await kept.of(store, "day")).today.calls == 8 and len(asked) == once
            kept._kept["", "day"] = -1.0, kept._kept["", "day"][1]  # it is old
            monkeypatch.setattr(module, "REST", 1e9)
            await kept.of(store, "day")
            assert len(asked) == 2 * once
            assert kept._kept["", "day"][0] > asyncio.get_running_loop().time() + 1e6, "what took long is kept long"

    asyncio.run(look())


def test_the_cost_of_calls_that_go_on_is_added_by_the_page(tmp_path: Path) -> None:
    async def look() -> float:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            async with store.write() as session:
                session.add(sample_days.call("on", 1, ended=None, cost=1.5, costs={"total": 1.5}))
                session.add(sample_days.call("over", 1, cost=0.25))
            return (await Overviews(lambda: sample_days.NOW).of(store, "day")).cost

    assert asyncio.run(look()) == 0.25


@pytest.mark.parametrize(
    ("record", "faults", "level", "word"),
    [
        ({"ending": "caller_hung_up"}, None, "", "caller hung up"),
        ({"ending": "failed", "cause": "llm failed: OpenAI: 401"}, CallFaults("llm failed: 401"), "bad", "key refused"),
        ({"ending": "failed"}, CallFaults("tts failed: no sound"), "bad", "apology"),
        ({"ending": "transferred"}, CallFaults("llm failed: no answer in 8 s"), "bad", "provider failed"),
        ({"ending": "caller_hung_up", "media": {"sent": 250, "received": 0}}, None, "bad", "no sound"),
        ({"ending": "caller_hung_up", "media": {"sent": 249, "received": 0}}, None, "", "caller hung up"),
        ({"ending": "line_lost"}, None, "bad", "line lost"),
        ({"ending": "refused"}, CallFaults(slowest=9000), "bad", "refused"),
        ({"ending": "agent_hung_up"}, CallFaults(slowest=3000), "wait", "slow"),
        ({"ending": "agent_hung_up"}, CallFaults(slowest=2999), "", "agent hung up"),
        ({"ending": "silence"}, None, "wait", "silence"),
    ],
)
def test_what_was_wrong_with_a_call(record: dict[str, Any], faults: CallFaults | None, level: str, word: str) -> None:
    found = judged({"cause": "", "media": {}} | record, faults)
    assert (found.level, found.word) == (level, word)
