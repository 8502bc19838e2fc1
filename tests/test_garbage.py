"""Cycles are looked for when nobody is in a call, or when somebody has been for too long."""

import ast
import asyncio
import gc
import os
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from sipgw.gateway import garbage
from tests.bench.start import CONFIG
from tests.waiting import ran

ROOT = Path(__file__).parent.parent


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


PROGRAM = """
import asyncio, gc
from sipgw.gateway import garbage

def now():
    return gc.get_freeze_count(), gc.get_threshold()

async def scenario():
    async with garbage.when_quiet(list):
        return now()

print([now(), asyncio.run(scenario()), now()])
"""


def test_afterwards_it_is_as_it_was() -> None:
    """In a process of its own: pytest has frozen its objects (`tests/conftest.py`), and to visit all takes seconds."""
    done = ran([sys.executable, "-c", PROGRAM], ROOT)
    before, meanwhile, afterwards = ast.literal_eval(done.stdout)
    assert before == afterwards
    assert before[0] == 0 and meanwhile[0] > 10_000
    assert meanwhile[1][2] > before[1][2]


def test_objects_that_somebody_else_froze_stay_frozen() -> None:
    async def scenario() -> None:
        async with garbage.when_quiet(list):
            pass

    gc.freeze()
    asyncio.run(scenario())
    assert gc.get_freeze_count() > 10_000, "every full collection would visit the objects of all tests"


SERVE = """
import gc, os, signal
import sipgw.cli.banner
from sipgw.cli.main import app

full = []
gc.callbacks.append(lambda phase, about: full.append(phase) if about["generation"] == 2 else None)
sipgw.cli.banner.say_how_to_call = lambda *_: os.kill(os.getpid(), signal.SIGTERM)
app(["serve"], standalone_mode=False)
print(full.count("start"))
"""


@pytest.mark.slow
def test_the_start_of_a_gateway_looks_for_garbage_once(tmp_path: Path) -> None:
    (tmp_path / "sipgw.toml").write_text(CONFIG)
    environment = os.environ | {"BENCH_KEY": "none", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", SERVE], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "1"
