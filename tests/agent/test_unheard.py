"""Sounds of which the ears report nothing, or late: asked about, given up, not waited for. Whole calls."""

from dataclasses import replace
from pathlib import Path

import pytest

from sipgw.records.artifacts.wav import read_ulaw
from sipgw.tools.simulate.run import rustling
from tests.agent.holding import PERSONA, Setting, hold
from tests.fakes.line import FakeCaller, FakeLine, FakeStt

YES = read_ulaw(Path(__file__).parents[2] / "sipgw" / "demo_voice" / "yes.wav")
ASKS = replace(PERSONA, greeting="Shall I send it?")


@pytest.mark.parametrize(("sound", "asked"), [(YES, True), (rustling(0.5), False)], ids=["yes", "cough"])
def test_whoever_answers_deaf_stt_in_one_word_is_asked_again_within_three_seconds(sound: bytes, asked: bool) -> None:
    answered: list[bool] = []

    async def plan(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        await caller.sound(3.0, loud=False)
        await caller.play(sound)
        before = len(line.played)
        await caller.sound(3.0, loud=False)
        answered.append(len(line.played) > before)
        await caller.sound(4.0, loud=False)
        caller.hang_up()

    said = [turn.said for turn in hold(plan, Setting(persona=ASKS)).turns]
    assert answered == [asked]
    assert said == [ASKS.greeting, ASKS.again][: 1 + asked]
