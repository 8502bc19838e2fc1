"""A fault of ours in a delivery, or in a look at what is due, costs that delivery some time and nothing else."""

import asyncio
from pathlib import Path

import pytest

from sipgw.config.records import WebhookOptions
from sipgw.records.webhooks.deliveries import Deliveries
from tests.keeping import a_call
from tests.records.webhooks.test_webhooks import TURNS, WHOLE, World, impatient, telling
from tests.waiting import until

__all__ = ["impatient"]


class Faulty(World):
    """Fails in a way that nobody has foreseen, the first time it is given something of the call `bad`."""

    async def send(self, target: WebhookOptions, body: bytes, headers: dict[str, str]) -> None:
        if b'"bad"' in body and not self.down:
            self.down = True
            raise KeyError("a fault of ours")
        self.down, down = False, self.down
        await super().send(target, body, headers)
        self.down = down


def test_a_fault_in_one_delivery_is_tried_again_and_keeps_no_other_waiting(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with telling(tmp_path, world) as watchers:
            for call in ("bad", "good"):
                for event in a_call(call, TURNS):
                    watchers.tell(event)
            await until(lambda: world.of("bad") == world.of("good") == WHOLE)

    asyncio.run(scenario(Faulty()))


def test_a_fault_in_the_queue_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = iter([True])
    right = Deliveries._claim

    async def broken_once(self: Deliveries, target: WebhookOptions):
        if next(faults, False):
            raise KeyError("a fault of ours")
        return await right(self, target)

    async def scenario(world: World) -> None:
        async with telling(tmp_path, world) as watchers:
            for event in a_call("c", TURNS):
                watchers.tell(event)
            await until(lambda: world.of("c") == WHOLE)

    monkeypatch.setattr(Deliveries, "_claim", broken_once)
    asyncio.run(scenario(World()))
