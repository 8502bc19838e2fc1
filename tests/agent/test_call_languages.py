"""Which language a call is in: changed on detection and on request, without flip-flop; what changes with it."""

import asyncio

import pytest

from agent.call_languages import NAMES, CallLanguages
from agent.persona import Persona
from agent.phrases import PHRASES
from agent.records import Interrupted, LanguageChanged
from agent.stock import STOCK
from agent.stt import Transcript
from agent.tools import tool
from agent.turn_taking.options import TurnOptions
from sipgw.agents.languages import translations
from sipgw.config.agent import LanguageOptions
from tests.agent.holding import Held, Setting, hold
from tests.fakes.line import calls, says


def said(text: str, *languages: str, confidence: float = 1.0, final: bool = True) -> Transcript:
    return Transcript(text, final, False, 1.0, (), languages, confidence)


SPANISH = "Hola, quiero saber dónde está mi pedido"
ENGLISH = "Actually can we speak English now please"


def test_a_sentence_in_another_known_language_changes_it() -> None:
    languages = CallLanguages(("en", "es"))
    assert languages.note_transcript(said(SPANISH, "es"))
    assert languages.now == "es"


@pytest.mark.parametrize(
    "heard",
    [
        said("Sí, claro", "es"),  # too short
        said(SPANISH, "es", confidence=0.4),  # not sure
        said(SPANISH, "es", final=False),  # partials change
        said(SPANISH, "fr"),  # not spoken here
        said(SPANISH),  # not told
        said("Mera order kahan hai please tell me", "hi", "en"),  # mixed: the present one is among them
    ],
)
def test_what_does_not_change_it(heard: Transcript) -> None:
    languages = CallLanguages(("en", "es", "hi"))
    assert not languages.note_transcript(heard)
    assert languages.now == "en"


def test_short_answers_add_up_unless_the_present_language_comes_between() -> None:
    languages = CallLanguages(("en", "es"))
    assert [languages.note_transcript(said("Sí, claro", "es")) for _ in range(2)] == [False, True]
    languages = CallLanguages(("en", "es"))
    heard = [said("Sí, claro", "es"), said("Yes", "en"), said("Sí, claro", "es")]
    assert [languages.note_transcript(one) for one in heard] == [False, False, False]


def test_hinglish_does_not_flip_to_and_fro() -> None:
    """A recogniser that names the language of each turn alternately makes two changes at most, in thirty turns."""
    languages = CallLanguages(("en", "hi"))
    turns = [
        said("Mera parcel abhi tak nahi aaya hai", "hi"),
        said("The order number is seven three four six", "en"),
        said("Haan wahi wala kal bola tha aapne", "hi"),
    ]
    changes = [languages.note_transcript(turns[at % 3]) for at in range(30)]
    assert sum(changes) <= 2
    assert not any(changes[6:])


def test_a_language_that_was_asked_for_is_kept_against_one_misheard_sentence() -> None:
    languages = CallLanguages(("en", "es"))
    assert languages.ask("es")
    assert not languages.note_transcript(said(ENGLISH, "en"))
    assert languages.note_transcript(said(ENGLISH + " I do not understand", "en")), (
        "but not against a caller who goes on"
    )
    assert not languages.ask("fr")


def test_everything_is_there_in_every_language() -> None:
    assert set(STOCK) == set(PHRASES) == set(NAMES)
    names = set(STOCK["en"])
    for code, sentences in STOCK.items():
        assert set(sentences) == names, code
        assert len(set(sentences.values())) == len(names)
        persona = Persona("", "", translations=translations([LanguageOptions(code)])).speaking(code)
        assert persona.reprompt == sentences["reprompt"]
        for kind in ("backchannels", "assent", "greetings", "digits", "refusal"):
            assert getattr(PHRASES[code], kind), f"{code}: {kind}"


# In a conversation

BILINGUAL = ("en", "es")
PERSONA = Persona(
    "You are a test.", "Hello there.", translations=translations([LanguageOptions(code) for code in BILINGUAL])
)


