"""What covers a wait when there is no voice for it: in the caller's language, or without words."""

import asyncio
from dataclasses import replace

import pytest

from agent.recorded import WORDS, moment, recorded
from agent.ulaw import level
from tests.agent.holding import PERSONA, Setting, hold
from tests.agent.realtime_holding import gone
from tests.agent.realtime_holding import hold as hold_realtime


@pytest.mark.faults("D13")
@pytest.mark.parametrize(("language", "words"), [("en", True), ("es", False), ("hi", False)])
def test_a_slow_voice_is_covered_in_no_language_but_the_callers(language: str, words: bool) -> None:
    async def plan(caller, line, stt) -> None:
        await asyncio.sleep(9)
        caller.hang_up()

    held = hold(plan, Setting(languages=(language,), tts={"delay": 3.0}))
    played = bytes(held.line.played)
    assert (recorded("moment") in played) is words
    assert moment(language)[1] in played


@pytest.mark.faults("D13")
def test_a_session_that_dawdles_is_covered_without_words() -> None:
    async def plan(caller, session) -> None:
        await asyncio.sleep(2)
        await caller.say("¿Dónde está mi pedido?")
        await asyncio.sleep(5)
        gone(caller.line)

    held = hold_realtime(plan, persona=replace(PERSONA, greeting="Hola."), languages=("es",))
    played = bytes(held.line.played)
    assert recorded("moment") not in played
    assert moment("es")[1] in played
    assert WORDS["moment"] not in held.turns[-1].said


def test_the_sound_without_words_is_heard_and_soft() -> None:
    assert moment("es")[0] == ""
    assert 200 < level(moment("es")[1]) < level(recorded("moment"))
