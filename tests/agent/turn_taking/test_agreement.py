"""Words that only agree are known by whole phrases, in the languages that the caller may speak."""

import asyncio

import pytest

from agent.floor import Floor, lexicon_of
from agent.phrases import PHRASES, phrases_of
from agent.turn_taking.lexicon import Lexicon, PhraseSet, left_over
from agent.turn_taking.machine import TurnMachine
from agent.turn_taking.options import TurnOptions
from agent.turn_taking.table import Action
from agent.turn_taking.words import Words
from tests.agent.turn_taking.calling import STATEMENT, actions, answered, begins, ends, final, interim, wait
from tests.bench.turns.compose import ACKNOWLEDGEMENTS


def speaking(language: str) -> TurnMachine:
    """A machine whose agent speaks, to a caller of this language."""

    async def make() -> TurnMachine:
        return Floor(TurnOptions(), phrases_of((language,))).turns

    subject = asyncio.run(make())
    subject.says("Hello.", "", 0.0)
    subject.done(0.0)
    subject.says(STATEMENT, "", 0.0)
    return subject


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Would you do that for me?"),
        ("en", "Is that all?"),
        ("en", "I do it for you"),
        ("de", "Machen Sie das?"),
        ("de", "Ist das sicher?"),
    ],
)
def test_a_question_of_words_that_agree_elsewhere_interrupts(language: str, text: str) -> None:
    subject = speaking(language)
    begins(subject, 1.0)
    ends(subject, 1.9)
    assert answered(final(subject, text, 2.1)) == [text]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Okay, thank you very much."),
        ("en", "Oh, all right, sounds good."),
        ("de", "Ja genau, vielen Dank."),
        ("fr", "D'accord, c'est ça, merci beaucoup."),
    ],
)
def test_phrases_that_agree_are_a_backchannel_however_many(language: str, text: str) -> None:
    subject = speaking(language)
    words = text.split()
    for number in range(1, len(words)):
        assert Action.CUT not in actions(interim(subject, " ".join(words[:number]), 1.0 + 0.1 * number)), words[:number]
    assert actions(final(subject, text, 2.1)) == (Action.KEEP,)
    assert subject.done(9.0) == ()
    assert answered(final(subject, "Tuesday", 12.0)) == ["Tuesday"]


def test_a_short_question_into_a_statement_is_kept_for_the_next_turn() -> None:
    subject = speaking("de")
    final(subject, "Das geht?", 1.0)
    subject.done(9.0)
    assert answered(final(subject, "Hallo?", 12.0)) == ["Das geht? Hallo?"]


OTHERS = (
    ("es", "vale, entiendo, gracias"), ("es", "sí, ya lo sé"), ("fr", "d'accord, je vois"), ("fr", "oui, j'ai compris"),
    ("de", "ja, verstehe, danke"), ("de", "ach so, alles klar"), ("pt", "tá bom, entendi, obrigado"),
    ("it", "va bene, ho capito"), ("hi", "haan ji, samajh gaya"), ("hi", "जी हाँ, समझ गया"),
)  # fmt: skip


@pytest.mark.parametrize(("language", "text"), [*(("en", text) for text in ACKNOWLEDGEMENTS), *OTHERS])
def test_what_listeners_say_most_lets_the_reply_go_on(language: str, text: str) -> None:
    """Word by word, as a recogniser reports it while the agent has paused, and nothing of it is kept for a turn."""
    subject = speaking(language)
    begins(subject, 1.0)
    words = text.split()
    for number in range(1, len(words)):
        assert interim(subject, " ".join(words[:number]), 1.2 + 0.1 * number) == (), words[:number]
    ends(subject, 1.9)
    assert actions(final(subject, text, 2.1)) == (Action.RESUME,)
    subject.done(9.0)
    assert answered(final(subject, "1 2 3?", 12.0)) == ["1 2 3?"]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "No."), ("en", "Oh no."), ("en", "Okay, stop."), ("en", "I see, but I moved"),
        ("en", "I know how it works"), ("en", "okay I moved house"), ("en", "that makes it late"),
        ("en", "I got two of them"), ("en", "well I just"),
        ("es", "vale, pero no"), ("fr", "je vois, mais"), ("de", "ja, aber"),
        ("it", "ho capito, ma"), ("pt", "sim, mas"),
    ],
)  # fmt: skip
def test_a_word_that_says_something_interrupts_behind_words_that_acknowledge(language: str, text: str) -> None:
    subject = speaking(language)
    begins(subject, 1.0)
    told = [
        one for number in range(1, len(text.split())) for one in interim(subject, " ".join(text.split()[:number]), 1.3)
    ]
    ends(subject, 1.9)
    assert Action.CUT in actions((*told, *final(subject, text, 2.1)))


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Hey, stop!"), ("en", "hey wait"), ("en", "Actually no."), ("en", "Anna, wait."),
        ("en", "nothing, stop"),
        ("de", "Hallo, stopp!"), ("de", "Bloß nicht, nein!"), ("es", "Oiga, espere."),
        ("pt", "Moça, espera."), ("fr", "Madame Martin, attendez."),
    ],
)  # fmt: skip
def test_a_word_that_interrupts_does_so_behind_any_other(language: str, text: str) -> None:
    subject = speaking(language)
    begins(subject, 1.0)
    ends(subject, 1.5)
    assert Action.CUT in actions(final(subject, text, 1.7))


