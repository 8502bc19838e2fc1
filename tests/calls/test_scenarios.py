"""The scenario set, `tests/scenarios/*.toml`: each on virtual time, and over real SIP and RTP."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sipgw.sip.uri import Uri
from sipgw.tools.caller import Phone
from sipgw.tools.simulate.run import ScenarioRun, dialled, started
from sipgw.tools.simulate.scenario import read
from tests.virtual_calls import play
from tests.waiting import HANG

pytestmark = pytest.mark.slow

ANY = float("inf")
"""How long answers may take on a machine that does other things, too; on virtual time they are as wanted."""
WORDS = 5
"""How many words more or fewer may be heard there where the agent is cut off."""
FOLDER = Path(__file__).parents[1] / "scenarios"
ALL = sorted(FOLDER.glob("*.toml"))


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_on_virtual_time(path: Path) -> None:
    assert play(read(path), FOLDER).broken == []


def over_rtp(paths: Sequence[Path]) -> dict[str, Sequence[str]]:
    """What each of these scenarios breaks, played at the same time: it takes as long as the longest."""

    async def calls() -> dict[str, Sequence[str]]:
        scenes = {path.stem: await ScenarioRun.of(read(path), FOLDER) for path in paths}
        first = next(iter(scenes.values())).config
        first = replace(first, admission=replace(first.admission, delay_limit=HANG))
        broken: dict[str, Sequence[str]] = {}
        async with started(first, scenes, lambda who, what: None) as gateway, Phone() as phone:

            async def one(name: str, scene: ScenarioRun) -> None:
                target = Uri("sip", name, "127.0.0.1", gateway.endpoint.port)
                call = await dialled(phone, target, scene)
                await scene.over.wait()
                broken[name] = scene.judged(call, ANY, WORDS).broken

            async with asyncio.timeout(HANG), asyncio.TaskGroup() as group:
                for name, scene in scenes.items():
                    group.create_task(one(name, scene))
        return broken

    return asyncio.run(calls())


def test_over_real_rtp() -> None:
    """All at once. On a busy machine the callers speak late: a scenario that breaks then is played again by itself."""
    broken = over_rtp(ALL)
    for path in ALL:
        if broken[path.stem]:
            broken |= over_rtp([path])
    assert broken == {path.stem: [] for path in ALL}
