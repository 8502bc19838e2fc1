"""Runs a tool with the other side's number as a call begins, so that the agent knows the person."""

import asyncio
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
    number: str

    async def open(self) -> None:
        """See `Talk.open`."""
        await self.talk.open()

    async def close(self) -> None:
        """See `Talk.close`."""
        await self.talk.close()

    async def run(self) -> Outcome:
        """See `Talk.run`."""
        options = self.options
        async with asyncio.TaskGroup() as group:
            arguments = {options.argument: self.number}
            looking = group.create_task(self.call_control.prefetch(options.tool, arguments, options.limit))
            outcome = await self.talk.run()
            looking.cancel()
        return outcome
