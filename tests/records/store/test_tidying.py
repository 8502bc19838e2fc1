"""What was said leaves the spool once it is in the database, and nothing wakes the writer of records then."""

import asyncio
from pathlib import Path

import pytest

from sipgw.records.cdr import writer
from sipgw.records.store.spool import Spool
from tests.cdr_events import a_call
from tests.records.store.test_cdr_writer import keeping
from tests.waiting import until


def test_nothing_wakes_it_while_there_is_nothing_to_keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "SYNC", 0.001)

    async def scenario() -> None:
        async with keeping(tmp_path) as world:
            world.tell(a_call())
            assert world.writer._kept.is_set()
            await until(lambda: waits(world.writer._kept) and waits(world.writer._wake))
            assert not world.writer.behind
            folder = world.store.options.spool_folder
            assert not list(folder.rglob("*.jsonl")), "no private data stays there"

    asyncio.run(scenario())


def test_no_private_data_stays_if_the_last_entry_is_written_just_after_tidying_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "SYNC", 0.001)
    tidy, early = Spool.tidy, list[Spool]()

    def tidied(spool: Spool) -> bool:
        if not spool.behind and not early and list(tmp_path.rglob("*.jsonl")):
            early.append(spool)
            return False  # it has looked a moment before
        return tidy(spool)

    monkeypatch.setattr(Spool, "tidy", tidied)

    async def scenario() -> None:
        async with keeping(tmp_path) as world:
            world.tell(a_call())
            await until(lambda: bool(early) and waits(world.writer._kept) and waits(world.writer._wake))
            assert not list(world.store.options.spool_folder.rglob("*.jsonl"))

    asyncio.run(scenario())


def waits(event: asyncio.Event) -> bool:
    """Whether somebody waits for it, so that nothing else wakes them."""
    return bool(event._waiters)  # type: ignore[attr-defined]
