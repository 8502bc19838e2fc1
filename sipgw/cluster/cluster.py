"""A gateway's part in a cluster: its connection to Redis, its identity, and the beat that renews its leases and
slots."""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Self

import structlog

from sipgw.cluster.shared import Shared, Unreachable
from sipgw.cluster.slots import SharedSlots
from sipgw.config.cluster import ClusterOptions
from sipgw.sip.boundaries import bounded, contained, lasting

log = structlog.get_logger()

BEAT = 1.0
"""Seconds between two beats."""


class Cluster:
    """The shared state of this gateway. Use it as an async context manager; `parts` beat as long as it is entered."""

    def __init__(self, options: ClusterOptions) -> None:
        self.id = secrets.token_hex(8)
        """Identity of this process, unique among all processes that ever run."""
        self.name = options.called
        self.shared = Shared(options)
        self.places = SharedSlots(self.shared)
        self.parts: list[Callable[[], Awaitable[None]]] = []
        """Functions that are called at each beat, even if Redis does not answer; they may raise `Unreachable`."""
        self._soon = asyncio.Event()
        self._leaving = False
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._stack.push_async_callback(self.shared.close)
        await self.shared.check()
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        group.create_task(lasting(self._beat, "the cluster is not told of this gateway"), name="cluster")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._leaving = True
        self.hurry()
        await self._stack.aclose()

    def hurry(self) -> None:
        """Beat at once, because of a change that other gateways wait for."""
        self._soon.set()

    async def _beat(self) -> None:
        while not self._leaving:
            await bounded(self._once(), None, "a beat of the cluster failed")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEAT):
                    await self._soon.wait()
            self._soon.clear()
        await bounded(self._once(), None, "a beat of the cluster failed")

    async def _once(self) -> None:
        await self.shared.check()
        for part in self.parts:
            with contained("a part of the cluster failed"), contextlib.suppress(Unreachable):
                await part()