def bilingual(**more: object) -> Setting:
    options = TurnOptions(reprompt_after=8)
    return Setting(persona=PERSONA, languages=BILINGUAL, **{"options": options, **more})  # type: ignore[arg-type]


def changes(held: Held) -> list[LanguageChanged]:
    return [report for report in held.reports if isinstance(report, LanguageChanged)]


def test_the_answer_is_in_the_callers_language_and_so_is_everything_after_it() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        caller.hear(SPANISH, "es")
        await asyncio.sleep(300)

    def script(messages):
        return says("Está en camino.") if "answer in Spanish" in messages[0]["content"] else says("It is on its way.")

    held = hold(plan, bilingual(script=script))
    stock = STOCK["es"]
    assert held.tts.in_languages == [
        ("en", "Hello there."),
        ("es", "Está en camino."),
        ("es", stock["reprompt"]),
        ("es", stock["reprompt"]),
        ("es", stock["goodbye_silence"]),
    ]
    assert changes(held) == [LanguageChanged("es", "detected")]
    assert held.stt.languages == ["es"]
    assert [turn.language for turn in held.turns] == ["en", "es", "es", "es", "es"]


def test_the_caller_may_ask_for_a_language() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Spanish please")
        await asyncio.sleep(6)
        caller.hang_up()

    def script(messages):
        return says("Claro que sí.") if messages[-1]["role"] == "tool" else [calls("switch_language", language="es")]

    held = hold(plan, bilingual(script=script))
    assert held.tts.in_languages[-1] == ("es", "Claro que sí.")
    assert changes(held) == [LanguageChanged("es", "asked for")]
    assert "answer in Spanish" in held.last_asked()[0]["content"]


def test_a_language_that_the_agent_does_not_speak_is_refused() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Auf Deutsch bitte")
        await asyncio.sleep(6)
        caller.hang_up()

    def script(messages):
        return says("I cannot.") if messages[-1]["role"] == "tool" else [calls("switch_language", language="de")]

    held = hold(plan, bilingual(script=script))
    assert held.tts.in_languages[-1] == ("en", "I cannot.")
    assert "you only speak en (English), es (Spanish)" in held.turns[-1].tools[0].error


def test_an_agent_of_one_language_is_not_offered_to_change_it() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        caller.hear(SPANISH, "es")
        await asyncio.sleep(3)
        caller.hang_up()

    held = hold(plan)
    assert held.llm.offered == [1], "hang_up"
    assert not changes(held)
    assert held.last_asked()[0]["content"] == "You are a test."


def test_a_slow_tool_is_covered_in_the_language_of_the_call() -> None:
    @tool
    async def look() -> str:
        """Look."""
        await asyncio.sleep(3)
        return "packed"

    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        caller.hear(SPANISH, "es")
        await asyncio.sleep(10)
        caller.hang_up()

    def script(messages):
        return says("Ya está.") if messages[-1]["role"] == "tool" else [calls("look")]

    held = hold(plan, bilingual(script=script, tools=[look]))
    assert held.tts.spoken == ["Hello there.", STOCK["es"]["filler"], "Ya está."]


def test_the_mm_hmm_of_both_languages_is_no_interruption() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("Where is my order?")
        await asyncio.sleep(1.5)
        await caller.say("Vale, sí", seconds=0.4)
        await asyncio.sleep(1.5)
        await caller.say("Mm-hmm", seconds=0.4)
        await asyncio.sleep(12)
        caller.hang_up()

    held = hold(plan, bilingual(script=lambda messages: says("It is out for delivery and will be with you by six.")))
    assert not any(isinstance(report, Interrupted) for report in held.reports)


def test_a_reply_prepared_in_the_old_language_is_thrown_away() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        stt.heard.put_nowait(Transcript(SPANISH, False, True, 0.2))
        await asyncio.sleep(0.3)
        caller.hear(SPANISH, "es")
        await asyncio.sleep(5)
        caller.hang_up()

    def script(messages):
        return says("Está aquí." if "in Spanish" in messages[0]["content"] else "It is here.")

    held = hold(plan, bilingual(script=script))
    assert [turn.heard for turn in held.turns] == ["Hello there.", "Está aquí."]
