"""Callbacks that ring: what was promised (`sipgw.outbound.promises`) is dialled when it is due."""

import asyncio
from typing import Any, Self

from sipgw.gateway import Gateway
from sipgw.outbound.dialler import Dialler, Pace, new_holder
from sipgw.outbound.jobs import Jobs


class Callbacks:
    """Makes the calls that were promised, as long as it is entered."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._group = asyncio.TaskGroup()
        self._dialling: asyncio.Task[None] | None = None
        self._dialler: Dialler | None = None

    async def __aenter__(self) -> Self:
        options = self._gateway.config.callbacks
        await self._group.__aenter__()
        if options.dial:
            pace = Pace(options.retry, options.concurrent, latest=options.latest)
            jobs = Jobs(self._gateway.store, new_holder())
            self._dialler = Dialler(jobs, self._gateway, "", pace)
            self._dialling = self._group.create_task(self._dialler.run())
        return self

    def finish(self) -> None:
        """Call nobody any more: other gateways do."""
        if self._dialler is not None:
            self._dialler.finish()

    async def __aexit__(self, *error: Any) -> None:
        if self._dialling is not None:
            self._dialling.cancel()
        await self._group.__aexit__(*error)
