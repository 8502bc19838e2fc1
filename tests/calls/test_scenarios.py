"""The scenario set, `tests/scenarios/*.toml`: each on virtual time, and over real SIP and RTP."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from sipgw.sip.uri import Uri
from sipgw.tools.caller import Phone
from sipgw.tools.simulate.run import ScenarioRun, dialled, started
from sipgw.tools.simulate.scenario import read
from sipgw.tools.simulate.verdict import CallVerdict
from tests.virtual_calls import play
from tests.waiting import HANG

pytestmark = pytest.mark.slow

ANY = float("inf")
"""How long answers may take on a machine that does other things, too; on virtual time they are as wanted."""
WORDS = 5
"""How many words more or fewer may be heard there where the agent is cut off."""
"""Seconds that the longest may take."""
FOLDER = Path(__file__).parents[1] / "scenarios"
ALL = sorted(FOLDER.glob("*.toml"))


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_on_virtual_time(path: Path) -> None:
    assert play(read(path), FOLDER).broken == []


def test_over_real_rtp() -> None:
    """All at the same time, each with an agent of its own, so that it takes as long as the longest."""

    async def calls() -> dict[str, CallVerdict]:
        scenes = {path.stem: await ScenarioRun.of(read(path), FOLDER) for path in ALL}
        first = next(iter(scenes.values())).config
        first = replace(first, admission=replace(first.admission, delay_limit=HANG))
        verdicts: dict[str, CallVerdict] = {}
        async with started(first, scenes, lambda who, what: None) as gateway, Phone() as phone:

            async def one(name: str, scene: ScenarioRun) -> None:
                target = Uri("sip", name, "127.0.0.1", gateway.endpoint.port)
                call = await dialled(phone, target, scene)
                await scene.over.wait()
                verdicts[name] = scene.judged(call, ANY, WORDS)

            async with asyncio.timeout(HANG), asyncio.TaskGroup() as group:
                for name, scene in scenes.items():
                    group.create_task(one(name, scene))
        return verdicts

    verdicts = asyncio.run(calls())
    assert {name: verdict.broken for name, verdict in verdicts.items()} == {path.stem: [] for path in ALL}
