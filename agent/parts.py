"""The sessions of one conversation's providers: opened and closed together."""

import asyncio
from collections.abc import Mapping
from typing import Protocol

import structlog

from agent.errors import ProviderError
from agent.limits import OPEN, boundary
from agent.records import Part

log = structlog.get_logger()

Broken = tuple[Part, ProviderError]
"""The part that cannot be used, and the error."""


class ProviderSession(Protocol):
    """A session of any kind of provider."""

    @property
    def name(self) -> str:
        """Name of provider and model, for logs and bills."""
        ...

    async def open(self) -> None:
        """Get ready. Raises `agent.errors.ProviderError` when refused or too slow."""
        ...

    async def close(self) -> None:
        """End the session; safe to call twice and after a failure."""
        ...


async def open_parts(parts: Mapping[Part, ProviderSession]) -> Broken | None:
    """Make all ready at the same time. Returns the part that failed, None if all are ready."""
    broken: list[Broken] = []

    async def ready(part: Part, provider: ProviderSession) -> None:
        try:
            with boundary(provider.name):
                try:
                    async with asyncio.timeout(OPEN):
                        await provider.open()
                except TimeoutError:
                    raise ProviderError(provider.name, f"not ready within {OPEN:g} s") from None
        except ProviderError as error:
            broken.append((part, error))

    async with asyncio.TaskGroup() as group:
        for part, provider in parts.items():
            group.create_task(ready(part, provider))
    return broken[-1] if broken else None


async def close_parts(*providers: ProviderSession) -> None:
    """End the sessions; safe to call twice, and without `open_parts`."""
    for provider in providers:
        try:
            with boundary(provider.name):
                async with asyncio.timeout(OPEN):
                    await provider.close()
        except ProviderError as error:
            log.warning("provider did not close", provider=provider.name, cause=str(error))
