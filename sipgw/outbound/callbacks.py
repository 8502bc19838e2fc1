"""Callbacks that ring: what was promised (`sipgw.outbound.promises`) is dialled when it is due."""

import asyncio
from typing import Any, Protocol, Self

import structlog

from sipgw.calls.originator import Originator
from sipgw.config.config import Config
from sipgw.outbound.dialler import Dialler, Pace, Places, new_holder
from sipgw.outbound.jobs import Jobs
from sipgw.records.store import Store

log = structlog.get_logger()

AGAIN = 5.0
"""Seconds from a fault until promises are dialled again."""


class Gateway(Places, Protocol):
    """The gateway that makes the calls: a `sipgw.gateway.gateway.Gateway`."""

    config: Config

    @property
    def originator(self) -> Originator:
        """Knows whether there is a trunk that dials."""

    @property
    def store(self) -> Store:
        """The database with the promises."""


class Callbacks:
    """Makes the calls that were promised, as long as it is entered."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._group = asyncio.TaskGroup()
        self._dialling: asyncio.Task[None] | None = None
        self._dialler: Dialler | None = None
        self._finishing = False

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        # Without a trunk that dials, promises wait for a person; they are not failed when they are due.
        if self._gateway.config.callbacks.dial and self._gateway.originator.first():
            self._dialling = self._group.create_task(self._dial())
        return self

    async def _dial(self) -> None:
        """Dial until told to finish. What goes wrong costs callbacks that are being made, and no other call."""
        options = self._gateway.config.callbacks
        pace = Pace(options.retry, options.concurrent, latest=options.latest)
        jobs = Jobs(self._gateway.store, new_holder())
        while not self._finishing:
            self._dialler = Dialler(jobs, self._gateway, "", pace)
            try:
                await self._dialler.run()
            except Exception:  # the observer boundary: the calls of others go on
                log.exception("callbacks failed")
                await asyncio.sleep(AGAIN)

    def finish(self) -> None:
        """Call nobody any more: other gateways do."""
        self._finishing = True
        if self._dialler is not None:
            self._dialler.finish()

    async def __aexit__(self, *error: Any) -> None:
        if self._dialling is not None:
            self._dialling.cancel()
        await self._group.__aexit__(*error)
