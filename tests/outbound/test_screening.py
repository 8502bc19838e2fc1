"""When a call screen is told who calls, how it goes on, and how long a person is waited for: on virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.line import Away
from agent.records import CallerSaid, Outcome, Turn, TurnEnded
from sipgw.calls.amd import AmdSetup, AmdTalk, follow, tell_screen
from sipgw.calls.machine_detection import DOUBT, OVER, AnsweredParty, AnsweringMachineDetector
from sipgw.calls.phone_line import PhoneLine
from sipgw.calls.request import OriginateRequest
from sipgw.calls.screening import LAST_WORDS, LONGEST_PROMPT, LONGEST_SCREENING, PAUSE, STEP, TONELESS
from sipgw.config.config import GatewayConfig
from sipgw.events import AnsweredBy
from tests.agent.holding import PERSONA, Setting, hold
from tests.bench.answering import silence, tone
from tests.callee import callee
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.openai import Reply
from tests.outbound.test_answering_machines import PURPOSE as SAID
from tests.outbound.test_answering_machines import Wire, playing, with_purpose
from tests.outbound.test_call_out import NUMBER, calling_out
from tests.outbound.test_machine_detection import talk
from tests.virtual import run
from tests.waiting import HANG

PURPOSE = "Acme Store, about the lamp."
ASKS = "Please state your name and the reason for calling."
RECORDER = "Please state your name after the tone and we will try to connect you."
SECRETARY = "Please state your name and the reason for calling to me, I am the secretary, what can I do for you?"
DESK = "Please state your name and the reason for calling. Somebody rings you when I am back at my desk."
BEEP = tone(1000, 0.4, 8000)
FURTHER = [
    tuple(line.split("\t"))
    for line in Path(__file__).parents[1].joinpath("data/screening/further.tsv").read_text("utf-8").splitlines()
]


class Talking:
    """A conversation that goes on until it is cancelled."""

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def run(self) -> Outcome:
        await asyncio.Event().wait()
        raise AssertionError


class Screened:
    """A call that a screen has answered."""

    def __init__(self, knows: Callable[[str, bool], bool] | None) -> None:
        """`knows` tells by words, and whether they are whole, if a screen says them; without it the patterns do."""
        self.told: list[float] = []
        """When it was told who calls, in seconds from the first sound."""
        self.on_hold = False
        """Whether it does not hear the agent."""
        self.found: list[AnsweredParty] = []
        self._began = asyncio.get_running_loop().time()
        line = PhoneLine()
        line.attach(Wire(line))  # type: ignore[arg-type]
        setup: Any = AmdSetup(
            line, lambda: None, "", lambda report: None, lambda who, why: self.found.append(who),  # type: ignore[arg-type, return-value]
            "en", self.tell, PURPOSE, heard=lambda: not self.on_hold,
        )  # fmt: skip
        if knows is not None:

            async def resembles(text: str, whole: bool) -> bool:
                return knows(text, whole)

            setup = replace(setup, known=knows, resembles=resembles)
        self.talk = AmdTalk(Talking(), setup)

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    def tell(self, _purpose: str) -> bool:
        if not self.on_hold:
            self.told.append(self.now)
        return not self.on_hold

    async def hears(self, sound: bytes, *words: str) -> None:
        """Sound, in which words come one by one; what was said ends when it is over."""
        growing = [" ".join(words[: at + 1]) for at in range(len(words))]
        for at in range(0, len(sound), 160):
            self.talk.hear(sound[at : at + 160])
            share = (at // 160 + 1) / (len(sound) / 160)
            while growing and len(words) - len(growing) < share * len(words):
                self.talk.understand(CallerSaid(growing.pop(0), final=False))
            await asyncio.sleep(0.02)
        if words:
            self.talk.understand(CallerSaid(" ".join(words), final=True))

    def was_told(self) -> None:
        self.talk.understand(TurnEnded(Turn(said=PURPOSE)))


def scene(
    work: Callable[[Screened], Awaitable[None]], knows: Callable[[str, bool], bool] | None = None
) -> Outcome | None:
    """How the call ended, if it did, after `work`."""

    async def scenario() -> Outcome | None:
        one = Screened(knows)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(one.talk.run())
            await work(one)
            await asyncio.sleep(0)
            ended = running.result() if running.done() else None
            running.cancel()
        return ended

    return run(scenario())


def test_a_screen_is_told_who_calls_when_its_prompt_is_over() -> None:
    async def work(one: Screened) -> None:
        await one.hears(talk(4.0), *ASKS.split())
        assert one.found == [AnsweredParty.SCREEN] and not one.told
        await one.hears(silence(3))
        assert 4.0 + PAUSE <= one.told[0] <= 4.0 + PAUSE + 0.4
        assert len(one.told) == 1

    scene(work)


def test_a_person_who_begins_as_a_screen_does_is_none_and_is_told_nothing_twice() -> None:
    """There is no verdict to take back: the agent neither waits nor introduces itself before the sentence is over."""

    async def work(one: Screened) -> None:
        await one.hears(talk(6.0), *SECRETARY.split())
        await one.hears(silence(4))
        assert one.found == [AnsweredParty.HUMAN] and not one.told

    assert scene(work, lambda text, whole: text != SECRETARY) is None


def test_the_beep_of_a_machine_that_begins_as_a_screen_does_is_kept() -> None:
    async def work(one: Screened) -> None:
        await one.hears(talk(3.0), *ASKS.split()[:-1])
        one.talk.understand(CallerSaid(ASKS, final=False))
        await one.hears(talk(1.0) + BEEP)
        one.talk.understand(CallerSaid(DESK, final=True))
        await one.hears(silence(1))
        assert one.found == [AnsweredParty.MACHINE] and not one.told

    outcome = scene(work, lambda text, whole: text != DESK and not whole)
    assert outcome and outcome.kind == "machine" and "beep" in outcome.text


def test_speech_without_a_pause_counts_when_the_sentence_turns_out_to_be_none_of_a_screen() -> None:
    one = AnsweringMachineDetector()
    assert not one.understand(ASKS, final=False, meant=True)
    assert not one.hear(talk(13.0)) and one.who is AnsweredParty.UNKNOWN
    assert one.understand(DESK, meant=False)
    assert (one.who, one.why) == (AnsweredParty.MACHINE, "it speaks on and on")


@pytest.mark.parametrize(("goes_on", "when"), [(silence(3), 3.0 + OVER), (talk(15.0), 3.0 + DOUBT)])
def test_a_screen_whose_last_words_the_recogniser_never_tells_is_one_after_a_pause_or_a_while(
    goes_on: bytes, when: float
) -> None:
    async def work(one: Screened) -> None:
        await one.hears(talk(3.0))
        one.talk.understand(CallerSaid(ASKS, final=False))
        for at in range(0, len(goes_on), 160):
            if not one.found:
                await one.hears(goes_on[at : at + 160])
        assert one.found == [AnsweredParty.SCREEN] and one.now == pytest.approx(when, abs=0.5)
        await one.hears(silence(3))
        assert len(one.told) == 1

    scene(work, lambda text, whole: True)


def test_a_recorder_of_names_is_told_behind_its_tone() -> None:
    async def work(one: Screened) -> None:
        await one.hears(talk(4.0), *RECORDER.split())
        await one.hears(silence(1.5))
        assert not one.told, "it does not record before its tone"
        await one.hears(BEEP + silence(0.5))
        assert len(one.told) == 1

    scene(work)


@pytest.mark.parametrize("late", [False, True], ids=["words before the tone", "words behind it"])
def test_a_tone_ends_the_words_of_a_recorder_though_the_recogniser_still_waits_for_more(late: bool) -> None:
    """It records a few seconds of silence at most."""

    async def work(one: Screened) -> None:
        words = CallerSaid("At the tone, please say your name.", final=False)
        await one.hears(talk(2.0))
        if not late:
            one.talk.understand(words)
        await one.hears(silence(0.1) + BEEP + silence(0.1))
        if late:
            one.talk.understand(words)
        await one.hears(silence(0.1))
        assert one.found == [AnsweredParty.SCREEN]
        assert len(one.told) == 1

    scene(work, knows=lambda text, final: final)


def test_a_tone_before_the_prompt_ends_nothing() -> None:
    async def work(one: Screened) -> None:
        await one.hears(talk(1.0) + BEEP + silence(0.5))
        await one.hears(talk(4.0), *RECORDER.split())
        await one.hears(silence(1.5))
        assert not one.told

    scene(work)


def test_a_tone_that_does_not_come_is_not_waited_for_without_end() -> None:
    async def work(one: Screened) -> None:
        await one.hears(talk(4.0), *RECORDER.split())
        await one.hears(silence(TONELESS + 0.5))
        assert len(one.told) == 1

    scene(work)


@pytest.mark.parametrize("sound", [talk(LONGEST_PROMPT + 1), b""], ids=["it goes on and on", "no sound comes"])
def test_a_prompt_whose_end_is_not_heard_is_answered_in_the_end(sound: bytes) -> None:
    async def work(one: Screened) -> None:
        one.talk.understand(CallerSaid(ASKS, final=True))
        await one.hears(sound)
        await asyncio.sleep(max(0.0, LONGEST_PROMPT + 1 - one.now))
        assert one.told == [pytest.approx(LONGEST_PROMPT, abs=0.1)]

    scene(work)


def test_the_limit_of_the_first_prompt_is_not_that_of_the_second() -> None:
    async def work(one: Screened) -> None:
        await one.hears(talk(2.0), *ASKS.split())
        await one.hears(silence(LONGEST_PROMPT - 8))
        one.was_told()
        await one.hears(talk(2.0))
        one.talk.understand(CallerSaid(ASKS, final=True))
        await one.hears(talk(7.0))
        assert len(one.told) == 1, "it is still asking"

    scene(work)


@pytest.mark.parametrize("again", [ASKS, "Sorry, I didn't catch that.", "Is it urgent?"])
def test_a_screen_that_asks_again_is_told_once_more_and_no_third_time(again: str) -> None:
    async def work(one: Screened) -> None:
        for times, asks in enumerate([ASKS, again, again], 1):
            await one.hears(talk(2.0), *asks.split())
            await one.hears(silence(3))
            assert len(one.told) == min(times, 2)
            one.was_told()
        assert one.found == [AnsweredParty.SCREEN]

    scene(work)


@pytest.mark.parametrize("times", [1, 2])
def test_a_screen_that_did_not_hear_the_agent_is_told_when_it_does_and_that_counts_once(times: int) -> None:
    async def work(one: Screened) -> None:
        for told in range(times):
            one.on_hold = True
            await one.hears(talk(2.0), *ASKS.split())
            await one.hears(silence(8))
            assert len(one.told) == told
            one.on_hold = False
            await one.hears(silence(0.1))
            assert len(one.told) == told + 1
            one.was_told()
        one.talk.understand(CallerSaid("Which lamp do you mean?", final=True))
        assert one.found == [AnsweredParty.SCREEN, AnsweredParty.HUMAN]

    assert scene(work) is None


def test_a_screen_that_sends_no_sound_after_a_hold_is_told_later() -> None:
    async def work(one: Screened) -> None:
        one.on_hold = True
        one.talk.understand(CallerSaid(ASKS, final=True))
        await asyncio.sleep(LONGEST_PROMPT + 1)
        one.on_hold = False
        await asyncio.sleep(LONGEST_PROMPT)
        assert one.told == [pytest.approx(2 * LONGEST_PROMPT, abs=0.1)]

    scene(work)


@pytest.mark.parametrize("taken", [False, True], ids=["on hold", "taken"])
def test_who_calls_is_said_only_to_a_screen_that_hears_it(taken: bool) -> None:
    async def plan(caller: Any, line: Any, stt: Any) -> None:
        await asyncio.sleep(3)
        follow(caller.call_control, AnsweredParty.SCREEN)
        line.incoming.put_nowait(Away(True, taken=taken))
        await asyncio.sleep(1)
        caller.call_control.tell("The line is bad.")
        assert not tell_screen(caller.call_control, PURPOSE)
        line.incoming.put_nowait(Away(False))
        await asyncio.sleep(3)
        assert tell_screen(caller.call_control, PURPOSE)
        await asyncio.sleep(6)
        caller.hang_up()

    held = hold(plan, Setting())
    assert held.tts.spoken == [PERSONA.greeting, "The line is bad.", PURPOSE], "and what waited is not dropped"


@pytest.mark.parametrize(("language", "what", "text"), FURTHER)
def test_what_a_screen_says_further_is_not_taken_for_the_person(language: str, what: str, text: str) -> None:
    one = AnsweringMachineDetector()
    one.understand(ASKS)
    one.understand(text)
    assert (one.who is AnsweredParty.HUMAN) is (what == "person")
    assert (one.asks > 1, one.refused) == (what == "again", what == "refused")


@pytest.mark.parametrize("more", [STEP, -STEP])
@pytest.mark.parametrize("held", [0.0, 600.0], ids=["", "on hold"])
@pytest.mark.parametrize(
    ("words", "limit", "why"),
    [("", LONGEST_SCREENING, "nobody came"), ("Thanks, I'll let them know you called.", LAST_WORDS, "nobody takes")],
)
def test_nobody_is_waited_for_without_end_by_an_agent_that_is_heard(
    words: str, limit: float, why: str, held: float, more: float
) -> None:
    """Though no sound comes. A screen that refuses the call has time for its voice mail."""

    async def work(one: Screened) -> None:
        for text in filter(None, (ASKS, words)):
            one.talk.understand(CallerSaid(text, final=True))
        await asyncio.sleep(limit / 2 + 0.1)
        one.on_hold = True
        await asyncio.sleep(held)
        one.on_hold = False
        await asyncio.sleep(limit / 2 + more)

    ended = scene(work)
    assert (ended is not None and ended.kind == "screened" and why in ended.text) is (more > 0)


def test_a_person_who_has_come_is_not_told_what_the_screen_asked() -> None:
    async def work(one: Screened) -> None:
        one.talk.understand(CallerSaid(ASKS, final=True))
        one.talk.understand(CallerSaid("Hello?", final=True))
        await one.hears(silence(3))
        await asyncio.sleep(LONGEST_SCREENING)
        assert one.found == [AnsweredParty.SCREEN, AnsweredParty.HUMAN]
        assert not one.told

    assert scene(work) is None


@pytest.mark.slow
def test_a_machine_that_begins_as_a_screen_does_hears_a_message_and_never_who_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over SIP and RTP, by the patterns alone: the words come one by one, and the last of them ask for a message."""
    monkeypatch.setattr("sipgw.calls.agent_setup.installed", lambda: False)

    def word_by_word(config: GatewayConfig) -> GatewayConfig:
        one: Any = with_purpose(config)  # its sections of providers are those that are installed
        changed: GatewayConfig = replace(one, assemblyai=replace(one.assemblyai, model="universal-streaming-english"))
        return changed

    words = f"{ASKS[:-1]}, and leave a message after the beep."
    sound = silence(0.5) + talk(5.0) + BEEP + silence(30)

    async def scenario() -> None:
        async with (
            callee(sound=playing(sound)) as machine,
            calling_out(
                tmp_path, machine, change=word_by_word, said=[Said(words, 500, 5500)], replies=[Reply(text=["Hm."])]
            ) as (world, told),
        ):
            async with asyncio.timeout(HANG):
                ending = await world.gateway.originate(OriginateRequest(NUMBER, "agent")).ended()
            assert ending.kind == "message_left"
            assert sound_of(SAID).strip(b"\xff") not in machine.phones[0].heard()
            found = [event.who for event in told if isinstance(event, AnsweredBy)]
            assert found[-1] == "machine" and "screen" not in found

    asyncio.run(scenario())
