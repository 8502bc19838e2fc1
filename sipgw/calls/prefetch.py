"""Runs a tool with the other side's number as a call begins, so that the agent knows the person."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from agent.call_control import CallControl
from agent.records import Outcome
from sipgw.calls.talk import Talk
from sipgw.config.agent import PrefetchOptions


@dataclass(frozen=True)
class Prefetched:
    """A `Talk` around a conversation: a tool runs during the greeting."""

    talk: Talk
    call_control: CallControl
    options: PrefetchOptions
    number: Callable[[], Awaitable[str]]
    """The number of the other side once it is clear that it may be looked up; empty if it may not."""

    async def open(self) -> None:
        """See `Talk.open`."""
        await self.talk.open()

    async def close(self) -> None:
        """See `Talk.close`."""
        await self.talk.close()

    async def run(self) -> Outcome:
        """See `Talk.run`."""
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(self._look())
            outcome = await self.talk.run()
            looking.cancel()
        return outcome

    async def _look(self) -> None:
        options = self.options
        if number := await self.number():
            await self.call_control.prefetch(options.tool, {options.argument: number}, options.limit)
