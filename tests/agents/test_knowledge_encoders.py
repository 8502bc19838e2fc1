"""Encoders of documents are open as long as an agent uses them."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.agents.knowledge_world import base_of, documents
from tests.agents.test_knowledge import HOURS, service
from tests.fakes.embeddings import FakeEmbeddings
from tests.waiting import HANG, until


def test_an_encoder_that_no_agent_uses_any_more_is_closed_and_a_running_call_uses_the_new_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        folder = documents(tmp_path, hours=HOURS)
        closed: list[str] = []
        async with FakeEmbeddings() as server, base_of(service(folder, tmp_path, server)) as one:
            before = list(one._encoders.values())
            close = before[0].close
            before[0].close = lambda: noted(closed, close)  # type: ignore[method-assign]
            find = one.finder("agent", lambda used: None, HANG)
            server.key = "other"
            one.put(await one.load({"agent": service(folder, tmp_path, server, api_key="other")}))
            assert await find(("When do you open in the morning?",))
            await until(lambda: closed == ["closed"])
            assert len(one._encoders) == 1 and list(one._encoders.values()) != before

    async def noted(closed: list[str], close: Callable[[], Awaitable[None]]) -> None:
        await close()
        closed.append("closed")

    asyncio.run(scenario())
