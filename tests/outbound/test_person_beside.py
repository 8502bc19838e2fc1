"""Calls out that a person of our side has joined: who has answered is theirs to judge."""

import asyncio

import pytest

from agent.records import CallerSaid
from sipgw.calls.amd import AmdSetup, AmdTalk
from sipgw.calls.conference import MODES, Mode
from sipgw.calls.machine_detection import WORDS, AnsweredParty
from sipgw.calls.phone_line import Joined, PhoneLine
from sipgw.calls.screening import LONGEST_SCREENING
from tests.bench.answering import silence
from tests.outbound.test_answering_machines import BEEP, CLOSED, Interrupted
from tests.outbound.test_screening import ASKS, Screened, scene


@pytest.mark.parametrize("mode", Mode)
def test_while_a_person_of_our_side_speaks_in_the_call_nobody_is_judged(mode: Mode) -> None:
    """A supervisor was cut off, and the machine's message left, when the other side spoke on and on."""

    async def scenario() -> list[AnsweredParty]:
        found: list[AnsweredParty] = []
        line = PhoneLine()
        needs = AmdSetup(line, lambda: None, "", lambda report: None, lambda who, why: found.append(who), "en")  # type: ignore[arg-type, return-value]
        screened = AmdTalk(Interrupted(line), needs)
        line.joined = Joined(PhoneLine(), MODES[mode].routes)
        screened.hear(CLOSED + BEEP + silence(WORDS + 3))
        screened.understand(CallerSaid("Please leave a message after the tone.", final=True))
        return found

    covert = mode in (Mode.LISTEN, Mode.WHISPER)
    assert asyncio.run(scenario()) == ([AnsweredParty.MACHINE] if covert else [])


@pytest.mark.parametrize("joined", [False, True])
def test_while_a_colleague_speaks_at_a_call_screen_the_time_for_the_person_does_not_pass(joined: bool) -> None:
    async def work(one: Screened) -> None:
        one.talk.understand(CallerSaid(ASKS, final=True))
        if joined:
            one.talk._needs.line.joined = Joined(PhoneLine(), MODES[Mode.CONFERENCE].routes)
        await asyncio.sleep(LONGEST_SCREENING + 1)
        assert bool(one.talk._given_up) is not joined

    scene(work)
