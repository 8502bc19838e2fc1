"""Cycles are looked for when nobody is in a call, or when somebody has been for too long."""

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from sipgw.gateway import garbage


class Knot:
    """An object that refers to itself."""

    def __init__(self) -> None:
        self.self = self


@pytest.mark.parametrize(
    ("busy", "patience", "freed"), [([], 10**6, True), ([1], 10**6, False), ([1], 2, True)],
    ids=["quiet", "in a call", "in calls for too long"],
)  # fmt: skip
def test_a_full_collection_waits_for_a_quiet_moment_but_not_for_ever(
    busy: list[int], patience: int, freed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(garbage, "PAUSE", 0.005)
    monkeypatch.setattr(garbage, "PATIENCE", patience)

    async def scenario() -> bool:
        async with garbage.when_quiet(lambda: busy):
            knot = Knot()
            gone = weakref.ref(knot)
            gc.collect()  # so that it is as old as what a call leaves
            del knot
            for _ in range(30):
                await asyncio.sleep(garbage.PAUSE)
            return gone() is None

    assert asyncio.run(scenario()) is freed


@pytest.fixture
def nothing_frozen() -> Iterator[None]:
    """pytest has frozen its own objects (`tests/conftest.py`)."""
    gc.unfreeze()
    yield
    gc.freeze()


def test_afterwards_it_is_as_it_was(nothing_frozen: None) -> None:
    before = gc.get_threshold()

    async def scenario() -> tuple[int, int]:
        async with garbage.when_quiet(list):
            return gc.get_freeze_count(), gc.get_threshold()[2]

    frozen, third = asyncio.run(scenario())
    assert frozen > 10_000
    assert third > before[2]
    assert (gc.get_freeze_count(), gc.get_threshold()) == (0, before)


def test_objects_that_somebody_else_froze_stay_frozen() -> None:
    async def scenario() -> None:
        async with garbage.when_quiet(list):
            pass

    gc.freeze()
    asyncio.run(scenario())
    assert gc.get_freeze_count() > 10_000, "every full collection would visit the objects of all tests"
