"""Leases of a gateway that stops."""

import asyncio
from types import SimpleNamespace
from typing import Any

from sipgw.cluster.leases import Leases


async def test_a_lease_that_redis_gives_to_a_gateway_that_stops_begins_nothing() -> None:
    """Else it would register its trunks again after it had removed the registrations."""
    asked, answered = asyncio.Event(), asyncio.Event()
    given_back: list[str] = []

    async def take(member: str, bounds: object) -> None:
        asked.set()
        await answered.wait()

    async def give(member: str, keys: list[str]) -> None:
        given_back.extend(keys)

    places, parts = SimpleNamespace(take=take, give=give), list[Any]()
    shared = SimpleNamespace(up=True)
    cluster: Any = SimpleNamespace(parts=parts, hurry=lambda: None, places=places, shared=shared, id="one")
    leases, told = Leases(cluster), list[bool]()
    leases.want("carrier", told.append)
    (beat,) = parts
    async with asyncio.TaskGroup() as group:
        group.create_task(beat())
        await asked.wait()
        leases.give_up()
        answered.set()
    assert told == []
    await beat()
    assert given_back == ["owner:carrier"], "another gateway has it at once"
