"""The providers of the agents: opened with an agent, closed when the agent was removed or changed and no call uses
them."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Self

import structlog

from agent.providers.local.host import LocalSpeech
from sipgw.agents.agents import Agents
from sipgw.agents.provider_choice import ProviderChoice
from sipgw.agents.providers import Providers
from sipgw.config.config import AgentConfig
from sipgw.sip.boundaries import bounded

log = structlog.get_logger()

Open = Callable[[AgentConfig, ProviderChoice, LocalSpeech | None], AbstractAsyncContextManager[Providers]]
"""Opens the providers of one agent, see `sipgw.agents.providers.opened`."""


@dataclass(eq=False)
class _OpenProviders:
    """The providers of one agent."""

    opening: AbstractAsyncContextManager[Providers]
    ready: asyncio.Future[Providers]
    lender: "_OpenProviders | None" = None
    """The owner of the embedded speech models that these providers use; the owner stays open as long as they do."""
    users: int = 1
    """Number of users: calls, agents that share the speech models, and the agent itself while it is configured."""
    free: asyncio.Event = field(default_factory=asyncio.Event)

    def let_go(self) -> None:
        self.users -= 1
        if not self.users:
            self.free.set()


class AgentProviders:
    """The providers of all agents. Use it as an async context manager, which closes all of them at the end. Each agent
    has a task for its providers, because they must be closed in the task that opened them.
    """

    def __init__(self, opening: Open) -> None:
        self._opening = opening
        self._hired: dict[str, _OpenProviders] = {}
        self._open: set[_OpenProviders] = set()
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        for one in self._open:
            one.free.set()
        await self._group.__aexit__(None, None, None)  # an error of the body is raised as it is

    def __len__(self) -> int:
        """Number of agents with open providers, former agents with running calls included."""
        return len(self._open)

    async def become(self, agents: Agents, unchanged: Collection[str] = ()) -> dict[str, Providers]:
        """Switch to `agents`; `unchanged` agents keep their connections. Returns the providers of each agent. Raises
        the errors of opening; then nothing has changed.
        """
        hired = {name: self._hired[name] for name in unchanged if name in agents.all and name in self._hired}
        new: list[_OpenProviders] = []
        try:
            for name, one in agents.all.items():
                if name not in hired:
                    hired[name] = self._hire(one.config, one.choice, hired)
                    new.append(hired[name])
                    await hired[name].ready
        except BaseException:
            for each in new:
                each.let_go()
            raise
        gone = [one for name, one in self._hired.items() if hired.get(name) is not one]
        self._hired = hired
        for former in gone:
            former.let_go()
        return {name: one.ready.result() for name, one in hired.items()}

    def engage(self, task: asyncio.Task[Any]) -> None:
        """Keep the providers of the present agents open while `task`, a call, runs."""
        used = list(self._hired.values())
        for one in used:
            one.users += 1

        def over(_: asyncio.Task[Any]) -> None:
            for each in used:
                each.let_go()

        task.add_done_callback(over)

    def _hire(self, config: AgentConfig, choice: ProviderChoice, there: Mapping[str, _OpenProviders]) -> _OpenProviders:
        lender = next((one for one in there.values() if one.ready.result().speech), None)
        speech = lender.ready.result().speech if lender else None
        if lender is not None:
            lender.users += 1
        ready: asyncio.Future[Providers] = asyncio.get_running_loop().create_future()
        one = _OpenProviders(self._opening(config, choice, speech), ready, lender)
        self._open.add(one)
        keeping = self._group.create_task(bounded(self._keep(one), None, "providers not kept"))
        # Who no longer waits for them, because the gateway is to stop, does not wait for models that load either.
        ready.add_done_callback(lambda told: keeping.cancel() if told.cancelled() else None)
        return one

    async def _keep(self, one: _OpenProviders) -> None:
        try:
            async with one.opening as providers:
                if not one.ready.done():
                    one.ready.set_result(providers)
                await one.free.wait()
        except Exception as error:  # the provider boundary: only the waiting caller of this method gets the error
            if one.ready.done():
                log.exception("providers not closed")
            else:
                one.ready.set_exception(error)
        finally:
            self._open.discard(one)
            if one.lender is not None:
                one.lender.let_go()
