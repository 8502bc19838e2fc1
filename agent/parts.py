"""Ears and voice of one conversation, got ready and put away together."""

import asyncio

import structlog

from agent.ears import Ears
from agent.errors import ProviderError
from agent.limits import OPEN, boundary
from agent.records import Part
from agent.voice import Voice

log = structlog.get_logger()

Broken = tuple[Part, ProviderError]
"""Which of them cannot be used, and why."""


async def open_parts(ears: Ears, voice: Voice) -> Broken | None:
    """Get both ready at the same time; returns which failed, if one did."""
    broken: list[Broken] = []

    async def ready(part: Part, provider: Ears | Voice) -> None:
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
        group.create_task(ready("ears", ears))
        group.create_task(ready("voice", voice))
    return broken[-1] if broken else None


async def close_parts(ears: Ears, voice: Voice) -> None:
    """End both sessions; safe to call twice, and without `open_parts`."""
    for provider in (ears, voice):
        try:
            with boundary(provider.name):
                async with asyncio.timeout(OPEN):
                    await provider.close()
        except ProviderError as error:
            log.warning("provider did not close", provider=provider.name, cause=str(error))
