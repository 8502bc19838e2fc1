"""Records go on in a new file after the database was emptied, and no write asks for that beforehand."""

import asyncio
import os
from pathlib import Path
from typing import Any

from sqlalchemy import event

from sipgw.config.records import StoreOptions
from sipgw.events import Event, Watchers
from sipgw.records.cdr import writer
from sipgw.records.cdr.writer import CdrWriter
from sipgw.records.store.store import Store
from tests.cdr_events import a_call
from tests.waiting import HANG


def test_records_go_on_after_the_file_was_emptied(tmp_path: Path, monkeypatch: Any) -> None:
    """It has the same inode: the write that fails tells it."""
    monkeypatch.setattr(writer, "RETRY", (0.02,))

    async def scenario() -> list[str]:
        watchers = Watchers[Event]()
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store, CdrWriter(store, watchers) as kept:
            async with asyncio.timeout(HANG):
                for one in a_call("before"):
                    watchers.tell(one)
                await kept.written()
                await store._engine.dispose()
                for path in tmp_path.glob("x.db*"):
                    if path.is_file():
                        os.truncate(path, 0)
                for one in a_call("after"):
                    watchers.tell(one)
                await kept.written()
            return [call["id"] for call in await store.calls()]

    assert asyncio.run(scenario()) == ["after"]


def test_a_write_asks_nothing_of_a_database_that_took_the_last_one(tmp_path: Path) -> None:
    asked: list[str] = []

    async def scenario() -> None:
        watchers = Watchers[Event]()
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store, CdrWriter(store, watchers) as kept:
            event.listen(store._engine.sync_engine, "before_cursor_execute", lambda *all_: asked.append(all_[2]))
            for one in a_call():
                watchers.tell(one)
            async with asyncio.timeout(HANG):
                await kept.written()

    asyncio.run(scenario())
    assert any("INSERT" in statement for statement in asked)
    assert not [statement for statement in asked if "alembic_version" in statement]
