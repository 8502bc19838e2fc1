"""The documents of agents in a PostgreSQL database of several gateways."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from sipgw.agents.knowledge import encoders
from sipgw.config.records import StoreOptions
from tests.agents.knowledge_world import base_of, documents
from tests.agents.test_document_rows import HOURS, PARKING, rows
from tests.agents.test_knowledge import service
from tests.fakes.embeddings import FakeEmbeddings
from tests.interop.postgresql import Server, server
from tests.waiting import HANG

__all__ = ["server"]
pytestmark = [pytest.mark.programs("postgresql"), pytest.mark.slow]

ASKED = "When do you open in the morning?"


def test_gateways_find_what_the_other_one_has_read_while_files_change_and_go(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoders, "ANSWER", HANG)
    store = StoreOptions(url=server.url, path=str(tmp_path / "x.db"))

    async def scenario() -> None:
        folder = documents(tmp_path, hours=HOURS.replace("Hours", "Öffnung 🎉"), parking=PARKING)
        async with FakeEmbeddings() as embeddings:
            config = replace(service(folder, tmp_path, embeddings), store=store)
            async with base_of(config, "first") as first:
                asked = len(embeddings.requests)
                async with base_of(config, "second") as second:
                    assert len(embeddings.requests) == asked, "its passages and vectors are copied"
                    for one in (first, second):
                        (found, *_) = await one.finder("agent", lambda used: None, HANG)((ASKED,))
                        assert found.file == "hours.md" and found.heading == "Öffnung 🎉"
                    documents(tmp_path, hours=HOURS.replace("nine", "ten"))
                    (folder / "parking.md").unlink()
                    second.put(await second.load({"agent": config}))
                    (found, *_) = await second.finder("agent", lambda used: None, HANG)((ASKED,))
                    assert "ten" in found.text
                    assert await rows(first) == ["hours.md", "hours.md", "parking.md"], "the first one's are its own"
            async with base_of(config, "first") as first:
                assert await rows(first) == ["hours.md", "hours.md"]
                (found, *_) = await first.finder("agent", lambda used: None, HANG)((ASKED,))
                assert "ten" in found.text

    asyncio.run(scenario())
