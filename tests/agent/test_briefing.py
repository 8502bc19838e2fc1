"""The briefing of a person on virtual time: what is said, what counts as yes and no, and how long it may take."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from agent.briefing import ANSWER, LETTERS, Briefing, BriefingVerdict, summary_of, verdict_of
from agent.briefing_phrases import BRIEFINGS, BriefingPhrases
from agent.errors import ProviderError
from agent.phrases import PHRASES, phrases_of
from agent.providers.local.brain.intents import Intents
from agent.providers.local.brain.llm import LocalLlm
from agent.stt import Transcript
from tests.fakes.line import FakeCaller, FakeLine, FakeLlm, FakeStt, FakeTts, says
from tests.virtual import run

SAID = BriefingPhrases()
SUMMARY = "They want their order."
ENGLISH = phrases_of(["en"])
DOWN = ProviderError("x", "down", temporary=False)
Act = Callable[[FakeCaller, FakeLine], Awaitable[None]]


def brief(act: Act, *, stt: FakeStt | None = None, tts: FakeTts | None = None, summary: str = SUMMARY, language="en"):
    """Brief a person who does `act`; returns the verdict, what was said, and the seconds that it took."""

    async def scenario():
        line, hears, speaks = FakeLine(), stt or FakeStt(), tts or FakeTts()
        briefing = Briefing(line, hears, speaks, [language])

        async def summarise() -> str:
            return summary

        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            clock = group.create_task(line.play())
            await briefing.open()
            person = group.create_task(act(FakeCaller(line, hears), line))  # type: ignore[arg-type, var-annotated]
            verdict = await briefing.run(summarise)
            clock.cancel()
            person.cancel()
        assert hears.closed
        assert speaks.closed
        assert speaks.open_streams == 0
        return verdict, speaks.spoken, asyncio.get_running_loop().time() - began

    return run(scenario())


def after(seconds: float, act: Callable[[FakeCaller], Awaitable[None] | None]) -> Act:
    async def carry_out(person: FakeCaller, line: FakeLine) -> None:
        await asyncio.sleep(seconds)
        done = act(person)
        if done is not None:
            await done

    return carry_out


def test_a_yes_after_the_question_accepts() -> None:
    verdict, spoken, _ = brief(after(9, lambda person: person.say("Yes please")))
    assert verdict is BriefingVerdict.ACCEPTED
    assert spoken == [SAID.opening, SUMMARY, SAID.question, SAID.accepted]


def test_a_key_in_the_middle_of_it_is_enough() -> None:
    verdict, _, took = brief(after(2, lambda person: person.press("1")))
    assert verdict is BriefingVerdict.ACCEPTED
    assert took < 4, "what was still to be said is not"


def test_the_summary_is_read_in_the_language_of_the_briefing() -> None:
    _, spoken, _ = brief(after(16.0, FakeCaller.hang_up), summary="Der Rabatt ist 25 %.", language="de")
    assert spoken[1] == "Der Rabatt ist 25 Prozent."


@pytest.mark.parametrize(("act", "verdict"), [("2", BriefingVerdict.DECLINED), ("5", BriefingVerdict.UNDECIDED)])
def test_other_keys(act: str, verdict: BriefingVerdict) -> None:
    assert brief(after(3, lambda person: person.press(act)))[0] is verdict


def test_a_no_is_taken_with_a_goodbye() -> None:
    verdict, spoken, _ = brief(after(3, lambda person: person.say("No, not now")))
    assert verdict is BriefingVerdict.DECLINED
    assert spoken[-1] == SAID.declined


def test_who_says_nothing_is_asked_twice_and_then_left_alone() -> None:
    verdict, spoken, took = brief(after(600, lambda person: None))
    assert verdict is BriefingVerdict.UNDECIDED
    assert spoken.count(SAID.question) == 2
    assert 2 * ANSWER < took < 60


def test_who_hangs_up_is_gone_at_once() -> None:
    verdict, _, took = brief(after(3, FakeCaller.hang_up))
    assert verdict is BriefingVerdict.GONE
    assert took < 3.5


def test_without_stt_the_keys_are_left() -> None:
    verdict, _, _ = brief(after(9, lambda person: person.press("1")), stt=FakeStt(refuses=DOWN, deaf=DOWN))
    assert verdict is BriefingVerdict.ACCEPTED


def test_without_a_voice_there_is_no_briefing() -> None:
    assert brief(after(1, lambda person: None), tts=FakeTts(refuses=DOWN))[0] is BriefingVerdict.FAILED
    assert brief(after(1, lambda person: None), tts=FakeTts(fails=lambda text: DOWN))[0] is BriefingVerdict.FAILED


def test_an_echo_of_the_question_is_no_answer() -> None:
    verdict, _, _ = brief(after(9, lambda person: person.say("say yes or press one to take the call say no")))
    assert verdict is not BriefingVerdict.ACCEPTED


def loudspeaker(*heard: tuple[float, str], answers: tuple[float, str] = (0.0, "")) -> Act:
    """The question comes back: each text so many seconds after it has begun, and then the person may say something."""

    async def carry_out(person: FakeCaller, line: FakeLine) -> None:
        begins = 0.1 + sum(0.1 + 0.07 * len(text) for text in (SAID.opening, SUMMARY))
        now = 0.0
        for at, text in (*((begins + at, text) for at, text in heard), (begins + answers[0], answers[1])):
            await person.sound(at - now, loud=True)
            now = max(now, at)
            if text:
                person._stt.heard.put_nowait(Transcript(text, True, False, person._given))
        await asyncio.sleep(600)

    return carry_out


@pytest.mark.faults("D11")
@pytest.mark.parametrize(
    "heard",
    [
        ((1.0, "yes"),),
        ((1.3, "say yes"),),
        ((1.3, "they yeah"),),
        ((2.0, "Yes or press"),),
        ((2.2, "say yes or press one"),),
        ((5.2, "Say yes or press one to take the call, say no or press two to decline."),),
        ((5.4, "Say yes or press 1 to take a call say no or"),),
        ((1.1, "say yes"), (2.4, "or press one"), (5.2, "take the call say no or press two to decline")),
    ],
)
def test_the_question_that_comes_back_is_no_answer(heard: tuple[tuple[float, str], ...]) -> None:
    assert brief(loudspeaker(*heard))[0] is BriefingVerdict.UNDECIDED


@pytest.mark.faults("D11")
@pytest.mark.parametrize(
    ("heard", "answers", "verdict"),
    [
        ((), (3.2, "yes"), BriefingVerdict.ACCEPTED),
        ((), (5.6, "yes"), BriefingVerdict.ACCEPTED),
        ((), (5.6, "sure go ahead"), BriefingVerdict.ACCEPTED),
        (((2.0, "say yes or press"),), (6.0, "yes please"), BriefingVerdict.ACCEPTED),
        (
            (),
            (6.0, "Say yes or press one to take the call, say no or press two to decline. Yes."),
            BriefingVerdict.ACCEPTED,
        ),
        (((2.0, "say yes or press"),), (7.0, "no"), BriefingVerdict.DECLINED),
    ],
)
def test_an_answer_counts_beside_the_echo(
    heard: tuple[tuple[float, str], ...], answers: tuple[float, str], verdict: BriefingVerdict
) -> None:
    assert brief(loudspeaker(*heard, answers=answers))[0] is verdict


def whoever(*said: tuple[float, str, bool]) -> Act:
    """Each text so many seconds after the briefing begins, final or, if not, eager and taken back after that."""

    async def carry_out(person: FakeCaller, line: FakeLine) -> None:
        now = 0.0
        for at, text, final in said:
            await person.sound(at - now, loud=True)
            now = at
            person._stt.heard.put_nowait(Transcript(text, final, not final, person._given))
            if not final:
                person._stt.heard.put_nowait(Transcript(f"{text} who is it", False, False, person._given))
        await asyncio.sleep(600)

    return carry_out


@pytest.mark.faults("D11")
@pytest.mark.parametrize(
    "said",
    [
        (0.3, "Yes?", True),
        (0.3, "Yes.", True),
        (2.5, "Okay.", True),
        (9.0, "Yes?", True),
        (9.0, "Right?", True),
        (9.0, "Okay, they want their order?", True),
        (9.0, "Okay, they want their order", True),
        (9.0, "They want their order, okay", True),
        (9.0, "Sure, press one to take the call", True),
        (9.0, "Yes", False),
    ],
)
def test_what_is_no_yes_to_the_question_connects_nobody(said: tuple[float, str, bool]) -> None:
    assert brief(whoever(said))[0] is BriefingVerdict.UNDECIDED
    assert brief(whoever(said, (12.0, "Yes, please.", True)))[0] is BriefingVerdict.ACCEPTED


@pytest.mark.faults("D11")
def test_a_no_counts_as_soon_as_it_is_likely_and_before_the_question() -> None:
    assert brief(whoever((0.3, "No.", True)))[0] is BriefingVerdict.DECLINED
    assert brief(whoever((2.0, "not now", False)))[0] is BriefingVerdict.DECLINED


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Yes.", BriefingVerdict.ACCEPTED),
        ("Go ahead!", BriefingVerdict.ACCEPTED),
        ("Sure, put them through.", BriefingVerdict.ACCEPTED),
        ("No.", BriefingVerdict.DECLINED),
        ("Okay, but I can't take it now", BriefingVerdict.DECLINED),
        ("You have reached the voicemail of Anna. She is not available.", BriefingVerdict.DECLINED),
        ("Who is it?", None),
        pytest.param("I am sorry I cannot right now", None, marks=pytest.mark.faults("D11")),
        pytest.param("okay who is calling", None, marks=pytest.mark.faults("D11")),
        pytest.param("Right, what is it about", None, marks=pytest.mark.faults("D11")),
        pytest.param("Yes?", None, marks=pytest.mark.faults("D11")),
        pytest.param("um, yes please, connect me", BriefingVerdict.ACCEPTED, marks=pytest.mark.faults("D11")),
        ("", None),
    ],
)
def test_what_counts_as_an_answer(text: str, verdict: BriefingVerdict | None) -> None:
    assert verdict_of(text, ENGLISH) is verdict


@pytest.mark.parametrize("code", sorted(PHRASES))
def test_every_language_has_a_yes_and_a_no_that_are_not_the_same(code: str) -> None:
    phrases = PHRASES[code]
    assert phrases.refusal
    assert phrases.readiness
    assert phrases.refusal.isdisjoint(phrases.assent)


def test_the_summary_is_the_models_one_line_and_bounded() -> None:
    messages = [{"role": "system", "content": "You are Ann."}, {"role": "user", "content": "Where is my order?"}]
    llm = FakeLlm(lambda asked: says(SUMMARY + "\n" + "x" * 1000))
    text = run_summary(llm, messages)
    assert text.startswith(SUMMARY)
    assert len(text) == LETTERS
    assert llm.offered == [0], "without tools"


@pytest.mark.faults("G9")
def test_a_model_is_asked_about_the_call_and_not_within_it() -> None:
    """Within it a model goes on as the agent: "Thank you for calling Acme Store. Goodbye." """
    messages = [
        {"role": "system", "content": "You are Ann of Acme Store."}, {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "A person, please."}, {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "tool_call_id": "1", "content": "{}"},
    ]  # fmt: skip
    llm = FakeLlm(lambda asked: says(SUMMARY))
    run_summary(llm, messages)
    assert llm.asked[0] == [
        {"role": "system", "content": SAID.summarise},
        {"role": "user", "content": "Agent: Hello.\nCaller: A person, please."},
    ]  # fmt: skip


@pytest.mark.faults("G9")
@pytest.mark.parametrize("language", sorted(BRIEFINGS))
def test_the_embedded_brain_which_knows_its_script_only_makes_no_summary(language: str) -> None:
    messages = [{"role": "user", "content": "That's all, thank you. Goodbye."}]

    async def scenario() -> str:
        return await summary_of(LocalLlm(business="Acme Store", intents=Intents()), messages, BRIEFINGS[language])

    assert run(scenario()) == ""


@pytest.mark.parametrize("script", [lambda asked: [DOWN], lambda asked: [100.0]], ids=["down", "slow"])
def test_a_model_that_fails_makes_no_summary(script) -> None:
    assert run_summary(FakeLlm(script), []) == ""


def test_each_language_has_its_words_and_its_sentences() -> None:
    assert BRIEFINGS.keys() == PHRASES.keys()
    for code, said in BRIEFINGS.items():
        assert "1" in said.question and "2" in said.question, code
        assert said.language in said.summarise


def run_summary(llm: FakeLlm, messages: list) -> str:
    async def scenario() -> str:
        return await summary_of(llm, messages, SAID)

    return run(scenario())
