"""Dials promised callbacks (`sipgw.outbound.promises`) and campaigns when they are due."""

import asyncio
from typing import Any, Protocol, Self

import structlog

from sipgw.calls.originator import Originator
from sipgw.config.config import GatewayConfig
from sipgw.outbound.job_dialer import CallPlacer, JobDialer, Pace, new_holder
from sipgw.outbound.jobs import Jobs
from sipgw.records.store import Store

log = structlog.get_logger()

AGAIN = 5.0
"""Seconds from a fault until jobs are dialled again."""


class CallingGateway(CallPlacer, Protocol):
    """A gateway that makes calls."""

    config: GatewayConfig

    @property
    def store(self) -> Store:
        """Its database."""
        ...

    @property
    def originator(self) -> Originator:
        """Its routes to telephone numbers."""
        ...


class OutboundDialer:
    """Dials the jobs of the database as long as it is entered."""

    def __init__(self, gateway: CallingGateway, only: str = "") -> None:
        """With `only` it dials this campaign and nothing else."""
        self._gateway = gateway
        self._only = only
        self._group = asyncio.TaskGroup()
        self._dialling: asyncio.Task[None] | None = None
        self._dialler: JobDialer | None = None
        self._finishing = False

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        # Without a trunk that can dial, jobs wait for a person. They do not fail when they are due.
        if self._gateway.originator.first():
            self._dialling = self._group.create_task(self._dial())
        return self

    async def _dial(self) -> None:
        """Dial until told to finish. A fault ends the calls that are made for jobs, and no other calls."""
        options = self._gateway.config.callbacks
        callbacks = Pace(options.retry, options.concurrent, latest=options.latest)
        jobs = Jobs(self._gateway.store, new_holder())
        while not self._finishing:
            self._dialler = JobDialer(jobs, self._gateway, callbacks if options.dial else None, only=self._only)
            try:
                await self._dialler.run()
            except Exception:  # the observer boundary: other calls go on
                log.exception("dialling failed")
                await asyncio.sleep(AGAIN)

    def finish(self) -> None:
        """Start no more calls here: other gateways do. Running calls go on."""
        self._finishing = True
        if self._dialler is not None:
            self._dialler.finish()

    async def __aexit__(self, *error: Any) -> None:
        if self._dialling is not None:
            self._dialling.cancel()
        await self._group.__aexit__(*error)