@pytest.mark.parametrize("text", ["no", "oh no", "what", "well how"])
def test_a_word_that_might_have_gone_on_interrupts_when_nothing_follows_it(text: str) -> None:
    """A "no" may become "no problem"; once that has not come in time, the reply does not go on over it."""
    subject = speaking("en")
    begins(subject, 1.0)
    assert interim(subject, text, 1.4) == ()
    ends(subject, 1.5)
    told = [action for _, action, _, _ in wait(subject, 3.0)]
    assert Action.RESUME not in told
    assert told[0] is Action.CUT


@pytest.mark.parametrize("text", ["No problem.", "no worries", "right, no problem", "oh, no kidding", "how nice"])
def test_a_word_that_interrupts_elsewhere_does_not_in_what_only_agrees(text: str) -> None:
    subject = speaking("en")
    begins(subject, 1.0)
    words = text.split()
    for number in range(1, len(words)):
        assert interim(subject, " ".join(words[:number]), 1.2 + 0.1 * number) == ()
    ends(subject, 1.6)
    assert actions(final(subject, text, 1.8)) == (Action.RESUME,)


def test_a_no_that_is_probably_all_interrupts_at_once() -> None:
    subject = speaking("en")
    begins(subject, 1.0)
    assert interim(subject, "no", 1.3) == ()
    assert Action.CUT in actions(subject.hear(Words("no", eager=True), 1.4))


@pytest.mark.parametrize("text", ["Oh it was.", "come on"])
def test_words_of_another_language_do_not_interrupt(text: str) -> None:
    subject = speaking("en")
    begins(subject, 1.0)
    assert interim(subject, text.split(maxsplit=1)[0], 1.3) == ()
    ends(subject, 1.5)
    assert actions(final(subject, text, 1.8)) == (Action.RESUME,)


@pytest.mark.parametrize("code", PHRASES)
def test_no_word_that_interrupts_acknowledges_by_itself(code: str) -> None:
    lexicon = lexicon_of(phrases_of((code,)))
    assert not [word for word in lexicon.interrupts if not lexicon.content(word)]


@pytest.mark.parametrize(
    ("text", "final", "left"),
    [
        ("thank you thank you", True, ""),
        ("thank", True, "thank"),
        ("right thank", False, ""),
        ("right th", False, ""),
        ("right you", False, "you"),
        ("now thank you then right", True, "now then"),
        ("", True, ""),
    ],
)
def test_what_is_left_over_of_a_text_are_the_words_of_no_phrase(text: str, final: bool, left: str) -> None:
    assert " ".join(left_over(text.split(), PhraseSet({"thank you", "right"}), final=final)) == left


@pytest.mark.parametrize(
    ("text", "agrees"), [("that", False), ("that's right", True), ("that's right?", False), ("um", True), ("", True)]
)
def test_little_words_agree_only_beside_one_that_does(text: str, agrees: bool) -> None:
    lexicon = Lexicon(fillers=frozenset(("um",)), nods=frozenset(("right",)), little=frozenset(("that", "thats")))
    assert lexicon.agrees(text) is agrees


def test_calls_in_the_same_languages_share_their_words() -> None:
    assert lexicon_of(phrases_of(("en", "de"))) is lexicon_of(phrases_of(("en", "de")))
    assert lexicon_of(phrases_of(("en",))) is not lexicon_of(phrases_of(("de",)))
