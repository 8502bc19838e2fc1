"""Whole conversations on virtual time: a goodbye that fails, or that the model leaves out, and what the record says."""

import asyncio
from dataclasses import replace

import pytest

from agent.recorded import WORDS, recorded
from agent.records import Outcome, ProviderFailed
from agent.turn_taking.options import TurnOptions
from tests.agent.holding import DOWN, PERSONA, Held, Setting, hold
from tests.fakes.line import calls, now, says

APOLOGY = WORDS["apology"]


def said_goodbye(setting: Setting) -> tuple[Held, float]:
    """A call in which nobody says anything; and how many seconds it went on after its last sound."""
    heard: list[tuple[float, int]] = []

    async def plan(caller, line, stt):
        while True:
            await asyncio.sleep(0.1)
            heard.append((now(), len(line.played)))

    held = hold(plan, setting)
    last = next(at for at, played in heard if played == heard[-1][1])
    return held, heard[-1][0] - last


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (TurnOptions(reprompt_after=5, reprompts=0), "silence"),
        (TurnOptions(reprompt_after=60, max_duration=5), "max_duration"),
    ],
)
@pytest.mark.parametrize("after", [0, 10])
def test_a_goodbye_that_fails_is_followed_by_a_recorded_one(options: TurnOptions, kind: str, after: int) -> None:
    tts = {"fails": lambda text: None if text == PERSONA.greeting else DOWN, "after": after}
    held, quiet = said_goodbye(Setting(options=options, tts=tts))
    assert held.outcome.kind == kind
    assert [(one.part, one.cause) for one in held.reports if isinstance(one, ProviderFailed)] == [("tts", str(DOWN))]
    assert bytes(held.line.played).endswith(recorded("apology"))
    assert held.turns[-1].heard == APOLOGY
    assert quiet < 0.5


def test_a_model_that_hangs_up_without_a_word_says_goodbye() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("bye bye now")
        await asyncio.sleep(25)

    def script(messages):
        return [] if messages[-1]["role"] == "tool" else [calls("hang_up", reason="all is said")]

    held = hold(plan, Setting(script=script))
    assert held.outcome == Outcome("agent_hung_up", "all is said")
    assert held.tts.spoken == [PERSONA.greeting, "Goodbye."]
    assert held.turns[-1].heard == "Goodbye."
    held = hold(plan, Setting(script=lambda messages: [*script(messages), *says("See you.")]))
    assert held.tts.spoken == [PERSONA.greeting, "See you."]


def test_the_record_of_a_recorded_apology_has_its_own_words() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(30)

    german = replace(PERSONA, apology="Bitte rufen Sie die Hotline an.")
    held = hold(plan, Setting(persona=german, languages=("de",), tts={"fails": lambda text: DOWN}))
    assert bytes(held.line.played) == recorded("apology")
    assert (held.turns[-1].said, held.turns[-1].heard) == (APOLOGY, APOLOGY)
