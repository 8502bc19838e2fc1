"""The scenario set, `tests/scenarios/*.toml`: each on virtual time, and over real SIP and RTP."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sipgw.sip.uri import Uri
from sipgw.tools.caller import CallerPhone
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
CALLERS = {
    "wants a moment": ("holds_on",),
    "thanks under speech": ("thanks_under_speech",),
    "corrects itself": ("corrects_the_answer",),
    "spells by letters and by words": ("spells_letters", "spells_words"),
    "dictates an e-mail address": ("dictates_email",),
    "says a number in groups with murmurs": ("dictates_groups",),
    "presses keys in the middle of words, and the hash": ("keys_into_words",),
    "is two people": ("two_people",),
    "is a child": ("child",),
    "sits in a car": ("car",),
    "puts on music without a hold of SIP": ("music_on_hold",),
    "is an answering machine in mid-call": ("answering_machine",),
    "changes the language": ("asks_for_spanish",),
    "says nothing": ("stays_silent",),
}
"""What callers do, and the scenarios in which they do: each is played on virtual time and over RTP."""


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_on_virtual_time(path: Path) -> None:
    assert play(read(path), FOLDER).broken == []


@pytest.mark.parametrize("does", CALLERS)
def test_what_callers_do_is_played_with_recorded_speech(does: str) -> None:
    """The one exception is a caller who says nothing: there is no sound, whichever way it is played."""
    for name in CALLERS[does]:
        assert FOLDER / f"{name}.toml" in ALL
        steps = read(FOLDER / f"{name}.toml").steps
        assert not any(step.say for step in steps), "spoken by a stand-in for a voice"
        assert any((FOLDER / step.wav).is_file() for step in steps if step.wav) is (does != "says nothing")


def over_rtp(paths: Sequence[Path]) -> dict[str, Sequence[str]]:
    """What each of these scenarios breaks, played at the same time: it takes as long as the longest."""

    async def calls() -> dict[str, Sequence[str]]:
        scenes = {path.stem: await ScenarioRun.of(read(path), FOLDER) for path in paths}
        first = next(iter(scenes.values())).config
        first = replace(first, admission=replace(first.admission, delay_limit=HANG))
        broken: dict[str, Sequence[str]] = {}
        async with started(first, scenes, lambda who, what: None) as gateway, CallerPhone() as phone:

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
