"""The rows of documents in the database while files change."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from sipgw.agents.knowledge import rows as stored
from sipgw.agents.knowledge.knowledge_base import KnowledgeBase
from sipgw.records.store.tables import DocumentRecord
from tests.agents.knowledge_world import base_of, documents
from tests.agents.test_knowledge import HOURS, PARKING, rows, service
from tests.fakes.embeddings import FakeEmbeddings


async def keys(one: KnowledgeBase) -> list[str]:
    async with one.store.read() as session:
        return sorted(await session.scalars(select(DocumentRecord.key)))


def test_the_row_of_a_changed_file_stays_until_the_new_one_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise ConnectionError("the disk is full")

    async def scenario() -> None:
        folder = documents(tmp_path, hours=HOURS)
        async with FakeEmbeddings() as server:
            config = service(folder, tmp_path, server)
            async with base_of(config) as one:
                before = await keys(one)
                documents(tmp_path, hours=HOURS.replace("nine", "ten"))
                server.status = 503
                assert (await one.load({"agent": config}))["agent"].folder.unread == 1
                assert await keys(one) == before, "a service that is away loses nothing"
                server.status = 200
                with monkeypatch.context() as patch, pytest.raises(ConnectionError):
                    patch.setattr(AsyncSession, "merge", broken)
                    await one.load({"agent": config})
                assert await keys(one) == before, "both in one transaction, or none"
                assert (await one.load({"agent": config}))["agent"].folder.files == 1
                after = await keys(one)
                assert len(after) == 1 and after != before
                documents(tmp_path, hours=" ")
                (problem,) = (await one.load({"agent": config}))["agent"].folder.problems
                assert "no text" in problem and not await keys(one), "what was taken out of it is kept no longer"

    asyncio.run(scenario())


def test_gateways_with_other_files_at_the_same_path_delete_and_read_nothing_of_each_other(tmp_path: Path) -> None:
    """As two machines with a database of both, while one has a newer file and the other one has more files."""

    async def scenario() -> None:
        folder = documents(tmp_path, hours=HOURS)
        async with FakeEmbeddings() as server:
            config = service(folder, tmp_path, server)
            async with base_of(config, "first") as first:
                documents(tmp_path, hours=HOURS.replace("nine", "ten"), parking=PARKING)
                async with base_of(config, "second") as second:
                    newer = await rows(second)
                    for _ in range(2):
                        (folder / "parking.md").unlink()
                        documents(tmp_path, hours=HOURS)
                        reading = (await first.load({"agent": config}))["agent"].folder
                        assert (reading.files, reading.new) == (1, 0)
                        documents(tmp_path, hours=HOURS.replace("nine", "ten"), parking=PARKING)
                        reading = (await second.load({"agent": config}))["agent"].folder
                        assert (reading.files, reading.new) == (2, 0)
                    assert await rows(first) == newer == ["hours.md", "hours.md", "parking.md"]

    asyncio.run(scenario())


def test_what_another_gateway_has_read_is_not_read_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        folder = documents(tmp_path, hours=HOURS, parking=PARKING)
        async with FakeEmbeddings() as server:
            config = service(folder, tmp_path, server)
            async with base_of(config, "first") as first:
                asked = len(server.requests)
                async with base_of(config, "second") as second:
                    reading = second._documents["agent"].folder
                    assert (reading.files, reading.new, reading.cost) == (2, 0, None)
                    assert len(server.requests) == asked
                    (folder / "parking.md").unlink()
                    await first.load({"agent": config})
                    assert await rows(second) == ["hours.md", "hours.md", "parking.md"], "the copy is its own"

    asyncio.run(scenario())


def test_rows_that_nobody_has_used_for_long_are_deleted(tmp_path: Path) -> None:
    async def scenario() -> None:
        folder, now = documents(tmp_path, hours=HOURS, parking=PARKING), datetime.now(UTC)
        async with FakeEmbeddings() as server, base_of(service(folder, tmp_path, server)) as one:
            where = one._documents["agent"].folder.where
            await stored.tidy(one.store, [where], now + timedelta(days=6))
            await stored.tidy(one.store, [], now + timedelta(days=12))
            assert await rows(one) == ["hours.md", "parking.md"], "they were in use six days ago"
            await stored.tidy(one.store, [], now + timedelta(days=14))
            assert await rows(one) == []

    asyncio.run(scenario())
