"""Providers are closed when their agent is gone or changed, and its last call is over. On virtual time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from agent.errors import ProviderError
from sipgw.agents.agent_providers import AgentProviders
from tests.virtual import run

pytestmark = pytest.mark.faults("C9")


class House:
    """Opens providers that only remember which task had them, and by what they speak."""

    def __init__(self) -> None:
        self.open: dict[str, asyncio.Task[Any] | None] = {}
        self.speech: dict[str, Any] = {}

    @contextlib.asynccontextmanager
    async def opened(self, config: Any, choice: Any, speech: Any) -> AsyncIterator[Any]:
        if config == "broken":
            raise ProviderError("llm", "no such thing")
        await asyncio.sleep(0.1)
        self.open[config] = asyncio.current_task()
        self.speech[config] = speech = speech or (f"speech of {config}" if choice else None)
        yield SimpleNamespace(speech=speech)
        assert self.open.pop(config) is asyncio.current_task(), "what was opened in a task is closed in it"


def agents(*names: str, local: bool = False) -> Any:
    """Agents of these names, each with its name before the dash."""
    return SimpleNamespace(all={name.partition("-")[0]: SimpleNamespace(config=name, choice=local) for name in names})


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_what_a_reload_takes_away_or_changes_is_closed_and_the_rest_stays() -> None:
    async def scene() -> None:
        gateway = House()
        async with AgentProviders(gateway.opened) as agent_providers:
            first = await agent_providers.become(agents("agent", "sales", "old"))
            second = await agent_providers.become(agents("agent", "sales-2"), ["agent"])
            await settled()
            assert gateway.open.keys() == {"agent", "sales-2"}
            assert second["agent"] is first["agent"]
            assert len(agent_providers) == 2
        assert gateway.open == {}

    run(scene())


def test_a_call_keeps_the_providers_that_it_began_with() -> None:
    async def scene() -> None:
        gateway = House()
        async with AgentProviders(gateway.opened) as agent_providers, asyncio.TaskGroup() as group:
            await agent_providers.become(agents("agent"))
            hung_up = asyncio.Event()
            agent_providers.engage(group.create_task(hung_up.wait()))
            await agent_providers.become(agents("agent-2"))
            await settled()
            assert gateway.open.keys() == {"agent", "agent-2"}
            hung_up.set()
            await settled()
            assert gateway.open.keys() == {"agent-2"}

    run(scene())


def test_a_reload_that_fails_leaves_nothing_open_and_changes_nothing() -> None:
    async def scene() -> None:
        gateway = House()
        async with AgentProviders(gateway.opened) as agent_providers:
            first = await agent_providers.become(agents("agent"))
            with pytest.raises(ProviderError, match="no such thing"):
                await agent_providers.become(agents("agent", "sales", "broken"), ["agent"])
            await settled()
            assert gateway.open.keys() == {"agent"}
            assert await agent_providers.become(agents("agent"), ["agent"]) == first

    run(scene())


def test_embedded_speech_stays_as_long_as_somebody_speaks_by_it() -> None:
    async def scene() -> None:
        gateway = House()
        async with AgentProviders(gateway.opened) as agent_providers:
            await agent_providers.become(agents("agent", "sales", local=True))
            assert gateway.speech == {"agent": "speech of agent", "sales": "speech of agent"}
            await agent_providers.become(agents("agent-2", "sales", local=True), ["sales"])
            await settled()
            assert gateway.open.keys() == {"agent", "agent-2", "sales"}, "sales speaks by that of the first"
            await agent_providers.become(agents("agent-3", "sales-3", local=True))
            await settled()
            assert gateway.open.keys() == {"agent-3", "sales-3"}

    run(scene())


def test_who_stops_while_providers_open_does_not_wait_for_them() -> None:
    """Ctrl-C during a start: models may load for a long time."""
    begun, closed = asyncio.Event(), list[str]()

    @contextlib.asynccontextmanager
    async def opened(*_: Any) -> AsyncIterator[Any]:
        try:
            begun.set()
            await asyncio.Event().wait()
            yield
        finally:
            closed.append("the models")

    async def scene() -> None:
        async with AgentProviders(opened) as agent_providers, asyncio.TaskGroup() as group:
            starting = group.create_task(agent_providers.become(agents("agent")))
            await begun.wait()
            starting.cancel()
        assert closed == ["the models"]

    run(scene())
